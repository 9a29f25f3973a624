"""The nearest of many vectors that are kept in few bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from palate.core.arrays import Floats, Rows, chosen_rows, unit_rows
from palate.core.doors import called_rightly_in, door
from palate.core.errors import AlignmentError, ConfigError, DataError, did_you_mean, first_offenders

Kept: TypeAlias = Literal["nothing", "int8", "float16", "float32"]
KEPT = ("nothing", "int8", "float16", "float32")

_QUERIES = 256
_ROWS = 16_384
_EXACT = 2**24  # whole numbers up to here are exact in float32
_GATHERED = 8_000_000

Keys: TypeAlias = NDArray[np.int64]

LEVELS = 127
_CHUNK = 16_384

Bytes = NDArray[np.int8]
Packed = NDArray[np.uint8]


@called_rightly_in
@dataclass(frozen=True, eq=False)
class QuantizedIndex:
    """Which rows point most nearly where a query points, by 1 or 8 bits a number.

    The best are found in whole numbers, so they are the same on every machine: Hamming distances of
    bits, products of int8 with queries rounded to as many levels as stay exact. Among equals the
    earlier row wins. With `kept` vectors the best `oversample` × k are scored again by these.
    """

    code: Int8Code | BitCode
    codes: NDArray[Any]
    kept: NDArray[Any] | None
    kept_code: Int8Code | None

    @classmethod
    @door("bits", "rescore")
    def of(
        cls,
        values: Floats,
        *,
        bits: Literal[1, 8] = 8,
        rescore: Kept = "nothing",
        rows: Rows | None = None,
    ) -> QuantizedIndex:
        """The index of (n, d) vectors; only their direction counts.

        `rows` are those that the code is fitted on (None: all); `rescore` says in what form the
        vectors themselves are kept. Raises `DataError` for what is not finite.
        """
        if bits not in (1, 8) or rescore not in KEPT:
            known = did_you_mean(str(rescore), KEPT)
            raise ConfigError(f"bits = {bits}, rescore = {rescore!r}: give 1 or 8 bits.{known}")
        units = _units(values)
        fitted = chosen_rows(slice(None) if rows is None else rows, len(units)).astype(np.int32)
        whole = Int8Code.of(units, fitted) if bits == 8 or rescore == "int8" else None
        code: Int8Code | BitCode
        code = BitCode.of(units, fitted) if bits == 1 or whole is None else whole
        codes = _words(code.encode(units)) if isinstance(code, BitCode) else code.encode(units)
        kept: NDArray[Any] | None = None
        if rescore == "int8" and whole is not None:
            kept = codes if bits == 8 else whole.encode(units)
        elif rescore != "nothing":
            kept = units.astype(rescore)
        return cls(code, codes, kept, whole if rescore == "int8" else None)

    def __len__(self) -> int:
        return self.codes.shape[1] if isinstance(self.code, BitCode) else len(self.codes)

    @property
    def nbytes(self) -> int:
        """Bytes in memory: the codes and what is kept to rescore."""
        kept = 0 if self.kept is None or self.kept is self.codes else self.kept.nbytes
        return self.codes.nbytes + kept + self.code.centre.nbytes * 2

    @door()
    def search(self, queries: Floats, k: int = 10, *, oversample: int = 4) -> tuple[Rows, Floats]:
        """(n, k) rows and cosines, best first; fewer columns where there are fewer rows.

        Without kept vectors the cosines are those that the codes can tell: of bits 1 - 2 × the
        share that differs.
        """
        if k < 1 or oversample < 1:
            raise ConfigError(f"k = {k}, oversample = {oversample}: ask for 1 or more of each")
        units = _units(queries)
        if units.shape[1] != len(self.code.centre):
            raise AlignmentError(
                f"queries have shape {units.shape}, the index (n, {len(self.code.centre)})"
            )
        width = min(k, len(self))
        wide = width if self.kept is None else min(width * oversample, len(self))
        rows = np.empty((len(units), width), dtype=np.int32)
        cosines = np.empty((len(units), width), dtype=np.float32)
        for start in range(0, len(units) if width else 0, _QUERIES):
            part = slice(start, start + _QUERIES)
            found, near = self._nearest(units[part], wide)
            if self.kept is not None:
                near = self._rescored(units[part], found, self.kept)
            best = np.lexsort((found, -near), axis=1)[:, :width]
            rows[part] = np.take_along_axis(found, best, axis=1)
            cosines[part] = np.take_along_axis(near, best, axis=1)
        return rows, cosines

    def _nearest(self, units: Floats, k: int) -> tuple[Rows, Floats]:
        """The k best by the codes alone, (q, k) rows and cosines."""
        if isinstance(self.code, BitCode):
            distances = _Hamming(_words(self.code.encode(units)), self.codes)
            keys = _smallest(distances, len(self), k)
            share = (keys // len(self)) / len(self.code.centre)
            return (keys % len(self)).astype(np.int32), (1 - 2 * share).astype(np.float32)
        products = _Products(units * self.code.scale, self.codes)
        keys = _smallest(products, len(self), k)
        near = -(keys // len(self)) * products.unit + units @ self.code.centre[:, None]
        return (keys % len(self)).astype(np.int32), near.astype(np.float32)

    def _rescored(self, units: Floats, found: Rows, kept: NDArray[Any]) -> Floats:
        """(q, m) cosines of the rows that were found for each query, by what is kept."""
        near = np.empty(found.shape, dtype=np.float32)
        step = max(1, _GATHERED // max(found.shape[1] * units.shape[1], 1))
        for start in range(0, len(found), step):
            part = slice(start, start + step)
            vectors = kept[found[part]]
            if self.kept_code is not None:
                vectors = self.kept_code.decode(vectors)
            near[part] = np.einsum("qmd,qd->qm", vectors.astype(np.float32), units[part])
        return near


class _Hamming:
    """How many bits differ: (q, words) queries, (words, n) rows that lie word by word."""

    def __init__(self, queries: NDArray[np.uint64], codes: NDArray[np.uint64]) -> None:
        self.queries, self.codes = queries, codes

    def of(self, rows: slice) -> Keys:
        part = self.codes[:, rows]
        total = np.zeros((self.queries.shape[1], part.shape[1]), dtype=np.int64)
        for query, code in zip(self.queries, part, strict=True):
            total += np.bitwise_count(query[:, None] ^ code)
        return total


class _Products:
    """Minus the product of queries and int8 codes, both whole numbers, times `unit`.

    A query is rounded to as many levels as keep every sum exact in float32, or in float64 where
    that would leave fewer levels than int8 has.
    """

    def __init__(self, queries: Floats, codes: Bytes) -> None:
        levels = _EXACT // (LEVELS * queries.shape[1])
        self.dtype: Any = np.float32 if levels >= LEVELS else np.float64
        levels = max(levels, LEVELS)
        largest = np.abs(queries).max(axis=1, keepdims=True, initial=0.0)
        self.unit = np.where(largest > 0, largest, 1.0).astype(np.float64) / levels
        self.queries = np.rint(queries / self.unit).astype(self.dtype)
        self.codes = codes

    def of(self, rows: slice) -> Keys:
        products: Keys = (self.queries @ self.codes[rows].astype(self.dtype).T).astype(np.int64)
        return -products


def _smallest(keyed: _Hamming | _Products, count: int, k: int) -> Keys:
    """(q, k) of the smallest numbers × `count` + row, in order; no two are equal."""
    parts: list[Keys] = []
    for start in range(0, count, _ROWS):
        rows = slice(start, min(start + _ROWS, count))
        parts.append(keyed.of(rows) * count + np.arange(rows.start, rows.stop))
        keys = np.hstack(parts)
        parts = [np.partition(keys, k - 1, axis=1)[:, :k] if keys.shape[1] > k else keys]
    return np.sort(parts[0], axis=1)


def _numbers(vectors: Any) -> Floats:
    try:
        found = np.ascontiguousarray(vectors, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise DataError(f"vectors must be numbers, (n, d) of them: {error}") from error
    if found.ndim != 2:
        raise AlignmentError(f"vectors have shape {found.shape}: give (n, d)")
    return found


def _units(vectors: Floats) -> Floats:
    units = unit_rows(_numbers(vectors))
    if not np.isfinite(units).all():
        broken = np.flatnonzero(~np.isfinite(units).all(axis=1)).tolist()
        raise DataError(f"NaN or infinity in the vectors {first_offenders(broken, len(broken))}")
    return units


def _words(packed: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """(words, n) uint64 of (n, bytes): word by word, as they are read."""
    width = -(-packed.shape[1] // 8) * 8
    padded = np.zeros((len(packed), width), dtype=np.uint8)
    padded[:, : packed.shape[1]] = packed
    return np.ascontiguousarray(padded.view(np.uint64).T)


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
