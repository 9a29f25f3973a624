"""How sure a mean or a difference is: a bootstrap that resamples people, not requests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
import polars as pl
from numpy.typing import NDArray

from palate.core.errors import AlignmentError, ConfigError

Doubles: TypeAlias = NDArray[np.float64]
Users: TypeAlias = "pl.Series | Sequence[str] | NDArray[Any]"

MIN_USERS: Final = 6
"""With fewer people than this not even a sign test can reach 5% (2 / 2**5 = 6.25%)."""

_BLOCK_CELLS: Final = 2_000_000


@dataclass(frozen=True)
class Interval:
    """A mean, its percentile interval, and the two-sided p of "the true mean is 0".

    `low`, `high` and `p` are NaN where fewer than `MIN_USERS` people were asked.
    """

    mean: float
    low: float
    high: float
    p: float

    @property
    def significant(self) -> bool:
        """The interval excludes 0."""
        return self.low > 0 or self.high < 0


def mean_interval(
    values: NDArray[Any],
    users: Users,
    *,
    resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """The interval of the mean of (n,) values; `users` says whose each value is."""
    column = np.asarray(values, dtype=np.float64)[:, None]
    return intervals(column, users, resamples=resamples, level=level, seed=seed)[0]


def paired_bootstrap(
    values: NDArray[Any],
    reference: NDArray[Any],
    users: Users,
    *,
    resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """The interval of the mean of `values - reference`, (n,) each, of the same requests."""
    if np.shape(values) != np.shape(reference):
        raise AlignmentError(
            f"{np.shape(values)} values cannot be paired with {np.shape(reference)}"
        )
    difference = np.asarray(values, dtype=np.float64) - np.asarray(reference, dtype=np.float64)
    return mean_interval(difference, users, resamples=resamples, level=level, seed=seed)


def intervals(
    values: Doubles, users: Users, *, resamples: int = 1000, level: float = 0.95, seed: int = 0
) -> list[Interval]:
    """One interval a column of (n, m) values, all columns under the same resamples.

    Each resample draws as many people as there are, with replacement, and takes all requests of
    each: requests of one person are alike, so drawing requests would promise too much (the cluster
    bootstrap of Field and Welsh 2007, doi:10.1111/j.1467-9868.2007.00593.x). The interval holds the
    middle `level` of the resampled means; p is twice the smaller share of them on either side of 0.
    """
    if resamples < 1 or not 0 < level < 1:
        raise ConfigError(f"resamples = {resamples}, level = {level}: need >= 1, between 0 and 1")
    if seed < 0:
        raise ConfigError(f"seed = {seed}: give 0 or more")
    if values.ndim != 2 or len(values) != len(users):
        raise AlignmentError(f"values of shape {values.shape} for {len(users)} people's requests")
    codes = user_codes(users)
    count = int(codes.max(initial=-1)) + 1
    if count < MIN_USERS:
        means = values.mean(axis=0) if len(values) else np.full(values.shape[1], np.nan)
        return [Interval(float(mean), np.nan, np.nan, np.nan) for mean in means]
    draws = _resampled_means(values, codes, count, resamples=resamples, seed=seed)
    tail = (1 - level) / 2
    low, high = np.quantile(draws, [tail, 1 - tail], axis=0)
    smaller = np.minimum((draws <= 0).sum(axis=0), (draws >= 0).sum(axis=0))
    p = np.minimum(1.0, 2 * (1 + smaller) / (1 + resamples))
    columns = zip(values.mean(axis=0), low, high, p, strict=True)
    return [Interval(*(float(number) for number in column)) for column in columns]


def user_codes(users: Users) -> NDArray[np.int64]:
    """(n,) each request's person as a number from 0, without gaps."""
    ranks = pl.Series(users).rank(method="dense").to_numpy()
    return ranks.astype(np.int64) - 1


def _resampled_means(
    values: Doubles, codes: NDArray[np.int64], count: int, *, resamples: int, seed: int
) -> Doubles:
    """(resamples, m) means over requests, resampled by person; a block of resamples at a time."""
    order = np.argsort(codes, kind="stable")
    requests = np.bincount(codes, minlength=count)
    sums = np.add.reduceat(values[order], np.cumsum(requests) - requests, axis=0)
    totals = np.column_stack([sums, requests.astype(np.float64)])
    rng = np.random.default_rng(seed)
    drawn = np.empty((resamples, totals.shape[1]))
    step = max(1, _BLOCK_CELLS // count)
    for start in range(0, resamples, step):
        block = range(start, min(start + step, resamples))
        times = [np.bincount(rng.integers(0, count, size=count), minlength=count) for _ in block]
        drawn[start : block.stop] = np.array(times, dtype=np.float64) @ totals
    return drawn[:, :-1] / drawn[:, -1:]
