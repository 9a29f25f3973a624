"""Histories as a network of sequences reads them: windows of events, the pauses between them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palate.core.arrays import Floats, Rows
from palate.core.histories import Histories, ragged_positions

GAPS = 16  # kinds of pauses between events: each twice as long as the one before
SHORTEST_GAP = 900.0  # seconds
HELD_OUT = 2_000  # people at most whose newest event says when to stop
HELD_SHARE = 0.05
FEWEST_HELD = 20

Places = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Windows:
    """Runs of events: whose they are, and from where to where they lie in the flat arrays."""

    owners: Places
    starts: Places
    stops: Places
    items: Rows
    pauses: Places
    weights: Floats

    @classmethod
    def newest(cls, histories: Histories, length: int) -> Windows:
        """The newest `length` events of each request."""
        recent = histories.last(length)
        owners = np.arange(len(histories))
        return cls(
            owners, recent.starts, recent.stops, recent.items, pauses_of(histories), recent.weights
        )

    @classmethod
    def all_of(cls, histories: Histories, length: int, fewest: int) -> Windows:
        """All events, `length` at once from the newest on; runs of less than `fewest` teach
        nothing and are left out.
        """
        counts = -(-histories.lengths // length)
        owners = np.repeat(np.arange(len(histories)), counts)
        back = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        stops = histories.stops[owners] - back * length
        starts = np.maximum(stops - length, histories.starts[owners])
        kept = stops - starts >= fewest
        return cls(
            owners[kept],
            starts[kept],
            stops[kept],
            histories.items,
            pauses_of(histories),
            histories.weights,
        )

    @property
    def lengths(self) -> Places:
        return self.stops - self.starts

    def of_one_length(
        self, most: int, order: NDArray[np.int64] | None = None
    ) -> Iterator[NDArray[np.int64]]:
        """Windows of one length, about `most` events at once; `order` is that of equal ones."""
        rows = np.arange(len(self.starts)) if order is None else order
        rows = rows[np.argsort(self.lengths[rows], kind="stable")]
        for group in np.split(rows, np.flatnonzero(np.diff(self.lengths[rows])) + 1):
            step = max(1, most // max(int(self.lengths[group[0]]), 1)) if len(group) else 1
            yield from (group[at : at + step] for at in range(0, len(group), step))

    def read(self, windows: NDArray[np.int64]) -> tuple[Places, Places, Floats]:
        """(n, length) items, pauses and weights of windows that are of one length."""
        length = int(self.lengths[windows[0]])
        places = self.starts[windows][:, None] + np.arange(length)
        return self.items[places].astype(np.int64), self.pauses[places], self.weights[places]


def _columns(histories: Histories) -> tuple[Rows, Places, Floats]:
    return histories.items, pauses_of(histories), histories.weights


def pauses_of(histories: Histories) -> Places:
    """For each event of the flat arrays, the kind of pause before it; 0 for none or unknown."""
    found = np.zeros(len(histories.items), dtype=np.int64)
    row, position = ragged_positions(histories.starts, histories.stops)
    if histories.times is None or len(position) < 2:
        return found
    later = np.flatnonzero(row[1:] == row[:-1]) + 1
    seconds = histories.times[position[later]] - histories.times[position[later - 1]]
    kinds = np.floor(np.log2(1 + np.maximum(seconds, 0) / SHORTEST_GAP))
    found[position[later]] = np.minimum(kinds, GAPS - 1).astype(np.int64)
    return found


def held_out(histories: Histories, rng: np.random.Generator) -> NDArray[np.int64]:
    """Rows of the people, one of twenty, whose newest event is kept to judge by; () for too few."""
    able: NDArray[Any] = np.flatnonzero(histories.lengths > 2)
    count = min(int(HELD_SHARE * len(able)), HELD_OUT)
    if count < FEWEST_HELD:
        return np.empty(0, dtype=np.int64)
    return np.sort(rng.permutation(able)[:count])
