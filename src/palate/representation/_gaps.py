"""Items that lack a modality: their encoder gives them what is typical, and marks them."""

from __future__ import annotations

import numpy as np

from palate.types import Floats, Mask, Rows

_ROUNDING = 1e-3
_EXACT = 1e-5  # where no mark says so too
_NARROW = 4  # columns up to which a row of means may well be an item's own


def typical_of(part: Floats, rows: Rows) -> Floats | None:
    """What gaps hold, by which `gaps_in` finds them; None where they cannot be told.

    (d - 1,) before the last column, if that one marks gaps: it is 0 or 1 in `rows`, and those with
    1 hold the mean of those with 0. (0,) if it is 0 in all `rows`, and others with 1 are all alike:
    then a mark says enough. (d,) the mean of the rows of a block without marks: none of `rows` is a
    gap, but later ones may be.
    """
    if part.shape[1] < 2 or not len(rows):
        return None
    marks = part[rows, -1]
    present, gaps = rows[marks == 0], rows[marks == 1]
    if len(present) == len(rows):
        return np.empty(0, dtype=np.float32) if _all_alike(part[part[:, -1] == 1]) else None
    if not len(present) or len(present) + len(gaps) < len(rows):
        return _mean(part[rows]) if part.shape[1] > _NARROW else None
    typical = _mean(part[present, :-1])
    allowed = _allowed(typical, _ROUNDING)
    return typical if _near(part[gaps, :-1], typical, allowed).all() else None


def gaps_in(part: Floats, typical: Floats) -> Mask:
    """(n,) rows that hold nothing but what is typical, and are marked where there are marks."""
    marked = len(typical) < part.shape[1]
    allowed = _allowed(typical, _ROUNDING if marked else _EXACT)
    if marked:
        gaps = _near(part[:, -1:], np.ones(1, dtype=np.float32), 0.0)
    else:
        gaps = _near(part[:, :1], typical[:1], allowed)
    gaps[gaps] = _near(part[gaps, : len(typical)], typical, allowed)
    return gaps


def _all_alike(rows: Floats) -> bool:
    """Whether all rows hold the same, which items with a rare tag in the last column do not."""
    return not len(rows) or bool((rows == rows[0]).all())


def _mean(rows: Floats) -> Floats:
    mean: Floats = rows.mean(axis=0, dtype=np.float64).astype(np.float32)
    return mean


def _near(values: Floats, typical: Floats, allowed: float) -> Mask:
    near: Mask = (np.abs(values - typical) <= allowed).all(axis=1)
    return near


def _allowed(typical: Floats, rounding: float) -> float:
    return rounding * float(np.abs(typical).max(initial=0.0)) + 1e-6
