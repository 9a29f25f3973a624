"""What people did with the items, in few numbers: items that the same people touch are close."""

from __future__ import annotations

from typing import Self

import numpy as np
from pydantic import NonNegativeInt, PositiveInt
from scipy import sparse

from palate.core.arrays import Floats
from palate.core.component import check_fitted, check_types, component, learnt
from palate.core.dataset import Dataset
from palate.core.errors import DataError
from palate.core.features import Features
from palate.core.ids import Ids
from palate.core.sparse import decomposed, unit_length

__all__ = ["Behaviour"]

_USER_POWER = 0.25
_ITEM_POWER = 0.5


@component
class Behaviour:
    """Collaborative embeddings: the first `dim` singular vectors of who touched what, unit rows.

    An entry of the people × items matrix is log2(1 + summed event weights), divided by (the
    person's events)^0.25 and (the item's)^0.5; directions are scaled by the root of their singular
    value. That is a low-rank form of the cosine co-occurrence of items, which is never built. Items
    without events are zeros. The powers found the last event of a person on MovieLens and on
    Amazon Beauty better than the symmetric ones and than shifted PMI did. `seed` starts the search.
    """

    dim: PositiveInt = 64
    seed: NonNegativeInt = 0

    ids_: Ids = learnt()
    vectors_: Floats = learnt("ids_", "dim")

    def __post_init__(self) -> None:
        check_types(self)

    def fit(self, data: Dataset) -> Self:
        """Decomposes the interactions; raises `DataError` where there are none."""
        if not len(data.interactions):
            raise DataError("there are no interactions for the encoder behaviour to learn from")
        self.ids_ = data.item_ids
        self.vectors_ = unit_length(decomposed(_normalised(data), self.dim, self.seed))
        return self

    def encode(self, data: Dataset) -> Features:
        """One behavioural block: (n_items, min(dim, people, items)), zeros for unknown items."""
        check_fitted(self)
        rows = self.ids_.find(data.item_ids.series)
        vectors = np.where((rows < 0)[:, None], np.float32(0), self.vectors_[rows])
        return Features(data.item_ids, {"behaviour": vectors}, behavioural=["behaviour"])

    @property
    def block_width(self) -> int:
        """Columns of its block, by what was learnt alone: nothing is encoded."""
        check_fitted(self)
        return int(self.vectors_.shape[1])


def _normalised(data: Dataset) -> sparse.csr_array:
    """(people, items): damped counts over the roots of both sides' totals."""
    shape = (len(data.user_ids), len(data.item_ids))
    counts = sparse.csr_array((data.weights, (data.user_rows, data.item_rows)), shape=shape)
    counts.sum_duplicates()
    counts.data = np.log2(1 + np.maximum(counts.data, 0))
    users = np.maximum(counts.sum(axis=1), 1e-12) ** -_USER_POWER
    items = np.maximum(counts.sum(axis=0), 1e-12) ** -_ITEM_POWER
    scaled = sparse.diags_array(users) @ counts @ sparse.diags_array(items)
    return sparse.csr_array(scaled, dtype=np.float64)
