"""The nouns that travel between stages, and the verbs that stages are made of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from palate.core.errors import AlignmentError

Floats: TypeAlias = NDArray[np.float32]
Rows: TypeAlias = NDArray[np.int32]
Mask: TypeAlias = NDArray[np.bool_]
Matrix: TypeAlias = "Floats | sparse.csr_array"


def to_dense(part: Matrix) -> Floats:
    return part.toarray() if sparse.issparse(part) else part  # type: ignore[union-attr]


def stack_rows(above: Matrix, below: Matrix) -> Matrix:
    if above.shape[1] != below.shape[1]:
        raise AlignmentError(
            f"rows of {below.shape[1]} dimensions cannot stand below rows of {above.shape[1]}"
        )
    if sparse.issparse(above):
        return sparse.csr_array(sparse.vstack([above, sparse.csr_array(below)]))
    return np.vstack([above, to_dense(below)])


Batches: TypeAlias = Iterator[tuple[NDArray[np.int64], Floats]]


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
