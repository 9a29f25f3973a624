"""What histories say about pairs of items: covisits, cosines, counts."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from palate.core.arrays import Floats, Rows
from palate.core.histories import Histories, ragged_positions
from palate.core.topk import falling_bits, tie_order

_BATCH_PAIRS = 16_000_000  # summed up at once: another number would round otherwise
_CHUNK_PAIRS = 2_000_000  # of rows that do not depend on each other
Pairs = tuple[Rows, Rows, Floats]


def popularity(histories: Histories) -> Floats:
    """(n_items,) weighted events per item."""
    _, position = ragged_positions(histories.starts, histories.stops)
    counts = np.bincount(
        histories.items[position],
        weights=histories.weights[position],
        minlength=len(histories.item_ids),
    )
    return counts.astype(np.float32)


def covisit_counts(
    histories: Histories, *, window: int = 20, backward: float = 0.5
) -> sparse.csr_array:
    """(n_items, n_items) directed, decayed counts of covisits: row = from, column = to.

    Each pair of events at most `window` apart counts 1 / distance forward and `backward` times that
    the other way, times the geometric mean of the events' weights. Equal times have no order: such
    a pair counts the mean of both directions, whatever the order in the file.
    """
    counts = _forward_counts(histories, window)
    return sparse.csr_array(counts + backward * counts.T)


def normalised_covisits(
    counts: sparse.csr_array, item_popularity: Floats, *, popularity_power: float = 0.3
) -> sparse.csr_array:
    """Counts over the square root of their row's sum and a power of the column's popularity."""
    rows = np.maximum(np.asarray(counts.sum(axis=1)).ravel(), 1.0) ** -0.5
    columns = np.maximum(item_popularity, 1.0) ** -popularity_power
    return _scaled(counts, rows, columns)


def covisits(
    histories: Histories, *, window: int = 20, backward: float = 0.5, popularity_power: float = 0.3
) -> sparse.csr_array:
    """(n_items, n_items) `covisit_counts`, normalised."""
    counts = covisit_counts(histories, window=window, backward=backward)
    return normalised_covisits(counts, popularity(histories), popularity_power=popularity_power)


def _forward_counts(histories: Histories, window: int) -> sparse.csr_array:
    """Earlier item → later item, summed a batch of distances at a time to bound the memory."""
    n_items = len(histories.item_ids)
    total = sparse.csr_array((n_items, n_items), dtype=np.float32)
    batch: list[Pairs] = []
    for pairs in _pairs(histories, window):
        batch.append(pairs)
        if sum(len(values) for *_, values in batch) >= _BATCH_PAIRS:
            total, batch = total + _summed(batch, n_items), []
    return total + _summed(batch, n_items) if batch else total


def _summed(batch: list[Pairs], n_items: int) -> sparse.csr_array:
    before, after, values = (np.concatenate(column) for column in zip(*batch, strict=True))
    return sparse.coo_array((values, (before, after)), shape=(n_items, n_items)).tocsr()


def _pairs(histories: Histories, window: int) -> Iterator[Pairs]:
    """(earlier item, later item, count) for each distance; tied pairs half in each direction."""
    row, items, weights, times = _flat(histories)
    longest = int(histories.lengths.max(initial=0))
    for distance in range(1, min(window, longest - 1) + 1):
        first = np.flatnonzero(row[distance:] == row[:-distance])
        second = first + distance
        values = np.sqrt(weights[first] * weights[second]) / np.float32(distance)
        before, after = items[first], items[second]
        if times is not None:
            tied = times[first] == times[second]
            values[tied] *= 0.5
            before, after, values = (
                np.concatenate([before, after[tied]]),
                np.concatenate([after, before[tied]]),
                np.concatenate([values, values[tied]]),
            )
        yield before, after, values


def _flat(
    histories: Histories,
) -> tuple[NDArray[np.int64], Rows, Floats, NDArray[np.float64] | None]:
    """Events of all requests in one sequence; equal times in an order that no file decides."""
    row, position = ragged_positions(histories.starts, histories.stops)
    items, weights = histories.items[position], histories.weights[position]
    if histories.times is None:
        return row, items, weights, None
    times = histories.times[position]
    order = np.lexsort((weights, tie_order(histories.item_ids)[items], times, row))
    return row, items[order], weights[order], times[order]


def cooccurrence(
    histories: Histories,
    *,
    shrink: float = 1.0,
    neighbours: int | None = None,
    length: int | None = 500,
) -> sparse.csr_array:
    """(n_items, n_items) symmetric cosine of the sets of people, zeros on the diagonal.

    The people that two items share, over the product of (√people + `shrink`) of both; a person
    counts what their choice weighs, for two items the geometric mean of both. Only each
    person's newest `length` events count, and only each row's `neighbours` largest values stay
    (None: all), which bounds time and memory.
    """
    recent = histories if length is None else histories.last(length)
    seen = recent.strengths()
    users_of = sparse.csr_array(seen.T)
    users = squares_of(seen)
    factors = (1.0 / (np.sqrt(users) + shrink + 1e-9)).astype(np.float32)
    chunks, tie = [], tie_order(histories.item_ids)
    for chunk in even_chunks(users_of @ np.diff(seen.indptr).astype(np.float64)):
        shared = _scaled(users_of[chunk] @ seen, factors[chunk], factors)
        shared = _without_self(shared, first=chunk.start)
        chunks.append(shared if neighbours is None else keep_largest(shared, neighbours, tie))
    return sparse.csr_array(sparse.vstack(chunks))


def squares_of(matrix: sparse.csr_array, *, rows: bool = False) -> NDArray[np.float64]:
    """The sum of squares of each column, or of each of the `rows`: as many as there are of ones."""
    places = matrix.indices
    if rows:
        places = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    size = matrix.shape[0 if rows else 1]
    squares = matrix.data.astype(np.float64) ** 2
    return np.bincount(places, squares, size).astype(np.float64, copy=False)


def even_chunks(work: NDArray[np.float64], most: int = _CHUNK_PAIRS) -> list[slice]:
    """Runs of rows whose summed work stays near `most`."""
    batch = np.floor(np.cumsum(work) / most).astype(np.int64)
    edges = [0, *(np.flatnonzero(np.diff(batch)) + 1).tolist(), len(work)]
    return [slice(start, stop) for start, stop in pairwise(edges)]


def _without_self(matrix: sparse.csr_array, *, first: int) -> sparse.csr_array:
    row = first + np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    matrix.data[row == matrix.indices] = 0.0
    matrix.eliminate_zeros()
    return matrix


def _scaled(
    matrix: sparse.csr_array, rows: NDArray[np.floating], columns: NDArray[np.floating]
) -> sparse.csr_array:
    """diag(rows) @ matrix @ diag(columns), as float32."""
    factors = np.repeat(rows, np.diff(matrix.indptr)) * columns[matrix.indices]
    data = (matrix.data * factors).astype(np.float32)
    return sparse.csr_array((data, matrix.indices, matrix.indptr), shape=matrix.shape)


def first_of_each_row(matrix: sparse.csr_array, most: int) -> sparse.csr_array:
    """The `most` first entries of each row, by column."""
    counts = np.diff(matrix.indptr)
    if not len(counts) or counts.max() <= most:
        return matrix
    matrix = sparse.csr_array(matrix, copy=True)
    matrix.sort_indices()
    kept = np.arange(matrix.nnz) - np.repeat(matrix.indptr[:-1], counts) < most
    indptr = np.concatenate([[0], np.cumsum(np.minimum(counts, most))])
    return sparse.csr_array((matrix.data[kept], matrix.indices[kept], indptr), shape=matrix.shape)


def keep_largest(
    matrix: sparse.csr_array, per_row: int, tie: NDArray[np.int64] | None = None
) -> sparse.csr_array:
    """The `per_row` largest values of each row; equal ones by the rank `tie` of their column.

    Without it, by a fixed shuffle of the columns.
    """
    counts = np.diff(matrix.indptr)
    if not len(counts) or counts.max() <= per_row:
        return matrix
    tie = _shuffled(matrix.shape[1]) if tie is None else tie
    if matrix.nnz <= _CHUNK_PAIRS:
        return _largest(matrix, per_row, tie)
    chunks = even_chunks(counts.astype(np.float64))
    return sparse.csr_array(sparse.vstack([_largest(matrix[c], per_row, tie) for c in chunks]))


@lru_cache(maxsize=4)
def _shuffled(count: int) -> NDArray[np.int64]:
    """A fixed shuffle, made once: of a million people it would take longer than a chunk of them."""
    shuffled = np.random.default_rng(0).permutation(count)
    shuffled.flags.writeable = False
    return shuffled


def _largest(matrix: sparse.csr_array, per_row: int, tie: NDArray[np.int64]) -> sparse.csr_array:
    """As `keep_largest`, all rows at once, which takes some 50 bytes a value."""
    counts = np.diff(matrix.indptr)
    row = np.repeat(np.arange(len(counts), dtype=np.int64), counts)
    falling = falling_bits(matrix.data)
    place = np.minimum(counts, per_row) - 1
    limits = np.sort((row << 32) + falling)[(matrix.indptr[:-1] + place)[counts > 0]]
    limit = np.zeros(len(counts), dtype=np.int64)
    limit[counts > 0] = limits - (np.flatnonzero(counts) << 32)
    kept = falling < limit[row]
    left = place + 1 - np.bincount(row[kept], minlength=len(counts))
    tied = np.flatnonzero(falling == limit[row])
    kept[tied[_first_of_each_row(row[tied], tie[matrix.indices[tied]], left)]] = True
    indptr = np.concatenate([[0], np.cumsum(place + 1)])
    return sparse.csr_array((matrix.data[kept], matrix.indices[kept], indptr), shape=matrix.shape)


def _first_of_each_row(
    row: NDArray[np.int64], rank: NDArray[np.int64], wanted: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Where the `wanted[row]` first of each row stand, by rank."""
    order = np.lexsort((rank, row))
    sizes = np.bincount(row, minlength=len(wanted))
    place = np.arange(len(row)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return order[place < wanted[row[order]]]
