"""Vectors on disk by the content of their text: what was encoded once is not encoded again.

A folder holds, for each encoder's fingerprint, immutable shards. Nothing is ever changed in place,
so a process may be killed at any moment, and several may share the folder: each writes shards of
its own, and a text that two of them encoded is only there twice until shards are merged.
"""

from __future__ import annotations

import contextlib
import time
import warnings
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from hashlib import blake2b
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from palate.core.arrays import Floats
from palate.core.checks import not_unicode
from palate.core.files import ENVIRONMENT_VARIABLE, STRAY_AFTER_SECONDS, cache_folder
from palate.core.visible import visible
from palate.features.cache.shards import (
    SUFFIX,
    DamagedError,
    Keys,
    Shard,
    born,
    read_shard,
    write_shard,
)

MERGED_FROM = 16
SMALL_BYTES = 64 * 2**20
MERGED_BYTES = 256 * 2**20
_TRIES = 10
_GONE = "gone"

_warned: set[str] = set()
_bypassed: ContextVar[bool] = ContextVar("palate_without_cache", default=False)


def keys_of(texts: Sequence[str]) -> Keys:
    """(n, 2) uint64: blake2b of 128 bits of each text; `DataError` for what is not Unicode."""
    try:
        digests = [blake2b(text.encode(), digest_size=16).digest() for text in texts]
    except UnicodeEncodeError as error:
        raise not_unicode(error) from error
    return np.frombuffer(b"".join(digests), dtype="<u8").reshape(-1, 2)


@contextlib.contextmanager
def without_cache() -> Iterator[None]:
    """Nothing inside this block reads the cache or adds to it: who asks keeps the vectors."""
    token = _bypassed.set(True)
    try:
        yield
    finally:
        _bypassed.reset(token)


def open_cache(fingerprint: str, folder: Path | None = None) -> VectorCache | NoCache:
    """The vectors of one encoder, or none of them inside of `without_cache`."""
    return NoCache() if _bypassed.get() else VectorCache(fingerprint, folder)


class NoCache:
    """Knows nothing and keeps nothing."""

    dim = None

    def find(self, keys: Keys, out: Floats) -> NDArray[np.bool_]:
        return np.zeros(len(keys), dtype=np.bool_)

    def add(self, keys: Keys, vectors: Floats) -> None:
        pass

    def merge(self) -> None:
        pass


class VectorCache:
    """The vectors of one encoder. Every failure of the disk costs a warning and some time only."""

    def __init__(self, fingerprint: str, folder: Path | None = None) -> None:
        self.folder = (folder or cache_folder()) / "vectors" / fingerprint
        self.writable = True
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._sweep()
        except OSError as error:
            self._give_up(error)
        self.shards = self._read()

    @property
    def dim(self) -> int | None:
        """The length of the vectors; None while there are none."""
        return self.shards[0].dim if self.shards else None

    def find(self, keys: Keys, out: Floats) -> NDArray[np.bool_]:
        """Fills the rows of `out` whose keys are known; says which those are."""
        places = np.argsort(keys[:, 0])  # shards are in this order: they are read from front to end
        keys = keys[places]
        found = np.zeros(len(keys), dtype=np.bool_)
        for shard in self.shards:
            if shard.dim != out.shape[1]:
                self._set_aside(shard.path, f"it has vectors of {shard.dim}, not {out.shape[1]}")
                continue
            if shard.is_cut_off:
                self._set_aside(shard.path, "it was cut off")
                continue
            wanted = np.flatnonzero(~found)
            rows = shard.find(keys[wanted])
            wanted, rows = wanted[rows >= 0], rows[rows >= 0]
            if not len(rows):
                continue
            intact = shard.copy(rows, out, places[wanted])
            if not intact.all():
                self._set_aside(shard.path, f"{(~intact).sum()} vectors are not as written")
            found[wanted] = intact
        known = np.empty_like(found)
        known[places] = found
        return known

    def add(self, keys: Keys, vectors: Floats) -> None:
        """Writes a shard of its own for these."""
        if not self.writable or not len(keys):
            return
        try:
            write_shard(self.folder, keys, vectors)
        except OSError as error:
            self._give_up(error)

    def merge(self) -> None:
        """One shard in the place of many small ones. Readers keep what they have open.

        A shard is deleted only after what it held is on the disk in another, so two processes
        may merge at once: the worst is a vector held twice.
        """
        small = self._small_shards() if self.writable else []
        if len(small) < MERGED_FROM:
            return
        keys, vectors = _first_of_each(small)
        try:
            write_shard(self.folder, keys, vectors, born=born(small[0].path))
        except OSError as error:
            self._give_up(error)
            return
        for shard in small:
            with contextlib.suppress(OSError):  # another process may have been quicker
                shard.path.unlink()
        self.shards = self._read()

    def _small_shards(self) -> list[Shard]:
        """The oldest small shards of the same length of vectors, as many as one shard may hold."""
        self.shards = self._read()
        small, total = [], 0
        for shard in self.shards:
            size = shard.vectors.nbytes
            if size < SMALL_BYTES and shard.dim == self.dim and total + size <= MERGED_BYTES:
                small.append(shard)
                total += size
        return small

    def _paths(self) -> list[Path]:
        return sorted(self.folder.glob(f"[0-9]*{SUFFIX}"))

    def _read(self) -> list[Shard]:
        """All shards, oldest first; again from the start if one was merged away meanwhile."""
        shards: list[Shard] = []
        for _ in range(_TRIES):
            try:
                found = [self._read_one(path) for path in self._paths()]
            except OSError as error:
                self._give_up(error)
                break
            shards = [shard for shard in found if isinstance(shard, Shard)]
            if _GONE not in found:
                break
        return shards

    def _read_one(self, path: Path) -> Shard | str | None:
        """None where a file cannot be read: the others are read all the same."""
        try:
            return read_shard(path)
        except DamagedError as error:
            self._set_aside(path, str(error))
        except FileNotFoundError:
            return _GONE
        except OSError as error:
            self._warn_once(f"cached vectors are left out, because {path} cannot be read: {error}")
        return None

    def _sweep(self) -> None:
        """Removes what a killed process left half written."""
        for path in self.folder.glob(".*.tmp"):
            with contextlib.suppress(OSError):
                if time.time() - path.stat().st_mtime > STRAY_AFTER_SECONDS:
                    path.unlink()

    def _give_up(self, error: OSError) -> None:
        self.writable = False
        self._warn_once(
            f"vectors are not cached, because {self.folder} cannot be used:"
            f" {error.strerror or error}. Let {ENVIRONMENT_VARIABLE} name a folder that can be"
            " written to"
        )

    def _set_aside(self, path: Path, why: str) -> None:
        """Leaves a damaged shard out, now and in future; its texts will be encoded again."""
        with contextlib.suppress(OSError):
            path.replace(path.with_suffix(".damaged"))
        self._warn_once(
            f"the cached vectors in {path} are damaged ({why}): their texts are encoded again"
        )

    def _warn_once(self, message: str) -> None:
        if message not in _warned:
            _warned.add(message)
            warnings.warn(visible(message), RuntimeWarning, stacklevel=4)


def _first_of_each(shards: Sequence[Shard]) -> tuple[Keys, Floats]:
    """The intact vectors of all shards; of two of one text that of the older shard."""
    keys, vectors = [], []
    for shard in shards:
        values, intact = shard.take(np.arange(len(shard.keys)))
        keys.append(shard.keys[intact])
        vectors.append(values[intact])
    all_keys = np.concatenate(keys)
    _, first = np.unique(all_keys, axis=0, return_index=True)
    return all_keys[first], np.concatenate(vectors)[first]
