"""Files of vectors: written whole, and known again by their names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from palate._files import whole_file
from palate.columns import ITEM
from palate.encoders._vector_files import SCALE, VECTOR, checksum_of, is_whole, part_name
from palate.errors import DataError
from palate.scale._source import length_of, schema_of
from palate.scale._work import Precision
from palate.types import Floats, Mask

_LEVELS = 127.0
_COMPRESSION_LEVEL = 1
GROUP_ROWS = 2**13  # of a row group: what is packed, and read, at once


class WriteError(DataError):
    """No file can be written there: no other partition's either."""


@dataclass(frozen=True)
class Written:
    """A file with `rows` vectors of `dim` numbers."""

    path: Path
    rows: int
    dim: int


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


def write_frames(stem: Path, frames: Sequence[pl.DataFrame]) -> Written:
    """The whole file or nothing; its name is `stem` and a checksum. Raises `WriteError`."""
    draft = stem.with_name(f".{stem.name}")
    try:
        with whole_file(draft) as place:
            pl.concat(frames, rechunk=False).write_parquet(
                place,
                compression="zstd",
                compression_level=_COMPRESSION_LEVEL,
                row_group_size=GROUP_ROWS,
            )
        path = draft.replace(stem.with_name(part_name(stem.name, checksum_of(draft))))
    except (OSError, pl.exceptions.PolarsError) as error:
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise WriteError(f"{stem} could not be written: {reason}") from error
    kind = frames[0].schema[VECTOR]
    assert isinstance(kind, pl.Array)
    return Written(path, sum(map(len, frames)), kind.shape[0])


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


def written_before(paths: Sequence[Path]) -> tuple[Written | None, list[Path]]:
    """The first of these files that is as it was written, and those before it that are not."""
    damaged: list[Path] = []
    for path in paths:
        try:
            if is_whole(path):
                kind = schema_of(path)[VECTOR]
                return Written(path, length_of(path), kind.shape[0]), damaged  # type: ignore[attr-defined]
        except (DataError, KeyError, AttributeError, OSError):
            pass
        damaged.append(path)
    return None, damaged
