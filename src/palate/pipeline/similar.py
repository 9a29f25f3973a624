"""Items like an item: by what they say, by who chose them, or by both."""

from __future__ import annotations

import reprlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Literal, TypeAlias
from weakref import WeakKeyDictionary

import numpy as np
import polars as pl
from scipy import sparse

from palate.core.arrays import Floats, Matrix, Rows, row_norms, to_dense, unit_rows
from palate.core.columns import ITEM, RANK, REASONS, SCORE, SIMILAR
from palate.core.dataset import Dataset
from palate.core.errors import ConfigError, DataError, did_you_mean
from palate.core.evidence import Evidence
from palate.core.features import Features
from palate.core.histories import Histories, history_of_items
from palate.core.sparse import inner_products, on_grid, product
from palate.core.topk import tie_order, top_rows
from palate.core.types import Recommendations, content_of
from palate.pipeline.checks import users_of
from palate.pipeline.explain.sentences import sentences_of
from palate.pipeline.stages import Stages

By: TypeAlias = Literal["both", "content", "behaviour"]

_WAYS: Final = ("both", "content", "behaviour")
_CHUNK_CELLS: Final = 8_000_000
_NEWEST: Final = 500  # events of a person that count
_SHRINK: Final = 1.0  # added to the square root of the people of an item: few of them prove little
_SMOOTHING: Final = 10  # of the places in two lists that are fused
_alike: WeakKeyDictionary[Features, _Alike] = WeakKeyDictionary()
_chosen: WeakKeyDictionary[Dataset, _Chosen] = WeakKeyDictionary()


def check_way(by: object) -> None:
    """Raises `ConfigError` for what is no way of comparing items."""
    if by not in _WAYS:
        known = did_you_mean(str(by), _WAYS)
        raise ConfigError(f"by = {reprlib.repr(by)} cannot be used.{known}")


def similar_items(
    pipeline: Stages,
    rows: Rows,
    k: int,
    *,
    by: str = "both",
    allowed: Rows | None = None,
    reasons: bool = False,
) -> Recommendations:
    """The `k` items most like each of `rows`: `item_id` asked, `similar_id`, `score`, `rank`.

    "content": the mean cosine over the blocks that say something of the item that is asked;
    "behaviour": the people that two items share, over the product of (√people + 1) of both;
    "both": reciprocal ranks in the two lists, added up. What speaks neither way is left out, so a
    list may be shorter; an item is never its own neighbour. Raises `DataError` where there is
    nothing to compare by.
    """
    ways = _ways(pipeline, by)
    n_items = len(pipeline.data_.item_ids)
    tie = tie_order(pipeline.data_.item_ids)
    barred = np.zeros(n_items, dtype=np.bool_)
    if allowed is not None:
        barred[:] = True
        barred[allowed] = False
    none = np.empty(0, dtype=np.int32)
    lines: list[tuple[Any, ...]] = [(none, none, none.astype(np.float32), none, none)]
    wanted, step = min(k, n_items), max(1, _CHUNK_CELLS // max(n_items, 1))
    for start in range(0, len(rows), step):
        asked = rows[start : start + step]
        scores = [way.scores(asked) for way in ways]
        for found in scores:
            found[np.arange(len(asked)), asked] = -np.inf
            found[found <= 0] = -np.inf
        places = [_reciprocal_ranks(found) for found in scores]
        total = scores[0] if len(scores) == 1 else sum(places)
        total = np.where(~barred & (total > 0), total, np.float32(-np.inf)).astype(np.float32)
        best, values = top_rows(total, wanted, tie)
        line, place = np.nonzero(best >= 0)
        found_rows = best[line, place]
        speaks = np.argmax([part[line, found_rows] for part in places], axis=0)
        lines.append((asked[line], found_rows, values[line, place], place + 1, speaks))
    return _table(pipeline, ways, lines, reasons=reasons)


def _table(
    pipeline: Stages, ways: Sequence[_Alike | _Chosen], lines: Any, *, reasons: bool
) -> Recommendations:
    asked, found, scores, rank, speaks = (
        np.concatenate(column) for column in zip(*lines, strict=True)
    )
    ids = pipeline.data_.item_ids.series
    table = pl.DataFrame(
        {
            ITEM: ids.gather(asked),
            SIMILAR: ids.gather(found),
            SCORE: scores,
            RANK: rank.astype(np.int32),
        }
    )
    if reasons:
        asking = _asking(pipeline.data_, asked)
        evidence = [
            Evidence(ways[way].speaks, int(anchor))
            for way, anchor in zip(speaks.tolist(), asked.tolist(), strict=True)
        ]
        said = sentences_of(pipeline, asking, evidence, found)
        table = table.with_columns(pl.Series(REASONS, said, dtype=pl.String))
    return Recommendations(table)


def _asking(data: Dataset, rows: Rows) -> Histories:
    names = data.item_ids.series.gather(rows).to_list()
    return history_of_items(data.item_ids, [[name] for name in names])


def _ways(pipeline: Stages, by: str) -> list[_Alike | _Chosen]:
    """How items are compared; for "both" that which there is."""
    check_way(by)
    data, content = pipeline.data_, content_of(pipeline.features_)
    has_events = len(data.interactions) > 0
    ways: list[_Alike | _Chosen] = []
    if by != "behaviour" and content is not None and pipeline.features_ is not None:
        known = _alike.get(pipeline.features_)
        if known is None:
            known = _alike[pipeline.features_] = _Alike(content)
        ways.append(known)
    if by != "content" and has_events:
        chosen = _chosen.get(data)
        if chosen is None:
            chosen = _chosen[data] = _Chosen(data)
        ways.append(chosen)
    if not ways:
        lacks = "events" if by == "behaviour" else "content of items"
        fix = "by='content'" if by == "behaviour" else "by='behaviour', or give it an encoder"
        raise DataError(f"by = {by!r}: this pipeline has no {lacks}: ask {fix}")
    return ways


@dataclass(frozen=True, eq=False)
class _Alike:
    """Items by what they say."""

    content: Features
    speaks: Literal["alike"] = "alike"

    @cached_property
    def blocks(self) -> list[tuple[Matrix, Matrix]]:
        """Unit rows, and what they are multiplied with."""
        found: list[tuple[Matrix, Matrix]] = []
        for part in self.content.parts.values():
            unit = unit_rows(part)
            if sparse.issparse(unit):
                found.append((unit, sparse.csr_array(unit.T)))
            else:
                found.append((to_dense(unit), on_grid(to_dense(unit))))
        return found

    def scores(self, rows: Rows) -> Floats:
        """(n, n_items) mean cosines over the blocks that say something of item i."""
        total = np.zeros((len(rows), len(self.content)), dtype=np.float32)
        known = np.zeros(len(rows), dtype=np.float32)
        for unit, items in self.blocks:
            own: Any = unit[rows]
            known += row_norms(own) > 0
            columns: Any = items
            near = product(own, columns) if sparse.issparse(own) else inner_products(own, columns)
            total += to_dense(near)
        total /= np.maximum(known, 1)[:, None]
        return total


@dataclass(frozen=True, eq=False)
class _Chosen:
    """Items by the people who chose them."""

    data: Dataset
    speaks: Literal["together"] = "together"

    @cached_property
    def seen(self) -> tuple[sparse.csr_array, sparse.csr_array, Floats]:
        """Who chose what, what was chosen by whom, and the weight of each item."""
        seen = users_of(self.data).histories.last(_NEWEST).seen()
        users = sparse.csr_array(seen.T)
        weight = 1 / (np.sqrt(np.diff(users.indptr)) + _SHRINK)
        return seen, users, weight.astype(np.float32)

    def scores(self, rows: Rows) -> Floats:
        """(n, n_items) cosines of the sets of people, shrunk."""
        seen, users, weight = self.seen
        found = np.zeros((len(rows), len(self.data.item_ids)), dtype=np.float32)
        shared = (users[rows] @ seen).toarray()
        found[:, : shared.shape[1]] = shared * weight[rows, None] * weight
        return found


def _reciprocal_ranks(scores: Floats) -> Floats:
    """1 / (10 + place) of what speaks, 0 for all else; equal scores share a place."""
    order = np.argsort(-scores, axis=1, kind="stable")
    ordered = np.take_along_axis(scores, order, axis=1)
    place = np.broadcast_to(np.arange(1, scores.shape[1] + 1, dtype=np.float32), scores.shape)
    fresh = np.ones(scores.shape, dtype=np.bool_)
    fresh[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    first = np.maximum.accumulate(np.where(fresh, place, 0), axis=1)
    ranks = np.empty_like(scores)
    np.put_along_axis(ranks, order, first, axis=1)
    return np.where(scores > 0, 1 / (_SMOOTHING + ranks), 0).astype(np.float32)
