"""Items that nobody has touched: how many are new arrivals, and what places they get."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from palate.types import Floats

FIRST = 0.2  # of the gap between new items that the first one waits


def arrivals(counts: Floats) -> float:
    """How many items without any event are more than chance explains: new arrivals.

    In every catalogue some rare items go untouched; the items touched once and twice tell how many
    (Chao 1984, bias-corrected).
    """
    never, once, twice = (float((counts == times).sum()) for times in (0, 1, 2))
    return max(0.0, never - once * (once - 1) / (2 * (twice + 1)))


def with_places_for_new(values: Floats, new: NDArray[np.bool_], *, share: float) -> Floats:
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
