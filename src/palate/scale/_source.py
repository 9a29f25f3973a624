"""A table of any length as numbered rows, of which any run can be read by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import polars as pl

from palate.data._formats import BROKEN
from palate.data._text_files import check_no_pipe
from palate.encoders._vector_files import MANIFEST
from palate.errors import DataError, did_you_mean, first_offenders, shortened
from palate.scale._bytes import read_as_bytes
from palate.scale._staged import LINES, as_parquet

STAGED = ".source"
_PARQUET = (".parquet", ".pq")
_TEXT = (".csv", ".tsv", ".csv.gz", ".tsv.gz")


@dataclass(frozen=True)
class Source:
    """Parquet files in the order of their names; rows are counted over all of them from 0."""

    name: str
    files: tuple[str, ...]
    lengths: tuple[int, ...]

    def __len__(self) -> int:
        return sum(self.lengths)

    @cached_property
    def schemas(self) -> dict[str, dict[str, pl.DataType]]:
        """File → column → type."""
        return {file: schema_of(Path(file)) for file in self.files}

    @property
    def schema(self) -> dict[str, pl.DataType]:
        """Column → type, of those that all files have."""
        first, *others = self.schemas.values()
        return {name: kind for name, kind in first.items() if all(name in one for one in others)}

    def check(self, columns: Sequence[str], *, what: str) -> None:
        """Raises `DataError` for a column that some file lacks, or that is of different types."""
        first, *_ = self.schemas.values()
        for file, schema in self.schemas.items():
            for name in columns:
                if name not in schema:
                    found = did_you_mean(name, schema)
                    raise DataError(f"{told(file)} has no column {name!r} ({what}).{found}")
                if _family(schema[name]) != _family(first[name]):
                    raise DataError(
                        f"the column {name!r} holds {schema[name]} in {told(file)}, but"
                        f" {first[name]} in {told(self.files[0])}: write it alike in all files"
                    )

    def read(self, start: int, stop: int, columns: Sequence[str]) -> pl.DataFrame:
        """Rows `start` to `stop` of some columns; a damaged file raises `DataError`."""
        parts = [
            read_rows(Path(file), offset, count, columns)
            for file, offset, count in self.slices(start, stop)
        ]
        return _together(parts)

    def slices(self, start: int, stop: int) -> list[tuple[str, int, int]]:
        """(file, first row in it, number of rows) of a run of rows."""
        found, before = [], 0
        for file, length in zip(self.files, self.lengths, strict=True):
            first, last = max(start, before), min(stop, before + length)
            if first < last:
                found.append((file, first - before, last - first))
            before += length
        return found

    def place(self, row: int) -> str:
        """Where a row is, for messages: file and row, counted from 1."""
        ((file, offset, _),) = self.slices(row, row + 1)
        return f"{told(file)}, row {offset + 1:,}"

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name, "files": list(self.files), "lengths": list(self.lengths)}

    @classmethod
    def of_json(cls, content: dict[str, Any]) -> Self:
        return cls(content["name"], tuple(content["files"]), tuple(content["lengths"]))


def open_source(
    table: str | Path, *, staged: Path, on_error: str = "raise", encoding: str = "utf-8"
) -> Source:
    """A Parquet file, a folder of them, or text, which is turned into Parquet in `staged` first.

    `encoding` is that of text. With `on_error="skip"` broken bytes in text become "�", and lines
    that are no JSON empty rows.
    Raises `DataError` for what is no such table, is empty, or has no rows.
    """
    path = Path(table)
    files = files_of(path)
    if files[0].suffix.lower() not in _PARQUET:
        files = [as_parquet(file, staged, on_error, encoding) for file in files]
    lengths = [length_of(file) for file in files]
    if not sum(lengths):
        raise DataError(f"{path} has no rows")
    return Source(
        str(path.absolute()), tuple(str(file.absolute()) for file in files), tuple(lengths)
    )


def files_of(path: Path) -> list[Path]:
    """The files of a table in order; `DataError` where there is none."""
    if path.is_file():
        if _kind(path) is None:
            raise DataError(
                f"{path}: {path.suffix or 'no suffix'} is no known kind of table.{_KNOWN}"
            )
        return [path]
    check_no_pipe(path)
    if not path.is_dir():
        beside = sorted(path.parent.iterdir()) if path.parent.is_dir() else []
        tables = [other.name for other in beside if _kind(other) or _may_hold_tables(other)]
        raise DataError(f"{path}: no such file or folder.{did_you_mean(path.name, tables[:20])}")
    found = [
        file
        for file in sorted(path.rglob("*"))
        if _kind(file) and file.is_file() and not _is_hidden(file.relative_to(path))
    ]
    kinds = {_kind(file) for file in found}
    if not found:
        raise DataError(f"{path} holds no table.{_KNOWN}")
    if len(kinds) > 1:
        shown = first_offenders([file.name for file in found], len(found))
        raise DataError(f"{path} holds tables of different kinds ({shown}): leave one kind there")
    return found


def _may_hold_tables(path: Path) -> bool:
    """A folder with a table or a folder in it, but none of vectors: those are nobody's table."""
    try:
        inside = [other for other in path.iterdir() if not other.name.startswith((".", "_"))]
    except OSError:  # no folder, or one that is not to be read
        return False
    if path.name.startswith(".") or (path / MANIFEST).exists():
        return False
    return any(_kind(other) or other.is_dir() for other in inside)


_KNOWN = f" Known: {', '.join((*_PARQUET, *LINES, *_TEXT))}, or a folder of one kind."


def _kind(path: Path) -> str | None:
    name = path.name.lower()
    for kind, endings in (("parquet", _PARQUET), ("lines", LINES), ("text", _TEXT)):
        if name.endswith(endings):
            return kind
    return None


def _is_hidden(path: Path) -> bool:
    """What Spark and others leave beside their tables: _SUCCESS, .part.crc."""
    return any(part.startswith((".", "_")) for part in path.parts)


def told(file: str) -> str:
    """What a message calls a file: a staged one by the name of the table that it was made of."""
    path = Path(file)
    return path.name.rsplit(".", 2)[0] if path.parent.name == STAGED else file


def schema_of(path: Path) -> dict[str, pl.DataType]:
    try:
        return dict(pl.scan_parquet(path, glob=False).collect_schema())
    except BROKEN as error:
        raise _unreadable(path, error) from error


def length_of(path: Path) -> int:
    """The number of rows, from the file's end alone."""
    try:
        return int(pl.scan_parquet(path, glob=False).select(pl.len()).collect().item())
    except BROKEN as error:
        raise _unreadable(path, error) from error


def read_rows(path: Path, offset: int, count: int, columns: Sequence[str]) -> pl.DataFrame:
    """Some rows of some columns; text that is not UTF-8 comes as bytes, with its whole column."""
    names = list(dict.fromkeys(columns))
    try:
        return pl.scan_parquet(path, glob=False).slice(offset, count).select(names).collect()
    except BROKEN as error:
        if "utf-8" in str(error).lower():
            found = read_as_bytes(path, offset, count, names)
            if found is not None:
                return found
        where = f"{path}, rows {offset + 1:,} to {offset + count:,},"
        raise _unreadable(where, error) from error


def _together(parts: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Rows of several files; a column that is bytes in one of them is bytes."""
    mixed = [
        name
        for name in parts[0].columns
        if {pl.String, pl.Binary} <= {part.schema[name] for part in parts}
    ]
    as_bytes = [part.with_columns(pl.col(mixed).cast(pl.Binary)) for part in parts]
    return pl.concat(as_bytes, how="vertical_relaxed", rechunk=True)


def _unreadable(where: object, error: BaseException) -> DataError:
    reason = shortened(str(error).partition("\n")[0])
    advice = "Copy it or write it again"
    if "utf-8" in reason.lower():
        advice = "Write such texts as UTF-8, or the column as binary"
    return DataError(f"{where} cannot be read: {reason}. {advice}")


def _family(kind: pl.DataType) -> str:
    """Types that may stand in for each other in two files of one table."""
    if kind.is_integer():
        return "whole numbers"
    return "text" if kind in (pl.String, pl.Categorical, pl.Enum) else str(kind)
