import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from palate.core.errors import AlignmentError
from palate.core.features import Features
from palate.core.ids import Ids
from palate.evaluation.metrics.beyond import (
    beyond_accuracy,
    coverage,
    diversity,
    gini,
    novelty,
    popularity_curve,
    recommended_counts,
    share_of,
)

ROWS = np.array([[0, 1], [0, 4], [0, -1]], dtype=np.int32)


def test_counts_and_coverage():
    counts = recommended_counts(ROWS, 6)
    assert counts.tolist() == [3, 1, 0, 0, 1, 0]
    assert coverage(counts) == 3 / 6


def test_gini_known_answers():
    assert gini(np.array([2, 2, 2, 2])) == pytest.approx(0.0)
    assert gini(np.array([0, 0, 0, 9])) == pytest.approx(3 / 4)
    assert gini(np.array([1, 3])) == pytest.approx(1 / 4)
    assert np.isnan(gini(np.zeros(3, dtype=np.int64)))


@settings(deadline=None)
@given(st.lists(st.integers(0, 50), min_size=2, max_size=20).filter(any), st.randoms())
def test_gini_is_bounded_and_ignores_order_and_scale(counts, random):
    value = gini(np.array(counts))
    shuffled = random.sample(counts, len(counts))
    assert -1e-12 <= value <= 1 - 1 / len(counts) + 1e-12
    assert gini(np.array(shuffled) * 7) == pytest.approx(value)


def test_novelty_is_self_information_in_bits():
    events = np.array([6, 0, 0])  # shares (7, 1, 1) of 9
    assert novelty(np.array([1, 0, 0]), events) == pytest.approx(-np.log2(7 / 9))
    assert novelty(np.array([1, 3, 0]), events) == pytest.approx(
        (-np.log2(7 / 9) - 3 * np.log2(1 / 9)) / 4
    )
    assert np.isnan(novelty(np.zeros(3, dtype=np.int64), events))


def test_share_of_a_mask():
    assert share_of(np.array([3, 1, 0, 1]), np.array([False, True, True, True])) == 2 / 5


def pairwise(rows, values):
    """The definition, pair by pair."""
    norms = np.linalg.norm(values, axis=1, keepdims=True)
    unit = np.divide(values, norms, out=np.zeros_like(values), where=norms > 0)
    means = []
    for row in rows:
        items = row[row >= 0]
        pairs = [
            1 - unit[a] @ unit[b] for at, a in enumerate(items) for b in items[at + 1 :].tolist()
        ]
        if pairs:
            means.append(np.mean(pairs))
    return np.mean(means)


@pytest.mark.parametrize("block", [7, 10_000])
def test_diversity_is_the_mean_over_pairs(monkeypatch, block):
    monkeypatch.setattr("palate.evaluation.metrics.beyond._BLOCK_CELLS", block)
    rng = np.random.default_rng(0)
    dense = rng.normal(size=(30, 5)).astype(np.float32)
    counts = rng.poisson(0.3, size=(30, 9)).astype(np.float32)
    dense[3], counts[3] = 0, 0
    rows = np.argsort(rng.random((12, 30)), axis=1)[:, :6].astype(np.int32)
    rows[0, 4:], rows[1, 1:], rows[2, 0] = -1, -1, 3
    items = Features(
        Ids([f"i{row}" for row in range(30)]), {"dense": dense, "words": sparse.csr_array(counts)}
    )
    wanted = pairwise(rows, np.hstack([dense, counts]))
    assert diversity(rows, items) == pytest.approx(wanted, abs=1e-6)


def test_diversity_extremes():
    items = Features(Ids("abcd"), {"x": np.array([[1, 0], [2, 0], [0, 3], [0, 0]])})
    assert diversity(np.array([[0, 1]], dtype=np.int32), items) == pytest.approx(0.0)
    assert diversity(np.array([[0, 2]], dtype=np.int32), items) == pytest.approx(1.0)
    assert diversity(np.array([[0, 3]], dtype=np.int32), items) == pytest.approx(1.0)
    assert np.isnan(diversity(np.array([[0, -1]], dtype=np.int32), items))
    with pytest.raises(AlignmentError, match="row 4 is recommended, but only 4"):
        diversity(np.array([[0, 4]], dtype=np.int32), items)


def test_all_measures_of_the_made_split(made_split):
    found = beyond_accuracy(ROWS, made_split.train)
    assert found == {
        "coverage": 3 / 6,
        "novelty": pytest.approx((-3 * np.log2(7 / 17) - np.log2(4 / 17) - np.log2(1 / 17)) / 5),
        "long_tail_share": 1 / 5,
        "gini": pytest.approx(gini(np.array([3, 1, 0, 0, 1, 0]))),
    }
    items = Features(made_split.train.item_ids, {"x": np.eye(6)})
    assert beyond_accuracy(ROWS, made_split.train, items)["diversity"] == pytest.approx(1.0)


def test_the_long_tail_curve(made_split):
    curve = popularity_curve(ROWS, made_split.train)
    assert curve.columns == ["catalogue", "events", "recommendations"]
    assert curve["catalogue"].to_list() == pytest.approx([at / 6 for at in range(7)])
    assert curve["events"].to_list()[:3] == pytest.approx([0, 6 / 11, 9 / 11])
    assert curve["recommendations"].to_list()[:3] == pytest.approx([0, 3 / 5, 4 / 5])
    assert curve.row(-1) == pytest.approx((1.0, 1.0, 1.0))


def test_the_curve_is_short_for_a_large_catalogue(made_split):
    items = pl.DataFrame({"item_id": [*"abcdef", *map(str, range(5000))]})
    train = type(made_split.train)(made_split.train.interactions, items)
    assert len(popularity_curve(ROWS, train)) == 201
