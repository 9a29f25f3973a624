"""A stretch of the training part on which every way to order candidates is tried."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np

from palate.core.arrays import Floats, Mask, Rows
from palate.recommenders.two_stage.arrivals import arrival_ways, lent_popularity, said_of_arrivals
from palate.recommenders.two_stage.candidates import Candidates
from palate.recommenders.two_stage.catalogue import Catalogue
from palate.recommenders.two_stage.labels import Turn
from palate.recommenders.two_stage.long_tail import TailTrial
from palate.recommenders.two_stage.statistics import Statistics
from palate.recommenders.two_stage.ways import (
    LIFTS,
    lifted,
    ndcg,
    new_places,
    said_of,
    ways_of,
)


class Trial(TailTrial):
    """Every way on every request of a stretch: NDCG@10, and the places of new items.

    Without a `predict` only strangers are tried, for whom no tree is asked. Silent requests count
    where new items are ordered, and have the length -1 elsewhere.
    """

    def __init__(
        self,
        turn: Turn,
        new: Mask,
        names: Sequence[str],
        predict: Callable[[Floats], Any] | None = None,
    ) -> None:
        super().__init__(turn, predict)
        self.lengths = np.where(self.silent, -1, self.known)  # those who choose again, too
        self.new = new
        self.ways, self.arrival_ways = ways_of(names), arrival_ways(names)
        n, n_lifts = len(self.lengths), len(LIFTS)
        self.mixed = [place for place, way in enumerate(self.ways) if way.trees]
        self.gains = np.zeros((n, len(self.ways)))
        self.lifted = np.zeros((n, len(self.ways), n_lifts))
        self.places = np.zeros((n, len(self.ways), n_lifts))
        self.of_new = np.zeros(n, dtype=np.bool_)
        self.arrivals = np.zeros((n, len(self.arrival_ways)))
        self.lent = np.zeros(0, dtype=np.float32)

    def begin(self, statistics: Statistics, catalogue: Catalogue) -> None:
        """What new items are ordered by that needs the whole catalogue, and the long tail's."""
        if self.predict is None:
            return
        super().begin(statistics, catalogue)
        if self.new.any():
            self.lent = lent_popularity(statistics, catalogue)

    def judge(self, chunk: slice, found: Candidates, hits: Mask, statistics: Statistics) -> None:
        """Marks the candidates of a chunk of requests; the rows are each chunk's own."""
        lines = found.requests + chunk.start
        if not len(lines):
            return
        kept = found.items >= 0
        trees = self.trees(found)
        said = said_of(found)
        untouched = kept & (statistics["counts"] == 0)[found.items]
        arriving = untouched & self.new[found.items]
        # what nobody ever chose may be no longer there: only what arrived says how arrivals do
        there = kept & (arriving | ~untouched)
        for place, way in enumerate(self.ways):
            values = way.values(trees, said, kept)
            self.gains[lines, place] = ndcg(values, hits, kept)
            if place not in self.mixed or self.predict is None:
                continue
            for nth, lift in enumerate(LIFTS.tolist()):
                raised = lifted(values, arriving, there, lift)
                self.lifted[lines, place, nth] = ndcg(raised, hits, there)
                self.places[lines, place, nth] = new_places(raised, arriving, there)
        if self.predict is not None:
            self.judge_lifts(lines, found, hits, trees, statistics)
            self._judge_new(lines, found, hits, trees, untouched)

    def _judge_new(
        self, lines: Rows, found: Candidates, hits: Mask, trees: Floats, new: Mask
    ) -> None:
        """New items among themselves, where one of them was the answer of somebody known."""
        asked = (new & hits).any(axis=1) & (self.known[lines] > 0)
        if not asked.any() or not len(self.lent):
            return
        lines, new, hits = lines[asked], new[asked], hits[asked]
        self.of_new[lines] = True
        said = {name: values[asked] for name, values in said_of_arrivals(found, self.lent).items()}
        for place, way in enumerate(self.arrival_ways):
            self.arrivals[lines, place] = ndcg(way.values(trees[asked], said, new), hits, new)

    def taken_from(self, other: Trial, rows: Mask) -> None:
        """What `other` found for some of the requests, in place of what this one did."""
        for name in ("gains", "lifted", "places", "tail", "arrivals"):
            getattr(self, name)[rows] = getattr(other, name)[rows]


class Trials:
    """Several trials of the same requests, by trees that were not taught the same."""

    def __init__(self, trials: Collection[Trial]) -> None:
        self.trials = list(trials)

    def begin(self, statistics: Statistics, catalogue: Catalogue) -> None:
        """What is the same for all is made once."""
        self.trials[0].begin(statistics, catalogue)
        first = self.trials[0]
        for trial in self.trials[1:]:
            trial.lent, trial.of_tail, trial.experts = first.lent, first.of_tail, first.experts

    def judge(self, chunk: slice, found: Candidates, hits: Mask, statistics: Statistics) -> None:
        """Each one judges the same candidates."""
        for trial in self.trials:
            trial.judge(chunk, found, hits, statistics)
