"""One partition, from rows to a file of vectors: the work that all engines do."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from palate.encoders._cache import without_cache
from palate.errors import SHOWN_OFFENDERS, ConfigError, DataError
from palate.scale._encoder import fingerprint_of, ready
from palate.scale._texts import ids_of, is_blank, texts_of
from palate.scale._work import Job, Part, stem_of
from palate.scale._write import write_vectors, written_before
from palate.types import Floats, Mask

MOST_FAULTS = 1000


@dataclass(frozen=True)
class _Rows:
    """The rows of a partition that have an id; `faults` says why some have no text."""

    ids: pl.Series
    texts: list[str]
    numbers: NDArray[np.int64]
    faults: dict[int, str]

    @cached_property
    def blank(self) -> Mask:
        mask = is_blank(self.texts)
        mask[list(self.faults)] = False
        return mask

    def digest(self, job: Job) -> str:
        """Names the vectors: equal where job, ids and texts are."""
        hasher = hashlib.blake2b(digest_size=10)
        hasher.update(json.dumps(job.identity, sort_keys=True).encode())
        for column in (self.ids, pl.Series(self.texts, dtype=pl.String)):
            hasher.update(column.str.len_bytes().to_numpy().tobytes())
            hasher.update("".join(column.to_list()).encode())
        hasher.update(json.dumps(self.faults, sort_keys=True).encode())
        return hasher.hexdigest()


class Worker:
    """Holds the encoder and turns partitions into files, one after the other."""

    def __init__(self, job: Job) -> None:
        self.job = job

    @cached_property
    def encoder(self) -> Any:
        """Made from its settings; `ConfigError` where these make other vectors on this machine."""
        job = self.job
        encoder = ready(job.use, job.settings, job.template, job.source, job.columns)
        if fingerprint_of(encoder) != job.fingerprint:
            raise ConfigError(
                f"{job.use} would make other vectors on this machine than where the job began: give"
                " all machines the same model files and packages, and a dtype that is not auto"
            )
        return encoder

    def work(self, number: int, left_out: Sequence[int] = ()) -> Part:
        """Writes one partition, unless it is there already.

        `left_out` are rows without an id of their own. Raises `DataError` for rows that cannot be
        read or encoded, unless the job skips them, and where the file cannot be written.
        """
        start, stop = self.job.range_of(number)
        rows = self._read(start, stop, left_out)
        path = Path(self.job.out) / f"{stem_of(number)}{rows.digest(self.job)}.parquet"
        done, faults = written_before(path), dict(rows.faults)
        if done is not None and self.job.on_error == "raise" and done[0] < len(rows.ids):
            done = None  # rows were skipped then
        kept = done is not None
        if done is None:
            vectors = self._encoded(rows, faults, number)
            good = np.ones(len(rows.ids), dtype=np.bool_)
            good[list(faults)] = False
            present = ~rows.blank[good]
            ids = rows.ids.filter(pl.Series(good))
            done = write_vectors(path, ids, vectors[good], present, self.job.precision)
        written, dim = done
        blank, said = int(rows.blank.sum()), tuple(self._said(rows, faults))
        return Part(number, path.name, stop - start, written, blank, dim, kept, said)

    def _read(self, start: int, stop: int, left_out: Sequence[int]) -> _Rows:
        job = self.job
        frame = job.source.read(start, stop, [job.id, *job.columns])
        own = np.ones(stop - start, dtype=np.bool_)
        own[np.asarray(left_out, dtype=np.int64) - start] = False
        frame = frame.filter(pl.Series(own))
        ids = ids_of(frame[job.id], where=f"{job.source.name}: column {job.id!r}")
        texts, faults = texts_of(frame, job.template, job.columns)
        return _Rows(ids, texts, np.flatnonzero(own) + start, faults)

    def _encoded(self, rows: _Rows, faults: dict[int, str], number: int) -> Floats:
        """(n, d): zeros for blank rows and for those that `faults` tells of, then or now."""
        if faults and self.job.on_error == "raise":
            said = "; ".join(self._said(rows, faults))
            raise DataError(f'{said}. Mend them, or leave such rows out: on_error="skip"')
        wanted = ~rows.blank
        wanted[list(faults)] = False
        places = np.flatnonzero(wanted)
        try:
            with without_cache():
                found = list(self._halves(rows.texts, places, faults))
                width = found[0][1].shape[1] if found else self._vectors([""]).shape[1]
        except DataError as error:
            raise DataError(f"{self.job.named(number)}: {error}") from error
        vectors = np.zeros((len(rows.ids), width), dtype=np.float32)
        for places, encoded in found:
            vectors[places] = encoded
        return vectors

    def _halves(
        self, texts: list[str], places: NDArray[np.int64], faults: dict[int, str]
    ) -> Iterator[tuple[NDArray[np.int64], Floats]]:
        """All at once; where that fails and rows may be skipped, each half by itself."""
        if not len(places):
            return
        try:
            yield places, self._vectors([texts[place] for place in places])
            return
        except DataError as error:
            if self.job.on_error == "raise":
                raise
            if len(faults) >= MOST_FAULTS:
                raise DataError(
                    f"more than {MOST_FAULTS:,} rows fail, the last: {error}"
                ) from error
            if len(places) == 1:
                faults[int(places[0])] = str(error)
                return
        middle = len(places) // 2
        yield from self._halves(texts, places[:middle], faults)
        yield from self._halves(texts, places[middle:], faults)

    def _vectors(self, texts: list[str]) -> Floats:
        vectors = self.encoder.encode_texts(texts)
        if sparse.issparse(vectors):
            raise ConfigError(f"{self.job.use} makes sparse vectors, which go into no such file")
        dense: Floats = np.asarray(vectors, dtype=np.float32)
        if dense.ndim != 2 or len(dense) != len(texts):
            shape = f"{dense.shape} for {len(texts)} texts"
            raise ConfigError(f"{self.job.use} gives vectors of shape {shape}")
        if broken := np.flatnonzero(~np.isfinite(dense).all(axis=1)).tolist():
            shown = ", ".join(repr(texts[row][:60]) for row in broken[:SHOWN_OFFENDERS])
            raise DataError(f"the encoder gave NaN or infinity for {len(broken)} texts: {shown}")
        return dense

    def _said(self, rows: _Rows, faults: dict[int, str]) -> Iterator[str]:
        for place in sorted(faults)[:SHOWN_OFFENDERS]:
            where = self.job.source.place(int(rows.numbers[place]))
            yield f"{where} (item {rows.ids[place]!r}): {faults[place]}"
