"""JSON documents and JSON lines → frames."""

from __future__ import annotations

import io
import json
from typing import Any, NoReturn

import polars as pl

from palate.errors import DataError


def parse_json(content: bytes, name: str, key: str) -> pl.DataFrame:
    """A list of records, a mapping id → record (the ids become `key`), or in fact JSON lines."""
    try:
        if _is_lines(content):
            return parse_lines(content, name, key)
        document = json.loads(content, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{name} is not JSON: {error}") from error
    records = _records(document, key)
    if records is None:
        raise DataError(
            f"{name}: a table in JSON is a list of records, or a mapping from ids to records"
        )
    if not records:
        raise DataError(f"{name} is empty: it holds no record")
    try:
        return pl.DataFrame(records, infer_schema_length=None, strict=False)
    except UnicodeEncodeError as error:
        raise DataError(_half_a_character(records, name, error)) from error
    except (pl.exceptions.PolarsError, TypeError, OverflowError) as error:
        raise DataError(_of_two_kinds(records, name, error)) from error


def _half_a_character(records: list[dict[str, Any]], name: str, error: UnicodeEncodeError) -> str:
    r"""Which record holds one half of a surrogate pair, as \ud83d is one of an emoji."""
    number = next(row for row, record in enumerate(records, 1) if error.object in _texts_in(record))
    return (
        f"{name}: record {number} holds {error.object[:60]!r}, which is not valid Unicode: "
        f"character {error.start + 1} is half of one, such as an emoji that was cut. Take it out"
    )


def _texts_in(value: Any) -> list[str]:
    """All texts inside a document of JSON, the names of fields too."""
    if isinstance(value, dict):
        return [text for pair in value.items() for one in pair for text in _texts_in(one)]
    if isinstance(value, list):
        return [text for one in value for text in _texts_in(one)]
    return [value] if isinstance(value, str) else []


def _of_two_kinds(records: list[dict[str, Any]], name: str, error: Exception) -> str:
    """Which field holds lists or records here and plain values there."""
    first: dict[str, tuple[int, type[Any]]] = {}
    for number, record in enumerate(records, start=1):
        for field, value in record.items():
            kind = type(value) if isinstance(value, list | dict) else str
            if value is None or first.setdefault(field, (number, kind))[1] is kind:
                continue
            return (
                f"{name}: {field!r} is of another kind in record {number} than in record"
                f" {first[field][0]} ({value!r:.40}); write it in one way"
            )
    return f"{name} cannot be read: {str(error).splitlines()[0]}"


def _records(document: Any, key: str) -> list[dict[str, Any]] | None:
    if isinstance(document, dict) and all(isinstance(row, dict) for row in document.values()):
        return [{key: name, **row} for name, row in document.items()]
    if isinstance(document, list) and all(isinstance(row, dict) for row in document):
        return document
    return None


def _is_lines(content: bytes) -> bool:
    """Many .json files hold one record a line: then the first line is a whole record by itself."""
    first, _, rest = content.lstrip().partition(b"\n")
    try:
        record = json.loads(first)
    except ValueError:
        return False
    if not isinstance(record, dict):
        return False
    return bool(rest.strip()) or not all(isinstance(value, dict) for value in record.values())


def parse_lines(content: bytes, name: str, key: str) -> pl.DataFrame:
    """One record a line; a line that is none raises `DataError` with its number."""
    try:
        return pl.read_ndjson(io.BytesIO(content), infer_schema_length=None)
    except (pl.exceptions.PolarsError, ValueError) as error:
        raise DataError(_first_bad_line(content, name, error)) from error


def _first_bad_line(content: bytes, name: str, error: Exception) -> str:
    for number, line in enumerate(content.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line, parse_constant=_no_constant)
        except json.JSONDecodeError as wrong:
            return f"{name}, line {number} is not JSON: {wrong.msg} (column {wrong.colno})"
        except (ValueError, RecursionError) as wrong:
            return f"{name}, line {number} is not JSON: {wrong}"
        if not isinstance(record, dict):
            return f"{name}, line {number}: {line[:40]!r} is not a record such as {{'a': 1}}"
    return f"{name} cannot be read: {str(error).splitlines()[0]}"


def _no_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a value in JSON; write null for what is missing")
