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
from palate.core.topk import tie_order
from palate.core.types import FitContext
from palate.core.values import Doubles, Valued
from palate.recommenders._base import known_columns
from palate.recommenders._cooccurrence import cooccurrence
from palate.recommenders._values import (
    NeighbourValues,
    correlations_of_columns,
    known_rows,
    mean_deviations,
)

__all__ = ["ItemKNN"]

POOL = 10  # similar items that are known, for each that may be asked: most are none of a person's


@component
class ItemKNN(NeighbourValues):
    """Item-based collaborative filtering: items that the same people touched (Sarwar et al. 2001).

    Similarity: people that two items share / ((√people + `shrink`) of both), the `neighbours`
    largest of each item; people count what their choices weigh. The k-th newest item of the asking
    history counts `decay`^k. Histories without neighbours get what is popular; new items score the
    lowest.

    With `feedback` "explicit" the same lists, and values are predicted: the baseline (`bias`) and
    the weighted mean of what the person gave beyond it to the `value_neighbours` most similar items
    they rated. Similarity there: the correlation of what the same people gave, times people /
    (people + `value_shrink`) (Koren 2010).
    """

    neighbours: PositiveInt = 100
    shrink: NonNegativeFloat = 1.0
    decay: Annotated[float, Field(gt=0, le=1)] = 1.0

    similarity_: sparse.csr_array = learnt("known", "known")
    value_similarity_: sparse.csr_array = learnt("rated", "rated")

    def __post_init__(self) -> None:
        check_types(self)

    def fit(self, data: Dataset, context: FitContext = FitContext()) -> Self:
        self._know(data, context)
        self.similarity_ = cooccurrence(
            histories_of(data), shrink=self.shrink, neighbours=self.neighbours
        )
        deviations = self._learn_values(data)
        self.value_similarity_ = correlations_of_columns(
            deviations,
            shrink=self.value_shrink,
            kept=POOL * self.value_neighbours,
            tie=tie_order(data.item_ids),
        )
        return self

    def refresh(self, data: Dataset, context: FitContext = FitContext()) -> Self:
        """All of it is counted: as a fit on these events."""
        return self.fit(data, context)

    def check_learnt(self) -> None:
        """Raises `ValueError` for more items than the catalogue has."""
        super().check_learnt()
        for known in (self.similarity_, self.value_similarity_):
            agree(known.shape[1] <= len(self.item_ids_), "items that nobody knows")

    def score(self, histories: Histories) -> Floats:
        """(n, n_items) summed similarities, 0 or more."""
        weights = self._asking(histories).matrix(decay=self.decay)
        weights = known_columns(weights, self.similarity_.shape[0])
        return self._completed((weights @ self.similarity_).toarray())

    def _predicted(self, asking: Valued, items: Rows) -> Doubles:
        near = known_rows(self.value_similarity_, items)
        own = known_columns(self._deviations(asking), near.shape[1])
        said = mean_deviations(near, own, self.value_neighbours)
        return super()._predicted(asking, items) + said

    def evidence(self, histories: Histories, items: Rows) -> list[Evidence]:
        """For request i and item i: the most similar of the newest items."""
        asking = self._asking(histories)
        return from_links(links_in(self.similarity_), asking, items)
