"""The tables of items and of people: one row an id, columns typed."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from palate.columns import ITEM, TEXT, TITLE
from palate.data._formats import Table
from palate.data._notes import TableNotes
from palate.data._places import Places, check_left, without_blank_rows, without_gaps
from palate.data._values import (
    as_ids,
    doubts_about_ids,
    doubts_about_text,
    infer_type,
)
from palate.errors import DataError, first_offenders, shown

LISTS = frozenset(["genres", "genre", "tags", "categories", "category", "keywords", "topics"])
_WORDS = frozenset(
    f"{TITLE} {TEXT} name description review summary caption content abstract headline comment"
    " plot overview".split()
)


def read_catalogue(
    table: Table,
    found: Mapping[str, str],
    *,
    key: str,
    lists: Mapping[str, str],
    drop_missing: bool = False,
) -> tuple[pl.DataFrame, TableNotes]:
    """A table with one row an id and all its columns, under our names where they have one.

    `lists` maps columns to the mark between their parts; `drop_missing` leaves out rows without an
    id. Raises `DataError` for an empty table,
    missing or repeated ids and infinite numbers; NaN is a missing number here.
    """
    notes = TableNotes(table.name, messages=list(table.messages))
    frame = table.collect([pl.all()])
    frame, place, remarks = without_blank_rows(frame, table)
    notes.messages += remarks
    if not len(frame):
        raise DataError(f"{table.name} is empty: it has column names, but no rows")
    if drop_missing:
        frame, place, remarks = without_gaps(frame, place, {found[key]: found[key]})
        notes.messages += remarks
        check_left(frame, table)
    frame = _renamed(frame, found, notes)
    ids = as_ids(frame[key], where=f"{table.name}: column {found[key]!r}", place=place).alias(key)
    notes.messages += doubts_about_ids(ids, where=f"column {found[key]!r}")
    _check_unique(ids, table.name)
    marks = {**lists, **{ours: lists[theirs] for ours, theirs in found.items() if theirs in lists}}
    kinds = {ours: table.kinds.get(theirs, "") for ours, theirs in found.items()}
    columns = [ids]
    for series in frame:
        if series.name != key:
            kind = kinds.get(series.name, table.kinds.get(series.name, ""))
            mark = marks.get(series.name) or _mark(series, kind)
            columns.append(_understood(series, mark, table, place=place, notes=notes))
    notes.rows = len(frame)
    notes.taken = {theirs: ours for ours, theirs in found.items()}
    notes.taken |= {name: name for name in frame.columns if name not in found}
    return pl.DataFrame(columns), notes


def _renamed(frame: pl.DataFrame, found: Mapping[str, str], notes: TableNotes) -> pl.DataFrame:
    names = {theirs: ours for ours, theirs in found.items() if theirs != ours}
    for ours in list(names.values()):
        if ours in frame.columns and ours not in names:
            names[ours] = f"original_{ours}"
            notes.messages.append(f"its own column {ours!r} is called 'original_{ours}' now")
    return frame.rename(names)


def _check_unique(ids: pl.Series, name: str) -> None:
    if ids.n_unique() < len(ids):
        repeated = ids.filter(ids.is_duplicated()).unique(maintain_order=True)
        raise DataError(
            f"{name}: ids must be unique, but these occur more than once:"
            f" {first_offenders(repeated, len(repeated))}. Keep one row of each."
        )


def _mark(series: pl.Series, kind: str) -> str | None:
    """What separates the parts of a column that holds lists as text."""
    if series.dtype != pl.String:
        return None
    if kind in ("token_seq", "float_seq"):
        is_text = series.name in _WORDS or series.name.rpartition("_")[2] in _WORDS
        return None if is_text and kind == "token_seq" else " "
    by_convention = series.name.lower() in LISTS
    return "|" if by_convention and series.str.contains("|", literal=True).any() else None


def _understood(
    series: pl.Series, mark: str | None, table: Table, *, place: Places, notes: TableNotes
) -> pl.Series:
    if mark is not None:
        notes.messages.append(f"column {series.name!r}: a list, its parts separated by {mark!r}")
        return _parts(series, mark, numbers=table.kinds.get(series.name) == "float_seq")
    if series.name == TITLE and not series.dtype.is_nested():
        return series.cast(pl.String)
    if series.dtype == pl.String and table.untyped:
        series = infer_type(series)
        if series.dtype == pl.String:
            notes.messages += doubts_about_text(series)
    if series.dtype.is_float():
        return _finite(series, place, notes)
    if series.dtype in (pl.Categorical, pl.Enum):
        return series.cast(pl.String)
    if isinstance(series.dtype, pl.List) and isinstance(series.dtype.inner, pl.List):
        notes.messages.append(f"column {series.name!r}: lists in lists, made flat")
        return _flat(series)
    return series


def _parts(series: pl.Series, mark: str, *, numbers: bool) -> pl.Series:
    parts = series.cast(pl.String).str.split(mark)
    words = parts.list.eval(pl.element().str.strip_chars())
    words = words.list.eval(pl.element().filter(pl.element() != ""))
    return words.cast(pl.List(pl.Float64)) if numbers else words


def _flat(series: pl.Series) -> pl.Series:
    """One level of a list of lists, without its repetitions."""
    while isinstance(series.dtype, pl.List) and isinstance(series.dtype.inner, pl.List):
        series = series.list.eval(pl.element().explode())
    return series.list.eval(pl.element().drop_nulls()).list.unique(maintain_order=True)


def _finite(series: pl.Series, place: Places, notes: TableNotes) -> pl.Series:
    if (infinite := series.is_infinite()).any():
        raise DataError(
            f"{notes.source}: column {shown(series.name)} is infinite in {place(infinite)};"
            " give a number, or leave it empty"
        )
    if missing := int(series.is_nan().sum()):
        notes.messages.append(f"column {series.name!r}: NaN in {missing:,} rows, taken as missing")
    return series.fill_nan(None)


def catalogue_of(interactions: pl.DataFrame) -> pl.DataFrame:
    """The items of the events alone, sorted by id: their order says nothing about time."""
    return pl.DataFrame({ITEM: interactions[ITEM].unique().sort()})
