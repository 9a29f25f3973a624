"""Cheap scorers of the whole catalogue: each proposes candidates and describes them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy import sparse

from palate.histories import Histories
from palate.recommenders._cooccurrence import keep_largest
from palate.recommenders._statistics import (
    DECAY,
    LENGTH,
    LONG_DECAY,
    LONG_LENGTH,
    Catalogue,
    Statistics,
    unit,
)
from palate.types import Floats

NEAR_PEOPLE = 100


def retrieve(
    histories: Histories, statistics: Statistics, catalogue: Catalogue
) -> Iterator[tuple[str, Floats]]:
    """(name, (n, n_items) scores) of one retriever after the other."""
    recent = histories.matrix(decay=DECAY, length=LENGTH)
    newest = histories.matrix(length=1, weighted=False)
    lasting = histories.matrix(decay=LONG_DECAY, length=LONG_LENGTH)
    if "directed" in statistics:
        yield from _behaviour(histories, recent, newest, lasting, statistics)
    for name, vectors in catalogue.dense.items():
        said = histories.queries.get(name)
        profile = _profile(recent, vectors, said)
        yield name, profile @ vectors.T
        yield f"{name}:newest", _profile(newest, vectors, said) @ vectors.T
        yield f"{name}:lasting", _profile(lasting, vectors, said) @ vectors.T
        yield f"{name}:map", (profile @ statistics[f"map.{name}"]) @ vectors.T
    for name, block in catalogue.sparse.items():
        transposed = sparse.csr_array(block.T)
        said = histories.queries.get(name)
        yield name, _dense(_sparse_profile(recent, block, said) @ transposed)
        yield f"{name}:newest", _dense(_sparse_profile(newest, block, said) @ transposed)


def _behaviour(
    histories: Histories,
    recent: sparse.csr_array,
    newest: sparse.csr_array,
    lasting: sparse.csr_array,
    statistics: Statistics,
) -> Iterator[tuple[str, Floats]]:
    directed = statistics["directed"]
    followed = recent @ directed
    yield "directed", _dense(followed)
    yield "directed:newest", _dense(newest @ directed)
    yield "directed:second", _dense(_second_newest(histories) @ directed)
    yield "conditional", _dense(recent @ statistics["conditional"])
    yield "together", _dense(lasting @ statistics["together"])
    yield "space", (lasting @ statistics["space_in"]) @ statistics["space_out"].T
    yield "people", _dense(_people(histories, statistics) @ statistics["people"])
    if "neighbours" in statistics:
        neighbours = statistics["neighbours"]
        lent = (recent @ neighbours) @ directed + followed @ sparse.csr_array(neighbours.T)
        yield "smoothed", _dense(lent)


def _second_newest(histories: Histories) -> sparse.csr_array:
    return histories.without_last().matrix(length=1, weighted=False)


def _people(histories: Histories, statistics: Statistics) -> sparse.csr_array:
    """(n, training people) cosine to the nearest people, by what both touched."""
    people = statistics["people"]
    rarity = np.maximum(statistics["counts"], 1) ** -0.5
    asked = histories.matrix(decay=0.8, length=15) @ sparse.diags_array(rarity)
    sizes = np.sqrt(np.diff(people.indptr) + 1)
    shared = sparse.csr_array((asked @ people.T) @ sparse.diags_array(1 / sizes))
    return keep_largest(shared.astype(np.float32), NEAR_PEOPLE)


def _profile(weights: sparse.csr_array, vectors: Floats, said: Floats | None) -> Floats:
    profile = unit(weights @ vectors)
    return profile if said is None else unit(profile + unit(said))


def _sparse_profile(weights: sparse.csr_array, block: sparse.csr_array, said: Any) -> Any:
    profile = sparse.csr_array(weights @ block)
    return profile if said is None else sparse.csr_array(profile + sparse.csr_array(said))


def _dense(matrix: Any) -> Floats:
    dense: Floats = matrix.toarray().astype(np.float32, copy=False)
    return dense
