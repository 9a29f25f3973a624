"""Factors of rows by weighted ridge regression, and the maps of features they are drawn to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from palate.core.arrays import Floats, Rows
from palate.core.parallel import in_chunks, one_blas_thread
from palate.core.values import Doubles

_CHUNK_CELLS = 4_000_000


@dataclass(frozen=True, eq=False)
class Regression:
    """What the factors of some rows are to explain: a least-squares problem for each row.

    `weights` and `targets` (n, m) have their numbers at the same places: for row r the weight w and
    w times what is to be explained of each column with an event. `base` (width, width) is what all
    columns add to the quadratic part, events or none. `prior` (n, width) is where a row's factors
    are drawn to, with strength `l2`; a row without events stands there.
    """

    weights: sparse.csr_array
    targets: sparse.csr_array
    base: Doubles
    prior: Doubles
    l2: float

    def solved(self, factors: Doubles) -> Doubles:
        """(n, width) factors of the rows, by those (m, width) of the columns.

        The minimum of Σ w (target / w - p·q)² + p·base·p + l2 |p - prior|². Rows are padded to a
        power of two by their own number of events, so the bits of one do not depend on others.
        """
        found = self.prior.copy()
        lengths = np.diff(self.weights.indptr)
        sizes = 2 ** np.ceil(np.log2(np.maximum(lengths, 1))).astype(np.int64)
        width = factors.shape[1]
        for size in np.unique(sizes[lengths > 0]).tolist():
            rows = np.flatnonzero((sizes == size) & (lengths > 0)).astype(np.int32)
            step = max(1, _CHUNK_CELLS // (size * width + width * width))

            def of_chunk(chunk: slice, rows: Rows = rows, size: int = size) -> Doubles:
                return self._of_rows(rows[chunk], size, factors)

            for chunk, part in in_chunks(of_chunk, len(rows), step):
                found[rows[chunk]] = part
        return found

    def _of_rows(self, rows: Rows, size: int, factors: Doubles) -> Doubles:
        starts, stops = self.weights.indptr[rows], self.weights.indptr[rows + 1]
        place = starts[:, None].astype(np.int64) + np.arange(size)
        real = place < stops[:, None]
        place = np.where(real, place, starts[:, None])
        weight = np.where(real, self.weights.data[place], 0.0).astype(np.float64)
        target = np.where(real, self.targets.data[place], 0.0).astype(np.float64)
        facing = factors[self.weights.indices[place]]
        turned = facing.transpose(0, 2, 1)
        squares = np.matmul(turned * weight[:, None, :], facing)
        squares += self.base + self.l2 * np.eye(factors.shape[1])
        right = np.matmul(turned, target[:, :, None])[:, :, 0] + self.l2 * self.prior[rows]
        return np.asarray(np.linalg.solve(squares, right[:, :, None])[:, :, 0])


def with_constant(columns: Floats) -> Floats:
    """Rows of length 1 and a 1 beside each; zeros for rows of which nothing is known."""
    lengths = np.linalg.norm(columns, axis=1, keepdims=True)
    known = (lengths > 0).astype(np.float32)
    rows = columns / np.where(lengths > 0, lengths, 1)
    return np.hstack([rows, known]).astype(np.float32) if columns.shape[1] else columns


def ridge_map(columns: Floats, factors: Doubles, l2: float) -> Doubles:
    """(columns, width) the linear map of some rows' columns that comes nearest to their factors."""
    exact = columns.astype(np.float64)
    with one_blas_thread:
        squares = exact.T @ exact + l2 * np.eye(exact.shape[1])
        return np.asarray(np.linalg.solve(squares, exact.T @ factors))
