"""Files of vectors: written whole, and known again by their names."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import polars as pl

from palate._files import write_whole
from palate.columns import ITEM
from palate.encoders._vector_files import SCALE, VECTOR
from palate.errors import DataError
from palate.scale._source import length_of, schema_of
from palate.scale._work import Precision
from palate.types import Floats, Mask

_LEVELS = 127.0
_COMPRESSION_LEVEL = 1


class WriteError(DataError):
    """No file can be written there: no other partition's either."""


def write_vectors(
    path: Path, ids: pl.Series, vectors: Floats, present: Mask, precision: Precision
) -> tuple[int, int]:
    """(n, d) of what was written; rows that are not `present` have no vector (null).

    int8 vectors times their row's "scale" are the numbers, to within half a scale.
    """
    columns = [ids.alias(ITEM)]
    if precision == "int8":
        scales = np.abs(vectors).max(axis=1, initial=0.0) / np.float32(_LEVELS)
        columns.append(pl.Series(SCALE, scales.astype(np.float32)))
        divisors = np.where(scales > 0, scales, 1)[:, None]
        stored = np.rint(vectors / divisors).astype(np.int8)
    else:
        stored = vectors.astype(np.dtype(precision), copy=False)
    kind = {"float32": pl.Float32, "int8": pl.Int8}.get(precision) or pl.Float16
    values = pl.Series(VECTOR, stored, dtype=pl.Array(kind, vectors.shape[1]))
    frame = pl.DataFrame([*columns, values])
    if not present.all():
        kept = pl.when(pl.Series(present)).then(pl.col(VECTOR))
        frame = frame.with_columns(kept.alias(VECTOR))
    content = io.BytesIO()
    frame.write_parquet(content, compression="zstd", compression_level=_COMPRESSION_LEVEL)
    try:
        write_whole(path, content.getvalue())
    except OSError as error:
        raise WriteError(f"{path} could not be written: {error.strerror}") from error
    return vectors.shape[0], vectors.shape[1]


def written_before(path: Path) -> tuple[int, int] | None:
    """(n, d) of a file that is there; None where there is none, or a damaged one."""
    try:
        if not path.is_file():
            return None
        kind = schema_of(path)[VECTOR]
        return length_of(path), kind.shape[0]  # type: ignore[attr-defined]
    except (DataError, KeyError, AttributeError):
        return None
