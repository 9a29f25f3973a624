"""What comes next, read off the order of a history by a network."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Annotated, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from palate.core.arrays import Floats, row_norms
from palate.core.component import check_types, component
from palate.core.errors import ConfigError
from palate.core.histories import Histories
from palate.nn.trainer import NEEDED, reproducible
from palate.recommenders.neural.events import GAPS, Windows
from palate.recommenders.neural.inputs import width_of
from palate.recommenders.neural.learner import VectorLearner
from palate.recommenders.neural.vector_model import Material, VectorModel

__all__ = ["Sequential"]

Body: TypeAlias = Literal["transformer", "gru", "lstm", "cnn", "linear_recurrence"]

EVENTS_AT_ONCE = 16_384  # where nothing is learnt


@component
class Sequential(VectorModel):
    """Sequential: a network reads the newest `length` events and says what comes next.

    `body`: "transformer" (causal self-attention: Kang and McAuley 2018, SASRec), "gru" and "lstm"
    (Hidasi et al. 2016, GRU4Rec), "cnn" (dilated causal convolutions: Yuan et al. 2019, NextItNet)
    or "linear_recurrence" (Yue et al. 2024, LRURec), of `layers` layers. It learns by a softmax
    over all items, or over `negatives` drawn ones and the answers of a batch, corrected for that;
    `sharpness` is what cosines are multiplied with at first. With `time_gaps` pauses between events
    count, where there are times; how readily what was read is chosen again is learnt; what is known
    of people stands before the first event, and serves somebody without any. Needs the extra
    "torch" to fit and to score.
    """

    epochs: PositiveInt = 8
    learning_rate: PositiveFloat = 2e-3
    body: Body = "transformer"
    layers: PositiveInt = 2
    heads: PositiveInt = 2
    length: PositiveInt = 30
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2
    negatives: NonNegativeInt = 1024
    sharpness: PositiveFloat = 14.0
    time_gaps: bool = False

    def __post_init__(self) -> None:
        check_types(self)
        if self.dim % self.heads:
            raise ConfigError(f"dim = {self.dim} cannot be split among heads = {self.heads}")

    def _learner(self, torch: Any, material: Material) -> _Learner:
        return _Learner(torch, self, material)

    def _reader(self) -> Any:
        """The network without its items, as it starts."""
        from palate.recommenders.neural.bodies import Reader

        return Reader(
            self.body,
            self.dim,
            heads=self.heads,
            layers=self.layers,
            length=self.length + 1,
            gaps=GAPS if self.time_gaps else 0,
            dropout=self.dropout,
        )

    @cached_property
    def _network(self) -> Any:
        from palate.recommenders.neural.bodies import SequenceNetwork

        network = SequenceNetwork(self._reader(), width_of(self.user_axes_))
        return self._loaded(network)

    def _wanted(self, asking: Histories, users: Floats) -> Floats:
        torch, network = NEEDED.load(), self._network
        windows = Windows.newest(asking, self.length)
        vectors = self.id_vectors_ + self.content_vectors_
        found = np.zeros((len(asking), self.dim), dtype=np.float32)
        speaks = (asking.lengths > 0) | (row_norms(users) > 0)
        with reproducible(self.threads), torch.no_grad():
            for rows in windows.of_one_length(EVENTS_AT_ONCE, np.flatnonzero(speaks)):
                items, pauses, weights = (torch.from_numpy(part) for part in windows.read(rows))
                states = torch.from_numpy(vectors[items.numpy()])
                people = torch.from_numpy(users[rows])
                found[rows] = network(states, pauses, weights, people)[:, -1].numpy()
        return found


class _Learner(VectorLearner):
    """Windows of events, each of which is foreseen from those before it."""

    model: Sequential

    def __init__(self, torch: Any, model: Sequential, material: Material) -> None:
        from palate.recommenders.neural.bodies import SequenceNetwork

        super().__init__(torch, model, material)
        people = material.users.shape[1]
        self.windows = Windows.all_of(self.known, model.length + 1, fewest=1 if people else 2)
        self.recent = Windows.newest(self.asking, model.length)
        reader = SequenceNetwork(model._reader(), people)
        usual = np.sqrt(self.known.weights).mean() if len(self.known.weights) else 1.0
        reader.usual.fill_(float(usual))
        self.network = self.network_of(reader, material, model.sharpness)

    def batches(self, rng: np.random.Generator) -> Sequence[Any]:
        """Windows of one length, about as many events at once."""
        order = rng.permutation(len(self.windows.starts))
        most = self.model._batch_of(int(self.windows.lengths.sum()))
        found = list(self.windows.of_one_length(most, order))
        return [found[place] for place in rng.permutation(len(found))]

    def loss(self, batch: NDArray[np.int64]) -> Any:
        read = self.windows.read(batch)
        items, pauses, weights = (self.torch.from_numpy(part) for part in read)
        people = self.people[self.windows.owners[batch]]
        first = 0 if people.shape[1] else 1

        def wanted_of(states: Any) -> Any:
            return self.network.reader(states, pauses[:, :-1], weights[:, :-1], people)

        before = self._read_before(items[:, :-1], first=first)
        counts, most = weights[:, first:].reshape(-1), self.model.negatives
        return self.softmax(
            items[:, :-1], items[:, first:], wanted_of, most, before, weights=counts
        )

    def _read_before(self, inputs: Any, *, first: int) -> tuple[Any, Any]:
        """(answers' places, items) for each answer and each event before it."""
        count, length = inputs.shape
        answers = length + 1 - first
        later, earlier = self.torch.tril_indices(length, length)
        place = self.torch.arange(count)[:, None] * answers + later + (1 - first)
        return place.reshape(-1), inputs[:, earlier].reshape(-1)

    def wanted_by(self, vectors: Any, rows: NDArray[np.int64]) -> Any:
        found = self.torch.empty(len(rows), self.model.dim)
        for some in self.recent.of_one_length(EVENTS_AT_ONCE, rows):
            items, pauses, weights = map(self.torch.from_numpy, self.recent.read(some))
            people = self.people[self.held[some]]
            wanted = self.network.reader(vectors[items], pauses, weights, people)[:, -1]
            found[np.searchsorted(rows, some)] = wanted
        return found
