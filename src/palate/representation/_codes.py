"""Vectors in few bytes: eight bits or one bit a dimension, and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palate.types import Floats, Rows

LEVELS = 127
_CHUNK = 16_384

Bytes = NDArray[np.int8]
Packed = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Int8Code:
    """A dimension as a whole number from -127 to 127: (value - `centre`) / `scale`, rounded.

    `centre` is the middle and 127 × `scale` half the range of the rows fitted on; what lies outside
    is put at the edge. A dimension that never varies is its centre.
    """

    centre: Floats
    scale: Floats

    @classmethod
    def of(cls, values: NDArray[Any], rows: Rows) -> Int8Code:
        """The code of the rows that are not all zeros."""
        low, high = np.full((2, values.shape[1]), np.nan)
        for chunk in filled_chunks(values, rows):
            low = np.fmin(low, chunk.min(axis=0))
            high = np.fmax(high, chunk.max(axis=0))
        low, high = np.nan_to_num(low), np.nan_to_num(high)
        centre, scale = (low + high) / 2, (high - low) / 2 / LEVELS
        return cls(centre.astype(np.float32), scale.astype(np.float32))

    def encode(self, values: NDArray[Any]) -> Bytes:
        """(n, d) int8."""
        steps = np.divide(1.0, self.scale, out=np.zeros_like(self.scale), where=self.scale > 0)
        codes = np.empty(values.shape, dtype=np.int8)
        for start in range(0, len(values), _CHUNK):
            part = slice(start, start + _CHUNK)
            whole = np.rint((values[part].astype(np.float32) - self.centre) * steps)
            codes[part] = np.clip(whole, -LEVELS, LEVELS)
        return codes

    def decode(self, codes: Bytes) -> Floats:
        """(n, d) float32: the middle of what each code stands for."""
        return codes * self.scale + self.centre


@dataclass(frozen=True, eq=False)
class BitCode:
    """A dimension as one bit, whether it is above its `centre`; eight of them in a byte.

    `centre` is the mean and `spread` the mean absolute deviation of the rows fitted on, so that
    `centre` ± `spread` is the nearest to them that a bit can say.
    """

    centre: Floats
    spread: Floats

    @classmethod
    def of(cls, values: NDArray[Any], rows: Rows) -> BitCode:
        """The code of the rows that are not all zeros."""
        total, count = np.zeros(values.shape[1]), 0
        for chunk in filled_chunks(values, rows):
            total += chunk.sum(axis=0, dtype=np.float64)
            count += len(chunk)
        centre = total / max(count, 1)
        away = np.zeros_like(centre)
        for chunk in filled_chunks(values, rows):
            away += np.abs(chunk - centre).sum(axis=0)
        return cls(centre.astype(np.float32), (away / max(count, 1)).astype(np.float32))

    def encode(self, values: NDArray[Any]) -> Packed:
        """(n, ⌈d / 8⌉) uint8."""
        codes = np.empty((len(values), -(-values.shape[1] // 8)), dtype=np.uint8)
        for start in range(0, len(values), _CHUNK):
            part = slice(start, start + _CHUNK)
            codes[part] = np.packbits(values[part] > self.centre, axis=1)
        return codes

    def decode(self, codes: Packed) -> Floats:
        """(n, d) float32: `centre` ± `spread`."""
        above = np.unpackbits(codes, axis=1, count=len(self.centre)).astype(np.bool_)
        return np.where(above, self.centre + self.spread, self.centre - self.spread)


def filled_chunks(values: NDArray[Any], rows: Rows) -> Any:
    """The rows that are not all zeros, some thousand at a time."""
    for start in range(0, len(rows), _CHUNK):
        chunk = values[rows[start : start + _CHUNK]]
        chunk = chunk[chunk.any(axis=1)]
        if len(chunk):
            yield chunk
