"""What recommenders that predict values share: overall mean, biases, neighbours' deviations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import NonNegativeFloat, PositiveInt
from scipy import sparse

from palate.core.arrays import Floats, Rows
from palate.core.component import check_fitted, learnt
from palate.core.dataset import Dataset
from palate.core.errors import ConfigError, DataError, Setting
from palate.core.features import Features
from palate.core.histories import Histories, histories_of
from palate.core.learnt import agree
from palate.core.order import with_users_settled
from palate.core.values import Doubles, Valued, check_pairs, clipped, valued_of
from palate.recommenders._base import CatalogueModel
from palate.recommenders._cooccurrence import even_chunks, keep_largest

ITEM_SHRINK: Final = 10.0
USER_SHRINK: Final = 15.0
"""Ratings at which a bias counts half; the defaults of Surprise's baseline."""
ITERATIONS: Final = 10

Feedback: TypeAlias = Literal["implicit", "explicit"]
"""What events say: that something was chosen, or how good it was found, too."""

_CHUNK_EVENTS = 2_000_000


@dataclass(kw_only=True)
class ValueModel(CatalogueModel):
    """A recommender that says what somebody would give an item, where its events have values.

    The baseline is overall mean + bias of the item + bias of the person, each a mean of what is
    left, shrunk towards 0 (Koren 2010, doi:10.1145/1644873.1644874). People's biases are made of
    the history that asks, so that strangers have one: none are stored. Without values
    `value_mean_` is None.
    """

    value_mean_: float | None = learnt()
    value_range_: Floats = learnt(2)
    item_bias_: Floats = learnt("item_ids_")
    value_counts_: Floats = learnt("item_ids_")

    @property
    def predicts(self) -> bool:
        """Whether `predict` has values to go by."""
        check_fitted(self)
        return self.value_mean_ is not None

    def predict(self, histories: Histories, items: Rows) -> Floats:
        """(n,) what each request's person would give the catalogue row beside it.

        In the unit of the values, between the lowest and the highest that anybody gave. Raises
        `DataError` where the events that were learnt from have no values.
        """
        asking = self._asking(histories)
        self._check_predicts()
        rows = check_pairs(asking, items, n_items=len(self.item_ids_))
        found = np.empty(len(asking), dtype=np.float32)
        every = asking.every()
        for part in even_chunks(every.lengths.astype(np.float64) + 1, _CHUNK_EVENTS):
            values = self._predicted_of(every.take(part), rows[part])
            found[part] = clipped(values, self.value_range_.tolist())
        return found

    def _predicted_of(self, asking: Histories, items: Rows) -> Doubles:
        """Of one request an item; who reads more of them than values says so here."""
        return self._predicted(valued_of(asking), items)

    def _check_predicts(self) -> None:
        if self.value_mean_ is None:
            raise DataError(
                f"{type(self).__name__} predicts values, but those that it was fitted on have "
                "none: say which column holds them (",
                Setting("columns", {"THEIR NAME": "value"}, "data"),
                ")",
            )

    def _predicted(self, asking: Valued, items: Rows) -> Doubles:
        """The baseline: without a history and for unknown items what is left of it."""
        return self._user_bias(asking) + self._without_person(items)

    @property
    def _shrinks(self) -> tuple[float, float]:
        """Of items and of people."""
        return ITEM_SHRINK, USER_SHRINK

    def _know_values(self, data: Dataset, *, iterations: int = ITERATIONS) -> Valued:
        """Learns the baseline; gives the values that it was learnt from, in an order of ids.

        Biases of items and of people by turns, as in alternating least squares.
        """
        said = valued_of(with_users_settled(histories_of(data)))
        self._know_no_values()
        if not len(said):
            return said
        ends = [said.value.min(), said.value.max()]
        self.value_mean_ = float(said.value.mean())
        self.value_range_ = np.array(ends, dtype=np.float32)
        counts = said.by_item(np.ones(len(said)))
        self.value_counts_ = counts.astype(np.float32)
        users = np.zeros(said.shape[0])
        for _ in range(iterations):
            left = said.by_item(said.value - self.value_mean_ - users[said.request])
            self.item_bias_ = (left / (counts + self._shrinks[0] + 1e-9)).astype(np.float32)
            users = self._user_bias(said)
        return said

    def _know_no_values(self) -> None:
        self.value_mean_ = None
        self.value_range_ = np.zeros(2, dtype=np.float32)
        self.item_bias_ = np.zeros(len(self.item_ids_), dtype=np.float32)
        self.value_counts_ = np.zeros(len(self.item_ids_), dtype=np.float32)

    def _without_person(self, items: Rows) -> Doubles:
        return (self.value_mean_ or 0.0) + self.item_bias_[items].astype(np.float64)

    def _user_bias(self, said: Valued) -> Doubles:
        left = said.by_request(said.value - self._without_person(said.item))
        counts = said.by_request(np.ones(len(said)))
        return np.asarray(left / (counts + self._shrinks[1] + 1e-9))

    def _deviations(self, said: Valued) -> sparse.csr_array:
        """(n, n_items) what people gave beyond the baseline."""
        people = self._user_bias(said)[said.request]
        return said.matrix(said.value - self._without_person(said.item) - people)

    def add_items(self, items: Features) -> Self:
        """Items that arrived later, at the end of the catalogue; nobody has rated them yet."""
        super().add_items(items)
        none = np.zeros(len(items), dtype=np.float32)
        self.item_bias_ = np.append(self.item_bias_, none)
        self.value_counts_ = np.append(self.value_counts_, none)
        return self

    def check_learnt(self) -> None:
        """Raises `ValueError` for a range of values that is none."""
        agree(bool(self.value_range_[0] <= self.value_range_[1]), "value_range_ that falls")


@dataclass(kw_only=True)
class NeighbourValues(ValueModel):
    """Neighbours that predict values where `feedback` is "explicit"; lists do not change by it.

    By the `value_neighbours` most similar that say something of the item; a similarity that rests
    on `value_shrink` values in common counts half.
    """

    feedback: Feedback = "implicit"
    value_neighbours: PositiveInt = 40
    value_shrink: NonNegativeFloat = 100.0

    @property
    def predicts(self) -> bool:
        """Whether `predict` has values to go by, and `feedback` is "explicit"."""
        return self.feedback == "explicit" and super().predicts

    def _check_predicts(self) -> None:
        if self.feedback != "explicit":
            raise ConfigError(
                f"{type(self).__name__} predicts values with ",
                Setting("feedback", "explicit", "recommender"),
                " alone: set that, and fit again",
            )
        super()._check_predicts()

    def _learn_values(self, data: Dataset) -> sparse.csr_array:
        """(people, n_items) what people gave beyond the baseline; empty for implicit feedback."""
        if self.feedback == "explicit":
            said = self._know_values(data)
            if self.value_mean_ is not None:
                return self._deviations(said)
        self._know_no_values()
        return sparse.csr_array((0, 0))


def correlations(
    left: sparse.csr_array, right: sparse.csr_array, *, shrink: float
) -> sparse.csr_array:
    """(a, b) positive correlations of the rows of `left` (a, m) with the columns of `right` (m, b).

    Over the places that both hold, of deviations from the baseline, times their number over that
    number + `shrink`: Pearson's with the baseline in the place of the mean (Koren 2010).
    """
    shared = _ones(left) @ _ones(right)
    product = sparse.csr_array(left @ right)
    squares = sparse.csr_array((left**2 @ _ones(right)).multiply(_ones(left) @ right**2))
    squares.data = np.where(squares.data > 0, squares.data, np.inf) ** -0.5
    shared.data = shared.data / (shared.data + shrink)
    found = sparse.csr_array(product.multiply(squares).multiply(shared))
    found.data[found.data < 0] = 0.0
    found.eliminate_zeros()
    return found


def correlations_of_columns(
    deviations: sparse.csr_array, *, shrink: float, kept: int, tie: NDArray[np.int64]
) -> sparse.csr_array:
    """(m, m) float32 correlations of the columns, the `kept` largest of each, not with itself."""
    columns = sparse.csr_array(deviations.T)
    work = _ones(columns) @ np.diff(deviations.indptr).astype(np.float64)
    found = []
    for part in even_chunks(work):
        near = correlations(columns[part], deviations, shrink=shrink)
        row = part.start + np.repeat(np.arange(near.shape[0]), np.diff(near.indptr))
        near.data[row == near.indices] = 0.0
        near.eliminate_zeros()
        found.append(keep_largest(near, kept, tie).astype(np.float32))
    return sparse.csr_array(sparse.vstack(found))


def mean_deviations(
    similarity: sparse.csr_array, deviations: sparse.csr_array, neighbours: int
) -> Doubles:
    """(n,) weighted mean of each row's deviations, by the `neighbours` largest similarities.

    0 where there are none.
    """
    near = sparse.csr_array(similarity.multiply(_ones(deviations)))
    near = keep_largest(near, neighbours)
    total = np.asarray(near.multiply(deviations).sum(axis=1), dtype=np.float64).ravel()
    weight = np.asarray(near.sum(axis=1), dtype=np.float64).ravel()
    return np.divide(total, weight, out=np.zeros_like(total), where=weight > 0)


def known_rows(matrix: sparse.csr_array, rows: Rows) -> sparse.csr_array:
    """The rows of a matrix, empty ones for those that came after it was made."""
    known = rows < matrix.shape[0]
    counts = np.zeros(len(rows), dtype=np.int64)
    found = matrix[rows[known]]
    counts[known] = np.diff(found.indptr)
    limits = np.concatenate([[0], np.cumsum(counts)])
    shape = (len(rows), matrix.shape[1])
    return sparse.csr_array((found.data, found.indices, limits), shape=shape)


def _ones(matrix: sparse.csr_array) -> sparse.csr_array:
    ones = np.ones(len(matrix.data))
    return sparse.csr_array((ones, matrix.indices, matrix.indptr), shape=matrix.shape)
