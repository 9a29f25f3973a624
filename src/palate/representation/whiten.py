"""Centring and whitening: no direction of a language model's space shouts down the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from palate._settings import check_types
from palate.errors import ConfigError
from palate.representation._blocks import (
    check_width,
    dense_parts,
    moments,
    principal_axes,
    project,
    transform_parts,
)
from palate.representation._rows import unit_rows
from palate.types import Dataset, Features, Floats, Matrix, check_fitted, learnt

__all__ = ["Whiten"]


@dataclass(kw_only=True)
class Whiten:
    """Unit rows, centred, with the variance of each principal axis evened out, as unit rows again.

    An axis of variance w is divided by √(w + `shrinkage` × total variance), so that axes of noise
    stay quiet: by default 4 over the number of items fitted on, 1e-4 at least, since few items make
    for much noise. Only the `keep` largest stay (None: all, but fewer than fitted rows). Fitted on
    items with events; sparse blocks only become unit rows, rows of zeros stay zeros. After Huang
    et al., "WhiteningBERT" (EMNLP Findings 2021).
    """

    shrinkage: float | None = None
    keep: int | None = None

    means_: dict[str, Floats] = learnt()
    axes_: dict[str, Floats] = learnt()

    def __post_init__(self) -> None:
        check_types(self)
        if self.shrinkage is not None and self.shrinkage < 0:
            raise ConfigError(f"shrinkage = {self.shrinkage} cannot be used: give 0 or more")
        if self.keep is not None and self.keep < 1:
            raise ConfigError(f"keep = {self.keep} cannot be used: keep 1 axis or more")

    def fit(self, features: Features, data: Dataset) -> Self:
        self.means_, self.axes_ = {}, {}
        for name, part in dense_parts(features).items():
            mean, covariance, count = moments(np.asarray(unit_rows(part)), data.trained_rows)
            width = len(mean)
            variance, axes = principal_axes(covariance, count, self.keep or width)
            shrinkage = _default_shrinkage(count) if self.shrinkage is None else self.shrinkage
            floor = max(shrinkage * float(np.trace(covariance)), 1e-9)
            self.means_[name] = mean.astype(np.float32)
            self.axes_[name] = (axes / np.sqrt(variance + floor)).astype(np.float32)
        return self

    def transform(self, features: Features) -> Features:
        return transform_parts(self, features)

    def transform_block(self, name: str, values: Matrix) -> Matrix:
        """Any rows in a block's space: of items, or of people's words."""
        check_fitted(self)
        units = unit_rows(values)
        if name not in self.axes_:
            return units
        check_width(values, len(self.means_[name]), name, "whiten")
        return unit_rows(project(units, self.means_[name], self.axes_[name]))


def _default_shrinkage(count: int) -> float:
    return max(1e-4, 4.0 / max(count, 1))
