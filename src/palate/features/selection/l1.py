"""Columns that a sparse model needs to tell what came next."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import numpy as np
from pydantic import Field
from scipy import sparse
from sklearn.linear_model import Lasso

from palate.core.arrays import Mask, Matrix
from palate.core.component import component
from palate.features.held_out import HeldOut
from palate.features.selection._worth import LearntSelection, Products

__all__ = ["L1"]

_TRIED = (0.3, 0.1, 0.03, 0.01)


@component
class L1(LearntSelection):
    """Keeps the columns that the lasso needs to tell held-out training events from other items.

    A regression with an L1 penalty and weights of 0 or more (Tibshirani 1996) on products of an
    item's numbers with those of the history before it, which sum to their cosine: what gets a
    weight stays. `penalty` is a share of the one at which nothing would (None: that of 0.3, 0.1,
    0.03 and 0.01 under which later events are likeliest). All columns stay where none of these is
    surely better; a block of which nothing would stay stays whole.
    """

    penalty: Annotated[float, Field(gt=0, lt=1)] | None = None

    def _tried(self, early: HeldOut, parts: Mapping[str, Matrix]) -> Iterator[dict[str, Mask]]:
        products = Products.of(early, parts)
        values: Any = sparse.csc_array(products.values, dtype=np.float64)
        spread = np.sqrt(np.asarray(values.multiply(values).mean(axis=0)).ravel())
        scale = np.where(spread > 0, 1 / np.maximum(spread, 1e-12), 0.0)
        values = sparse.csc_matrix(values @ sparse.diags_array(scale))
        # of scikit-learn's solvers some read 32 bits alone
        values.indices, values.indptr = (
            part.astype(np.int32) for part in (values.indices, values.indptr)
        )
        wanted = products.labels - products.labels.mean()
        most = float((values.T @ wanted).max(initial=0.0)) / len(wanted)
        for penalty in _TRIED if self.penalty is None else (self.penalty,):
            if most > 0:
                model = Lasso(alpha=penalty * most, positive=True, max_iter=5_000, tol=1e-3)
                yield products.masks(np.asarray(model.fit(values, wanted).coef_ > 0))
