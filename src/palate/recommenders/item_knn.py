"""Items that the same people touched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from scipy import sparse

from palate._learnt import agree
from palate._settings import check_types
from palate.histories import Histories, histories_of
from palate.recommenders._base import CatalogueModel, known_columns, require
from palate.recommenders._cooccurrence import cooccurrence
from palate.recommenders._evidence import Evidence, from_links, links_in
from palate.types import Dataset, Features, Floats, Rows, learnt

__all__ = ["ItemKNN"]


@dataclass(kw_only=True)
class ItemKNN(CatalogueModel):
    """The summed similarity of an item to those of the history (Sarwar et al., WWW 2001).

    Similarity: people that two items share / ((√people + `shrink`) of both), the `neighbours`
    largest of each item. The k-th newest item of the asking history counts `decay`^k. Histories
    without neighbours get what is popular; new items score the lowest.
    """

    neighbours: int = 100
    shrink: float = 1.0
    decay: float = 1.0

    similarity_: sparse.csr_array = learnt("known", "known")

    def __post_init__(self) -> None:
        check_types(self)
        require(self.neighbours >= 1, f"neighbours = {self.neighbours} cannot be used: give ≥ 1")
        require(self.shrink >= 0, f"shrink = {self.shrink} cannot be used: give 0 or more")
        require(0 < self.decay <= 1, f"decay = {self.decay} cannot be used: give 0 < decay ≤ 1")

    def fit(self, data: Dataset, items: Features | None = None) -> Self:
        self._know(data)
        self.similarity_ = cooccurrence(
            histories_of(data), shrink=self.shrink, neighbours=self.neighbours
        )
        return self

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
