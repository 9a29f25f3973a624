import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ranx import Qrels, Run
from ranx import evaluate as ranx_evaluate

from palate.core.errors import AlignmentError, ConfigError, DataError
from palate.evaluation.metrics.ranking import METRICS, answer_ranks, open_answers, ranking_metrics

KS = (1, 3, 10, 40)
BINARY = tuple(metric for metric in METRICS if metric != "graded_ndcg")


def random_lists(rng, n, n_items, depth):
    """Distinct items a row, some rows ending early."""
    rows = np.argsort(rng.random((n, n_items)), axis=1)[:, :depth].astype(np.int32)
    lengths = rng.integers(1, depth + 1, size=n)
    rows[np.arange(depth) >= lengths[:, None]] = -1
    return rows


def random_answers(rng, n, n_items):
    return [rng.choice(n_items, size=rng.integers(1, 15), replace=False).tolist() for _ in range(n)]


def by_ranx(rows, wanted, metric, gains=None):
    gains = gains or [[1] * len(items) for items in wanted]
    qrels = {
        f"q{row:04d}": {f"i{item}": gain for item, gain in zip(items, values, strict=True)}
        for row, (items, values) in enumerate(zip(wanted, gains, strict=True))
    }
    run = {
        f"q{row:04d}": {
            f"i{item}": float(len(items) - place) for place, item in enumerate(items) if item >= 0
        }
        for row, items in enumerate(rows)
    }
    return ranx_evaluate(Qrels(qrels), Run(run), metric, return_mean=False)


@pytest.mark.parametrize("k", KS)
@pytest.mark.parametrize("metric", BINARY)
def test_values_are_those_of_ranx(ragged, metric, k):
    rng = np.random.default_rng(k)
    rows, wanted = random_lists(rng, 60, 50, 40), random_answers(rng, 60, 50)
    found = ranking_metrics(rows, ragged(wanted), (k,), (metric,))[f"{metric}@{k}"]
    np.testing.assert_allclose(found, by_ranx(rows, wanted, f"{metric}@{k}"), rtol=0, atol=1e-9)
    assert found.dtype == np.float64
    assert 0 < found.mean() < 1


@pytest.mark.parametrize("k", KS)
def test_graded_ndcg_is_that_of_ranx(ragged, k):
    rng = np.random.default_rng(k)
    rows, wanted = random_lists(rng, 60, 50, 40), random_answers(rng, 60, 50)
    gains = [rng.integers(1, 6, size=len(items)).tolist() for items in wanted]
    answers = ragged(wanted, gains)
    found = ranking_metrics(rows, answers, (k,), ("ndcg", "graded_ndcg"))
    wanted_values = by_ranx(rows, wanted, f"ndcg@{k}", gains)
    np.testing.assert_allclose(found[f"graded_ndcg@{k}"], wanted_values, rtol=0, atol=1e-9)
    assert not np.allclose(found[f"ndcg@{k}"], wanted_values)


def test_known_values(ragged):
    rows = np.array([[7, 2, 5], [1, 0, -1], [3, 4, 6]], dtype=np.int32)
    found = ranking_metrics(rows, ragged([[5, 2, 9], [8], []]), (2, 3), BINARY)
    np.testing.assert_allclose(found["precision@2"], [1 / 2, 0, 0])
    np.testing.assert_allclose(found["recall@3"], [2 / 3, 0, 0])
    np.testing.assert_allclose(found["mrr@3"], [1 / 2, 0, 0])
    np.testing.assert_allclose(found["map@3"], [(1 / 2 + 2 / 3) / 3, 0, 0])
    ideal = 1 + 1 / np.log2(3) + 1 / 2
    np.testing.assert_allclose(found["ndcg@3"], [(1 / np.log2(3) + 1 / 2) / ideal, 0, 0])


def test_answers_may_share_their_arrays_and_repeat(ragged):
    shared = ragged([[4, 1, 4, 2]])
    answers = type(shared)(np.array([1, 0]), np.array([4, 2]), shared.items)
    opened = open_answers(answers)
    assert opened.request.tolist() == [0, 0, 0, 1, 1]
    assert opened.item.tolist() == [1, 2, 4, 1, 4]
    once = open_answers(ragged([[4, 1, 4]], [[2.0, 1.0, 5.0]]))
    assert once.item.tolist() == [1, 4]
    assert once.gain.tolist() == [1.0, 5.0]


def test_the_places_of_answers(ragged):
    rows = np.array([[7, 2, 5], [1, -1, -1]], dtype=np.int32)
    opened = open_answers(ragged([[5, 7, 9], [1]]))
    assert answer_ranks(rows, opened).tolist() == [3, 1, 0, 1]


def test_an_item_listed_twice_is_hit_once(ragged):
    rows = np.array([[4, 4, 4]], dtype=np.int32)
    found = ranking_metrics(rows, ragged([[4, 6]]), (3,), ("recall", "precision", "ndcg"))
    assert found["recall@3"].tolist() == [0.5]
    assert found["precision@3"].tolist() == [1 / 3]


@st.composite
def requests(draw):
    n_items = draw(st.integers(4, 12))
    n = draw(st.integers(1, 6))
    rows = [draw(st.permutations(range(n_items))) for _ in range(n)]
    wanted = [
        draw(st.lists(st.integers(0, n_items - 1), max_size=n_items, unique=True)) for _ in range(n)
    ]
    return np.array(rows, dtype=np.int32), wanted, draw(st.integers(1, n_items))


@settings(deadline=None)
@given(requests())
def test_values_lie_between_0_and_1_and_permute_with_the_requests(ragged, case):
    rows, wanted, k = case
    order = np.arange(len(rows))[::-1]
    found = ranking_metrics(rows, ragged(wanted), (k,), BINARY)
    turned = ranking_metrics(rows[order], ragged([wanted[row] for row in order]), (k,), BINARY)
    for name, values in found.items():
        assert ((values >= 0) & (values <= 1 + 1e-12)).all()
        np.testing.assert_array_equal(values[order], turned[name])


@settings(deadline=None)
@given(requests())
def test_answers_first_is_a_perfect_ranking(ragged, case):
    rows, wanted, k = case
    wanted = [items or [0] for items in wanted]
    best = np.array(
        [
            items + [item for item in row if item not in items]
            for items, row in zip(wanted, rows.tolist(), strict=True)
        ],
        dtype=np.int32,
    )
    found = ranking_metrics(best, ragged(wanted), (k, best.shape[1]), BINARY)
    for name in (f"ndcg@{k}", f"mrr@{k}", f"hit_rate@{k}", f"map@{best.shape[1]}"):
        np.testing.assert_allclose(found[name], 1.0, rtol=0, atol=1e-12)
    np.testing.assert_allclose(found[f"recall@{best.shape[1]}"], 1.0)


@settings(deadline=None)
@given(requests())
def test_a_better_place_is_never_worth_less(ragged, case):
    rows, wanted, k = case
    answers = ragged([items[:1] or [0] for items in wanted])
    swapped = rows.copy()
    for row, item in enumerate(answers.items):
        place = int(np.flatnonzero(rows[row] == item)[0])
        before = max(place - 1, 0)
        swapped[row, [before, place]] = rows[row, [place, before]]
    metrics = ("ndcg", "mrr", "map", "recall")
    found, lifted = (ranking_metrics(lists, answers, (k,), metrics) for lists in (rows, swapped))
    for name, values in found.items():
        assert (lifted[name] >= values).all()


def test_bad_input_is_named(ragged):
    rows = np.zeros((2, 3), dtype=np.int32)
    with pytest.raises(ConfigError, match="Did you mean 'ndcg'"):
        ranking_metrics(rows, ragged([[0], [1]]), (3,), ("ncdg",))
    with pytest.raises(ConfigError, match="places >= 1"):
        ranking_metrics(rows, ragged([[0], [1]]), (0,), ("ndcg",))
    with pytest.raises(AlignmentError, match="for 1 requests"):
        ranking_metrics(rows, ragged([[0]]))
    with pytest.raises(AlignmentError, match=r"requests 1 are no catalogue rows"):
        ranking_metrics(rows, ragged([[0], [-1]]))
    with pytest.raises(DataError, match="answers with values"):
        ranking_metrics(rows, ragged([[0], [1]]), (3,), ("graded_ndcg",))
    with pytest.raises(DataError, match="requests 1: ask for ndcg"):
        ranking_metrics(rows, ragged([[0], [1]], [[1.0], [float("nan")]]), (3,), ("graded_ndcg",))
