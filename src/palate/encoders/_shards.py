"""One immutable file of keys and vectors: written whole or not at all, read by memory map."""

from __future__ import annotations

import json
import secrets
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from palate._files import write_whole
from palate.types import Floats

Keys: TypeAlias = NDArray[np.uint64]
"""(n, 2): the 128 bits of each text's hash."""

SUFFIX = ".safetensors"
_DTYPES = {"U64": np.uint64, "F32": np.float32}
_CHUNK = 4096


class DamagedError(Exception):
    """A file that does not hold what it should."""


@dataclass(frozen=True)
class Shard:
    """Keys in ascending order of their first word, a checksum and a vector for each."""

    path: Path
    keys: Keys
    sums: NDArray[np.uint64]
    vectors: Floats

    @property
    def dim(self) -> int:
        return int(self.vectors.shape[1])

    def find(self, keys: Keys) -> NDArray[np.int64]:
        """The row of each key, -1 for one that is not here."""
        if not len(self.keys):
            return np.full(len(keys), -1)
        rows = np.searchsorted(self.keys[:, 0], keys[:, 0])
        rows = np.minimum(rows, len(self.keys) - 1)
        return np.where((self.keys[rows] == keys).all(axis=1), rows, -1)

    def take(self, rows: NDArray[np.int64]) -> tuple[Floats, NDArray[np.bool_]]:
        """The vectors of some rows, and which of them are as they were written."""
        vectors = self.vectors[rows]
        return vectors, checksums(vectors) == self.sums[rows]


def checksums(vectors: Floats) -> NDArray[np.uint64]:
    """A 64-bit sum a row that changes with any change of one word of it."""
    words = np.ascontiguousarray(vectors).view(np.uint32)
    odd = np.arange(1, 2 * words.shape[1], 2, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    sums = np.full(len(words), words.shape[1], dtype=np.uint64)
    for start in range(0, len(words), _CHUNK):
        chunk = words[start : start + _CHUNK].astype(np.uint64)
        sums[start : start + _CHUNK] += (chunk * odd).sum(axis=1, dtype=np.uint64)
    return sums


def read_shard(path: Path) -> Shard:
    """A shard as memory maps; `DamagedError` where it is no shard, `OSError` where it is gone."""
    try:
        return _read(path)
    except (ValueError, KeyError, TypeError) as error:
        raise DamagedError(str(error)) from error


def _read(path: Path) -> Shard:
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > size:
            raise ValueError("the header is longer than the file")
        header = json.loads(file.read(length))
    arrays = {
        name: _mapped(path, header[name], 8 + length, size) for name in ("keys", "sums", "vectors")
    }
    shard = Shard(path, **arrays)
    if not (shard.keys.ndim == shard.vectors.ndim == 2 and shard.keys.shape[1] == 2):
        raise ValueError("the arrays have other shapes")
    if not len(shard.keys) == len(shard.sums) == len(shard.vectors):
        raise ValueError("the arrays have different lengths")
    return shard


def _mapped(path: Path, entry: dict[str, Any], start: int, size: int) -> NDArray[Any]:
    dtype, shape = _DTYPES[entry["dtype"]], tuple(entry["shape"])
    first, last = entry["data_offsets"]
    if start + last > size or last - first != np.prod(shape) * np.dtype(dtype).itemsize:
        raise ValueError("the file is shorter than its header says")
    if first == last:
        return np.empty(shape, dtype=dtype)
    return np.memmap(path, dtype=dtype, mode="r", offset=start + first, shape=shape)


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
