"""Products of requests and items: sparse ones as is cheapest, dense ones to the same bits."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import svds

from palate.core.arrays import Floats, Matrix, row_norms

# measured: a multiply-add of a sparse product (6 ns), one of a dense row of requests (0.15 ns),
# and a cell of the dense result (2 ns)
SPARSE_COST = 6.0
DENSE_COST = 0.15
CELL_COST = 2.0
BATCH_CELLS = 8_000_000
ITEM_BITS, REQUEST_BITS = 12, 11  # their sum, and one bit for what is longer than 1, is a float's

_SHORT = 1e-5  # rows shorter than this part of the longest are rounding errors
_SMALL = 1e-6  # so are singular values, however small a power would make the difference


def product(left: sparse.csr_array, right: sparse.csr_array) -> Matrix:
    """(n, m) `left @ right`; dense where a nearly full result would come from sparse rows.

    A product of two sparse matrices looks every term up; where most cells fill, adding whole
    columns of requests costs a few times less.
    """
    n, m = left.shape[0], right.shape[1]
    terms = int(np.diff(right.indptr)[left.indices].sum())
    if SPARSE_COST * terms <= DENSE_COST * right.nnz * n + CELL_COST * n * m:
        return sparse.csr_array(left @ right)
    filled = np.empty((n, m), dtype=np.float32)
    columns: Any = right.T
    step = max(1, BATCH_CELLS // left.shape[1])
    for start in range(0, n, step):
        batch = left[start : start + step].toarray()
        filled[start : start + step] = turned(columns @ turned(batch))
    return filled


def turned(columns: Floats) -> Floats:
    """The transpose as rows that lie together, block by block, so that it stays in the cache."""
    rows = np.empty((columns.shape[1], columns.shape[0]), dtype=columns.dtype)
    for start in range(0, columns.shape[0], 512):
        rows[:, start : start + 512] = columns[start : start + 512].T
    return rows


def inner_products(requests: Floats, items: Floats) -> Floats:
    """(n, m) `requests @ items.T`, where `items` are rounded by `on_grid`: the same bits for a row,
    whoever else asks, on every processor.

    How many rows there are, and where a row stands, decides in which order a product is summed up.
    These sums are exact, so that it does not matter; they are off by some 1e-4 of the lengths.
    """
    return np.asarray(on_grid(requests, REQUEST_BITS) @ items.T, dtype=np.float32)


def on_grid(rows: Floats, bits: int = ITEM_BITS) -> Floats:
    """Rows rounded to multiples of 2^-bits times their length, that rounded to a power of two."""
    # rows of length 1, give or take their rounding, are all on one side of a power of two
    _, exponents = np.frexp(row_norms(rows) * np.float32(0.75))
    steps = np.ldexp(np.float32(1), exponents - bits)[:, None]
    rounded: Floats = np.rint(rows / steps) * steps
    return rounded


def decomposed(
    matrix: sparse.csr_array, dim: int, seed: int, *, power: float = 0.5
) -> NDArray[np.float64]:
    """(columns, k): right singular vectors times a power of their values, largest first."""
    smallest = min(matrix.shape)
    if not matrix.nnz:
        return np.zeros((matrix.shape[1], min(dim, smallest)))
    if dim < smallest:
        start = np.random.default_rng(seed).standard_normal(smallest)
        _, values, right = svds(matrix, k=dim, v0=start)
        values, right = values[::-1], right[::-1]
    else:
        _, values, right = np.linalg.svd(matrix.toarray(), full_matrices=False)
    values = np.where(values > _SMALL * max(values.max(initial=0.0), 1e-300), values, 0.0)
    # a singular vector may as well be its opposite: its largest entry decides
    largest = np.abs(right).argmax(axis=1)
    signs = np.where(right[np.arange(len(right)), largest] < 0, -1.0, 1.0)
    scaled: NDArray[np.float64] = (right * (signs * values**power)[:, None]).T
    return scaled


def unit_length(vectors: NDArray[np.float64]) -> Floats:
    """Rows of length 1, and of zeros where there is nothing but rounding errors."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    known = lengths > _SHORT * max(lengths.max(initial=0.0), 1e-300)
    unit = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=known)
    return np.asarray(unit, dtype=np.float32)
