"""Cleaning a data set: duplicates, repeats, missing values, empty texts, k-core, scales."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any, Literal, TypeAlias

import numpy as np
import polars as pl
from numpy.typing import NDArray

from palate.core.arrays import Mask
from palate.core.checks import check_count, check_data, check_mapping, check_names
from palate.core.columns import EVENT, ITEM, TIME, USER, WEIGHT
from palate.core.dataset import Dataset
from palate.core.doors import door
from palate.core.errors import ConfigError, DataError, did_you_mean, first_offenders
from palate.core.ids import Ids
from palate.core.visible import quoted
from palate.data.notes import CleanNotes, Step, log_notes
from palate.data.subset import core, empty_items, keep_rows, key_of, locate, tables_of, with_table

__all__ = ["Policy", "clean"]

EMPTY_TEXT = ("keep", "drop", "error")

Policy: TypeAlias = "str | int | float | bool | list[str]"

POLICIES = ("drop", "error", "mean", "median", "mode", "empty")
_SHIFTS = ("standard", "minmax")
_PER: Mapping[str, str] = {"person": USER, "item": ITEM}
SCALES = (*_SHIFTS, "log", *(f"{scale} per {whose}" for scale in _SHIFTS for whose in _PER))


@door(
    "data",
    "fitted_on",
    "repeats_within",
    "missing",
    "text_columns",
    "normalise",
    "min_user_events",
    "min_item_events",
)
def clean(
    data: Dataset,
    *,
    duplicates: bool = True,
    repeats_within: float | None = None,
    missing: Mapping[str, Policy] | None = None,
    empty_text: Literal["keep", "drop", "error"] = "keep",
    text_columns: Sequence[str] | None = None,
    min_user_events: int = 0,
    min_item_events: int = 0,
    normalise: Mapping[str, str] | None = None,
    fitted_on: Dataset | None = None,
    tell: Callable[[CleanNotes], object] = log_notes,
) -> Dataset:
    """The data without what should not be learnt from.

    The steps, in this order:

    - `duplicates`: of events that agree in every column, the first stays. Without times two equal
      events are a repeat rather than a duplicate unless they are neighbours in a person's sequence.
    - `repeats_within` (seconds): an event goes if the same person had the same event with the same
      item at most so long before it, so of a run of repeats the first stays.
    - `missing`: column ("price", or "items.price" where two tables have it) → "drop" (the row, and
      the events that name it), "error", "mean", "median", "mode" (the smallest of several), "empty"
      (text or list), or a constant.
    - `empty_text`: items whose `text_columns` (default: all columns of text and lists of text) are
      all empty: "keep", "drop" (and their events) or "error".
    - `min_user_events`, `min_item_events`: the k-core, repeated until nothing changes. Items below
      the minimum leave the catalogue, new items without events too.
    - `normalise`: column of numbers → "standard", "minmax" or "log" (log(1 + x)); columns of events
      also "standard per person", "minmax per item" and the like, over what that one has in
      `fitted_on`, or over all where it has nothing there.

    Means, modes and scales are learnt from `fitted_on`, by default from `data` itself: to keep the
    future out, split first and clean with `fitted_on=split.train`. `tell` is told what every step
    removed and changed; by default the logger "palate" is, at INFO. `tell=print` shows it.
    Raises `DataError` where nothing is left, and where a column or a policy does not fit.
    """
    _check_data(data, fitted_on)
    _check_settings(empty_text, repeats_within, min_user_events, min_item_events)
    _check_columns(missing, text_columns, normalise)
    run = _Run(data, fitted_on)
    run.drop_repeated(duplicates=duplicates, within=repeats_within)
    run.fill(missing or {})
    run.drop_silent(empty_text, text_columns)
    run.keep_core(min_user_events, min_item_events)
    run.scale(normalise or {})
    tell(CleanNotes(tuple(run.steps)))
    return run.data


class _Run:
    """The data between two steps, and what the steps did."""

    def __init__(self, data: Dataset, fitted_on: Dataset | None) -> None:
        self.data = data
        self.fitted_on = fitted_on
        self.steps: list[Step] = []

    def step(self, name: str, after: Dataset, values: int = 0) -> None:
        """The data become `after`; a step that leaves no event raises `DataError`."""
        before = self.data
        if len(before.interactions) and not len(after.interactions):
            raise DataError(f"clean: the step {name!r} leaves no event; loosen it")
        self.steps.append(
            Step(
                name,
                events=len(before.events) - len(after.events),
                items=len(before.items) - len(after.items),
                users=_users(before) - _users(after),
                values=values,
            )
        )
        self.data = after

    def drop_repeated(self, *, duplicates: bool, within: float | None) -> None:
        """Events that say what another one said already."""
        if duplicates:
            repeated = _duplicates(self.data)
            self.step("duplicates", keep_rows(self.data, "interactions", ~repeated))
        if within is not None:
            repeated = _repeats(self.data, within)
            self.step(
                f"repeats within {within:g} s", keep_rows(self.data, "interactions", ~repeated)
            )

    def fill(self, policies: Mapping[str, Policy]) -> None:
        """Treat the missing values, column by column."""
        for name, policy in policies.items():
            filled, count = fill_missing(self.data, name, policy, self.fitted_on or self.data)
            changed = 0 if policy in ("drop", "error") else count
            self.step(f"missing {name!r} ({policy})", filled, values=changed)

    def drop_silent(self, policy: str, columns: Sequence[str] | None) -> None:
        """Items that say nothing."""
        if policy != "keep":
            self.step("empty text", _without_empty(self.data, columns, policy))

    def keep_core(self, of_user: int, of_item: int) -> None:
        """The people and the items with enough events."""
        if of_user or of_item:
            self.step(
                f"at least {of_user} events a person, {of_item} an item",
                core(self.data, min_user_events=of_user, min_item_events=of_item),
            )

    def scale(self, scales: Mapping[str, str]) -> None:
        """Put columns of numbers on other scales."""
        for name, scale in scales.items():
            scaled, count = rescale(self.data, name, scale, self.fitted_on or self.data)
            self.step(f"normalise {name!r} ({scale})", scaled, values=count)


def _users(data: Dataset) -> int:
    return len(data.user_ids)


def _check_settings(
    empty_text: str, repeats_within: float | None, min_user_events: int, min_item_events: int
) -> None:
    if empty_text not in EMPTY_TEXT:
        raise ConfigError(f"empty_text={empty_text!r}.{did_you_mean(empty_text, EMPTY_TEXT)}")
    if repeats_within is not None and not (
        isinstance(repeats_within, Real) and repeats_within >= 0
    ):
        raise ConfigError(f"repeats_within={repeats_within!r}: it must be 0 seconds or more")
    check_count(min_user_events, "min_user_events")
    check_count(min_item_events, "min_item_events")


def _check_data(data: object, fitted_on: object) -> None:
    check_data(data, what="clean")
    if fitted_on is not None:
        check_data(fitted_on, what="fitted_on")


def _check_columns(missing: Any, text_columns: Any, normalise: Any) -> None:
    check_mapping(missing, "missing", example={"price": "median"})
    check_mapping(normalise, "normalise", example={"price": "log"})
    if text_columns is not None:
        check_names(text_columns, "text_columns")


def _duplicates(data: Dataset) -> Mask:
    events = data.events
    if TIME in events.columns:
        first = events.with_row_index("row").unique(subset=events.columns, keep="first")["row"]
        repeated = np.ones(len(events), dtype=np.bool_)
        repeated[first.to_numpy()] = False
        return repeated
    same = [
        pl.col(name).eq_missing(pl.col(name).shift(1)).over(USER)
        for name in events.columns
        if name != USER
    ]
    return events.select(pl.all_horizontal(same)).to_series().to_numpy()


def _repeats(data: Dataset, window: float) -> Mask:
    events = data.events
    if TIME not in events.columns:
        raise DataError("repeats_within= needs times, and these events have none; leave it out")
    same = [name for name in (USER, ITEM, EVENT) if name in events.columns]
    since = events.select(pl.col(TIME).diff().over(same)).to_series()
    return (since <= window).fill_null(False).to_numpy()


def _without_empty(data: Dataset, columns: Sequence[str] | None, policy: str) -> Dataset:
    empty = empty_items(data.items, columns)
    count = int(empty.sum())
    if policy == "error" and count:
        raise DataError(
            f"items: no text for {ITEM} {first_offenders(data.items[ITEM].filter(empty), count)}."
            " Add some, or pass empty_text='drop' or 'keep'"
        )
    return keep_rows(data, "items", (~empty).to_numpy()) if count else data


def fill_missing(
    data: Dataset, name: str, policy: Policy, fitted_on: Dataset
) -> tuple[Dataset, int]:
    """`data` with one column's nulls and NaN treated, and how many there were.

    Means, medians and modes come from `fitted_on`. Raises `DataError` where the policy is "error"
    or does not fit the column.
    """
    table, column = locate(data, name, what="missing=")
    frame = tables_of(data)[table]
    gaps = _gaps(frame[column])
    count = int(gaps.sum())
    if policy is None or (isinstance(policy, float) and not np.isfinite(policy)):
        raise ConfigError(
            f"missing={{{name!r}: {policy!r}}}: {policy!r} is missing itself. Known policies:"
            f" {', '.join(POLICIES)}; any other value is a constant to fill in."
        )
    if isinstance(policy, str) and policy not in POLICIES:
        _check_no_slip(name, policy)
    if count and policy == "error":
        key = key_of(table)
        raise DataError(
            f"{table}: column {column!r} is missing for {key}"
            f" {first_offenders(frame[key].filter(gaps), count)}."
            f" Fill it, or name another policy: missing={{{name!r}: 'drop'}}"
        )
    if policy == "error":
        return data, 0
    if policy == "drop":
        return (keep_rows(data, table, (~gaps).to_numpy()), count) if count else (data, 0)
    _, fitted_column = locate(fitted_on, name, what="missing= on fitted_on")
    known = _known(tables_of(fitted_on)[table][fitted_column])
    filled = _fill(frame[column], gaps, _filler(frame[column], known, policy, where=name))
    return with_table(data, table, frame.with_columns(filled)), count


def _gaps(series: pl.Series) -> pl.Series:
    missing = series.is_null()
    return missing | series.is_nan().fill_null(False) if series.dtype.is_float() else missing


def _known(series: pl.Series) -> pl.Series:
    return series.filter(~_gaps(series))


def _check_no_slip(name: str, constant: str) -> None:
    """A text that is nearly a policy is a slip, not a constant."""
    if difflib.get_close_matches(constant, POLICIES, n=1, cutoff=0.8):
        raise ConfigError(
            f"missing={{{name!r}: {constant!r}}}: no policy is called so."
            f"{did_you_mean(constant, POLICIES)} Any other value is a constant to fill in."
        )


def _filler(series: pl.Series, known: pl.Series, policy: Policy, *, where: str) -> Policy:
    numeric = series.dtype.is_numeric()
    if policy == "empty":
        if series.dtype == pl.String:
            return ""
        if series.dtype == pl.List(pl.String):
            return []
        raise DataError(f"missing={{{where!r}: 'empty'}} needs text or lists, not {series.dtype}")
    if policy in ("mean", "median", "mode"):
        if not len(known):
            raise DataError(f"missing={{{where!r}: {policy!r}}}: the column holds no value at all")
        if policy == "mode":
            return known.mode().sort()[0]  # type: ignore[no-any-return]
        if not numeric:
            raise DataError(f"missing={{{where!r}: {policy!r}}} needs numbers, not {series.dtype}")
        return float(known.mean() if policy == "mean" else known.median())  # type: ignore[arg-type]
    fits = {
        str: series.dtype == pl.String,
        bool: series.dtype == pl.Boolean,
        list: isinstance(series.dtype, pl.List),
    }.get(type(policy), numeric)
    if not fits:
        raise DataError(f"missing={{{where!r}: {policy!r}}} does not fit {series.dtype}")
    return policy


def _fill(series: pl.Series, gaps: pl.Series, value: Policy) -> pl.Series:
    if series.dtype.is_integer() and isinstance(value, float):
        whole = value.is_integer()
        series, value = (series, int(value)) if whole else (series.cast(pl.Float64), value)
    try:
        constant = pl.Series(series.name, [value], dtype=series.dtype)
    except (OverflowError, TypeError, pl.exceptions.PolarsError) as error:
        raise DataError(
            f"missing={{{series.name!r}: {quoted(value)}}} does not fit {series.dtype}"
        ) from error
    filled = pl.select(
        pl.when(gaps).then(constant.new_from_index(0, len(series))).otherwise(series)
    )
    return filled.to_series().alias(series.name)


def rescale(data: Dataset, name: str, scale: str, fitted_on: Dataset) -> tuple[Dataset, int]:
    """`data` with one column of numbers on another scale, and how many there were.

    "standard": mean 0, deviation 1 on `fitted_on`. "minmax": 0 to 1 on `fitted_on`; later values
    may lie outside. "log": log(1 + x). "… per person" and "… per item" take each person or item by
    itself, those without a value on `fitted_on` as all. What is constant becomes 0; missing values
    stay missing.
    """
    if scale not in SCALES:
        raise ConfigError(f"normalise={{{name!r}: {scale!r}}}.{did_you_mean(scale, SCALES)}")
    table, column = locate(data, name, what="normalise=")
    frame = tables_of(data)[table]
    if not frame[column].dtype.is_numeric():
        raise DataError(f"{table}: column {column!r} holds {frame[column].dtype}, not numbers")
    if column == WEIGHT and scale == "standard":
        raise DataError("normalise={'weight': 'standard'} makes weights negative; take 'log'")
    numbers = frame[column].cast(pl.Float64)
    if scale == "log":
        changed = _log(numbers, f"{table}: column {column!r}")
    else:
        _, fitted_column = locate(fitted_on, name, what="normalise= on fitted_on")
        basis = tables_of(fitted_on)[table]
        known = _known(basis[fitted_column].cast(pl.Float64))
        if not len(known):
            raise DataError(f"{table}: column {column!r} holds no number to normalise by")
        scale, _, whose = scale.partition(" per ")
        if whose and table != "interactions":
            raise DataError(
                f"{table}: column {column!r} has one row each: only events have several"
            )
        changed = _shifted(numbers, known, scale)
        if whose:
            present = basis.filter(~_gaps(basis[fitted_column]))
            own = _Own.of(present[_PER[whose]], known, scale)
            changed = own.shifted(numbers, frame[_PER[whose]], changed)
    kind = frame[column].dtype if frame[column].dtype.is_float() else pl.Float64
    known_count = len(numbers) - numbers.null_count()
    return with_table(data, table, frame.with_columns(changed.cast(kind))), known_count


def _log(numbers: pl.Series, where: str) -> pl.Series:
    negative = numbers.filter(numbers < 0)
    if len(negative):
        raise DataError(
            f"{where}: no logarithm of negative numbers: {first_offenders(negative, len(negative))}"
        )
    return numbers.log1p()


@dataclass(frozen=True)
class _Own:
    """The middle and the width of the numbers of each person or item."""

    ids: Ids
    middle: NDArray[np.float64]
    width: NDArray[np.float64]

    @classmethod
    def of(cls, whose: pl.Series, numbers: pl.Series, scale: str) -> _Own:
        ids = Ids(whose.unique(maintain_order=True), of=whose.name)
        rows, values = ids.rows(whose), numbers.to_numpy()
        if scale == "minmax":
            least, most = np.full(len(ids), np.inf), np.full(len(ids), -np.inf)
            np.minimum.at(least, rows, values)
            np.maximum.at(most, rows, values)
            return cls(ids, least, most - least)
        counts = np.bincount(rows, minlength=len(ids))
        mean = np.bincount(rows, weights=values, minlength=len(ids)) / counts
        squares = np.bincount(rows, weights=(values - mean[rows]) ** 2, minlength=len(ids))
        return cls(ids, mean, np.sqrt(squares / counts))

    def shifted(self, numbers: pl.Series, whose: pl.Series, others: pl.Series) -> pl.Series:
        """The numbers by those of whose they are; `others` stay where nothing is known of them."""
        rows = self.ids.find(whose)
        width = np.where(self.width > 0, self.width, 1.0)
        own = (numbers - pl.Series(self.middle[rows])) / pl.Series(width[rows])
        return own.zip_with(pl.Series(rows >= 0), others)


def _shifted(numbers: pl.Series, known: pl.Series, scale: str) -> pl.Series:
    if scale == "standard":
        middle, width = known.mean(), known.std(ddof=0)
    else:
        middle = known.min()
        width = float(known.max()) - float(middle)  # type: ignore[arg-type]
    return (numbers - middle) / (width or 1.0)
