import numpy as np
import polars as pl
import pytest

from palate import testing
from palate.core.dataset import Dataset
from palate.core.errors import ConfigError, DataError
from palate.core.histories import histories_of
from palate.features.encoders import item2vec
from palate.features.encoders.item2vec import Item2Vec, _information, _together


def dataset(histories, items=None):
    pairs = [(f"p{row}", item) for row, history in enumerate(histories) for item in history]
    table = pl.DataFrame(pairs, schema=["user_id", "item_id"], orient="row")
    names = items or sorted({item for _, item in pairs})
    return Dataset(table, pl.DataFrame({"item_id": names}))


@pytest.fixture
def sessions():
    """Long histories in which tea comes in runs, then bikes; nobody keeps to one of them."""
    rng = np.random.default_rng(4)
    histories = []
    for _ in range(120):
        tea = [f"tea{n}" for n in rng.choice(9, 5, replace=False)]
        bikes = [f"bike{n}" for n in rng.choice(6, 5, replace=False)]
        histories.append(tea + bikes if rng.random() < 0.7 else bikes + tea)
    return dataset(
        histories, ["new"] + [f"tea{n}" for n in range(9)] + [f"bike{n}" for n in range(6)]
    )


@pytest.mark.parametrize("encoder", [Item2Vec(dim=4), Item2Vec(dim=200, window=2, shift=2.0)])
def test_it_keeps_the_promises_of_an_encoder(encoder, tiny):
    testing.check_encoder(encoder, tiny)


def test_nearer_events_count_more():
    data = dataset([["a", "b", "c", "d"], ["d", "b"]])
    a, b, c, d = range(4)
    counts = _together(histories_of(data), 2).toarray()
    expected = np.zeros((4, 4))
    for one, other, value in ((a, b, 1), (b, c, 1), (c, d, 1), (a, c, 0.5), (b, d, 0.5 + 1)):
        expected[one, other] = expected[other, one] = value
    np.testing.assert_allclose(counts, expected)


def test_an_item_is_not_near_itself():
    data = dataset([["a", "a", "b", "a"]])
    assert _together(histories_of(data), 3).diagonal().tolist() == [0, 0]


def test_the_definition():
    data = dataset([["a", "b", "c"], ["a", "b"], ["c", "d"], ["b", "a", "d"]])
    counts = _together(histories_of(data), 1)
    dense = counts.toarray()
    items, contexts = dense.sum(axis=1), dense.sum(axis=0) ** 0.75
    contexts = contexts / contexts.sum()
    with np.errstate(divide="ignore"):
        told = np.log(dense / (items[:, None] * contexts)) - np.log(1.5)
    expected = np.maximum(told, 0) * dense / (dense + 2.0)
    found = _information(counts, shift=1.5, damping=2.0).toarray()
    np.testing.assert_allclose(found, expected)
    assert found.any()


def test_items_in_the_same_stretch_are_close(sessions):
    features = Item2Vec(dim=2, window=2).fit(sessions).encode(sessions)
    cosines = features.values @ features.values.T
    assert cosines[1:10, 1:10].min() > 0.5
    assert cosines[10:, 10:].min() > 0.5
    assert cosines[1:10, 10:].mean() < 0.3
    assert features.behavioural == {"item2vec"}
    lengths = np.linalg.norm(features.values, axis=1)
    np.testing.assert_allclose(lengths[1:], 1, atol=1e-5)
    assert lengths[0] == 0, "nobody touched the new item"


def test_a_window_as_long_as_any_history_takes_all(sessions):
    one, other = (Item2Vec(window=window).fit(sessions).vectors_ for window in (9, 9))
    np.testing.assert_array_equal(one, other)
    wide = _together(histories_of(sessions), 1000)
    assert wide.nnz == _together(histories_of(sessions), 9).nnz


def test_too_many_pairs_shorten_the_window(sessions, monkeypatch):
    full = _together(histories_of(sessions), 9)
    monkeypatch.setattr(item2vec, "_MOST_PAIRS", 120 * (9 + 8))
    short = _together(histories_of(sessions), 9)
    assert 0 < short.sum() < full.sum()
    monkeypatch.setattr(item2vec, "_MOST_PAIRS", 1)
    next_only = _together(histories_of(sessions), 9).toarray()
    expected = np.zeros_like(next_only)
    for user in range(120):
        history = histories_of(sessions).row(user)
        np.add.at(expected, (history[1:], history[:-1]), 1)
        np.add.at(expected, (history[:-1], history[1:]), 1)
    np.testing.assert_allclose(next_only, expected)


def test_items_that_arrive_later_are_zeros(sessions):
    encoder = Item2Vec(dim=3).fit(sessions)
    later = Dataset(sessions.interactions.clear(), pl.DataFrame({"item_id": ["x", "bike3"]}))
    values = encoder.encode(later).values
    assert not values[0].any()
    np.testing.assert_array_equal(values[1], encoder.encode(sessions).values[13])


def test_histories_of_one_event_tell_nothing_and_break_nothing():
    data = dataset([["a"], ["b"], ["a"]])
    values = Item2Vec(dim=2).fit(data).encode(data).values
    assert values.shape == (2, 2)
    assert not values.any()


def test_no_events_are_refused(sessions):
    with pytest.raises(DataError, match="no interactions"):
        Item2Vec().fit(sessions.with_interactions(sessions.interactions.clear()))


@pytest.mark.parametrize("setting", [{"dim": 0}, {"window": 0}, {"shift": 0.5}, {"damping": -1.0}])
def test_settings_are_checked(setting):
    with pytest.raises(ConfigError, match=next(iter(setting))):
        Item2Vec(**setting)


def test_what_stands_near_nothing_is_zeros_however_few_items_there_are():
    """Beyond the rank of the pairs directions are rounding errors, which a power must not raise."""
    rng = np.random.default_rng(0)
    for lonely in range(20, 26):
        histories = [list(map(str, rng.choice(20, 3))) for _ in range(30)]
        histories += [[str(name)] for name in range(20, lonely)]
        data = dataset(histories, [str(name) for name in range(30)])
        values = Item2Vec(dim=64).fit(data).encode(data).values
        assert not values[20:].any()
        assert values[:20].any(axis=1).sum() > 15
