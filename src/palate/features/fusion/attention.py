"""Every item by the blocks that what it says asks for."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from pydantic import PositiveInt

from palate.core.arrays import Floats, Rows
from palate.core.component import component, learnt
from palate.core.dataset import Dataset
from palate.core.learnt import agree
from palate.features.blocks import Doubles, moments, principal_axes, project
from palate.features.fusion._gates import GatedBlocks

__all__ = ["Attention"]

_RIDGE = 1e-3  # of each key's squares, so that a key that never varies gets nothing


@component
class Attention(GatedBlocks):
    """One block "fused": the dense blocks beside each other, each item's weighed by attention.

    A learnt query is held to a key of each of the item's rows, its first `keys` principal
    components, and the softmax over the blocks that the item has are its shares (pooling by
    attention, after Yang et al., NAACL 2016): items of one kind may be known by their words, those
    of another by their pictures. The query is the same for everybody, learnt from held-out training
    events as `gated` is. Sparse blocks stay beside it.
    """

    keys: PositiveInt = 16

    means_: dict[str, Floats] = learnt("width")
    axes_: dict[str, Floats] = learnt("width", "keys")

    def _prepare(self, units: Mapping[str, Floats], rows: Rows) -> None:
        self.means_, self.axes_ = {}, {}
        for name, part in units.items():
            mean, covariance, count = moments(part, rows)
            _, axes = principal_axes(covariance, count, self.keys)
            self.means_[name], self.axes_[name] = mean.astype(np.float32), axes.astype(np.float32)

    def _inputs(self, units: Mapping[str, Floats]) -> dict[str, Floats]:
        return {
            name: project(part, self.means_[name], self.axes_[name]) for name, part in units.items()
        }

    def _carried(
        self,
        found: Mapping[str, Doubles],
        designs: Mapping[str, Doubles],
        whole: Mapping[str, Floats],
        known: Dataset,
    ) -> dict[str, Doubles]:
        """What the query asks for, by other keys: the least squares over the items known then.

        A block that is made again, or of which fewer items are known, has keys on axes of its own.
        """
        rows = known.warm_items
        carried: dict[str, Doubles] = {}
        own, has = self.design(whole)
        for place, (name, part) in enumerate(found.items()):
            told = rows[has[rows, place]]
            keys, wanted = own[place][told], designs[name][told] @ part
            cost = np.full(keys.shape[1], _RIDGE * max(len(told), 1))
            cost[0] = 1e-6  # the intercept is free
            squares = keys.T @ keys + np.diag(cost)
            solved = np.linalg.solve(squares, keys.T @ wanted)
            carried[name] = np.asarray(np.round(solved, 4), dtype=np.float64)
        return carried

    def check_learnt(self) -> None:
        """Raises `ValueError` for keys of other blocks."""
        super().check_learnt()
        agree(self.axes_.keys() == self.means_.keys() == self.widths_.keys(), "keys of others")
        for name, axes in self.axes_.items():
            agree(len(axes) == self.widths_[name], f"axes_ of {name!r}")
            agree(axes.shape[1] == len(self.centres_[name]), f"centres_ of {name!r}")
