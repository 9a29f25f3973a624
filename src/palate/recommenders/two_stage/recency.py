"""What is popular lately, and how old each item is: what the times of the events add."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palate.core.arrays import Floats, Rows
from palate.core.histories import Histories, ragged_positions

DAY = 86_400.0
WINDOWS = (1.0, 3.0, 7.0, 30.0, 90.0)
"""Days before the newest event in which it is counted what people chose."""

PROPOSED = 10  # items of each window, to everybody


def window_feature(days: float) -> str:
    """What popularity of so many days is called among the features."""
    return f"popularity ({days:g} days)"


def recency_statistics(histories: Histories, n_items: int) -> dict[str, Any]:
    """`windows` (n_items, w) weighted events in each window, `ages` (n_items, 2) log days since the
    first and the last event; nothing where the events have no times.

    Items without any event are as old as nothing: 0 days.
    """
    if histories.times is None:
        return {}
    _, position = ragged_positions(histories.starts, histories.stops)
    items, weights = histories.items[position], histories.weights[position]
    times = histories.times[position]
    now = float(times.max(initial=0.0))
    windows = np.zeros((n_items, len(WINDOWS)), dtype=np.float32)
    for column, days in enumerate(WINDOWS):
        recent = times > now - days * DAY
        windows[:, column] = np.bincount(items[recent], weights[recent], minlength=n_items)
    return {"windows": windows, "ages": _ages(items, (now - times) / DAY, n_items)}


def popular_lately(statistics: Mapping[str, Any], tie: NDArray[np.int64]) -> Rows:
    """The most chosen of each window, which are proposed to everybody; none without times."""
    if "windows" not in statistics:
        return np.empty(0, dtype=np.int32)
    counts = [*statistics["windows"].T, statistics["popularity"]]
    best = [np.lexsort((tie, -window))[:PROPOSED] for window in counts]
    chosen = [rows[window[rows] > 0] for rows, window in zip(best, counts, strict=True)]
    return np.unique(np.concatenate(chosen)).astype(np.int32)


def _ages(items: Rows, days: NDArray[np.float64], n_items: int) -> Floats:
    ages = np.zeros((n_items, 2))
    np.maximum.at(ages[:, 0], items, days)
    newest = np.full(n_items, np.inf)
    np.minimum.at(newest, items, days)
    ages[:, 1] = np.where(np.isfinite(newest), newest, 0.0)
    return np.log1p(ages).astype(np.float32)
