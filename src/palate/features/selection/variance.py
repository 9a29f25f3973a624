"""Columns that tell items apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from pydantic import NonNegativeFloat

from palate.core.arrays import Mask, Matrix
from palate.core.component import check_fitted, check_types, component, learnt
from palate.core.dataset import Dataset
from palate.core.features import Features
from palate.features.blocks import kept_columns, kept_names, learnt_of, transform_parts, variances

__all__ = ["Variance"]


@component
class Variance:
    """Keeps a block's columns whose variance is above `floor` times the block's mean variance.

    Measured on items with events, dense and sparse blocks alike. The column that varies most
    always stays.
    """

    floor: NonNegativeFloat = 0.001

    kept_: dict[str, Mask] = learnt("width")

    def __post_init__(self) -> None:
        check_types(self)

    def fit(self, features: Features, data: Dataset) -> Self:
        self.kept_ = {}
        for name, part in features.parts.items():
            variance = variances(part, data.warm_items)
            kept = variance > self.floor * variance.mean() if len(variance) else variance > 0
            if len(kept):
                kept[variance.argmax()] = True
            self.kept_[name] = kept
        return self

    def transform(self, features: Features) -> Features:
        return transform_parts(self, features)

    def names_after(self, name: str, names: Sequence[str]) -> list[str]:
        """What the columns of a block that stay mean."""
        return kept_names(self.kept_, name, names)

    def transform_block(self, name: str, values: Matrix) -> Matrix:
        """Any rows in a block's space: of items, or of people's words."""
        check_fitted(self)
        return kept_columns(values, learnt_of(self.kept_, name, "variance"), name, "variance")
