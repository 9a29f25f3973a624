"""What retrievers compare items by, and whose covisits an item without any may borrow."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from palate.core.arrays import Floats, Matrix, Rows, to_dense
from palate.core.features import Features
from palate.core.histories import Histories, ragged_positions
from palate.core.parallel import in_chunks
from palate.core.sparse import on_grid
from palate.core.topk import tie_order
from palate.recommenders._cooccurrence import keep_largest

NEIGHBOURS = 20  # in content space, that lend an item their covisits
NEIGHBOUR_POOL = 30_000  # most chosen items of a larger catalogue: only these lend covisits
CHUNK_CELLS = 16_000_000  # of dense cosines
CHOSEN_CELLS = 500_000  # of sparse ones, and of all whose strongest are looked for at once


@dataclass(frozen=True)
class Catalogue:
    """What retrievers compare: blocks of unit rows, those learnt from behaviour last.

    `neighbour_pool` are the rows that may be somebody's neighbour; None: all. `users` are the
    features of people that a fit may learn from.
    """

    n_items: int
    dense_blocks: dict[str, Floats]
    sparse_blocks: dict[str, sparse.csr_array]
    neighbour_pool: Rows | None = None
    users: Features | None = None

    @classmethod
    def of(
        cls,
        features: Features | None,
        n_items: int,
        *,
        neighbour_pool: Rows | None = None,
        users: Features | None = None,
    ) -> Catalogue:
        parts: dict[str, Matrix] = {}
        if features is not None:
            names = sorted(features.parts, key=features.behavioural.__contains__)
            parts = {name: features.parts[name] for name in names}
        dense = {name: part for name, part in parts.items() if not sparse.issparse(part)}
        return cls(
            n_items,
            {name: on_grid(to_dense(part)) for name, part in dense.items()},
            {name: part for name, part in parts.items() if name not in dense},
            neighbour_pool,
            users,
        )

    def ready(self, *, behaviour: bool) -> None:
        """Makes what threads share, before they start."""
        _ = self.transposed
        if behaviour and self.anchor is not None:
            _ = self.neighbours_transposed

    @cached_property
    def transposed(self) -> dict[str, sparse.csr_array]:
        """The sparse blocks with items as columns."""
        return {name: sparse.csr_array(block.T) for name, block in self.sparse_blocks.items()}

    @cached_property
    def neighbours(self) -> sparse.csr_array:
        """(n_items, n_items) nearest items in the anchor block, squared cosines, sum 1 a row."""
        if self.anchor is None:
            return sparse.csr_array((0, 0))
        return nearest_rows(self.anchor, self.neighbour_pool)

    @cached_property
    def neighbours_transposed(self) -> sparse.csr_array:
        return sparse.csr_array(self.neighbours.T)

    @property
    def anchor(self) -> Matrix | None:
        """The block whose neighbours lend their covisits: the first dense one, else the first."""
        blocks: list[Matrix] = [*self.dense_blocks.values(), *self.sparse_blocks.values()]
        return blocks[0] if blocks else None


def neighbour_pool(histories: Histories, *, held: NDArray[np.int64]) -> Rows | None:
    """Rows of the items that may lend their covisits: all (None), or the most chosen.

    The newest `held` (n,) events of each do not count: they may become labels.
    """
    n_items = len(histories.item_ids)
    if n_items <= NEIGHBOUR_POOL:
        return None
    kept = np.maximum(histories.lengths - held, 0)
    _, position = ragged_positions(histories.starts, histories.starts + kept)
    counts = np.bincount(histories.items[position], minlength=n_items)
    most_interacted = np.lexsort((tie_order(histories.item_ids), -counts))[:NEIGHBOUR_POOL]
    return np.sort(most_interacted).astype(np.int32)


def nearest_rows(
    block: Matrix, among: Rows | None = None, *, of: NDArray[np.int64] | None = None
) -> sparse.csr_array:
    """(n, n) the nearest other items of each, or of the rows `of`, squared cosines that sum to 1.

    Only the rows `among` can be somebody's neighbour, which costs n × len(among).
    """
    n_items = block.shape[0]
    among = np.arange(n_items, dtype=np.int32) if among is None else among
    asked = np.arange(n_items) if of is None else of
    rows = block[among]
    transposed = sparse.csr_array(rows.T) if sparse.issparse(rows) else rows.T
    cells = CHOSEN_CELLS if sparse.issparse(rows) else CHUNK_CELLS
    step, few = (max(1, most // max(len(among), 1)) for most in (cells, CHOSEN_CELLS))

    def strongest(chunk: slice) -> list[sparse.csr_array]:
        own = asked[chunk]
        similar = block[own] @ transposed
        firsts = range(0, similar.shape[0], few)
        return [
            _strongest(similar[first : first + few], own[first : first + few], among)
            for first in firsts
        ]

    chunks = [part for _, found in in_chunks(strongest, len(asked), step) for part in found]
    nearest = sparse.csr_array(sparse.vstack(chunks))
    nearest.data **= 2
    sums = np.asarray(nearest.sum(axis=1)).ravel() + 1e-9
    shares = sparse.csr_array(sparse.diags_array(1 / sums) @ nearest).astype(np.float32)
    shape = (len(asked), n_items)
    return sparse.csr_array((shares.data, among[shares.indices], shares.indptr), shape)


def _strongest(similar: Any, itself: NDArray[np.int64], among: Rows) -> sparse.csr_array:
    """(n, len(among)) the largest of each row, without the row `itself` (n,) of the catalogue."""
    n, width = similar.shape
    if sparse.issparse(similar):
        similar = sparse.csr_array(similar)
        row = np.repeat(itself, np.diff(similar.indptr))
        similar.data[(row == among[similar.indices]) | (similar.data < 0)] = 0
        similar.eliminate_zeros()
        return keep_largest(similar, min(NEIGHBOURS, width))
    place = np.searchsorted(among, itself)
    present = np.flatnonzero(among[np.minimum(place, width - 1)] == itself)
    count = min(NEIGHBOURS, width - bool(len(present)))
    similar[present, place[present]] = -1
    columns = (
        np.argpartition(-similar, count - 1, axis=1)[:, :count] if count else np.empty((n, 0), int)
    )
    values = np.maximum(np.take_along_axis(similar, columns, axis=1), 0)
    indptr = np.arange(n + 1) * count
    return sparse.csr_array((values.ravel(), columns.ravel(), indptr), shape=(n, width))
