"""Lists that do not say the same thing ten times."""

from __future__ import annotations

from typing import Annotated, Any, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field, PositiveInt

from palate.core.arrays import Floats, row_norms, to_dense, unit_rows
from palate.core.columns import ITEM, RANK, SCORE, USER
from palate.core.component import check_fitted, check_types, component, learnt
from palate.core.dataset import Dataset
from palate.core.errors import AlignmentError, ConfigError, did_you_mean
from palate.core.features import Features
from palate.core.histories import Histories
from palate.core.settings import BlockName
from palate.core.types import FitContext, Recommendations, check_context

__all__ = ["Diversity"]


@component
class Diversity:
    """No list that says one thing ten times: maximal marginal relevance (MMR).

    Picks from each request's best `candidates`, one by one, by (1 - `weight`) × relevance -
    `weight` × the largest cosine to one that was picked before. Relevance is the score brought to
    0…1 among the candidates; the cosine is that of `block`, or the mean over the blocks that both
    items have. Scores stay, ranks are new. `k` are left of each request (None: all, what was no
    candidate behind). Method: Carbonell and Goldstein, SIGIR 1998.
    """

    weight: Annotated[float, Field(ge=0, le=1)] = 0.3
    k: PositiveInt | None = None
    candidates: PositiveInt = 100
    block: BlockName | None = None

    items_: Features = learnt()

    def __post_init__(self) -> None:
        check_types(self)
        if self.k is not None and self.k > self.candidates:
            raise ConfigError(f"k = {self.k} cannot be used: give 1 to candidates, or none for all")

    def fit(self, data: Dataset, context: FitContext = FitContext()) -> Self:
        check_context(context)
        items = context.items
        if items is None:
            raise ConfigError("diversity needs item features: give the pipeline an encoder")
        if items.ids != data.item_ids:
            raise AlignmentError("diversity got features of other items than those of the dataset")
        self.items_ = self._used(items)
        return self

    def add_items(self, items: Features) -> Self:
        """Items that arrived later."""
        check_fitted(self)
        self.items_ = self.items_.below(self._used(items))
        return self

    def rerank(self, recommendations: Recommendations, histories: Histories) -> Recommendations:
        """The recommendations of each request, in the order they were picked."""
        check_fitted(self)
        table = recommendations.table
        item_rows = self.items_.ids.rows(table[ITEM], what="recommended item ids")
        scores = table[SCORE].to_numpy().astype(np.float32)
        picked = []
        for start, stop in _requests(table):
            last = min(stop, start + self.candidates)
            best = self._picked(item_rows[start:last], scores[start:last])
            others = np.arange(last, stop if self.k is None else last)
            picked.append(np.concatenate([start + best, others]))
        rows = np.concatenate([np.empty(0, dtype=np.int64), *picked])
        ranks = np.concatenate(
            [np.empty(0, dtype=np.int32), *(np.arange(1, len(part) + 1) for part in picked)]
        )
        new_ranks = pl.Series(RANK, ranks, dtype=table.schema[RANK])
        return Recommendations(table[rows].with_columns(new_ranks))

    def _used(self, items: Features) -> Features:
        names = list(items.parts) if self.block is None else [self.block]
        for name in names:
            if name not in items.parts:
                known = did_you_mean(name, items.parts)
                raise ConfigError(f"diversity.block: no block is called {name!r}.{known}")
        return items.with_parts({name: unit_rows(items.parts[name]) for name in names})

    def _picked(self, items: NDArray[Any], scores: Floats) -> NDArray[np.int64]:
        """Places among the candidates, in the order of picking."""
        cosines = self._cosines(items)
        spread = float(np.ptp(scores)) or 1.0
        value = (1.0 - self.weight) * (scores - scores.min()) / spread
        nearest = np.full(len(items), -np.inf)
        penalty = np.zeros(len(items))
        picked = np.empty(min(self.k or len(items), len(items)), dtype=np.int64)
        for place in range(len(picked)):
            best = int(np.argmax(value - penalty))
            picked[place] = best
            value[best] = -np.inf
            nearest = np.maximum(nearest, cosines[best])
            penalty = self.weight * nearest
        return picked

    def _cosines(self, items: NDArray[Any]) -> Floats:
        """(n, n) mean cosines over the blocks that both of a pair have: rows of zeros lack one."""
        parts = [part[items] for part in self.items_.parts.values()]
        cosines = np.zeros((len(items), len(items)), dtype=np.float32)
        shared = np.zeros_like(cosines)
        for part in parts:
            cosines += to_dense(part @ part.T) / np.float32(len(parts))
            known = (row_norms(part) > 0).astype(np.float32)
            shared += np.outer(known, known)
        gaps = (shared > 0) & (shared < len(parts))
        cosines[gaps] *= len(parts) / shared[gaps]
        return cosines


def _requests(table: pl.DataFrame) -> list[tuple[int, int]]:
    """Where each request's rows start and stop; its ranks rise, whoever it belongs to."""
    if not len(table):
        return []
    starts = (table[USER] != table[USER].shift()) | (table[RANK] <= table[RANK].shift())
    edges = np.flatnonzero(starts.fill_null(True).to_numpy())
    return list(zip(edges.tolist(), [*edges[1:].tolist(), len(table)], strict=True))
