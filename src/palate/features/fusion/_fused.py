"""What fusions share: blocks that are scaled, and dense blocks that become one."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np

from palate.core.arrays import Floats, Matrix, scale_rows, unit_rows
from palate.core.component import check_fitted, check_types, learnt
from palate.core.errors import AlignmentError, ConfigError
from palate.core.features import Features
from palate.features.blocks import dense_parts, learnt_of, transform_parts

FUSED: Final = "fused"


@dataclass(kw_only=True)
class ScaledBlocks:
    """A fusion that leaves all blocks beside each other, each times a factor of its own."""

    factors_: dict[str, float] = learnt()

    def __post_init__(self) -> None:
        check_types(self)

    def _shares(self) -> dict[str, float]:
        """Each block's share of 1."""
        check_fitted(self)
        total = sum(factor**2 for factor in self.factors_.values())
        return {name: factor**2 / total for name, factor in self.factors_.items()}

    def transform(self, features: Features) -> Features:
        return transform_parts(self, features)

    def names_after(self, name: str, names: Sequence[str]) -> Sequence[str]:
        """What the columns of a block mean afterwards: the same, for they are only scaled."""
        return names

    def transform_block(self, name: str, values: Matrix) -> Matrix:
        """Any rows in a block's space: of items, or of people's words."""
        check_fitted(self)
        factor = learnt_of(self.factors_, name, type(self).__name__.lower())
        rows = self._rows(values)
        return scale_rows(rows, np.full(rows.shape[0], factor, dtype=np.float32))

    def _rows(self, values: Matrix) -> Matrix:
        """Rows before they are scaled."""
        return unit_rows(values)


class OneBlock:
    """A fusion that makes one block of the dense ones, and leaves sparse ones beside it."""

    makes: ClassVar[Sequence[str]] = (FUSED,)
    needs_dense: ClassVar[bool] = True

    def _dense_of(self, features: Features) -> dict[str, Floats]:
        """The blocks to fuse; raises `ConfigError` where there is none."""
        dense = dense_parts(features)
        if not dense:
            raise ConfigError(
                f"{type(self).__name__.lower()} needs a dense block, but all of "
                f"{list(features.parts)} are sparse: use concat"
            )
        if FUSED in features.parts.keys() - dense.keys():
            raise AlignmentError(f"a sparse block is called {FUSED!r} already; rename it")
        return dense

    def _check_there(self, features: Features, names: Collection[str]) -> None:
        if missing := sorted(set(names) - features.parts.keys()):
            name = type(self).__name__.lower()
            raise AlignmentError(f"{name} was fitted on the blocks {missing}, which are missing")

    def block_after(self, name: str) -> str:
        """The name under which what a block adds is found after the transform."""
        check_fitted(self)
        return FUSED if name in self._fused_names() else name

    def _fused_names(self) -> Collection[str]:
        raise NotImplementedError

    def _fused_beside(self, features: Features, fused: Floats) -> Features:
        """One block for those that were fused, behavioural if one of them is; then the others."""
        names = self._fused_names()
        others = {name: part for name, part in features.parts.items() if name not in names}
        behavioural = set(features.behavioural)
        if behavioural & set(names):
            behavioural.add(FUSED)
        return Features(features.ids, {FUSED: fused, **others}, behavioural=behavioural)
