"""What speaks for a recommendation: the kind of link, and the item it starts from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from palate.core.arrays import Floats, Mask, Matrix, Rows, row_norms
from palate.core.features import Features
from palate.core.histories import Histories, ragged_positions
from palate.core.types import content_of

FLATTER = 2.0  # how much less the cosines of words to items vary than those of items to items

Kind = Literal["together", "alike", "words", "peers", "profile", "about", "popular"]
Links: TypeAlias = Callable[[Rows, Rows], Floats]

_ANCHORS = 20
_CHUNK_PAIRS = 20_000
_CHUNK_CELLS = 1_000_000


@dataclass(frozen=True)
class Evidence:
    """What speaks most for one recommended item, and the item of the history it comes from.

    "together": people chose both; "alike": both say or are the like; "words": it is like what the
    person said; "peers": people with a like history chose it; "profile": people with a like
    profile did; "about": it is like what the profile says; "popular": nothing else speaks.
    `other` is a second item of the history: people chose it together with both.
    """

    kind: Kind
    anchor: int = -1
    other: int = -1


def from_popularity(items: Rows) -> list[Evidence]:
    """Evidence for whatever is recommended to everybody alike."""
    return [Evidence("popular")] * len(items)


def from_links(links: Links, histories: Histories, items: Rows) -> list[Evidence]:
    """What people chose together; where the history has no link to the item, what is popular."""
    anchors, _ = nearest_in_history(links, histories, items)
    return [Evidence("together", int(row)) if row >= 0 else Evidence("popular") for row in anchors]


def from_content(features: Features | None, histories: Histories, items: Rows) -> list[Evidence]:
    """The history's item nearest in content, or the person's words where these are nearer.

    Both are compared in the blocks in which the person said something, words at twice their
    cosine: words lie further from all items than these do from each other. Blocks learnt from
    behaviour are no content. Where neither is near, what is popular.
    """
    content = content_of(features)
    if content is None:
        return from_popularity(items)
    anchors, _ = nearest_in_history(cosines_of(content), histories, items)
    of_query, of_history = _in_blocks_of_queries(content, histories, items, anchors)
    words = (of_query > 0) & ((anchors < 0) | (FLATTER * of_query > of_history))
    found = from_popularity(items)
    for row in np.flatnonzero(words | (anchors >= 0)).tolist():
        found[row] = Evidence("words") if words[row] else Evidence("alike", int(anchors[row]))
    return found


def stronger(
    together: list[Evidence], content: list[Evidence], prefers_content: Mask
) -> list[Evidence]:
    """Of two kinds of evidence a line, the one that speaks; the preferred one where both do."""
    return [
        alike if alike.kind != "popular" and (prefers or linked.kind == "popular") else linked
        for linked, alike, prefers in zip(together, content, prefers_content.tolist(), strict=True)
    ]


def nearest_in_history(
    links: Links, histories: Histories, items: Rows
) -> tuple[Rows, NDArray[np.float32]]:
    """For request i and item i: the strongest positive link from the newest items, and from which.

    Among equal links the newest item speaks; an item is no link to itself. (n,) rows, -1 for none,
    and (n,) strengths.
    """
    anchors = np.full(len(items), -1, dtype=np.int32)
    strengths = np.zeros(len(items), dtype=np.float32)
    recent = histories.last(_ANCHORS)
    line, position = ragged_positions(recent.starts, recent.stops)
    other = histories.items[position] != items[line]
    line, position = line[other], position[other]
    found = np.empty(len(line), dtype=np.float32)
    for start in range(0, len(line), _CHUNK_PAIRS):
        part = slice(start, start + _CHUNK_PAIRS)
        found[part] = links(histories.items[position[part]], items[line[part]])
    order = np.lexsort((position, found, line))
    last = order[np.append(line[order][1:] != line[order][:-1], True)] if len(order) else order
    best = last[found[last] > 0]
    anchors[line[best]], strengths[line[best]] = histories.items[position[best]], found[best]
    return anchors, strengths


def links_in(matrix: Any) -> Links:
    """Links that stand in an (n, n) array, sparse or not; items beyond it have none."""

    def links(sources: Rows, targets: Rows) -> Floats:
        known = (sources < matrix.shape[0]) & (targets < matrix.shape[1])
        found = np.zeros(len(sources), dtype=np.float32)
        values = matrix[sources[known], targets[known]]
        found[known] = values.toarray().ravel() if sparse.issparse(values) else values
        return found

    return links


def cosines_of(content: Features) -> Links:
    """The cosines of two items, summed over the blocks."""

    def links(sources: Rows, targets: Rows) -> Floats:
        total = np.zeros(len(sources), dtype=np.float32)
        for part in content.parts.values():
            total += cosines(part[sources], part[targets])
        return total

    return links


def cosines(left: Any, right: Any) -> Floats:
    """(n,) cosine of each row to the same row on the other side; 0 for rows of zeros."""
    if sparse.issparse(left) or sparse.issparse(right):
        left, right = sparse.csr_array(left), sparse.csr_array(right)
        products = left.multiply(right).sum(axis=1)
    else:
        products = np.einsum("ij,ij->i", left, right)
    lengths = row_norms(left) * row_norms(right)
    return np.asarray(products / np.maximum(lengths, 1e-9), dtype=np.float32)


def _in_blocks_of_queries(
    content: Features, histories: Histories, items: Rows, anchors: Rows
) -> tuple[Floats, Floats]:
    """Summed cosines of text queries, and of the anchors, to the items, in the queries' blocks."""
    of_query, of_history = np.zeros((2, len(items)), dtype=np.float32)
    for name, part in content.parts.items():
        if name not in histories.queries:
            continue
        words: Matrix = histories.queries[name]
        for start in range(0, len(items), _CHUNK_PAIRS):
            chunk = slice(start, start + _CHUNK_PAIRS)
            own = part[items[chunk]]
            of_query[chunk] += cosines(words[chunk], own)
            asked = np.asarray(abs(words[chunk]).sum(axis=1)).ravel() > 0
            near = cosines(part[np.maximum(anchors[chunk], 0)], own)
            of_history[chunk] += np.where(asked & (anchors[chunk] >= 0), near, 0)
    return of_query, of_history


def by_request(
    histories: Histories,
) -> Iterator[tuple[NDArray[np.int64], Histories, NDArray[np.int64]]]:
    """(lines, their distinct requests, each line's place among these), a bounded part at a time.

    Lines of one request stand together, so a list of ten costs one request's work.
    """
    if not len(histories):
        return
    fresh = np.ones(len(histories), dtype=bool)
    fresh[1:] = np.diff(histories.starts) != 0
    fresh[1:] |= np.diff(histories.stops) != 0
    for words in (*histories.queries.values(), *histories.users.values()):
        changed: Any = words[1:] != words[:-1]
        fresh[1:] |= np.asarray(changed.sum(axis=1)).ravel() > 0
    if histories.texts is not None:
        fresh[1:] |= histories.texts.ne_missing(histories.texts.shift(1))[1:].to_numpy()
    request = np.cumsum(fresh) - 1
    first = np.flatnonzero(fresh)
    step = max(1, _CHUNK_CELLS // max(len(histories.item_ids), 1))
    for start in range(0, len(first), step):
        lines = np.flatnonzero((request >= start) & (request < start + step))
        yield lines, histories.take(first[start : start + step]), request[lines] - start


def scores_at(score: Callable[[Histories], Floats], histories: Histories, items: Rows) -> Floats:
    """(n,) what `score` gives item i at request i."""
    found = np.zeros(len(items), dtype=np.float32)
    for lines, asking, place in by_request(histories):
        found[lines] = score(asking)[place, items[lines]]
    return found
