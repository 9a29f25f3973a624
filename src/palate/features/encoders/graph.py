"""Items as a knowledge graph knows them: close to what shares their people, places and kinds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, Self, TypeAlias

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import NonNegativeInt, PositiveInt

from palate.core.arrays import Floats, Mask
from palate.core.component import check_fitted, check_types, component, learnt
from palate.core.dataset import Dataset
from palate.core.errors import ConfigError, DataError, first_offenders
from palate.core.features import Features
from palate.core.ids import Ids
from palate.core.optional import Requirement
from palate.core.paths import FilePath
from palate.core.progress import task
from palate.data.formats.triples import ENTITY, HEAD, RELATION, TAIL, linked_items, read_triples

__all__ = ["Graph"]

GraphModel: TypeAlias = Literal["complex", "transe"]

NEEDED = Requirement(("torch",), "the encoder graph")
ALL = 2048  # entities up to which each is a candidate answer of every question
NEGATIVES = 256
BATCH = 1024
LEARNING_RATE = 0.3
N3_WEIGHT = 0.05
FIRST_SIZE = 1e-2


@component
class Graph:
    """Vectors of the items' entities in a knowledge graph, learnt to complete its triples.

    `triples` is a file of head, relation and tail with tabs between (RecBole's .kg too); `links`
    says which entity each item is (item, entity; RecBole's .link); left out, items are entities by
    their own id. Nothing is learnt from events: items that nobody touched have their vector, and
    so have items that arrive later if the links name them. `model` is "complex" (relations of any
    kind) or "transe" (relations are shifts); `dim` counts numbers an item, so ComplEx has half as
    many dimensions. Needs the extra "torch" to fit, nothing to encode.
    Methods: Trouillon et al. 2016 with Lacroix et al. 2018 (ComplEx), Bordes et al. 2013 (TransE).
    """

    triples: FilePath | None = None
    links: FilePath | None = None
    model: GraphModel = "complex"
    dim: PositiveInt = 64
    epochs: PositiveInt = 10
    seed: NonNegativeInt = 0

    ids_: Ids = learnt()
    vectors_: Floats = learnt("ids_", "dim")
    typical_: Floats = learnt("dim")
    gaps_: bool = learnt()

    requires: ClassVar[tuple[Requirement, ...]] = (NEEDED,)

    def __post_init__(self) -> None:
        check_types(self)
        if self.model == "complex" and self.dim % 2:
            raise ConfigError(
                f"dim = {self.dim} cannot be used: complex numbers have two parts, so give an "
                'even number, or take model = "transe"'
            )

    def fit(self, data: Dataset) -> Self:
        """Learns the graph; raises `DataError` for files that cannot be used or know no item."""
        triples, linked = self.read(data)
        self.gaps_ = not bool(self._known(data)[data.warm_items].all())
        self.vectors_ = self._learnt(triples, linked[ENTITY])
        known = self._known(data)
        learnable = data.warm_items[known[data.warm_items]]
        if not len(learnable):
            learnable = np.flatnonzero(known).astype(np.int32)
        rows = self.ids_.find(data.item_ids.series[learnable])
        self.typical_ = self.vectors_[rows].mean(axis=0, dtype=np.float64).astype(np.float32)
        return self

    def read(self, data: Dataset) -> tuple[pl.DataFrame, pl.DataFrame]:
        """The triples, and the entity of each item; raises as `fit` does, and learns nothing."""
        if self.triples is None:
            raise DataError('the encoder graph needs a file of triples: triples = "graph.tsv"')
        triples = read_triples(self.triples)
        linked = linked_items(triples, self.links)
        self.ids_ = Ids(linked.to_series(0))
        if not self._known(data).any():
            raise DataError(self._strangers(data))
        return triples, linked

    def describe(self, data: Dataset) -> Iterator[str]:
        """How many triples there are and how many items they know; raises as `fit` does."""
        triples, linked = replace(self).read(data)
        known = data.item_ids.series.is_in(linked.to_series(0).implode()).sum()
        yield f"reads {len(triples):,} triples, which know {known:,} of {len(data.items):,} items"

    def encode(self, data: Dataset) -> Features:
        """One block: (n_items, dim), or dim + 1 where the last column marks items without entity.

        These get the mean of the items that people touched.
        """
        check_fitted(self)
        rows = self.ids_.find(data.item_ids.series)
        vectors = np.where((rows >= 0)[:, None], self.vectors_[rows], self.typical_)
        if self.gaps_:
            vectors = np.column_stack([vectors, (rows < 0).astype(np.float32)])
        return Features(data.item_ids, {"graph": vectors})

    @property
    def block_width(self) -> int:
        """Columns of its block, by what was learnt alone: nothing is encoded."""
        check_fitted(self)
        return int(self.vectors_.shape[1]) + self.gaps_

    def covers(self, data: Dataset) -> float:
        """The share of the items of `data` that the graph knows."""
        check_fitted(self)
        return float(self._known(data).mean()) if len(data.items) else 0.0

    def _known(self, data: Dataset) -> Mask:
        found: Mask = self.ids_.find(data.item_ids.series) >= 0
        return found

    def _learnt(self, triples: pl.DataFrame, entities: pl.Series) -> Floats:
        """(n, dim) of some entities."""
        names = Ids(pl.concat([triples[HEAD], triples[TAIL]]).unique(maintain_order=True))
        relations = Ids(triples[RELATION].unique(maintain_order=True))
        columns = (names.rows(triples[HEAD]), relations.rows(triples[RELATION]))
        numbers: NDArray[np.int64] = np.column_stack([*columns, names.rows(triples[TAIL])]).astype(
            np.int64
        )
        found = embed(
            numbers,
            len(names),
            len(relations),
            model=self.model,
            dim=self.dim,
            epochs=self.epochs,
            seed=self.seed,
        )
        return found.entities[names.rows(entities)]

    def _strangers(self, data: Dataset) -> str:
        items = first_offenders(data.item_ids.series, len(data.item_ids))
        theirs = first_offenders(self.ids_.series, len(self.ids_))
        if self.links is None:
            return (
                f"no item is an entity of {self.triples}: the items are {items}, the entities "
                f'{theirs}. Say which entity each item is: links = "items.link"'
            )
        return (
            f"{self.links} links no item of the catalogue: the items are {items}, the links name "
            f"{theirs}. Give the links of these items"
        )


@dataclass(frozen=True)
class Embedded:
    """What was learnt: (n_entities, dim) and (2 n_relations, dim), the inverse relations last."""

    model: GraphModel
    entities: Floats
    relations: Floats

    def scores(self, heads: NDArray[np.int64], relations: NDArray[np.int64]) -> Floats:
        """(n, n_entities): how likely each entity completes (head, relation, ?), higher is better.

        The inverse of relation r is r + n_relations, which asks for the heads of a tail.
        """
        head, relation = self.entities[heads], self.relations[relations]
        if self.model == "complex":
            found: Floats = _turned(head, relation, np.concatenate) @ self.entities.T
            return found
        wanted = head + relation
        squares = (wanted**2).sum(axis=1)[:, None] + (self.entities**2).sum(axis=1)
        squares -= 2 * wanted @ self.entities.T
        return np.asarray(-np.sqrt(np.maximum(squares, 0.0)), dtype=np.float32)


def embed(
    triples: NDArray[np.int64],
    n_entities: int,
    n_relations: int,
    *,
    model: GraphModel = "complex",
    dim: int = 64,
    epochs: int = 10,
    seed: int = 0,
) -> Embedded:
    """Learns to complete (head, relation, ?) and (?, relation, tail) of (n, 3) `triples`.

    Each question's answer competes with all entities, or, of more than 2,048, with 256 drawn
    uniformly that stand for all (their weight in the softmax is n_entities / 256). ComplEx is
    held small by the N3 norm; Adagrad takes the steps.
    Raises `MissingExtraError` without torch, `DataError` where it runs off to infinity.
    Methods: Trouillon et al. 2016 (ComplEx), Lacroix et al. 2018 (inverse relations, N3),
    Bordes et al. 2013 (TransE, here with a softmax in place of its margin).
    """
    torch = NEEDED.load()
    chance = torch.Generator().manual_seed(seed)
    sizes = ((n_entities, dim), (2 * n_relations, dim))
    entities, relations = (torch.randn(s, generator=chance).mul_(FIRST_SIZE) for s in sizes)
    paces = torch.zeros(sizes[0]), torch.zeros(sizes[1])
    questions = torch.from_numpy(_both_ways(triples, n_relations))
    work = task("learn the graph", epochs * len(questions), "questions")
    with _one_thread(), work as advance:
        for batch in _batches(questions, epochs, chance):
            used, places = _entities_of(batch, n_entities, chance)
            vectors = entities[used].requires_grad_()
            edges = relations.clone().requires_grad_()
            _loss(model, vectors, edges, batch, places, n_entities).backward()
            _step(entities, paces[0], used, vectors.grad)
            _step(relations, paces[1], slice(None), edges.grad)
            advance(len(batch))
    found = Embedded(model, entities.numpy(), relations.numpy())
    if not (np.isfinite(found.entities).all() and np.isfinite(found.relations).all()):
        raise DataError("learning the graph ran off to infinity: take a smaller dim, or transe")
    return found


def _both_ways(triples: NDArray[np.int64], n_relations: int) -> NDArray[np.int64]:
    """(head, relation, tail) and (tail, inverse relation, head)."""
    inverse = triples[:, ::-1] + np.array([0, n_relations, 0])
    return np.concatenate([triples, inverse])


def _batches(questions: Any, epochs: int, chance: Any) -> Iterator[Any]:
    import torch

    for _ in range(epochs):
        yield from questions[torch.randperm(len(questions), generator=chance)].split(BATCH)


@contextmanager
def _one_thread() -> Iterator[None]:
    """The batches are small: threads cost more in waiting than they compute, and change sums."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _entities_of(batch: Any, n_entities: int, chance: Any) -> tuple[Any, Any]:
    """The entities that a batch touches, and the places there of heads, tails and rivals."""
    import torch

    if n_entities <= ALL:
        rivals = torch.arange(n_entities)
    else:
        rivals = torch.randint(n_entities, (NEGATIVES,), generator=chance)
    named = torch.cat([batch[:, 0], batch[:, 2], rivals])
    used, places = torch.unique(named, return_inverse=True)
    return used, places


def _loss(
    model: GraphModel, vectors: Any, edges: Any, batch: Any, places: Any, n_entities: int
) -> Any:
    """The mean cross-entropy of a batch of questions, and what keeps the vectors small."""
    import torch
    from torch.nn import functional

    count = len(batch)
    heads, tails, others = functional.embedding(places, vectors).split(
        [count, count, len(places) - 2 * count]
    )
    rivals, edge = places[2 * count :], functional.embedding(batch[:, 1], edges)
    wanted = heads + edge if model == "transe" else _turned(heads, edge, torch.cat)
    scored = _nearness if model == "transe" else _dots
    scores = scored(wanted, others) + float(np.log(n_entities / len(rivals)))
    scores = scores.masked_fill(rivals == places[count : 2 * count, None], float("-inf"))
    own = scored(wanted[:, None], tails[:, None]).reshape(-1, 1)
    error = functional.cross_entropy(torch.cat([own, scores], dim=1), torch.zeros_like(batch[:, 1]))
    if model == "transe":
        return error
    return error + N3_WEIGHT * sum(_cubes(part) for part in (heads, edge, tails))


def _step(weights: Any, paces: Any, rows: Any, gradient: Any) -> None:
    """Adagrad, in place, for some rows (Duchi et al. 2011)."""
    paces[rows] += gradient**2
    weights[rows] -= LEARNING_RATE * gradient / (paces[rows].sqrt() + 1e-10)


def _turned(head: Any, relation: Any, join: Callable[..., Any]) -> Any:
    """The complex product of rows [real, imaginary]; its dot product with a tail is the score."""
    half = head.shape[1] // 2
    real, imaginary = head[:, :half], head[:, half:]
    cosine, sine = relation[:, :half], relation[:, half:]
    parts = [real * cosine - imaginary * sine, real * sine + imaginary * cosine]
    return join(parts, 1)


def _cubes(vectors: Any) -> Any:
    """The mean over rows of the summed cubes of the complex moduli."""
    half = vectors.shape[1] // 2
    squares = vectors[:, :half] ** 2 + vectors[:, half:] ** 2
    return (squares + 1e-12).pow(1.5).sum(dim=1).mean()


def _dots(wanted: Any, answers: Any) -> Any:
    return wanted @ answers.transpose(-1, -2)


def _nearness(wanted: Any, answers: Any) -> Any:
    import torch

    return -torch.cdist(wanted, answers)
