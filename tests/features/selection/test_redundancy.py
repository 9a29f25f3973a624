import numpy as np
import polars as pl
import pytest

from palate.core.dataset import Dataset
from palate.core.errors import ConfigError
from palate.core.features import Features
from palate.features.selection.redundancy import Redundancy


@pytest.fixture
def repeated():
    """Columns: x, y, -3x + 1, constant, almost y, z; item 50 and later are untouched."""
    rng = np.random.default_rng(2)
    x, y, z = rng.normal(size=(3, 80))
    x[50:] = 1000 * z[50:]
    columns = [x, y, 1 - 3 * x, np.full(80, 4.0), y + 0.05 * z, z]
    ids = [f"item {row}" for row in range(80)]
    events = pl.DataFrame({"user_id": ["u"] * 50, "item_id": ids[:50]})
    data = Dataset(interactions=events, items=pl.DataFrame({"item_id": ids}))
    return Features(data.item_ids, {"text": np.stack(columns, axis=1)}), data


def kept(features, part):
    return [
        list(map(bool, (features.parts["text"] == part[:, [place]]).all(axis=0))).index(True)
        for place in range(part.shape[1])
    ]


def test_later_copies_go(repeated):
    features, data = repeated
    part = Redundancy().fit(features, data).transform(features).parts["text"]
    assert kept(features, part) == [0, 1, 3, 5]


def test_the_limit_decides(repeated):
    features, data = repeated
    part = Redundancy(limit=0.9999).fit(features, data).transform(features).parts["text"]
    assert kept(features, part) == [0, 1, 3, 4, 5]


def test_sparse_blocks_stay_and_words_lose_the_same_columns(tiny, tiny_features, repeated):
    parts = Redundancy().fit(tiny_features, tiny).transform(tiny_features).parts
    assert parts["tags"] is tiny_features.parts["tags"]
    features, data = repeated
    words = np.float32([[0, 1, 2, 3, 4, 5]])
    assert Redundancy().fit(features, data).transform_block("text", words).tolist() == [
        [0, 1, 3, 5]
    ]


@pytest.mark.parametrize("limit", [0, 1.01])
def test_a_limit_that_cannot_work_raises(limit):
    with pytest.raises(ConfigError, match="limit"):
        Redundancy(limit=limit)
