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
from palate.core.columns import ITEM, TITLE
from palate.core.errors import SHOWN_OFFENDERS, ConfigError, DataError
from palate.core.visible import quoted
from palate.data.catalogue import read_columns
from palate.data.columns import find_columns
from palate.data.values import as_ids
from palate.features.batch.table import Source
from palate.features.batch.work import Job
from palate.text.template import render

MOST_FAULTS = 1000
SAMPLE_ROWS = 10_000


@dataclass(frozen=True)
class TextRows:
    """One text a row; `faults` says why some rows have none that can be read."""

    job: Job
    encoder: Callable[[], Any]
    texts: list[str]
    faults: dict[int, str]

    @classmethod
    def of(
        cls, job: Job, encoder: Callable[[], Any], frame: pl.DataFrame, reader: RowReader
    ) -> Self:
        readable, faults = reader.read(frame)
        return cls(job, encoder, render(readable, job.template), faults)

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


def halves_of_letters(series: pl.Series) -> dict[int, str]:
    r"""In which rows of JSON lines a text holds what is read as NUL, as "\ud83e" is."""
    if series.dtype != pl.String:
        return {}
    found = series.str.contains("\0", literal=True).fill_null(False).arg_true()
    reason = f"{quoted(series.name)} holds half a character, as of an emoji that was cut, or NUL"
    return dict.fromkeys(found.to_list(), reason)


def without_infinite(series: pl.Series) -> tuple[pl.Series, dict[int, str]]:
    """A column without numbers that are infinite, and in which rows they stood."""
    if not series.dtype.is_float():
        return series, {}
    infinite = series.is_infinite().fill_null(False)
    reason = f"column {quoted(series.name)} is infinite: give a number, or leave it empty"
    return series.set(infinite, None), dict.fromkeys(infinite.arg_true().to_list(), reason)


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


@dataclass(frozen=True)
class RowReader:
    """Reads some rows as `palate.read` reads the whole table, so that their texts are the same.

    What a column holds is judged by the first rows that hold something. `id` is the column of ids,
    `lists` maps columns to the mark between their parts.
    """

    source: Source
    id: str
    columns: Sequence[str]
    lists: Mapping[str, str]

    @cached_property
    def sample(self) -> pl.DataFrame:
        """The first rows, read; where these are empty, the first that are not."""
        for start in range(0, len(self.source), SAMPLE_ROWS):
            stop = min(start + SAMPLE_ROWS, len(self.source))
            frame, _ = self._read(self.source.read(start, stop, self.columns), None)
            if any(frame[name].null_count() < len(frame) for name in frame.columns):
                return frame
        return frame

    def read(self, frame: pl.DataFrame) -> tuple[pl.DataFrame, dict[int, str]]:
        """Its columns of the job, and why some rows have a text that cannot be read."""
        return self._read(frame, self.sample.schema)

    def _read(
        self, frame: pl.DataFrame, like: Mapping[str, pl.DataType] | None
    ) -> tuple[pl.DataFrame, dict[int, str]]:
        faults: dict[int, str] = {}
        columns = []
        for name in dict.fromkeys(self.columns):
            series, broken = decoded(frame[name])
            if self.source.is_lines:
                broken |= halves_of_letters(series)
            called = TITLE if name == self._title else name if name != TITLE else f"own {TITLE}"
            marks = {called: self.lists[name]} if name in self.lists else {}
            read, _ = read_columns(
                series.alias(called).to_frame(),
                self.source.name,
                lists=marks,
                like=None if like is None else {called: like[name]},
                untyped=self.source.is_untyped,
                leave_infinite=True,  # else one row would be the fault of all that are read with it
            )
            finite, infinite = without_infinite(read.to_series().alias(name))
            columns.append(finite)
            faults |= broken | infinite
        return pl.DataFrame(columns), faults

    @cached_property
    def _title(self) -> str | None:
        names = list(self.source.schema)
        try:
            return find_columns("items", self.source.name, names, {self.id: ITEM}, ()).get(TITLE)
        except DataError:  # several may be it
            return None


def is_blank(texts: Sequence[str]) -> NDArray[np.bool_]:
    return np.fromiter((not text or text.isspace() for text in texts), np.bool_, len(texts))
