"""Files of vectors: written whole, and known again by their names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from palate._files import whole_file
from palate.columns import ITEM
from palate.encoders._vector_files import SCALE, VECTOR
from palate.errors import DataError
from palate.scale._source import length_of, schema_of
from palate.scale._work import Precision
from palate.types import Floats, Mask

_LEVELS = 127.0
_COMPRESSION_LEVEL = 1
GROUP_ROWS = 2**13  # of a row group: what is packed, and read, at once


class WriteError(DataError):
    """No file can be written there: no other partition's either."""


def frames_of(
    ids: pl.Series, vectors: Floats, present: Mask, precision: Precision
) -> list[pl.DataFrame]:
    """Rows as they are written, some in each frame; those not `present` have no vector (null).

    int8 vectors times their row's "scale" are the numbers, to within half a scale.
    """
    frames = []
    for start in range(0, max(len(vectors), 1), GROUP_ROWS):  # no rows are a frame too
        rows = slice(start, start + GROUP_ROWS)
        frames.append(_frame(ids[rows], vectors[rows], present[rows], precision))
    return frames


def write_frames(path: Path, frames: Sequence[pl.DataFrame]) -> tuple[int, int]:
    """(n, d) of what was written: the whole file or nothing. Raises `WriteError`."""
    try:
        with whole_file(path) as place:
            pl.concat(frames, rechunk=False).write_parquet(
                place,
                compression="zstd",
                compression_level=_COMPRESSION_LEVEL,
                row_group_size=GROUP_ROWS,
            )
    except (OSError, pl.exceptions.PolarsError) as error:
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise WriteError(f"{path} could not be written: {reason}") from error
    kind = frames[0].schema[VECTOR]
    assert isinstance(kind, pl.Array)
    return sum(map(len, frames)), kind.shape[0]


def _frame(ids: pl.Series, vectors: Floats, present: Mask, precision: Precision) -> pl.DataFrame:
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
    kept = pl.when(pl.Series(present)).then(pl.col(VECTOR))
    return frame if present.all() else frame.with_columns(kept.alias(VECTOR))


def written_before(path: Path) -> tuple[int, int] | None:
    """(n, d) of a file that is there; None where there is none, or a damaged one."""
    try:
        if not path.is_file():
            return None
        kind = schema_of(path)[VECTOR]
        return length_of(path), kind.shape[0]  # type: ignore[attr-defined]
    except (DataError, KeyError, AttributeError):
        return None
