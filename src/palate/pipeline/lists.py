"""Lists as they are shown: ranked, reranked, and the other way round, by item."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from palate.core.arrays import Floats, Rows
from palate.core.columns import ITEM, RANK, SCORE, USER
from palate.core.histories import Histories
from palate.core.ids import Ids
from palate.core.progress import task
from palate.core.topk import Scorer, rank_rows, recommendations_of, tie_order
from palate.core.types import Recommendations, Reranker

RERANK_FACTOR = 10  # times as many places as are asked for go to the rerankers,
RERANK_LEAST = 100  # and no fewer than these, so that a shorter list is a longer one's beginning
_LINES = 1_000_000  # of the tables that rerankers get, at most
_CELLS = 32_000_000  # of scores at once


def reranked_rows(
    model: Scorer,
    rerankers: Sequence[Reranker],
    histories: Histories,
    k: int,
    *,
    exclude_seen: bool = True,
    candidates: Rows | None = None,
    progress: Callable[[int], object] | None = None,
) -> tuple[Rows, Floats]:
    """As `rank_rows`: (n, k) catalogue rows and scores, in the order that the rerankers leave.

    They get more places than are asked for, in tables that hold nobody twice: rolling histories of
    one person are mixed one by one, as if each had been alone.
    """
    if not rerankers:
        return rank_rows(
            model, histories, k, exclude_seen=exclude_seen, candidates=candidates, progress=progress
        )
    depth = min(max(k * RERANK_FACTOR, RERANK_LEAST), max(len(histories.item_ids), 1))
    rows = np.full((len(histories), k), -1, dtype=np.int32)
    scores = np.full((len(histories), k), -np.inf, dtype=np.float32)
    step = max(1, _LINES // depth)
    for start in range(0, len(histories), step):
        asking = histories.take(slice(start, start + step))
        ranked, values = rank_rows(
            model,
            asking,
            depth,
            exclude_seen=exclude_seen,
            candidates=candidates,
            progress=progress,
        )
        for alone in _nobody_twice(asking.user_ids):
            found = recommendations_of(asking.take(alone), ranked[alone], values[alone])
            for reranker in rerankers:
                found = reranker.rerank(found, asking.take(alone))
            lines = found.table.filter(pl.col(RANK) <= k)
            request = start + alone[Ids(asking.user_ids[alone]).rows(lines[USER])]
            place = lines[RANK].to_numpy() - 1
            rows[request, place] = histories.item_ids.rows(lines[ITEM])
            scores[request, place] = lines[SCORE].to_numpy()
    return rows, scores


def _nobody_twice(user_ids: pl.Series) -> Iterator[NDArray[np.int64]]:
    """The rows of everybody's first request, then of everybody's second, and so on."""
    turns = user_ids.to_frame("user").select(pl.int_range(pl.len()).over("user")).to_series()
    turn = turns.to_numpy()
    for number in range(int(turn.max(initial=-1)) + 1):
        yield np.flatnonzero(turn == number)


def users_in_whose_lists(
    model: Scorer, users: Histories, row: int, k: int, *, exclude_seen: bool
) -> Recommendations:
    """The `k` of `users` in whose list the item at `row` stands highest; `rank` is its place."""
    tie = tie_order(users.item_ids)
    before = tie < tie[row]
    places, scores = [np.empty(0, dtype=np.int64)], [np.empty(0, dtype=np.float32)]
    chunk = max(1, _CELLS // max(len(users.item_ids), 1))
    with task("ranking for everybody", len(users), "people") as done:
        for start in range(0, len(users), chunk):
            part = users.take(slice(start, start + chunk))
            matrix = model.score(part)
            if exclude_seen:
                seen = part.seen().tocoo()
                matrix[seen.row, seen.col] = -np.inf
            own = matrix[:, row]
            above = (matrix > own[:, None]) | ((matrix == own[:, None]) & before)
            places.append(above.sum(axis=1) + 1)
            scores.append(own)
            done(len(part))
    place, score = np.concatenate(places), np.concatenate(scores)
    able = np.flatnonzero(np.isfinite(score))
    best = able[np.lexsort((-score[able], place[able]))][:k]
    table = {
        USER: users.user_ids[best],
        ITEM: pl.repeat(users.item_ids.series[row], len(best), dtype=pl.String, eager=True),
        SCORE: score[best],
        RANK: place[best].astype(np.int32),
    }
    return Recommendations(pl.DataFrame(table))
