"""Lists for everybody, written to one file as they come: memory does not grow with people."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl

from palate.core.errors import ConfigError, DataError, did_you_mean
from palate.core.files import whole_file
from palate.core.histories import Histories
from palate.core.paths import path_of
from palate.core.progress import task
from palate.core.types import Recommendations

_LINES: Final = 500_000  # of a chunk, at most: some 50 MB of table
_CELLS: Final = 64_000_000  # of scores behind a chunk, so that progress is seen


@dataclass(frozen=True)
class WrittenLists:
    """What was written: the file, for how many people, in how many lines."""

    path: Path
    users: int
    lines: int

    def __str__(self) -> str:
        return f"{self.lines:,} recommendations for {self.users:,} people, saved in {self.path}"


def check_out(path: object) -> Path:
    """The file to write, once its suffix and its place are known to do; else `ConfigError`.

    `DataError` for a place where nothing can be written.
    """
    out = path_of(path, "the file of recommendations", ConfigError)
    if out.suffix.lower() not in _WRITERS:
        known = did_you_mean(out.suffix.lower(), _WRITERS)
        raise ConfigError(f"{out} cannot be written: its suffix says no format.{known}")
    if out.is_dir():
        raise DataError(f"{out} is a folder: name a file, such as {out / 'lists.parquet'}")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{out} could not be written: {error.strerror}") from error
    return out


def write_lists(
    out: Path, histories: Histories, k: int, recommend: Callable[[Histories], Recommendations]
) -> WrittenLists:
    """Recommends to everybody in `histories`, a chunk at a time, into one file.

    Until all is there a file of that name stays as it was. Raises `DataError` where it cannot be
    written.
    """
    columns = max(len(histories.item_ids), 1)
    step = max(1, min(_LINES // min(k, columns), _CELLS // columns))
    lines = 0

    def tables() -> Iterator[pl.DataFrame]:
        nonlocal lines
        with task("recommending", len(histories), "people") as done:
            for start in range(0, max(len(histories), 1), step):
                part = histories.take(slice(start, start + step))
                table = recommend(part.compact()).table
                lines += len(table)
                yield table
                done(len(part))

    try:
        with whole_file(out) as temporary:
            _WRITERS[out.suffix.lower()](temporary, tables())
    except OSError as error:
        raise DataError(f"{out} could not be written: {error.strerror or error}") from error
    return WrittenLists(out, int(np.count_nonzero(histories.user_ids.is_first_distinct())), lines)


def _write_parquet(path: Path, tables: Iterator[pl.DataFrame]) -> None:
    """Parts beside the file first; then polars streams them into one."""
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".palate-") as folder:
        parts = []
        for number, table in enumerate(tables):
            parts.append(Path(folder) / f"{number:06d}.parquet")
            table.write_parquet(parts[-1])
        pl.scan_parquet(parts).sink_parquet(path)


def _write_csv(path: Path, tables: Iterator[pl.DataFrame]) -> None:
    with path.open("wb") as file:
        for number, table in enumerate(tables):
            table.write_csv(file, include_header=number == 0)


def _write_jsonl(path: Path, tables: Iterator[pl.DataFrame]) -> None:
    with path.open("wb") as file:
        for table in tables:
            table.write_ndjson(file)


_WRITERS: Final[Mapping[str, Callable[[Path, Iterator[pl.DataFrame]], Any]]] = {
    ".parquet": _write_parquet,
    ".csv": _write_csv,
    ".jsonl": _write_jsonl,
    ".ndjson": _write_jsonl,
}
