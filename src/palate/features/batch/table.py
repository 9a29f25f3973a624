"""A table of any length as numbered rows, of which any run can be read by itself."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, Any, Self, cast

import polars as pl

from palate.core.errors import DataError, Setting, did_you_mean, first_offenders
from palate.core.paths import check_readable
from palate.core.visible import quoted, shorten, visible
from palate.data.formats.encodings import garbled_by, is_utf8
from palate.data.formats.open import BROKEN, open_table
from palate.data.formats.text import check_encoding, check_no_pipe, is_packed, text_bytes
from palate.data.notes import LOGGER
from palate.data.values import repeated_names
from palate.features.vectors import MANIFEST

STAGED = ".source"
_WAY = 2
_PARQUET = (".parquet", ".pq")
_TEXT = (".csv", ".tsv", ".csv.gz", ".tsv.gz")

LINES = (".jsonl", ".ndjson")
GROUP_ROWS = 2**16
SKIP = Setting("on_error", "skip")
_PROBE_LINES = 10_000
_BLOCK = 2**20
_MOST_EXPLAINED = 2**28
"""Bytes of a file that is read whole to say what is wrong with its encoding."""


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

    @property
    def is_untyped(self) -> bool:
        """Whether it was made of text, whose columns may hold numbers as they are written."""
        return any(display_name(file).lower().endswith(_TEXT) for file in self.files)

    @property
    def is_lines(self) -> bool:
        """Whether it was made of JSON lines."""
        return any(display_name(file).lower().endswith(LINES) for file in self.files)

    def check(self, columns: Sequence[str], *, what: str) -> None:
        """Raises `DataError` for a column that some file lacks, or that is of different types."""
        first, *_ = self.schemas.values()
        for file, schema in self.schemas.items():
            for name in columns:
                if name not in schema:
                    found = did_you_mean(name, schema)
                    raise DataError(f"{display_name(file)} has no column {name!r} ({what}).{found}")
                if _family(schema[name]) != _family(first[name]):
                    raise DataError(
                        f"the column {name!r} holds {schema[name]} in {display_name(file)}, but"
                        f" {first[name]} in {display_name(self.files[0])}: write it alike in"
                        " all files"
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
        return f"{display_name(file)}, row {offset + 1:,}"

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
    check_readable(path, DataError)
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


def display_name(file: str) -> str:
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
    reason = shorten(str(error).partition("\n")[0])
    advice = "Copy it or write it again"
    if "utf-8" in reason.lower():
        advice = "Write such texts as UTF-8, or the column as binary"
    return DataError(f"{where} cannot be read: {reason}. {advice}")


def _family(kind: pl.DataType) -> str:
    """Types that may stand in for each other in two files of one table."""
    if kind.is_integer():
        return "whole numbers"
    return "text" if kind in (pl.String, pl.Categorical, pl.Enum) else str(kind)


def read_as_bytes(
    path: Path, offset: int, count: int, columns: Sequence[str]
) -> pl.DataFrame | None:
    """Some rows, with every column of text as bytes; None where pyarrow is not installed."""
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError:
        return None
    found, first = [], 0
    with parquet.ParquetFile(path) as file:
        for group in range(file.metadata.num_row_groups):
            rows = file.metadata.row_group(group).num_rows
            start, stop = max(offset - first, 0), min(offset + count - first, rows)
            if start < stop:
                table = file.read_row_group(group, columns=list(columns))
                found.append(_as_bytes(pa, table.slice(start, stop - start)))
            first += rows
    return pl.concat(found)


def _as_bytes(pa: Any, table: Any) -> pl.DataFrame:
    texts = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    kinds = [
        pa.large_binary() if any(is_text(kind) for is_text in texts) else kind
        for kind in table.schema.types
    ]
    fields = zip(table.schema.names, kinds, strict=True)
    frame = pl.from_arrow(table.cast(pa.schema(list(fields))))
    assert isinstance(frame, pl.DataFrame)
    return frame


def as_parquet(path: Path, staged: Path, on_error: str, encoding: str = "utf-8") -> Path:
    """The same rows as Parquet; done again only where the file has changed.

    Where it cannot be read and `on_error` is "skip", bytes that are none of `encoding` become "�",
    and lines that are no JSON record rows without anything. Raises `DataError` for what is beyond
    that.
    """
    check_encoding(encoding)
    state = path.stat()
    identity = [str(path.absolute()), state.st_size, state.st_mtime_ns, on_error, _WAY]
    if not is_utf8(encoding):
        identity.append(encoding)
    digest = hashlib.blake2b(json.dumps(identity).encode(), digest_size=8).hexdigest()
    target = staged / f"{path.name}.{digest}.parquet"
    if target.is_file():
        return target
    staged.mkdir(parents=True, exist_ok=True)
    try:
        if is_utf8(encoding):
            _convert(path, target, _PROBE_LINES)
        else:
            _check_not_garbled(path, encoding)
            _convert_copy(path, target, encoding, errors="strict")
    except DataError:
        if on_error != "skip":
            raise
        broken = _convert_copy(path, target, encoding, errors="replace")
        if broken:
            warnings.warn(
                f'{visible(str(path))}: what is no {encoding.upper()} became "�", {broken:,} '
                "times. If that is no mere slip, save the file as UTF-8, or say its encoding, and "
                "encode it anew",
                RuntimeWarning,
                stacklevel=2,
            )
    return target


def _convert(path: Path, target: Path, probed: int | None) -> None:
    temporary = target.with_suffix(".tmp")
    try:
        _scan(path, probed).sink_parquet(temporary, row_group_size=GROUP_ROWS)
        temporary.replace(target)
    except BROKEN as error:
        reason = shorten(str(error).partition("\n")[0])
        advice: tuple[object, ...] = ()
        if "utf" in reason.lower():
            _explain_encoding(path, "utf-8")
            advice = '. Save it as UTF-8, or put "�" for what is broken: ', SKIP
        elif path.suffix.lower() in LINES:
            advice = ". Mend the line, or leave such lines out: ", SKIP
        raise DataError(f"{path} cannot be read: {reason}", *advice) from error
    finally:
        temporary.unlink(missing_ok=True)


def _explain_encoding(path: Path, encoding: str) -> None:
    """Raises `DataError` that says what is wrong with a text that is not in that encoding."""
    if path.stat().st_size > _MOST_EXPLAINED:
        return
    try:
        text_bytes(path, encoding)
    except DataError as error:
        raise DataError(error, '. Or put "�" for what is broken: ', SKIP) from error


def _check_not_garbled(path: Path, encoding: str) -> None:
    with _opened(path) as file:
        head = file.read(_BLOCK)
        head += file.readline()
    words = garbled_by(head, encoding)
    if words is not None:
        raise DataError(
            f"{path} is in UTF-8: ",
            Setting("encoding", encoding),
            f" makes {quoted(words[1])} of {quoted(words[0])}. Leave ",
            Setting("encoding"),
            " out",
        )


def _scan(path: Path, probed: int | None) -> pl.LazyFrame:
    if path.suffix.lower() in LINES:
        return pl.scan_ndjson(path, infer_schema_length=probed)
    table = open_table(path, what="items", key="item_id")
    again = repeated_names(table.schema, table, {})
    repeats = int(table.frame.select(again.sum().alias("again")).collect().item())
    if not repeats:
        return table.frame
    LOGGER.info(
        "%s: left out %s rows that repeat the names of the columns", table.name, f"{repeats:,}"
    )
    return table.frame.filter(~again)


def _convert_copy(path: Path, target: Path, encoding: str, *, errors: str) -> int:
    """By way of a copy in UTF-8; gives how many letters were broken."""
    name = path.name.removesuffix(path.suffix) if is_packed(path) else path.name
    copy = target.parent / f"mended.{name}"
    broken = 0
    try:
        with copy.open("wb") as file:
            for text in _texts(path, encoding, errors):
                broken += text.count("�")
                file.write(text.encode("utf-8", "replace"))
        _convert(copy, target, None)
    except UnicodeDecodeError as error:
        _explain_encoding(path, encoding)
        raise DataError(f"{path} cannot be read as {encoding}: {error.reason}") from error
    except DataError as error:
        raise DataError(error.message.about(str(path), instead_of=str(copy))) from error
    finally:
        copy.unlink(missing_ok=True)
    return broken


def _texts(path: Path, encoding: str, errors: str) -> Iterator[str]:
    """The text in pieces; with `errors="replace"`, lines that are no JSON are empty records."""
    with (
        _opened(path) as file,
        io.TextIOWrapper(file, encoding=encoding, errors=errors, newline="\n") as texts,
    ):
        if errors == "replace" and path.suffix.lower() in LINES:
            yield from (_record(line) for line in texts if line.strip())
            return
        while block := texts.read(_BLOCK):
            yield block


def _opened(path: Path) -> IO[bytes]:
    return cast(IO[bytes], gzip.open(path) if is_packed(path) else path.open("rb"))


def _record(line: str) -> str:
    """A line of JSON; one without anything where it is no record."""
    try:
        record: Any = json.loads(line)
        said = json.dumps(record, ensure_ascii=False, allow_nan=False)
    except (ValueError, RecursionError):
        return "{}\n"
    return f"{said}\n" if isinstance(record, dict) else "{}\n"
