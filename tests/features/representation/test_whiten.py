import numpy as np
import polars as pl
import pytest

from palate.core.dataset import Dataset
from palate.core.errors import AlignmentError, ConfigError, DataError
from palate.core.features import Features
from palate.features.representation.whiten import Whiten


@pytest.fixture
def skewed():
    """300 items, stretched along some axes; the last 100 are untouched and elsewhere."""
    rng = np.random.default_rng(4)
    values = rng.normal(size=(300, 6)) * [8, 4, 2, 1, 0.5, 0.01] @ rng.normal(size=(6, 6)) + 3
    values[200:] += 20 * rng.normal(size=6)
    values[5] = 0
    ids = [f"item {row}" for row in range(300)]
    events = pl.DataFrame({"user_id": ["u"] * 200, "item_id": ids[:200]})
    data = Dataset(interactions=events, items=pl.DataFrame({"item_id": ids}))
    return Features(data.item_ids, {"text": values}), data


def reference(values, fitted, shrinkage):
    """The prototype's whitening, on the rows that are not blank."""
    norms = np.linalg.norm(values, axis=1, keepdims=True)
    units = np.divide(values, norms, out=np.zeros_like(values), where=norms > 0)
    training = units[fitted]
    training = training[training.any(axis=1)]
    mean = training.mean(axis=0)
    centred = training - mean
    covariance = centred.T @ centred / len(training)
    variance, axes = np.linalg.eigh(covariance)
    found = (units - mean) @ axes / np.sqrt(variance + shrinkage * np.trace(covariance))
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    found[~units.any(axis=1)] = 0
    return found


def test_cosines_equal_those_of_the_prototype(skewed):
    features, data = skewed
    whitened = Whiten(shrinkage=1e-3).fit(features, data).transform(features).parts["text"]
    values = features.parts["text"].astype(np.float64)
    wanted = reference(values, np.arange(200), 1e-3)
    np.testing.assert_allclose(whitened @ whitened.T, wanted @ wanted.T, atol=2e-3)
    assert whitened.dtype == np.float32


def test_only_items_with_events_are_looked_at(skewed):
    features, data = skewed
    changed = features.parts["text"].copy()
    changed[200:] = 7 * changed[200:][::-1] ** 2
    other = Features(features.ids, {"text": changed})
    one = Whiten().fit(features, data).transform(features).parts["text"]
    two = Whiten().fit(other, data).transform(features).parts["text"]
    np.testing.assert_array_equal(one, two)


def test_more_shrinkage_keeps_small_axes_quiet(skewed):
    features, data = skewed
    rows = features.take(np.arange(200))
    spreads = []
    for shrinkage in (1e-9, 1.0):
        part = Whiten(shrinkage=shrinkage).fit(features, data).transform(rows).parts["text"]
        spreads.append(part.std(axis=0))
    assert spreads[0].max() / spreads[0].min() < 2
    assert spreads[1].max() / spreads[1].min() > 5


def test_blank_rows_stay_zero_and_all_others_have_length_one(skewed):
    features, data = skewed
    part = Whiten().fit(features, data).transform(features).parts["text"]
    assert not part[5].any()
    np.testing.assert_allclose(np.linalg.norm(np.delete(part, 5, axis=0), axis=1), 1, rtol=1e-5)


def test_keep_bounds_the_axes(skewed):
    features, data = skewed
    assert Whiten(keep=2).fit(features, data).transform(features).parts["text"].shape == (300, 2)
    few = data.with_interactions(data.interactions.head(4))
    assert Whiten().fit(features, few).transform(features).parts["text"].shape == (300, 3)


def test_a_single_trained_item_gives_finite_rows(skewed):
    features, data = skewed
    single = data.with_interactions(data.interactions.head(1))
    part = Whiten().fit(features, single).transform(features).parts["text"]
    assert np.isfinite(part).all()


def test_words_go_the_way_of_the_items(tiny, tiny_features):
    model = Whiten().fit(tiny_features, tiny)
    parts = model.transform(tiny_features).parts
    for name, part in tiny_features.parts.items():
        found = model.transform_block(name, part[:3])
        np.testing.assert_allclose(_dense(found), _dense(parts[name][:3]), atol=1e-5)


def test_sparse_blocks_only_become_unit_rows(tiny, tiny_features):
    part = Whiten().fit(tiny_features, tiny).transform(tiny_features).parts["tags"]
    before = tiny_features.parts["tags"].toarray()
    lengths = np.linalg.norm(before, axis=1, keepdims=True)
    np.testing.assert_allclose(part.toarray(), before / lengths, rtol=1e-6)


def test_another_width_raises(tiny, tiny_features):
    model = Whiten().fit(tiny_features, tiny)
    with pytest.raises(AlignmentError, match="5 columns of block 'image', but got 3"):
        model.transform_block("image", np.ones((2, 3), dtype=np.float32))


@pytest.mark.parametrize("setting", [{"shrinkage": -1.0}, {"keep": 0}])
def test_settings_that_cannot_work_raise(setting):
    with pytest.raises(ConfigError, match=next(iter(setting))):
        Whiten(**setting)


def _dense(part):
    return part if isinstance(part, np.ndarray) else part.toarray()


@pytest.mark.parametrize("odd", [np.nan, np.inf])
@pytest.mark.parametrize("row", [3, 250])
def test_nan_in_a_block_says_where(skewed, odd, row):
    features, data = skewed
    values = features.parts["text"].copy()
    values[row, 2] = odd
    broken = features.with_parts({"text": values})
    with pytest.raises(DataError, match=f"'text' holds NaN or infinity .* 'item {row}'"):
        Whiten().fit(broken, data)
    with pytest.raises(DataError, match=f"'item {row}'"):
        Whiten().fit(features, data).transform(broken)
