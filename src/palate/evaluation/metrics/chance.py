"""What a random order of the catalogue would score: the level that any figure stands above."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from palate.core.arrays import Mask
from palate.core.errors import ConfigError, did_you_mean
from palate.core.split import Split
from palate.evaluation.metrics.ranking import OpenAnswers, open_answers
from palate.evaluation.slices import slices_of

_BLOCK_REQUESTS: Final = 4096


@dataclass(frozen=True, eq=False)
class Reach:
    """What the protocol lets anybody hit: (n,) recommendable items, (A,) answers not masked."""

    candidates: NDArray[np.int64]
    answers: Mask


def reach_of(split: Split, answers: OpenAnswers) -> Reach:
    """Counts what `split.exclude_seen` leaves; an answer that was seen before is out of reach."""
    n_items = len(split.train.item_ids)
    candidates = np.full(answers.n, n_items, dtype=np.int64)
    reachable = np.ones(len(answers), dtype=bool)
    for start in range(0, answers.n if split.exclude_seen else 0, _BLOCK_REQUESTS):
        stop = start + _BLOCK_REQUESTS
        seen = split.histories.take(slice(start, stop)).seen()
        counts = np.diff(seen.indptr)
        candidates[start:stop] -= counts
        part = slice(*np.searchsorted(answers.request, [start, stop]))
        keys = (answers.request[part] - start) * n_items + answers.item[part]
        seen_keys = np.repeat(np.arange(len(counts)), counts) * n_items + seen.indices
        found = np.searchsorted(keys, seen_keys, side="right") - 1
        inside = found >= 0
        masked = found[inside][keys[found[inside]] == seen_keys[inside]]
        reachable[part.start + masked] = False
    return Reach(candidates, reachable)


def chance_values(answers: OpenAnswers, reach: Reach, k: int) -> dict[str, NDArray[np.float64]]:
    """`"ndcg@k"`, `"recall@k"` → (n,) the exact expectation under a uniformly random order.

    Each place holds each of the C candidates with probability 1 / C, so with r of R answers in
    reach the DCG is r / C times the discounts of the first min(k, C) places.
    """
    within = answers.keep(reach.answers).counts
    share = within / np.maximum(reach.candidates, 1)
    discounts = np.concatenate([[0.0], np.cumsum(1 / np.log2(np.arange(2, k + 2)))])
    places = np.clip(reach.candidates, 0, k)
    ideal = discounts[np.clip(answers.counts, 1, k)]
    return {
        f"ndcg@{k}": share * discounts[places] / ideal,
        f"recall@{k}": share * places / np.maximum(answers.counts, 1),
    }


def chance(split: Split, k: int = 10, *, within: str = "all") -> dict[str, float]:
    """The expected NDCG@k and recall@k of a random ranking, over one slice of the requests.

    NaN for an empty slice; raises `ConfigError` for an unknown one.
    """
    answers = open_answers(split.sealed)
    slices = {part.name: part for part in slices_of(split, answers)}
    if within not in slices:
        raise ConfigError(f"no slice is called {within!r}.{did_you_mean(within, slices)}")
    part = slices[within]
    return mean_chance(answers, reach_of(split, answers), k, part.requests, part.answers)


def mean_chance(
    answers: OpenAnswers, reach: Reach, k: int, requests: Mask, kept: Mask
) -> dict[str, float]:
    """The mean over `requests` (n,) when only the answers in `kept` (A,) count."""
    part = Reach(reach.candidates, reach.answers[kept])
    values = chance_values(answers.keep(kept), part, k)
    return {
        name: float(column[requests].mean()) if requests.any() else float("nan")
        for name, column in values.items()
    }
