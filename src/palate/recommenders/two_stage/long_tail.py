"""How the long tail fares when it is lifted, and beside whom: tried where its answers are known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from palate.core.arrays import Floats, Mask, Rows, to_dense
from palate.recommenders.two_stage.candidates import Candidates
from palate.recommenders.two_stage.catalogue import Catalogue
from palate.recommenders.two_stage.labels import Turn, repeated
from palate.recommenders.two_stage.statistics import (
    DECAY,
    LENGTH,
    LONG_DECAY,
    LONG_LENGTH,
    Statistics,
)
from palate.recommenders.two_stage.ways import (
    lifted,
    likely_best,
    ndcg,
    tail_items,
)

# a trial holds few answers of what is rare, so an expert need not be surely better there
SURE_OF_EXPERT = 0.0  # standard errors that it must find more of the long tail than the trees
LOSS_OF_LIFT = 0.015  # share of NDCG@10 that the lift may cost
TAIL_LIFTS = np.concatenate([np.arange(10) / 10, np.arange(2, 7) / 2])  # in deviations
CHUNK_CELLS = 4_000_000  # of the catalogue, that an expert is asked about at once


class TailTrial:
    """NDCG@10 of the trees with the long tail lifted by each of `TAIL_LIFTS`, and of each expert.

    Experts are asked about the whole catalogue, since what they find of the long tail may be no
    candidate at all. `predict` gives the trees' values of rows; without it all of them are 0.
    Silent requests have the length -1, and so have those whose answer is known to them: lists show
    what is new to a person, unless they are told otherwise.
    """

    def __init__(self, turn: Turn, predict: Callable[[Floats], Any] | None) -> None:
        self.predict = predict
        silent = np.zeros(len(turn.answers), np.bool_) if turn.silent is None else turn.silent
        self.silent, self.known = silent, turn.asking.lengths
        self.lengths = np.where(silent | repeated(turn.asking, turn.answers), -1, self.known)
        self.users, self.answers = turn.asking.starts, turn.answers
        self.asking = turn.asking
        n = len(self.lengths)
        self.of_tail = np.zeros(n, dtype=np.bool_)
        self.tail = np.zeros((n, len(TAIL_LIFTS)))
        self.experts = np.zeros((n, 0))

    def begin(self, statistics: Statistics, catalogue: Catalogue) -> None:
        """Whose answer is of the long tail, and what experts would have found of it."""
        self.of_tail = (self.lengths > 0) & tail_items(statistics["counts"])[self.answers]
        profiles = {"directed": (DECAY, LENGTH), "together": (LONG_DECAY, LONG_LENGTH)}
        known = [name for name in profiles if name in statistics]
        self.experts = np.zeros((len(self.lengths), len(known)))
        step = max(1, CHUNK_CELLS // catalogue.n_items)
        asked = np.flatnonzero(self.of_tail)
        for start in range(0, len(asked), step):
            lines = asked[start : start + step]
            asking, answers = self.asking.take(lines), self.answers[lines]
            seen = asking.seen().toarray() > 0
            hits = np.arange(catalogue.n_items) == answers[:, None]
            for place, name in enumerate(known):
                (decay, length), links = profiles[name], statistics[name]
                scores = to_dense(asking.matrix(decay=decay, length=length) @ links)
                self.experts[lines, place] = ndcg(scores, hits, (scores > 0) & ~seen)

    def judge(self, chunk: slice, found: Candidates, hits: Mask, statistics: Statistics) -> None:
        """Marks the candidates of a chunk of requests; the rows are each chunk's own."""
        lines = found.requests + chunk.start
        if len(lines):
            places = np.maximum(found.items, 0)
            seen = self.asking.take(lines).seen()[np.arange(len(lines))[:, None], places] > 0
            unseen = replace(found, items=np.where(seen.toarray(), np.int32(-1), found.items))
            self.judge_lifts(lines, unseen, hits, self.trees(found), statistics)

    def trees(self, found: Candidates) -> Floats:
        """(n, k) what the trees say of the candidates."""
        if self.predict is None:
            return np.zeros(found.items.shape, dtype=np.float32)
        flat = self.predict(found.features.reshape(-1, found.features.shape[2]))
        return np.asarray(flat, dtype=np.float32).reshape(found.items.shape)

    def judge_lifts(
        self, lines: Rows, found: Candidates, hits: Mask, trees: Floats, statistics: Statistics
    ) -> None:
        """The trees with each lift, for the requests that stand on such `lines`."""
        kept = found.items >= 0
        tail = kept & tail_items(statistics["counts"])[found.items]
        for place, lift in enumerate(TAIL_LIFTS.tolist()):
            self.tail[lines, place] = ndcg(lifted(trees, tail, kept, lift), hits, kept)


def lift_of_tail(trial: TailTrial) -> int:
    """Which of `TAIL_LIFTS`: until an expert that finds more of the long tail than the trees do
    does so no more, as far as that costs little; 0 where none does.
    """
    asked = (trial.lengths > 0) & trial.of_tail
    if not asked.any() or not trial.experts.shape[1]:
        return 0
    best = int(trial.experts[asked].mean(axis=0).argmax())
    ways = np.column_stack([trial.tail[:, 0], trial.experts[:, best]])
    if not likely_best(ways[asked], trial.users[asked], 0, [1], SURE_OF_EXPERT):
        return 0
    means = trial.tail[trial.lengths > 0].mean(axis=0)
    cheap = means >= (1 - LOSS_OF_LIFT) * means[0]
    enough = trial.tail[asked].mean(axis=0) >= ways[asked, 1].mean()
    wanted = int(enough.argmax()) if enough.any() else len(TAIL_LIFTS) - 1
    return int(np.flatnonzero(cheap[: wanted + 1]).max(initial=0))
