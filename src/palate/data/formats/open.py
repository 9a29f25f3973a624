"""Files and frames of every kind → one lazy table with a name for messages."""

from __future__ import annotations

import io
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, TypeAlias

import narwhals as nw
import polars as pl

from palate.core.errors import DataError, Message, Setting, did_you_mean, first_offenders
from palate.core.forks import check_process
from palate.core.paths import check_readable
from palate.core.visible import shorten
from palate.data.columns import find_columns
from palate.data.formats.csv import first_fault, has_wide_rows, in_order, mended
from palate.data.formats.dialect import (
    Dialect,
    dialect_of_csv,
    dialect_of_dat,
    layout_of,
    without_names,
)
from palate.data.formats.encodings import is_utf8
from palate.data.formats.json import parse_json, parse_lines
from palate.data.formats.text import (
    check_encoding,
    check_kind,
    check_no_pipe,
    first_line,
    garbled,
    is_packed,
    is_plain,
    text_bytes,
)
from palate.data.objects import from_objects

Source: TypeAlias = "str | Path | pl.DataFrame | pl.LazyFrame | Any"

_ATOMIC = (".inter", ".item", ".user")
_TEXT = (".csv", ".tsv", *_ATOMIC, ".dat", ".data")
_PARTS_OF_MOVIELENS = (".base", ".test")
LINES = (".jsonl", ".ndjson")
_KNOWN = (*_TEXT, *LINES, ".json", ".parquet", ".pq")

BROKEN = (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError)
"""What polars raises for a file that it cannot read; a panic is no `Exception`."""

_JSON = re.compile(rb'\s*\[?\s*\{\s*"')
_CSV = Dialect(",", quotes=True)


@dataclass(frozen=True)
class Table:
    """A table before its columns are understood.

    In an `untyped` table every column is text. `kinds` are the types that a RecBole header states.
    """

    name: str
    frame: pl.LazyFrame
    untyped: bool = False
    kinds: Mapping[str, str] = field(default_factory=dict)
    messages: tuple[str | Message, ...] = ()
    path: Path | None = None
    dialect: Dialect = _CSV
    encoding: str = "utf-8"

    @property
    def schema(self) -> dict[str, pl.DataType]:
        """Column → type; a file that cannot be read raises `DataError`."""
        try:
            return dict(self.frame.collect_schema())
        except self._broken as error:
            raise unreadable(self, error) from error

    def collect(self, columns: Sequence[pl.Expr]) -> pl.DataFrame:
        """Some columns in memory; a file that cannot be read raises `DataError`."""
        try:
            return self.frame.select(columns).collect()
        except self._broken as error:
            raise unreadable(self, error) from error

    @property
    def _broken(self) -> tuple[type[BaseException], ...]:
        """A lazy frame may call functions of somebody's, which raise what they like."""
        return BROKEN if self.path is not None else (Exception, *BROKEN)


LEAVE_OUT = Message.of("Leave ", Setting("encoding", section="data"), " out")


def open_table(
    source: Source,
    *,
    what: str,
    key: str,
    encoding: str = "utf-8",
    named: Collection[str] = (),
    if_utf8: Message | None = LEAVE_OUT,
) -> Table:
    """`what` names a frame in messages; `key` is the id column that a JSON mapping's keys become.

    Reads .csv, .tsv, .parquet, .jsonl, .json (a list of records, or id → record), RecBole's
    .inter, .item and .user, and MovieLens' .dat, u.data, u.item and u.user, with .gz behind it
    where it is text. Quotes are characters like any other but in .csv. Where `named` holds
    "column_1" and the like, a table whose first line names nothing known has no names there.
    UTF-8 under another `encoding` raises `DataError` with the fix `if_utf8`; None: it is remarked.
    """
    check_process()
    if isinstance(source, pl.LazyFrame):
        return Table(f"the lazy frame of {what}", source)
    if isinstance(source, pl.DataFrame):
        return Table(f"the frame of {what}", source.lazy())
    if not isinstance(source, str | Path):
        frame, remarks = _from_any_frame(source, what)
        return Table(f"the frame of {what}", frame.lazy(), messages=remarks)
    path = _file(source)
    check_encoding(encoding)
    suffix = suffix_of(path)
    if suffix in (".parquet", ".pq") and not is_packed(path):
        return Table(str(path), pl.scan_parquet(path, glob=False), path=path)
    if suffix not in (*_TEXT, *_PARTS_OF_MOVIELENS, *LINES, ".json"):
        raise _unknown_kind(path)
    loss = garbled(path, encoding)
    if loss is not None and if_utf8 is not None:
        raise DataError(f"{path}: ", loss, ". ", if_utf8)
    if suffix in (*LINES, ".json"):
        content = text_bytes(path, encoding)
        parse = parse_json if suffix == ".json" else parse_lines
        frame = parse(content, str(path), key)
        table = Table(str(path), frame.lazy(), path=path, encoding=encoding)
    else:
        table = _open_text(path, suffix, encoding, what=what, named=named)
    return table if loss is None else replace(table, messages=(loss, *table.messages))


def is_utf8_under(source: Source | None, encoding: str) -> bool:
    """Whether a table is a text in UTF-8 that `encoding` would read as other letters."""
    if is_utf8(encoding) or not isinstance(source, str | Path):
        return False
    with suppress(DataError, OSError, ValueError):  # whoever opens it says what is wrong with it
        path = _file(source)
        as_text = is_packed(path) or suffix_of(path) not in (".parquet", ".pq")
        return as_text and garbled(path, encoding) is not None
    return False


def _unknown_kind(path: Path) -> DataError:
    with path.open("rb") as file:
        check_kind(path, file.read(64))
    return DataError(
        f"{path}: {''.join(path.suffixes) or 'no suffix'} is no known kind of table. Known:"
        f" {', '.join(_KNOWN)}, text also with .gz. Rename it, save it as one of these, or pass"
        " a polars frame in Python."
    )


def _file(source: str | Path) -> Path:
    path = Path(source)
    try:
        check_readable(path, DataError)
        if path.is_file():
            return path
        raise _no_file(source, path)
    except (OSError, ValueError) as error:  # a name that no file can have
        if isinstance(error, DataError):
            raise
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{shorten(str(path))} is no file: {reason}") from error


def _no_file(source: str | Path, path: Path) -> DataError:
    if path.is_dir():
        return DataError(
            f"{path} is a folder: name a file in it, or pass pl.scan_parquet(...) in Python"
        )
    if "://" in str(source):
        return DataError(
            f"{source} is no file of this machine: fetch it, or pass a frame in Python"
        )
    check_no_pipe(path)
    beside = list(path.parent.iterdir()) if path.parent.is_dir() else []
    if found := sorted(other.name for other in beside if _fits(other.name, path.name)):
        return DataError(
            f"{path} is a pattern, not a file: {first_offenders(found, len(found))}. Name one file,"
            ' put them together first, or pass a frame in Python: pl.scan_parquet("*.parquet")'
        )
    tables = [other.name for other in beside if suffix_of(other) in _KNOWN]
    return DataError(f"{path}: no such file.{did_you_mean(path.name, tables[:20])}")


def _fits(name: str, pattern: str) -> bool:
    return any(mark in pattern for mark in "*?[") and fnmatchcase(name, pattern)


def suffix_of(path: Path) -> str:
    """What kind of file it is, packed or not."""
    return (path.with_suffix("") if is_packed(path) else path).suffix.lower()


def _with_index(source: Any) -> tuple[Any, tuple[str, ...]]:
    """A frame of pandas whose named index is a column, as `set_index` and `groupby` leave it."""
    frame = nw.to_native(source, pass_through=True)
    if not nw.dependencies.is_pandas_dataframe(frame):
        return source, ()
    levels = [name for name in frame.index.names if isinstance(name, str)]
    levels = [name for name in levels if name not in list(frame.columns)]
    if not levels or len(set(levels)) < len(levels):
        return source, ()
    remark = f"the index {' and '.join(map(repr, levels))} is taken as a column"
    return frame.reset_index(level=levels), (remark,)


def _from_any_frame(source: Any, what: str) -> tuple[pl.DataFrame, tuple[str, ...]]:
    source, said = _with_index(source)
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
    columns = [_from_any_series(frame[name], what) for name in names]
    remarks = tuple(remark for _, remark in columns if remark is not None)
    return pl.DataFrame([column for column, _ in columns]), (*said, *remarks)


def _from_any_series(series: nw.Series[Any], what: str) -> tuple[pl.Series, str | None]:
    if series.dtype not in (nw.Object, nw.Unknown):
        try:
            return series.to_polars(), None
        except (Exception, pl.exceptions.PanicException):  # pyarrow raises kinds of its own
            pass
    missing = series.is_null().to_list()
    values = [
        None if absent else value for value, absent in zip(series.to_list(), missing, strict=True)
    ]
    return from_objects(series.name, values, where=f"the frame of {what}: column {series.name!r}")


def _open_text(
    path: Path, suffix: str, encoding: str, *, what: str, named: Collection[str]
) -> Table:
    content = None if is_plain(path, encoding) else text_bytes(path, encoding)
    first = first_line(path) if content is None else content.partition(b"\n")[0]
    if _JSON.match(first):
        raise DataError(
            f"{path} is JSON: end its name with .json, or with .jsonl where each line is a record"
        )
    if first.endswith(b"\r\r\n"):  # a text file's line ends, written to a text file once more
        content = text_bytes(path, encoding)
        first = content.partition(b"\n")[0]
    if not first.strip():
        raise DataError(
            f"{path} is empty, or its first line is: that must hold the column names, the next"
            " lines a row each"
        )
    dialect = _dialect(path, suffix, first.decode("utf-8-sig").rstrip("\r\n"))
    table = Table(
        str(path), pl.LazyFrame(), untyped=True, path=path, dialect=dialect, encoding=encoding
    )
    table = _scanned(table, content)
    if _lacks_names(table, what, named):
        table = _scanned(replace(table, dialect=without_names(dialect)), content)
    table = replace(table, messages=tuple(_said(table.dialect, suffix)) + table.messages)
    parts = [re.fullmatch(r"(.*)_duplicated_\d+", name) for name in table.schema]
    if repeated := [found[1] for found in parts if found and found[1] in table.schema]:
        name = repeated[0]
        raise DataError(f"{path}: two columns are called {name!r}; rename one of them")
    return _typed_by_header(table) if suffix in _ATOMIC and dialect.names is None else table


def _dialect(path: Path, suffix: str, first: str) -> Dialect:
    name = (path.with_suffix("") if is_packed(path) else path).name.lower()
    if (layout := layout_of(name, first)) is not None:
        return layout
    if suffix in _PARTS_OF_MOVIELENS:
        raise _unknown_kind(path)
    as_csv = dialect_of_csv(first)
    if suffix == ".csv" or (suffix == ".tsv" and "\t" not in first and as_csv.mark in first):
        return as_csv
    return Dialect("\t", quotes=False) if suffix in (".tsv", *_ATOMIC) else dialect_of_dat(first)


def _lacks_names(table: Table, what: str, named: Collection[str]) -> bool:
    """Whether `named` counts the columns, as one does who finds a row in the first line."""
    names = list(table.schema)
    counted = [name for name in named if re.fullmatch(r"column_[1-9]\d*", name)]
    if table.dialect.names is not None or not counted or any(name in names for name in counted):
        return False
    try:
        find_columns(what, table.name, names, {}, ())
    except DataError:
        return True
    return False


def _said(dialect: Dialect, suffix: str) -> Iterator[str]:
    if suffix == ".csv" and dialect.mark != ",":
        yield f"separated by {dialect.mark!r}, not by commas"
    if suffix == ".tsv" and dialect.quotes and not dialect.skipped:
        yield f"no tab in its first line: separated by {dialect.mark!r}, as a .csv"
    if dialect.escaped:
        yield "a quote inside of quotes is written with a backslash before it"
    if dialect.names:
        yield f"a file of MovieLens: its columns are {', '.join(dialect.names[:5])}"
    elif dialect.names is not None:
        yield "its first line is a row: the columns are called column_1, column_2, …"


def _scanned(table: Table, content: bytes | None) -> Table:
    """The table with its rows, read on demand where the file can be taken as it is."""
    assert table.path is not None
    dialect = table.dialect
    if content is None and not dialect.is_standard:
        content = text_bytes(table.path, table.encoding)
    if content is not None and not dialect.is_standard:
        content = dialect.standard(content.decode()).encode()
    source = table.path if content is None else content
    if dialect.quotes and not in_order(source, dialect.separator):
        dialect, content = _with_quotes_in_order(table)
        letters = "a quote inside of a field that does not begin with one is a letter"
        table = replace(table, messages=() if dialect.escaped else (letters,), dialect=dialect)
    elif has_wide_rows(source, dialect.separator, quotes=dialect.quotes):
        raise unreadable(table, ValueError("its lines have different numbers of fields"))
    return replace(table, frame=_scan(table, content))


def _with_quotes_in_order(table: Table) -> tuple[Dialect, bytes]:
    """The file's text without a stray quote, and whether a backslash escapes quotes in it."""
    assert table.path is not None
    text = text_bytes(table.path, table.encoding).decode()
    dialects = [table.dialect]
    if '\\"' in text:
        dialects.append(replace(table.dialect, escaped=True))
    for dialect in dialects:
        standard = dialect.standard(text)
        fault = _first_fault(standard, replace(table, dialect=dialect))
        if fault is None:
            return dialect, mended(standard, dialect.separator).encode()
    assert fault is not None
    raise fault


def _first_fault(standard: str, table: Table) -> DataError | None:
    dialect = table.dialect
    return first_fault(
        standard,
        table.name,
        separator=dialect.separator,
        quotes=dialect.quotes,
        mark=dialect.mark,
        line=1 + dialect.skipped,
        header=dialect.names is None,
    )


def _scan(table: Table, content: bytes | None) -> pl.LazyFrame:
    """The text of every field, read on demand, or at once from `content` where that is known."""
    dialect = table.dialect
    how: dict[str, Any] = {
        "separator": dialect.separator,
        "quote_char": '"' if dialect.quotes else None,
        "has_header": dialect.names is None,
        "infer_schema": False,
    }
    try:
        if content is None:
            frame = pl.scan_csv(table.path, glob=False, **how)  # type: ignore[arg-type]
        else:
            frame = pl.read_csv(io.BytesIO(content), **how).lazy()
        return dialect.named(frame, list(frame.collect_schema()))
    except BROKEN as error:
        raise unreadable(table, error) from error


def _typed_by_header(table: Table) -> Table:
    """RecBole's `name:type` headers, taken apart."""
    parts = {column: column.partition(":") for column in table.schema}
    frame = table.frame.rename({column: part[0] for column, part in parts.items()})
    return replace(table, frame=frame, kinds={part[0]: part[2] for part in parts.values()})


def unreadable(table: Table, error: BaseException) -> DataError:
    """Why a file could not be read: the first line with a fault, if that is it."""
    if table.path is not None and table.untyped:
        try:
            text = text_bytes(table.path, table.encoding).decode()
        except DataError as wrong:
            return wrong
        fault = _first_fault(table.dialect.standard(text), table)
        if fault is not None:
            return fault
    reason = shorten(str(error).partition("\n")[0])
    advice = "" if table.path is None else ". Copy it or write it again, if it should be whole"
    return DataError(f"{table.name} cannot be read: {reason}{advice}")
