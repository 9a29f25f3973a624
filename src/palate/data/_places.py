"""Where the rows of a table stand: by line in a file of text, else by row."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from palate.data._formats import LINES, Table, suffix_of
from palate.data._text_files import UTF8, text_bytes
from palate.data._values import rows_where
from palate.errors import SHOWN_OFFENDERS, first_offenders

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
        if offset is None:
            return rows_where(mask)
        places = first if self.kept is None else self.kept[first]
        return f"line {first_offenders(places + offset, len(found))}"

    def _offset(self) -> int | None:
        """The line of the first row; None where lines are no rows, as with a quoted line end."""
        path = self.table.path
        headers = 1 if self.table.untyped else 0
        if path is None or not (headers or suffix_of(path) in LINES):
            return None
        return headers + 1 if _lines(path, self.table.encoding) == self.rows + headers else None


def _lines(path: Path, encoding: str) -> int:
    plain = path.suffix != ".gz" and encoding.lower() in UTF8
    content: NDArray[np.uint8] = (
        np.memmap(path, dtype=np.uint8, mode="r")
        if plain
        else np.frombuffer(text_bytes(path, encoding), dtype=np.uint8)
    )
    parts = (content[start : start + _CHUNK] for start in range(0, len(content), _CHUNK))
    ends = sum(int(np.count_nonzero(part == _LF)) for part in parts)
    return ends + int(content[-1] != _LF)


def without_blank_rows(frame: pl.DataFrame, table: Table) -> tuple[pl.DataFrame, Places, list[str]]:
    """`frame`, in a table of text without its rows of nothing, where rows stand, and remarks."""
    everywhere = Places(table, len(frame))
    if not (table.untyped and len(frame)):
        return frame, everywhere, []
    blank = frame.select(pl.all_horizontal(pl.all().is_null())).to_series()
    if not blank.any():
        return frame, everywhere, []
    remark = f"left out {int(blank.sum()):,} rows with nothing in them"
    return frame.filter(~blank), Places(table, len(frame), (~blank).arg_true()), [remark]
