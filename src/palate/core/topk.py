"""From scores to ranked items: masking, chunking, exact top-k and ties, once for everybody."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache, partial
from typing import Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.stats import rankdata

from palate.core.arrays import Floats, Rows, places_of
from palate.core.columns import ITEM, RANK, SCORE, USER
from palate.core.errors import AlignmentError, ConfigError, DataError, first_offenders
from palate.core.histories import Histories
from palate.core.ids import Ids
from palate.core.parallel import in_chunks
from palate.core.types import Recommendations

CHUNK_CELLS = 32_000_000
SMOOTHING = 10  # the source's 60 prefers what is middling in both lists to the best of either
_BLOCK_CELLS = 500_000  # of scores that are masked and sorted at once, at some 40 bytes each


class Scorer(Protocol):
    """Anything that scores histories."""

    def score(self, histories: Histories) -> Floats: ...


@lru_cache(maxsize=8)
def tie_order(item_ids: Ids) -> NDArray[np.int64]:
    """(n_items,) a fixed pseudo-random rank of each item, from a hash of its id (read-only).

    Equal scores are ordered by it, never by row: that would favour how the file was written.
    Items appended later do not change the order of those before.
    """
    digests = b"".join(
        hashlib.blake2b(name.encode(), digest_size=8).digest() for name in item_ids.series
    )
    order = np.argsort(np.frombuffer(digests, dtype=np.uint64), kind="stable")
    rank = places_of(order)
    rank.flags.writeable = False
    return rank


def top_rows(scores: Floats, k: int, tie: NDArray[np.int64]) -> tuple[Rows, Floats]:
    """The `k` best columns of each row, (n, k) rows and scores, by (-score, tie); exact.

    Where a row has fewer than `k` items (-inf means: not recommendable), the rest is row -1 with
    score -inf. NaN raises `DataError`.
    """
    n, m = scores.shape
    if len(tie) != m:
        raise AlignmentError(f"{m} columns of scores, but a tie order of {len(tie)} items")
    return _top_rows(n, k, tie, lambda part: scores[part])


def _top_rows(
    n: int, k: int, tie: NDArray[np.int64], scores_of: Callable[[slice], Floats]
) -> tuple[Rows, Floats]:
    """As `top_rows`, of scores (n, len(tie)) that are made some rows at a time."""
    if k < 1:
        raise ConfigError(f"k = {k} cannot be used: ask for 1 item or more")
    m = len(tie)
    rows = np.full((n, k), -1, dtype=np.int32)
    best = np.full((n, k), -np.inf, dtype=np.float32)
    width, order = min(k, m), np.argsort(tie, kind="stable")
    step = max(1, _BLOCK_CELLS // max(m, 1))
    work = partial(_top_block, scores_of, width, order)
    for part, found in in_chunks(work, n if width else 0, step):
        rows[part, :width], best[part, :width] = found
    rows[np.isneginf(best)] = -1
    return rows, best


def _top_block(
    scores_of: Callable[[slice], Floats], width: int, order: NDArray[np.int64], part: slice
) -> tuple[NDArray[np.int64], Floats]:
    """Partitions integer keys: the score's bits in the upper half, the tie rank in the lower."""
    scores = scores_of(part)
    if (missing := np.isnan(scores).any(axis=1)).any():
        offenders = (part.start + np.flatnonzero(missing)).tolist()
        where = first_offenders(offenders, len(offenders))
        raise DataError(f"NaN among the scores of request rows {where}")
    keys = falling_bits(scores).astype(np.int64) << 32
    keys |= places_of(order)
    if width < len(order):
        keys = np.partition(keys, width - 1, axis=1)[:, :width]
    columns = order[np.sort(keys, axis=1) & 0xFFFFFFFF]
    return columns, np.take_along_axis(scores, columns, axis=1)


def falling_bits(values: Floats) -> NDArray[np.int32]:
    """Integers in the opposite order of the values."""
    bits = np.add(values, 0.0, dtype=np.float32).view(np.int32)  # adding 0 makes -0.0 equal 0.0
    falling: NDArray[np.int32] = ~(bits ^ ((bits >> 31) & np.int32(0x7FFFFFFF)))
    return falling


def rank_rows(
    model: Scorer,
    histories: Histories,
    k: int,
    *,
    exclude_seen: bool = True,
    candidates: Rows | None = None,
    chunk_cells: int = CHUNK_CELLS,
    progress: Callable[[int], object] | None = None,
) -> tuple[Rows, Floats]:
    """The `k` best catalogue rows of each request and their scores, both (n, k); best first.

    `exclude_seen` masks what a request's history holds; only the rows in `candidates` are
    recommendable where it is given, and the model is told so before it chooses any. Scores
    `chunk_cells` cells at a time, so memory does not grow with people; `progress` is called with
    the number of requests that each chunk finished.
    """
    n_items = len(histories.item_ids)
    tie = tie_order(histories.item_ids)
    allowed = histories.allowed if candidates is None else np.unique(candidates)
    histories = replace(histories, allowed=allowed)
    rows = np.empty((len(histories), k), dtype=np.int32)
    best = np.empty((len(histories), k), dtype=np.float32)
    step = max(1, chunk_cells // max(n_items, 1))
    for start in range(0, len(histories), step):
        asking = histories.take(slice(start, start + step))
        masked = _masked_scores(model, asking, exclude_seen=exclude_seen, allowed=allowed)
        order = tie if allowed is None else tie[allowed]
        found, best[start : start + step] = _top_rows(len(asking), k, order, masked)
        if allowed is not None and len(allowed):
            found = np.where(found >= 0, allowed[found], -1)
        rows[start : start + step] = found
        if progress is not None:
            progress(len(asking))
    return rows, best


def with_last(scores: Floats, rows: Rows) -> Floats:
    """The same scores with some items below all others, in their own order."""
    if not len(rows) or len(np.unique(rows)) == scores.shape[1]:
        return scores
    own = scores[:, rows].astype(np.float64)
    below = np.array(scores, dtype=np.float32)
    below[:, rows] = np.inf
    floor = below.min(axis=1, keepdims=True).astype(np.float64)
    gap = np.maximum(np.abs(floor), 1.0)
    spread = own.max(axis=1, keepdims=True) - own
    below[:, rows] = floor - gap * (1.0 + spread / (1.0 + spread))
    return below


def _masked_scores(
    model: Scorer, histories: Histories, *, exclude_seen: bool, allowed: Rows | None
) -> Callable[[slice], Floats]:
    """Gives copies of the model's scores, some rows at a time: of the items that are `allowed`,
    -inf where a request has seen the item.
    """
    scores = np.asarray(model.score(histories))
    wanted = (len(histories), len(histories.item_ids))
    if scores.shape != wanted:
        raise AlignmentError(
            f"{type(model).__name__} gave scores of shape {scores.shape}, but these histories and "
            f"their catalogue need {wanted}: bring them to the model's catalogue with "
            "histories.in_catalogue(...), or the model to theirs with add_items(...)"
        )
    seen = histories.seen() if exclude_seen else None

    def masked(part: slice) -> Floats:
        block = np.array(scores[part], dtype=np.float32)
        if seen is not None:
            own = seen[part]
            block[np.repeat(np.arange(len(block)), np.diff(own.indptr)), own.indices] = -np.inf
        return block if allowed is None else block[:, allowed]

    return masked


def reciprocal_ranks(scores: Floats) -> Floats:
    """(n, m) 1 / (10 + rank) of each row, to be added up where scores have no scale in common.

    Source: Cormack, Clarke and Büttcher 2009, with a smaller constant.
    """
    ranks = rankdata(-scores, method="min", axis=1)
    return np.asarray(1.0 / (SMOOTHING + ranks), dtype=np.float32)


def recommend(
    model: Scorer,
    histories: Histories,
    k: int = 10,
    *,
    exclude_seen: bool = True,
    candidates: Rows | None = None,
) -> Recommendations:
    """The `k` best items for each request as a table, best first; fewer where fewer are left."""
    rows, scores = rank_rows(model, histories, k, exclude_seen=exclude_seen, candidates=candidates)
    return recommendations_of(histories, rows, scores)


def recommendations_of(histories: Histories, rows: Rows, scores: Floats) -> Recommendations:
    """The table of (n, k) rows and scores; rows of -1 are left out."""
    request, place = np.nonzero(rows >= 0)
    table = pl.DataFrame(
        {
            USER: histories.user_ids[request],
            ITEM: histories.item_ids.series[rows[request, place]],
            SCORE: scores[request, place],
            RANK: (place + 1).astype(np.int32),
        }
    )
    return Recommendations(table)
