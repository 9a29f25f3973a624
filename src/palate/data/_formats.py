"""Files and frames of every kind → one lazy table with a name for messages."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

import narwhals as nw
import polars as pl

from palate._forks import check_process
from palate.data._json import parse_json, parse_lines
from palate.data._quotes import first_fault, in_order, mended
from palate.data._text_files import UTF8, first_line, text_bytes
from palate.errors import DataError, did_you_mean, first_offenders

Source: TypeAlias = "str | Path | pl.DataFrame | pl.LazyFrame | Any"

_SEPARATORS = {".csv": ",", ".tsv": "\t", ".inter": "\t", ".item": "\t", ".user": "\t"}
_ATOMIC = (".inter", ".item", ".user")
LINES = (".jsonl", ".ndjson")
_KNOWN = (*_SEPARATORS, *LINES, ".json", ".parquet", ".pq")


@dataclass(frozen=True)
class Table:
    """A table before its columns are understood.

    In an `untyped` table every column is text. `kinds` are the types that a RecBole header states.
    """

    name: str
    frame: pl.LazyFrame
    untyped: bool = False
    kinds: Mapping[str, str] = field(default_factory=dict)
    messages: tuple[str, ...] = ()
    path: Path | None = None
    separator: str = ","
    encoding: str = "utf-8"

    @property
    def schema(self) -> dict[str, pl.DataType]:
        """Column → type; a file that cannot be read raises `DataError`."""
        try:
            return dict(self.frame.collect_schema())
        except (pl.exceptions.PolarsError, OSError) as error:
            raise unreadable(self, error) from error

    def collect(self, columns: Sequence[pl.Expr]) -> pl.DataFrame:
        """Some columns in memory; a file that cannot be read raises `DataError`."""
        try:
            return self.frame.select(columns).collect()
        except (pl.exceptions.PolarsError, OSError) as error:
            raise unreadable(self, error) from error


def open_table(source: Source, *, what: str, key: str, encoding: str) -> Table:
    """`what` names a frame in messages; `key` is the id column that a JSON mapping's keys become.

    Reads .csv, .tsv, .parquet, .jsonl, .json (a list of records, or id → record) and RecBole's
    .inter, .item and .user, with .gz behind it where it is text. Quotes are
    characters like any other but in .csv.
    """
    check_process()
    if isinstance(source, pl.LazyFrame):
        return Table(f"the lazy frame of {what}", source)
    if isinstance(source, pl.DataFrame):
        return Table(f"the frame of {what}", source.lazy())
    if not isinstance(source, str | Path):
        return Table(f"the frame of {what}", _from_any_frame(source, what).lazy())
    path = _file(source)
    suffix = suffix_of(path)
    if suffix in (".parquet", ".pq") and path.suffix != ".gz":
        return Table(str(path), pl.scan_parquet(path, glob=False), path=path)
    if suffix in _SEPARATORS:
        return _open_text(path, suffix, encoding)
    if suffix in (*LINES, ".json"):
        content = text_bytes(path, encoding)
        parse = parse_json if suffix == ".json" else parse_lines
        return Table(str(path), parse(content, str(path), key).lazy(), path=path, encoding=encoding)
    raise DataError(
        f"{path}: {''.join(path.suffixes) or 'no suffix'} is no known kind of table. Known:"
        f" {', '.join(_KNOWN)}, text also with .gz. Rename it, save it as one of these, or pass"
        " a polars frame in Python."
    )


def _file(source: str | Path) -> Path:
    path = Path(source)
    try:
        if path.is_file():
            return path
        raise _no_file(source, path)
    except OSError as error:  # a name that no file can have
        raise DataError(f"{str(path)[:60]}… is no file: {error.strerror}") from error


def _no_file(source: str | Path, path: Path) -> DataError:
    if path.is_dir():
        return DataError(
            f"{path} is a folder: name a file in it, or pass pl.scan_parquet(...) in Python"
        )
    if "://" in str(source):
        return DataError(
            f"{source} is no file of this machine: fetch it, or pass a frame in Python"
        )
    beside = path.parent.iterdir() if path.parent.is_dir() else iter(())
    tables = [other.name for other in beside if suffix_of(other) in _KNOWN]
    return DataError(f"{path}: no such file.{did_you_mean(path.name, tables[:20])}")


def suffix_of(path: Path) -> str:
    """What kind of file it is, packed or not."""
    return (path.with_suffix("") if path.suffix == ".gz" else path).suffix.lower()


def _from_any_frame(source: Any, what: str) -> pl.DataFrame:
    try:
        native = nw.from_native(source)
        frame = native.collect() if isinstance(native, nw.LazyFrame) else native
        names = list(frame.columns)
    except TypeError as error:
        raise DataError(
            f"{what}: a {type(source).__name__} is no table."
            " Pass a path, or a polars or pandas frame."
        ) from error
    except nw.exceptions.NarwhalsError as error:
        reason = " ".join(str(error).split())
        raise DataError(f"the frame of {what} cannot be used: {reason}") from error
    if wrong := [name for name in names if not isinstance(name, str)]:
        raise DataError(
            f"the frame of {what}: the names of columns must be text, not"
            f" {first_offenders(wrong, len(wrong))}. Rename them: frame.columns = [...]"
        )
    return pl.DataFrame([_from_any_series(frame[name], what) for name in names])


def _from_any_series(series: nw.Series[Any], what: str) -> pl.Series:
    try:
        return series.to_polars()
    except Exception:  # pyarrow raises kinds of its own for a column of mixed Python objects
        values = zip(series.to_list(), series.is_null().to_list(), strict=True)
        known = [None if missing else value for value, missing in values]
        try:
            return pl.Series(series.name, known, strict=False)
        except UnicodeEncodeError as error:
            raise DataError(
                f"the frame of {what}: the column {series.name!r} holds {error.object[:60]!r}, "
                f"which is not valid Unicode: character {error.start + 1} is half of one, such as "
                "an emoji that was cut. Take it out"
            ) from error


def _open_text(path: Path, suffix: str, encoding: str) -> Table:
    plain = path.suffix != ".gz" and encoding.lower() in UTF8
    content = None if plain else text_bytes(path, encoding)
    first = first_line(path) if content is None else content.partition(b"\n")[0]
    if not first.strip():
        raise DataError(
            f"{path} is empty, or its first line is: that must hold the column names, the next"
            " lines a row each"
        )
    separator, messages = _SEPARATORS[suffix], []
    if suffix == ".csv" and b"," not in first and (found := _other_separator(first)):
        separator, messages = found, [f"separated by {found!r}, not by commas"]
    if suffix == ".csv" and not in_order(path if content is None else content, separator):
        content = _with_quotes_in_order(path, separator, encoding)
        messages.append("a quote inside of a field that does not begin with one is a letter")
    table = Table(
        str(path),
        pl.LazyFrame(),
        untyped=True,
        messages=tuple(messages),
        path=path,
        separator=separator,
        encoding=encoding,
    )
    table = replace(table, frame=_scan(table, content))
    parts = [re.fullmatch(r"(.*)_duplicated_\d+", name) for name in table.schema]
    if repeated := [found[1] for found in parts if found and found[1] in table.schema]:
        name = repeated[0]
        raise DataError(f"{path}: two columns are called {name!r}; rename one of them")
    return _typed_by_header(table) if suffix in _ATOMIC else table


def _with_quotes_in_order(path: Path, separator: str, encoding: str) -> bytes:
    text = text_bytes(path, encoding).decode()
    fault = first_fault(text, str(path), separator=separator, quotes=True)
    if fault is not None:
        raise fault
    return mended(text, separator).encode()


def _scan(table: Table, content: bytes | None) -> pl.LazyFrame:
    """The text of every field, read on demand, or at once from `content` where that is known."""
    assert table.path is not None
    quote = '"' if suffix_of(table.path) == ".csv" else None
    if content is None:
        return pl.scan_csv(
            table.path,
            separator=table.separator,
            quote_char=quote,
            infer_schema=False,
            glob=False,
        )
    try:
        frame = pl.read_csv(
            io.BytesIO(content), separator=table.separator, quote_char=quote, infer_schema=False
        )
    except pl.exceptions.PolarsError as error:
        raise unreadable(table, error) from error
    return frame.lazy()


def _typed_by_header(table: Table) -> Table:
    """RecBole's `name:type` headers, taken apart."""
    parts = {column: column.partition(":") for column in table.schema}
    frame = table.frame.rename({column: part[0] for column, part in parts.items()})
    return replace(table, frame=frame, kinds={part[0]: part[2] for part in parts.values()})


def _other_separator(first: bytes) -> str | None:
    found = [mark for mark in (";", "\t", "|") if mark.encode() in first]
    return found[0] if found else None


def unreadable(table: Table, error: Exception) -> DataError:
    """Why a file could not be read: the first line with a fault, if that is it."""
    if table.path is not None and table.untyped:
        try:
            text = text_bytes(table.path, table.encoding).decode()
        except DataError as wrong:
            return wrong
        quotes = suffix_of(table.path) == ".csv"
        fault = first_fault(text, table.name, separator=table.separator, quotes=quotes)
        if fault is not None:
            return fault
    reason = str(error).splitlines()[0]
    advice = "" if table.path is None else ". Copy it or write it again, if it should be whole"
    return DataError(f"{table.name} cannot be read: {reason}{advice}")
