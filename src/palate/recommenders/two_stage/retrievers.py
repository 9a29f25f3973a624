"""Cheap scorers of the whole catalogue: they propose candidates and describe them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from weakref import ref

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from palate.core.arrays import Floats, Matrix, Rows, to_dense, unit_rows
from palate.core.histories import Histories
from palate.core.sparse import inner_products, product
from palate.recommenders._cooccurrence import (
    even_chunks,
    first_of_each_row,
    keep_largest,
    squares_of,
)
from palate.recommenders.two_stage.catalogue import Catalogue
from palate.recommenders.two_stage.profiles import profile_signals
from palate.recommenders.two_stage.statistics import (
    DECAY,
    LENGTH,
    LONG_DECAY,
    LONG_LENGTH,
    Statistics,
)

NEAR_USERS = 100
MOST_USERS = 1_000
NEAR_PAIRS = 500_000  # of requests and people that are compared at once
CONTENT_WEIGHT = 0.5
CACHED_CELLS = 64_000
ROUNDING = 1e-3  # a deviation below this share of the mean is none


@dataclass(frozen=True)
class Signal:
    """One retriever's (n, n_items) scores; `weight` is its part in the sum that proposes.

    One weight for all, or (n, 1).
    """

    name: str
    scores: Matrix
    weight: float | Floats = 0.0

    def moments(self) -> tuple[Floats, Floats]:
        """(n, 1) mean and deviation of each request's scores over the catalogue."""
        n_items = self.scores.shape[1]
        total, squares = _sums(self.scores)
        mean = total / n_items
        deviation = np.sqrt(np.maximum(squares / n_items - mean**2, 0))
        deviation = np.maximum(deviation, ROUNDING * np.abs(mean)) + 1e-9
        return (
            mean[:, None].astype(np.float32),
            deviation[:, None].astype(np.float32),
        )

    @property
    def dense(self) -> Floats:
        """(n, n_items) the scores; made each time of sparse ones, which need less memory."""
        return to_dense(self.scores)

    def take(self, rows: Rows) -> Signal:
        weight = self.weight if isinstance(self.weight, float) else self.weight[rows]
        return Signal(self.name, self.scores[rows], weight)


def _sums(scores: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(n,) sums of each row and of its squares, equal for equal scores, be they sparse or not."""
    if sparse.issparse(scores):
        data = np.append(scores.data, 0.0)  # so that an empty last row may start there
        filled, starts = np.diff(scores.indptr) > 0, scores.indptr[:-1]
        return (
            np.where(filled, np.add.reduceat(data, starts), 0.0),
            np.where(filled, np.add.reduceat(np.square(data), starts), 0.0),
        )
    total, squares = np.empty((2, len(scores)))
    step = max(1, CACHED_CELLS // max(scores.shape[1], 1))
    for start in range(0, len(scores), step):
        part = scores[start : start + step].astype(np.float64)
        total[start : start + step] = part.sum(axis=1)
        squares[start : start + step] = np.einsum("ij,ij->i", part, part)
    return total, squares


@dataclass(frozen=True)
class Profiles:
    """What a history says at three ranges: its newest item, lately, lastingly."""

    newest: sparse.csr_array
    recent: sparse.csr_array
    lasting: sparse.csr_array

    @classmethod
    def of(cls, histories: Histories) -> Profiles:
        return cls(
            histories.matrix(length=1, weighted=False),
            histories.matrix(decay=DECAY, length=LENGTH),
            histories.matrix(decay=LONG_DECAY, length=LONG_LENGTH),
        )

    def take(self, rows: Rows) -> Profiles:
        return Profiles(self.newest[rows], self.recent[rows], self.lasting[rows])


def retrieve(
    histories: Histories, profiles: Profiles, statistics: Statistics, catalogue: Catalogue
) -> Iterator[Signal]:
    """One signal after the other; a catalogue without content, or no behaviour, has fewer."""
    if "directed" in statistics:
        yield from _behaviour(histories, profiles, statistics, catalogue)
    for name, vectors in catalogue.dense_blocks.items():
        profile = content_profile(profiles.recent, vectors, histories.queries.get(name))
        yield Signal(name, inner_products(profile, vectors), CONTENT_WEIGHT)
    for name, block in catalogue.sparse_blocks.items():
        transposed = catalogue.transposed[name]
        said: Any = histories.queries.get(name)
        profile = sparse.csr_array(profiles.recent @ block)
        if said is not None:
            profile = sparse.csr_array(profile + sparse.csr_array(said))
        yield Signal(name, product(profile, transposed), CONTENT_WEIGHT)
        newest = sparse.csr_array(profiles.newest @ block)
        yield Signal(f"{name}:newest", product(newest, transposed))
    for name, scores, weight in profile_signals(histories, statistics, catalogue):
        yield Signal(name, scores, weight)


def _behaviour(
    histories: Histories, profiles: Profiles, statistics: Statistics, catalogue: Catalogue
) -> Iterator[Signal]:
    directed = statistics["directed"]
    followed = sparse.csr_array(profiles.recent @ directed)
    yield Signal("directed", followed, 1.0)
    yield Signal("directed:newest", profiles.newest @ directed)
    second = histories.without_last().matrix(length=1, weighted=False)
    yield Signal("directed:second", second @ directed)
    yield Signal("adjacent", profiles.recent @ statistics["adjacent"])
    yield Signal("conditional", profiles.recent @ statistics["conditional"])
    yield Signal("two steps", product(followed, statistics["conditional.strong"]), 0.5)
    yield Signal("together", profiles.lasting @ statistics["together"])
    lasting = profiles.lasting @ statistics["space_in"]
    yield Signal("space", inner_products(lasting, statistics["space_out"]), 0.3)
    if "ease" in statistics:
        yield Signal("ease", histories.strengths() @ statistics["ease"], 0.5)
    users = near_users(histories, statistics)
    yield Signal("similar users", sparse.csr_array(users @ statistics["users"]))
    if catalogue.anchor is not None:
        alike = sparse.csr_array(profiles.recent @ catalogue.neighbours)
        lent = to_dense(product(alike, statistics["directed.strong"]))
        lent += to_dense(product(followed, catalogue.neighbours_transposed))
        yield Signal("smoothed", lent, 0.5)


def near_users(histories: Histories, statistics: Statistics) -> sparse.csr_array:
    """(n, training users) cosine to the nearest users, by what both interacted with.

    Of an item that very many interacted with, the first `MOST_USERS` in the order of the rows are
    looked at: to share it says little, and would cost users times users.
    """
    users = statistics["users"]
    rarity = np.maximum(statistics["counts"], 1) ** -0.5
    asked = sparse.csr_array(
        histories.matrix(decay=0.8, length=15) @ sparse.diags_array(rarity), dtype=np.float32
    )
    users_of, scale = _by_item(users)
    work = asked.astype(bool).astype(np.float64) @ np.diff(users_of.indptr)
    nearest = [sparse.csr_array((0, users.shape[0]), dtype=np.float32)]
    for chunk in even_chunks(work, NEAR_PAIRS):
        shared = sparse.csr_array((asked[chunk] @ users_of) @ scale)
        nearest.append(keep_largest(shared.astype(np.float32), NEAR_USERS))
    return sparse.csr_array(sparse.vstack(nearest, format="csr"))


_by_item_of: dict[int, tuple[ref[sparse.csr_array], tuple[sparse.csr_array, Any]]] = {}


def _by_item(users: sparse.csr_array) -> tuple[sparse.csr_array, Any]:
    """(n_items, users) whom each item is looked for at, and what scales each user: made once.

    For each chunk of requests anew it would cost people times people. It goes when `users` do.
    """
    key = id(users)
    known = _by_item_of.get(key)
    if known is not None and known[0]() is users:
        return known[1]
    scale = sparse.diags_array(1 / np.sqrt(squares_of(users, rows=True) + 1))
    made = first_of_each_row(sparse.csr_array(users.T), MOST_USERS), scale
    _by_item_of[key] = ref(users, lambda gone: _forget(key, gone)), made
    return made


def _forget(key: int, gone: ref[sparse.csr_array]) -> None:
    known = _by_item_of.get(key)
    if known is not None and known[0] is gone:  # else another one stands there by now
        _by_item_of.pop(key, None)


def content_profile(weights: sparse.csr_array, vectors: Floats, said: Floats | None) -> Floats:
    """(n, d) unit vectors: what the weighted items say, and what the person says beside that."""
    profile: Floats = unit_rows(weights @ vectors)
    return profile if said is None else unit_rows(profile + unit_rows(said))
