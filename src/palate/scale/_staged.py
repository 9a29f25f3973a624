"""Tables of text → Parquet, streamed, before their rows are numbered."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, cast

import polars as pl

from palate._visible import visible
from palate.data._encodings import garbled_by, is_utf8
from palate.data._formats import BROKEN, open_table
from palate.data._text_files import check_encoding, is_packed, text_bytes
from palate.errors import DataError, shortened, shown

LINES = (".jsonl", ".ndjson")
GROUP_ROWS = 2**16
_PROBE_LINES = 10_000
_BLOCK = 2**20
_MOST_EXPLAINED = 2**28
"""Bytes of a file that is read whole to say what is wrong with its encoding."""


def as_parquet(path: Path, staged: Path, on_error: str, encoding: str = "utf-8") -> Path:
    """The same rows as Parquet; done again only where the file has changed.

    Where it cannot be read and `on_error` is "skip", bytes that are none of `encoding` become "�",
    and lines that are no JSON record rows without anything. Raises `DataError` for what is beyond
    that.
    """
    check_encoding(encoding)
    state = path.stat()
    identity = [str(path.absolute()), state.st_size, state.st_mtime_ns, on_error]
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
                "times. If that is no mere slip, save the file as UTF-8, or say its encoding=, and "
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
        reason = shortened(str(error).partition("\n")[0])
        advice = ""
        if "utf" in reason.lower():
            _explain_encoding(path, "utf-8")
            advice = '. Save it as UTF-8, or put "�" for what is broken: on_error="skip"'
        elif path.suffix.lower() in LINES:
            advice = '. Mend the line, or leave such lines out: on_error="skip"'
        raise DataError(f"{path} cannot be read: {reason}{advice}") from error
    finally:
        temporary.unlink(missing_ok=True)


def _explain_encoding(path: Path, encoding: str) -> None:
    """Raises `DataError` that says what is wrong with a text that is not in that encoding."""
    if path.stat().st_size > _MOST_EXPLAINED:
        return
    try:
        text_bytes(path, encoding)
    except DataError as error:
        raise DataError(f'{error}. Or put "�" for what is broken: on_error="skip"') from error


def _check_not_garbled(path: Path, encoding: str) -> None:
    with _opened(path) as file:
        head = file.read(_BLOCK)
        head += file.readline()
    words = garbled_by(head, encoding)
    if words is not None:
        raise DataError(
            f"{path} is in UTF-8: encoding={encoding!r} makes {shown(words[1])} of"
            f" {shown(words[0])}. Leave encoding= out"
        )


def _scan(path: Path, probed: int | None) -> pl.LazyFrame:
    if path.suffix.lower() in LINES:
        return pl.scan_ndjson(path, infer_schema_length=probed)
    return open_table(path, what="items", key="item_id").frame


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
        raise DataError(str(error).replace(str(copy), str(path))) from error
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
