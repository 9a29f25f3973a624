"""Blocks of a few numbers: whoever has a like number is alike, whatever its unit."""

from __future__ import annotations

import numpy as np

from palate.types import Floats, Rows

NARROW = 4  # columns up to which rows of any length are numbers, and no model's vectors
_KNOTS = 129


def are_numbers(part: Floats, rows: Rows) -> bool:
    """Whether these few columns are numbers: unit rows are vectors of some model."""
    if part.shape[1] > NARROW:
        return False
    lengths = np.linalg.norm(part[rows], axis=1)
    return not np.allclose(lengths[lengths > 0], 1.0, atol=1e-3)


def knots_of(part: Floats, rows: Rows) -> Floats:
    """(129, d) quantiles of each column over the rows that are not all zeros."""
    filled = part[rows][part[rows].any(axis=1)]
    if not len(filled):
        return np.zeros((_KNOTS, part.shape[1]), dtype=np.float32)
    levels = np.linspace(0, 1, _KNOTS)
    return np.quantile(filled, levels, axis=0, method="nearest").astype(np.float32)


def as_angles(values: Floats, knots: Floats) -> Floats:
    """(n, 2d) unit rows: a column's rank among what was fitted on is an angle of half a circle.

    The cosine of two rows is the mean, over the columns that vary, of the cosine of the angle
    between their ranks: 1 for the same number, -1 from the lowest to the highest. Rows of zeros
    stay zeros.
    """
    varies = knots[0] < knots[-1]
    found = np.zeros((len(values), 2, values.shape[1]), dtype=np.float32)
    for column in np.flatnonzero(varies):
        below = np.searchsorted(knots[:, column], values[:, column], side="left")
        upto = np.searchsorted(knots[:, column], values[:, column], side="right")
        angle = ((below + upto) / (2 * len(knots)) - 0.5) * np.pi
        found[:, 0, column], found[:, 1, column] = np.cos(angle), np.sin(angle)
    found[~values.any(axis=1)] = 0.0
    rows = found.reshape(len(values), -1)
    rows /= np.float32(max(int(varies.sum()), 1) ** 0.5)
    return rows
