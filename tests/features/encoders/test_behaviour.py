import numpy as np
import polars as pl
import pytest

from palate import testing
from palate.core.dataset import Dataset
from palate.core.errors import ConfigError, DataError
from palate.features.encoders.behaviour import Behaviour


def dataset(pairs, items=None, weights=None):
    table = pl.DataFrame(pairs, schema=["user_id", "item_id"], orient="row")
    if weights is not None:
        table = table.with_columns(weight=pl.Series(weights))
    names = items or sorted({item for _, item in pairs})
    return Dataset(table, pl.DataFrame({"item_id": names}))


@pytest.fixture
def synthetic():
    """Two groups of uneven sizes, each with items of its own."""
    rng = np.random.default_rng(2)
    pairs = []
    for user in range(90):
        group, size = ("tea", 11) if user % 3 else ("bike", 7)
        for number in rng.choice(size, size=4, replace=False):
            pairs.append((f"p{user}", f"{group}{number}"))
    return dataset(pairs, ["new"] + [f"tea{n}" for n in range(11)] + [f"bike{n}" for n in range(7)])


@pytest.mark.parametrize("encoder", [Behaviour(dim=4), Behaviour(dim=200)])
def test_it_keeps_the_promises_of_an_encoder(encoder, tiny):
    testing.check_encoder(encoder, tiny)


def test_items_of_the_same_people_are_close(synthetic):
    features = Behaviour(dim=2).fit(synthetic).encode(synthetic)
    values = features.values
    cosines = values @ values.T
    assert cosines[1:12, 1:12].min() > 0.9
    assert cosines[12:, 12:].min() > 0.9
    assert abs(cosines[1:12, 12:]).max() < 0.1


def test_the_block_is_behavioural_and_unit_length(synthetic):
    features = Behaviour(dim=5).fit(synthetic).encode(synthetic)
    assert features.behavioural == {"behaviour"}
    assert features.values.shape == (19, 5)
    lengths = np.linalg.norm(features.values, axis=1)
    np.testing.assert_allclose(lengths[1:], 1, atol=1e-5)
    assert lengths[0] == 0, "nobody touched the new item"


def test_the_definition():
    pairs = [("u", "a"), ("u", "b"), ("v", "b"), ("v", "b"), ("w", "c"), ("w", "a"), ("w", "b")]
    data = dataset(pairs)
    counts = np.array([[1, 1, 0], [0, np.log2(3), 0], [1, 1, 1]])
    matrix = counts / counts.sum(axis=1, keepdims=True) ** 0.25 / counts.sum(axis=0) ** 0.5
    _, values, right = np.linalg.svd(matrix)
    expected = (right * np.sqrt(values)[:, None]).T
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    found = Behaviour(dim=3).fit(data).encode(data).values
    np.testing.assert_allclose(found @ found.T, expected @ expected.T, atol=1e-5)
    largest = np.abs(right).argmax(axis=1)
    assert (found[largest, np.arange(3)] > 0).all(), "signs are settled"


def test_heavier_events_pull_items_together():
    pairs = [("u", "a"), ("u", "b"), ("v", "a"), ("v", "c"), ("w", "c"), ("w", "b"), ("x", "c")]

    def cosines(weights):
        data = dataset(pairs, weights=weights)
        a, b, c = Behaviour(dim=2).fit(data).encode(data).values
        return a @ b, a @ c

    with_b, with_c = cosines([9.0, 9.0, 1.0, 1.0, 1.0, 1.0, 1.0])
    assert with_b > with_c + 0.1
    with_b, with_c = cosines([1.0, 1.0, 9.0, 9.0, 1.0, 1.0, 1.0])
    assert with_c > with_b + 0.1


def test_items_that_arrive_later_are_zeros(synthetic):
    encoder = Behaviour(dim=3).fit(synthetic)
    later = Dataset(
        synthetic.interactions.clear(), pl.DataFrame({"item_id": ["later", "bike3", "tea0"]})
    )
    values = encoder.encode(later).values
    assert not values[0].any()
    np.testing.assert_array_equal(values[1:], encoder.encode(synthetic).values[[15, 1]])
    assert encoder.vectors_.any(), "encoding leaves what was learnt alone"


def test_the_seed_changes_no_more_than_rounding(synthetic):
    one = Behaviour(dim=6, seed=1).fit(synthetic).encode(synthetic).values
    other = Behaviour(dim=6, seed=2).fit(synthetic).encode(synthetic).values
    np.testing.assert_allclose(one, other, atol=1e-4)


def test_one_event_is_enough():
    data = dataset([("u", "a")], ["a", "b"])
    assert Behaviour().fit(data).encode(data).values.tolist() == [[1.0], [0.0]]


def test_no_events_are_refused(synthetic):
    with pytest.raises(DataError, match="no interactions"):
        Behaviour().fit(synthetic.with_interactions(synthetic.interactions.clear()))


def test_settings_are_checked():
    with pytest.raises(ConfigError, match="dim"):
        Behaviour(dim=0)
