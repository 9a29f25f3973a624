"""Every item by the blocks that it can be known by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final

import numpy as np
from pydantic import Field

from palate.core.arrays import Floats, Rows, row_norms
from palate.core.component import component, learnt
from palate.core.learnt import agree
from palate.features.fusion._gates import GatedBlocks

__all__ = ["Gated"]

_NEAREST = 5
_SAME = 0.9999  # the cosine of an item to itself, or to its copy
_CHUNK = 8_192
_INPUTS: Final = 2


@component
class Gated(GatedBlocks):
    """One block "fused": the dense blocks beside each other, each item's weighed by a gate.

    The gate looks at what an item's row in a block is worth: how close its 5 nearest among
    `landmarks` items are, and how far the block agrees with the item's other blocks about which of
    these are close. An item that lacks a block, or has a poor row there, leans on its others. What
    these two are worth is learnt from held-out training events (a conditional logit, after the
    mixture of experts of Jacobs et al. 1991). Sparse blocks stay beside it.
    """

    landmarks: Annotated[int, Field(ge=_NEAREST + 1, le=4_096)] = 256

    landmarks_: dict[str, Floats] = learnt("landmark", "width")

    def _prepare(self, units: Mapping[str, Floats], rows: Rows) -> None:
        chosen = np.unique(
            np.linspace(0, len(rows) - 1, min(self.landmarks, len(rows))).astype(int)
        )
        self.landmarks_ = {name: part[rows[chosen]] for name, part in units.items()}

    def _inputs(self, units: Mapping[str, Floats]) -> dict[str, Floats]:
        n = len(next(iter(units.values())))
        found = {name: np.zeros((n, _INPUTS), dtype=np.float32) for name in units}
        for start in range(0, n, _CHUNK):
            rows = slice(start, start + _CHUNK)
            near = {name: part[rows] @ self.landmarks_[name].T for name, part in units.items()}
            has = {name: row_norms(part[rows]) > 0 for name, part in units.items()}
            centred = {name: _centred(part) for name, part in near.items()}
            for name, part in near.items():
                found[name][rows, 0] = _closeness(part)
                agreed = np.zeros(len(part), dtype=np.float32)
                others = np.zeros(len(part), dtype=np.float32)
                for other, known in has.items():
                    if other != name:
                        agreed += known * np.einsum("nl,nl->n", centred[name], centred[other])
                        others += known
                found[name][rows, 1] = agreed / np.maximum(others, 1)
        return found

    def check_learnt(self) -> None:
        """Raises `ValueError` for landmarks in other blocks."""
        super().check_learnt()
        agree(self.landmarks_.keys() == self.widths_.keys(), "landmarks_ of other blocks")
        for name, part in self.landmarks_.items():
            agree(part.shape[1] == self.widths_[name], f"landmarks_ of {name!r}")
            agree(len(part) > 0, f"no landmarks_ of {name!r}")
            agree(len(self.centres_[name]) == _INPUTS, f"centres_ of {name!r}")
        agree(len({len(part) for part in self.landmarks_.values()}) == 1, "landmarks_ differ")


def _closeness(near: Floats) -> Floats:
    """(n,) the mean of the largest cosines to items that are not the same."""
    others = np.where(near >= _SAME, -1.0, near)
    places = min(_NEAREST, others.shape[1])
    largest = np.sort(others, axis=1)[:, -places:]
    return np.asarray(np.maximum(largest, 0.0).mean(axis=1), dtype=np.float32)


def _centred(near: Floats) -> Floats:
    """Unit rows without their means, those of the items themselves left out."""
    found = np.where(near >= _SAME, 0.0, near)
    found = found - found.mean(axis=1, keepdims=True)
    norms = np.linalg.norm(found, axis=1, keepdims=True)
    return np.asarray(found / np.where(norms > 1e-6, norms, 1.0), dtype=np.float32)
