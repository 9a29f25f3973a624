"""How many people chose items together: what rules between items are counted from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from palate.core.arrays import Floats, Rows
from palate.core.histories import Histories, ragged_positions
from palate.recommenders._cooccurrence import even_chunks

NOBODY = -1  # in place of the second item, where one is all


@dataclass(frozen=True)
class Baskets:
    """What each person chose, each item once: sorted by person, then item, first and last time.

    Without times the place in a person's history stands for the time.
    """

    n_items: int
    user: NDArray[np.int64]
    item: NDArray[np.int64]
    first: NDArray[np.float64]
    last: NDArray[np.float64]
    starts: NDArray[np.int64]

    @classmethod
    def of(cls, histories: Histories) -> Baskets:
        """One row of `histories` is one person."""
        user, position = ragged_positions(histories.starts, histories.stops)
        when = position.astype(np.float64) if histories.times is None else histories.times[position]
        n_items = len(histories.item_ids)
        key = user * n_items + histories.items[position]
        order = np.argsort(key, kind="stable")
        key, when = key[order], when[order]
        begin = np.flatnonzero(np.append(True, np.diff(key) != 0)) if len(key) else key
        found = key[begin]
        user = found // n_items
        return cls(
            n_items=n_items,
            user=user,
            item=found % n_items,
            first=np.minimum.reduceat(when, begin) if len(begin) else when,
            last=np.maximum.reduceat(when, begin) if len(begin) else when,
            starts=np.searchsorted(user, np.arange(len(histories) + 1)),
        )

    @property
    def n_people(self) -> int:
        """Who chose anything."""
        return int((np.diff(self.starts) > 0).sum())

    @cached_property
    def seen(self) -> sparse.csr_array:
        """(people, n_items) ones where a person chose an item."""
        ones = np.ones(len(self.item), dtype=np.float32)
        shape = (len(self.starts) - 1, self.n_items)
        return sparse.csr_array((ones, self.item, self.starts), shape=shape)

    @cached_property
    def people_of(self) -> sparse.csr_array:
        """(n_items, people), the other way round."""
        return sparse.csr_array(self.seen.T)

    def who_chose(self, sides: Rows) -> sparse.csr_array:
        """(sides, people) ones where a person chose all of a side: one item, or two."""
        found = self.people_of[sides[:, 0]]
        double = np.flatnonzero(sides[:, 1] != NOBODY)
        if not len(double):
            return found
        if len(double) < len(sides):
            raise ValueError("sides of one length are asked about together")
        return sparse.csr_array(found.multiply(self.people_of[sides[:, 1]]))

    def first_of(self, user: NDArray[np.int64], item: NDArray[np.int64]) -> NDArray[np.float64]:
        """When a person chose an item that they did choose."""
        keys = self.user * self.n_items + self.item
        return self.first[np.searchsorted(keys, user * self.n_items + item)]


def frequent_pairs(
    baskets: Baskets, min_support: int, most: int, tie: NDArray[np.int64]
) -> tuple[Rows, sparse.csr_array]:
    """(pairs, 2) items that `min_support` people chose, the `most` of most people; and all counts.

    Among pairs of as many people the rank `tie` of their items decides. The counts, of everything
    that is frequent, are (n_items, n_items).
    """
    everything = np.arange(baskets.n_items, dtype=np.int32)
    singles = np.stack([everything, np.full_like(everything, NOBODY)], axis=1)
    parts = [part for _, part in counts_with(baskets, singles, min_support, ordered=False)]
    counts = sparse.csr_array(sparse.vstack(parts)) if parts else sparse.csr_array((0, 0))
    found = counts.tocoo()
    upper = found.row < found.col
    one, other, people = found.row[upper], found.col[upper], found.data[upper]
    low, high = np.minimum(tie[one], tie[other]), np.maximum(tie[one], tie[other])
    order = np.lexsort((high, low, -people))[:most]
    pairs = np.stack([one[order], other[order]], axis=1).astype(np.int32)
    return pairs, counts


def counts_with(
    baskets: Baskets, sides: Rows, min_support: int, *, ordered: bool
) -> Iterator[tuple[slice, sparse.csr_array]]:
    """(some of the sides, (sides, n_items) people who chose each and the item), a part at a time.

    `ordered`: who chose the item later than the side. Fewer than `min_support` count as nobody.
    """
    chosen = np.diff(baskets.starts).astype(np.float64)
    for lines in even_chunks(_work(baskets, sides, chosen)) if len(sides) else ():
        own = sides[lines]
        who = baskets.who_chose(own)
        counts = _later(baskets, own, who) if ordered else sparse.csr_array(who @ baskets.seen)
        counts.sum_duplicates()
        row = np.repeat(np.arange(len(own)), np.diff(counts.indptr))
        of_side = (counts.indices == own[row, 0]) | (counts.indices == own[row, 1])
        counts.data[of_side | (counts.data < min_support)] = 0.0
        counts.eliminate_zeros()
        counts.sort_indices()
        yield lines, counts


def cells_of(matrix: sparse.csr_array, rows: NDArray[Any], columns: NDArray[Any]) -> Floats:
    """(n,) what stands in row i and column i."""
    cells: Any = matrix[rows, columns]
    found = cells.toarray() if sparse.issparse(cells) else cells
    return np.asarray(found, dtype=np.float32).ravel()


def _work(baskets: Baskets, sides: Rows, chosen: NDArray[np.float64]) -> NDArray[np.float64]:
    """At most so many pairs of a person who chose the side and what they chose."""
    every = np.asarray(baskets.people_of @ chosen, dtype=np.float64)
    other = np.where(sides[:, 1] == NOBODY, sides[:, 0], sides[:, 1])
    return np.minimum(every[sides[:, 0]], every[other])


def _later(baskets: Baskets, sides: Rows, who: sparse.csr_array) -> sparse.csr_array:
    """(sides, n_items) people who chose the item after all of the side."""
    side = np.repeat(np.arange(len(sides)), np.diff(who.indptr))
    user = who.indices.astype(np.int64)
    moment = baskets.first_of(user, sides[side, 0].astype(np.int64))
    if len(sides) and sides[0, 1] != NOBODY:
        second = baskets.first_of(user, sides[side, 1].astype(np.int64))
        moment = np.maximum(moment, second)
    line, entry = ragged_positions(baskets.starts[user], baskets.starts[user + 1])
    later = baskets.last[entry] > moment[line]
    places = (side[line[later]], baskets.item[entry[later]])
    ones = np.ones(int(later.sum()), dtype=np.float32)
    return sparse.coo_array((ones, places), shape=(len(sides), baskets.n_items)).tocsr()
