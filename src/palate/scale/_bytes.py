"""Rows of a Parquet file whose texts are not all UTF-8, which polars refuses to read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl


def read_as_bytes(
    path: Path, offset: int, count: int, columns: Sequence[str]
) -> pl.DataFrame | None:
    """Some rows, with every column of text as bytes; None where pyarrow is not installed."""
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError:
        return None
    found, first = [], 0
    with parquet.ParquetFile(path) as file:
        for group in range(file.metadata.num_row_groups):
            rows = file.metadata.row_group(group).num_rows
            start, stop = max(offset - first, 0), min(offset + count - first, rows)
            if start < stop:
                table = file.read_row_group(group, columns=list(columns))
                found.append(_as_bytes(pa, table.slice(start, stop - start)))
            first += rows
    return pl.concat(found)


def _as_bytes(pa: Any, table: Any) -> pl.DataFrame:
    texts = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    kinds = [
        pa.large_binary() if any(is_text(kind) for is_text in texts) else kind
        for kind in table.schema.types
    ]
    fields = zip(table.schema.names, kinds, strict=True)
    frame = pl.from_arrow(table.cast(pa.schema(list(fields))))
    assert isinstance(frame, pl.DataFrame)
    return frame
