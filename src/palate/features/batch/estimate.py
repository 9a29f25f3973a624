"""What a catalogue of any length takes: workers, hours, bytes, from a rate that was measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from palate.core.errors import ConfigError, did_you_mean

__all__ = ["Estimate", "estimate", "estimates"]

_BYTES = {"float32": 4, "float16": 2, "int8": 1}
_ID_BYTES = 16
_SCALE_BYTES = 4
_SECONDS = 3600


@dataclass(frozen=True)
class Estimate:
    """What `workers` need for a catalogue."""

    items: int
    workers: int
    hours: float
    gigabytes: float

    @property
    def worker_hours(self) -> float:
        return self.hours * self.workers


def estimate(
    items: int,
    *,
    rate: float,
    dim: int,
    workers: int = 1,
    precision: str = "float32",
    efficiency: float = 1.0,
) -> Estimate:
    """Hours and gigabytes (10⁹ bytes) of vectors for `items`.

    `rate` is what one worker encodes a second, as a report of `encode_table` says it; `efficiency`
    is the share of it that is left beside other workers. Partitions do not wait for each other, so
    hours are items / (rate · efficiency · workers). Raises `ConfigError` for what cannot be.
    """
    if precision not in _BYTES:
        raise ConfigError(f"no precision is called {precision!r}.{did_you_mean(precision, _BYTES)}")
    if min(items, workers, dim, rate) <= 0 or not 0 < efficiency <= 1:
        raise ConfigError("items, workers, dim and rate are above 0, efficiency at most 1")
    row = dim * _BYTES[precision] + _ID_BYTES + (_SCALE_BYTES if precision == "int8" else 0)
    hours = items / (rate * efficiency * workers) / _SECONDS
    return Estimate(items, workers, hours, items * row / 1e9)


def estimates(
    items: int,
    *,
    rate: float,
    dim: int,
    workers: Sequence[int] = (1, 10, 100),
    efficiency: float = 1.0,
) -> pl.DataFrame:
    """One row a number of workers: hours, and gigabytes for each precision."""
    rows = []
    for count in workers:
        row: dict[str, float] = {"workers": count}
        for precision in _BYTES:
            found = estimate(
                items,
                rate=rate,
                dim=dim,
                workers=count,
                precision=precision,
                efficiency=efficiency,
            )
            row |= {"hours": found.hours, f"GB as {precision}": found.gigabytes}
        rows.append(row)
    return pl.DataFrame(rows)
