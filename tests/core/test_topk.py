import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from palate.core.errors import AlignmentError, ConfigError, DataError
from palate.core.histories import history_of_items
from palate.core.ids import Ids
from palate.core.topk import rank_rows, recommend, tie_order, top_rows


class Fixed:
    """Scores that depend on the newest item, and nothing else."""

    def __init__(self, table):
        self.table = np.asarray(table, dtype=np.float32)
        self.calls = []

    def score(self, histories):
        self.calls.append(len(histories))
        return self.table[histories.newest()]


IDS = Ids(["a", "b", "c", "d", "e"])
SCORES = [
    [5, 4, 3, 2, 1],
    [1, 9, 2, 8, 3],
    [0, 0, 7, 0, 1],
    [2, 2, 2, 2, 2],
    [3, 1, 4, 1, 5],
]


def sorted_rows(scores, k, tie):
    order = [np.lexsort((tie, -row))[:k] for row in scores]
    return np.array(order)


@given(
    scores=hnp.arrays(
        np.float32,
        st.tuples(st.integers(1, 6), st.integers(1, 30)),
        elements=st.sampled_from([-2.5, -0.0, 0.0, 1.0, 1.0000001, 3e38, 1e-40, np.inf, -1e30]),
    ),
    k=st.integers(1, 30),
    seed=st.integers(0, 5),
)
def test_top_rows_equal_a_full_sort_at_ties_too(scores, k, seed):
    tie = np.random.default_rng(seed).permutation(scores.shape[1])
    rows, best = top_rows(scores, k, tie)
    wanted = sorted_rows(scores, k, tie)
    width = wanted.shape[1]
    assert rows.shape == best.shape == (len(scores), k)
    np.testing.assert_array_equal(rows[:, :width], wanted)
    np.testing.assert_array_equal(best[:, :width], np.take_along_axis(scores, wanted, axis=1))
    assert (rows[:, width:] == -1).all()
    assert np.isneginf(best[:, width:]).all()


def test_top_rows_leave_out_what_is_not_recommendable():
    scores = np.array([[-np.inf, 1, -np.inf, 2], [-np.inf] * 4], dtype=np.float32)
    rows, best = top_rows(scores, 3, np.arange(4))
    assert rows.tolist() == [[3, 1, -1], [-1, -1, -1]]
    assert best[0].tolist() == [2, 1, -np.inf]


def test_top_rows_are_exact_across_block_borders():
    rng = np.random.default_rng(1)
    scores = rng.integers(0, 4, size=(50, 90_000)).astype(np.float32)
    tie = rng.permutation(90_000)
    rows, _ = top_rows(scores, 7, tie)
    np.testing.assert_array_equal(rows, sorted_rows(scores, 7, tie))


def test_nan_scores_raise_and_name_the_rows():
    scores = np.zeros((5, 3), dtype=np.float32)
    scores[[1, 4], 2] = np.nan
    with pytest.raises(DataError, match="rows 1, 4"):
        top_rows(scores, 2, np.arange(3))


@pytest.mark.parametrize("k", [0, -1])
def test_k_below_one_raises(k):
    with pytest.raises(ConfigError, match="k = "):
        top_rows(np.zeros((1, 2), dtype=np.float32), k, np.arange(2))


def test_tie_order_is_fixed_by_ids_and_not_by_rows():
    names = [f"item {number}" for number in range(200)]
    order = tie_order(Ids(names))
    assert sorted(order) == list(range(200))
    assert order.tolist() != list(range(200))
    turned = tie_order(Ids(names[::-1]))
    assert turned[::-1].tolist() == order.tolist()


def test_appended_items_keep_the_order_of_those_before():
    names = [f"item {number}" for number in range(50)]
    before = tie_order(Ids(names))
    after = tie_order(Ids([*names, "x", "y", "z"]))[:50]
    assert np.argsort(before).tolist() == np.argsort(after).tolist()


def test_rank_rows_masks_what_was_seen_unless_told_otherwise():
    histories = history_of_items(IDS, [["a", "b"], ["c"]])
    rows, _ = rank_rows(Fixed(SCORES), histories, 2)
    assert rows.tolist() == [[3, 4], [4, tied_first("a", "b", "d")]]
    rows, _ = rank_rows(Fixed(SCORES), histories, 2, exclude_seen=False)
    assert rows.tolist() == [[1, 3], [2, 4]]


def tied_first(*names):
    rows = IDS.rows(names)
    return int(rows[np.argmin(tie_order(IDS)[rows])])


def test_rank_rows_among_some_items_only():
    histories = history_of_items(IDS, [["a"], ["e"]])
    candidates = np.array([3, 1, 0, 3], dtype=np.int32)
    rows, scores = rank_rows(Fixed(SCORES), histories, 4, candidates=candidates)
    assert rows[0].tolist() == [1, 3, -1, -1]
    assert rows[1].tolist() == [0, *sorted([1, 3], key=lambda row: tie_order(IDS)[row]), -1]
    assert scores[0].tolist() == [4, 2, -np.inf, -np.inf]
    nothing, _ = rank_rows(Fixed(SCORES), histories, 2, candidates=np.empty(0, dtype=np.int32))
    assert (nothing == -1).all()


def test_rank_rows_scores_in_chunks_and_reports_progress():
    histories = history_of_items(IDS, [["a"], ["b"], ["c"], ["d"], ["e"]])
    model, done = Fixed(SCORES), []
    rows, _ = rank_rows(model, histories, 5, chunk_cells=10, progress=done.append)
    assert model.calls == done == [2, 2, 1]
    np.testing.assert_array_equal(rows, rank_rows(Fixed(SCORES), histories, 5)[0])


def test_rank_rows_leaves_the_models_scores_alone():
    table = np.array(SCORES, dtype=np.float32)
    model = Fixed(table)
    model.score = lambda histories: table
    rank_rows(model, history_of_items(IDS, [[name] for name in "abcde"]), 2)
    np.testing.assert_array_equal(table, np.array(SCORES, dtype=np.float32))


def test_scores_of_another_catalogue_raise():
    histories = history_of_items(Ids(["a", "b"]), [["a"]])
    with pytest.raises(AlignmentError, match="in_catalogue"):
        rank_rows(Fixed(SCORES), histories, 2)


def test_recommend_gives_the_table():
    histories = history_of_items(IDS, [["b"], ["a", "b", "c", "d"]], user_ids=["u", "v"])
    table = recommend(Fixed(SCORES), histories, 2).table
    assert table.columns == ["user_id", "item_id", "score", "rank"]
    assert table.rows() == [("u", "d", 8.0, 1), ("u", "e", 3.0, 2), ("v", "e", 2.0, 1)]


def test_nobody_asking_gets_an_empty_table():
    assert len(recommend(Fixed(SCORES), history_of_items(IDS, []), 3)) == 0
