"""What recommenders share: the catalogue they know, its growth, and what to say to a stranger."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import polars as pl
from scipy import sparse

from palate.core.arrays import Floats
from palate.core.component import check_fitted, learnt
from palate.core.dataset import Dataset
from palate.core.errors import AlignmentError, ConfigError
from palate.core.features import Features
from palate.core.histories import Histories
from palate.core.ids import Ids
from palate.core.types import FitContext, check_context


def require(condition: bool, message: str) -> None:
    """Raises `ConfigError` unless a hyperparameter makes sense."""
    if not condition:
        raise ConfigError(message)


def zscores(scores: Floats) -> Floats:
    """Each row with mean 0 and deviation 1 over the catalogue; rows of equal scores give zeros."""
    centred = scores - scores.mean(axis=1, keepdims=True, dtype=np.float64).astype(np.float32)
    variance = np.einsum("ij,ij->i", centred, centred) / max(scores.shape[1], 1)
    level = np.maximum(scores.max(axis=1, initial=0.0), -scores.min(axis=1, initial=0.0))
    varied = np.sqrt(variance) > 1e-6 * level
    factors = np.zeros_like(variance)
    factors[varied] = variance[varied] ** -0.5
    centred *= factors[:, None]
    return np.asarray(centred, dtype=np.float32)


@dataclass(kw_only=True)
class CatalogueModel:
    """A recommender that knows its catalogue and how popular its items were.

    Whoever it has nothing to say to, with scores that are all zero, is told what is popular.
    """

    item_ids_: Ids = learnt()
    popularity_: Floats = learnt("item_ids_")

    keeps_fit: ClassVar[tuple[str, ...]] = ()

    def _know(self, data: Dataset, context: FitContext) -> None:
        check_context(context)
        counts = np.bincount(data.item_rows, weights=data.weights, minlength=len(data.item_ids))
        self.item_ids_ = data.item_ids
        self.popularity_ = counts.astype(np.float32)

    def add_items(self, items: Features) -> Self:
        """Items that arrived later, at the end of the catalogue; nobody has touched them yet."""
        check_fitted(self)
        self.item_ids_ = Ids(pl.concat([self.item_ids_.series, items.ids.series]))
        self.popularity_ = np.append(self.popularity_, np.zeros(len(items), dtype=np.float32))
        return self

    def update_items(self, items: Features) -> Self:
        """Known items say something else now; what people did with them stays."""
        check_fitted(self)
        return self

    def _asking(self, histories: Histories) -> Histories:
        """The histories over this model's catalogue, which may have grown since."""
        check_fitted(self)
        return histories.in_catalogue(self.item_ids_)

    def _completed(self, scores: Floats) -> Floats:
        """Scores for later items too, the row's lowest, and popularity where all scores are 0."""
        later = len(self.item_ids_) - scores.shape[1]
        silent = ~scores.any(axis=1)
        if later:
            floor = scores.min(axis=1, keepdims=True, initial=np.inf)
            floor[np.isinf(floor)] = 0.0
            scores = np.hstack([scores, np.repeat(floor, later, axis=1)])
        if silent.any():
            scores[silent] = self.popularity_ / max(float(self.popularity_.max(initial=0.0)), 1.0)
        return scores


def known_columns(weights: sparse.csr_array, n_known: int) -> sparse.csr_array:
    """Without the columns of items that arrived after fitting."""
    return weights if weights.shape[1] == n_known else weights[:, :n_known]


def aligned(items: Features | None, data: Dataset, *, who: str) -> Features:
    """The features of the catalogue; missing ones or those of other items raise."""
    if items is None:
        raise ConfigError(f"{who} needs item features: give the pipeline an encoder")
    if items.ids != data.item_ids:
        raise AlignmentError(f"{who} got features of other items than those of the dataset")
    return items
