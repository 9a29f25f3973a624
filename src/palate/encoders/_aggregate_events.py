"""Events as parallel arrays, and statistics of them for each item, or for each person."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from palate.columns import EVENT, VALUE
from palate.histories import Histories, ragged_positions
from palate.types import Dataset

Numbers = NDArray[np.float64]
Whole = NDArray[np.int64]

_WEAKEST, _STRONGEST = 1.0, 100.0
_USUAL = 10.0


@dataclass(frozen=True)
class Events:
    """One entry an event: whose it is (0 to `count` - 1), and what with (0 to `others` - 1)."""

    count: int
    own: Whole
    others: int
    other: Whole
    times: Numbers | None = None
    values: Numbers | None = None
    kinds: pl.Series | None = None

    @property
    def totals(self) -> Numbers:
        """(count,) events of each."""
        return np.bincount(self.own, minlength=self.count).astype(np.float64)


def events_of_items(data: Dataset) -> Events:
    """Every item of the catalogue, and the people who touched it."""
    return _events(data, data.item_rows, len(data.item_ids), data.user_rows, len(data.user_ids))


def events_of_people(data: Dataset) -> Events:
    """Everybody in `data.user_ids`, and the items that they touched."""
    return _events(data, data.user_rows, len(data.user_ids), data.item_rows, len(data.item_ids))


def events_of_histories(histories: Histories) -> Events:
    """Every request, and the items in its history; histories know neither kinds nor values."""
    row, position = ragged_positions(histories.starts, histories.stops)
    return Events(
        count=len(histories),
        own=row,
        others=len(histories.item_ids),
        other=histories.items[position].astype(np.int64),
        times=None if histories.times is None else histories.times[position],
    )


def nothing() -> Events:
    """One of whom no event is known."""
    none = np.empty(0, dtype=np.int64)
    return Events(count=1, own=none, others=1, other=none, times=np.empty(0))


def _events(data: Dataset, own: Any, count: int, other: Any, others: int) -> Events:
    table = data.interactions
    values = None
    if VALUE in table.columns and table[VALUE].dtype.is_numeric():
        values = table[VALUE].cast(pl.Float64).fill_null(float("nan")).to_numpy().copy()
        values[~np.isfinite(values)] = np.nan
        values = None if np.isnan(values).all() else values
    return Events(
        count=count,
        own=own.astype(np.int64),
        others=others,
        other=other.astype(np.int64),
        times=data.times,
        values=values,
        kinds=table[EVENT].cast(pl.String) if EVENT in table.columns else None,
    )


def sums(own: Whole, numbers: Numbers, count: int) -> Numbers:
    return np.bincount(own, numbers, count).astype(np.float64)


def distinct(events: Events) -> Numbers:
    """(count,) different others of each."""
    pairs = np.unique(events.own * np.int64(max(events.others, 1)) + events.other)
    return np.bincount(pairs // max(events.others, 1), minlength=events.count).astype(np.float64)


def prior_of(own: Whole, numbers: Numbers, count: int) -> dict[str, float]:
    """What is known of somebody of whom nothing is known, and how many events that outweighs.

    The mean over all events, the variance within, and its ratio to the variance between: the
    empirical Bayes estimate for a one-way random-effects model by moments (Searle et al. 1992),
    held between 1 and 100, or 10 where nobody has two events.
    """
    size = np.bincount(own, minlength=count).astype(np.float64)
    size = size[size > 0]
    total, groups = size.sum(), len(size)
    mean = float(numbers.mean()) if total else 0.0
    if total <= groups or groups < 2:
        return {"mean": mean, "variance": float(numbers.var()) if total else 0.0, "weight": _USUAL}
    own_mean = _means(own, numbers, count)
    within = float(((numbers - own_mean[own]) ** 2).sum()) / float(total - groups)
    outside = float(((own_mean[own] - mean) ** 2).sum()) / (groups - 1)
    typical = float(total - (size**2).sum() / total) / (groups - 1)
    between = max(outside - within, 0.0) / typical
    weight = within / between if between > 0 else _STRONGEST
    return {
        "mean": mean,
        "variance": within,
        "weight": float(np.clip(weight, _WEAKEST, _STRONGEST)),
    }


def shrunk_means(own: Whole, numbers: Numbers, count: int, prior: dict[str, float]) -> Numbers:
    """(count,) means drawn to the prior's; that itself where there is no event."""
    size = np.bincount(own, minlength=count)
    weight = prior["weight"]
    return (sums(own, numbers, count) + weight * prior["mean"]) / (size + weight)


def shrunk_spreads(own: Whole, numbers: Numbers, count: int, prior: dict[str, float]) -> Numbers:
    """(count,) standard deviations about one's own mean, variances drawn to the prior's."""
    size = np.bincount(own, minlength=count)
    weight = prior["weight"]
    squares = sums(own, (numbers - _means(own, numbers, count)[own]) ** 2, count)
    freedom = np.maximum(size - 1, 0)
    return np.sqrt((squares + weight * prior["variance"]) / (freedom + weight))


def burstiness(events: Events) -> tuple[Numbers, Numbers]:
    """(count,) (spread - mean) / (spread + mean) of the gaps between events, and known gaps.

    -1 is a clock, 0 chance, near 1 bursts (Goh and Barabási 2008). NaN below two gaps.
    """
    assert events.times is not None
    order = np.lexsort((events.times, events.own))
    own, times = events.own[order], events.times[order]
    inside = own[1:] == own[:-1]
    owner, gap = own[1:][inside], np.diff(times)[inside]
    size = np.bincount(owner, minlength=events.count).astype(np.float64)
    mean = _means(owner, gap, events.count)
    spread = np.sqrt(_means(owner, (gap - mean[owner]) ** 2, events.count))
    known = (size >= 2) & (spread + mean > 0)
    found = np.full(events.count, np.nan)
    np.divide(spread - mean, spread + mean, out=found, where=known)
    return found, np.where(known, size, 0.0)


def _means(own: Whole, numbers: Numbers, count: int) -> Numbers:
    size = np.bincount(own, minlength=count)
    return sums(own, numbers, count) / np.maximum(size, 1)
