"""Low-rank factors of sparse matrices: singular vectors with their signs settled."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import svds

from palate.types import Floats

_NOTHING = 1e-5
"""Rows shorter than this part of the longest are rounding errors of the decomposition."""
_SILENT = 1e-6
"""So are singular values, however small a power would make the difference."""


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
    values = np.where(values > _SILENT * max(values.max(initial=0.0), 1e-300), values, 0.0)
    # a singular vector may as well be its opposite: its largest entry decides
    largest = np.abs(right).argmax(axis=1)
    signs = np.where(right[np.arange(len(right)), largest] < 0, -1.0, 1.0)
    scaled: NDArray[np.float64] = (right * (signs * values**power)[:, None]).T
    return scaled


def unit_length(vectors: NDArray[np.float64]) -> Floats:
    """Rows of length 1, and of zeros where there is nothing but rounding errors."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    known = lengths > _NOTHING * max(lengths.max(initial=0.0), 1e-300)
    unit = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=known)
    return np.asarray(unit, dtype=np.float32)
