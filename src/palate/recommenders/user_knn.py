"""What people with similar histories touched."""

from __future__ import annotations

from functools import cached_property
from typing import Self

import numpy as np
from pydantic import NonNegativeFloat, PositiveInt
from scipy import sparse

from palate.core.arrays import Floats, Rows, scale_rows
from palate.core.component import check_fitted, check_types, component, learnt
from palate.core.dataset import Dataset
from palate.core.evidence import Evidence, from_popularity, scores_at
from palate.core.histories import Histories, histories_of
from palate.core.learnt import agree
from palate.core.order import with_users_settled
from palate.core.types import FitContext
from palate.recommenders._base import CatalogueModel, known_columns
from palate.recommenders._cooccurrence import keep_largest, squares_of

__all__ = ["UserKNN"]

_BLOCK_CELLS = 20_000_000


@component
class UserKNN(CatalogueModel):
    """User-based collaborative filtering: what similar people touched (Herlocker et al. 1999).

    Similarity: shared items / ((√items + `shrink`) of both); whoever asks, known or not, gets the
    items of the `neighbours` most similar training people. An item counts the root of what its
    events weigh, on both sides. A training person is their own
    neighbour too, which adds only what they have seen. Histories without neighbours get what is
    popular; new items score the lowest.
    """

    neighbours: PositiveInt = 100
    shrink: NonNegativeFloat = 1.0

    users_: sparse.csr_array = learnt("people", "known")

    def __post_init__(self) -> None:
        check_types(self)

    def fit(self, data: Dataset, context: FitContext = FitContext()) -> Self:
        self._know(data, context)
        self.users_ = with_users_settled(histories_of(data)).strengths()
        self.__dict__.pop("_users_by_item", None)
        return self

    def check_learnt(self) -> None:
        """Raises `ValueError` for more items than the catalogue has."""
        agree(self.users_.shape[1] <= len(self.item_ids_), "items that nobody knows")

    def score(self, histories: Histories) -> Floats:
        """(n, n_items) summed similarities, 0 or more."""
        return self._completed(self._chosen_nearby(histories))

    def evidence(self, histories: Histories, items: Rows) -> list[Evidence]:
        """For request i and item i: whether somebody with a similar history chose it."""
        check_fitted(self)
        found = from_popularity(items)
        known = np.flatnonzero(items < self.users_.shape[1])
        nearby = scores_at(self._chosen_nearby, histories.take(known), items[known])
        for line in known[nearby > 0].tolist():
            found[line] = Evidence("peers")
        return found

    def _chosen_nearby(self, histories: Histories) -> Floats:
        asking = known_columns(self._asking(histories).strengths(), self.users_.shape[1])
        scores = np.zeros(asking.shape, dtype=np.float32)
        step = max(1, _BLOCK_CELLS // max(self.users_.shape[0], 1))
        for start in range(0, asking.shape[0], step):
            part = asking[start : start + step]
            similarity = self._normalised(part) @ self._users_by_item
            nearest = keep_largest(similarity, self.neighbours)
            scores[start : start + step] = (nearest @ self.users_).toarray()
        return scores

    @cached_property
    def _users_by_item(self) -> sparse.csr_array:
        return sparse.csr_array(self._normalised(self.users_).T)

    def _normalised(self, seen: sparse.csr_array) -> sparse.csr_array:
        """Each row divided by √items + shrink."""
        counts = squares_of(seen, rows=True)
        factors = 1.0 / np.maximum(np.sqrt(counts) + self.shrink, 1e-9)
        return sparse.csr_array(scale_rows(seen, factors.astype(np.float32)))
