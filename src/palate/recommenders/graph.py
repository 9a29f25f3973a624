"""What is chosen by people who chose alike, over several hops of the graph of choices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat

from palate.core.arrays import Floats, row_norms, unit_rows
from palate.core.component import check_types, component, learnt
from palate.core.features import Features
from palate.core.histories import Histories, ragged_positions
from palate.core.learnt import agree
from palate.nn.losses import rivals_of, softmax_loss
from palate.recommenders.neural.learner import VectorLearner
from palate.recommenders.neural.vector_model import Material, VectorModel

__all__ = ["GraphRecommender"]

Loss: TypeAlias = Literal["softmax", "bpr"]

TEMPERATURE = 0.2  # of the contrast of two views (Yu et al. 2022)


@component
class GraphRecommender(VectorModel):
    """LightGCN: vectors of items pass over the people who chose them, up to `hops` edges far.

    He et al. 2020. A vector is the mean of what is at a node and of what reaches it; each edge is
    divided by the roots of the degrees of its ends. Nobody has a vector of their own: people begin
    as nothing, and who asks is the sum of the items they chose. So that is one edge further than
    the items' own, and `hops` counts as LightGCN's layers do where it is odd; 0 and 1 pass
    nothing on, an even number does what the odd one after it does. Items begin as ids, as a
    learnt map of their features, or both: with `ids = False` that is Sheng et al. 2024, AlphaRec.
    It learns to find each choice by the others of the same person, by a softmax over all items, or
    over `negatives` drawn ones and the answers of a batch, or (`loss = "bpr"`) by pairs (Rendle et
    al. 2009). Each step is without a share `edge_dropout` of the edges, as these hold the answers.
    `contrast` is the weight of a second loss: that two views of a node which `noise` has disturbed
    are more alike than those of others (Yu et al. 2022, SimGCL). What is known of people is mapped
    and added to what they chose, and serves somebody without any. Needs the extra "torch" to fit.
    """

    hops: Annotated[int, Field(ge=0, le=15)] = 3
    loss: Loss = "softmax"
    negatives: NonNegativeInt = 2048
    sharpness: PositiveFloat = 14.0
    edge_dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2
    contrast: NonNegativeFloat = 0.0
    noise: PositiveFloat = 0.1

    share_: Floats = learnt("item_ids_")

    def __post_init__(self) -> None:
        check_types(self)

    def _learner(self, torch: Any, material: Material) -> _Learner:
        return _Learner(torch, self, material)

    def _take(self, learner: _Learner, material: Material) -> None:
        super()._take(learner, material)
        self.share_ = np.empty_like(learner.share)
        self.share_[self.order_] = learner.share

    def check_learnt(self) -> None:
        """Raises `ValueError` for widths that do not fit together."""
        super().check_learnt()
        width = sum(part.shape[1] for part in self.user_axes_.values())
        people = self.network_.get("weight")
        fits = people is not None and people.shape == (width, self.dim)
        agree(fits, "a map of other columns of people")

    def add_items(self, items: Features) -> Self:
        """Items that arrived later: they have no edges, so their features place them."""
        super().add_items(items)
        self.share_ = np.concatenate([self.share_, np.ones(len(items), dtype=np.float32)])
        return self

    def _wanted(self, asking: Histories, users: Floats) -> Floats:
        vectors = (self.id_vectors_ + self.content_vectors_).astype(np.float64)
        # in double precision, so that the order of the items is not seen
        chosen = asking.strengths() @ (self.share_[:, None] * vectors)
        wanted = unit_rows(chosen.astype(np.float32)) + users @ self.network_["weight"]
        return np.asarray(wanted, dtype=np.float32)


class _Learner(VectorLearner):
    """Choices, each of which is foreseen from the others of the same person."""

    model: GraphRecommender

    def __init__(self, torch: Any, model: GraphRecommender, material: Material) -> None:
        from palate.recommenders.neural.propagation import (
            ChoiceGraph,
            PeopleMap,
            PropagatedItems,
        )

        super().__init__(torch, model, material)
        self.whole = ChoiceGraph(material.histories.strengths())
        self.graph = ChoiceGraph(self.known.strengths())
        self.share = self.whole.share
        people = PeopleMap(material.users.shape[1], model.dim)
        self.network = self.network_of(people, material, model.sharpness)
        items = PropagatedItems(self.network.items, self.graph, model.hops // 2, model.edge_dropout)
        self.network.items = items
        choices = self.graph.choices
        self.starts = choices.indptr[:-1].astype(np.int64)
        self.stops = choices.indptr[1:].astype(np.int64)
        self.owners = np.repeat(np.arange(choices.shape[0]), np.diff(choices.indptr))
        self.chosen = torch.from_numpy(choices.indices.astype(np.int64))
        taken = choices.data * self.graph.share[choices.indices]
        self.taken = torch.from_numpy(taken.astype(np.float32))
        able = (np.diff(choices.indptr) > 1) | (row_norms(material.users) > 0)
        self.edges = np.flatnonzero(able[self.owners])

    def batches(self, rng: np.random.Generator) -> Sequence[Any]:
        """Edges in an order of chance."""
        order = rng.permutation(self.edges)
        step = self.model._batch_of(len(order))
        return [order[start : start + step] for start in range(0, len(order), step)]

    def loss(self, batch: NDArray[np.int64]) -> Any:
        items, model = self.network.items, self.model
        starts, graph = items.starts(), items.drawn()
        vectors = items.passed(starts, graph)
        total = self._of_answers(vectors, batch)
        if model.contrast:
            views = [items.passed(starts, graph, model.noise) for _ in range(2)]
            total = total + model.contrast * self._between(views, batch)
        return total

    def _of_answers(self, vectors: Any, batch: NDArray[np.int64]) -> Any:
        """How far the choices of a batch are from being foreseen."""
        torch, network = self.torch, self.network
        people, line = np.unique(self.owners[batch], return_inverse=True)
        items = self.chosen[batch]
        others = self._summed(vectors, people)[torch.from_numpy(line)]
        others = others - self.taken[batch][:, None] * vectors[items]
        wanted = self._wanted(others, self.owners[batch])
        pointed = self.normal(network.items.pointed_at(vectors), dim=-1)
        answers = self.place[items]
        if self.model.loss == "bpr":
            drawn = self.warm[torch.randint(len(self.warm), (len(items),))]
            ahead = (wanted * (pointed[items] - pointed[drawn])).sum(dim=-1)
            return -torch.nn.functional.logsigmoid(network.sharpness(ahead)).mean()
        rivals = rivals_of(answers, self.frequency, self.model.negatives)
        return softmax_loss(
            network.sharpness(wanted),
            pointed[self.warm[rivals.items]],
            rivals,
            answers,
            self.model.label_smoothing,
        )

    def _between(self, views: list[Any], batch: NDArray[np.int64]) -> Any:
        """How unlike the views of the batch's items and people are."""
        from palate.recommenders.neural.propagation import contrast_loss

        items = self.torch.unique(self.chosen[batch])
        people = np.unique(self.owners[batch])
        one, other = views
        of_items = contrast_loss(one[items], other[items], TEMPERATURE)
        of_people = contrast_loss(
            self._summed(one, people), self._summed(other, people), TEMPERATURE
        )
        return of_items + of_people

    def _summed(self, vectors: Any, people: NDArray[np.int64]) -> Any:
        """(n, dim) of people, the sums of what they chose."""
        row, position = ragged_positions(self.starts[people], self.stops[people])
        first = np.searchsorted(row, np.arange(len(people)))
        return self.torch.nn.functional.embedding_bag(
            self.chosen[position],
            vectors,
            self.torch.from_numpy(first),
            mode="sum",
            per_sample_weights=self.taken[position],
        )

    def _wanted(self, sums: Any, people: NDArray[np.int64]) -> Any:
        """(n, dim) of length 1."""
        known = self.network.reader(self.people[people])
        return self.normal(self.normal(sums, dim=-1) + known, dim=-1)

    def wanted_by(self, vectors: Any, rows: NDArray[np.int64]) -> Any:
        people = self.held[rows]
        return self._wanted(self._summed(vectors, people), people)

    def item_vectors(self) -> tuple[Floats, Floats, Floats]:
        """Over all edges, also those that it was judged by."""
        self.network.items.graph = self.whole
        return super().item_vectors()
