"""One partition, from rows to a file of vectors: the work that all engines do."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from palate.core.arrays import Floats, Mask
from palate.core.columns import ITEM
from palate.core.errors import SHOWN_OFFENDERS, ConfigError, DataError
from palate.features.batch.encoder import fingerprint_of, ready
from palate.features.batch.folder import Written, frames_of, write_frames, written_before
from palate.features.batch.media_rows import MediaRows
from palate.features.batch.table import SKIP
from palate.features.batch.text_rows import RowReader, TextRows, ids_of
from palate.features.batch.work import Job, Part, stem_of
from palate.features.cache.store import without_cache


class Content(Protocol):
    """What the rows of a partition hold beside their ids; `faults` says why some hold nothing."""

    @property
    def faults(self) -> dict[int, str]: ...

    @property
    def missing(self) -> Mask:
        """Which rows hold nothing, and are not broken."""

    def content(self) -> Iterator[bytes]:
        """What the vectors depend on."""

    def encode(self, faults: dict[int, str]) -> Floats:
        """(n, d) vectors; zeros where there is none, and where `faults` says why, then or now."""


@dataclass(frozen=True)
class _Rows:
    """The rows of a partition that have an id of their own."""

    ids: pl.Series
    numbers: NDArray[np.int64]
    held: Content

    def digest(self, job: Job) -> str:
        """Names the vectors: equal where job, ids and contents are."""
        hasher = hashlib.blake2b(digest_size=10)
        hasher.update(json.dumps(job.identity, sort_keys=True).encode())
        hasher.update(self.ids.str.len_bytes().to_numpy().tobytes())
        hasher.update("".join(self.ids.to_list()).encode())
        for content in self.held.content():
            hasher.update(content)
        hasher.update(json.dumps(dict.fromkeys(sorted(self.held.faults))).encode())
        return hasher.hexdigest()


class Worker:
    """Holds the encoder and turns partitions into files, one after the other."""

    def __init__(self, job: Job) -> None:
        self.job = job

    @cached_property
    def encoder(self) -> Any:
        """Made from its settings; `ConfigError` where these make other vectors on this machine."""
        job = self.job
        encoder = ready(job)
        if fingerprint_of(encoder) != job.fingerprint:
            raise ConfigError(
                f"{job.encoder} would make other vectors on this machine than where the job began:"
                " give all machines the same model files and packages, and a dtype that is not auto"
            )
        return encoder

    def work(self, number: int, left_out: Sequence[int] = ()) -> Part:
        """Writes one partition, unless it is there already.

        `left_out` are rows without an id of their own. Raises `DataError` for rows that cannot be
        read or encoded, unless the job skips them, and where the file cannot be written.
        """
        start, stop = self.job.range_of(number)
        rows = self._read(start, stop, left_out)
        stem = Path(self.job.out) / f"{stem_of(number)}{rows.digest(self.job)}"
        done, damaged = written_before(self._there.get(stem.name, ()))
        faults = dict(rows.held.faults)
        if done is not None and self.job.on_error == "raise" and done.rows < len(rows.ids):
            done = None  # rows were skipped then
        kept = done is not None
        if done is not None:
            faults = _left_out_before(rows.ids, done) | faults
        else:
            done = write_frames(stem, self._frames(rows, faults, number))
        return Part(
            number,
            done.path.name,
            rows=stop - start,
            written=done.rows,
            missing=int(rows.held.missing.sum()),
            bad=len(rows.ids) - done.rows,
            dim=done.dim,
            kept=kept,
            faults=tuple(self._said(rows, faults)),
            damaged=tuple(path.name for path in damaged),
        )

    @cached_property
    def _reader(self) -> RowReader:
        return RowReader(self.job.source, self.job.id, self.job.columns, self.job.lists)

    @cached_property
    def _there(self) -> Mapping[str, Sequence[Path]]:
        """The files that lie in the folder when the work begins, by what they are of."""
        found = defaultdict(list)
        for path in sorted(Path(self.job.out).glob("part-*.parquet")):
            found[path.stem.rpartition("-")[0]].append(path)
        return found

    def _read(self, start: int, stop: int, left_out: Sequence[int]) -> _Rows:
        job = self.job
        names = [job.id] if job.folder is not None else [job.id, *job.columns]
        frame = job.source.read(start, stop, names)
        own = np.ones(stop - start, dtype=np.bool_)
        own[np.asarray(left_out, dtype=np.int64) - start] = False
        numbers = np.flatnonzero(own) + start
        frame = frame.filter(pl.Series(own))
        ids = ids_of(frame[job.id], where=f"{job.source.name}: column {job.id!r}")
        if job.folder is not None:
            return _Rows(ids, numbers, MediaRows.of(job, self.encoder, numbers))
        return _Rows(ids, numbers, TextRows.of(job, lambda: self.encoder, frame, self._reader))

    def _frames(self, rows: _Rows, faults: dict[int, str], number: int) -> list[pl.DataFrame]:
        """What is to be written: not the rows that `faults` tells of, then or now."""
        self._check_faultless(rows, faults)
        try:
            with without_cache():
                vectors = rows.held.encode(faults)
        except DataError as error:
            raise DataError(f"{self.job.named(number)}: ", error) from error
        self._check_faultless(rows, faults)
        present, ids = ~rows.held.missing, rows.ids
        if faults:
            good = np.ones(len(ids), dtype=np.bool_)
            good[list(faults)] = False
            ids, vectors, present = ids.filter(pl.Series(good)), vectors[good], present[good]
        return frames_of(ids, vectors, present, self.job.precision)

    def _check_faultless(self, rows: _Rows, faults: dict[int, str]) -> None:
        if faults and self.job.on_error == "raise":
            more = len(faults) - SHOWN_OFFENDERS
            said = "; ".join(self._said(rows, faults)) + (f"; and {more} more" if more > 0 else "")
            raise DataError(f"{said}. Mend them, or leave such rows out: ", SKIP)

    def _said(self, rows: _Rows, faults: dict[int, str]) -> Iterator[str]:
        for place in sorted(faults)[:SHOWN_OFFENDERS]:
            where = self.job.source.place(int(rows.numbers[place]))
            yield f"{where} (item {rows.ids[place]!r}): {faults[place]}"


def _left_out_before(ids: pl.Series, done: Written) -> dict[int, str]:
    """The rows that a file lacks which is there already; the reasons are no longer known."""
    if done.rows == len(ids):
        return {}
    there = pl.scan_parquet(done.path, glob=False).select(ITEM).collect()[ITEM]
    lacking = (~ids.is_in(there.implode())).arg_true().to_list()
    return dict.fromkeys(lacking, "it could not be read or encoded when its file was written")
