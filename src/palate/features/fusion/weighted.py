"""Several dense blocks as one of the same size."""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping
from typing import Literal, Self

import numpy as np
from pydantic import NonNegativeFloat, PositiveInt

from palate.core.arrays import Floats, Matrix, Rows, unit_rows
from palate.core.component import check_fitted, check_types, component, learnt
from palate.core.dataset import Dataset
from palate.core.features import Features
from palate.core.learnt import WIDEST, agree, check_shares
from palate.core.settings import BlockName
from palate.core.types import FitContext
from palate.features.blocks import (
    check_width,
    dense_parts,
    moments,
    principal_axes,
    project,
    shares_of,
)
from palate.features.fusion._fused import OneBlock
from palate.features.held_out import (
    HeldOut,
    learnt_shares,
    likeliest,
    shares_from,
    shares_in_words,
    with_unheld,
)

__all__ = ["Weighted"]

_POWERS = (0.5, 1.0, 2.0)
NARROW = 8  # columns: a few numbers about each item must not take all else down to as few


@component
class Weighted(OneBlock):
    """One block "fused": the sum of the dense blocks' unit rows, by their share of the `weights`.

    Blocks wider than `dim` (None: the narrowest block of more than 8 columns, if any has) enter by
    their principal components, fitted on items with events, narrower ones with zeros behind. Sparse
    blocks stay beside it. `weights="learn"` finds them as `concat` does.
    """

    dim: PositiveInt | None = None
    weights: dict[BlockName, NonNegativeFloat] | Literal["learn"] | None = None

    shares_: dict[str, float] = learnt()
    widths_: dict[str, int] = learnt()
    means_: dict[str, Floats] = learnt("width")
    axes_: dict[str, Floats] = learnt("width", "dim_")
    dim_: int = learnt()

    def __post_init__(self) -> None:
        check_types(self)

    @property
    def learns_from_events(self) -> bool:
        """Whether the weights are learnt."""
        return self.weights == "learn"

    def fit(self, features: Features, data: Dataset, context: FitContext = FitContext()) -> Self:
        dense = self._dense_of(features)
        given = None if isinstance(self.weights, str) else self.weights
        self.shares_ = shares_of(dense, given)
        widths = [part.shape[1] for part in dense.values()]
        self.dim_ = self.dim or min([width for width in widths if width > NARROW] or widths)
        self._learn_axes(dense, data.warm_items)
        if self.learns_from_events:
            self.shares_ = self._learnt_shares(features.select(dense), data, context)
        return self

    def _learn_axes(self, dense: Mapping[str, Floats], rows: Rows) -> None:
        """How blocks become `dim_` columns, from some of their rows."""
        self.widths_ = {name: part.shape[1] for name, part in dense.items()}
        self.means_, self.axes_ = {}, {}
        for name, part in dense.items():
            if part.shape[1] > self.dim_:
                mean, covariance, count = moments(part, rows)
                self.means_[name] = mean.astype(np.float32)
                _, axes = principal_axes(covariance, count, self.dim_)
                self.axes_[name] = axes.astype(np.float32)

    def _learnt_shares(
        self, dense: Features, data: Dataset, context: FitContext
    ) -> dict[str, float]:
        """Powers of the weights that cosines would have, for blocks disturb each other in a sum.

        The likeliest of these; the last one is the best block alone. A wide block that is made
        again without the held-out events lies on axes of its own.
        """
        held = HeldOut.of(dense, data, context)
        if held is None:
            return self.shares_
        parts = {n: part for n, part in dense_parts(held.features).items() if n in self.widths_}
        told, _ = learnt_shares(held, parts)
        most = max(told.values(), default=0.0)
        tried = [shares_from({n: s**power for n, s in told.items()}) for power in _POWERS]
        tried.append(shares_from({name: float(s == most) for name, s in told.items()}))
        own, best = copy.copy(self), (-np.inf, self.shares_)
        own._learn_axes(parts, held.known.warm_items)
        for shares in tried:
            own.shares_ = shares
            fused = np.zeros((len(dense), self.dim_), dtype=np.float32)
            for name, part in parts.items():
                fused += np.asarray(own.transform_block(name, part))
            _, likelihood = likeliest(held.scores(fused)[:, :, None], held.open)
            best = max(best, (likelihood, shares), key=lambda pair: pair[0])
        return with_unheld(best[1], self.shares_)

    def check_learnt(self) -> None:
        """Raises `ValueError` for blocks that do not land in one of `dim_` columns."""
        agree(0 < self.dim_ <= WIDEST, f"dim_ is {self.dim_}")
        agree(self.shares_.keys() == self.widths_.keys(), "shares_ and widths_ of other blocks")
        check_shares(self.shares_, "shares_")
        agree(min(self.widths_.values()) > 0, "widths_ of no column")
        wide = {name for name, width in self.widths_.items() if width > self.dim_}
        agree(self.axes_.keys() == self.means_.keys() == wide, "axes_ of other than wide blocks")
        agree(
            all(len(self.means_[name]) == self.widths_[name] for name in wide), "means_ of others"
        )

    @property
    def chosen_(self) -> list[str]:
        """The weights that were learnt, in words; empty where they were given."""
        check_fitted(self)
        return shares_in_words(self.shares_) if self.learns_from_events else []

    def transform(self, features: Features) -> Features:
        check_fitted(self)
        self._check_there(features, self.shares_)
        fused = np.zeros((len(features), self.dim_), dtype=np.float32)
        for name in self.shares_:
            fused += np.asarray(self.transform_block(name, features.parts[name]))
        return self._fused_beside(features, fused)

    def transform_block(self, name: str, values: Matrix) -> Matrix:
        """What rows of one block, of items or of people's words, add to the fused block."""
        check_fitted(self)
        if name not in self.shares_:
            return values
        check_width(values, self.widths_[name], name, "weighted")
        if name in self.axes_:
            values = project(values, self.means_[name], self.axes_[name])
        rows = np.zeros((values.shape[0], self.dim_), dtype=np.float32)
        rows[:, : values.shape[1]] = unit_rows(values)
        return rows * np.float32(self.shares_[name])

    def _fused_names(self) -> Collection[str]:
        return self.shares_
