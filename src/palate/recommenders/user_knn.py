"""What people with similar histories touched."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import NonNegativeFloat, PositiveInt
from scipy import sparse

from palate.core.arrays import Floats, Matrix, Rows, row_norms, scale_rows
from palate.core.component import check_fitted, check_types, component, learnt
from palate.core.dataset import Dataset
from palate.core.evidence import Evidence, from_popularity, scores_at
from palate.core.features import Features
from palate.core.histories import Histories, histories_of
from palate.core.learnt import agree
from palate.core.order import with_users_settled
from palate.core.types import FitContext
from palate.core.values import Doubles, Valued
from palate.features.blocks import weights_in
from palate.recommenders._base import known_columns
from palate.recommenders._cooccurrence import (
    even_chunks,
    first_of_each_row,
    keep_largest,
    squares_of,
)
from palate.recommenders._values import (
    NeighbourValues,
    correlations,
    known_rows,
    mean_deviations,
)
from palate.recommenders.two_stage.profiles import (
    NEAR_PAIRS,
    POOL,
    comparable,
    people_alike,
    people_blocks,
)

__all__ = ["UserKNN"]

MOST_USERS = 2_000  # of an item that more people chose, that somebody may be like by it
_SPARSE = 4  # pairs of people with something in common, in the room of one that is dense
_ROUNDING = 1e-3  # of the length of rows


@component
class UserKNN(NeighbourValues):
    """User-based collaborative filtering: what similar people touched (Herlocker et al. 1999).

    Similarity: shared items / ((√items + `shrink`) of both); whoever asks, known or not, gets the
    items of the `neighbours` most similar training people. An item counts the root of what its
    events weigh, on both sides. A training person is their own neighbour too, which adds only what
    they have seen. Where features of people are known, a like profile (the mean of the blocks'
    cosines, by the weights that fusion gave them, of the `neighbours` most similar ones) counts as
    much as `profile_weight` items shared with somebody as active as people are: a stranger gets
    what people like them chose, and a history says more the longer it is. Who has no neighbours
    gets what is popular; new items score
    the lowest.

    Time grows with people, not with their square: of an item that more than 2,000 people chose,
    2,000 drawn by a hash of their ids are compared by it, and profiles with those of 20,000.

    With `feedback` "explicit" the same lists, and values are predicted: the baseline (`bias`) and
    the weighted mean of what the `value_neighbours` most similar people who rated the item gave it
    beyond theirs. Similarity there: the correlation of what two people gave the same items, times
    items / (items + `value_shrink`) (Koren 2010).
    """

    neighbours: PositiveInt = 100
    shrink: NonNegativeFloat = 1.0
    profile_weight: NonNegativeFloat = 1.0

    reads_users: ClassVar[bool] = True

    users_: sparse.csr_array = learnt("people", "known")
    profiles_: dict[str, Matrix] = learnt("people", "d")
    deviations_: sparse.csr_array = learnt("rated", "raters")

    def __post_init__(self) -> None:
        check_types(self)

    def fit(self, data: Dataset, context: FitContext = FitContext()) -> Self:
        self._know(data, context)
        histories = with_users_settled(histories_of(data))
        self.users_ = histories.strengths()
        self.profiles_ = _profiles_of(histories, context.users)
        deviations = sparse.csr_array(self._learn_values(data).T)
        self.deviations_ = first_of_each_row(deviations, MOST_USERS).astype(np.float32)
        for name in ("_users_by_item", "_usual", "_pool", "_profiles_of_pool"):
            self.__dict__.pop(name, None)
        return self

    def refresh(self, data: Dataset, context: FitContext = FitContext()) -> Self:
        """All of it is counted: as a fit on these events."""
        return self.fit(data, context)

    def check_learnt(self) -> None:
        """Raises `ValueError` for more items than the catalogue has, and profiles of others."""
        super().check_learnt()
        for items in (self.users_.shape[1], self.deviations_.shape[0]):
            agree(items <= len(self.item_ids_), "items that nobody knows")
        agree(self.users_.nnz > 0 or not self.profiles_, "profiles_, but nobody chose anything")
        for name, part in self.profiles_.items():
            agree(part.shape[0] == self.users_.shape[0], f"profiles_[{name!r}] of other people")

    def score(self, histories: Histories) -> Floats:
        """(n, n_items) summed similarities, 0 or more."""
        return self._completed(self._chosen_nearby(histories))

    def _predicted(self, asking: Valued, items: Rows) -> Doubles:
        own = known_columns(self._deviations(asking), self.deviations_.shape[0])
        rated = known_rows(self.deviations_, items)
        said = np.zeros(len(items))
        pairs = own.astype(bool).astype(np.float64) @ np.diff(self.deviations_.indptr)
        for part in even_chunks(pairs, NEAR_PAIRS):
            near = correlations(own[part], self.deviations_, shrink=self.value_shrink)
            said[part] = mean_deviations(near, rated[part], self.value_neighbours)
        return super()._predicted(asking, items) + said

    def evidence(self, histories: Histories, items: Rows) -> list[Evidence]:
        """For request i and item i: whether somebody like them chose it, by history or profile.

        Of the two, the one that adds more speaks.
        """
        check_fitted(self)
        found = from_popularity(items)
        known = np.flatnonzero(items < self.users_.shape[1])
        asking, rows = histories.take(known), items[known]
        nearby = scores_at(self._chosen_nearby, asking, rows)
        by_history = nearby
        if self.profiles_ and asking.users:
            by_history = scores_at(self._chosen_nearby, replace(asking, users={}), rows)
        kinds = np.where(2 * by_history >= nearby, "peers", "profile").tolist()
        for place in np.flatnonzero(nearby > 0).tolist():
            found[int(known[place])] = Evidence(kinds[place])
        return found

    def _chosen_nearby(self, histories: Histories) -> Floats:
        histories = self._asking(histories)
        asking = known_columns(histories.strengths(), self.users_.shape[1])
        scores = np.zeros(asking.shape, dtype=np.float32)
        told = bool(self.profiles_ and self.profile_weight and histories.users)
        pairs = asking.astype(bool).astype(np.float64) @ np.diff(self._users_by_item.indptr)
        for part in even_chunks(pairs / _SPARSE + told * len(self._pool), NEAR_PAIRS):
            similarity = self._normalised(asking[part]) @ self._users_by_item
            if told:
                similarity = sparse.csr_array(similarity + self._alike(histories.take(part)))
            nearest = keep_largest(similarity, self.neighbours)
            scores[part] = (nearest @ self.users_).toarray()
        return scores

    def _alike(self, asking: Histories) -> sparse.csr_array:
        """(n, people) what a profile adds to the similarity of the people most like it."""
        known = np.zeros(len(asking), dtype=np.float32)
        for name, others in self.profiles_.items():
            if name in asking.users:
                length = float(row_norms(others).max(initial=0.0))
                has = row_norms(asking.users[name]) > 0
                known += has * np.float32(1.0 if abs(length - 1) < _ROUNDING else length)
        own = self._factors(squares_of(asking.strengths(), rows=True))
        weight = self.profile_weight * self._usual * own / np.where(known > 0, known, 1)
        rows, profiles = self._pool, self._profiles_of_pool
        alike = sparse.csr_array(people_alike(asking.users, profiles, (len(asking), len(rows))))
        nearest = keep_largest(alike, self.neighbours)
        found = sparse.csr_array(scale_rows(nearest, weight.astype(np.float32)))
        shape = (len(asking), self.users_.shape[0])
        return sparse.csr_array((found.data, rows[found.indices], found.indptr), shape=shape)

    @cached_property
    def _usual(self) -> Floats:
        """The factor of somebody as active as people are."""
        counts = squares_of(self.users_, rows=True)
        return np.asarray(self._factors(counts[counts > 0]).mean())

    @cached_property
    def _pool(self) -> Rows:
        """The people whose profiles are compared: all, or the first of those who have one."""
        everybody = np.arange(self.users_.shape[0], dtype=np.int32)
        if len(everybody) <= POOL:
            return everybody
        told = np.zeros(len(everybody), dtype=np.bool_)
        for part in self.profiles_.values():
            told |= row_norms(part) > 0
        return everybody[told][:POOL]

    @cached_property
    def _profiles_of_pool(self) -> dict[str, Matrix]:
        rows = self._pool
        if len(rows) == self.users_.shape[0]:
            return dict(self.profiles_)
        return {name: part[rows] for name, part in self.profiles_.items()}

    @cached_property
    def _users_by_item(self) -> sparse.csr_array:
        turned = sparse.csr_array(self._normalised(self.users_).T)
        return first_of_each_row(turned, MOST_USERS)

    def _normalised(self, seen: sparse.csr_array) -> sparse.csr_array:
        """Each row divided by √items + shrink."""
        return sparse.csr_array(scale_rows(seen, self._factors(squares_of(seen, rows=True))))

    def _factors(self, counts: NDArray[np.float64]) -> Floats:
        """What similarities to people with so many items are multiplied by."""
        factors = 1.0 / np.maximum(np.sqrt(counts) + self.shrink, 1e-9)
        return np.asarray(factors, dtype=np.float32)


def _profiles_of(histories: Histories, users: Features | None) -> dict[str, Matrix]:
    """Block → (people, d) comparable rows; zeros for people without events, who chose nothing."""
    if users is None or not histories.lengths.any() or not (names := people_blocks(users.parts)):
        return {}
    acting = (histories.lengths > 0).astype(np.float32)
    parts = histories.with_users(users.select(names)).users
    weights, acted = weights_in(parts), {n: scale_rows(part, acting) for n, part in parts.items()}
    return {name: comparable(part, weights[name]) for name, part in acted.items()}
