"""Rows of unit length, dense or sparse."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from palate.types import Floats, Matrix


def row_norms(matrix: Matrix) -> Floats:
    """(n,) Euclidean lengths of the rows."""
    if sparse.issparse(matrix):
        squares = np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel()  # type: ignore[union-attr]
    else:
        squares = np.einsum("ij,ij->i", matrix, matrix)
    lengths: Floats = np.sqrt(squares).astype(np.float32, copy=False)
    return lengths


def scale_rows(matrix: Matrix, factors: Floats) -> Matrix:
    """A copy with each row times its factor."""
    if not sparse.issparse(matrix):
        return (matrix * factors[:, None]).astype(np.float32, copy=False)
    scaled: sparse.csr_array = sparse.csr_array(matrix, dtype=np.float32, copy=True)
    scaled.data *= np.repeat(factors, np.diff(scaled.indptr))
    return scaled


def unit_rows(matrix: Matrix) -> Matrix:
    """A copy with rows of length 1; rows of zeros stay zeros."""
    norms = row_norms(matrix)
    factors = np.divide(1.0, norms, out=np.zeros_like(norms), where=norms > 0)
    return scale_rows(matrix, factors)
