import numpy as np
import polars as pl
import pytest
from scipy import sparse

from palate.core.dataset import Dataset
from palate.core.errors import AlignmentError, ConfigError
from palate.core.features import Features
from palate.features.selection.variance import Variance

VALUES = np.float32([[1, 5, 0, 0.1], [2, 5, 9, 0.2], [4, 5, 0, 0.1], [0, 9, 1, 50]])


@pytest.fixture
def data():
    """The last of four items has no events."""
    events = pl.DataFrame({"user_id": ["u"] * 3, "item_id": ["a", "b", "c"]})
    return Dataset(interactions=events, items=pl.DataFrame({"item_id": list("abcd")}))


@pytest.mark.parametrize("make", [np.asarray, sparse.csr_array])
def test_columns_that_hardly_vary_go(data, make):
    features = Features(data.item_ids, {"text": make(VALUES)})
    model = Variance(floor=0.01).fit(features, data)
    part = model.transform(features).parts["text"]
    dense = part if isinstance(part, np.ndarray) else part.toarray()
    np.testing.assert_array_equal(dense, VALUES[:, [0, 2]])
    words = model.transform_block("text", np.float32([[1, 2, 3, 4]]))
    assert words.tolist() == [[1, 3]]


def test_a_block_that_never_varies_keeps_one_column(data):
    features = Features(data.item_ids, {"flat": np.ones((4, 3)), "none": np.ones((4, 0))})
    parts = Variance().fit(features, data).transform(features).parts
    assert parts["flat"].shape == (4, 1)
    assert parts["none"].shape == (4, 0)


def test_another_width_or_block_raises(data):
    model = Variance().fit(Features(data.item_ids, {"text": VALUES}), data)
    with pytest.raises(AlignmentError, match="4 columns of block 'text', but got 2"):
        model.transform_block("text", np.ones((1, 2), dtype=np.float32))
    with pytest.raises(AlignmentError, match="Did you mean 'text'"):
        model.transform_block("texts", VALUES)


def test_a_floor_below_zero_raises():
    with pytest.raises(ConfigError, match="floor"):
        Variance(floor=-0.1)
