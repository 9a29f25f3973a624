"""Raw columns → ids, numbers and typed columns, with the offending rows named."""

from __future__ import annotations

import polars as pl

from palate.errors import DataError, first_offenders


def rows_where(mask: pl.Series) -> str:
    """The first rows (counted from 1, the header not counted) where `mask` holds."""
    found = mask.arg_true()
    return f"row {first_offenders(found[:3] + 1, len(found))}"


def as_ids(series: pl.Series, *, where: str) -> pl.Series:
    """Ids as strings: whole numbers are written without a decimal point.

    Raises `DataError` for a missing or empty id, a broken number and a column that holds no ids.
    """
    kind = series.dtype
    if kind.is_float():
        series = _whole(series, where=where)
    elif not (kind.is_integer() or kind in (pl.String, pl.Categorical, pl.Enum, pl.Null)):
        raise DataError(f"{where} holds {kind}; an id is a text or a whole number")
    ids = series.cast(pl.String)
    missing = ids.is_null() | (ids == "") if kind == pl.String else ids.is_null()
    if missing.any():
        raise DataError(
            f"{where} is missing in {rows_where(missing)}."
            " Fill these ids, or pass a polars frame without these rows."
        )
    return ids


def _whole(series: pl.Series, *, where: str) -> pl.Series:
    """A table library turns whole numbers with a gap into floats: back again."""
    known = series.fill_nan(None)
    broken = (known != known.round()) | known.is_infinite()
    if broken.any():
        shown = known.filter(broken)
        raise DataError(
            f"{where} holds broken numbers ({first_offenders(shown, len(shown))});"
            " an id is a text or a whole number"
        )
    return known.cast(pl.Int64)


def as_numbers(series: pl.Series, *, where: str) -> pl.Series:
    """Float64, with nulls where the table has no number.

    Raises `DataError` for text that is no number, NaN, infinities, and other kinds of columns.
    """
    kind = series.dtype
    if kind in (pl.String, pl.Categorical, pl.Enum):
        series = _parsed_numbers(series.cast(pl.String), where=where)
    elif not (kind.is_numeric() or kind in (pl.Boolean, pl.Null)):
        raise DataError(f"{where} holds {kind}; it must hold numbers")
    numbers = series.cast(pl.Float64)
    broken = ~numbers.is_finite()
    if broken.any():
        shown = first_offenders(numbers.filter(broken)[:3], int(broken.sum()))
        raise DataError(
            f"{where} is not finite in {rows_where(broken)}: {shown}."
            " Leave the field empty (null) where the number is missing."
        )
    return numbers


def _parsed_numbers(texts: pl.Series, *, where: str) -> pl.Series:
    plain = texts.str.strip_chars()
    plain = plain.set(plain == "", None)
    numbers = plain.cast(pl.Float64, strict=False)
    unread = numbers.is_null() & plain.is_not_null()
    if unread.any():
        wrong = plain.filter(unread)
        raise DataError(
            f"{where} must hold numbers, but {rows_where(unread)} hold"
            f" {first_offenders(wrong, len(wrong))}"
        )
    return numbers


def infer_type(texts: pl.Series) -> pl.Series:
    """Text → whole numbers, numbers, truth values, or text where not every value reads as one.

    Digits with a leading zero ("00501") are a code, and stay text.
    """
    known = texts.drop_nulls()
    if not len(known):
        return texts
    if bool(known.str.contains(r"^-?(0|[1-9]\d{0,17})$").all()):
        return texts.cast(pl.Int64)
    if bool(known.str.contains(r"^-?(0|[1-9]\d*)?(\.\d*)?([eE][+-]?\d+)?$").all()):
        numbers = texts.cast(pl.Float64, strict=False)
        return numbers if numbers.null_count() == texts.null_count() else texts
    lower = known.str.to_lowercase()
    if bool(lower.is_in(["true", "false"]).all()):
        return texts.str.to_lowercase() == "true"
    return texts
