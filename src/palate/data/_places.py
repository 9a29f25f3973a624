"""Where the rows of a table stand: by line in a file of text, else by row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from palate.data._formats import LINES, Table, suffix_of
from palate.data._text_files import is_plain, text_bytes
from palate.errors import SHOWN_OFFENDERS, DataError, first_offenders

_CHUNK = 2**26
_LF = ord("\n")


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
    masks = frame.select(blank=blank, names=_repeats_names(frame, table, found or {}))
    remarks = [
        f"left out {int(masks[which].sum()):,} {what}"
        for which, what in (
            ("blank", "rows with nothing in them"),
            ("names", "rows that repeat the names of the columns, as files put together have them"),
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
        elif series.dtype.is_float():
            gaps |= series.is_nan().fill_null(True)
        if gaps.any():
            remarks.append(f"left out {int(gaps.sum()):,} rows without {theirs!r}: {place(gaps)}")
            frame, place = frame.filter(~gaps), place.among(~gaps)
    return frame, place, remarks


def check_left(frame: pl.DataFrame, table: Table) -> None:
    """Raises `DataError` where leaving out rows has left none."""
    if not len(frame):
        raise DataError(f"{table.name}: drop_missing=True leaves no row; every one lacks something")


def _repeats_names(frame: pl.DataFrame, table: Table, found: Mapping[str, str]) -> pl.Expr:
    """Rows in which every value is the name of its column, as in a header."""
    if not all(kind == pl.String for kind in frame.schema.values()):
        return pl.lit(False)
    same = []
    for column in frame.columns:
        name = found.get(column, column)
        header = f"{name}:{table.kinds[name]}" if table.kinds.get(name) else name
        same.append(pl.col(column).str.strip_prefix("\ufeff") == header.removeprefix("\ufeff"))
    return pl.all_horizontal(same).fill_null(False)
