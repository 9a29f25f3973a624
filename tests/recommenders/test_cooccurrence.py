import numpy as np
import pytest
from scipy import sparse

from palate.core.histories import histories_of
from palate.recommenders import _cooccurrence
from palate.recommenders._cooccurrence import (
    cooccurrence,
    covisit_counts,
    keep_largest,
    normalised_covisits,
    popularity,
)


def slow_counts(histories, window, backward):
    size = len(histories.item_ids)
    counts = np.zeros((size, size))
    for row in range(len(histories)):
        sequence = histories.row(row)
        for first in range(len(sequence)):
            for second in range(first + 1, min(len(sequence), first + window + 1)):
                value = 1 / (second - first)
                counts[sequence[first], sequence[second]] += value
                counts[sequence[second], sequence[first]] += backward * value
    return counts


def test_counts_by_hand(known):
    counts = covisit_counts(histories_of(known), window=2, backward=0.5).toarray()
    a, b, c, d, e = range(5)
    assert counts[a, b] == 1 + 1 + 0.5 * 0.5  # u, v, and backward of v's b . a
    assert counts[b, a] == 0.5 + 0.5 + 0.5  # backward of both, and v's b . a
    assert counts[a, c] == 0.5 + 0.5 * 1  # u's a . c, and backward of v's c a
    assert counts[b, c] == 1 + 1 + 0.5 * 0.5  # u, v, and backward of v's c . b
    assert counts[d, c] == 1
    assert counts[c, d] == 0.5
    assert counts[b, b] == 0  # v's two b are 3 apart
    assert not counts[e].any()
    assert not counts[:, e].any()


@pytest.mark.parametrize(("window", "backward"), [(1, 0.5), (3, 0.0), (20, 0.7)])
def test_counts_equal_the_plain_loop(tiny, window, backward):
    histories = histories_of(tiny.with_interactions(tiny.interactions.drop("timestamp")))
    counts = covisit_counts(histories, window=window, backward=backward)
    np.testing.assert_allclose(
        counts.toarray(), slow_counts(histories, window, backward), rtol=1e-6
    )


def test_small_batches_give_the_same_counts(tiny, monkeypatch):
    histories = histories_of(tiny)
    whole = covisit_counts(histories).toarray()
    shared = cooccurrence(histories).toarray()
    monkeypatch.setattr(_cooccurrence, "_BATCH_PAIRS", 10)
    np.testing.assert_allclose(covisit_counts(histories).toarray(), whole, rtol=1e-6)
    np.testing.assert_allclose(cooccurrence(histories).toarray(), shared, rtol=1e-6)


def test_equal_times_have_no_direction(build):
    counts = covisit_counts(histories_of(build({"u": "ab"}, times=[7, 7])), backward=0.5)
    assert counts.toarray()[:2, :2].tolist() == [[0, 0.75], [0.75, 0]]


def test_the_order_of_ties_in_the_file_is_not_learnt(build):
    times = [1, 5, 5, 5, 9]
    one = covisit_counts(histories_of(build({"u": "abcde"}, times=times)))
    other = covisit_counts(histories_of(build({"u": "adbce"}, times=times)))
    np.testing.assert_array_equal(one.toarray(), other.toarray())
    later = covisit_counts(histories_of(build({"u": "badce"}, times=times)))
    assert (later.toarray() != one.toarray()).any()


def test_events_weigh_in_by_the_geometric_mean(build):
    counts = covisit_counts(histories_of(build({"u": "ab"}, weights=[4, 9])), backward=0.5)
    assert counts.toarray()[:2, :2].tolist() == [[0, 6], [3, 0]]


def test_normalising_by_hand():
    counts = sparse.csr_array(np.array([[0, 4.0, 12.0], [0.2, 0, 0], [0, 0, 0]], dtype=np.float32))
    found = normalised_covisits(counts, np.array([0.5, 16.0, 81.0]), popularity_power=0.25)
    wanted = [[0, 4 / 4 / 2, 12 / 4 / 3], [0.2, 0, 0], [0, 0, 0]]
    np.testing.assert_allclose(found.toarray(), wanted, rtol=1e-6)
    assert found.dtype == np.float32


def test_cooccurrence_by_hand(known):
    together = cooccurrence(histories_of(known), shrink=1.0).toarray()
    a, b, c, d, e = range(5)
    users = {a: 2, b: 2, c: 3, d: 1}
    length = {item: np.sqrt(count) + 1 for item, count in users.items()}
    np.testing.assert_allclose(together[a, b], 2 / length[a] / length[b], rtol=1e-6)
    np.testing.assert_allclose(together[c, d], 1 / length[c] / length[d], rtol=1e-6)
    assert together[a, d] == 0
    assert not together[e].any()
    assert not together.diagonal().any()
    np.testing.assert_allclose(together, together.T)


def test_only_the_newest_events_and_nearest_neighbours_count(known):
    recent = cooccurrence(histories_of(known), length=2).toarray()
    assert recent[0, 2] == 0
    assert recent[0, 1] > 0
    nearest = cooccurrence(histories_of(known), neighbours=1).toarray()
    assert (np.count_nonzero(nearest, axis=1) == [1, 1, 1, 1, 0]).all()


def test_popularity_sums_weights(build):
    histories = histories_of(build({"u": "aba", "v": "c"}, weights=[1, 2, 5, 0.5]))
    assert popularity(histories).tolist() == [6, 2, 0.5, 0, 0]


def test_keep_largest_keeps_the_largest_of_each_row():
    rng = np.random.default_rng(3)
    dense = np.where(rng.random((40, 60)) < 0.4, rng.random((40, 60)), 0).astype(np.float32)
    kept = keep_largest(sparse.csr_array(dense), 5).toarray()
    for row, found in zip(dense, kept, strict=True):
        assert sorted(found[found > 0]) == sorted(np.sort(row)[-5:])
    assert ((kept == dense) | (kept == 0)).all()


def test_keep_largest_does_not_prefer_the_first_columns():
    kept = keep_largest(sparse.csr_array(np.ones((1, 100), dtype=np.float32)), 10)
    assert kept.nnz == 10
    assert kept.indices.max() > 20


def test_people_who_never_did_anything_count_nothing(build):
    histories = histories_of(build({}))
    assert covisit_counts(histories).nnz == 0
    assert cooccurrence(histories).shape == (5, 5)
