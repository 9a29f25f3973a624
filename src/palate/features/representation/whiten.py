"""Centring and whitening: no direction of a language model's space shouts down the others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np
from pydantic import NonNegativeFloat, PositiveInt

from palate.core.arrays import Floats, Mask, Matrix, Rows, to_dense, unit_rows
from palate.core.component import check_fitted, check_types, component, learnt
from palate.core.dataset import Dataset
from palate.core.features import Features
from palate.core.learnt import agree
from palate.core.settings import BlockName
from palate.features.blocks import (
    check_width,
    dense_parts,
    moments,
    principal_axes,
    project,
    transform_parts,
)

__all__ = ["Whiten"]

_ROUNDING = 1e-3
_EXACT = 1e-5  # where no mark says so too
_NARROW = 4  # columns up to which a row of means may well be an item's own

NARROW = 4  # columns up to which rows of any length are numbers, and no model's vectors
_KNOTS = 129


@component
class Whiten:
    """Unit rows, centred, with the variance of each principal axis evened out, as unit rows again.

    An axis of variance w is divided by √(w + `shrinkage` × total variance), so that axes of noise
    stay quiet: by default 4 over the number of items fitted on, 1e-4 at least, since few items make
    for much noise. Only the `keep` largest stay (None: all, but fewer than fitted rows). Fitted on
    items with events; sparse blocks only become unit rows, rows of zeros stay zeros. After Huang
    et al., "WhiteningBERT" (EMNLP Findings 2021).

    Items that lack a modality become zeros: to lack the same is no likeness. Their encoder gives
    them the mean of the others, and a mark in the last column if some that were fitted on lack it;
    a mark that none of these bears says enough. The directions of a few numbers say little, so
    blocks in `numbers`, and those of up to 4 columns whose rows are no unit rows, are compared by
    rank, column by column, as angles: (n, 2d).
    """

    shrinkage: NonNegativeFloat | None = None
    keep: PositiveInt | None = None
    numbers: list[BlockName] | None = None

    means_: dict[str, Floats] = learnt("width")
    axes_: dict[str, Floats] = learnt("width", "axes")
    typical_: dict[str, Floats] = learnt("told")
    knots_: dict[str, Floats] = learnt("knots", "width")

    def __post_init__(self) -> None:
        check_types(self)

    def fit(self, features: Features, data: Dataset) -> Self:
        self.means_, self.axes_, self.typical_, self.knots_ = {}, {}, {}, {}
        for name, part in dense_parts(features).items():
            rows = data.warm_items
            typical = typical_of(part, rows)
            if typical is not None:
                self.typical_[name] = typical
                if len(typical) < part.shape[1]:
                    rows = rows[part[rows, -1] == 0]
            if name in (self.numbers or ()) or are_numbers(part, rows):
                self.knots_[name] = knots_of(part, rows)
            else:
                self._fit_axes(name, part, rows)
        return self

    def _fit_axes(self, name: str, part: Floats, rows: Rows) -> None:
        mean, covariance, count = moments(unit_rows(part), rows)
        variance, axes = principal_axes(covariance, count, self.keep or len(mean))
        shrinkage = _default_shrinkage(count) if self.shrinkage is None else self.shrinkage
        floor = max(shrinkage * float(np.trace(covariance)), 1e-9)
        self.means_[name] = mean.astype(np.float32)
        self.axes_[name] = (axes / np.sqrt(variance + floor)).astype(np.float32)

    def check_learnt(self) -> None:
        """Raises `ValueError` for blocks of which only a part was learnt."""
        fitted = self.axes_.keys() | self.knots_.keys()
        agree(self.axes_.keys() == self.means_.keys(), "means_ and axes_ of different blocks")
        agree(self.typical_.keys() <= fitted, "typical_ of a block without axes_ and knots_")
        agree(all(map(len, self.knots_.values())), "knots_ without a knot")
        for name, typical in self.typical_.items():
            width = len(self.means_[name]) if name in self.means_ else self.knots_[name].shape[1]
            agree(len(typical) in (0, width - 1, width), f"typical_[{name!r}] of another block")

    def transform(self, features: Features) -> Features:
        return transform_parts(self, features)

    def names_after(self, name: str, names: Sequence[str]) -> Sequence[str]:
        """What columns mean where that is known: of sparse blocks, and of numbers as angles."""
        if name in self.knots_:
            return [f"{own} ({part})" for part in ("cosine", "sine") for own in names]
        return () if name in self.axes_ else names

    def transform_block(self, name: str, values: Matrix) -> Matrix:
        """Any rows in a block's space: of items, or of people's words."""
        check_fitted(self)
        fitted = self.axes_.get(name, self.knots_.get(name))
        if fitted is None:
            return unit_rows(values)
        width = len(self.means_[name]) if name in self.means_ else fitted.shape[1]
        check_width(values, width, name, "whiten")
        if name in self.typical_:
            values = _without_gaps(to_dense(values), self.typical_[name])
        if name in self.knots_:
            return as_angles(to_dense(values), fitted)
        return unit_rows(project(unit_rows(values), self.means_[name], fitted))


def _without_gaps(values: Floats, typical: Floats) -> Floats:
    gaps = gaps_in(values, typical)
    return np.where(gaps[:, None], np.float32(0), values) if gaps.any() else values


def _default_shrinkage(count: int) -> float:
    return max(1e-4, 4.0 / max(count, 1))


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
