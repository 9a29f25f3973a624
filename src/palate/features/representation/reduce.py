"""Fewer dimensions by principal components."""

from __future__ import annotations

from typing import Self

import numpy as np
from pydantic import PositiveInt

from palate.core.arrays import Floats, Matrix
from palate.core.component import check_fitted, check_types, component, learnt
from palate.core.dataset import Dataset
from palate.core.features import Features
from palate.core.learnt import agree
from palate.features.blocks import (
    check_width,
    dense_parts,
    moments,
    principal_axes,
    project,
    transform_parts,
)

__all__ = ["Reduce"]


@component
class Reduce:
    """Each dense block's `dim` principal components (Pearson 1901), centred, largest first.

    Fitted on items with events, so there are fewer components than such items. Blocks of `dim`
    columns or fewer and sparse blocks are left alone; rows of zeros stay zeros.
    """

    dim: PositiveInt = 128

    means_: dict[str, Floats] = learnt("width")
    axes_: dict[str, Floats] = learnt("width", "axes")

    def __post_init__(self) -> None:
        check_types(self)

    def fit(self, features: Features, data: Dataset) -> Self:
        self.means_, self.axes_ = {}, {}
        for name, part in dense_parts(features).items():
            if part.shape[1] <= self.dim:
                continue
            mean, covariance, count = moments(part, data.warm_items)
            _, axes = principal_axes(covariance, count, self.dim)
            self.means_[name] = mean.astype(np.float32)
            self.axes_[name] = axes.astype(np.float32)
        return self

    def check_learnt(self) -> None:
        """Raises `ValueError` for blocks of which only a part was learnt."""
        agree(self.means_.keys() == self.axes_.keys(), "means_ and axes_ of different blocks")

    def transform(self, features: Features) -> Features:
        return transform_parts(self, features)

    def transform_block(self, name: str, values: Matrix) -> Matrix:
        """Any rows in a block's space: of items, or of people's words."""
        check_fitted(self)
        if name not in self.axes_:
            return values
        check_width(values, len(self.means_[name]), name, "reduce")
        return project(values, self.means_[name], self.axes_[name])
