"""Items that the same people touched."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, NonNegativeFloat, PositiveInt
from scipy import sparse

from palate.core.arrays import Floats, Rows
from palate.core.component import check_types, component, learnt
from palate.core.dataset import Dataset
from palate.core.evidence import Evidence, from_links, links_in
from palate.core.histories import Histories, histories_of
from palate.core.learnt import agree
from palate.core.types import FitContext
from palate.recommenders._base import CatalogueModel, known_columns
from palate.recommenders._cooccurrence import cooccurrence

__all__ = ["ItemKNN"]


@component
class ItemKNN(CatalogueModel):
    """Item-based collaborative filtering: items that the same people touched (Sarwar et al. 2001).

    Similarity: people that two items share / ((√people + `shrink`) of both), the `neighbours`
    largest of each item; people count what their choices weigh. The k-th newest item of the asking
    history counts `decay`^k. Histories without neighbours get what is popular; new items score the
    lowest.
    """

    neighbours: PositiveInt = 100
    shrink: NonNegativeFloat = 1.0
    decay: Annotated[float, Field(gt=0, le=1)] = 1.0

    similarity_: sparse.csr_array = learnt("known", "known")

    def __post_init__(self) -> None:
        check_types(self)

    def fit(self, data: Dataset, context: FitContext = FitContext()) -> Self:
        self._know(data, context)
        self.similarity_ = cooccurrence(
            histories_of(data), shrink=self.shrink, neighbours=self.neighbours
        )
        return self

    def refresh(self, data: Dataset, context: FitContext = FitContext()) -> Self:
        """All of it is counted: as a fit on these events."""
        return self.fit(data, context)

    def check_learnt(self) -> None:
        """Raises `ValueError` for more items than the catalogue has."""
        agree(self.similarity_.shape[1] <= len(self.item_ids_), "items that nobody knows")

    def score(self, histories: Histories) -> Floats:
        """(n, n_items) summed similarities, 0 or more."""
        weights = self._asking(histories).matrix(decay=self.decay)
        weights = known_columns(weights, self.similarity_.shape[0])
        return self._completed((weights @ self.similarity_).toarray())

    def evidence(self, histories: Histories, items: Rows) -> list[Evidence]:
        """For request i and item i: the most similar of the newest items."""
        asking = self._asking(histories)
        return from_links(links_in(self.similarity_), asking, items)
