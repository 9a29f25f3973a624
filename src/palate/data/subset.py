"""A data set without some of its items, people or events; columns found by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import polars as pl

from palate.core.arrays import Mask
from palate.core.columns import ITEM, TIME, USER
from palate.core.dataset import Dataset
from palate.core.errors import DataError, did_you_mean

_PROTECTED = (USER, ITEM, TIME)


def tables_of(data: Dataset) -> dict[str, pl.DataFrame]:
    """The tables there are, by the names that "table.column" takes."""
    tables = {"interactions": data.events, "items": data.items}
    return tables if data.users is None else tables | {"users": data.users}


def with_table(data: Dataset, table: str, frame: pl.DataFrame) -> Dataset:
    """The same data with one table in another state: same rows, other values or columns."""
    if table == "interactions":
        return data.with_events(frame, data.chosen)
    return replace(data, items=frame) if table == "items" else replace(data, users=frame)


def locate(data: Dataset, name: str, *, what: str) -> tuple[str, str]:
    """(table, column) of `name`, which may say the table too: "items.price".

    Raises `DataError` for a column that no table has, that two have, or that holds ids or times.
    """
    tables = tables_of(data)
    table, _, column = name.partition(".")
    if table in tables and column in tables[table].columns:
        found = [table]
    else:
        column = name
        found = [table for table, frame in tables.items() if column in frame.columns]
    if column in _PROTECTED:
        raise DataError(f"{what}: {column!r} holds ids or times, which stay as they are")
    if not found:
        known = {name for frame in tables.values() for name in frame.columns} - set(_PROTECTED)
        raise DataError(f"{what}: no table has a column {name!r}.{did_you_mean(name, known)}")
    if len(found) > 1:
        choices = " or ".join(repr(f"{table}.{column}") for table in found)
        raise DataError(f"{what}: {name!r} is a column of two tables; write {choices}")
    return found[0], column


def key_of(table: str) -> str:
    """The id that names a row of a table in messages."""
    return ITEM if table == "items" else USER


def keep_rows(data: Dataset, table: str, keep: Mask) -> Dataset:
    """Some rows of one table; what names a row that is gone goes with it."""
    rows = pl.Series(keep)
    if table == "interactions":
        return data.part(keep)
    if table == "items":
        left = data.part(keep[data.item_ids.rows(data.events[ITEM])])
        return replace(left, items=data.items.filter(rows))
    assert data.users is not None
    gone = data.users.filter(~rows)[USER]
    left = data.part((~data.events[USER].is_in(gone.implode())).to_numpy())
    return replace(left, users=data.users.filter(rows))


def core(data: Dataset, *, min_user_events: int, min_item_events: int) -> Dataset:
    """The k-core: every person and item left has that many events with the others left.

    Events are choices here; what speaks against an item goes with it, and with its person.
    Removal repeats until nothing changes, so the result does not depend on who goes first. Items
    below `min_item_events` leave the catalogue, people below `min_user_events` the table of users:
    those without any event too. A minimum of 0 leaves its side alone.
    """
    users, items = data.user_rows, data.item_rows
    alive = np.ones(len(users), dtype=np.bool_)
    while True:
        of_user = np.bincount(users[alive], minlength=len(data.user_ids))
        of_item = np.bincount(items[alive], minlength=len(data.item_ids))
        enough = (of_user >= min_user_events)[users] & (of_item >= min_item_events)[items]
        if not (alive & ~enough).any():
            break
        alive &= enough
    kept = np.ones(len(data.events), dtype=np.bool_)
    kept[data.chosen] = alive
    if data.against is not None:
        others = np.flatnonzero(~data.chosen)
        kept[others] = (of_user >= min_user_events)[data.user_ids.rows(data.against[USER])]
        kept[others] &= (of_item >= min_item_events)[data.item_ids.rows(data.against[ITEM])]
    left = data.part(kept)
    if min_item_events:
        left = replace(left, items=data.items.filter(pl.Series(of_item >= min_item_events)))
    if min_user_events and data.users is not None:
        listed = pl.Series((of_user >= min_user_events)[: len(data.users)])
        left = replace(left, users=data.users.filter(listed))
    return left


TEXTS = (pl.String, pl.List(pl.String))


def text_columns(items: pl.DataFrame) -> list[str]:
    """The columns of items that may say something: text and lists of text."""
    return [name for name, kind in items.schema.items() if kind in TEXTS and name != ITEM]


def empty_items(items: pl.DataFrame, columns: Sequence[str] | None = None) -> pl.Series:
    """Which items say nothing in any of `columns`, by default in all columns of text.

    Raises `DataError` for a column that holds no text, and where there is none at all.
    """
    usable = text_columns(items)
    for name in columns or ():
        if name not in usable:
            raise DataError(f"items: no column of text {name!r}.{did_you_mean(name, usable)}")
    if not usable:
        raise DataError("items: no column of text at all; leave empty_text='keep'")
    words = [
        pl.col(name) if items.schema[name] == pl.String else pl.col(name).list.join(" ")
        for name in columns or usable
    ]
    joined = pl.concat_str(words, ignore_nulls=True).str.strip_chars() == ""
    return items.select(joined).to_series()
