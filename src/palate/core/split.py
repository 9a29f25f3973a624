"""A split: what may be learnt from, who asks afterwards, and the sealed answers."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palate.core.arrays import Floats, Rows, chosen_rows
from palate.core.dataset import Dataset
from palate.core.doors import door_of
from palate.core.errors import DataError
from palate.core.histories import Histories
from palate.core.html import page_table


@dataclass(frozen=True, eq=False)
class Answers:
    """What the people did next: ragged catalogue rows. Only `palate.evaluation` opens it."""

    starts: NDArray[np.int64]
    stops: NDArray[np.int64]
    items: Rows
    values: Floats | None = None

    def __len__(self) -> int:
        return len(self.starts)


@dataclass(frozen=True, eq=False)
class ValueRequests:
    """Requests for what somebody gave an item, and no list: one sealed answer with a value each."""

    histories: Histories
    sealed: Answers

    def of(self, people: Histories) -> ValueRequests:
        """Those of some people alone."""
        rows = self.histories.user_ids.is_in(people.user_ids.unique().implode()).arg_true()
        index = rows.to_numpy()
        starts, stops = self.sealed.starts[index], self.sealed.stops[index]
        sealed = replace(self.sealed, starts=starts, stops=stops)
        return ValueRequests(self.histories.take(index), sealed)


@door_of
@dataclass(frozen=True, eq=False)
class Split:
    """What may be learnt from, who asks afterwards, and the sealed answers.

    `train` holds the whole catalogue, but only training interactions. `exclude_seen` says whether
    the protocol masks what a person already touched; `cold_items` are the rows that were held back.
    `turned_down` asks for the values of held-out events that speak against their item, as low
    ratings do: no list should hold it, but what it was given is an answer, too.
    """

    name: str
    train: Dataset
    histories: Histories
    sealed: Answers
    exclude_seen: bool = True
    cold_items: Rows = field(default_factory=lambda: np.empty(0, dtype=np.int32))
    turned_down: ValueRequests | None = None

    def __post_init__(self) -> None:
        if np.ndim(self.cold_items) != 1:
            raise DataError("cold_items are catalogue rows: an array of one dimension")

    def take(self, rows: slice | NDArray[Any]) -> Split:
        """The same split with some of its requests, and their answers.

        Of what is asked for its value alone, that of the same people.
        """
        index = chosen_rows(rows, len(self.histories))
        sealed = replace(
            self.sealed, starts=self.sealed.starts[index], stops=self.sealed.stops[index]
        )
        histories, others = self.histories.take(index), self.turned_down
        others = None if others is None else others.of(histories)
        return replace(self, histories=histories, sealed=sealed, turned_down=others)

    def __repr__(self) -> str:
        lines = [f"{part}: {what}" for part, what in self._parts()]
        return "\n  ".join([f"Split({self.name!r}", *lines]) + ")"

    def _repr_html_(self) -> str:
        return page_table(f"Split by {self.name}", ("part", "holds"), self._parts())

    def _parts(self) -> list[tuple[str, str]]:
        """What it holds, in words; the answers stay sealed."""
        asked, lengths = len(self.histories), self.histories.lengths
        people = self.histories.user_ids.n_unique()
        events = f"{lengths.mean():.1f} events before them on average" if asked else "nothing"
        seen = "are left out" if self.exclude_seen else "may come again"
        cold = f"; {len(self.cold_items):,} items are new" if len(self.cold_items) else ""
        return [
            ("train", f"{self.train!r}{cold}"),
            ("requests", f"{asked:,} of {people:,} people, {events}"),
            ("answers", f"{len(self.sealed.items):,}, sealed; items seen before {seen}"),
        ]
