"""Columns that become one number each: an order, a frequency, an age, a length."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypedDict

import numpy as np
import polars as pl
from numpy.typing import NDArray

from palate._learnt import agree, check_type
from palate.encoders._dates import YEAR, seconds_of
from palate.encoders._plans import Plan, categories_of, number_plan, numbers_of, separator_of
from palate.text.template import as_text

Numbers = NDArray[np.float64]


class Reading(TypedDict):
    """What a folder holds of a reading; the next ones, of two that learn something."""

    how: Literal["order", "frequency", "age", "characters", "words", "number"]


class OrderReading(Reading):
    levels: list[str]


class FrequencyReading(Reading):
    separator: str | None
    categories: list[str]
    counts: list[int]


def derived_plan(column: pl.Series, reading: Mapping[str, Any], label: str) -> Plan | None:
    """A standardised number that is read out of a column; None where it never varies."""
    plan = number_plan(label, read(column, reading))
    if plan is None:
        return None
    return {**plan, "column": column.name, "kind": "derived", "label": label, "reading": reading}


def check_reading(reading: Any, where: str) -> None:
    """Raises `ValueError` for what is no reading out of a folder."""
    check_type(reading, Reading, where)
    if reading["how"] == "order":
        check_type(reading, OrderReading, where)
    if reading["how"] == "frequency":
        check_type(reading, FrequencyReading, where)
        counts = reading["counts"]
        agree(len(counts) == len(reading["categories"]), f"{where}: counts of other categories")
        agree(all(0 < count < 2**63 for count in counts), f"{where}: counts below 1")


def read(column: pl.Series, reading: Mapping[str, Any]) -> Numbers:
    """(n,) one number a row, NaN where the column says none."""
    how = reading["how"]
    if how == "order":
        return _places(column, reading["levels"])
    if how == "frequency":
        return _frequencies(column, reading)
    if how == "age":
        return np.asarray(-seconds_of(column) / YEAR)
    if how == "characters":
        return _as_numbers(as_text(column).str.len_chars().fill_null(0).log1p())
    if how == "words":
        return _as_numbers(_words(column).log1p())
    numbers = numbers_of(column)
    return np.full(len(column), np.nan) if numbers is None else numbers


def levels_of(order: Sequence[Any]) -> list[str]:
    """The levels of an order as a column of them would say them."""
    return [text or "" for text in as_text(pl.Series(list(order), strict=False))]


def counted(column: pl.Series) -> dict[str, Any]:
    """The reading "frequency": how many rows hold each category that more than one holds."""
    separator = None if column.dtype == pl.List else separator_of(column)
    _, values = categories_of(column, separator)
    counts = values.value_counts().sort(["count", values.name], descending=[True, False])
    counts = counts.filter(pl.col("count") > 1)
    return {
        "how": "frequency",
        "separator": separator,
        "categories": counts[values.name].to_list(),
        "counts": counts["count"].to_list(),
    }


def _places(column: pl.Series, levels: Sequence[str]) -> Numbers:
    place = {level: float(number) for number, level in enumerate(levels)}
    texts = as_text(column).cast(pl.String)
    return _as_numbers(texts.replace_strict(place, default=None, return_dtype=pl.Float64))


def _frequencies(column: pl.Series, reading: Mapping[str, Any]) -> Numbers:
    """The mean over a row's categories of log(rows that hold it); one never met counts as once."""
    rows, values = categories_of(column, reading["separator"])
    known = dict(zip(reading["categories"], np.log(reading["counts"]).tolist(), strict=True))
    logs = _as_numbers(values.replace_strict(known, default=0.0, return_dtype=pl.Float64))
    totals = np.bincount(rows, logs, len(column))
    counts = np.bincount(rows, minlength=len(column))
    found = np.full(len(column), np.nan)
    np.divide(totals, counts, out=found, where=counts > 0)
    return found


def _words(column: pl.Series) -> pl.Series:
    """Runs without spaces, and half a word for each Chinese character."""
    texts = as_text(column).fill_null("").cast(pl.String)
    return texts.str.count_matches(r"\S+") + texts.str.count_matches(r"\p{Han}") / 2


def _as_numbers(series: pl.Series) -> Numbers:
    return series.cast(pl.Float64).fill_null(float("nan")).to_numpy().copy()
