"""JSON documents and JSON lines → frames."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import polars as pl

from palate.core.errors import DataError
from palate.core.visible import quoted, shorten

_MOST_DIGITS = 38
"""Whole numbers with more do not fit into 128 bits: they are text."""

_HALF = re.compile(rb"\\u[dD][89a-fA-F]")
_BROKEN = (pl.exceptions.PolarsError, pl.exceptions.PanicException, ValueError)


@dataclass(frozen=True)
class _Records:
    """Records of a file, and where each stands: "record 3", or "line 7" where it has one."""

    name: str
    rows: Sequence[dict[str, Any]]
    lines: Sequence[int] | None = None

    def place(self, row: int) -> str:
        return f"record {row + 1}" if self.lines is None else f"line {self.lines[row]}"

    def frame(self) -> pl.DataFrame:
        """One column a field; a field must hold lists, records or plain values all through."""
        self._check_kinds()
        try:
            return pl.DataFrame(self.rows, infer_schema_length=None, strict=False)
        except UnicodeEncodeError as error:
            raise DataError(self._half_a_character(error)) from error
        except (*_BROKEN, TypeError, OverflowError) as error:
            reason = shorten(str(error).partition("\n")[0])
            raise DataError(f"{self.name} cannot be read: {reason}") from error

    def _half_a_character(self, error: UnicodeEncodeError) -> str:
        r"""Which record holds one half of a surrogate pair, as \ud83d is one of an emoji."""
        row = next(row for row, record in enumerate(self.rows) if error.object in _texts_in(record))
        return (
            f"{self.name}: {self.place(row)} holds {quoted(error.object)}, which is not valid"
            f" Unicode: character {error.start + 1} is half of one, such as an emoji that was cut."
            " Take it out"
        )

    def _check_kinds(self) -> None:
        """Raises `DataError` for a field of two kinds: polars would lose one of them, or both."""
        first: dict[tuple[str, ...], tuple[int, type[Any]]] = {}
        for row, record in enumerate(self.rows):
            for path, value in _parts_of(record, ()):
                kind = type(value) if isinstance(value, list | dict) else str
                known = first.setdefault(path, (row, kind))
                if known[1] is kind:
                    continue
                field = quoted(".".join(part for part in path if part))
                there = "itself" if known[0] == row else f"than in {self.place(known[0])}"
                raise DataError(
                    f"{self.name}: {field} is of another kind in {self.place(row)} {there}"
                    f" ({quoted(value)}); write it in one way: a list, a record or a plain value"
                )


def _parts_of(record: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """All values inside a record but nulls, by the fields above them; "" is for lists."""
    inside = record.items() if isinstance(record, dict) else (("", value) for value in record)
    for field, value in inside:
        if value is None:
            continue
        yield (*path, field), value
        if isinstance(value, list | dict):
            yield from _parts_of(value, (*path, field))


def _texts_in(value: Any) -> list[str]:
    """All texts inside a document of JSON, the names of fields too."""
    if isinstance(value, dict):
        return [text for pair in value.items() for one in pair for text in _texts_in(one)]
    if isinstance(value, list):
        return [text for one in value for text in _texts_in(one)]
    return [value] if isinstance(value, str) else []


def parse_json(content: bytes, name: str, key: str) -> pl.DataFrame:
    """A list of records, a mapping id → record (the ids become `key`), or in fact JSON lines.

    A field that a record holds twice has its last value. pandas' `orient="columns"`, "split" and
    "table" are read, too. Raises `DataError` for other documents, and for fields of two kinds.
    """
    try:
        if _is_lines(content):
            return parse_lines(content, name, key)
        document = _loaded(content)
    except (ValueError, RecursionError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{name} is not JSON: {shorten(str(error))}") from error
    records = _records(document, key)
    if records is None:
        raise DataError(
            f"{name}: a table in JSON is a list of records, or a mapping from ids to records. From"
            ' pandas: frame.to_json(path, orient="records")'
        )
    if not records:
        raise DataError(f"{name} is empty: it holds no record")
    return _Records(name, records).frame()


def _loaded(content: bytes) -> Any:
    return json.loads(content, parse_constant=_no_constant, parse_int=_whole_number)


def _whole_number(digits: str) -> int | str:
    return int(digits) if len(digits) <= _MOST_DIGITS else digits


def _no_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a value in JSON; write null for what is missing")


def _records(document: Any, key: str) -> list[dict[str, Any]] | None:
    if isinstance(document, dict) and (found := _of_pandas(document)) is not None:
        return found
    if isinstance(document, dict) and all(isinstance(row, dict) for row in document.values()):
        return [{key: name, **row} for name, row in document.items()]
    if isinstance(document, list) and all(isinstance(row, dict) for row in document):
        return document
    return None


def _of_pandas(document: dict[str, Any]) -> list[dict[str, Any]] | None:
    """What pandas writes with `orient="columns"`, its default, with "split" and with "table"."""
    names, rows = document.get("columns"), document.get("data")
    if isinstance(names, list) and isinstance(rows, list):
        return [dict(zip(names, row, strict=False)) for row in rows]
    if isinstance(document.get("schema"), dict) and isinstance(rows, list):
        return rows if all(isinstance(row, dict) for row in rows) else None
    columns = list(document.values())
    if not (columns and all(isinstance(column, dict) for column in columns)):
        return None
    first = list(columns[0])
    if not (first and all(row.isdecimal() for row in first)):
        return None
    if not all(list(column) == first for column in columns):
        return None
    return [{name: column[row] for name, column in document.items()} for row in first]


def _is_lines(content: bytes) -> bool:
    """Many .json files hold one record a line: then the first line is a whole record by itself."""
    first, _, rest = content.lstrip().partition(b"\n")
    try:
        record = json.loads(first)
    except ValueError:
        return False
    if not isinstance(record, dict):
        return False
    if rest.strip():
        return True
    return _of_pandas(record) is None and not all(isinstance(row, dict) for row in record.values())


def parse_lines(content: bytes, name: str, key: str) -> pl.DataFrame:
    """One record a line, read as `parse_json` reads a list of them, or in fact such a list.

    A line that is none raises `DataError` with its number.
    """
    if content.lstrip().startswith(b"[") and _is_list(content):
        return parse_json(content, name, key)
    try:
        frame = pl.read_ndjson(io.BytesIO(content), infer_schema_length=None)
    except _BROKEN:
        return _line_by_line(content, name)
    return _line_by_line(content, name) if _may_differ(content, frame) else frame


def _is_list(content: bytes) -> bool:
    """Whether it is one document, a list with records in it."""
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return False
    return bool(document) and isinstance(document[0], dict)


def _line_by_line(content: bytes, name: str) -> pl.DataFrame:
    """As Python reads JSON, slowly, and with the number of every line that is none."""
    records, numbers = [], []
    for number, line in enumerate(content.split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            record = _loaded(line)
        except json.JSONDecodeError as wrong:
            where = f"{name}, line {number} is not JSON"
            raise DataError(f"{where}: {wrong.msg} (column {wrong.colno})") from wrong
        except (ValueError, RecursionError) as wrong:
            raise DataError(f"{name}, line {number} is not JSON: {wrong}") from wrong
        if not isinstance(record, dict):
            said = quoted(line.decode().strip())
            raise DataError(f"{name}, line {number}: {said} is not a record such as {{'a': 1}}")
        records.append(record)
        numbers.append(number)
    return _Records(name, records, numbers).frame()


def _may_differ(content: bytes, frame: pl.DataFrame) -> bool:
    """Whether polars may have read something else than is written there.

    It turns half an emoji into NUL, takes the first of two values of one field, and makes text of
    lists and records in a field that also holds text.
    """
    return (
        _HALF.search(content) is not None
        or any(_given_twice(content, column) for column in frame)
        or _made_text(content, frame)
    )


def _given_twice(content: bytes, column: pl.Series) -> bool:
    """Whether some line names a field twice: in one record, or deeper inside."""
    named = json.dumps(column.name, ensure_ascii=False).encode()
    known = len(column) - column.null_count()
    if content.count(named) <= known:
        return False
    key = re.escape(named) + rb"\s*:"
    return re.search(key + rb"[^\n]*" + key, content) is not None


def _made_text(content: bytes, frame: pl.DataFrame) -> bool:
    doubts = {column.name: _doubtful(column) for column in frame}
    doubts = {name: rows for name, rows in doubts.items() if len(rows)}
    if not doubts:
        return False
    lines = [line for line in content.split(b"\n") if line.strip()]
    if len(lines) != len(frame) or any(frame.schema[name].is_nested() for name in doubts):
        return True
    return any(
        not isinstance(_loaded(lines[row]).get(name), str)
        for name, rows in doubts.items()
        for row in rows
    )


def _doubtful(column: pl.Series) -> pl.Series:
    """The rows with a text that may have been a list or a record; of nested columns, any at all."""
    if isinstance(column.dtype, pl.List):
        return _doubtful(column.explode())
    if isinstance(column.dtype, pl.Struct):
        parts = [_doubtful(column.struct.field(field.name)) for field in column.dtype.fields]
        return pl.concat(parts) if parts else pl.Series(dtype=pl.UInt32)
    if column.dtype != pl.String:
        return pl.Series(dtype=pl.UInt32)
    return column.str.contains(r"^[\[{]").fill_null(False).arg_true()
