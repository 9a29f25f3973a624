"""Errors of predicted values, where a recommender predicts them: ratings, minutes, amounts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from palate.core.arrays import Rows
from palate.core.errors import AlignmentError, DataError, first_offenders
from palate.core.histories import Histories, ragged_positions
from palate.core.ids import Ids
from palate.core.progress import task
from palate.core.split import Answers, Split
from palate.evaluation.metrics.ranking import Doubles
from palate.evaluation.significance import Interval, intervals

ERRORS: Final = ("rmse", "mae")
_CHUNK: Final = 4_096  # requests that a model is asked at once


def rmse(predicted: ArrayLike, actual: ArrayLike) -> float:
    """Root of the mean squared error, in the unit of the values."""
    return float(np.sqrt(np.mean(errors_of(predicted, actual) ** 2)))


def mae(predicted: ArrayLike, actual: ArrayLike) -> float:
    """Mean absolute error, in the unit of the values."""
    return float(np.mean(np.abs(errors_of(predicted, actual))))


def errors_of(predicted: ArrayLike, actual: ArrayLike) -> NDArray[np.float64]:
    """(n,) predicted less actual; `AlignmentError` for other shapes, `DataError` for no numbers."""
    guess, truth = _finite(predicted, "predicted"), _finite(actual, "actual")
    if guess.shape != truth.shape or guess.ndim != 1:
        raise AlignmentError(
            f"{guess.shape} predicted values for {truth.shape} actual ones: need one each, flat"
        )
    if not len(guess):
        raise DataError("no values to measure an error on")
    return guess - truth


def _finite(values: ArrayLike, what: str) -> NDArray[np.float64]:
    array: NDArray[Any] = np.asarray(values, dtype=np.float64)
    offenders = np.flatnonzero(~np.isfinite(array)).tolist()
    if offenders:
        raise DataError(
            f"{what} values are NaN or infinite at {first_offenders(offenders, len(offenders))}: "
            "leave these rows out"
        )
    return array


@dataclass(frozen=True)
class ErrorCell:
    """An error of one row, in the unit of the values, and its difference to the reference row."""

    interval: Interval
    difference: Interval | None = None


@dataclass(frozen=True)
class ValueErrors:
    """Errors by name ("rmse", "mae") on so many held-out `values` of so many `users`."""

    values: int
    users: int
    cells: Mapping[str, ErrorCell]


@dataclass(frozen=True, eq=False)
class HeldValues:
    """What was given later: parts of requests, the item of each, and all values in one row."""

    parts: tuple[tuple[Histories, Rows], ...]
    actual: Doubles
    users: pl.Series

    @classmethod
    def of(cls, split: Split) -> HeldValues | None:
        """Of the answers and of what was turned down; None where neither has values."""
        asked = [(split.histories, split.sealed)]
        if split.turned_down is not None:
            asked.append((split.turned_down.histories, split.turned_down.sealed))
        opened = [_opened(*each) for each in asked if each[1].values is not None]
        opened = [each for each in opened if len(each[2])]
        if not opened:
            return None
        return cls(
            tuple((asking, items) for asking, items, _ in opened),
            np.concatenate([values for *_, values in opened]),
            pl.concat([asking.user_ids for asking, *_ in opened]),
        )

    def predicted(self, model: Any, label: str) -> Doubles:
        """What a model says to each; it is handed each chunk's past and nothing else."""
        predict = getattr(model, "predict_histories", None) or model.predict
        found, done_so_far = np.empty(len(self.actual)), 0
        with task(f"values by {label}", len(self.actual), "values") as done:
            for whole, rows in self.parts:
                asking = in_catalogue_of(model, whole)
                for start in range(0, len(rows), _CHUNK):
                    part = slice(start, min(start + _CHUNK, len(rows)))
                    said = predict(asking.take(part).compact(), rows[part])
                    found[done_so_far + part.start : done_so_far + part.stop] = said
                    done(part.stop - part.start)
                done_so_far += len(rows)
        return found

    def errors(
        self, predicted: Mapping[str, Doubles], reference: str | None, *, resamples: int, seed: int
    ) -> dict[str, ValueErrors]:
        """Every row's errors; intervals of the bootstrap over people, the same for all rows."""
        if not predicted:
            return {}
        apart = {title: errors_of(said, self.actual) for title, said in predicted.items()}
        columns = {
            (title, name): error**2 if name == "rmse" else np.abs(error)
            for title, error in apart.items()
            for name in ERRORS
        }
        gaps = {
            (title, name): column - columns[reference, name]
            for (title, name), column in columns.items()
            if reference is not None and reference in predicted and title != reference
        }
        both = np.column_stack([*columns.values(), *gaps.values()])
        found = intervals(both, self.users, resamples=resamples, seed=seed)
        known = dict(zip(columns, found[: len(columns)], strict=True))
        beside = dict(zip(gaps, found[len(columns) :], strict=True))
        size = len(self.actual), self.users.n_unique()
        return {
            title: ValueErrors(
                *size,
                {
                    name: _cell(name, known, beside.get((title, name)), title, reference)
                    for name in ERRORS
                },
            )
            for title in predicted
        }


def _opened(histories: Histories, sealed: Answers) -> tuple[Histories, Rows, Doubles]:
    """One request, item and value for each answer that has a value."""
    request, position = ragged_positions(sealed.starts, sealed.stops)
    assert sealed.values is not None
    values = sealed.values[position].astype(np.float64)
    known = np.isfinite(values) & (sealed.items[position] >= 0)
    return histories.take(request[known]), sealed.items[position][known], values[known]


def in_catalogue_of(model: object, asking: Histories) -> Histories:
    """The same requests over the model's catalogue, where items were added to it."""
    item_ids = getattr(model, "item_ids", getattr(model, "item_ids_", None))
    if not isinstance(item_ids, Ids) or len(item_ids) <= len(asking.item_ids):
        return asking
    return asking.in_catalogue(item_ids)


def _cell(
    name: str,
    known: Mapping[tuple[str, str], Interval],
    apart: Interval | None,
    title: str,
    reference: str | None,
) -> ErrorCell:
    """Of squared errors the root; the difference of two roots is that of squares by their sum."""
    own = known[title, name]
    if name != "rmse":
        return ErrorCell(own, apart)
    rooted = Interval(math.sqrt(own.mean), math.sqrt(own.low), math.sqrt(own.high), own.p)
    if apart is None or reference is None:
        return ErrorCell(rooted)
    total = rooted.mean + math.sqrt(known[reference, name].mean)
    scale = 1 / total if total > 0 else 0.0
    gap = Interval(apart.mean * scale, apart.low * scale, apart.high * scale, apart.p)
    return ErrorCell(rooted, gap)
