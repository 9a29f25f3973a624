"""Raw columns → ids, numbers and typed columns, with the offending rows named."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import numpy as np
import polars as pl
from numpy.typing import NDArray

from palate.core.columns import ITEM, USER
from palate.core.errors import SHOWN_OFFENDERS, DataError, Setting, first_offenders
from palate.core.visible import counted
from palate.data.formats.open import LINES, Table, suffix_of
from palate.data.formats.text import is_plain, text_bytes
from palate.data.texts import MISSING, MISSING_NUMBERS, stands_for, with_plain_digits

RowNames: TypeAlias = Callable[[pl.Series], str]

LARGEST = 3e38
"""Numbers are kept in 32 bits where they are counted with; beyond this they would be infinite."""

_CHUNK = 2**26
_LF = ord("\n")

_EXACT_BELOW = 2.0**53
_EXACT_BELOW_OF: dict[pl.DataType, float] = {pl.Float32(): 2.0**24, pl.Float16(): 2.0**11}
"""Of shorter floating point numbers: the whole numbers that they cannot tell apart begin here."""
_FEW = 0.2
_TOO_LONG = r"^\s*[-+]?\d{16,}\s*$"
_AS_PRINTED = r"^[-+(]?\s*[$€£¥￥]?\s*\d[\d.,'’\s]*\s*(?:[$€£¥元円₽%]|[A-Z]{3})?\)?$"
_NOT_FINITE = ["nan", "inf", "-inf", "infinity", "-infinity"]
_UNSEEN = r"[\p{Cf}\p{Cc}\p{Zl}\p{Zp}]|[\p{Zs}--\x20]"
"""Letters without a shape: zero width, marks of direction, control, blanks other than a space."""

_WORDS_FOR_MISSING = ["nan", "NaN", "NAN", "null", "NULL", "None", "NA", "N/A", "<NA>", "undefined"]


def rows_where(mask: pl.Series) -> str:
    """The first rows (counted from 1, without the header and blank rows) where `mask` holds."""
    found = mask.arg_true()
    return f"row {first_offenders(found[:3] + 1, len(found))}"


def as_ids(series: pl.Series, *, where: str, place: RowNames = rows_where) -> pl.Series:
    """Ids as strings: whole numbers are written without a decimal point.

    `place` is what to call the rows where a mask holds.
    Raises `DataError` for a missing or empty id, a broken number and a column that holds no ids.
    """
    kind = series.dtype
    if kind.is_float():
        series = _whole(series, where=where, place=place)
    elif kind.is_decimal():
        series = _without_zeros(series, where=where)
    elif not (kind.is_integer() or kind in (pl.String, pl.Categorical, pl.Enum, pl.Null)):
        raise DataError(f"{where} holds {kind}; an id is a text or a whole number")
    ids = series.cast(pl.String)
    missing = ids.is_null()
    if not kind.is_numeric():
        missing |= ids.str.contains(r"^\s*$").fill_null(False)
        _check_no_nul(ids, where=where, place=place)
    if missing.any():
        raise DataError(
            f"{where} is missing in {place(missing)}. Fill these ids, or leave these rows out,"
            " as palate.read does with ",
            Setting("drop_missing", True, "data"),
            ".",
        )
    return ids


def _whole(series: pl.Series, *, where: str, place: RowNames) -> pl.Series:
    """A table library turns whole numbers with a gap into floats: back again."""
    known = series.fill_nan(None)
    _check_whole((known != known.round()) | known.is_infinite(), known, where=where)
    exact_below = _EXACT_BELOW_OF.get(series.dtype, _EXACT_BELOW)
    if (large := (known.abs() >= exact_below).fill_null(False)).any():
        raise DataError(
            f"{where} holds ids that have lost digits as floating point numbers:"
            f" {place(large)}. Read them as text or as whole numbers."
        )
    return known.cast(pl.Int64)


def _without_zeros(series: pl.Series, *, where: str) -> pl.Series:
    """Decimals as a database writes whole numbers, "12.00", are those numbers."""
    plain = series.cast(pl.String).str.replace(r"\.0+$", "")
    _check_whole(plain.str.contains(".", literal=True), plain, where=where)
    return plain


def _check_whole(broken: pl.Series, values: pl.Series, *, where: str) -> None:
    if broken.any():
        shown = values.filter(broken)
        raise DataError(
            f"{where} holds broken numbers ({first_offenders(shown, len(shown))});"
            " an id is a text or a whole number"
        )


def _check_no_nul(ids: pl.Series, *, where: str, place: RowNames) -> None:
    if (broken := ids.str.contains("\0", literal=True).fill_null(False)).any():
        shown = ids.filter(broken).unique(maintain_order=True)
        raise DataError(
            f"{where} holds NUL characters in {place(broken)}"
            f" ({first_offenders(shown, len(shown))}): the file is damaged, or is no text"
        )


def doubts_about_ids(ids: pl.Series, *, where: str) -> list[str]:
    """What is taken as it is, but looks like a slip: spaces around ids, letters that nobody sees.

    Also words for "missing".
    """
    doubts = []
    distinct = ids.unique(maintain_order=True)
    unseen = distinct.filter(distinct.str.contains(_UNSEEN))
    if len(unseen):
        letters = unseen.str.extract_all(_UNSEEN).explode().unique(maintain_order=True)
        which = ", ".join(_called(letter) for letter in letters[:3])
        shown = first_offenders(unseen, len(unseen))
        doubts.append(f"{where}: ids hold letters that cannot be seen ({which}): {shown}")
    spaced = distinct.filter(distinct.str.contains(r"^ | $"))
    if len(spaced):
        shown = first_offenders(spaced, len(spaced))
        doubts.append(f"{where}: the spaces around ids are parts of them: {shown}")
    if len(alike := _look_alike(distinct)):
        shown = first_offenders(alike, len(alike))
        doubts.append(f"{where}: these ids look alike, and are not the same: {shown}")
    words = ids.filter(ids.is_in(_WORDS_FOR_MISSING))
    if len(words):
        names = words.unique(maintain_order=True)
        shown = first_offenders(names, len(names))
        doubts.append(f"{where}: taken as ids like others in {counted(len(words), 'row')}: {shown}")
    return doubts


def _look_alike(ids: pl.Series) -> pl.Series:
    """Those that differ from another in how Unicode writes a letter: "é" in two ways, "１", "1"."""
    strange = ids.filter(ids.str.contains(r"[^\x00-\x7f]"))
    plain = strange.str.normalize("NFKC")
    return strange.filter(plain.is_duplicated() | (plain.ne(strange) & plain.is_in(ids.implode())))


def _called(letter: str) -> str:
    return f"U+{ord(letter):04X} {unicodedata.name(letter, 'control character')}"


def as_numbers(series: pl.Series, *, where: str, place: RowNames = rows_where) -> pl.Series:
    """Float64, with nulls where the table has no number.

    Raises `DataError` for text that is no number, NaN, infinities, and other kinds of columns.
    """
    kind = series.dtype
    if kind in (pl.String, pl.Categorical, pl.Enum):
        series = _parsed_numbers(series.cast(pl.String), where=where, place=place)
    elif not (kind.is_numeric() or kind in (pl.Boolean, pl.Null)):
        raise DataError(f"{where} holds {kind}; it must hold numbers")
    numbers = series.cast(pl.Float64)
    for broken, what in (
        (~numbers.is_finite(), "not finite"),
        (numbers.abs() > LARGEST, f"beyond {LARGEST:g}"),
    ):
        if broken.any():
            shown = first_offenders(numbers.filter(broken)[:3], int(broken.sum()))
            raise DataError(
                f"{where} is {what} in {place(broken)}: {shown}."
                " Leave the field empty (null) where the number is missing."
            )
    return numbers


def _parsed_numbers(texts: pl.Series, *, where: str, place: RowNames) -> pl.Series:
    plain = with_plain_digits(texts.str.strip_chars())
    plain = plain.set(plain == "", None)
    numbers = plain.cast(pl.Float64, strict=False)
    unread = numbers.is_null() & plain.is_not_null()
    if unread.any():
        wrong = plain.filter(unread)
        raise DataError(
            f"{where} must hold numbers, but {place(unread)} hold"
            f" {first_offenders(wrong, len(wrong))}."
            " Leave the field empty where the number is missing."
        )
    return numbers


def infer_type(texts: pl.Series) -> pl.Series:
    """Text → whole numbers, numbers, truth values, or text where not every value reads as one.

    Digits with a leading zero ("00501") are a code, and stay text. NaN and infinities are numbers
    among numbers.
    """
    plain = with_plain_digits(texts.str.strip_chars())
    known = plain.drop_nulls()
    if not len(known):
        return texts
    if bool(known.str.contains(r"^-?(0|[1-9]\d{0,17})$").all()):
        return plain.cast(pl.Int64)
    spelt = _reads_as_number(known)
    if known.str.contains(_TOO_LONG).any():
        return texts
    if spelt.any() and bool((spelt | known.str.to_lowercase().is_in(_NOT_FINITE)).all()):
        numbers = plain.str.to_lowercase().cast(pl.Float64, strict=False)
        return numbers if numbers.null_count() == texts.null_count() else texts
    lower = known.str.to_lowercase()
    if bool(lower.is_in(["true", "false"]).all()):
        return plain.str.to_lowercase() == "true"
    return texts


def doubts_about_text(texts: pl.Series) -> list[str]:
    """Whether a few values alone keep a column from being one of numbers."""
    known = texts.drop_nulls()
    others = known.filter(~(_reads_as_number(known) | known.str.contains(r"^\d+$")))
    if len(others) and known.str.contains(_AS_PRINTED).all():
        names = others.unique(maintain_order=True)
        return [
            f"column {texts.name!r}: taken as text: {first_offenders(names, len(names))}; if these"
            " are numbers, write them with digits and a point alone, as 1234.5"
        ]
    if not 0 < len(others) <= len(known) * _FEW:
        return []
    names = others.unique(maintain_order=True)
    return [
        f"column {texts.name!r}: taken as text, because of {first_offenders(names, len(names))};"
        f" {len(known) - len(others):,} values are numbers"
    ]


def _reads_as_number(texts: pl.Series) -> pl.Series:
    return texts.str.contains(r"^-?(0|[1-9]\d*)?(\.\d*)?([eE][+-]?\d+)?$")


@dataclass(frozen=True)
class Places:
    """The words for the first rows of `table` where a mask holds: "line 3, 8", or "row 2, 7".

    `rows` is the number of all rows, `kept` the places among them of those that a mask is about;
    None: all of them.
    """

    table: Table
    rows: int
    kept: pl.Series | None = None

    def __call__(self, mask: pl.Series) -> str:
        found = mask.arg_true()
        first = found[:SHOWN_OFFENDERS]
        offset = self._offset()
        places = first if self.kept is None else self.kept[first]
        if offset is None:
            return f"row {first_offenders(places + 1, len(found))}"
        return f"line {first_offenders(places + offset, len(found))}"

    def among(self, mask: pl.Series) -> Places:
        """The same for the rows where a mask holds."""
        rows = mask.arg_true()
        return replace(self, kept=rows if self.kept is None else self.kept[rows])

    def _offset(self) -> int | None:
        """The line of the first row; None where lines are no rows, as with a quoted line end."""
        table = self.table
        if table.path is None or not (table.untyped or suffix_of(table.path) in LINES):
            return None
        before = table.dialect.lines_before if table.untyped else 0
        return before + 1 if _lines(table.path, table.encoding) == self.rows + before else None


def _lines(path: Path, encoding: str) -> int:
    content: NDArray[np.uint8] = (
        np.memmap(path, dtype=np.uint8, mode="r")
        if is_plain(path, encoding)
        else np.frombuffer(text_bytes(path, encoding), dtype=np.uint8)
    )
    parts = (content[start : start + _CHUNK] for start in range(0, len(content), _CHUNK))
    ends = sum(int(np.count_nonzero(part == _LF)) for part in parts)
    return ends + int(content[-1] != _LF)


def without_blank_rows(
    frame: pl.DataFrame, table: Table, found: Mapping[str, str] | None = None
) -> tuple[pl.DataFrame, Places, list[str]]:
    """`frame` without rows of nothing (in text) or of names, where rows stand, and remarks.

    `found` maps the frame's columns to the table's, where they have other names.
    """
    everywhere = Places(table, len(frame))
    if not len(frame):
        return frame, everywhere, []
    blank = pl.lit(False)
    if table.untyped:
        blank = pl.all_horizontal(pl.all().is_null())
    masks = frame.select(blank=blank, names=repeated_names(frame.schema, table, found or {}))
    again = "the names of the columns, as files put together have them"
    remarks = [
        f"left out {counted(int(masks[which].sum()), one, many)}"
        for which, one, many in (
            ("blank", "row with nothing in it", "rows with nothing in them"),
            ("names", f"row that repeats {again}", f"rows that repeat {again}"),
        )
        if masks[which].any()
    ]
    if not remarks:
        return frame, everywhere, []
    kept = ~(masks["blank"] | masks["names"])
    return frame.filter(kept), everywhere.among(kept), remarks


def without_gaps(
    frame: pl.DataFrame, place: Places, needed: Mapping[str, str]
) -> tuple[pl.DataFrame, Places, list[str]]:
    """`frame` without the rows that have nothing in a `needed` column (ours → theirs)."""
    remarks = []
    for name, theirs in needed.items():
        series = frame[name]
        gaps = series.is_null()
        if series.dtype == pl.String:
            gaps |= (series.str.strip_chars() == "").fill_null(True)
            if name not in (USER, ITEM):  # there it may be an id like others
                gaps |= stands_for(series, MISSING | MISSING_NUMBERS).fill_null(True)
        elif series.dtype.is_float():
            gaps |= series.is_nan().fill_null(True)
        if gaps.any():
            remarks.append(
                f"left out {counted(int(gaps.sum()), 'row')} without {theirs!r}: {place(gaps)}"
            )
            frame, place = frame.filter(~gaps), place.among(~gaps)
    return frame, place, remarks


def check_left(frame: pl.DataFrame, table: Table) -> None:
    """Raises `DataError` where leaving out rows has left none."""
    if not len(frame):
        raise DataError(
            f"{table.name}: ",
            Setting("drop_missing", True, "data"),
            " leaves no row; every one lacks something",
        )


def repeated_names(
    columns: Mapping[str, pl.DataType], table: Table, found: Mapping[str, str]
) -> pl.Expr:
    """Rows in which every value is the name of its column, as in a header.

    `found` maps some of the `columns` to what they are called in the table.
    """
    if not all(kind == pl.String for kind in columns.values()):
        return pl.lit(False)
    same = []
    for column in columns:
        name = found.get(column, column)
        header = f"{name}:{table.kinds[name]}" if table.kinds.get(name) else name
        header = header.removeprefix("\ufeff")
        same.append((pl.col(column) == header) | (pl.col(column) == f"\ufeff{header}"))
    return pl.all_horizontal(same).fill_null(False)
