import numpy as np
import polars as pl
import pytest
from sklearn.decomposition import PCA

from palate.core.dataset import Dataset
from palate.core.errors import ConfigError
from palate.core.features import Features
from palate.features.representation.reduce import Reduce


@pytest.fixture
def wide():
    rng = np.random.default_rng(9)
    values = rng.normal(size=(60, 8)) * np.arange(1, 9) @ rng.normal(size=(8, 8)) + 2
    ids = [f"item {row}" for row in range(60)]
    events = pl.DataFrame({"user_id": ["u"] * 50, "item_id": ids[:50]})
    data = Dataset(interactions=events, items=pl.DataFrame({"item_id": ids}))
    return Features(data.item_ids, {"text": values, "small": values[:, :3]}), data


def test_equals_principal_components_of_the_trained_items(wide):
    features, data = wide
    found = Reduce(dim=3).fit(features, data).transform(features).parts["text"]
    wanted = PCA(3).fit(features.parts["text"][:50]).transform(features.parts["text"])
    np.testing.assert_allclose(np.abs(found), np.abs(wanted), rtol=1e-3, atol=1e-3)
    assert found.dtype == np.float32


def test_small_and_sparse_blocks_are_left_alone(wide, tiny, tiny_features):
    features, data = wide
    part = Reduce(dim=3).fit(features, data).transform(features).parts["small"]
    np.testing.assert_array_equal(part, features.parts["small"])
    parts = Reduce(dim=2).fit(tiny_features, tiny).transform(tiny_features).parts
    assert parts["tags"] is tiny_features.parts["tags"]


def test_blank_rows_stay_zero_and_words_go_the_way_of_the_items(wide):
    features, data = wide
    model = Reduce(dim=4).fit(features, data)
    words = np.vstack([features.parts["text"][7], np.zeros(8)]).astype(np.float32)
    found = model.transform_block("text", words)
    np.testing.assert_allclose(found[0], model.transform(features).parts["text"][7], rtol=1e-5)
    assert not found[1].any()


def test_never_more_components_than_trained_items_can_tell(wide):
    features, data = wide
    few = data.with_interactions(data.interactions.head(3))
    assert Reduce(dim=5).fit(features, few).transform(features).parts["text"].shape == (60, 2)


def test_no_dimension_raises():
    with pytest.raises(ConfigError, match="dim = 0"):
        Reduce(dim=0)
