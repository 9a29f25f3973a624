"""Items that lack a modality: their encoder gives them what is typical, and marks them."""

from __future__ import annotations

import numpy as np

from palate.types import Floats, Mask, Rows

_ROUNDING = 1e-3


def typical_of(part: Floats, rows: Rows) -> Floats | None:
    """What gaps hold before the last column, if that one marks gaps; None if it does not.

    It marks gaps where it is 0 or 1 in `rows`, and those with 1 hold the mean of those with 0.
    """
    if part.shape[1] < 2:
        return None
    marks = part[rows, -1]
    present, gaps = rows[marks == 0], rows[marks == 1]
    if not len(present) or len(present) + len(gaps) < len(rows):
        return None
    typical = part[present, :-1].mean(axis=0, dtype=np.float64).astype(np.float32)
    return typical if _near(part[gaps, :-1], typical).all() else None


def gaps_in(part: Floats, typical: Floats) -> Mask:
    """(n,) rows that are marked, and hold nothing but what is typical."""
    gaps: Mask = part[:, -1] == 1
    gaps[gaps] = _near(part[gaps, :-1], typical)
    return gaps


def _near(values: Floats, typical: Floats) -> Mask:
    scale = float(np.abs(typical).max(initial=0.0))
    near: Mask = (np.abs(values - typical) <= _ROUNDING * scale + 1e-6).all(axis=1)
    return near
