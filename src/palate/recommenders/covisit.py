"""What people touch next, from directed, decayed covisits."""

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
from palate.recommenders._cooccurrence import covisit_counts, normalised_covisits, popularity

__all__ = ["Covisit"]


@component
class Covisit(CatalogueModel):
    """What people touch next: directed co-visits with the `length` newest items of the history.

    A pair at most `window` events apart counts 1 / distance, `backward` times that against the
    order; rows are scaled by √sum, columns by popularity^`popularity`; the k-th newest item of the
    asking history by `decay`^k. Histories without any covisit get what is popular; new items score
    the lowest.
    """

    window: PositiveInt = 20
    backward: NonNegativeFloat = 0.5
    popularity: float = 0.3
    length: PositiveInt = 8
    decay: Annotated[float, Field(gt=0, le=1)] = 0.7

    covisits_: sparse.csr_array = learnt("known", "known")

    def __post_init__(self) -> None:
        check_types(self)

    def fit(self, data: Dataset, context: FitContext = FitContext()) -> Self:
        self._know(data, context)
        histories = histories_of(data)
        counts = covisit_counts(histories, window=self.window, backward=self.backward)
        self.covisits_ = normalised_covisits(
            counts, popularity(histories), popularity_power=self.popularity
        )
        return self

    def refresh(self, data: Dataset, context: FitContext = FitContext()) -> Self:
        """All of it is counted: as a fit on these events."""
        return self.fit(data, context)

    def check_learnt(self) -> None:
        """Raises `ValueError` for more items than the catalogue has."""
        agree(self.covisits_.shape[1] <= len(self.item_ids_), "items that nobody knows")

    def score(self, histories: Histories) -> Floats:
        """(n, n_items) decayed sums of covisits, 0 or more."""
        asking = self._asking(histories)
        weights = asking.matrix(decay=self.decay, length=self.length)
        weights = known_columns(weights, self.covisits_.shape[0])
        return self._completed((weights @ self.covisits_).toarray())

    def evidence(self, histories: Histories, items: Rows) -> list[Evidence]:
        """For request i and item i: the newest items' strongest covisit."""
        asking = self._asking(histories).last(self.length)
        return from_links(links_in(self.covisits_), asking, items)
