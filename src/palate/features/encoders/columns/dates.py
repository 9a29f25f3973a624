"""Dates as moments, and as places on cycles: hours, weekdays, months, days of the year."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, TypeAlias, TypedDict

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from palate.data.times import spelt_times, to_seconds
from palate.text.profile import as_text, present

Seconds: TypeAlias = NDArray[np.float64]

CYCLES: Final = ("hour", "weekday", "month", "yearday")
YEAR: Final = 365.25 * 86_400.0
_DAY = 86_400.0
_YEARS = (1000, 2999)


class CyclePlan(TypedDict):
    """What a folder holds of a plan of dates."""

    column: str
    kind: Literal["cycle"]
    cycle: Literal["hour", "weekday", "month", "yearday"]
    missing: bool


def encode_cycle(column: pl.Series, plan: Mapping[str, Any]) -> sparse.csr_array:
    angle = 2 * np.pi * turns(seconds_of(column), plan["cycle"])
    parts = [np.nan_to_num(np.sin(angle)), np.nan_to_num(np.cos(angle))]
    if plan["missing"]:
        parts.append(np.isnan(angle).astype(np.float64))
    return sparse.csr_array(np.column_stack(parts).astype(np.float32))


def seconds_of(column: pl.Series) -> Seconds:
    """(n,) seconds since 1970, UTC; NaN for what is missing or no date.

    Reads dates and datetimes; ISO 8601, "01-Jan-1995", "May 5, 1995" and "1995年5月1日"; numbers of
    years (1995), of YYYYMMDD, or of seconds and finer since 1970. "06/05/1995" is no date: it could
    be two.
    """
    if column.dtype == pl.Date or isinstance(column.dtype, pl.Datetime):
        micros = column.dt.epoch("us").cast(pl.Float64) / 1e6
        return micros.fill_null(float("nan")).to_numpy().copy()
    if column.dtype.is_numeric():
        return _seconds_of_numbers(column.cast(pl.Float64), column.name)
    texts = present(as_text(column))
    numbers = _seconds_of_numbers(texts.cast(pl.Float64, strict=False), column.name)
    return np.where(np.isnan(numbers), _seconds_of_texts(texts), numbers)


def _seconds_of_numbers(column: pl.Series, name: str) -> Seconds:
    numbers = column.fill_null(float("nan")).to_numpy().copy()
    known = np.isfinite(numbers)
    found = np.full(len(numbers), np.nan)
    values = numbers[known]
    if not len(values):
        return found
    if bool(((values >= _YEARS[0]) & (values <= _YEARS[1]) & (values == np.floor(values))).all()):
        years = pl.DataFrame({"year": values}).select(pl.date(pl.col("year").cast(pl.Int32), 1, 1))
        found[known] = years.to_series().dt.epoch("us").to_numpy() / 1e6
    else:
        found[known] = to_seconds(pl.Series(values), where=f"column {name!r}")[0].to_numpy()
    return found


def _seconds_of_texts(texts: pl.Series) -> Seconds:
    """Each different spelling is read once."""
    known = spelt_times(texts)
    found = pl.DataFrame({"text": texts}).join(known, on="text", how="left", maintain_order="left")
    return found["seconds"].cast(pl.Float64).fill_null(float("nan")).to_numpy().copy()


def turns(seconds: Seconds, cycle: str) -> Seconds:
    """How far round its cycle each moment is, 0 to below 1; NaN stays NaN. Mondays are 0."""
    if cycle == "hour":
        return np.asarray((seconds % _DAY) / _DAY)
    if cycle == "weekday":
        return np.asarray((np.floor(seconds / _DAY) + 3) % 7 / 7)
    days = pl.Series(np.floor(seconds / _DAY)).fill_nan(None).cast(pl.Int32).cast(pl.Date)
    if cycle == "month":
        place = (days.dt.month().cast(pl.Float64) - 1) / 12
    else:
        place = (days.dt.ordinal_day().cast(pl.Float64) - 1) / 366
    return place.fill_null(float("nan")).to_numpy().copy()
