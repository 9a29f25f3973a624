"""What a comparison asks: the answers, opened once, and how lists are marked against them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palate.core.arrays import Rows
from palate.core.progress import task
from palate.core.split import Split
from palate.evaluation.metrics.chance import Reach, mean_chance, reach_of
from palate.evaluation.metrics.ranking import (
    Doubles,
    OpenAnswers,
    answer_ranks,
    metric_names,
    open_answers,
    placed_metrics,
)
from palate.evaluation.results import Cell, Measured, SliceSize
from palate.evaluation.significance import intervals, user_codes
from palate.evaluation.slices import Slice, slices_of


@dataclass(frozen=True, eq=False)
class Exam:
    """The opened answers, their slices, and what is to be measured on them."""

    split: Split
    ks: Sequence[int]
    metrics: Sequence[str]
    names: Sequence[str]
    answers: OpenAnswers
    slices: Sequence[Slice]
    users: NDArray[np.int64]

    @classmethod
    def of(cls, split: Split, ks: Sequence[int], metrics: Sequence[str]) -> Exam:
        names = metric_names(metrics, ks)
        answers = open_answers(split.sealed)
        users = user_codes(split.histories.user_ids)
        return cls(split, ks, metrics, names, answers, slices_of(split, answers), users)

    @property
    def headline(self) -> int:
        """The cutoff that tables show: 10 where it is measured, else the first."""
        return 10 if 10 in self.ks else self.ks[0]

    def values(self, rows: Rows) -> dict[str, dict[str, Doubles]]:
        """Slice → metric → one value for each of the slice's requests."""
        ranks = answer_ranks(rows, self.answers)
        values = {}
        for part in self.slices:
            kept = self.answers.keep(part.answers)
            measured = placed_metrics(ranks[part.answers], kept, self.ks, self.metrics)
            values[part.name] = {name: column[part.requests] for name, column in measured.items()}
        return values

    def facts(self) -> dict[str, Any]:
        """What a result says about the questions, whoever answered them."""
        reach = reach_of(self.split, self.answers)
        return {
            "split_name": self.split.name,
            "exclude_seen": self.split.exclude_seen,
            "n_items": len(self.split.train.item_ids),
            "metrics": tuple(self.names),
            "headline": self.headline,
            "masked_answers": int((~reach.answers).sum()),
            "slices": {part.name: self._size(part) for part in self.slices},
            "chance": {part.name: self._chance(part, reach) for part in self.slices},
        }

    def _size(self, part: Slice) -> SliceSize:
        users = len(np.unique(self.users[part.requests]))
        return SliceSize(part.label, requests=len(part), users=users)

    def _chance(self, part: Slice, reach: Reach) -> dict[str, float]:
        levels: dict[str, float] = {}
        for k in self.ks:
            levels |= mean_chance(self.answers, reach, k, part.requests, part.answers)
        return levels

    def cells(
        self, rows: Mapping[str, Measured], reference: str | None, *, resamples: int, seed: int
    ) -> list[Cell]:
        """Every mean and every difference to the reference, slice by slice."""
        found: list[Cell] = []
        with task("resampling people", len(self.slices), "slices") as done:
            for part in self.slices:
                found += self._slice_cells(part, rows, reference, resamples, seed)
                done(1)
        return found

    def _slice_cells(
        self,
        part: Slice,
        rows: Mapping[str, Measured],
        reference: str | None,
        resamples: int,
        seed: int,
    ) -> list[Cell]:
        values = {
            (title, name): column
            for title, row in rows.items()
            for name, column in row.values[part.name].items()
        }
        gaps = {
            (title, name): column - values[reference, name]
            for (title, name), column in values.items()
            if reference is not None and title != reference
        }
        users = self.users[part.requests]
        columns = np.column_stack([*values.values(), *gaps.values()])
        found = intervals(columns, users, resamples=resamples, seed=seed)
        differences = dict(zip(gaps, found[len(values) :], strict=True))
        return [
            Cell(title, part.name, name, interval, differences.get((title, name)))
            for (title, name), interval in zip(values, found[: len(values)], strict=True)
        ]
