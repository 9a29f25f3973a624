"""The tables of items and of people: one row an id, columns typed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from palate.core.columns import ITEM, TEXT, TITLE
from palate.core.errors import DataError, Message, Setting, first_offenders
from palate.core.visible import counted, quoted
from palate.data.formats.open import Table
from palate.data.notes import TableNotes
from palate.data.objects import from_objects
from palate.data.texts import (
    MISSING_NUMBERS,
    MOSTLY,
    stands_for,
    without_markup,
    without_missing,
    written_lists,
)
from palate.data.values import (
    LARGEST,
    RowNames,
    as_ids,
    check_left,
    doubts_about_ids,
    doubts_about_text,
    infer_type,
    rows_where,
    without_blank_rows,
    without_gaps,
)

LISTS = frozenset(
    [
        *("genres", "genre", "tags", "categories", "category", "keywords", "topics"),
        *("标签", "標籤", "类别", "類別", "类目", "分类", "关键词", "主题"),
    ]
)
_WORDS = frozenset(
    f"{TITLE} {TEXT} name description review summary caption content abstract headline comment"
    " plot overview 标题 名称 描述 简介 内容 摘要".split()
)
_QUOTED = r"^[\s\[({]+['\"]"


@dataclass(frozen=True)
class Catalogue:
    """A table with one row an id, and which mark stood between the parts of its lists."""

    frame: pl.DataFrame
    lists: Mapping[str, str]


@dataclass(frozen=True)
class _Reading:
    """What every column of one table is read with.

    `like` are the types that are wanted, where a table has to fit another one; `lists` are the
    marks that were found, beside those in `marks` that were said.
    """

    table: Table
    place: RowNames
    notes: TableNotes
    marks: Mapping[str, str]
    kinds: Mapping[str, str]
    like: Mapping[str, pl.DataType]
    lists: dict[str, str]
    leave_infinite: bool = False

    def remark(self, name: str, text: str) -> None:
        self.notes.messages.append(f"column {name!r}: {text}")


def read_catalogue(
    table: Table,
    found: Mapping[str, str],
    *,
    key: str,
    lists: Mapping[str, str],
    like: Mapping[str, pl.DataType] | None = None,
    drop_missing: bool = False,
) -> tuple[Catalogue, TableNotes]:
    """A table with one row an id and all its columns, under our names where they have one.

    `lists` maps columns to the mark between their parts; `drop_missing` leaves out rows without an
    id. With `like`, the schema of a catalogue that the rows shall join, only its columns are read,
    and text becomes what they hold. Raises `DataError` for an empty table, missing or repeated ids
    and infinite numbers; NaN is a missing number here, and so are words that stand for one.
    """
    notes = TableNotes(table.name, messages=list(table.messages))
    frame = table.collect([pl.all()])
    frame, place, remarks = without_blank_rows(frame, table)
    notes.messages += remarks
    if not len(frame) and like is None:
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
    kinds = {**table.kinds, **{ours: table.kinds.get(theirs, "") for ours, theirs in found.items()}}
    known = {name: mark for name, mark in marks.items() if name in frame.columns}
    reading = _Reading(table, place, notes, marks, kinds, like or frame.schema, known)
    columns = [ids]
    for series in frame:
        if series.name != key and series.name in reading.like:
            wanted = None if like is None else like[series.name]
            columns.append(_understood(series, wanted, reading))
    notes.rows = len(frame)
    notes.taken = {theirs: ours for ours, theirs in found.items()}
    notes.taken |= {name: name for name in frame.columns if name not in found}
    return Catalogue(pl.DataFrame(columns), reading.lists), notes


def read_columns(
    frame: pl.DataFrame,
    source: str,
    *,
    lists: Mapping[str, str],
    like: Mapping[str, pl.DataType] | None = None,
    untyped: bool = False,
    leave_infinite: bool = False,
) -> tuple[pl.DataFrame, list[str | Message]]:
    """Some columns of some rows as `read_catalogue` reads them, and remarks.

    `like` are the types that other rows of the same table have; `untyped` text may be numbers.
    Infinite numbers raise `DataError`, unless they are to be left.
    """
    notes = TableNotes(source)
    table = Table(source, frame.lazy(), untyped=untyped)
    wanted = like or frame.schema
    reading = _Reading(table, rows_where, notes, lists, {}, wanted, {}, leave_infinite)
    columns = [
        _understood(each, None if like is None else like[each.name], reading) for each in frame
    ]
    return pl.DataFrame(columns), notes.messages


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


def _mark(series: pl.Series, wanted: pl.DataType | None, reading: _Reading) -> str | None:
    """What separates the parts of a column that holds lists as text."""
    if mark := reading.marks.get(series.name):
        return mark
    if series.dtype != pl.String:
        return None
    if (kind := reading.kinds.get(series.name)) in ("token_seq", "float_seq"):
        is_text = series.name in _WORDS or series.name.rpartition("_")[2] in _WORDS
        return None if is_text and kind == "token_seq" else " "
    if wanted is not None:
        return "|" if isinstance(wanted, pl.List) else None
    by_convention = series.name.lower() in LISTS
    return "|" if by_convention and series.str.contains("|", literal=True).any() else None


def _understood(series: pl.Series, wanted: pl.DataType | None, reading: _Reading) -> pl.Series:
    name = series.name
    series = _plain(series, reading)
    if series.dtype == pl.String:
        series = _cleaned(series, reading)
    if name == TITLE:
        return _title(series, reading)
    if series.dtype == pl.String:
        series = _read_lists(series, reading, wanted)
    if series.dtype.is_nested():
        return _of_lists(series, reading)
    if (mark := _mark(series, wanted, reading)) is not None:
        return _split(series, mark, wanted, reading)
    if series.dtype == pl.String and reading.table.untyped and wanted != pl.String:
        series = _inferred(series, wanted, reading)
    return _finite(series, reading) if series.dtype.is_float() else series


def _plain(series: pl.Series, reading: _Reading) -> pl.Series:
    """Words as text, also in lists; objects of Python as what they are."""
    if series.dtype == pl.Object:
        where = f"{reading.notes.source}: column {series.name!r}"
        series, _ = from_objects(series.name, series.to_list(), where=where)
    words = (pl.String, pl.Categorical, pl.Enum)
    if isinstance(series.dtype, pl.List | pl.Array) and series.dtype.inner in words:
        return series.cast(pl.List(pl.String))
    return series.cast(pl.String) if series.dtype in words else series


def _cleaned(series: pl.Series, reading: _Reading) -> pl.Series:
    """Text without HTML, and null for words that stand for nothing; titles may be such words."""
    series, count = without_markup(series)
    if count:
        reading.remark(series.name, f"HTML in {counted(count, 'row')}, decoded")
    if series.name == TITLE:
        return series
    series, words = without_missing(series)
    if len(words):
        shown = words.unique(maintain_order=True)
        said = first_offenders(shown, len(shown))
        reading.remark(series.name, f"{said} in {counted(len(words), 'row')}, taken as missing")
    return series


def _title(series: pl.Series, reading: _Reading) -> pl.Series:
    """One text a row, for titles are shown; what has none raises `DataError`."""
    if series.dtype == pl.String:
        series = _read_lists(series, reading)
        if (mark := reading.marks.get(TITLE)) is not None and series.dtype == pl.String:
            return _joined(_parts(series, mark, numbers=False))
    if isinstance(series.dtype, pl.Array):
        series = series.arr.to_list()
    if isinstance(series.dtype, pl.List) and not flat_type(series.dtype).is_nested():
        reading.remark(TITLE, "lists, joined to one text each")
        return _cleaned(_joined(_flat(series)), reading)
    if series.dtype.is_nested() or series.dtype in (pl.Object, pl.Binary, pl.Duration):
        raise DataError(
            f"{reading.notes.source}: column {TITLE!r} holds {series.dtype}; it must hold text."
            " Take its text out, or name another column: ",
            Setting("columns", {"THEIR NAME": TITLE}, "data"),
        )
    return as_plain_text(series)


def _joined(lists: pl.Series) -> pl.Series:
    joined = lists.cast(pl.List(pl.String)).list.join(", ")
    return joined.set(joined == "", None)


def flat_type(kind: pl.DataType) -> pl.DataType:
    """What the innermost parts of lists are."""
    while isinstance(kind, pl.List | pl.Array):
        kind = kind.inner  # type: ignore[assignment]
    return kind


def as_plain_text(series: pl.Series) -> pl.Series:
    """Text of plain values; whole numbers have no decimal point."""
    texts = series.cast(pl.String)
    return texts.str.strip_suffix(".0") if series.dtype.is_float() else texts


def _read_lists(
    series: pl.Series, reading: _Reading, wanted: pl.DataType | None = None
) -> pl.Series:
    """Lists written as code; those of a column of words become its text again."""
    is_words = series.name in _WORDS
    if wanted is not None and not (is_words or isinstance(wanted, pl.List)):
        return series
    if is_words and not series.str.contains(_QUOTED).any():  # as "[1984]", a title
        return series
    found = written_lists(series, least=0.0 if isinstance(wanted, pl.List) else MOSTLY)
    if found is None:
        return series
    read, broken = found
    if len(broken):
        shown = broken.unique(maintain_order=True)
        reading.remark(series.name, f"no lists: {first_offenders(shown, len(shown))}")
    if is_words and not isinstance(wanted, pl.List):
        reading.remark(series.name, "lists written as text, joined to one text each")
        return _joined(read)
    reading.remark(series.name, "lists written as text, read as lists")
    return read


def _of_lists(series: pl.Series, reading: _Reading) -> pl.Series:
    if isinstance(series.dtype, pl.List) and isinstance(series.dtype.inner, pl.List):
        reading.remark(series.name, "lists in lists, made flat")
        series = _flat(series)
    if isinstance(series.dtype, pl.List) and isinstance(series.dtype.inner, pl.Struct):
        series = _names(series, series.dtype.inner, reading)
    return _cleaned_parts(series, reading) if series.dtype == pl.List(pl.String) else series


def _names(records: pl.Series, kind: pl.Struct, reading: _Reading) -> pl.Series:
    """Lists of what records are called, where they have a name; others stay."""
    if pl.Field("name", pl.String()) not in kind.fields:
        return records
    reading.remark(records.name, "lists of records, of which the names are taken")
    return records.list.eval(pl.element().struct.field("name").drop_nulls())


def _cleaned_parts(series: pl.Series, reading: _Reading) -> pl.Series:
    """Lists of text whose parts are clean; a part that stands for nothing goes."""
    parts = series.explode().drop_nulls().unique(maintain_order=True)
    plain, count = without_markup(parts)
    kept, words = without_missing(plain)
    if not (count or len(words)):
        return series
    clean = dict(zip(parts, kept, strict=True))
    if count:
        reading.remark(series.name, f"HTML in {count:,} parts of lists, decoded")
    if len(words):
        said = first_offenders(words, len(words))
        reading.remark(series.name, f"{said} among the parts of lists, taken as missing")
    rows = [
        None if row is None else [clean[part] for part in row if clean.get(part) is not None]
        for row in series.to_list()
    ]
    return pl.Series(series.name, rows, dtype=pl.List(pl.String))


def _split(
    series: pl.Series, mark: str, wanted: pl.DataType | None, reading: _Reading
) -> pl.Series:
    reading.remark(series.name, f"a list, its parts separated by {mark!r}")
    reading.lists[series.name] = mark
    wants_numbers = wanted is not None and flat_type(wanted).is_numeric()
    numbers = wants_numbers or reading.kinds.get(series.name) == "float_seq"
    parts = _parts(series, mark, numbers=numbers)
    return parts if numbers else _cleaned_parts(parts, reading)


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


def _inferred(series: pl.Series, wanted: pl.DataType | None, reading: _Reading) -> pl.Series:
    """Text as what all of it reads as, where dashes and the like may stand for missing numbers."""
    wants_numbers = wanted is not None and wanted.is_numeric()
    gaps = stands_for(series, MISSING_NUMBERS)
    without = series.set(gaps, None) if gaps.any() else series
    typed = infer_type(without)
    if typed.dtype == pl.String and wants_numbers:  # infinity alone is a word, but not among these
        numbers = without.str.to_lowercase().cast(pl.Float64, strict=False)
        typed = numbers if numbers.null_count() == without.null_count() else typed
    if not (typed.dtype.is_numeric() or pl.Boolean in (typed.dtype, wanted) or wants_numbers):
        typed = infer_type(series)
    elif gaps.any():
        shown = series.filter(gaps).unique(maintain_order=True)
        said = first_offenders(shown, len(shown))
        reading.remark(
            series.name, f"{said} in {counted(int(gaps.sum()), 'row')}, taken as missing"
        )
    if typed.dtype == pl.String:
        reading.notes.messages += doubts_about_text(series)
    return typed


def _finite(series: pl.Series, reading: _Reading) -> pl.Series:
    if (infinite := series.is_infinite()).any() and not reading.leave_infinite:
        raise DataError(
            f"{reading.notes.source}: column {quoted(series.name)} is infinite in"
            f" {reading.place(infinite)}; give a number, or leave it empty"
        )
    if (huge := series.is_finite() & (series.abs() > LARGEST)).any() and not reading.leave_infinite:
        raise DataError(
            f"{reading.notes.source}: column {quoted(series.name)} is beyond {LARGEST:g} in"
            f" {reading.place(huge)}; give a smaller number, or leave it empty"
        )
    if missing := int(series.is_nan().sum()):
        reading.remark(series.name, f"NaN in {counted(missing, 'row')}, taken as missing")
    return series.fill_nan(None)


def catalogue_of(interactions: pl.DataFrame) -> pl.DataFrame:
    """The items of the events alone, sorted by id: their order says nothing about time."""
    return pl.DataFrame({ITEM: interactions[ITEM].unique().sort()})
