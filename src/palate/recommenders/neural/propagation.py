"""Vectors of items that pass over the people who chose them. Torch is needed here."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import nn

from palate.core.arrays import Floats
from palate.recommenders.neural.items import ItemVectors


class ChoiceGraph:
    """Who chose what, as edges of which each is divided by the roots of both nodes' degrees.

    `choices` (n_people, n_items) are the edges' weights. `share` (n_items,) is what a person takes
    of an item beside its weight: one by the root of the item's degree, 1 for an item without edges.
    """

    def __init__(self, choices: sparse.csr_array) -> None:
        self.choices = choices
        people = np.asarray(choices.sum(axis=1)).ravel()
        items = np.asarray(choices.sum(axis=0)).ravel()
        self.share: Floats = _one_by_root(items).astype(np.float32)
        scaled = sparse.csr_array(
            sparse.diags_array(_one_by_root(people)) @ choices @ sparse.diags_array(self.share)
        )
        self._there = scaled.astype(np.float32)
        self._back = sparse.csr_array(self._there.T)

    def hop(self, vectors: Floats) -> Floats:
        """(n_items, dim) what reaches each item from the items of the people who chose it."""
        found: Floats = self._back @ (self._there @ vectors)
        return found

    def without(self, dropped: NDArray[np.bool_]) -> ChoiceGraph:
        """The graph that lacks some of its edges, in the order of `choices`."""
        kept = self.choices.copy()
        kept.data[dropped] = 0.0
        kept.eliminate_zeros()
        return ChoiceGraph(kept)


def _one_by_root(degrees: NDArray[Any]) -> NDArray[np.float64]:
    """1 for a node without edges."""
    found: NDArray[np.float64] = np.where(degrees > 0, degrees, 1.0) ** -0.5
    return found


class _Hop(torch.autograd.Function):  # type: ignore[misc]
    """A hop over the graph, which is its own transpose."""

    @staticmethod
    def forward(ctx: Any, vectors: Any, graph: ChoiceGraph) -> Any:
        ctx.graph = graph
        return torch.from_numpy(graph.hop(vectors.detach().float().numpy()))

    @staticmethod
    def backward(ctx: Any, gradient: Any) -> Any:
        return torch.from_numpy(ctx.graph.hop(gradient.float().numpy())), None


class PropagatedItems(nn.Module):  # type: ignore[misc]
    """The mean of an item's own vector and of what reaches it in one to `trips` hops.

    A hop leads from an item over the people who chose it to all they chose. While it learns, a
    share `edge_dropout` of the edges is left out of each pass.
    """

    def __init__(
        self, first: ItemVectors, graph: ChoiceGraph, trips: int, edge_dropout: float
    ) -> None:
        super().__init__()
        self.first, self.graph, self.trips = first, graph, trips
        self.edge_dropout = edge_dropout

    def forward(self, items: Any) -> Any:
        """(…, dim) of items by their rows."""
        return self.passed(self.starts(), self.drawn())[items]

    def starts(self) -> Any:
        """(n_items, dim) before the first hop."""
        return self.first(torch.arange(len(self.first.columns)))

    def pointed_at(self, vectors: Any) -> Any:
        """The same vectors, while it learns some of them as those of items that are new.

        An item that has neither learnt an id nor edges stands by its features alone, here at the
        rate of `id_dropout` (Volkovs et al. 2017).
        """
        rate, content = self.first.id_dropout, self.first.content
        if content is None or not (self.training and rate):
            return vectors
        new = torch.rand(len(vectors), 1) < rate
        return torch.where(new, content(self.first.columns), vectors)

    def drawn(self) -> ChoiceGraph:
        """The graph of one pass."""
        if not (self.training and self.edge_dropout and self.trips):
            return self.graph
        dropped = torch.rand(len(self.graph.choices.data)) < self.edge_dropout
        return self.graph.without(dropped.numpy())

    def passed(self, starts: Any, graph: ChoiceGraph, noise: float = 0.0) -> Any:
        """(n_items, dim) the mean over all hops; `noise` is the length of what disturbs each."""
        total = reached = starts
        for _ in range(self.trips):
            reached = _disturbed(_Hop.apply(reached, graph), noise)
            total = total + reached
        return total / (self.trips + 1) if self.trips else _disturbed(total, noise)

    def learnt(self) -> tuple[Floats, Floats, Floats]:
        """Of all items, (what came by ids and by hops, own content), and the map to the latter.

        Passing on is linear: the two add up to what `forward` gives.
        """
        own, content, content_map = self.first.learnt()
        total, reached = own, own + content
        for _ in range(self.trips):
            reached = self.graph.hop(reached)
            total = total + reached
        parts = np.float32(self.trips + 1)
        return total / parts, content / parts, content_map / parts


def _disturbed(vectors: Any, noise: float) -> Any:
    """With noise of one length that turns no sign (Yu et al. 2022)."""
    if not noise:
        return vectors
    drawn = nn.functional.normalize(torch.rand_like(vectors), dim=-1)
    return vectors + noise * drawn * vectors.detach().sign()


def contrast_loss(one: Any, other: Any, temperature: float) -> Any:
    """InfoNCE: a row of one view is to be nearest to its own row of the other."""
    one, other = (nn.functional.normalize(view, dim=-1) for view in (one, other))
    return nn.functional.cross_entropy(one @ other.T / temperature, torch.arange(len(one)))


class PeopleMap(nn.Module):  # type: ignore[misc]
    """A linear map of what is known of people, which starts small."""

    def __init__(self, width: int, dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(0.1 * torch.randn(width, dim) / max(width, 1) ** 0.5)

    def forward(self, people: Any) -> Any:
        return people @ self.weight
