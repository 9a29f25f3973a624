"""Ids of a table of any length: which rows have none, or one that came before."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl
from numpy.typing import NDArray

from palate.core.errors import SHOWN_OFFENDERS, DataError, Setting
from palate.features.batch.table import SKIP, Source
from palate.features.batch.text_rows import ids_of

ROWS_AT_ONCE = 2**17
HASHES_AT_ONCE = 2**25
MOST_BAD_ROWS = 1_000_000


def rows_without_own_id(source: Source, column: str, *, on_error: str) -> NDArray[np.int64]:
    """The rows whose id is missing or that of an earlier row, in order.

    Ids are read as 64-bit hashes, `HASHES_AT_ONCE` at a time, once more for every so many rows, so
    that memory does not grow with rows. `on_error="raise"` raises `DataError` for any such row.
    """
    missing, repeated = _suspects(source, column)
    _check_count(source, column, len(missing), "no id")
    if len(missing) and on_error == "raise":
        shown = [source.place(int(row)) for row in missing[:SHOWN_OFFENDERS]]
        raise DataError(
            f"the column {column!r} holds no id in {_shown(shown, len(missing))}. Fill these ids,"
            " or leave such rows out: ",
            SKIP,
        )
    later = _later_rows(source, column, repeated) if len(repeated) else pl.DataFrame()
    _check_count(source, column, len(later), "the id of an earlier row")
    if len(later) and on_error == "raise":
        rows = zip(later["id"][:SHOWN_OFFENDERS], later["row"][:SHOWN_OFFENDERS], strict=True)
        shown = [f"{name!r} ({source.place(row)})" for name, row in rows]
        raise DataError(
            f"ids must be unique, but these occur again: {_shown(shown, len(later))}. Keep one row"
            " of each, or the first of each: ",
            SKIP,
        )
    again = later["row"].to_numpy() if len(later) else np.zeros(0, np.int64)
    return np.union1d(missing, again)


def _shown(shown: list[str], count: int) -> str:
    return ", ".join(shown) + (f" and {count - len(shown):,} more" if count > len(shown) else "")


def _check_count(source: Source, column: str, count: int, what: str) -> None:
    if count > MOST_BAD_ROWS:
        raise DataError(
            f"{source.name}: {count:,} rows have {what} in the column {column!r}:"
            " is it the column of ids? Name another with ",
            Setting("id"),
        )


def _chunks(source: Source, column: str) -> Iterator[tuple[int, pl.Series]]:
    """(first row, ids) of the whole table."""
    for start in range(0, len(source), ROWS_AT_ONCE):
        stop = min(start + ROWS_AT_ONCE, len(source))
        frame = source.read(start, stop, [column])
        yield start, ids_of(frame[column], where=f"{source.name}: column {column!r}")


def _hashes(ids: pl.Series) -> pl.Series:
    """64 bits of each; equal ids have equal ones in one process."""
    return ids.hash(0)


def _suspects(source: Source, column: str) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
    """Rows without an id, and the hashes that occur more than once."""
    passes = -(-len(source) // HASHES_AT_ONCE)
    missing, repeated = [], []
    for number in range(passes):
        wanted = []
        for start, ids in _chunks(source, column):
            if not number and ids.null_count():
                missing.append(ids.is_null().arg_true().to_numpy().astype(np.int64) + start)
            hashes = _hashes(ids.drop_nulls()).to_numpy()
            wanted.append(hashes[hashes % passes == number] if passes > 1 else hashes)
        ordered = np.sort(np.concatenate(wanted))
        repeated.append(np.unique(ordered[1:][ordered[1:] == ordered[:-1]]))
    none = np.zeros(0, np.int64)
    return np.concatenate([none, *missing]), np.concatenate(repeated)


def _later_rows(source: Source, column: str, hashes: NDArray[np.uint64]) -> pl.DataFrame:
    """(id, row) of the rows whose id an earlier row has; equal hashes alone mean nothing."""
    suspected = pl.Series(hashes)
    _check_count(source, column, len(suspected), "the id of another row")
    found = []
    for start, ids in _chunks(source, column):
        rows = pl.int_range(start, start + len(ids), dtype=pl.Int64, eager=True)
        chunk = pl.DataFrame({"id": ids, "row": rows}).drop_nulls()
        found.append(chunk.filter(_hashes(chunk["id"]).is_in(suspected.implode())))
    several = pl.concat(found)
    return several.filter(~several["id"].is_first_distinct())
