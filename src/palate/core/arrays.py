"""Matrices, dense or sparse: what their types are called, and what is done row by row."""

from __future__ import annotations

import reprlib
from collections.abc import Iterator
from typing import Any, TypeAlias, overload

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from palate.core.errors import AlignmentError, DataError

Floats: TypeAlias = NDArray[np.float32]
Rows: TypeAlias = NDArray[np.int32]
Mask: TypeAlias = NDArray[np.bool_]
Matrix: TypeAlias = Floats | sparse.csr_array
Batches: TypeAlias = Iterator[tuple[NDArray[np.int64], Floats]]
"""(rows, vectors) of what was just encoded, in any order; what cannot be encoded never comes."""


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


def row_norms(matrix: Matrix) -> Floats:
    """(n,) Euclidean lengths of the rows: the same bits for a row, whichever stand beside it."""
    squares = matrix.multiply(matrix) if sparse.issparse(matrix) else matrix * matrix  # type: ignore[union-attr]
    return np.sqrt(np.asarray(squares.sum(axis=1), dtype=np.float32).ravel())


def scale_rows(matrix: Matrix, factors: Floats) -> Matrix:
    """A copy with each row times its factor."""
    if not sparse.issparse(matrix):
        return (matrix * factors[:, None]).astype(np.float32, copy=False)
    scaled: sparse.csr_array = sparse.csr_array(matrix, dtype=np.float32, copy=True)
    scaled.data *= np.repeat(factors, np.diff(scaled.indptr))
    return scaled


@overload
def unit_rows(matrix: Floats) -> Floats: ...
@overload
def unit_rows(matrix: Matrix) -> Matrix: ...
def unit_rows(matrix: Matrix) -> Matrix:
    """A copy with rows of length 1; rows of zeros stay zeros, NaN stays NaN."""
    norms = row_norms(matrix)
    if sparse.issparse(matrix):
        factors = np.divide(1.0, norms, out=np.zeros_like(norms), where=norms > 0)
        return scale_rows(matrix, factors)
    units = np.zeros(matrix.shape, dtype=np.float32)
    return np.divide(matrix, norms[:, None], out=units, where=norms[:, None] != 0)


def chosen_rows(rows: Any, length: int) -> NDArray[np.int64]:
    """(n,) which of so many rows a slice, an array of places or a mask chooses.

    Raises `DataError` for what chooses none.
    """
    try:
        found: NDArray[np.int64] = np.arange(length)[rows]
    except (IndexError, TypeError, ValueError, OverflowError) as error:
        raise DataError(f"{reprlib.repr(rows)} are no rows of {length}: {error}") from error
    if np.ndim(found) != 1:
        raise DataError(f"rows must be a list of places, not {reprlib.repr(rows)}")
    return found


def places_of(rows: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
    """(n,) where in `rows`, which holds each row once, a row stands."""
    places = np.empty(len(rows), dtype=np.int64)
    places[rows] = np.arange(len(rows))
    return places
