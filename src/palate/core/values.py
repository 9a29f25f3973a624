"""What people gave items in numbers, for or against: ratings, minutes, amounts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from palate.core.arrays import Floats, Rows
from palate.core.errors import AlignmentError, DataError, first_offenders
from palate.core.histories import Histories, ragged_positions

Doubles = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Valued:
    """The newest known value of each pair of request and item, by request and item.

    `request`, `item` and `value` are (m,); `shape` says of how many requests and items.
    """

    request: NDArray[np.int64]
    item: Rows
    value: Doubles
    shape: tuple[int, int]

    def __len__(self) -> int:
        return len(self.value)

    def matrix(self, values: Doubles) -> sparse.csr_array:
        """(requests, items) with (m,) numbers at these pairs, zeros among them stored."""
        counts = np.bincount(self.request, minlength=self.shape[0])
        limits = np.concatenate([[0], np.cumsum(counts)])
        return sparse.csr_array((values, self.item, limits), shape=self.shape)

    def by_item(self, values: Doubles) -> Doubles:
        """(n_items,) sums of (m,) numbers."""
        sums = np.bincount(self.item, weights=values, minlength=self.shape[1])
        return sums.astype(np.float64, copy=False)

    def by_request(self, values: Doubles) -> Doubles:
        """(n,) sums of (m,) numbers."""
        sums = np.bincount(self.request, weights=values, minlength=self.shape[0])
        return sums.astype(np.float64, copy=False)


def valued_of(histories: Histories) -> Valued:
    """What the people of these requests gave, what they turned down included."""
    events, shape = histories.every(), (len(histories), len(histories.item_ids))
    row, position = ragged_positions(events.starts, events.stops)
    if events.values is None:
        row, position = row[:0], position[:0]
    given = np.empty(0) if events.values is None else events.values[position].astype(np.float64)
    known = np.isfinite(given)
    row, item, given = row[known], events.items[position][known], given[known]
    # events are oldest first: the first of the reversed keys is the newest value of a pair
    key = row.astype(np.int64) * shape[1] + item
    _, newest = np.unique(key[::-1], return_index=True)
    newest = len(key) - 1 - newest
    return Valued(row[newest].astype(np.int64), item[newest], given[newest], shape)


def check_pairs(histories: Histories, items: Any, *, n_items: int) -> Rows:
    """One catalogue row a request; raises `AlignmentError` or `DataError` for others."""
    rows = np.asarray(items)
    if rows.shape != (len(histories),):
        raise AlignmentError(
            f"items of shape {rows.shape} for {len(histories)} requests: give one catalogue row "
            "for each request"
        )
    if len(rows) and rows.dtype.kind not in "iu":
        raise DataError(f"items hold {rows.dtype}: give catalogue rows, whole numbers")
    wrong = rows[(rows < 0) | (rows >= n_items)]
    if len(wrong):
        raise DataError(
            f"items hold rows that a catalogue of {n_items} items lacks: "
            f"{first_offenders(wrong.tolist(), len(wrong))}"
        )
    return rows.astype(np.int32)


def clipped(values: Doubles, limits: Iterable[float]) -> Floats:
    """Within the lowest and the highest value that anybody gave."""
    low, high = limits
    return np.clip(values, low, high).astype(np.float32)
