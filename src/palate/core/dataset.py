"""Who did what to which items, and what the items say: the tables that everything learns from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

from palate.core.arrays import Floats, Rows
from palate.core.columns import ITEM, TIME, USER, WEIGHT
from palate.core.html import page_table
from palate.core.ids import Ids

_FIRST_YEAR = 365 * 86_400  # seconds: who counts 0, 1, 2 … means an order


@dataclass(frozen=True, eq=False)
class Dataset:
    """Who did what to which items, and what the items say; checked by `palate.read`.

    `interactions` holds `user_id`, `item_id` (strings) and where known `timestamp` (float seconds),
    `event`, `value`, `text`, `weight`; its rows are in order of time, ties in order of the file.
    `items` holds `item_id` and any columns: it is the whole catalogue, touched or not. What it was
    read with is remembered, for items that arrive later: `item_columns` (their name → ours) and
    `item_lists` (column → the mark between its parts).
    """

    interactions: pl.DataFrame
    items: pl.DataFrame
    users: pl.DataFrame | None = None
    item_columns: Mapping[str, str] = field(default_factory=dict)
    item_lists: Mapping[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        spoken = self._span()
        tables = f"{len(self.interactions):,} events of {len(self.user_ids):,} people with "
        return f"Dataset({tables}{len(self.items):,} items{spoken and f', {spoken}'})"

    def _repr_html_(self) -> str:
        tables = {"interactions": self.interactions, "items": self.items, "users": self.users}
        rows = [
            (name, f"{len(table):,}", ", ".join(table.columns))
            for name, table in tables.items()
            if table is not None
        ]
        return page_table(repr(self), ("table", "rows", "columns"), rows)

    def _span(self) -> str:
        """From which day to which; nothing where times are places in an order, or no dates."""
        times = self.times
        if times is None or not len(times) or times.max() < _FIRST_YEAR:
            return ""
        try:
            ends = [datetime.fromtimestamp(float(t), UTC) for t in (times.min(), times.max())]
        except (OverflowError, ValueError, OSError):
            return ""
        return " to ".join(f"{end:%Y-%m-%d}" for end in ends)

    @cached_property
    def item_ids(self) -> Ids:
        """The catalogue, in the order of `items`."""
        return Ids(self.items[ITEM])

    @cached_property
    def user_ids(self) -> Ids:
        """Everybody in `users`, then everybody else in the order of their first event."""
        names = self.interactions[USER].unique(maintain_order=True)
        if self.users is not None:
            names = pl.concat([self.users[USER], names]).unique(maintain_order=True)
        return Ids(names)

    @cached_property
    def item_rows(self) -> Rows:
        """The catalogue row of every interaction."""
        return self.item_ids.rows(self.interactions[ITEM], what="item ids in the interactions")

    @cached_property
    def user_rows(self) -> Rows:
        """The row in `user_ids` of every interaction."""
        return self.user_ids.rows(self.interactions[USER], what="user ids in the interactions")

    @cached_property
    def weights(self) -> Floats:
        """What each interaction counts: its event's weight, 1 where events have none."""
        if WEIGHT not in self.interactions.columns:
            return np.ones(len(self.interactions), dtype=np.float32)
        return self.interactions[WEIGHT].to_numpy().astype(np.float32, copy=False)

    @cached_property
    def times(self) -> NDArray[np.float64] | None:
        """Seconds of every interaction, or None where the data hold an order only."""
        if TIME not in self.interactions.columns:
            return None
        return self.interactions[TIME].to_numpy().astype(np.float64, copy=False)

    @cached_property
    def item_counts(self) -> NDArray[np.int64]:
        """Interactions per catalogue row."""
        return np.bincount(self.item_rows, minlength=len(self.item_ids))

    @cached_property
    def warm_items(self) -> Rows:
        """Items that statistics may be fitted on: those with events; all where there are none."""
        warm = np.flatnonzero(self.item_counts).astype(np.int32)
        return warm if len(warm) else np.arange(len(self.item_ids), dtype=np.int32)

    def with_interactions(self, interactions: pl.DataFrame) -> Dataset:
        """The same catalogue and people with other interactions (a part of these, in order)."""
        return replace(self, interactions=interactions)
