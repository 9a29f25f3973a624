"""Blocks side by side, each with its say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Self

import numpy as np
from pydantic import NonNegativeFloat

from palate.core.arrays import Matrix, scale_rows, unit_rows
from palate.core.component import check_fitted, check_types, component, learnt
from palate.core.dataset import Dataset
from palate.core.features import Features
from palate.core.learnt import check_shares
from palate.core.settings import BlockName
from palate.core.types import FitContext
from palate.features.blocks import learnt_of, shares_of, transform_parts
from palate.features.held_out import shares_in_words, shares_learnt_from

__all__ = ["Concat"]


@component
class Concat:
    """All blocks under their names, scaled so that each has its share of every dot product.

    With `scale`, a block's rows become unit rows times √share, so a dot product of two items is
    the mean of the blocks' cosines by their `weights` (1 each where left out). Without, rows keep
    their lengths and are multiplied by √(share × blocks): equal weights leave them as they are.

    `weights="learn"` finds those that best foretell the newest fifth of the training events, or
    each person's last one where there are no times: a conditional logit (McFadden 1974) over the
    blocks' cosines to what came before. With too few events all weigh the same.
    """

    scale: bool = True
    weights: dict[BlockName, NonNegativeFloat] | Literal["learn"] | None = None

    factors_: dict[str, float] = learnt()

    def __post_init__(self) -> None:
        check_types(self)

    @property
    def learns_from_events(self) -> bool:
        """Whether the weights are learnt."""
        return self.weights == "learn"

    def fit(self, features: Features, data: Dataset, context: FitContext = FitContext()) -> Self:
        if isinstance(self.weights, str):
            shares = shares_learnt_from(features, data, context)
        else:
            shares = shares_of(features.parts, self.weights)
        whole = 1.0 if self.scale else float(len(shares))
        self.factors_ = {name: (share * whole) ** 0.5 for name, share in shares.items()}
        return self

    def check_learnt(self) -> None:
        """Raises `ValueError` for factors that no weights give."""
        whole = 1.0 if self.scale else float(len(self.factors_))
        shares = {name: factor * abs(factor) / whole for name, factor in self.factors_.items()}
        check_shares(shares, "squares of factors_")

    @property
    def chosen_(self) -> list[str]:
        """The weights that were learnt, in words; empty where they were given."""
        check_fitted(self)
        total = sum(factor**2 for factor in self.factors_.values())
        shares = {name: factor**2 / total for name, factor in self.factors_.items()}
        return shares_in_words(shares) if self.learns_from_events else []

    def transform(self, features: Features) -> Features:
        return transform_parts(self, features)

    def names_after(self, name: str, names: Sequence[str]) -> Sequence[str]:
        """What the columns of a block mean afterwards: the same, for they are only scaled."""
        return names

    def transform_block(self, name: str, values: Matrix) -> Matrix:
        """Any rows in a block's space: of items, or of people's words."""
        check_fitted(self)
        factor = learnt_of(self.factors_, name, "concat")
        rows = unit_rows(values) if self.scale else values
        return scale_rows(rows, np.full(rows.shape[0], factor, dtype=np.float32))
