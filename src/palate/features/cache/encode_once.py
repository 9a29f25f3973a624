"""Whatever was encoded once is not encoded again: the loop between an encoder and the cache."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from palate.core.arrays import Batches, Floats, Mask
from palate.core.errors import DataError, first_offenders
from palate.core.progress import task
from palate.features.cache.shards import Keys
from palate.features.cache.store import NoCache, VectorCache, open_cache

SAVE_EVERY_SECONDS = 5.0


def encode_once(
    keys: Keys,
    batches: Callable[[NDArray[np.int64]], Batches],
    *,
    fingerprint: str,
    named: Callable[[int], str],
    unit: str,
    doing: Callable[[], str] = str,
    dim: int | None = None,
    folder: Path | None = None,
) -> tuple[Floats, Mask]:
    """(n, dim) vectors of unique `keys`, and which rows have one; the others are zeros.

    `batches` is asked for the rows that the cache lacks. What comes is saved every few seconds and
    when an error or the keyboard interrupts, so that a job that was killed goes on where it was.
    `named` says what a row is in errors. Progress goes to `palate.progress`. `folder` overrides
    the cache's. Raises `DataError` for vectors that are not finite, or of another length.
    """
    cache = open_cache(fingerprint, folder)
    width = dim or cache.dim or 0
    vectors = np.zeros((len(keys), width), dtype=np.float32)
    known = cache.find(keys, vectors) if width else np.zeros(len(keys), dtype=np.bool_)
    missing = np.flatnonzero(~known)
    if not len(missing):
        return vectors, known
    with (
        _Saver(cache, keys) as saver,
        task(f"encode {unit} {doing()}".strip(), len(keys), unit) as did,
    ):
        did(len(keys) - len(missing))
        for rows, encoded in batches(missing):
            _check(encoded, rows, width, named)
            if not width:
                width = encoded.shape[1]
                vectors = np.zeros((len(keys), width), dtype=np.float32)
            vectors[rows] = encoded
            known[rows] = True
            saver.encoded(rows, encoded)
            did(len(rows))
    return vectors, known


class _Saver:
    """Puts encoded rows into the cache every few seconds, and at the end however that comes."""

    def __init__(self, cache: VectorCache | NoCache, keys: Keys) -> None:
        self.cache, self.keys = cache, keys
        self.waiting: list[tuple[NDArray[np.int64], Floats]] = []
        self.saved_at = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        if self.waiting:
            self.save()
        self.cache.merge()

    def encoded(self, rows: NDArray[np.int64], vectors: Floats) -> None:
        if isinstance(self.cache, NoCache):
            return
        self.waiting.append((rows, vectors))
        if time.monotonic() - self.saved_at > SAVE_EVERY_SECONDS:
            self.save()

    def save(self) -> None:
        rows = np.concatenate([rows for rows, _ in self.waiting])
        self.cache.add(self.keys[rows], np.concatenate([vectors for _, vectors in self.waiting]))
        self.waiting = []
        self.saved_at = time.monotonic()


def _check(
    encoded: Floats, rows: NDArray[np.int64], width: int, named: Callable[[int], str]
) -> None:
    if encoded.shape != (len(rows), width or encoded.shape[-1]):
        wanted = f"({len(rows)}, {width or 'dimensions'})"
        raise DataError(f"the encoder gave vectors of shape {encoded.shape}, not {wanted}")
    broken = rows[~np.isfinite(encoded).all(axis=1)]
    if len(broken):
        shown = [named(row)[:60] for row in broken.tolist()]
        raise DataError(
            f"the encoder gave NaN or infinity for {first_offenders(shown, len(shown))}"
        )
