"""What a comparison found: numbers of every row on every slice, as a table, JSON or text."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Final

import polars as pl

from palate.core.arrays import Rows
from palate.core.errors import ConfigError, PalateError, did_you_mean
from palate.evaluation.metrics.ranking import Doubles
from palate.evaluation.metrics.rating import ERRORS, ErrorCell, ValueErrors
from palate.evaluation.significance import Interval

_NAMES: Final = ("recommender", "slice", "metric")
_DOUBLES: Final = ("mean", "low", "high", "difference", "difference_low", "difference_high", "p")
_DETAILS: Final = {
    **dict.fromkeys(_NAMES, pl.String),
    **dict.fromkeys(_DOUBLES, pl.Float64),
    "significant": pl.Boolean,
    "requests": pl.Int64,
    "users": pl.Int64,
}


@dataclass(frozen=True)
class SliceSize:
    """What a slice is called and how much it holds."""

    label: str
    requests: int
    users: int


@dataclass(frozen=True, eq=False)
class Measured:
    """One recommender: its lists (n, K), slice → metric → per-request values, what is beyond."""

    rows: Rows
    values: Mapping[str, Mapping[str, Doubles]]
    beyond: Mapping[str, float]


@dataclass(frozen=True)
class Refused:
    """A recommender that could not be fitted, or could not rank: what it raised."""

    error: PalateError | MemoryError

    @property
    def reason(self) -> str:
        return str(self.error) or "not enough memory"


@dataclass(frozen=True)
class Cell:
    """The mean of one metric of one row on one slice, and its difference to the reference row."""

    recommender: str
    slice: str
    metric: str
    interval: Interval
    difference: Interval | None


@dataclass(frozen=True, eq=False)
class Results:
    """The numbers of several recommenders on one split, before anybody looks at them.

    `rows` and `slices` are by name, in order; `chance` is slice → metric → the level of a random
    order; `masked_answers` counts answers that the protocol masks because they were seen before;
    `refused` holds, by name, the recommenders that could not be measured, `errors` those of the
    values that were predicted, for rows that predict any.
    """

    split_name: str
    exclude_seen: bool
    n_items: int
    metrics: tuple[str, ...]
    headline: int
    reference: str | None
    masked_answers: int
    slices: Mapping[str, SliceSize]
    chance: Mapping[str, Mapping[str, float]]
    rows: Mapping[str, Measured]
    cells: Sequence[Cell]
    refused: Mapping[str, Refused] = field(default_factory=dict)
    errors: Mapping[str, ValueErrors] = field(default_factory=dict)

    def cell(self, recommender: str, metric: str, within: str = "all") -> Cell:
        """One number with its interval; an unknown name raises `ConfigError`."""
        if recommender in self.refused:
            raise ConfigError(
                f"{recommender!r} was not measured: {self.refused[recommender].reason}"
            )
        known = ((self.rows, recommender), (self.metrics, metric), (self.slices, within))
        for names, name in known:
            if name not in names:
                raise ConfigError(
                    f"nothing measured is called {name!r}.{did_you_mean(name, names)}"
                )
        return self._by_name[recommender, metric, within]

    @cached_property
    def _by_name(self) -> dict[tuple[str, str, str], Cell]:
        return {(cell.recommender, cell.metric, cell.slice): cell for cell in self.cells}

    def repeats(self, within: str) -> bool:
        """Whether a slice holds what all requests hold, so that its figures say nothing new."""
        return (
            within != "all"
            and self.slices[within] == replace(self.slices["all"], label=self.slices[within].label)
            and all(
                number(self.cell(name, metric, within).interval.mean)
                == number(self.cell(name, metric).interval.mean)
                for name in self.rows
                for metric in self.metrics
            )
        )

    @cached_property
    def details(self) -> pl.DataFrame:
        """One row a recommender, slice and metric: mean, interval, difference, p, sizes."""
        found = [self._detail(cell) for cell in self.cells]
        for title, row in self.errors.items():
            for name, cell in row.cells.items():
                whole = Cell(title, "all", name, cell.interval, cell.difference)
                found.append({**self._detail(whole), "requests": row.values, "users": row.users})
        return pl.DataFrame(found, schema=_DETAILS)

    def _detail(self, cell: Cell) -> dict[str, Any]:
        size = self.slices[cell.slice]
        apart = cell.difference
        return {
            "recommender": cell.recommender,
            "slice": cell.slice,
            "metric": cell.metric,
            "mean": number(cell.interval.mean),
            "low": number(cell.interval.low),
            "high": number(cell.interval.high),
            "difference": apart and number(apart.mean),
            "difference_low": apart and number(apart.low),
            "difference_high": apart and number(apart.high),
            "p": apart and number(apart.p),
            "significant": apart and apart.significant,
            "requests": size.requests,
            "users": size.users,
        }

    @cached_property
    def table(self) -> pl.DataFrame:
        """One row a recommender.

        Columns: `ndcg@10`, `ndcg@10.low`, `.high`, `.p` (against the reference) for each metric
        over all requests; `cold_items.ndcg@10` for each slice; `coverage` and the others beyond
        accuracy; `rmse` and `mae` alike where a row predicts values. Null where nothing was asked.
        """
        rows = [self._wide(title) for title in self.rows]
        schema = dict.fromkeys(rows[0], pl.Float64) | {"recommender": pl.String}
        return pl.DataFrame(rows, schema=schema)

    def _wide(self, title: str) -> dict[str, Any]:
        row: dict[str, Any] = {"recommender": title}
        for metric in self.metrics:
            cell = self.cell(title, metric)
            row[metric] = number(cell.interval.mean)
            row[f"{metric}.low"] = number(cell.interval.low)
            row[f"{metric}.high"] = number(cell.interval.high)
            row[f"{metric}.p"] = number(cell.difference.p) if cell.difference else None
        for name in list(self.slices)[1:]:
            for metric in self.metrics:
                row[f"{name}.{metric}"] = number(self.cell(title, metric, name).interval.mean)
        row |= {name: number(value) for name, value in self.rows[title].beyond.items()}
        for name in ERRORS if self.errors else ():
            error = self.errors[title].cells[name] if title in self.errors else None
            row[name] = error and number(error.interval.mean)
            row[f"{name}.low"] = error and number(error.interval.low)
            row[f"{name}.high"] = error and number(error.interval.high)
            row[f"{name}.p"] = error and error.difference and number(error.difference.p)
        return row

    def to_json(self) -> dict[str, Any]:
        """Everything but the per-request values, as JSON types; null where nothing was asked."""
        return {
            "split": self.split_name,
            "exclude_seen": self.exclude_seen,
            "items": self.n_items,
            "reference": self.reference,
            "headline": self.headline,
            "masked_answers": self.masked_answers,
            "slices": {name: vars(size) for name, size in self.slices.items()},
            "chance": {name: _numbers(levels) for name, levels in self.chance.items()},
            "rows": [self._json_row(title) for title in self.rows],
            "refused": {title: row.reason for title, row in self.refused.items()},
        }

    def _json_row(self, title: str) -> dict[str, Any]:
        return {
            "name": title,
            "metrics": {
                metric: number(self.cell(title, metric).interval.mean) for metric in self.metrics
            },
            "slices": {
                name: {
                    metric: _json_cell(self.cell(title, metric, name)) for metric in self.metrics
                }
                for name in self.slices
            },
            "beyond": _numbers(self.rows[title].beyond),
            **self._json_errors(title),
        }

    def _json_errors(self, title: str) -> dict[str, Any]:
        if title not in self.errors:
            return {}
        row = self.errors[title]
        cells = {name: _json_cell(cell) for name, cell in row.cells.items()}
        return {"errors": {"values": row.values, "users": row.users, **cells}}


def number(value: float) -> float | None:
    """The number, or None for NaN, which JSON does not have."""
    return None if math.isnan(value) else float(value)


def _numbers(values: Mapping[str, float]) -> dict[str, float | None]:
    return {name: number(value) for name, value in values.items()}


def _json_cell(cell: Cell | ErrorCell) -> dict[str, Any]:
    found: dict[str, Any] = _numbers(
        {"mean": cell.interval.mean, "low": cell.interval.low, "high": cell.interval.high}
    )
    if cell.difference is not None:
        found["difference"] = _numbers(vars(cell.difference))
        found["difference"]["significant"] = cell.difference.significant
    return found
