"""Columns of Python objects, as pandas keeps what is of several types."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from numbers import Number
from typing import Any

import numpy as np
import polars as pl

from palate.core.errors import DataError, first_offenders
from palate.core.visible import quoted

_TEXT, _NUMBERS, _MOMENTS, _LISTS = "text", "numbers", "dates or times", "lists"
_KINDS: tuple[tuple[str, tuple[type[Any], ...]], ...] = (
    (_TEXT, (str,)),
    (_NUMBERS, (bool, np.bool_, Number, Decimal)),
    (_MOMENTS, (date, np.datetime64)),
    (_LISTS, (list, tuple, np.ndarray)),
    ("records", (dict,)),
    ("bytes", (bytes,)),
)
_IN_TEXT = {_TEXT, _NUMBERS, _MOMENTS}


def from_objects(name: str, values: Sequence[Any], *, where: str) -> tuple[pl.Series, str | None]:
    """Objects as one typed column: those of one kind as they are, several kinds as text.

    Beside the column comes a remark on several kinds. In text, moments are ISO 8601, and whole
    numbers have no point. Raises `DataError` for lists or records beside anything else, and for
    what no table can hold.
    """
    kinds: dict[str, int] = {}
    for row, value in enumerate(values, 1):
        if value is not None:
            kinds.setdefault(_kind(value), row)
    mixed = len(kinds) > 1
    if mixed and set(kinds) <= _IN_TEXT:
        values = [None if value is None else _as_text(value) for value in values]
    elif mixed:
        raise DataError(
            f"{where} holds {' and '.join(f'{kind} (row {row})' for kind, row in kinds.items())};"
            " write it in one way"
        )
    try:
        remark = f"column {quoted(name)}: {' and '.join(kinds)}, all taken as text"
        return _series(name, values, kinds), remark if mixed else None
    except UnicodeEncodeError as error:
        raise DataError(
            f"{where} holds {quoted(error.object)}, which is not valid Unicode: character"
            f" {error.start + 1} is half of one, such as an emoji that was cut. Take it out"
        ) from error
    except (Exception, pl.exceptions.PanicException) as error:
        found = dict.fromkeys(type(value).__name__ for value in values if value is not None)
        raise DataError(
            f"{where} holds what no column of a table can: {first_offenders(found, len(found))}."
            " Make text, numbers, times or lists of text of it"
        ) from error


def _series(name: str, values: Sequence[Any], kinds: dict[str, int]) -> pl.Series:
    if _NUMBERS in kinds and len(kinds) == 1:
        return _numbers(name, values)
    if _MOMENTS in kinds and len(kinds) == 1:
        try:
            return pl.Series(name, values, strict=True)
        except (TypeError, ValueError, pl.exceptions.PolarsError):  # dates beside times, zones
            return pl.Series(name, [None if v is None else _as_text(v) for v in values])
    values = [list(value) if isinstance(value, np.ndarray) else value for value in values]
    series = pl.Series(name, values, strict=False)
    if series.dtype == pl.Object:
        raise TypeError(name)
    return series


def _numbers(name: str, values: Sequence[Any]) -> pl.Series:
    """Whole numbers, or others as soon as one is among them; true and false are 1 and 0 there."""
    known = [value for value in values if value is not None]
    if all(isinstance(value, bool | np.bool_) for value in known):
        return pl.Series(name, [None if v is None else bool(v) for v in values])
    if all(isinstance(value, int | np.integer | np.bool_) for value in known):
        return pl.Series(name, [None if v is None else int(v) for v in values])
    if all(isinstance(value, Decimal) for value in known):
        return pl.Series(name, values, strict=False)
    return pl.Series(name, [None if v is None else float(v) for v in values])


def _kind(value: Any) -> str:
    known = (kind for kind, types in _KINDS if isinstance(value, types))
    return next(known, type(value).__name__)


def _as_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, np.datetime64):
        return str(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float | np.floating | Decimal) and value % 1 == 0:
        return str(int(value))
    return str(value)
