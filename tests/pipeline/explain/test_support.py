import numpy as np
import polars as pl
import pytest

from palate.core.dataset import Dataset
from palate.pipeline.explain.sentences import Support

A, B, C, D, E = range(5)


@pytest.fixture
def known(build):
    """Five people; u comes back to a, and z alone chose d."""
    return build({"u": "abca", "v": "ab", "w": "ba", "x": "cb", "z": "d"})


def test_people_count_once_however_often_they_choose(known):
    support = Support.of(known, [A, B, C, D, E])
    assert [support.chose(item) for item in (A, B, C, D, E)] == [3, 4, 2, 1, 0]


@pytest.mark.parametrize(
    ("one", "other", "both", "later"),
    [(A, B, 3, 2), (B, A, 3, 2), (A, C, 1, 1), (C, B, 2, 1), (B, C, 2, 1), (A, D, 0, 0)],
)
def test_who_chose_both_and_who_in_this_order(known, one, other, both, later):
    """u chose a, b, c and a again: a before b, and after it."""
    assert Support.of(known, [A, B, C, D]).both(one, other) == (both, later)


@pytest.mark.parametrize(
    ("pair", "other", "found"), [((A, B), C, (1, 1)), ((B, C), A, (1, 1)), ((A, D), B, (0, 0))]
)
def test_who_chose_three_and_the_last_of_them_later_than_the_others(known, pair, other, found):
    """u alone chose a, b and c, and a again at the end."""
    one, third = pair
    assert Support.of(known, [A, B, C, D]).both(one, other, third) == found


def test_the_time_decides_where_there_is_one_and_equal_times_do_not(build):
    data = build({"u": "ab", "v": "ab", "w": "ab"}, times=[1, 2, 5, 5, 7, 8])
    support = Support.of(data, [A, B])
    assert support.both(A, B) == (3, 2)
    assert support.both(B, A) == (3, 0)


def test_items_that_nobody_asked_about_have_no_support(known):
    assert Support.of(known, np.array([A], dtype=np.int32)).both(A, B) == (0, 0)


def test_no_items_and_no_events_have_none(known):
    assert Support.of(known, []).chose(A) == 0
    nothing = Dataset(known.interactions.clear(), known.items)
    assert Support.of(nothing, [A, B]).both(A, B) == (0, 0)


def test_names_of_people_may_be_anything():
    table = pl.DataFrame({"user_id": ["é", "", "é", "10"], "item_id": ["a", "a", "b", "b"]})
    data = Dataset(table, pl.DataFrame({"item_id": ["a", "b"]}))
    assert Support.of(data, [0, 1]).both(0, 1) == (1, 1)
