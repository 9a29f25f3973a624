import numpy as np
import polars as pl
import pytest

from palate.core.dataset import Dataset
from palate.core.features import Features
from palate.features.representation.whiten import Whiten, gaps_in, typical_of

ROWS = np.arange(60, dtype=np.int32)


@pytest.fixture
def photos():
    """60 items of 8 numbers; every sixth lacks its photo."""
    values = 5 + np.random.default_rng(2).normal(size=(60, 8)).astype(np.float32)
    lacks = ROWS % 6 == 1
    values[lacks] = values[~lacks].mean(axis=0, dtype=np.float64)
    return np.column_stack([values, lacks]).astype(np.float32), lacks


def dataset(warm):
    ids = [f"i{row}" for row in range(60)]
    events = pl.DataFrame({"user_id": ["u"] * len(warm), "item_id": [ids[row] for row in warm]})
    return Dataset(events, pl.DataFrame({"item_id": ids}))


def test_marked_rows_that_hold_what_is_typical_are_gaps(photos):
    values, lacks = photos
    typical = typical_of(values, ROWS)
    np.testing.assert_allclose(typical, values[1, :-1], rtol=1e-5)
    assert (gaps_in(values, typical) == lacks).all()
    unmarked = values.copy()
    unmarked[1, -1] = 0
    assert not gaps_in(unmarked, typical)[1]
    other = values.copy()
    other[1, 3] += 1
    assert not gaps_in(other, typical)[1]


def test_a_last_column_that_marks_something_else_is_none(photos):
    values, lacks = photos
    own = values.copy()
    own[lacks, 0] += 2  # marked, but not typical: such as a dense category
    assert typical_of(own, ROWS) is None
    assert typical_of(np.ones((60, 1), dtype=np.float32), ROWS) is None
    assert typical_of(np.ones((60, 3), dtype=np.float32), ROWS) is None


def test_to_lack_a_photo_is_no_likeness(photos):
    values, lacks = photos
    data = dataset(range(60))
    features = Features(data.item_ids, {"photos": values})
    whitened = Whiten().fit(features, data).transform(features).parts["photos"]
    assert not whitened[lacks].any()
    np.testing.assert_allclose(np.linalg.norm(whitened[~lacks], axis=1), 1, rtol=1e-5)


def test_gaps_move_no_cosine_of_the_others(photos):
    values, lacks = photos
    everybody, present = dataset(range(60)), dataset(np.flatnonzero(~lacks).tolist())
    features = Features(everybody.item_ids, {"photos": values})
    plain = Features(everybody.item_ids, {"photos": values[:, :-1]})
    one = Whiten().fit(features, everybody).transform(features).parts["photos"][~lacks]
    two = Whiten().fit(plain, present).transform(plain).parts["photos"][~lacks]
    np.testing.assert_allclose(one @ one.T, two @ two.T, atol=1e-4)


def test_gaps_that_nobody_touched_are_known_as_such(photos):
    values, lacks = photos
    data = dataset(np.flatnonzero(~lacks).tolist())
    features = Features(data.item_ids, {"photos": values})
    whitened = Whiten().fit(features, data).transform(features).parts["photos"]
    assert not whitened[lacks].any()


def test_items_that_arrive_without_what_all_others_have_are_gaps_too():
    values = 5 + np.random.default_rng(4).normal(size=(60, 8)).astype(np.float32)
    warm = ROWS[:50]
    values[55:57] = values[warm].mean(axis=0, dtype=np.float64)  # as `MediaEncoder` fills them
    typical = typical_of(values, warm)
    np.testing.assert_array_equal(np.flatnonzero(gaps_in(values, typical)), [55, 56])
    data = dataset(range(50))
    features = Features(data.item_ids, {"photos": values})
    whitened = Whiten().fit(features, data).transform(features).parts["photos"]
    np.testing.assert_array_equal(np.flatnonzero(~whitened.any(axis=1)), [55, 56])
    assert typical_of(values[:, :3], warm) is None  # a few numbers may well be the mean


def test_a_mark_that_nobody_fitted_on_bears_says_enough():
    rng = np.random.default_rng(5)
    counts = np.column_stack([rng.normal(size=(60, 9)), np.zeros(60)]).astype(np.float32)
    counts[58] = [*[-5] * 9, 1]  # as `Aggregates` has it: no event, the least of all
    data = dataset(range(50))
    features = Features(data.item_ids, {"counts": counts})
    whitened = Whiten().fit(features, data).transform(features).parts["counts"]
    np.testing.assert_array_equal(np.flatnonzero(~whitened.any(axis=1)), [58])


def test_a_tag_that_nobody_touched_marks_nothing():
    tags = (np.random.default_rng(6).random((60, 12)) < 0.4).astype(np.float32)
    tags[:, 0], tags[:50, -1], tags[50:, -1] = 1, 0, 1
    data = dataset(range(50))
    features = Features(data.item_ids, {"tags": tags})
    whitened = Whiten().fit(features, data).transform(features).parts["tags"]
    assert whitened.any(axis=1).all()
