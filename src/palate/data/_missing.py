"""Missing values and numbers on other scales, column by column."""

from __future__ import annotations

import difflib
from typing import TypeAlias

import numpy as np
import polars as pl

from palate.columns import WEIGHT
from palate.data._parts import keep_rows, key_of, locate, tables_of, with_table
from palate.errors import ConfigError, DataError, did_you_mean, first_offenders
from palate.types import Dataset

Policy: TypeAlias = "str | int | float | bool | list[str]"

POLICIES = ("drop", "error", "mean", "median", "mode", "empty")
SCALES = ("standard", "minmax", "log")


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
    constant = pl.Series(series.name, [value], dtype=series.dtype)
    filled = pl.select(
        pl.when(gaps).then(constant.new_from_index(0, len(series))).otherwise(series)
    )
    return filled.to_series().alias(series.name)


def rescale(data: Dataset, name: str, scale: str, fitted_on: Dataset) -> tuple[Dataset, int]:
    """`data` with one column of numbers on another scale, and how many there were.

    "standard": mean 0, deviation 1 on `fitted_on`. "minmax": 0 to 1 on `fitted_on`; later values
    may lie outside. "log": log(1 + x). A constant column becomes 0; missing values stay missing.
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
        known = _known(tables_of(fitted_on)[table][fitted_column].cast(pl.Float64))
        if not len(known):
            raise DataError(f"{table}: column {column!r} holds no number to normalise by")
        changed = _shifted(numbers, known, scale)
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


def _shifted(numbers: pl.Series, known: pl.Series, scale: str) -> pl.Series:
    if scale == "standard":
        middle, width = known.mean(), known.std(ddof=0)
    else:
        middle = known.min()
        width = float(known.max()) - float(middle)  # type: ignore[arg-type]
    return (numbers - middle) / (width or 1.0)
