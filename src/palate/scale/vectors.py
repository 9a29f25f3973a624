"""Vectors from Parquet, what `palate encode` wrote or anybody's, as features."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import polars as pl

from palate.encoders._vector_files import VectorFiles, open_vectors
from palate.errors import DataError, UnknownIdError, first_offenders
from palate.types import Features, Floats, Ids


def read_features(
    path: str | Path,
    ids: Sequence[str] | Ids | None = None,
    *,
    name: str = "vectors",
    id: str | None = None,
    vector: str | None = None,
) -> Features:
    """One block of vectors, of all rows, or of `ids` in their order; zeros where there is none.

    `path` is a Parquet file or a folder of them; `id` and `vector` name their columns, where these
    are not "item_id" and the only column of lists of numbers. Files are read some rows at a time,
    so that memory is that of the result. Raises `DataError` for what holds no vectors or ids twice,
    `UnknownIdError` for ids that have no row.
    """
    files = open_vectors(path, id=id, vector=vector)
    if ids is None:
        return _all(files, name)
    wanted = ids if isinstance(ids, Ids) else Ids(ids)
    vectors: Floats = np.zeros((len(wanted), files.dim), dtype=np.float32)
    seen = np.zeros(len(wanted), dtype=np.bool_)
    for found, part, _ in files.chunks():
        rows = wanted.find(found)
        vectors[rows[rows >= 0]] = part[rows >= 0]
        seen[rows[rows >= 0]] = True
    if not seen.all():
        unknown = wanted.series.filter(pl.Series(~seen))
        raise UnknownIdError(f"{path} has no row of {first_offenders(unknown, len(unknown))}")
    return Features(wanted, {name: vectors})


def iterate_features(
    path: str | Path, *, name: str = "vectors", id: str | None = None, vector: str | None = None
) -> Iterator[Features]:
    """The same in order of the files, some thousand rows at a time, for more than memory holds."""
    for ids, vectors, _ in open_vectors(path, id=id, vector=vector).chunks():
        yield Features(Ids(ids), {name: vectors})


def _all(files: VectorFiles, name: str) -> Features:
    vectors: Floats = np.empty((len(files), files.dim), dtype=np.float32)
    ids: list[pl.Series] = []
    start = 0
    for found, part, _ in files.chunks():
        vectors[start : start + len(part)] = part
        ids.append(found)
        start += len(part)
    series = pl.concat(ids) if ids else pl.Series([], dtype=pl.String)
    if (repeated := series.is_duplicated()).any():
        again = series.filter(repeated).unique(maintain_order=True)
        raise DataError(f"several rows have the ids {first_offenders(again, len(again))}")
    return Features(Ids(series), {name: vectors})


__all__ = ["iterate_features", "read_features"]
