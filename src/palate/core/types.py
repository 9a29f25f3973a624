"""The verbs that stages are made of, as protocols, and what a fit and a recommendation hand on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, Self, runtime_checkable

import polars as pl

from palate.core.arrays import Floats, Rows
from palate.core.columns import USER
from palate.core.dataset import Dataset
from palate.core.doors import door_of
from palate.core.errors import ConfigError
from palate.core.features import Features
from palate.core.html import SHOWN_ROWS, page_table
from palate.core.visible import counted

if TYPE_CHECKING:
    from palate.core.histories import Histories


def content_of(features: Features | None) -> Features | None:
    """The blocks that were not learnt from behaviour; None for none."""
    if features is None or not features.behavioural:
        return features if features is not None and features.parts else None
    content = features.select(name for name in features.parts if name not in features.behavioural)
    return content if content.parts else None


@door_of
@dataclass(frozen=True, eq=False)
class FitContext:
    """What a fit may use beside the events: features of items and of users, or None for none.

    `remake` makes the same from a part of the data. Who holds events out as labels, and learns from
    the rest, takes `honest` for what it keeps and `on_part` for what it learns from: blocks that
    were learnt from all events know the labels. Who fits others hands them the same context.
    `learnt` says that what was done to the blocks was learnt from events, as fusion may be: then
    nothing may be used of them where nobody can make them again.
    """

    items: Features | None = None
    users: Features | None = None
    remake: Callable[[Dataset], FitContext] | None = None
    learnt: bool = False

    @property
    def knows_events(self) -> bool:
        """Whether a block was learnt from events, so that it has to be made again on a part."""
        return self.learnt or any(
            part is not None and part.behavioural for part in (self.items, self.users)
        )

    @property
    def honest(self) -> FitContext:
        """What may be used where events are held out: all, or content alone if nothing remakes."""
        if self.remake is not None or not self.knows_events:
            return self
        if self.learnt:
            return FitContext()
        return FitContext(items=content_of(self.items), users=content_of(self.users))

    def on_part(self, part: Dataset) -> FitContext:
        """The blocks of `honest` as they are where `part` is all that is known."""
        if self.remake is None or not self.knows_events:
            return self.honest
        return self.remake(part)


def check_context(context: object) -> None:
    """Raises `ConfigError` for features where a `FitContext` is meant."""
    if not isinstance(context, FitContext):
        kind = type(context).__name__
        raise ConfigError(f"fit takes FitContext(items=features) beside the data, not {kind}")


@door_of
@dataclass(frozen=True)
class Recommendations:
    """A table of `user_id`, `item_id`, `score`, `rank` (from 1) and, if asked for, `reasons`.

    Of items like an item: `item_id`, `similar_id` and the same. `skipped` are the unknown ids that
    were left out, where that was asked for.
    """

    table: pl.DataFrame
    skipped: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.table)

    def _repr_html_(self) -> str:
        asked = self.table.columns[0]  # people, or the items that others are like
        whom = counted(self.table[asked].n_unique(), "person" if asked == USER else "item")
        rows = [
            [f"{cell:.4f}" if isinstance(cell, float) else cell for cell in line]
            for line in self.table.head(SHOWN_ROWS).iter_rows()
        ]
        title = f"{counted(len(self), 'recommendation')} for {whom}"
        return page_table(title, self.table.columns, rows, more=len(self) - len(rows))


@runtime_checkable
class Encoder(Protocol):
    """Something → features of every item of `data`, in the order of `data.items`."""

    def fit(self, data: Dataset) -> Self: ...
    def encode(self, data: Dataset) -> Features: ...


@runtime_checkable
class Transform(Protocol):
    """Features → features: representation, fusion and selection are all of these.

    One whose `learns_from_events` is true is fitted with a `FitContext` as its third argument,
    which makes the features that it is given again from a part of the data.
    """

    def fit(self, features: Features, data: Dataset) -> Self: ...
    def transform(self, features: Features) -> Features: ...


@runtime_checkable
class Recommender(Protocol):
    """Histories → a score for every item of the catalogue: (len(histories), n_items) float32."""

    def fit(self, data: Dataset, context: FitContext = FitContext()) -> Self: ...
    def score(self, histories: Histories) -> Floats: ...
    def add_items(self, items: Features) -> Self: ...


@runtime_checkable
class ValuePredictor(Protocol):
    """A recommender that says what somebody would give an item: stars, minutes, an amount.

    `predict` gives (n,) float32 in the unit of the values: for request i and the catalogue row
    `items[i]`. What a request's history holds is all that is known of who asks, values of what was
    turned down among it (`Histories.every`). `predicts` says whether it can: as it is set up, and
    as the events that it was fitted on have it.
    """

    @property
    def predicts(self) -> bool: ...
    def predict(self, histories: Histories, items: Rows) -> Floats: ...


@runtime_checkable
class Reranker(Protocol):
    """Recommendations → the same people's recommendations in another order."""

    def rerank(self, recommendations: Recommendations, histories: Histories) -> Recommendations: ...
