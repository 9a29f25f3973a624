"""How many people the data show for a link: who chose an item, both of two, one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from palate.columns import USER
from palate.types import Dataset, Rows


@dataclass(frozen=True)
class Witnesses:
    """Who chose each of some items, sorted by item and person: first and last time of each.

    Where the data hold no times, an event's place in their order is its time.
    """

    items: Rows
    people: NDArray[np.uint32]
    first: NDArray[np.float64]
    last: NDArray[np.float64]

    @classmethod
    def of(cls, data: Dataset, items: Rows | Sequence[int]) -> Witnesses:
        """The people behind `items` (catalogue rows) in the interactions of `data`."""
        wanted = np.zeros(len(data.item_ids), dtype=bool)
        wanted[np.asarray(items, dtype=np.int64)] = True
        events = np.flatnonzero(wanted[data.item_rows])
        when = events.astype(np.float64) if data.times is None else data.times[events]
        table = pl.DataFrame(
            {
                "item": data.item_rows[events],
                "person": data.interactions[USER].gather(events),
                "when": when,
            }
        )
        spans = table.group_by("item", "person").agg(
            pl.col("when").min().alias("first"), pl.col("when").max().alias("last")
        )
        spans = spans.with_columns(pl.col("person").rank("dense")).sort("item", "person")
        return cls(*(spans[name].to_numpy() for name in ("item", "person", "first", "last")))

    def chose(self, item: int) -> int:
        """Distinct people who chose an item."""
        part = self._part(item)
        return int(part.stop - part.start)

    def both(self, one: int, other: int) -> tuple[int, int]:
        """Distinct people who chose both, and of these, who chose `other` later than `one`.

        Choices at the same time have no order.
        """
        left, right = self._part(one), self._part(other)
        _, before, after = np.intersect1d(
            self.people[left], self.people[right], assume_unique=True, return_indices=True
        )
        later = self.last[right][after] > self.first[left][before]
        return len(before), int(later.sum())

    def _part(self, item: int) -> slice:
        return slice(*np.searchsorted(self.items, [item, item + 1]).tolist())
