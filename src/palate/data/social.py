"""Where people are what is chosen, as friends are: their ids and those of items are of one kind."""

from __future__ import annotations

from typing import Final
from weakref import WeakKeyDictionary

import numpy as np
import polars as pl

from palate.core.columns import ITEM, USER
from palate.core.dataset import Dataset

LEAST_SHARE: Final = 0.5
"""Of the people with events that are items, too."""

_NUMBER: Final = r"^\d+$"
_SURE: Final = 5.0  # events that there were by chance: none at all is no chance then
_TIMES: Final = 3.0  # as many pairs that chose each other as there were by chance

_known: WeakKeyDictionary[Dataset, bool] = WeakKeyDictionary()


def people_as_items(data: Dataset) -> bool:
    """Whether the ids of people and items are of one kind: those who choose can be chosen.

    At least half of the people are items, by names that do not agree by chance. Two lists of whole
    numbers do, so there people have to have chosen each other more often than by chance, or never
    themselves where that was to be expected. It is found once.
    """
    if data not in _known:
        _known[data] = _are_items(data)
    return _known[data]


def _are_items(data: Dataset) -> bool:
    users = data.interactions[USER]
    both = users.filter(users.is_in(data.items[ITEM].implode())).unique()
    active = np.count_nonzero(np.bincount(data.user_rows))  # no table of a million names for that
    if not len(both) or len(both) < LEAST_SHARE * active:
        return False
    numbers = int(both.str.contains(_NUMBER).sum())
    return numbers < len(both) / 2 or _chose_each_other(data.interactions, both)


def _chose_each_other(events: pl.DataFrame, both: pl.Series) -> bool:
    pairs = events.select(USER, ITEM).unique()
    of_users = pairs.group_by(USER).len("chose")
    of_items = pairs.group_by(ITEM).len("chosen")
    counts = (
        pl.DataFrame({USER: both})
        .join(of_users, on=USER, how="left")
        .join(of_items, left_on=USER, right_on=ITEM, how="left")
        .fill_null(0)
    )
    each = counts["chose"].cast(pl.Float64) * counts["chosen"].cast(pl.Float64) / len(pairs)
    expected_self = float(each.sum())
    if themselves(pairs):
        return False
    inside = pairs.filter(pl.col(ITEM).is_in(both.implode()))
    back = inside.join(inside, left_on=[USER, ITEM], right_on=[ITEM, USER], how="semi")
    odds = inside.join(counts.select(USER, "chose"), left_on=ITEM, right_on=USER)
    odds = odds.join(counts.select(USER, "chosen"), on=USER)
    expected = float((odds["chose"] * odds["chosen"]).cast(pl.Float64).sum()) / len(pairs)
    mutual = len(back) >= _SURE and len(back) > _TIMES * expected
    return mutual or expected_self >= _SURE


def themselves(events: pl.DataFrame) -> bool:
    """Whether anybody chose the item of their own id."""
    return bool((events[USER] == events[ITEM]).any())
