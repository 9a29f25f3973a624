"""What people give items on the whole: the yardstick of everything that predicts values."""

from __future__ import annotations

from typing import Self

import numpy as np
from pydantic import NonNegativeFloat, PositiveInt

from palate.core.arrays import Floats, Rows
from palate.core.component import check_types, component
from palate.core.dataset import Dataset
from palate.core.evidence import Evidence, from_popularity
from palate.core.histories import Histories
from palate.core.types import FitContext
from palate.recommenders._values import ITEM_SHRINK, ITERATIONS, USER_SHRINK, ValueModel

__all__ = ["Bias"]


@component
class Bias(ValueModel):
    """Values by the overall mean, what is usual for the item and for the person (Koren 2010).

    A bias is a mean of what is left of the values, shrunk: with `item_shrink` ratings an item's
    counts half, with `user_shrink` a person's; `iterations` turns of both. A stranger has none, and
    neither has an item that nobody rated. Lists hold what is rated best, the same for everybody,
    items that nobody rated last; what is popular where events have no values.
    """

    item_shrink: NonNegativeFloat = ITEM_SHRINK
    user_shrink: NonNegativeFloat = USER_SHRINK
    iterations: PositiveInt = ITERATIONS

    def __post_init__(self) -> None:
        check_types(self)

    @property
    def _shrinks(self) -> tuple[float, float]:
        return self.item_shrink, self.user_shrink

    def fit(self, data: Dataset, context: FitContext = FitContext()) -> Self:
        self._know(data, context)
        self._know_values(data, iterations=self.iterations)
        return self

    def refresh(self, data: Dataset, context: FitContext = FitContext()) -> Self:
        """All of it is counted: as a fit on these events."""
        return self.fit(data, context)

    def score(self, histories: Histories) -> Floats:
        """(n, n_items) what each item is given on the whole; event counts without values."""
        asking = self._asking(histories)
        found = self.popularity_
        if self.predicts:
            usual = self._without_person(np.arange(len(self.item_ids_), dtype=np.int32))
            rated = self.value_counts_ > 0
            found = np.where(rated, usual, usual[rated].min()).astype(np.float32)
        return np.tile(found, (len(asking), 1))

    def evidence(self, histories: Histories, items: Rows) -> list[Evidence]:
        """Whoever asks, it is how many people chose the item."""
        return from_popularity(items)
