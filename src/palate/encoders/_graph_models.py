"""Entities of a graph as vectors: ComplEx and TransE, compact, on torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from palate.errors import DataError
from palate.optional import Requirement
from palate.progress import task
from palate.types import Floats

GraphModel: TypeAlias = Literal["complex", "transe"]

NEEDED = Requirement(("torch",), "the encoder graph")
ALL = 2048  # entities up to which each is a candidate answer of every question
NEGATIVES = 256
BATCH = 1024
LEARNING_RATE = 0.3
N3_WEIGHT = 0.05
FIRST_SIZE = 1e-2


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
    with _one_thread(), work as did:
        for batch in _batches(questions, epochs, chance):
            touched, places = _entities_of(batch, n_entities, chance)
            vectors = entities[touched].requires_grad_()
            edges = relations.clone().requires_grad_()
            _loss(model, vectors, edges, batch, places, n_entities).backward()
            _step(entities, paces[0], touched, vectors.grad)
            _step(relations, paces[1], slice(None), edges.grad)
            did(len(batch))
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
    touched, places = torch.unique(named, return_inverse=True)
    return touched, places


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
