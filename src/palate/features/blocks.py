"""What block-by-block transforms share: moments of training rows, principal axes, safe lookups."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from palate.core.arrays import Floats, Mask, Matrix, Rows, row_norms
from palate.core.dataset import Dataset
from palate.core.errors import AlignmentError, ConfigError, DataError, did_you_mean, first_offenders
from palate.core.features import Features
from palate.core.parallel import in_chunks, one_blas_thread

_CHUNK = 16_384
_SAME = 1e-3  # lengths that differ by less are the same
Doubles = NDArray[np.float64]
T = TypeVar("T")


class BlockTransform(Protocol):
    """A transform of one block at a time, items' rows and people's words alike."""

    def transform_block(self, name: str, values: Matrix) -> Matrix: ...


def transform_parts(transform: BlockTransform, features: Features) -> Features:
    """The features with each block transformed by itself; names and ids stay."""
    check_finite(features)
    parts = {name: transform.transform_block(name, part) for name, part in features.parts.items()}
    left = getattr(transform, "names_after", None)
    after = {name: left(name, own) for name, own in features.names.items()} if left else {}
    return features.with_parts(parts, names={name: own for name, own in after.items() if own})


def dense_parts(features: Features) -> dict[str, Floats]:
    check_finite(features)
    return {
        name: part
        for name, part in features.parts.items()
        if isinstance(part, np.ndarray) and part.shape[1]
    }


def most_touched(data: Dataset, most: int, *, fewest: int = 1) -> Rows:
    """The catalogue rows with most events, in rising order: `most` at most, of `fewest` each."""
    counts = data.item_counts
    order = np.argsort(-counts, kind="stable")[:most]
    return np.sort(order[counts[order] >= fewest]).astype(np.int32)


def weights_in(parts: Mapping[str, Matrix]) -> dict[str, float]:
    """Each block's weight, 1 on the mean: the square of its rows' length where all have the same.

    So fusion says what blocks are worth. Rows of many lengths are no weights, and then all blocks
    weigh 1.
    """
    squares = {}
    for name, part in parts.items():
        lengths = row_norms(part)
        lengths = lengths[lengths > 0]
        if len(lengths) and np.ptp(lengths) > _SAME * lengths.max():
            return dict.fromkeys(parts, 1.0)
        squares[name] = float(lengths.max(initial=0.0)) ** 2
    given = [square for square in squares.values() if square]
    if not given or np.ptp(given) <= _SAME * max(given):
        return dict.fromkeys(parts, 1.0)
    return {name: square / (sum(given) / len(given)) for name, square in squares.items()}


def check_finite(features: Features) -> None:
    """Raises `DataError` for NaN or infinity, which would spread from one item to all."""
    for name, part in features.parts.items():
        values: Any = part
        sums = np.asarray(values.sum(axis=1, dtype=np.float64)).ravel()
        if not np.isfinite(sums).all():
            odd = features.ids.series.filter(pl.Series(~np.isfinite(sums)))
            raise DataError(
                f"the block {name!r} holds NaN or infinity for the items "
                f"{first_offenders(odd, len(odd))}: its encoder must say something finite of each"
            )


def learnt_of(learnt: Mapping[str, T], name: str, who: str) -> T:
    """What a transform learnt about a block; one it has never met raises `AlignmentError`."""
    if name not in learnt:
        known = did_you_mean(name, learnt)
        raise AlignmentError(f"{who} was fitted without a block {name!r}.{known}")
    return learnt[name]


def check_width(values: Matrix, width: int, name: str, who: str) -> None:
    if values.shape[1] != width:
        raise AlignmentError(
            f"{who} was fitted on {width} columns of block {name!r}, but got {values.shape[1]}"
        )


def moments(values: Floats, rows: Rows) -> tuple[Doubles, Doubles, int]:
    """Mean, covariance and number of the rows that are not all zeros, in float64 by chunks."""
    width = values.shape[1]
    mean, products, count = np.zeros(width), np.zeros((width, width)), 0

    def filled(part: slice) -> Doubles:
        chunk = values[rows[part]].astype(np.float64)
        return chunk[chunk.any(axis=1)]

    def squares(part: slice) -> Doubles:
        chunk = filled(part) - mean
        return chunk.T @ chunk

    for start in range(0, len(rows), _CHUNK):
        chunk = filled(slice(start, start + _CHUNK))
        mean += chunk.sum(axis=0)
        count += len(chunk)
    mean /= max(count, 1)
    for _, product in in_chunks(squares, len(rows), _CHUNK):
        products += product
    return mean, products / max(count, 1), count


def principal_axes(covariance: Doubles, count: int, keep: int) -> tuple[Doubles, Doubles]:
    """The largest `keep` eigenvalues and their (d, keep) axes; never more than `count` - 1."""
    keep = max(1, min(keep, len(covariance), count - 1))
    with one_blas_thread:
        values, axes = np.linalg.eigh(covariance)
    values, axes = np.maximum(values[::-1][:keep], 0.0), axes[:, ::-1][:, :keep]
    largest = np.abs(axes).argmax(axis=0)
    return values, axes * np.where(axes[largest, np.arange(keep)] < 0, -1.0, 1.0)


def project(values: Matrix, mean: Floats, axes: Floats) -> Floats:
    """(values - mean) @ axes; rows of zeros (nothing is known about them) stay zeros."""
    dense: Any = values.toarray() if sparse.issparse(values) else values  # type: ignore[union-attr]
    projected = dense @ axes - mean @ axes
    projected[~dense.any(axis=1)] = 0.0
    return np.asarray(projected, dtype=np.float32)


def variances(part: Matrix, rows: Rows) -> Doubles:
    """The variance of each column over some rows, in float64; dense or sparse."""
    if not sparse.issparse(part):
        dense: Any = part
        return np.asarray(dense[rows].var(axis=0, dtype=np.float64))
    chosen = sparse.csr_array(part[rows], dtype=np.float64)
    count = max(len(rows), 1)
    mean = np.asarray(chosen.sum(axis=0)).ravel() / count
    squares = np.asarray(chosen.multiply(chosen).sum(axis=0)).ravel() / count
    return np.maximum(squares - mean**2, 0.0)


def kept_names(kept: Mapping[str, Mask], name: str, names: Sequence[str]) -> list[str]:
    """What the columns of a block that stay mean; a block that is not among `kept` stays whole."""
    stay = kept.get(name, np.ones(len(names), dtype=np.bool_))
    return [own for own, stays in zip(names, stay, strict=True) if stays]


def kept_columns(values: Matrix, kept: Mask, name: str, who: str) -> Matrix:
    """Some columns of a block, dense or sparse."""
    check_width(values, len(kept), name, who)
    columns = np.flatnonzero(kept)
    if sparse.issparse(values):
        return sparse.csr_array(values[:, columns])
    return np.ascontiguousarray(values[:, columns])


def shares_of(names: Iterable[str], weights: Mapping[str, float] | None) -> dict[str, float]:
    """Each block's share of 1: its weight (1 where left out) over the sum of all."""
    given, known = dict(weights or {}), list(names)
    for name in given:
        if name not in known:
            raise ConfigError(f"weights: no block is called {name!r}.{did_you_mean(name, known)}")
    chosen = {name: float(given.get(name, 1.0)) for name in known}
    total = sum(chosen.values())
    if known and not total:
        raise ConfigError("weights cannot be used: all blocks weigh 0, give one of them more")
    return {name: weight / total for name, weight in chosen.items()}
