"""New items among themselves: which of them stands on the places that new items get.

Nothing is known of what people did with them, so beside the trees it is tried what content says:
how close they are to who asks, what tends to follow, and how popular items like them are lately.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from palate.core.arrays import Floats, Mask
from palate.recommenders.two_stage.candidates import Candidates
from palate.recommenders.two_stage.catalogue import Catalogue, nearest_rows
from palate.recommenders.two_stage.importance import FAMILIES
from palate.recommenders.two_stage.recency import WINDOWS
from palate.recommenders.two_stage.ways import BY_TREES, Way

LENT: Final = "popularity of similar items (30 days)"
LENT_DAYS = 30.0
FIRST = 0.2  # of the gap between new items that the first one waits


def lent_popularity(statistics: Mapping[str, Any], catalogue: Catalogue) -> Floats:
    """(n_items,) of new items: mean log popularity lately of those that are most like them.

    Neighbours in each block count by squared cosines, the blocks alike; 0 for items with events,
    and where events have no times.
    """
    lent = np.zeros(catalogue.n_items, dtype=np.float32)
    touched = statistics["counts"] > 0
    new, known = np.flatnonzero(~touched), np.flatnonzero(touched)
    if catalogue.neighbour_pool is not None:
        known = np.intersect1d(known, catalogue.neighbour_pool)
    blocks = [*catalogue.dense_blocks.values(), *catalogue.sparse_blocks.values()]
    if "windows" not in statistics or not blocks or not len(new) or not len(known):
        return lent
    lately = np.log1p(statistics["windows"][:, WINDOWS.index(LENT_DAYS)]).astype(np.float32)
    for block in blocks:
        lent[new] += nearest_rows(block, known.astype(np.int32), of=new) @ lately
    return lent / np.float32(len(blocks))


def arrival_ways(names: Sequence[str]) -> list[Way]:
    """What new items are ordered by in the trial: the trees, or what content says of them."""
    blocks = [name for name in names if f"{name} (place)" in names and name not in FAMILIES]
    said = [name for block in blocks for name in (block, f"{block}:map") if name in names]
    alone = [Way(0.0, name, 1.0) for name in (LENT, *said)]
    return [BY_TREES, Way(1.0, LENT, 1.0), *alone]


def said_of_arrivals(found: Candidates, lent: Floats) -> dict[str, Floats]:
    """What each of these ways orders by, of the candidates; the plain sum for ties."""
    names = [way.ordered_by for way in arrival_ways(found.names)]
    columns = {name: place for place, name in enumerate(found.names)}
    said = {name: found.features[:, :, columns[name]] for name in names if name in columns}
    said["mix"] = found.features[:, :, columns["mix"]]
    return said | {LENT: lent[np.maximum(found.items, 0)]}


def among_themselves(values: Floats, order: Floats, new: Mask) -> Floats:
    """(n, k) the same values, those of new items given out among these as `order` says.

    So no other item's place moves.
    """
    by_value = np.argsort(np.where(new, -values, np.inf), axis=1, kind="stable")
    by_order = np.argsort(np.where(new, -order, np.inf), axis=1, kind="stable")
    given = values.copy()
    np.put_along_axis(given, by_order, np.take_along_axis(values, by_value, axis=1), axis=1)
    return np.where(new, given, values)


def with_places_for_new(values: Floats, new: Mask, *, share: float) -> Floats:
    """Scores that give new items at least `share` of a list's places, evenly, in their own order.

    The j-th best new item stands no lower than place (j + ⅕) / share, rounded up; the first place
    is left to proven items where these are the most. The data cannot tell how items that just
    arrived will do against proven ones, so a stated share decides.
    """
    if not 0 < share < 1 or not new.any():
        return values
    placed = values.copy()
    proven = -np.sort(-np.where(new, -np.inf, values), axis=1)
    order = np.argsort(-np.where(new, values, -np.inf), axis=1, kind="stable")
    rows = np.arange(len(values))
    wanted = np.arange(int(new.sum(axis=1).max()))
    gaps = np.ceil((wanted + FIRST) / share).astype(int) - 1 - wanted
    gaps[0] = max(gaps[0], int(share < 0.5))
    for nth, above in enumerate(gaps):
        if above >= proven.shape[1]:
            break
        column = order[:, nth]
        down = (np.count_nonzero(gaps[:nth] == above) + 1) / (np.count_nonzero(gaps == above) + 1)
        own, below = values[rows, column], proven[:, above]
        before = proven[:, above - 1] if above else below + 1
        above_ties = np.nextafter(below, np.float32(np.inf))
        between = np.maximum((1 - down) * before + down * below, above_ties)
        between = np.where(np.isfinite(below), between, own)
        placed[rows, column] = np.where(new[rows, column], np.maximum(own, between), own)
    return placed
