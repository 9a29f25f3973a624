"""What learners of item vectors share: who is held out, which items compete, what is kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palate.core.arrays import Floats, row_norms
from palate.core.histories import Histories
from palate.nn.losses import rivals_of, softmax_loss
from palate.nn.trainer import chance_of
from palate.recommenders.neural.events import held_out
from palate.recommenders.neural.starting import by_chance, by_covisits
from palate.recommenders.neural.vector_model import Material, VectorModel

PLACES = 10  # of a list that is judged
REQUESTS_AT_ONCE = 512


class VectorLearner:
    """Learns vectors of items so that what is wanted lies near what is chosen next.

    `known` are all events but the newest of the people `held`, who are asked for it, as `asking`,
    to say when to stop. A subclass makes `self.network`, a `Network` of its own reader, and says
    what each of `asking` wants.
    """

    network: Any

    def __init__(self, torch: Any, model: VectorModel, material: Material) -> None:
        self.torch, self.model = torch, model
        self.normal = torch.nn.functional.normalize
        histories = material.histories
        self.held = held_out(histories, chance_of(model.seed))
        self.answers = torch.from_numpy(histories.take(self.held).newest().astype(np.int64))
        kept = histories.lengths.copy()
        kept[self.held] -= 1
        self.known = histories.first(kept)
        self.asking = self.known.take(self.held)
        self.people = torch.from_numpy(material.users)
        self.warm = torch.from_numpy(material.warm.astype(np.int64))
        self.place = torch.full((len(material.items),), -1)
        self.place[self.warm] = torch.arange(len(self.warm))
        counts = self.known.matrix(weighted=False).sum(axis=0)[material.warm]
        self.frequency = torch.from_numpy((counts / max(counts.sum(), 1)).astype(np.float32))

    def network_of(self, reader: Any, material: Material, sharpness: float) -> Any:
        """A module of a reader, vectors of items and a sharpness."""
        from palate.recommenders.neural.items import ItemVectors, Network

        model = self.model
        ids = first_ids(model, self.known) if model.ids else None
        items = ItemVectors(ids, material.items, material.warm, model.dim, model.id_dropout)
        return Network(reader, items, sharpness)

    def softmax(
        self,
        inputs: Any,
        answers: Any,
        wanted_of: Callable[[Any], Any],
        negatives: int,
        read: tuple[Any, Any] | None = None,
        hard: Any = None,
        weights: Any = None,
    ) -> Any:
        """The mean loss of (n,) answers, rows of the catalogue, among `negatives` and each other.

        `wanted_of` makes (n, dim) of the vectors of `inputs`, rows of the catalogue of any shape.
        `read` are pairs of an answer's place and an item that was read before it: how much more, or
        less, these are chosen is learnt. `hard` are places among the warm items of more rivals,
        `weights` (n,) say how much each answer counts.
        """
        torch, answers = self.torch, self.place[answers.reshape(-1)]
        rivals = rivals_of(answers, self.frequency, negatives, hard)
        # each item's vector is made once, whatever it is needed for
        every = torch.cat([inputs.reshape(-1), self.warm[rivals.items]])
        needed, places = torch.unique(every, return_inverse=True)
        vectors = self.network.items(needed)
        shown, competing = places[: inputs.numel()], places[inputs.numel() :]
        more = None
        if read is not None:
            more = (read[0], self.place[read[1]], self.network.again)
        wanted = wanted_of(vectors[shown].reshape(*inputs.shape, self.model.dim)).reshape(
            len(answers), -1
        )
        return softmax_loss(
            self.network.sharpness(self.normal(wanted, dim=-1)),
            self.normal(vectors, dim=-1)[competing],
            rivals,
            answers,
            self.model.label_smoothing,
            more,
            weights,
        )

    def wanted_by(self, vectors: Any, rows: NDArray[np.int64]) -> Any:
        """(n, dim) what some of `asking` want; `vectors` are those of all items."""
        raise NotImplementedError

    def judge(self) -> float | None:
        """Mean NDCG of the newest event of the people who are held out; None for too few."""
        if not len(self.held):
            return None
        torch = self.torch
        vectors = self.network.items(torch.arange(len(self.place)))
        everything = self.normal(vectors[self.warm], dim=-1).T
        gained = 0.0
        for start in range(0, len(self.held), REQUESTS_AT_ONCE):
            rows = np.arange(start, min(start + REQUESTS_AT_ONCE, len(self.held)))
            scores = self.normal(self.wanted_by(vectors, rows), dim=-1) @ everything
            read = self.asking.take(rows).chosen().tocoo()
            places = self.place[torch.from_numpy(read.col.astype(np.int64))]
            scores[torch.from_numpy(read.row.astype(np.int64)), places] += self.again()
            own = scores.gather(1, self.place[self.answers[rows]][:, None])
            rank = (scores > own).sum(dim=1).double()
            gained += float(torch.where(rank < PLACES, 1 / torch.log2(rank + 2), 0.0).sum())
        return gained / len(self.held)

    def item_vectors(self) -> tuple[Floats, Floats, Floats]:
        """Of all items, (ids, content), and the map from their columns to `content`."""
        found: tuple[Floats, Floats, Floats] = self.network.items.learnt()
        return found

    def again(self) -> float:
        """What having been read adds to the cosine of an item."""
        network = self.network
        with self.torch.no_grad():
            return float(network.again / network.sharpness(self.torch.ones(())))

    def reader_state(self) -> dict[str, Any]:
        """The weights of what reads requests."""
        state = self.network.reader.state_dict()
        return {name: part.numpy().copy() for name, part in state.items()}


def first_ids(model: VectorModel, known: Histories) -> Floats:
    """(n_items, dim) where vectors of ids start."""
    found = by_chance(known.item_ids, model.dim, model.seed)
    if model.warm_start:
        together = by_covisits(known, model.dim, model.seed)
        placed = row_norms(together) > 0
        found[placed] = together[placed]
    return found
