"""The moment at which a split by time cuts: a share of the events, or a date."""

from __future__ import annotations

from numbers import Real

import numpy as np
import polars as pl
from numpy.typing import NDArray

from palate.data._arguments import check_share
from palate.data._times import to_seconds
from palate.errors import ConfigError, DataError

_SHARE = 0.2
_LEAST_DATE = 365 * 86400.0
"""Smaller numbers are an order of events, not dates."""


def check_cut(test: float | None, at: float | str | None) -> None:
    """Raises `ConfigError` for two cuts, and for what is no share."""
    if test is not None and at is not None:
        raise ConfigError("give test= or at=, not both: each says where the cut is")
    if isinstance(test, Real) and not isinstance(test, bool) and 1 < float(test) < 100:
        raise ConfigError(
            f"test={test!r}: it must be a share, above 0 and below 1: write {float(test) / 100:g} "
            f"for {float(test):g} %"
        )
    if test is not None:
        check_share(test, "test")


def moment_of(times: NDArray[np.float64], test: float | None, at: float | str | None) -> float:
    """`at` in seconds, or the time of the event at which the last `test` of the events begin."""
    if at is not None:
        return _seconds(at)
    if not len(times):
        raise DataError("there are no events to split")
    first = len(times) - max(1, round((_SHARE if test is None else test) * len(times)))
    return float(times[first])


def told(moment: float, times: NDArray[np.float64]) -> str:
    """The cut and the range of the events, as a message says them."""
    if not len(times):
        return f"the cut at {_when(moment)}"
    first, last = _when(float(times[0])), _when(float(times[-1]))
    return f"the cut at {_when(moment)} (the events are from {first} to {last})"


def _when(seconds: float) -> str:
    """A date and time (UTC), or the number where that is too small for one."""
    if abs(seconds) < _LEAST_DATE:
        return f"{seconds:g}"
    moment = str(np.datetime64(int(seconds), "s"))
    return moment.replace("T", " ").removesuffix(" 00:00:00")


def _seconds(at: float | str) -> float:
    try:
        seconds, _ = to_seconds(pl.Series([at]), where="at=")
    except DataError as error:
        raise DataError(
            f"at={at!r} is no moment: give seconds since 1970, or ISO 8601 such as"
            " '2024-05-06T12:30:00Z'"
        ) from error
    return float(seconds[0])
