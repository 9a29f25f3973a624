"""What a network reads of items and of people: dense columns made of blocks of features."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from palate.core.arrays import Floats, Matrix, to_dense
from palate.core.errors import AlignmentError, DataError, first_offenders
from palate.core.features import Features
from palate.core.sparse import decomposed

SPARSE_AXES = 256  # principal axes that stand for a sparse block
_MOST_ROWS = 4_000  # whose principal axes a map starts from

Axes = dict[str, Floats]
"""Block → (columns, width): onto what a block is projected; (0, columns) for one read as it is."""


def axes_of(parts: Mapping[str, Matrix], rows: NDArray[np.integer[Any]]) -> Axes:
    """Dense blocks are read as they are, sparse ones on the principal axes of some rows."""
    found: Axes = {}
    for name, part in parts.items():
        if sparse.issparse(part):
            axes = decomposed(sparse.csr_array(part[rows]), SPARSE_AXES, 0, power=0.0)
            axes[:, ~np.asarray(part[rows] @ axes).any(axis=0)] = 0.0
            found[name] = np.ascontiguousarray(axes, dtype=np.float32)
        else:
            found[name] = np.zeros((0, part.shape[1]), dtype=np.float32)
    return found


def width_of(axes: Axes) -> int:
    """How many columns a network reads."""
    return sum(part.shape[1] for part in axes.values())


def read_blocks(parts: Mapping[str, Matrix], axes: Axes, count: int) -> Floats:
    """(count, width) columns of all blocks side by side; zeros for blocks that are not there.

    Raises `AlignmentError` for a block of another width than at the fit.
    """
    columns = [read_block(parts.get(name), name, own, count) for name, own in axes.items()]
    return np.hstack(columns) if columns else np.zeros((count, 0), dtype=np.float32)


def read_block(part: Matrix | None, name: str, axes: Floats, count: int) -> Floats:
    """(count, width) one block's columns."""
    if part is None:
        return np.zeros((count, axes.shape[1]), dtype=np.float32)
    wanted = axes.shape[0] or axes.shape[1]
    if part.shape[1] != wanted:
        raise AlignmentError(
            f"block {name!r} has {part.shape[1]} columns, but {wanted} when this was fitted"
        )
    if not axes.shape[0]:
        return to_dense(part)
    return np.asarray(part @ axes, dtype=np.float32)


def check_numbers(*sides: Features | None) -> None:
    """Raises `DataError`, which names the ids, for features with NaN or infinity."""
    for features in filter(None, sides):
        for name, part in features.parts.items():
            if np.isfinite(part.data if sparse.issparse(part) else part).all():
                continue
            rows = np.flatnonzero(~np.isfinite(to_dense(part)).all(axis=1))
            named = first_offenders(features.ids.series[rows], len(rows))
            raise DataError(
                f"block {name!r} holds NaN or infinity for {named}: fill these gaps, or leave rows "
                "of zeros, which say that nothing is known"
            )


def places_in(axes: Axes) -> dict[str, slice]:
    """Block → where its columns stand."""
    found, start = {}, 0
    for name, part in axes.items():
        found[name] = slice(start, start + part.shape[1])
        start += part.shape[1]
    return found


def first_map(columns: Floats, dim: int) -> Floats:
    """(width, dim) the principal axes of some rows, which brings these to about length 1."""
    step = max(1, len(columns) // _MOST_ROWS)
    found = np.zeros((columns.shape[1], dim), dtype=np.float32)
    some = columns[::step].astype(np.float64)
    if not some.any():
        return found
    values, axes = np.linalg.eigh(some.T @ some)
    axes = axes[:, ::-1][:, :dim] * (values[::-1][:dim] > 1e-9 * values[-1])
    largest = np.abs(axes).argmax(axis=0)
    axes = axes * np.where(axes[largest, np.arange(axes.shape[1])] < 0, -1.0, 1.0)
    lengths = np.linalg.norm(some @ axes, axis=1)
    found[:, : axes.shape[1]] = axes / max(float(lengths.mean()), 1e-9)
    return found
