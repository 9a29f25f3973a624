"""One immutable file of keys and vectors: written whole or not at all, read by memory map."""

from __future__ import annotations

import json
import mmap
import os
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from palate.core.arrays import Floats, Mask
from palate.core.files import write_whole

Keys: TypeAlias = NDArray[np.uint64]
"""(n, 2): the 128 bits of each text's hash."""

SUFFIX = ".safetensors"
_DTYPES = {"U64": np.uint64, "F32": np.float32}
_CHUNK_BYTES = 2**18  # what is read, summed and copied stays in the processor's cache
_ODD = 0x9E3779B97F4A7C15


class DamagedError(Exception):
    """A file that does not hold what it should."""


@dataclass(frozen=True)
class Shard:
    """Keys in ascending order of their first word, a checksum and a vector for each."""

    path: Path
    keys: Keys
    sums: NDArray[np.uint64]
    vectors: Floats
    mapped: mmap.mmap = field(repr=False, compare=False)

    @property
    def is_cut_off(self) -> bool:
        """Whether the file became shorter: whoever reads its map then is killed (SIGBUS).

        It is asked right before every read, so that what is left is a cut in that very moment.
        """
        return self.mapped.size() < len(self.mapped)

    @property
    def dim(self) -> int:
        return int(self.vectors.shape[1])

    def find(self, keys: Keys) -> NDArray[np.int64]:
        """The row of each key, -1 for one that is not here."""
        if not len(self.keys) or self.is_cut_off:
            return np.full(len(keys), -1)
        rows = np.searchsorted(self.keys[:, 0], keys[:, 0])
        rows = np.minimum(rows, len(self.keys) - 1)
        return np.where((self.keys[rows] == keys).all(axis=1), rows, -1)

    def take(self, rows: NDArray[np.int64]) -> tuple[Floats, Mask]:
        """The vectors of some rows, and which of them are as they were written."""
        vectors = np.zeros((len(rows), self.dim), dtype=np.float32)
        return vectors, self.copy(rows, vectors, np.arange(len(rows)))

    def copy(self, rows: NDArray[np.int64], out: Floats, places: NDArray[np.int64]) -> Mask:
        """Fills `out[places]`; says which rows are as they were written, others are left out."""
        intact = np.zeros(len(rows), dtype=np.bool_)
        for chunk in _chunks(len(rows), self.dim):
            if self.is_cut_off:
                break
            vectors = self.vectors[rows[chunk]]
            whole = checksums(vectors) == self.sums[rows[chunk]]
            intact[chunk] = whole
            if whole.all():
                out[places[chunk]] = vectors
            else:
                out[places[chunk][whole]] = vectors[whole]
        return intact


def _chunks(count: int, dim: int) -> Iterator[slice]:
    step = max(1, _CHUNK_BYTES // (4 * max(dim, 1)))
    return (slice(start, start + step) for start in range(0, count, step))


def checksums(vectors: Floats) -> NDArray[np.uint64]:
    """A 64-bit sum a row that changes with any change of one word of it.

    Words times 1, 3, 5, … are added up in floating point, some columns at a time, so few that every
    sum is a whole number below 2^53 and so exact; then they are multiplied by an odd number.
    """
    words = np.ascontiguousarray(vectors).view(np.uint32)
    dim = words.shape[1]
    odd = np.arange(1, 2 * dim, 2, dtype=np.float64)
    width = max(1, 2**20 // max(dim, 1))
    sums = np.zeros(len(words), dtype=np.uint64)
    for chunk in _chunks(len(words), dim):
        for first in range(0, dim, width):
            part = words[chunk, first : first + width].astype(np.float64)
            sums[chunk] += (part @ odd[first : first + width]).astype(np.uint64)
    return sums * np.uint64(_ODD) + np.uint64(dim)


def read_shard(path: Path) -> Shard:
    """A shard as memory maps; `DamagedError` where it is no shard, `OSError` where it is gone."""
    try:
        return _read(path)
    except (ValueError, KeyError, TypeError) as error:
        raise DamagedError(str(error)) from error


def _read(path: Path) -> Shard:
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        length = int.from_bytes(file.read(8), "little")
        if length > size:
            raise ValueError("the header is longer than the file")
        header = json.loads(file.read(length))
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    arrays = {
        name: _array(mapped, header[name], 8 + length) for name in ("keys", "sums", "vectors")
    }
    shard = Shard(path, **arrays, mapped=mapped)
    if not (shard.keys.ndim == shard.vectors.ndim == 2 and shard.keys.shape[1] == 2):
        raise ValueError("the arrays have other shapes")
    if not len(shard.keys) == len(shard.sums) == len(shard.vectors):
        raise ValueError("the arrays have different lengths")
    return shard


def _array(mapped: mmap.mmap, entry: dict[str, Any], start: int) -> NDArray[Any]:
    dtype, shape = _DTYPES[entry["dtype"]], tuple(entry["shape"])
    first, last = entry["data_offsets"]
    count = int(np.prod(shape))
    if start + last > len(mapped) or last - first != count * np.dtype(dtype).itemsize:
        raise ValueError("the file is shorter than its header says")
    if first == last:
        return np.empty(shape, dtype=dtype)
    return np.frombuffer(mapped, dtype, count, start + first).reshape(shape)


def write_shard(folder: Path, keys: Keys, vectors: Floats, *, born: int | None = None) -> Path:
    """A new file, in place only once it is complete and on the disk; raises `OSError`.

    Names begin with the time of birth, so that of two vectors of one text the older is read.
    """
    order = np.argsort(keys[:, 0], kind="stable")
    vectors = np.ascontiguousarray(vectors[order], dtype=np.float32)
    name = f"{time.time_ns() if born is None else born:020d}-{secrets.token_hex(8)}"
    content = save(
        {"keys": np.ascontiguousarray(keys[order]), "sums": checksums(vectors), "vectors": vectors}
    )
    return write_whole(folder / f"{name}{SUFFIX}", content)


def born(path: Path) -> int:
    """The time of birth in a shard's name, in nanoseconds."""
    return int(path.name.partition("-")[0])
