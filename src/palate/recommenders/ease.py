"""A linear item-to-item model in closed form."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import PositiveFloat, PositiveInt
from scipy.linalg import lapack

from palate.core.arrays import Floats, Rows
from palate.core.component import check_types, component, learnt
from palate.core.dataset import Dataset
from palate.core.errors import ConfigError
from palate.core.evidence import Evidence, from_links
from palate.core.histories import Histories, histories_of
from palate.core.learnt import check_rows
from palate.core.types import FitContext
from palate.recommenders._base import CatalogueModel

__all__ = ["Ease"]


@component
class Ease(CatalogueModel):
    """Collaborative: the linear weights that best rebuild who touched what (Steck, WWW 2019).

    What is rebuilt are the roots of what events weigh, 1 where they have no weights. `l2` is the
    ridge on the items × items weights. Only items with events are in them: more than `max_items`
    raise `ConfigError`, for memory grows with 16 bytes times their square. Histories without any of
    these get what is popular; new items score the lowest.
    """

    l2: PositiveFloat = 200.0
    max_items: PositiveInt = 20_000

    keeps_fit: ClassVar[tuple[str, ...]] = ("weights",)

    rows_: Rows = learnt("known")
    weights_: Floats = learnt("known", "known")

    def __post_init__(self) -> None:
        check_types(self)

    def describe(self, data: Dataset) -> Iterator[str]:
        """How large the matrix will be; raises as `fit` does."""
        rows = self._rows_of(data)
        yield f"weights of {len(rows):,} × {len(rows):,} items with events"

    def _rows_of(self, data: Dataset) -> Rows:
        rows = np.flatnonzero(data.item_counts).astype(np.int32)
        if len(rows) > self.max_items:
            gigabytes = 16 * len(rows) ** 2 / 1e9
            raise ConfigError(
                f"{len(rows):,} items have events, more than max_items = {self.max_items:,}: their "
                f"matrix needs about {gigabytes:.0f} GB. Raise max_items, or use item_knn"
            )
        return rows

    def fit(self, data: Dataset, context: FitContext = FitContext()) -> Self:
        rows = self._rows_of(data)
        self._know(data, context)
        self.rows_ = rows
        seen = histories_of(data).strengths()[:, rows].astype(np.float64)
        self.weights_ = closed_form((seen.T @ seen).toarray(order="F"), self.l2)
        return self

    def check_learnt(self) -> None:
        """Raises `ValueError` for rows that the catalogue does not have."""
        check_rows(self.rows_, len(self.item_ids_), "rows_")

    def score(self, histories: Histories) -> Floats:
        """(n, n_items) rebuilt histories, about 0 to 1; items without events score the lowest."""
        seen = self._asking(histories).strengths()[:, self.rows_]
        found = np.asarray(seen @ self.weights_, dtype=np.float32)
        floor = found.min(axis=1, keepdims=True, initial=0.0)
        scores = np.repeat(floor, len(self.item_ids_), axis=1)
        scores[:, self.rows_] = found
        return self._completed(scores)

    def evidence(self, histories: Histories, items: Rows) -> list[Evidence]:
        """For request i and item i: the newest items' largest weight, if it is above 0."""
        return from_links(self._weights_at, self._asking(histories), items)

    def _weights_at(self, sources: Rows, targets: Rows) -> Floats:
        places = np.full(len(self.item_ids_), -1, dtype=np.int64)
        places[self.rows_] = np.arange(len(self.rows_))
        one, other = places[sources], places[targets]
        found = np.zeros(len(sources), dtype=np.float32)
        known = (one >= 0) & (other >= 0)
        found[known] = self.weights_[one[known], other[known]]
        return found


def closed_form(gram: NDArray[np.float64], l2: float) -> Floats:
    """B = I - P / diag(P) with P = (gram + l2 I)⁻¹, in float64 and in place; `gram` is lost."""
    size = len(gram)
    if not size:
        return np.zeros((0, 0), dtype=np.float32)
    gram[np.diag_indices(size)] += l2
    factor, failed = lapack.dpotrf(gram, lower=1, overwrite_a=1)
    inverse, failed_inverse = lapack.dpotri(factor, lower=1, overwrite_c=1)
    if failed or failed_inverse:
        raise ConfigError(f"l2 = {l2} is too small for these data: the matrix cannot be inverted")
    diagonal = np.diag(inverse).astype(np.float32)
    weights: Floats = np.tril(inverse.astype(np.float32))
    weights += np.tril(weights, -1).T
    weights /= -diagonal
    np.fill_diagonal(weights, 0.0)
    return np.ascontiguousarray(weights)
