"""What accuracy does not see: how much of the catalogue is shown, how varied, how obvious."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from palate.core.arrays import Floats, Mask, Matrix, Rows
from palate.core.dataset import Dataset
from palate.core.errors import AlignmentError
from palate.core.features import Features
from palate.core.topk import tie_order
from palate.evaluation.slices import head_items

_BLOCK_CELLS: Final = 8_000_000
_CURVE_POINTS: Final = 200


def recommended_counts(rows: Rows, n_items: int) -> NDArray[np.int64]:
    """(n_items,) how often each item stands in the (n, k) lists; -1 is nobody."""
    return np.bincount(rows[rows >= 0], minlength=n_items)


def coverage(counts: NDArray[np.int64]) -> float:
    """The share of the catalogue that is recommended to anybody at all."""
    return float(np.count_nonzero(counts) / len(counts))


def gini(counts: NDArray[np.int64]) -> float:
    """How unequally items are recommended: 0 all alike, (n - 1) / n one item only; NaN for none."""
    total, n = counts.sum(), len(counts)
    if not total:
        return float("nan")
    rising = np.sort(counts).astype(np.float64)
    return float((2 * np.arange(1, n + 1) - n - 1) @ rising / (n * total))


def novelty(counts: NDArray[np.int64], events: NDArray[np.int64]) -> float:
    """Mean self-information of what is recommended, in bits: -log2 of an item's share of events.

    `events` is (n_items,) training events; each item gets one more, so that a new item's is finite
    (Zhou et al. 2010, doi:10.1073/pnas.1000488107).
    """
    bits = -np.log2((events + 1) / (events.sum() + len(events)))
    return float(counts @ bits / counts.sum()) if counts.sum() else float("nan")


def share_of(counts: NDArray[np.int64], mask: Mask) -> float:
    """The share of recommended places that items in `mask` (n_items,) hold."""
    return float(counts[mask].sum() / counts.sum()) if counts.sum() else float("nan")


def diversity(rows: Rows, items: Features) -> float:
    """Mean over lists of the mean pairwise 1 - cosine of their items, over all blocks together.

    An item without features is unlike everything (cosine 0); lists of fewer than two items do not
    count. Uses |sum of unit vectors|^2, so no pair is formed (Ziegler et al. 2005,
    doi:10.1145/1060745.1060754).
    """
    if rows.max(initial=-1) >= len(items):
        raise AlignmentError(
            f"row {rows.max()} is recommended, but only {len(items)} have features"
        )
    parts, norms = _unit_parts(items)
    lengths = (rows >= 0).sum(axis=1)
    rows = rows[lengths >= 2]
    if not len(rows):
        return float("nan")
    unlike = 0.0
    step = max(1, _BLOCK_CELLS // max(items.dim if _dense(parts) else rows.shape[1], 1))
    for start in range(0, len(rows), step):
        block = rows[start : start + step]
        lists = _membership(block, len(items))
        size = np.diff(lists.indptr)
        pairs = sum(_squared_sums(lists, part) for part in parts) - lists @ norms
        unlike += float((1 - pairs / (size * (size - 1))).sum())
    return unlike / len(rows)


def _dense(parts: list[Matrix]) -> bool:
    return any(not sparse.issparse(part) for part in parts)


def _unit_parts(items: Features) -> tuple[list[Matrix], NDArray[np.float64]]:
    """All blocks over the length of the whole row, and the squared lengths after that: 1 or 0."""
    squares = np.zeros(len(items))
    for part in items.parts.values():
        squares += _row_squares(part)
    scale = np.divide(1, np.sqrt(squares), out=np.zeros(len(items)), where=squares > 0)
    diagonal = sparse.diags_array(scale.astype(np.float32), format="csr")
    return [diagonal @ part for part in items.parts.values()], (squares > 0).astype(np.float64)


def _row_squares(part: Matrix) -> NDArray[np.float64]:
    if sparse.issparse(part):
        return np.asarray((part * part).sum(axis=1), dtype=np.float64).ravel()
    squares: NDArray[np.float64] = np.einsum("ij,ij->i", part, part, dtype=np.float64)
    return squares


def _membership(rows: Rows, n_items: int) -> Any:
    """(n, n_items) csr of ones where a list holds an item."""
    lengths = (rows >= 0).sum(axis=1)
    indptr = np.concatenate([[0], np.cumsum(lengths)])
    columns = rows[rows >= 0]
    ones: Floats = np.ones(len(columns), dtype=np.float32)
    return sparse.csr_array((ones, columns, indptr), shape=(len(rows), n_items))


def _squared_sums(lists: Any, part: Matrix) -> NDArray[np.float64]:
    return _row_squares(lists @ part)


def beyond_accuracy(rows: Rows, train: Dataset, items: Features | None = None) -> dict[str, float]:
    """All of the above for (n, k) lists: coverage, novelty, long_tail_share, gini, diversity.

    `items` are features of the whole catalogue; without them there is no diversity.
    """
    counts = recommended_counts(rows, len(train.item_ids))
    measured = {
        "coverage": coverage(counts),
        "novelty": novelty(counts, train.item_counts),
        "long_tail_share": share_of(counts, ~head_items(train)),
        "gini": gini(counts),
    }
    if items is not None:
        measured["diversity"] = diversity(rows, items)
    return measured


def popularity_curve(rows: Rows, train: Dataset) -> pl.DataFrame:
    """The long-tail curve: the most popular x of the catalogue hold which share of what.

    Rows of `catalogue` (share of items, most popular first), `events` (their share of the training
    events) and `recommendations` (their share of recommended places), at most 201 of them.
    """
    events = train.item_counts
    counts = recommended_counts(rows, len(events))
    order = np.lexsort((tie_order(train.item_ids), -events))
    at = np.unique(np.linspace(0, len(events), _CURVE_POINTS + 1).astype(np.int64))
    return pl.DataFrame(
        {
            "catalogue": at / max(len(events), 1),
            "events": _cumulated_share(events[order])[at],
            "recommendations": _cumulated_share(counts[order])[at],
        }
    )


def _cumulated_share(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.concatenate([[0.0], np.cumsum(counts) / max(int(counts.sum()), 1)])
