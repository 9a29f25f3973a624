"""Blocks side by side, weighed by how they agree with behaviour and with each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Self

import numpy as np
from pydantic import Field
from scipy import optimize, sparse

from palate.core.arrays import Floats, Matrix, Rows, to_dense, unit_rows
from palate.core.component import component
from palate.core.dataset import Dataset
from palate.core.features import Features
from palate.core.histories import histories_of
from palate.core.learnt import check_shares
from palate.core.parallel import one_blas_thread
from palate.core.types import FitContext, content_of
from palate.features.blocks import Doubles, most_touched
from palate.features.fusion._fused import ScaledBlocks
from palate.features.held_out import HeldOut, shares_from, shares_in_words, with_unheld

__all__ = ["Correlation"]

_FLAT = 1e-5  # mean deviation of the cosines in a block
_FEWEST = 10  # items whose likeness is compared


@component
class Correlation(ScaledBlocks):
    """As `concat`, with weights that bring the cosines of items closest to their co-occurrence.

    Centred kernel alignment (Cortes et al., JMLR 2012): each block's cosines between the `items`
    with most events, centred, are correlated with the cosines of who touched them and with those of
    the other blocks; the least squares with weights of 0 or more give a block what it says of
    behaviour that no other has said. Where blocks were learnt from events, these are made again
    without the newest fifth, and all are held to pairs of what came before and in that fifth.
    """

    items: Annotated[int, Field(ge=_FEWEST, le=20_000)] = 2_000

    learns_from_events: ClassVar[bool] = True

    def fit(self, features: Features, data: Dataset, context: FitContext = FitContext()) -> Self:
        source: Features | None = features
        held = None
        if features.behavioural:
            held = HeldOut.of(features, data, context)
            source = content_of(features) if held is None else held.features
        parts = {} if source is None else source.parts
        shares = _alignment(parts, most_touched(data, self.items, fewest=2), _together(data, held))
        self.factors_ = {
            name: share**0.5 for name, share in with_unheld(shares, features.parts).items()
        }
        return self

    def check_learnt(self) -> None:
        """Raises `ValueError` for factors that no weights give."""
        squares = {name: factor * abs(factor) for name, factor in self.factors_.items()}
        check_shares(squares, "squares of factors_")

    @property
    def chosen_(self) -> list[str]:
        """The weights that were learnt, in words."""
        return shares_in_words(
            self._shares(), "weights of the blocks, by how they agree with behaviour"
        )


def _together(data: Dataset, held: HeldOut | None) -> sparse.csr_array:
    """(items, items) cosines of who touched what; of what was before with what was held out.

    An event counts what it weighs: a pair the geometric mean of both.
    """
    touched: Any = histories_of(data).strengths()
    if held is None:
        units = unit_rows(sparse.csr_array(touched.T))
        return sparse.csr_array(units @ sparse.csr_array(units).T)
    before: Any = held.asking.strengths()
    count = len(held.answers)
    ones = np.ones(count, dtype=np.float32)
    after = sparse.csr_array((ones, held.answers, np.arange(count + 1)), shape=before.shape)
    squares = np.bincount(touched.indices, touched.data**2, minlength=touched.shape[1])
    usual = np.sqrt(np.where(squares > 0, squares, 1)).astype(np.float32)
    pairs: Any = sparse.csr_array(before.T @ after)
    scale = sparse.diags_array(1 / usual)
    return sparse.csr_array(scale @ (pairs + pairs.T) @ scale)


def _alignment(
    parts: Mapping[str, Matrix], rows: Rows, together: sparse.csr_array
) -> dict[str, float]:
    """Shares of the blocks; equal ones where there is nothing to compare."""
    if len(rows) < _FEWEST or not parts:
        return shares_from(dict.fromkeys(parts, 0.0))
    target = _centred(to_dense(together[rows][:, rows]))
    kernels = []
    for part in parts.values():
        units = unit_rows(part[rows])
        with one_blas_thread:
            kernels.append(_centred(to_dense(units @ units.T)))
    agree = np.array([float((kernel * target).sum()) for kernel in kernels])
    among = np.array([[float((one * other).sum()) for other in kernels] for one in kernels])
    length = np.sqrt(np.diag(among))
    telling = length > _FLAT * len(rows)  # a block in which all items are alike tells none apart
    scale = np.where(telling, length, 1.0)
    among = np.where(np.outer(telling, telling), among, 0.0) / np.outer(scale, scale)
    found, _ = optimize.nnls(among, np.where(telling, agree, 0.0) / scale)
    return shares_from(dict(zip(parts, (found / scale).tolist(), strict=True)))


def _centred(cosines: Floats) -> Doubles:
    """(n, n) without the means of rows and columns, and without an item's likeness to itself."""
    found: Doubles = cosines.astype(np.float64)
    np.fill_diagonal(found, 0.0)
    np.fill_diagonal(found, found.sum(axis=1) / max(len(found) - 1, 1))
    found -= found.mean(axis=0)
    found -= found.mean(axis=1, keepdims=True)
    return found
