"""What many people touch."""

from __future__ import annotations

from typing import Self

import numpy as np
from pydantic import PositiveFloat

from palate.core.arrays import Floats, Rows
from palate.core.component import check_types, component
from palate.core.dataset import Dataset
from palate.core.evidence import Evidence, from_popularity
from palate.core.histories import Histories
from palate.core.types import FitContext
from palate.recommenders._base import CatalogueModel

__all__ = ["Popular"]

DAY = 86_400.0


@component
class Popular(CatalogueModel):
    """What most people choose: the weighted events of each item, the same for everybody.

    `last_days` counts only the days before the newest training event (None, or data without times:
    all of them). New items score 0.
    """

    last_days: PositiveFloat | None = None

    def __post_init__(self) -> None:
        check_types(self)

    def fit(self, data: Dataset, context: FitContext = FitContext()) -> Self:
        self._know(data, context)
        times = data.times
        if self.last_days is not None and times is not None and len(times):
            recent = times > times.max() - self.last_days * DAY
            self.popularity_ = np.bincount(
                data.item_rows[recent],
                weights=data.weights[recent],
                minlength=len(data.item_ids),
            ).astype(np.float32)
        return self

    def refresh(self, data: Dataset, context: FitContext = FitContext()) -> Self:
        """All of it is counted: as a fit on these events."""
        return self.fit(data, context)

    def score(self, histories: Histories) -> Floats:
        """(n, n_items) event counts."""
        asking = self._asking(histories)
        return np.tile(self.popularity_, (len(asking), 1))

    def evidence(self, histories: Histories, items: Rows) -> list[Evidence]:
        """Whoever asks, it is how many people chose the item."""
        return from_popularity(items)
