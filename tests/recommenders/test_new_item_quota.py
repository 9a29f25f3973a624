import math

import numpy as np
import pytest

from palate.recommenders.two_stage.arrivals import with_places_for_new
from palate.recommenders.two_stage.statistics import arrivals


@pytest.mark.parametrize(
    ("never", "once", "twice", "surplus"),
    [(10, 4, 2, 10 - 4 * 3 / (2 * 3)), (10, 0, 5, 10), (10, 1, 0, 10), (3, 9, 1, 0), (0, 6, 1, 0)],
)
def test_arrivals_are_more_untouched_items_than_chance_leaves(never, once, twice, surplus):
    counts = np.repeat(np.float32([0, 1, 2, 3, 8]), [never, once, twice, 5, 5])
    assert arrivals(counts) == pytest.approx(surplus)


def placed(n_new, share, n_proven=12):
    """Twelve proven items, best first, then new ones that nothing speaks for."""
    values = np.float32([[*range(n_proven + 2, 2, -1), *range(-1, -n_new - 1, -1)]])
    new = np.arange(values.shape[1])[None, :] >= n_proven
    found = with_places_for_new(values, new, share=share)
    return np.argsort(-found[0], kind="stable").tolist(), found, values, new


def places_of_new(order, n_proven=12):
    return [place for place, column in enumerate(order, start=1) if column >= n_proven]


@pytest.mark.parametrize(
    ("share", "places"),
    [
        (0.2, [2, 6, 11]),
        (0.1, [2, 12]),
        (0.3, [2, 4, 8, 11]),
        (0.09, [3, 14]),
        (0.5, [1, 3, 5, 7, 9, 11]),
    ],
)
def test_places_by_hand(share, places):
    at_least = 1 if share >= 0.5 else 2
    assert places == [max(at_least, math.ceil((nth + 0.2) / share)) for nth in range(len(places))]
    order, *_ = placed(len(places), share)
    assert places_of_new(order) == places


@pytest.mark.parametrize("share", [0.05, 0.2, 0.45])
def test_both_kinds_keep_their_own_order(share):
    order, found, values, new = placed(5, share)
    assert [column for column in order if column < 12] == list(range(12))
    assert [column for column in order if column >= 12] == list(range(12, 17))
    np.testing.assert_array_equal(found[~new], values[~new])


def test_what_stands_higher_by_itself_stays_there():
    values = np.float32([[9, 8, 7, 6, 5, 4, 3, 2, 8.5, 0.5]])
    new = np.arange(10)[None, :] >= 8
    found = with_places_for_new(values, new, share=0.2)
    assert np.argsort(-found[0], kind="stable").tolist() == [0, 8, 1, 2, 3, 9, 4, 5, 6, 7]
    assert found[0, 8] == 8.5


@pytest.mark.parametrize("share", [0.6, 0.8])
def test_new_items_keep_their_order_where_they_are_the_most(share):
    order, found, _, _ = placed(5, share)
    assert [column for column in order if column >= 12] == list(range(12, 17))
    assert len(np.unique(found)) == found.size


def test_more_new_items_than_places_among_the_proven_come_after():
    order, *_ = placed(4, 0.2, n_proven=3)
    assert order == [0, 3, 1, 2, 4, 5, 6]


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_no_share_to_give(share):
    _, found, values, _ = placed(3, share)
    np.testing.assert_array_equal(found, values)


def test_nothing_new():
    values = np.float32([[3, 1, 2]])
    nothing = np.zeros((1, 3), dtype=bool)
    np.testing.assert_array_equal(with_places_for_new(values, nothing, share=0.2), values)


def test_nothing_but_new():
    values = np.float32([[3, 1, 2]])
    found = with_places_for_new(values, np.ones((1, 3), dtype=bool), share=0.2)
    assert np.isfinite(found).all()
    assert np.argsort(-found[0]).tolist() == [0, 2, 1]


def test_each_request_for_itself():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(6, 20)).astype(np.float32)
    values[2:4, 15:] = -np.inf
    new = rng.random((6, 20)) < np.linspace(0, 0.6, 6)[:, None]
    new &= np.isfinite(values)
    given = values.copy()
    together = with_places_for_new(values, new, share=0.25)
    for row in range(6):
        part = slice(row, row + 1)
        alone = with_places_for_new(values[part], new[part], share=0.25)
        np.testing.assert_array_equal(alone, together[part])
    np.testing.assert_array_equal(values, given)
    np.testing.assert_array_equal(together[~new], values[~new])
    assert np.isfinite(together[np.isfinite(values)]).all()


def test_proven_items_that_are_equal_do_not_push_new_ones_down():
    values = np.float32([[5, 4, 4, 4, 4, 4, 0]])
    new = np.arange(7)[None, :] == 6
    (found,) = with_places_for_new(values, new, share=0.07)  # the third place
    assert np.flatnonzero(found >= found[6]).tolist() == [0, 6]
