"""Tables of text → Parquet, streamed, before their rows are numbered."""

from __future__ import annotations

import codecs
import gzip
import hashlib
import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from palate._visible import visible
from palate.data._formats import open_table
from palate.data._text_files import UTF8
from palate.errors import DataError

LINES = (".jsonl", ".ndjson")
GROUP_ROWS = 2**16
_PROBE_LINES = 10_000
_BLOCK = 2**20


def as_parquet(path: Path, staged: Path, on_error: str) -> Path:
    """The same rows as Parquet; done again only where the file has changed.

    Where it cannot be read and `on_error` is "skip", bytes that are no UTF-8 become "�", and lines
    that are no JSON record rows without anything. Raises `DataError` for what is beyond that.
    """
    state = path.stat()
    identity = [str(path.absolute()), state.st_size, state.st_mtime_ns, on_error]
    digest = hashlib.blake2b(json.dumps(identity).encode(), digest_size=8).hexdigest()
    target = staged / f"{path.name}.{digest}.parquet"
    if target.is_file():
        return target
    staged.mkdir(parents=True, exist_ok=True)
    try:
        _convert(path, target, _PROBE_LINES)
    except DataError:
        if on_error != "skip":
            raise
        broken = _convert_mended(path, target)
        if broken:
            warnings.warn(
                f'{visible(str(path))}: what is no UTF-8 became "�", {broken:,} times. If that is '
                "no mere slip, save the file as UTF-8 and encode it anew",
                RuntimeWarning,
                stacklevel=2,
            )
    return target


def _convert(path: Path, target: Path, probed: int | None) -> None:
    temporary = target.with_suffix(".tmp")
    try:
        _scan(path, probed).sink_parquet(temporary, row_group_size=GROUP_ROWS)
        temporary.replace(target)
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = str(error).splitlines()[0]
        advice = ""
        if "utf" in reason.lower():
            advice = '. Save it as UTF-8, or put "�" for what is broken: on_error="skip"'
        elif path.suffix.lower() in LINES:
            advice = '. Mend the line, or leave such lines out: on_error="skip"'
        raise DataError(f"{path} cannot be read: {reason}{advice}") from error
    finally:
        temporary.unlink(missing_ok=True)


def _scan(path: Path, probed: int | None) -> pl.LazyFrame:
    if path.suffix.lower() in LINES:
        return pl.scan_ndjson(path, infer_schema_length=probed)
    return open_table(path, what="items", key="item_id", encoding=UTF8[0]).frame


def _convert_mended(path: Path, target: Path) -> int:
    """How many letters were broken."""
    name = path.name.removesuffix(path.suffix) if path.suffix == ".gz" else path.name
    copy = target.parent / f"mended.{name}"
    broken = 0
    try:
        with copy.open("wb") as file:
            for text in _mended(path):
                broken += text.count("�")
                file.write(text.encode("utf-8", "replace"))
        _convert(copy, target, None)
    except DataError as error:
        raise DataError(str(error).replace(str(copy), str(path))) from error
    finally:
        copy.unlink(missing_ok=True)
    return broken


def _mended(path: Path) -> Iterator[str]:
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        if path.suffix.lower() in LINES:
            yield from (_record(line) for line in file if line.strip())
            return
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        while block := file.read(_BLOCK):
            yield decoder.decode(block)
        yield decoder.decode(b"", final=True)


def _record(line: bytes) -> str:
    """A line of JSON; one without anything where it is no record."""
    try:
        record: Any = json.loads(line.decode("utf-8", "replace"))
        said = json.dumps(record, ensure_ascii=False, allow_nan=False)
    except (ValueError, RecursionError):
        return "{}\n"
    return f"{said}\n" if isinstance(record, dict) else "{}\n"
