import numpy as np
import polars as pl
import pytest

from palate.core.dataset import Dataset
from palate.core.features import Features
from palate.features.representation.whiten import Whiten, are_numbers, as_angles, knots_of

ROWS = np.arange(200, dtype=np.int32)


@pytest.fixture
def skewed():
    """Prices by orders of magnitude, a share that is mostly 1, and a constant."""
    rng = np.random.default_rng(6)
    price = 10 ** rng.uniform(0, 5, size=200)
    share = 1 + np.maximum(rng.normal(size=200), 0)
    return np.column_stack([price, share, np.full(200, 9)]).astype(np.float32)


def test_like_numbers_are_alike_whatever_their_unit(skewed):
    price = skewed[:, :1]
    vectors = as_angles(price, knots_of(price, ROWS))
    order = np.argsort(price.ravel())
    cosines = vectors[order] @ vectors[order[0]]
    assert (np.diff(cosines) <= 1e-6).all(), "the further, the less alike"
    assert cosines[0] == pytest.approx(1)
    assert cosines[-1] < -0.99
    assert abs(cosines[100]) < 0.05, "half of the items apart: a right angle"


def test_columns_have_one_say_each_and_constants_none(skewed):
    knots = knots_of(skewed, ROWS)
    vectors = as_angles(skewed, knots)
    assert vectors.shape == (200, 6)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    single = [as_angles(skewed[:, [c]], knots[:, [c]]) for c in (0, 1)]
    wanted = (single[0] @ single[0].T + single[1] @ single[1].T) / 2
    np.testing.assert_allclose(vectors @ vectors.T, wanted, atol=1e-5)


def test_equal_numbers_are_equal_however_many_share_them(skewed):
    share = skewed[:, [1, 2]]
    vectors = as_angles(share, knots_of(share, ROWS))
    least = share[:, 0] == 1
    assert least.sum() > 50
    assert (vectors[least] == vectors[least][0]).all()


def test_numbers_beyond_what_was_fitted_stand_at_the_ends(skewed):
    knots = knots_of(skewed, ROWS)
    most = np.float32([[1e9, 1e9, 9], [-1e9, -1, 9], [0, 0, 0]])
    high, low, nothing = as_angles(most, knots)
    assert high @ low == pytest.approx(-1, abs=1e-3)
    assert not nothing.any()


def test_few_columns_are_numbers_unless_their_rows_have_length_one(skewed):
    assert are_numbers(skewed, ROWS)
    units = skewed / np.linalg.norm(skewed, axis=1, keepdims=True)
    assert not are_numbers(units, ROWS)
    assert not are_numbers(np.ones((200, 5), dtype=np.float32), ROWS)


def test_whitening_compares_numbers_by_rank(skewed):
    ids = [f"i{row}" for row in range(200)]
    events = pl.DataFrame({"user_id": ["u"] * 200, "item_id": ids})
    data = Dataset(events, pl.DataFrame({"item_id": ids}))
    wide = np.random.default_rng(1).normal(size=(200, 6))
    features = Features(data.item_ids, {"mood": skewed, "text": wide})
    parts = Whiten().fit(features, data).transform(features).parts
    np.testing.assert_array_equal(parts["mood"], as_angles(skewed, knots_of(skewed, ROWS)))
    assert parts["text"].shape == (200, 6)
    named = Whiten(numbers=["text"]).fit(features, data).transform(features).parts
    assert named["text"].shape == (200, 12)
    marked = np.column_stack([skewed, ROWS % 7 == 3]).astype(np.float32)
    marked[ROWS % 7 == 3, :-1] = marked[ROWS % 7 != 3, :-1].mean(axis=0, dtype=np.float64)
    gaps = Features(data.item_ids, {"mood": marked})
    found = Whiten().fit(gaps, data).transform(gaps).parts["mood"]
    assert not found[ROWS % 7 == 3].any()
    np.testing.assert_allclose(np.linalg.norm(found[ROWS % 7 != 3], axis=1), 1, rtol=1e-5)
