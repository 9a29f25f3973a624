"""Columns that say nothing that another column has not said."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Self

import numpy as np
from pydantic import Field

from palate.core.arrays import Mask, Matrix
from palate.core.component import check_fitted, check_types, component, learnt
from palate.core.dataset import Dataset
from palate.core.features import Features
from palate.features.blocks import (
    Doubles,
    dense_parts,
    kept_columns,
    kept_names,
    moments,
    transform_parts,
)

__all__ = ["Redundancy"]


@component
class Redundancy:
    """Drops a dense block's columns that correlate above `limit` with an earlier one that stays.

    Correlation is absolute (Pearson), on items with events; columns that never vary stay, and so
    do sparse blocks.
    """

    limit: Annotated[float, Field(gt=0, le=1)] = 0.95

    kept_: dict[str, Mask] = learnt("width")

    def __post_init__(self) -> None:
        check_types(self)

    def fit(self, features: Features, data: Dataset) -> Self:
        self.kept_ = {}
        for name, part in dense_parts(features).items():
            _, covariance, _ = moments(part, data.warm_items)
            self.kept_[name] = _first_of_each(_correlations(covariance), self.limit)
        return self

    def transform(self, features: Features) -> Features:
        return transform_parts(self, features)

    def names_after(self, name: str, names: Sequence[str]) -> list[str]:
        """What the columns that stay in a block mean."""
        return kept_names(self.kept_, name, names)

    def transform_block(self, name: str, values: Matrix) -> Matrix:
        """Any rows in a block's space: of items, or of people's words."""
        check_fitted(self)
        if name not in self.kept_:
            return values
        return kept_columns(values, self.kept_[name], name, "redundancy")


def _correlations(covariance: Doubles) -> Doubles:
    deviation = np.sqrt(np.diag(covariance))
    scale = np.divide(1.0, deviation, out=np.zeros_like(deviation), where=deviation > 1e-9)
    return np.abs(covariance * scale * scale[:, None])


def _first_of_each(correlations: Doubles, limit: float) -> Mask:
    kept = np.zeros(len(correlations), dtype=np.bool_)
    for column in range(len(correlations)):
        kept[column] = not (correlations[column, :column][kept[:column]] > limit).any()
    return kept
