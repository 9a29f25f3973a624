"""One order of items, people and events, whatever order their tables came in."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from palate.core.arrays import Rows
from palate.core.columns import USER
from palate.core.dataset import Dataset
from palate.core.histories import Histories
from palate.core.ids import Ids
from palate.core.topk import tie_order

__all__ = ["by_id", "places_of", "settled", "with_users_settled"]


def settled(data: Dataset) -> tuple[Dataset, Rows]:
    """The same data with rows in an order that ids alone decide, and (n_items,) which rows of
    `data` its items are.

    Sums are rounded and draws are made row by row: in one order they are the same, however the
    tables were written. The order is that of a hash, so what it favours is chance. Events stay in
    order of time, those of one person among equal times in the order of the table.
    """
    rows = by_id(data.item_ids)
    users = data.users
    if users is not None:
        users = users[by_id(Ids(users[USER]))]
    events = data.interactions
    if data.times is not None and bool((np.diff(data.times) >= 0).all()):
        events = events[np.lexsort((tie_order(data.user_ids)[data.user_rows], data.times))]
    return replace(data, interactions=events, items=data.items[rows], users=users), rows


def with_users_settled(histories: Histories) -> Histories:
    """The same requests, of different people, in an order that the people's ids alone decide."""
    return histories.take(by_id(Ids(histories.user_ids)))


def by_id(ids: Ids) -> Rows:
    """(n,) the rows in an order that ids alone decide."""
    return np.argsort(tie_order(ids), kind="stable").astype(np.int32)


def places_of(rows: Rows) -> Rows:
    """(n,) where in `rows`, which holds each row once, a row stands."""
    places = np.empty(len(rows), dtype=np.int32)
    places[rows] = np.arange(len(rows), dtype=np.int32)
    return places
