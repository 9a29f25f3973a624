"""The photos or sounds of a partition: what names their contents, and their vectors."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from palate.core.arrays import Floats, Mask
from palate.features.batch.table import Source
from palate.features.batch.text_rows import decoded
from palate.features.batch.work import Job
from palate.features.encoders._media import MediaEncoder
from palate.features.encoders.media.sources import Sources, allowed_folder

ROWS_AT_ONCE = 64  # of a column of bytes
RUNS_KEPT = 3  # so many times these are in memory: files are read some rows ahead


@dataclass(frozen=True)
class MediaRows:
    """One photo or sound a row, or none; `faults` says why some cannot be read.

    Nothing is kept of a file's bytes but 128 bits that name them: it is read again to be encoded.
    """

    encoder: MediaEncoder
    sources: Sources
    digests: dict[int, bytes]
    faults: dict[int, str]

    @classmethod
    def of(cls, job: Job, encoder: MediaEncoder, numbers: NDArray[np.int64]) -> Self:
        """Of the rows with these numbers in the whole table."""
        assert job.folder is not None, "a job of texts"
        values, faults = _values(job.source, job.columns[0], numbers)
        sources = Sources(values, allowed_folder(job.folder))
        digests = encoder.digests(sources, faults)
        rows = cls(encoder, sources, digests, {})
        rows.faults.update(rows._named(faults))
        return rows

    @cached_property
    def missing(self) -> Mask:
        """Which rows hold nothing."""
        mask = np.ones(len(self.sources.values), dtype=np.bool_)
        mask[[*self.digests, *self.faults]] = False
        return mask

    def content(self) -> Iterator[bytes]:
        """What the vectors depend on: not where a file lies or what it is called."""
        yield np.array(sorted(self.digests), dtype="<i8").tobytes()
        yield b"".join(self.digests[row] for row in sorted(self.digests))

    def encode(self, faults: dict[int, str]) -> Floats:
        """(n, d): zeros for rows without one, and for those that `faults` tells of then or now."""
        found: dict[int, str] = {}
        vectors, _ = self.encoder.encode_sources(self.sources, self.digests, found)
        faults.update(self._named(found))
        if vectors.shape[1]:
            return vectors
        return np.zeros((len(vectors), self.encoder.width), dtype=np.float32)

    def _named(self, faults: dict[int, str]) -> dict[int, str]:
        """Why rows are bad, with what the column holds there, and where a path starts."""
        lasting = isinstance(self.sources.values, StoredBytes)
        where = "" if lasting else f" in {self.sources.folder}"
        named = {row: f"{self.sources.name(row)}{where}: " for row in faults}
        return {  # of a cell that is no text nothing can be shown
            row: why if self.sources.values[row] is None else named[row] + why
            for row, why in faults.items()
        }


def _values(
    source: Source, column: str, numbers: NDArray[np.int64]
) -> tuple[Sequence[Any], dict[int, str]]:
    """Paths, or bytes that are read when they are asked for; None for a row without either."""
    if source.schema[column] == pl.Binary:
        return StoredBytes(source, column, numbers), {}
    start, stop = (int(numbers[0]), int(numbers[-1]) + 1) if len(numbers) else (0, 0)
    if not stop:
        return [], {}
    frame = source.read(start, stop, [column])
    paths, faults = decoded(frame[column][numbers - start])
    return [None if not path or path.isspace() else path for path in paths.to_list()], faults


class StoredBytes(Sequence[bytes | None]):
    """Rows of a column of bytes, some of which are in memory at a time; None where empty."""

    def __init__(self, source: Source, column: str, numbers: NDArray[np.int64]) -> None:
        self.source, self.column, self.numbers = source, column, numbers
        self._runs: OrderedDict[int, list[bytes | None]] = OrderedDict()
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, place: Any) -> Any:
        run, row = divmod(int(place), ROWS_AT_ONCE)
        if not 0 <= place < len(self):
            raise IndexError(place)
        with self._lock:
            if run not in self._runs:
                self._runs[run] = self._read(run)
            self._runs.move_to_end(run)
            while len(self._runs) > RUNS_KEPT:
                self._runs.popitem(last=False)
            value = self._runs[run][row]
        return None if not value or value.isspace() else value

    def _read(self, run: int) -> list[bytes | None]:
        numbers = self.numbers[run * ROWS_AT_ONCE : (run + 1) * ROWS_AT_ONCE]
        start = int(numbers[0])
        frame = self.source.read(start, int(numbers[-1]) + 1, [self.column])
        return frame[self.column][numbers - start].to_list()


def folder_of(given: str | Path) -> str:
    """The whole path of the folder that paths start in; `DataError` where there is none."""
    return str(allowed_folder(str(given)).resolve())
