"""How the long tail fares when it is lifted, and beside whom: tried where its answers are known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from palate.core.arrays import Floats, Mask, Rows
from palate.recommenders.two_stage.candidates import Candidates
from palate.recommenders.two_stage.catalogue import Catalogue
from palate.recommenders.two_stage.labels import Turn
from palate.recommenders.two_stage.statistics import Statistics
from palate.recommenders.two_stage.ways import (
    LIFTS,
    LOSS,
    lifted,
    likely_best,
    ndcg,
    tail_items,
)

TAIL_EXPERTS = ("directed (z)", "together (z)", "ease (z)", "similar users (z)")
SURE_OF_TAIL = 1.5  # standard errors that an expert must find more of the long tail than the trees


class TailTrial:
    """NDCG@10 of the trees with the long tail lifted by each of `LIFTS`, and of each expert.

    `predict` gives the trees' values of rows; without it all of them are 0. Silent requests have
    the length -1.
    """

    def __init__(self, turn: Turn, predict: Callable[[Floats], Any] | None) -> None:
        self.predict = predict
        silent = np.zeros(len(turn.answers), np.bool_) if turn.silent is None else turn.silent
        self.known = turn.asking.lengths
        self.lengths = np.where(silent, -1, self.known)
        self.users, self.answers = turn.asking.starts, turn.answers
        n = len(self.lengths)
        self.of_tail = np.zeros(n, dtype=np.bool_)
        self.tail = np.zeros((n, len(LIFTS)))
        self.experts = np.zeros((n, len(TAIL_EXPERTS)))

    def begin(self, statistics: Statistics, catalogue: Catalogue) -> None:
        """Nothing is needed beside the candidates."""

    def judge(self, chunk: slice, found: Candidates, hits: Mask, statistics: Statistics) -> None:
        """Marks the candidates of a chunk of requests; the rows are each chunk's own."""
        lines = found.requests + chunk.start
        if len(lines):
            self.judge_tail(lines, found, hits, self.trees(found), statistics)

    def trees(self, found: Candidates) -> Floats:
        """(n, k) what the trees say of the candidates."""
        if self.predict is None:
            return np.zeros(found.items.shape, dtype=np.float32)
        flat = self.predict(found.features.reshape(-1, found.features.shape[2]))
        return np.asarray(flat, dtype=np.float32).reshape(found.items.shape)

    def judge_tail(
        self, lines: Rows, found: Candidates, hits: Mask, trees: Floats, statistics: Statistics
    ) -> None:
        """Each lift and each expert, for the requests that stand on such `lines`."""
        kept = found.items >= 0
        tail = kept & tail_items(statistics["counts"])[found.items]
        self.of_tail[lines] = (tail & hits).any(axis=1)
        for place, lift in enumerate(LIFTS.tolist()):
            self.tail[lines, place] = ndcg(lifted(trees, tail, kept, lift), hits, kept)
        for place, name in enumerate(TAIL_EXPERTS):
            if name in found.names:
                said = found.features[:, :, found.names.index(name)]
                self.experts[lines, place] = ndcg(said, hits, kept)


def lift_of_tail(trial: TailTrial) -> int:
    """Which of `LIFTS`: until an expert that finds more of the long tail than the trees do, surely,
    does so no more, as far as that costs little; 0 where none does.
    """
    asked = (trial.lengths > 0) & trial.of_tail
    best = int(trial.experts[asked].mean(axis=0).argmax()) if asked.any() else 0
    ways = np.column_stack([trial.tail[:, 0], trial.experts[:, best]])
    if not asked.any() or not likely_best(ways[asked], trial.users[asked], 0, [1], SURE_OF_TAIL):
        return 0
    means = trial.tail[trial.lengths > 0].mean(axis=0)
    cheap = means >= (1 - LOSS) * means[0]
    enough = trial.tail[asked].mean(axis=0) >= ways[asked, 1].mean()
    wanted = int(enough.argmax()) if enough.any() else len(LIFTS) - 1
    return int(np.flatnonzero(cheap[: wanted + 1]).max(initial=0))
