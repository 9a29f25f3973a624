"""What is said of somebody new, as a row of the table of users."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from typing import Any

import polars as pl

from palate.core.columns import USER
from palate.core.errors import DataError, did_you_mean

_MARK = "|"  # between the parts of a list that is written as text
_TRUE = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def profile_row(profile: object, users: pl.DataFrame | None) -> pl.DataFrame:
    """One row like those of the table of users; what is not said is empty.

    Texts are read as the column's kind, as in a file: "31" is a number where ages are. Raises
    `DataError` for what is no profile, for columns that the table lacks, and for values of another
    kind.
    """
    if not isinstance(profile, Mapping) or not all(isinstance(name, str) for name in profile):
        raise DataError(
            "a profile says what is known of somebody, as {'age': 31}, not "
            f"{reprlib.repr(profile)}"
        )
    kinds = {} if users is None else {n: kind for n, kind in users.schema.items() if n != USER}
    for name in profile:
        if name not in kinds:
            raise DataError(
                f"profile: the table of users has no column {name!r}.{did_you_mean(name, kinds)}"
            )
    if all(_is_empty(value) for value in profile.values()):
        raise DataError("the profile says nothing: leave it out, or say what is known")
    cells = [_cell(name, profile.get(name), kind) for name, kind in kinds.items()]
    return pl.DataFrame([pl.Series(USER, ["profile"], dtype=pl.String), *cells])


def overlaid(
    said: pl.DataFrame, users: pl.DataFrame, profile: Mapping[str, Any], names: pl.Series
) -> pl.DataFrame:
    """The stored rows of known people, with what a profile says in place of what is stored.

    `said` is the profile's row; a column that it names as empty is empty. Who has no row in the
    table has the profile's alone.
    """
    wanted = pl.DataFrame({USER: names})
    stored = wanted.join(users, on=USER, how="left", maintain_order="left")
    return stored.with_columns(
        said[name].new_from_index(0, len(names)) for name in users.columns if name in profile
    )


def _is_empty(value: object) -> bool:
    return value is None or (isinstance(value, str | list) and not (value and str(value).strip()))


def _cell(name: str, value: Any, kind: pl.DataType) -> pl.Series:
    """A column of one value; numbers may be finer than those of the table."""
    if _is_empty(value):
        return pl.Series(name, [None], dtype=kind)
    try:
        return _read(name, value, kind)
    except (TypeError, ValueError, KeyError, OverflowError, pl.exceptions.PolarsError) as error:
        raise DataError(
            f"profile: {name} = {reprlib.repr(value)} is not {_wanted(kind)}, as the table of "
            "users holds there"
        ) from error


def _read(name: str, value: Any, kind: pl.DataType) -> pl.Series:
    """Raises one of the errors that `_cell` catches for a value of another kind."""
    if isinstance(value, str):
        value = _said(value, kind)
    if kind == pl.String and isinstance(value, int | float):
        value = str(value)  # a postcode of digits
    if kind.is_numeric():
        return _number(name, value)
    column = pl.Series(name, [value])
    if column.dtype.is_nested() != kind.is_nested() or (kind == pl.Boolean) != (
        column.dtype == pl.Boolean
    ):
        raise TypeError
    return column.cast(kind)


def _said(text: str, kind: pl.DataType) -> Any:
    """What a text stands for in a column of such a kind."""
    text = text.strip()
    if kind == pl.Boolean:
        return _TRUE[text.lower()]
    if kind.is_numeric():
        return float(text)
    if kind.is_nested():
        return [part.strip() for part in text.split(_MARK)]
    if kind.is_temporal():
        moment = pl.Series([text])
        return (moment.str.to_date() if kind == pl.Date else moment.str.to_datetime())[0]
    return text


def _number(name: str, value: Any) -> pl.Series:
    if isinstance(value, bool):
        raise TypeError
    column = pl.Series(name, [float(value)])
    if not column.is_finite().all():
        raise ValueError
    return column


def _wanted(kind: pl.DataType) -> str:
    if kind.is_numeric():
        return "a number"
    if kind.is_nested():
        return "a list"
    if kind.is_temporal():
        return "a date or time, as 2024-05-31"
    return "true or false" if kind == pl.Boolean else "a text"
