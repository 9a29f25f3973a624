"""The texts of a partition: what names them, and their vectors."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from palate.core.arrays import Floats, Mask
from palate.core.errors import SHOWN_OFFENDERS, ConfigError, DataError
from palate.data.values import as_ids
from palate.features.batch.work import Job
from palate.text.template import render

MOST_FAULTS = 1000


@dataclass(frozen=True)
class TextRows:
    """One text a row; `faults` says why some rows have none that can be read."""

    job: Job
    encoder: Callable[[], Any]
    texts: list[str]
    faults: dict[int, str]

    @classmethod
    def of(cls, job: Job, encoder: Callable[[], Any], frame: pl.DataFrame) -> Self:
        texts, faults = texts_of(frame, job.template, job.columns, job.lists)
        return cls(job, encoder, texts, faults)

    @cached_property
    def missing(self) -> Mask:
        """Which rows say nothing."""
        mask = is_blank(self.texts)
        mask[list(self.faults)] = False
        return mask

    def content(self) -> Iterator[bytes]:
        """What the vectors depend on."""
        column = pl.Series(self.texts, dtype=pl.String)
        yield column.str.len_bytes().to_numpy().tobytes()
        yield "".join(self.texts).encode()

    def encode(self, faults: dict[int, str]) -> Floats:
        """(n, d): zeros for rows without text, and for those that `faults` tells of then or now."""
        wanted = ~self.missing
        wanted[list(faults)] = False
        places = np.flatnonzero(wanted)
        found = list(self._halves(places, faults))
        if len(found) == 1 and len(found[0][0]) == len(self.texts):
            return found[0][1]
        width = found[0][1].shape[1] if found else self._vectors([""]).shape[1]
        vectors = np.zeros((len(self.texts), width), dtype=np.float32)
        for places, encoded in found:
            vectors[places] = encoded
        return vectors

    def _halves(
        self, places: NDArray[np.int64], faults: dict[int, str]
    ) -> Iterator[tuple[NDArray[np.int64], Floats]]:
        """All at once; where that fails and rows may be skipped, each half by itself."""
        if not len(places):
            return
        try:
            yield places, self._vectors([self.texts[place] for place in places])
            return
        except DataError as error:
            if self.job.on_error == "raise":
                raise
            if len(faults) >= MOST_FAULTS:
                raise DataError(
                    f"more than {MOST_FAULTS:,} rows fail, the last: ", error
                ) from error
            if len(places) == 1:
                faults[int(places[0])] = str(error)
                return
        middle = len(places) // 2
        yield from self._halves(places[:middle], faults)
        yield from self._halves(places[middle:], faults)

    def _vectors(self, texts: list[str]) -> Floats:
        vectors = self.encoder().encode_texts(texts)
        if sparse.issparse(vectors):
            raise ConfigError(f"{self.job.encoder} makes sparse vectors: no such file holds them")
        dense: Floats = np.asarray(vectors, dtype=np.float32)
        if dense.ndim != 2 or len(dense) != len(texts):
            shape = f"{dense.shape} for {len(texts)} texts"
            raise ConfigError(f"{self.job.encoder} gives vectors of shape {shape}")
        if broken := np.flatnonzero(~np.isfinite(dense).all(axis=1)).tolist():
            shown = ", ".join(repr(texts[row][:60]) for row in broken[:SHOWN_OFFENDERS])
            raise DataError(f"the encoder gave NaN or infinity for {len(broken)} texts: {shown}")
        return dense


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
