"""A bilinear match of people and items: f W h, of features of both and of what was chosen."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, NonNegativeInt, PositiveInt
from scipy import sparse

from palate.core.arrays import Floats, Rows, places_of, unit_rows
from palate.core.component import check_types, component, learnt
from palate.core.dataset import Dataset
from palate.core.errors import ConfigError, Setting
from palate.core.evidence import Evidence, Links, from_links
from palate.core.features import Features
from palate.core.histories import Histories, histories_of
from palate.core.learnt import agree
from palate.core.optional import Requirement
from palate.core.order import settled, with_users_settled
from palate.core.parallel import in_chunks
from palate.core.registry import settings_of
from palate.core.types import FitContext, content_of
from palate.core.values import Doubles, Valued, valued_of
from palate.nn.losses import rivals_of, softmax_loss
from palate.nn.trainer import NEEDED, Training, chance_of, reproducible, train
from palate.recommenders._base import aligned
from palate.recommenders._factors import with_constant
from palate.recommenders._values import USER_SHRINK, ValueModel
from palate.recommenders.neural.inputs import axes_of, check_numbers, read_blocks, width_of
from palate.recommenders.neural.starting import by_chance

__all__ = ["Bilinear"]

_HELD = 0.1  # of the events, by which training is stopped
_FEWEST_HELD = 20
_FIRST = 8.0  # what the likeness of a history to an item is multiplied with at first
_CHUNK_CELLS = 4_000_000


@dataclass(frozen=True, eq=False)
class Told:
    """Who asks: (n, n_items) weights of what they chose, and (n, m) what else is known of them.

    A profile is weights @ vectors * `scale`. With values `weights` are what each person gave beyond
    what is usual for the item, `ones` has 1 at the same places, and from the profile `usual` (n,)
    times ones @ vectors is taken.
    """

    weights: sparse.csr_array
    ones: sparse.csr_array
    people: Floats


@component
class Bilinear(ValueModel, Training):
    """Bilinear: a person's features times a learnt matrix times an item's, and biases of both.

    ŷ = f W h + biases (Chu and Park 2009). h: an item's features and, with `ids`, `dim` numbers of
    its id. f: a 1, the person's features, and the mean of the h of their history, the k-th newest
    item counting `decay`^k. W is full, or of `rank`. `loss` "softmax" learns what is chosen among
    all items, or `negatives` of them; "squared" learns values: then each item of the history counts
    by what the person gave beyond the baseline (`bias`), over the root of their number, and lists
    are in the order of predicted values, which is mostly not what is chosen next. What is learnt
    from is taken out of the history that foresees it, and where there are features of people, the
    whole history at a rate of `history_dropout`, so that these stand for themselves. New items are
    placed by their features, strangers by theirs. Needs the extra "torch" to fit, not to score.
    Blocks that were learnt from events are not read.
    """

    loss: Literal["softmax", "squared"] = "softmax"
    rank: PositiveInt | None = None
    ids: bool = True
    dim: Annotated[int, Field(ge=1, le=4096)] = 32
    decay: Annotated[float, Field(gt=0, le=1)] = 0.9
    negatives: NonNegativeInt = 2048
    history_dropout: Annotated[float, Field(ge=0, lt=1)] = 0.3
    batch_size: PositiveInt = 1024
    learning_rate: Annotated[float, Field(gt=0)] = 0.01

    matrix_: Floats = learnt("person", "width")
    vectors_: Floats = learnt("item_ids_", "width")
    shift_: Floats = learnt("item_ids_")
    axes_: dict[str, Floats] = learnt("columns", "width")
    user_axes_: dict[str, Floats] = learnt("user_columns", "user_width")

    requires: ClassVar[tuple[Requirement, ...]] = (NEEDED,)
    reads_users: ClassVar[bool] = True
    keeps_fit: ClassVar[tuple[str, ...]] = ("matrix",)

    def __post_init__(self) -> None:
        check_types(self)

    def fit(self, data: Dataset, context: FitContext = FitContext()) -> Self:
        """Raises `DataError` for "squared" where events have no values, and as `train` does."""
        torch = NEEDED.load()
        self._know(data, context)
        self._know_no_values()
        items, users = content_of(context.honest.items), content_of(context.honest.users)
        check_numbers(items, users)
        if items is not None:
            aligned(items, data, who="bilinear")
        if items is None and not self.ids:
            raise ConfigError("bilinear with ids=False needs item features: give it an encoder")
        data, order = settled(data)
        asking = with_users_settled(histories_of(data)).with_users(users)
        if self.loss == "squared":
            self._know_values(data)
            self._check_predicts()
        blocks = {} if items is None else items.take(order).parts
        self.axes_ = axes_of(blocks, data.warm_items)
        self.user_axes_ = axes_of(asking.users, np.flatnonzero(asking.lengths))
        columns = unit_rows(read_blocks(blocks, self.axes_, len(order)))
        with reproducible(self.threads):
            torch.manual_seed(self.seed)
            learner = _Learner(torch, self, self._told(asking), columns, data)
        train(learner, self, label="bilinear", digest=self._digest(learner))
        self._take(learner, data.warm_items, places_of(order))
        return self

    def _digest(self, learner: _Learner) -> str:
        told = json.dumps(settings_of(self), sort_keys=True, default=str)
        found = hashlib.sha256(f"{told} {learner.item_ids.digest}".encode())
        weights = learner.told.weights
        for part in (weights.indptr, weights.indices, weights.data, learner.told.people):
            found.update(np.ascontiguousarray(part).tobytes())
        found.update(learner.columns.numpy().tobytes())
        return found.hexdigest()

    def _take(self, learner: _Learner, warm: Rows, places: NDArray[np.int64]) -> None:
        """What was learnt, in the order of the catalogue; ids that nobody touched say nothing."""
        vectors = learner.vectors().detach().numpy().copy()
        shift = learner.network.shift.detach().numpy().copy()
        cold = np.ones(len(vectors), dtype=np.bool_)
        cold[warm] = False
        vectors[cold, learner.columns.shape[1] :] = 0
        shift[cold] = np.median(shift[warm]) if len(warm) else 0
        self.vectors_, self.shift_ = vectors[places], shift[places]
        self.matrix_ = learner.matrix().detach().numpy().copy()
        self.item_bias_, self.value_counts_ = self.item_bias_[places], self.value_counts_[places]

    def _told(self, asking: Histories) -> Told:
        people = with_constant(read_blocks(asking.users, self.user_axes_, len(asking)))
        people = np.hstack([np.ones((len(asking), 1), dtype=np.float32), people])
        if self.loss == "squared":
            said = valued_of(asking)
            weights = said.matrix(said.value - self._without_person(said.item))
            return Told(weights, said.matrix(np.ones(len(said))), people)
        weights = asking.matrix(decay=self.decay).astype(np.float64)
        weights.data = np.maximum(weights.data, 0)
        weights.eliminate_zeros()
        ones = sparse.csr_array(
            (np.ones(weights.nnz), weights.indices, weights.indptr), shape=weights.shape
        )
        return Told(weights, ones, people)

    def _persons(self, told: Told) -> Floats:
        """(n, person) f of each request."""
        vectors = self.vectors_.astype(np.float64)
        profile = told.weights @ vectors
        if self.loss == "squared":
            counts = told.ones.sum(axis=1)
            usual = told.weights.sum(axis=1) / (counts + USER_SHRINK)
            profile = profile - usual[:, None] * (told.ones @ vectors)
            total = np.sqrt(np.maximum(counts, 1))
        else:
            total = told.weights.sum(axis=1)
        profile = profile / np.where(total > 0, total, 1)[:, None]
        return np.hstack([told.people, profile]).astype(np.float32)

    def check_learnt(self) -> None:
        """Raises `ValueError` for widths that do not fit together."""
        super().check_learnt()
        width = width_of(self.axes_) + self.dim * self.ids
        users = width_of(self.user_axes_)
        agree(self.vectors_.shape[1] == width, "vectors of other columns")
        agree(self.matrix_.shape == (1 + users + (users > 0) + width, width), "another matrix")

    def add_items(self, items: Features) -> Self:
        """Items that arrived later: their features place them, or nothing does."""
        placed = self._placed(items)
        warm = self.popularity_ > 0
        shift = np.float32(np.median(self.shift_[warm])) if warm.any() else np.float32(0)
        super().add_items(items)
        self.vectors_ = np.vstack([self.vectors_, placed])
        self.shift_ = np.append(self.shift_, np.full(len(items), shift, dtype=np.float32))
        return self

    def update_items(self, items: Features) -> Self:
        """Known items that say something else now; what their ids have learnt stays."""
        placed = self._placed(items)
        super().update_items(items)
        rows, vectors = self.item_ids_.rows(items.ids.series), self.vectors_.copy()
        width = width_of(self.axes_)
        vectors[rows, :width] = placed[:, :width]
        self.vectors_ = vectors
        return self

    def _placed(self, items: Features) -> Floats:
        columns = unit_rows(read_blocks(items.parts, self.axes_, len(items)))
        ids = np.zeros((len(items), self.dim * self.ids), dtype=np.float32)
        return np.hstack([columns, ids]).astype(np.float32)

    @property
    def predicts(self) -> bool:
        """Whether `loss` is "squared": that has values to go by."""
        return self.loss == "squared" and super().predicts

    def _check_predicts(self) -> None:
        if self.loss != "squared":
            raise ConfigError(
                "Bilinear predicts values with ",
                Setting("loss", "squared", "recommender"),
                " alone: set that, and fit again",
            )
        super()._check_predicts()

    def score(self, histories: Histories) -> Floats:
        """(n, n_items) logits; values with "squared". Items nobody knows anything of come last."""
        asking = self._asking(histories)
        told = self._told(asking.every() if self.loss == "squared" else asking)
        wanted = self._persons(told) @ self.matrix_
        scores = np.empty((len(asking), len(self.item_ids_)), dtype=np.float32)
        step = max(1, _CHUNK_CELLS // max(len(self.item_ids_), 1))
        turned = np.ascontiguousarray(self.vectors_.T)
        for chunk, part in in_chunks(lambda chunk: wanted[chunk] @ turned, len(asking), step):
            scores[chunk] = part
        scores += self.shift_
        if self.loss == "squared":
            rows = np.arange(len(self.item_ids_), dtype=np.int32)
            usual = self._user_bias(valued_of(asking))[:, None] + self._without_person(rows)
            scores += usual.astype(np.float32)
        unknown = ~self.vectors_.any(axis=1) & (self.popularity_ == 0)
        if unknown.any() and not unknown.all():
            scores[:, unknown] = scores[:, ~unknown].min(axis=1, keepdims=True)
        return scores

    def _predicted_of(self, asking: Histories, items: Rows) -> Doubles:
        said: Valued = valued_of(asking)
        wanted = self._persons(self._told(asking)) @ self.matrix_
        match = np.einsum("ij,ij->i", wanted, self.vectors_[items]) + self.shift_[items]
        found: Doubles = self._predicted(said, items) + match
        return found

    def evidence(self, histories: Histories, items: Rows) -> list[Evidence]:
        """For request i and item i: the item of the history that speaks most for it."""
        asking = self._asking(histories)
        found = from_links(self._links, asking, items)
        return [Evidence("alike", one.anchor) if one.anchor >= 0 else one for one in found]

    @property
    def _links(self) -> Links:
        vectors = self.vectors_
        mapped = vectors @ self.matrix_[len(self.matrix_) - vectors.shape[1] :]

        def links(sources: Rows, targets: Rows) -> Floats:
            found: Floats = np.einsum("ij,ij->i", mapped[sources], vectors[targets])
            return found

        return links


class _Learner:
    """Single events, each foreseen from the rest of its person's history."""

    def __init__(
        self, torch: Any, model: Bilinear, told: Told, columns: Floats, data: Dataset
    ) -> None:
        self.torch, self.model, self.item_ids = torch, model, data.item_ids
        weights = told.weights
        self.request = np.repeat(np.arange(weights.shape[0]), np.diff(weights.indptr))
        self.item = weights.indices.astype(np.int64)
        count = weights.nnz
        drawn = chance_of(model.seed).permutation(count)
        n_held = int(count * _HELD)
        self.held = np.sort(drawn[: n_held if n_held >= _FEWEST_HELD else 0])
        kept = np.ones(count)
        kept[self.held] = 0
        parts = weights.indices, weights.indptr
        self.own, self.one = weights.data * kept, told.ones.data * kept
        self.learnt_from = np.flatnonzero(kept)
        self.told = Told(
            sparse.csr_array((self.own, *parts), shape=weights.shape),
            sparse.csr_array((self.one, *parts), shape=weights.shape),
            told.people,
        )
        self.left = weights.data
        self.columns = torch.from_numpy(columns)
        counts = np.bincount(self.item[self.learnt_from], minlength=len(columns))
        self.frequency = torch.from_numpy((counts / max(counts.sum(), 1)).astype(np.float32))
        ids = by_chance(data.item_ids, model.dim, model.seed) if model.ids else None
        self.network = _network(torch, model, columns.shape[1], told.people.shape[1], ids, counts)

    def vectors(self) -> Any:
        """(n_items, width) h of all items."""
        own = self.network.own
        return self.columns if own is None else self.torch.cat([self.columns, own], dim=1)

    def matrix(self) -> Any:
        network = self.network
        return network.left if network.right is None else network.left @ network.right

    def batches(self, rng: np.random.Generator) -> Sequence[Any]:
        # person by person: what a batch asks of histories is then asked a few times, not once each
        turn = rng.permutation(self.told.weights.shape[0])[self.request[self.learnt_from]]
        order = self.learnt_from[np.lexsort((rng.random(len(turn)), turn))]
        return [
            order[start : start + self.model.batch_size]
            for start in range(0, len(order), self.model.batch_size)
        ]

    def loss(self, batch: NDArray[np.int64]) -> Any:
        return self._loss(batch)

    def judge(self) -> float | None:
        """The loss of events that no history holds, turned round; None for too few."""
        if not len(self.held):
            return None
        step = 4096
        parts = [self.held[start : start + step] for start in range(0, len(self.held), step)]
        losses = [float(self._loss(part, sampled=False)) * len(part) for part in parts]
        return -sum(losses) / len(self.held)

    def _loss(self, batch: NDArray[np.int64], *, sampled: bool = True) -> Any:
        torch, model = self.torch, self.model
        vectors, items = self.vectors(), torch.from_numpy(self.item[batch])
        persons, usual = self._persons(batch, vectors)
        known = self.told.people.shape[1]
        if sampled and known > 1 and model.history_dropout:
            kept = torch.rand(len(batch), 1) >= model.history_dropout
            persons = torch.cat([persons[:, :known], persons[:, known:] * kept], dim=1)
        wanted = persons @ self.matrix()
        if model.loss == "squared":
            match = (wanted * vectors[items]).sum(dim=1) + self.network.shift[items]
            wished = torch.from_numpy((self.left[batch] - usual).astype(np.float32))
            return ((match - wished) ** 2).mean()
        rivals = rivals_of(items, self.frequency, model.negatives if sampled else 0)
        ones = torch.ones(len(batch), 1)
        beside = torch.cat([vectors, self.network.shift[:, None]], dim=1)[rivals.items]
        smoothing = model.label_smoothing if sampled else 0.0
        return softmax_loss(torch.cat([wanted, ones], dim=1), beside, rivals, items, smoothing)

    def _persons(self, batch: NDArray[np.int64], vectors: Any) -> tuple[Any, Doubles]:
        """F of whoever's event it is, without this event, and what is usual for them."""
        torch, rows = self.torch, self.request[batch]
        unique, place = np.unique(rows, return_inverse=True)
        own, one = self.own[batch], self.one[batch]
        themselves = vectors[torch.from_numpy(self.item[batch])]
        profile = self._summed(self.told.weights[unique], vectors)[place]
        profile = profile - _column(torch, own) * themselves
        total = self.told.weights.sum(axis=1)[rows] - own
        usual = np.zeros(len(batch))
        if self.model.loss == "squared":
            counts = self.told.ones.sum(axis=1)[rows] - one
            usual = total / (counts + USER_SHRINK)
            every = self._summed(self.told.ones[unique], vectors)[place]
            profile = profile - _column(torch, usual) * (every - _column(torch, one) * themselves)
            total = np.sqrt(np.maximum(counts, 1))
        safe = np.where(total > 1e-9, 1 / np.maximum(total, 1e-9), 0)
        profile = profile * _column(torch, safe)
        return torch.cat([torch.from_numpy(self.told.people[rows]), profile], dim=1), usual

    def _summed(self, weights: sparse.csr_array, vectors: Any) -> Any:
        torch, whole = self.torch, weights.tocoo()
        places = torch.from_numpy(np.stack([whole.row, whole.col]).astype(np.int64))
        values = torch.from_numpy(whole.data.astype(np.float32))
        matrix = torch.sparse_coo_tensor(places, values, whole.shape, check_invariants=True)
        return torch.sparse.mm(matrix, vectors)


def _column(torch: Any, values: Doubles) -> Any:
    return torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))[:, None]


def _network(
    torch: Any, model: Bilinear, width: int, people: int, ids: Floats | None, counts: Any
) -> Any:
    """The matrix, whole or as a product, vectors of ids and what items score by themselves."""
    network = torch.nn.Module()
    whole = width + (0 if ids is None else ids.shape[1])
    first = torch.zeros(people + whole, whole)
    if model.loss == "softmax":
        first[people:] = _FIRST * torch.eye(whole)
    network.right = None
    if model.rank is None:
        network.left = torch.nn.Parameter(first)
    else:
        right = torch.linalg.qr(torch.randn(whole, min(model.rank, whole)))[0].T
        network.left = torch.nn.Parameter(first @ right.T)
        network.right = torch.nn.Parameter(right.contiguous())
    network.own = None if ids is None else torch.nn.Parameter(torch.from_numpy(ids.copy()))
    start = np.log(counts + 1.0) if model.loss == "softmax" else np.zeros(len(counts))
    network.shift = torch.nn.Parameter(torch.from_numpy(start.astype(np.float32)))
    return network
