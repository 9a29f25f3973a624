"""What happened to each item, as numbers: how often, by how many, how lately, how well liked."""

from __future__ import annotations

from typing import Annotated, Any, Self

import numpy as np
from pydantic import Field, PositiveInt

from palate.core.arrays import Floats
from palate.core.component import check_fitted, check_types, component, learnt
from palate.core.dataset import Dataset
from palate.core.errors import DataError
from palate.core.features import Features
from palate.core.ids import Ids
from palate.core.learnt import agree, check_type
from palate.features.event_statistics import events_of_items, learn, nothing, standardised

__all__ = ["Aggregates"]


@component
class Aggregates:
    """Numbers of an item's events: counts, repeats, values, recency, rhythm, trend.

    Counts (all, by kind of event, and of different people), totals and days are log-scaled. Shares
    (of repeats, of each kind, of the latest `recent` of all events) and the mean and spread of
    `value` are drawn towards those of all events, the more the fewer events there are (empirical
    Bayes); values that are very skewed are log-scaled first, and kinds of events with values of
    their own are kept apart (of the `max_events` most frequent). Everything is standardised over
    items with events, and held within 5 deviations. Items without events have counts of 0, what is
    usual elsewhere, and 1 in "no events". Without times there are no columns of times.
    """

    recent: Annotated[float, Field(gt=0, lt=1)] = 0.25
    max_events: PositiveInt = 20

    ids_: Ids = learnt()
    recipe_: dict[str, Any] = learnt()
    values_: Floats = learnt("ids_", "columns")
    unknown_: Floats = learnt("columns")

    def __post_init__(self) -> None:
        check_types(self)

    def fit(self, data: Dataset) -> Self:
        """Aggregates the events; raises `DataError` where there are none."""
        if not len(data.interactions):
            raise DataError("there are no interactions for the encoder aggregates to learn from")
        events = events_of_items(data)
        self.recipe_ = learn(events, recent=self.recent, max_events=self.max_events, other="users")
        self.ids_ = data.item_ids
        self.values_ = standardised(events, self.recipe_)
        self.unknown_ = standardised(nothing(), self.recipe_)[0]
        return self

    def check_learnt(self) -> None:
        """Raises `ValueError` for names of other columns."""
        names = self.recipe_.get("names")
        check_type(names, list[str], "names of columns")
        agree(len(self.names) == len(self.unknown_), "names of other columns")

    def encode(self, data: Dataset) -> Features:
        """One behavioural block: (n_items, columns), one and the same row for unknown items."""
        check_fitted(self)
        rows = self.ids_.find(data.item_ids.series)
        values = np.where((rows < 0)[:, None], self.unknown_, self.values_[rows])
        names = {"aggregates": self.names}
        return Features(
            data.item_ids, {"aggregates": values}, behavioural=["aggregates"], names=names
        )

    @property
    def block_width(self) -> int:
        """Columns of its block, by what was learnt alone: nothing is encoded."""
        check_fitted(self)
        return len(self.unknown_)

    @property
    def names(self) -> list[str]:
        """What each column means: "events", "users", "purchase: share", "trend", "no events"."""
        check_fitted(self)
        return list(self.recipe_["names"])
