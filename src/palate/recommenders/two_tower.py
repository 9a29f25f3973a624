"""A tower for who asks and one for items, which meet in a cosine."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from palate.core.arrays import Floats, row_norms, unit_rows
from palate.core.component import check_types, component
from palate.core.histories import Histories, ragged_positions
from palate.core.topk import top_rows
from palate.nn.trainer import NEEDED, reproducible
from palate.recommenders.neural.inputs import width_of
from palate.recommenders.neural.learner import REQUESTS_AT_ONCE, VectorLearner
from palate.recommenders.neural.vector_model import Material, VectorModel

__all__ = ["TwoTower"]

NEAREST = 20  # items among which hard ones are drawn
ITEMS_AT_ONCE = 1_000


@component
class TwoTower(VectorModel):
    """Two towers: who asks, by what they chose and are, beside items by their ids and features.

    Who asks is the mean of the newest `length` items, the k-th newest counting `decay`^k times the
    root of what it weighs, and a linear map of what is known of them, with what a layer of `hidden`
    units adds. It learns by a softmax over the answers of a batch and `negatives` drawn ones,
    corrected for how often they are there, without those that are answers too; `hard_negatives`
    more for each answer are drawn from the items that are nearest to it. Order counts by `decay`
    alone: see `sequence`. Needs the extra "torch" to fit and to score. Sources: Covington et al.
    2016, Yi et al. 2019.
    """

    epochs: PositiveInt = 8
    learning_rate: PositiveFloat = 2e-3
    decay: Annotated[float, Field(gt=0, le=1)] = 0.8
    length: PositiveInt = 30
    hidden: PositiveInt = 256
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2
    negatives: NonNegativeInt = 1024
    hard_negatives: Annotated[float, Field(ge=0, le=1)] = 0.0
    sharpness: PositiveFloat = 14.0

    def __post_init__(self) -> None:
        check_types(self)

    def _learner(self, torch: Any, material: Material) -> _Learner:
        return _Learner(torch, self, material)

    def _tower(self, people: int) -> Any:
        from palate.recommenders.neural.bodies import Tower

        return Tower(self.dim, people, self.hidden, self.dropout)

    @cached_property
    def _network(self) -> Any:
        return self._loaded(self._tower(width_of(self.user_axes_)))

    def _shown(
        self, histories: Histories, stops: NDArray[np.int64], rows: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], Floats]:
        """(n, length) the items before some events of some rows, and what each counts."""
        places = stops[:, None] - 1 - np.arange(self.length)
        there = places >= histories.starts[rows][:, None]
        if not len(histories.items):
            return np.zeros_like(places), np.zeros(places.shape, dtype=np.float32)
        places = np.where(there, places, 0)
        weights = there * np.float32(self.decay) ** np.arange(self.length, dtype=np.float32)
        weights *= np.sqrt(histories.weights[places])
        weights /= np.maximum(weights.sum(axis=1, keepdims=True), np.float32(1e-9))
        return histories.items[places].astype(np.int64), weights

    def _wanted(self, asking: Histories, users: Floats) -> Floats:
        torch, network = NEEDED.load(), self._network
        vectors = self.id_vectors_ + self.content_vectors_
        found = np.zeros((len(asking), self.dim), dtype=np.float32)
        speaks = np.flatnonzero((asking.lengths > 0) | (row_norms(users) > 0))
        with reproducible(self.threads), torch.no_grad():
            for start in range(0, len(speaks), REQUESTS_AT_ONCE):
                rows = speaks[start : start + REQUESTS_AT_ONCE]
                items, weights = self._shown(asking, asking.stops[rows], rows)
                parts = (vectors[items], weights, users[rows])
                found[rows] = network(*(torch.from_numpy(part) for part in parts)).numpy()
        return found


class _Learner(VectorLearner):
    """Every event as an answer, asked for by what came before it."""

    model: TwoTower

    def __init__(self, torch: Any, model: TwoTower, material: Material) -> None:
        super().__init__(torch, model, material)
        owners, places = ragged_positions(self.known.starts, self.known.stops)
        if not material.users.shape[1]:
            later = places > self.known.starts[owners]
            owners, places = owners[later], places[later]
        self.owners, self.places = owners, places
        reader = model._tower(material.users.shape[1])
        self.network = self.network_of(reader, material, model.sharpness)
        self.nearest: Any = None

    def batches(self, rng: np.random.Generator) -> Sequence[Any]:
        """Answers by chance, and, where hard ones are wanted, which items are nearest by now."""
        if self.model.hard_negatives:
            self.nearest = self.torch.from_numpy(self._nearest())
        most = self.model._batch_of(len(self.places))
        order = rng.permutation(len(self.places))
        return [order[start : start + most] for start in range(0, len(order), most)]

    def _nearest(self) -> NDArray[np.int64]:
        """(warm items, n) places of the nearest others."""
        own, content, _ = self.item_vectors()
        vectors = unit_rows((own + content)[self.warm.numpy()])
        count, tie = min(NEAREST, len(vectors) - 1), np.arange(len(vectors))
        found = np.zeros((len(vectors), max(count, 1)), dtype=np.int64)
        for start in range(0, len(vectors) if count else 0, ITEMS_AT_ONCE):
            part = slice(start, start + ITEMS_AT_ONCE)
            alike = vectors[part] @ vectors.T
            alike[np.arange(len(alike)), np.arange(start, start + len(alike))] = -np.inf
            found[part], _ = top_rows(alike, count, tie)
        return found

    def loss(self, batch: NDArray[np.int64]) -> Any:
        torch, rows = self.torch, self.owners[batch]
        items, weights = self.model._shown(self.known, self.places[batch], rows)
        shares, people = torch.from_numpy(weights), self.people[rows]
        answers = torch.from_numpy(self.known.items[self.places[batch]].astype(np.int64))
        lines, columns = np.nonzero(weights)
        read = (torch.from_numpy(lines), torch.from_numpy(items[lines, columns]))

        def wanted_of(states: Any) -> Any:
            return self.network.reader(states, shares, people)

        hard = None if self.nearest is None else self._hard(self.place[answers])
        counts = torch.from_numpy(self.known.weights[self.places[batch]])
        return self.softmax(
            torch.from_numpy(items), answers, wanted_of, self.model.negatives, read, hard, counts
        )

    def _hard(self, answers: Any) -> Any:
        """One of the nearest of each answer, for a share of these."""
        torch, count = self.torch, len(answers)
        column = torch.randint(self.nearest.shape[1], (count,))
        kept = torch.rand(count) < self.model.hard_negatives
        return self.nearest[answers, column][kept]

    def wanted_by(self, vectors: Any, rows: NDArray[np.int64]) -> Any:
        items, weights = self.model._shown(self.asking, self.asking.stops[rows], rows)
        people = self.people[self.held[rows]]
        return self.network.reader(vectors[items], self.torch.from_numpy(weights), people)
