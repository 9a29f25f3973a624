"""One order of items, people and events, whatever order their tables came in."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl

from palate.core.arrays import Rows
from palate.core.columns import TIME, USER
from palate.core.dataset import Dataset
from palate.core.histories import Histories
from palate.core.ids import Ids
from palate.core.topk import tie_order


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
    place = tie_order(data.user_ids)

    def in_order(events: pl.DataFrame, people: Rows) -> pl.DataFrame:
        if TIME not in events.columns or not events[TIME].is_sorted():
            return events
        return events[np.lexsort((place[people], events[TIME].to_numpy()))]

    chosen, against = in_order(data.interactions, data.user_rows), data.against
    if against is not None:
        against = in_order(against, data.user_ids.rows(against[USER]))
    items = data.items[rows]
    return replace(data, interactions=chosen, against=against, items=items, users=users), rows


def with_users_settled(histories: Histories) -> Histories:
    """The same requests, of different people, in an order that the people's ids alone decide."""
    return histories.take(by_id(Ids(histories.user_ids)))


def by_id(ids: Ids) -> Rows:
    """(n,) the rows in an order that ids alone decide."""
    return np.argsort(tie_order(ids), kind="stable").astype(np.int32)
