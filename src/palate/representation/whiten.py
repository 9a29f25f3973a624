"""Centring and whitening: no direction of a language model's space shouts down the others."""

from __future__ import annotations

from typing import Self

import numpy as np
from pydantic import NonNegativeFloat, PositiveInt

from palate._learnt import agree
from palate._settings import check_types, component
from palate.component import BlockName
from palate.representation._blocks import (
    check_width,
    dense_parts,
    moments,
    principal_axes,
    project,
    transform_parts,
)
from palate.representation._gaps import gaps_in, typical_of
from palate.representation._numbers import are_numbers, as_angles, knots_of
from palate.representation._rows import unit_rows
from palate.types import (
    Dataset,
    Features,
    Floats,
    Matrix,
    Rows,
    check_fitted,
    learnt,
    to_dense,
)

__all__ = ["Whiten"]


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
    knots_: dict[str, Floats] = learnt("knots", "numbers")

    def __post_init__(self) -> None:
        check_types(self)

    def fit(self, features: Features, data: Dataset) -> Self:
        self.means_, self.axes_, self.typical_, self.knots_ = {}, {}, {}, {}
        for name, part in dense_parts(features).items():
            rows = data.trained_rows
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
        mean, covariance, count = moments(np.asarray(unit_rows(part)), rows)
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
