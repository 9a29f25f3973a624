"""Blocks side by side, each with its say."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import NonNegativeFloat

from palate.core.arrays import Matrix, unit_rows
from palate.core.component import component
from palate.core.dataset import Dataset
from palate.core.features import Features
from palate.core.learnt import check_shares
from palate.core.settings import BlockName
from palate.core.types import FitContext
from palate.features.blocks import shares_of
from palate.features.fusion._fused import ScaledBlocks
from palate.features.held_out import shares_in_words, shares_learnt_from

__all__ = ["Concat"]


@component
class Concat(ScaledBlocks):
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
        shares = self._shares()
        return shares_in_words(shares) if self.learns_from_events else []

    def _rows(self, values: Matrix) -> Matrix:
        return unit_rows(values) if self.scale else values
