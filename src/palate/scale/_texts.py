"""Ids and texts of rows as they lie in a file: what is missing or broken is known by its row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from palate.data._values import as_ids
from palate.text.template import render


def decoded(series: pl.Series) -> tuple[pl.Series, dict[int, str]]:
    """A column of bytes as text, and why some rows are none; other columns as they are."""
    if series.dtype != pl.Binary:
        return series, {}
    faults: dict[int, str] = {}
    texts: list[str | None] = []
    for row, value in enumerate(series.to_list()):
        try:
            texts.append(None if value is None else value.decode())
        except UnicodeDecodeError as error:
            texts.append(None)
            faults[row] = f"byte {error.start + 1} of {series.name!r} is not UTF-8"
    return pl.Series(series.name, texts, dtype=pl.String), faults


def ids_of(series: pl.Series, *, where: str) -> pl.Series:
    """Ids as strings, null where there is none; `DataError` for what cannot be an id."""
    series, _ = decoded(series)
    if series.dtype in (pl.Categorical, pl.Enum):
        series = series.cast(pl.String)
    if series.dtype.is_float():
        series = series.fill_nan(None)
    known = series.is_not_null()
    if series.dtype == pl.String:
        known &= ~series.str.contains(r"^\s*$|\x00").fill_null(True)
    ids = as_ids(series.filter(known), where=where)
    if not len(ids):
        return pl.Series(series.name, [None] * len(series), dtype=pl.String)
    places = pl.select(pl.when(known).then(known.cum_sum() - 1)).to_series()
    return ids.gather(places).alias(series.name)


def texts_of(
    frame: pl.DataFrame, template: str, columns: Sequence[str], lists: Mapping[str, str]
) -> tuple[list[str], dict[int, str]]:
    """One text a row, and why some rows have none that can be read.

    `lists` maps columns to the mark between their parts.
    """
    faults: dict[int, str] = {}
    readable = []
    for name in columns:
        series, broken = decoded(frame[name])
        readable.append(with_parts(series, lists.get(name)))
        faults |= broken
    return render(pl.DataFrame(readable), template), faults


def with_parts(series: pl.Series, mark: str | None) -> pl.Series:
    """Texts that hold lists, "a|b|a", as a template says lists, "a, b"; others as they are."""
    if mark is None or series.dtype not in (pl.String, pl.Categorical, pl.Enum):
        return series
    text = pl.col("text")
    parts = text.str.split(mark).list.eval(pl.element().str.strip_chars())
    parts = parts.list.eval(pl.element().filter(pl.element() != ""))
    joined = parts.list.unique(maintain_order=True).list.join(", ")
    said = pl.when(text.str.contains(mark, literal=True)).then(joined).otherwise(text)
    frame = series.cast(pl.String).to_frame("text")
    return frame.select(said.alias(series.name)).to_series()


def is_blank(texts: Sequence[str]) -> NDArray[np.bool_]:
    return np.fromiter((not text or text.isspace() for text in texts), np.bool_, len(texts))
