"""Who did what to which items, and what the items say: the tables that everything learns from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import Literal, TypeAlias, get_args

import numpy as np
import polars as pl
from numpy.typing import NDArray

from palate.core.arrays import Floats, Mask, Rows
from palate.core.columns import ITEM, TIME, USER, VALUE, WEIGHT
from palate.core.doors import door_of
from palate.core.errors import DataError
from palate.core.html import page_table
from palate.core.ids import Ids

Repeats: TypeAlias = Literal["once", "each"]
REPEATS: tuple[Repeats, ...] = get_args(Repeats)

_FIRST_YEAR = 365 * 86_400  # seconds: who counts 0, 1, 2 … means an order


@door_of
@dataclass(frozen=True, eq=False)
class Dataset:
    """Who did what to which items, and what the items say; checked by `palate.read`.

    `interactions` holds `user_id`, `item_id` (strings) and where known `timestamp` (float seconds),
    `event`, `value`, `text`, `weight`; its rows are in order of time, ties in order of the file.
    These events are choices. `against` holds, with the same columns, those that speak against their
    item, as low ratings do; None for none. `items` holds `item_id` and any columns: it is the whole
    catalogue, touched or not. What it was read with is remembered, for what arrives later:
    `item_columns` (their name → ours), `item_lists` (column → the mark between its parts) and
    `positive`, which events are choices. Where there are no times, `choices_before` says how many
    choices come before each row of `against` (None: all of them). `repeats` says how often a choice
    counts that its person made before: "each" time, "once" (the later ones are not there), or as
    each recommender does by itself (None); `weight` by what rule `weights` came about. How events
    were read is in `event_columns` (their name → ours) and `event_weights` (event → weight).
    Where people's ids are pseudonyms, `pseudonyms` tells the key that they were made with from
    others, and says nothing of it.
    """

    interactions: pl.DataFrame
    items: pl.DataFrame
    users: pl.DataFrame | None = None
    item_columns: Mapping[str, str] = field(default_factory=dict)
    item_lists: Mapping[str, str] = field(default_factory=dict)
    against: pl.DataFrame | None = None
    positive: str | None = None
    choices_before: NDArray[np.int64] | None = None
    repeats: Repeats | None = None
    weight: str | None = None
    event_columns: Mapping[str, str] = field(default_factory=dict)
    event_weights: Mapping[str, float] = field(default_factory=dict)
    pseudonyms: str | None = None

    def __post_init__(self) -> None:
        wanted = {"interactions": (USER, ITEM), "items": (ITEM,)}
        wanted |= {"users": (USER,), "against": (USER, ITEM)}
        for name, columns in wanted.items():
            table = getattr(self, name)
            missing = [] if table is None else [one for one in columns if one not in table.columns]
            if missing:
                raise DataError(
                    f"{name} lacks the column {missing[0]!r}: palate.read makes a Dataset"
                )

    def __repr__(self) -> str:
        spoken = self._span()
        n_against = 0 if self.against is None else len(self.against)
        chosen = f" ({len(self.interactions):,} of them choices)" if n_against else ""
        events = f"{len(self.interactions) + n_against:,} events{chosen}"
        tables = f"{events} of {len(self.user_ids):,} people with "
        return f"Dataset({tables}{len(self.items):,} items{spoken and f', {spoken}'})"

    def _repr_html_(self) -> str:
        tables = {
            "interactions": self.interactions,
            "against": self.against,
            "items": self.items,
            "users": self.users,
        }
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
        """Everybody in `users`, then everybody else in the order of their first choice.

        Whoever chose nothing, and turned something down, comes last.
        """
        names = self.interactions[USER].unique(maintain_order=True)
        if self.against is not None:
            names = pl.concat([names, self.against[USER]]).unique(maintain_order=True)
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
    def values(self) -> Floats | None:
        """What each interaction says in numbers, NaN where nothing; None where there are none."""
        if VALUE not in self.interactions.columns:
            return None
        column = self.interactions[VALUE]
        if not column.dtype.is_numeric():
            return None
        known = column.cast(pl.Float64).fill_null(np.nan).to_numpy()
        return np.where(np.isfinite(known), known, np.nan).astype(np.float32)

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

    @cached_property
    def events(self) -> pl.DataFrame:
        """Choices and what speaks against items together, in order of time, choices first in ties.

        Without times in the order of the file.
        """
        if self.against is None:
            return self.interactions
        return pl.concat([self.interactions, self.against], how="vertical_relaxed")[self._order]

    @cached_property
    def event_items(self) -> Rows:
        """The catalogue row of each of the `events`."""
        if self.against is None:
            return self.item_rows
        return self.item_ids.rows(self.events[ITEM], what="item ids in the events")

    @cached_property
    def event_users(self) -> Rows:
        """The row in `user_ids` of each of the `events`."""
        if self.against is None:
            return self.user_rows
        return self.user_ids.rows(self.events[USER], what="user ids in the events")

    @cached_property
    def event_counts(self) -> NDArray[np.int64]:
        """Events per catalogue row: 0 for items that nobody chose or turned down."""
        return np.bincount(self.event_items, minlength=len(self.item_ids))

    @cached_property
    def turned_down(self) -> Rows:
        """Items that people chose less than half as often as they choose what they meet.

        People who chose it over those expected to, had it been like all others, each with one more:
        where few met an item, that says nothing yet. Empty where nothing speaks against any item.
        """
        if self.against is None:
            return np.empty(0, dtype=np.int32)
        pairs = self.event_users.astype(np.int64) * len(self.item_ids) + self.event_items
        met = np.unique(pairs)
        liked = np.isin(met, pairs[self.chosen])
        items, size = met % len(self.item_ids), len(self.item_ids)
        expected = np.bincount(items, minlength=size) * liked.mean()
        found = np.bincount(items[liked], minlength=size)
        return np.flatnonzero((found + 1) / (expected + 1) < 0.5).astype(np.int32)

    @cached_property
    def chosen(self) -> Mask:
        """(len(events),) which of the `events` are choices."""
        return self._order < len(self.interactions)

    @cached_property
    def _order(self) -> NDArray[np.int64]:
        """Where each of the `events` stands in `interactions` with `against` below."""
        count = len(self.interactions)
        if self.against is None:
            return np.arange(count)
        if TIME in self.interactions.columns:
            tables = (self.interactions, self.against)
            place = np.concatenate([table[TIME].to_numpy() for table in tables])
        else:
            before = self.choices_before
            given = np.full(len(self.against), count) if before is None else before
            place = np.concatenate([np.arange(1, count + 1), given])
        return np.argsort(place, kind="stable")

    def every(self) -> Dataset:
        """The same data with all `events` as if each were a choice."""
        if self.against is None:
            return self
        return replace(self, interactions=self.events, against=None, choices_before=None)

    def part(self, kept: Mask) -> Dataset:
        """The same catalogue and people with some of the `events`, each still what it was."""
        if self.against is None:
            return self.with_interactions(self.interactions.filter(pl.Series(kept)))
        count = len(self.interactions)
        held = np.zeros(len(self._order), dtype=np.bool_)
        held[self._order[kept]] = True
        before = self.choices_before
        if before is not None:
            until = np.concatenate([[0], np.cumsum(held[:count])]).astype(np.int64)
            before = np.take(until, before[held[count:]])
        return replace(
            self,
            interactions=self.interactions.filter(pl.Series(held[:count])),
            against=self.against.filter(pl.Series(held[count:])),
            choices_before=before,
        )

    def with_interactions(
        self, interactions: pl.DataFrame, against: pl.DataFrame | None = None
    ) -> Dataset:
        """The same catalogue and people with other events: a part of these, in order.

        What spoke against items is left out unless it is given: it may be later than these.
        """
        return replace(self, interactions=interactions, against=against, choices_before=None)

    def with_events(self, events: pl.DataFrame, chosen: Mask) -> Dataset:
        """The same catalogue and people with these events, in order; `chosen` are the choices."""
        if chosen.all():
            return self.with_interactions(events)
        before = None if TIME in events.columns else np.cumsum(chosen).astype(np.int64)[~chosen]
        return replace(
            self,
            interactions=events.filter(pl.Series(chosen)),
            against=events.filter(pl.Series(~chosen)),
            choices_before=before,
        )
