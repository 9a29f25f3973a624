"""What encoders of photos and sounds share: each is read and encoded once, gaps are filled."""

from __future__ import annotations

import os
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import PositiveInt

from palate.core.arrays import Batches, Floats, Mask
from palate.core.columns import ITEM
from palate.core.component import LoadsItself, check_fitted, check_types, learnt
from palate.core.dataset import Dataset
from palate.core.errors import SHOWN_OFFENDERS, DataError, Message, Setting
from palate.core.features import Features
from palate.core.paths import FilePath
from palate.core.visible import visible
from palate.data.columns import called_now
from palate.features.cache.encode_once import encode_once
from palate.features.encoders.media.sources import (
    Partly,
    Source,
    Sources,
    UnreadableError,
    allowed_folder,
    as_sources,
    worked,
)
from palate.nn.hub.cards import about_model

READERS = max(4, min(16, os.cpu_count() or 4))

_SHOWN_NAMES = 6
_PATHS_OR_BYTES = (pl.String, pl.Binary, pl.Null, pl.Categorical, pl.Enum)

_MEND = Message.of("Mend them, or count them as missing: ", Setting("on_error", "skip"))


@dataclass(kw_only=True)
class MediaEncoder(LoadsItself, ABC):
    """An encoder of files: subclasses say how content is decoded and how it becomes vectors.

    `column` holds paths inside `folder`, or the bytes themselves; an empty cell means that the item
    has none. What cannot be decoded, or what the model makes NaN of, stops everything
    (`on_error="raise"`), or counts as missing with one warning that says how many (`"skip"`). Items
    without one get the mean of the items that people touched, and where any of these has none, a
    last column says so: 1 for missing.
    """

    column: str | None = None
    folder: FilePath = "."
    on_error: Literal["raise", "skip"] = "raise"
    batch_size: PositiveInt = 32

    column_: str = learnt()
    typical_: Floats = learnt("dim")
    gaps_: bool = learnt()

    kind: ClassVar[str]
    default_columns: ClassVar[Sequence[str]]

    def __post_init__(self) -> None:
        check_types(self)

    def fit(self, data: Dataset) -> Self:
        """Learns what is typical; raises `DataError` where no item has one."""
        self.column_ = self.column_of(data.items)
        vectors, present = self._encode_items(data.items)  # all, so that one error tells all
        warm = data.warm_items
        known = warm[present[warm]] if present[warm].any() else np.flatnonzero(present)
        if not len(known):
            raise DataError(
                f"no item has a usable {self.kind} in the column {self.column_!r}: name another "
                "column, or leave this encoder out"
            )
        self.typical_ = vectors[known].mean(axis=0, dtype=np.float64).astype(np.float32)
        self.gaps_ = len(known) < (len(warm) if present[warm].any() else len(present))
        return self

    def encode(self, data: Dataset) -> Features:
        """One block: (n_items, d), or d + 1 where the last column marks items without one."""
        check_fitted(self)
        self._check_present(self.column_, data.items)
        vectors, present = self._encode_items(data.items)
        if not vectors.shape[1]:
            vectors = np.zeros((len(present), len(self.typical_)), dtype=np.float32)
        vectors[~present] = self.typical_
        if self.gaps_:
            vectors = np.column_stack([vectors, (~present).astype(np.float32)])
        return Features(data.item_ids, {type(self).__module__.rpartition(".")[2]: vectors})

    @property
    def columns_read(self) -> list[str]:
        """The column of paths or bytes."""
        check_fitted(self)
        return [self.column_]

    @property
    def block_width(self) -> int:
        """Columns of its block, by what was learnt alone: nothing is encoded."""
        check_fitted(self)
        return len(self.typical_) + self.gaps_

    def describe(self, data: Dataset) -> Iterator[str]:
        """Which column is read, how many items have none, and whether the model is here.

        Raises as `fit` does, for files that are not there too.
        """
        column = self.column_of(data.items)
        folder = allowed_folder(self.folder)
        given, faults = self.looked_for(data.items)
        yield (
            f"reads {column}, paths from {folder.resolve()}; "
            f"{len(data.items) - given:,} of {len(data.items):,} items have none"
        )
        if faults:
            yield faults
        yield from about_model(self)

    def looked_for(self, items: pl.DataFrame) -> tuple[int, str]:
        """How many items have one, and which of these are plainly not there ("" for none).

        Nothing is decoded. Raises `DataError` where some are not and `on_error` is "raise".
        """
        sources = self._sources_of(items, self.column_of(items))
        faults: dict[int, str] = {}
        for row in sources.given:
            try:
                sources.look(row)
            except UnreadableError as error:
                faults[row] = str(error)
        if not faults:
            return len(sources.given), ""
        message = self._counted(faults, "cannot be used", sources, items[ITEM].to_list())
        if self.on_error == "raise":
            raise DataError(f"{message}. ", _MEND)
        return len(sources.given), message

    def encode_files(self, sources: Sequence[Source | None]) -> tuple[Floats, Mask]:
        """(n, d) vectors of paths or bytes, and which of them could be encoded (zeros elsewhere).

        Raises `DataError` for the first that cannot be used, unless `on_error` is "skip".
        """
        return self._encode(self._sources(as_sources(sources)), None)

    def _encode_items(self, items: pl.DataFrame) -> tuple[Floats, Mask]:
        return self._encode(self._sources_of(items, self.column_), items[ITEM].to_list())

    def _sources_of(self, items: pl.DataFrame, column: str) -> Sources:
        values = items[column].to_list()
        return self._sources([None if not value or value.isspace() else value for value in values])

    def _sources(self, values: Sequence[Source | None]) -> Sources:
        """Bytes need no folder: a model that has moved away from its files still takes them."""
        paths = any(isinstance(value, str | Path) for value in values)
        return Sources(values, allowed_folder(self.folder) if paths else Path(self.folder))

    def _encode(self, sources: Sources, item_ids: list[str] | None) -> tuple[Floats, Mask]:
        faults: dict[int, str] = {}
        found = self.encode_sources(sources, self.digests(sources, faults), faults)
        self._report(faults, sources, item_ids)
        return found

    def digests(self, sources: Sources, faults: dict[int, str]) -> dict[int, bytes]:
        """Row → what names its content; why others cannot be read goes to `faults`."""
        with ThreadPoolExecutor(READERS) as pool:
            return dict(worked(pool, sources.digest, sources.given, faults))

    def encode_sources(
        self, sources: Sources, digests: dict[int, bytes], faults: dict[int, str]
    ) -> tuple[Floats, Mask]:
        """(n, d) vectors of the rows that `digests` has, and which of them could be encoded.

        Equal contents are encoded once; why some cannot be goes to `faults`.
        """
        first_row: dict[bytes, int] = {}
        for row, digest in digests.items():
            first_row.setdefault(digest, row)
        with ThreadPoolExecutor(READERS) as pool:
            vectors, done = encode_once(
                np.frombuffer(b"".join(first_row), dtype="<u8").reshape(-1, 2),
                partial(self._batches, pool, sources, list(first_row.values()), faults),
                fingerprint=self.fingerprint,
                named=lambda place: sources.name(list(first_row.values())[place]),
                unit=f"{self.kind}s",
            )
        for row, digest in digests.items():  # of the same content at several places
            if first_row[digest] in faults:
                faults[row] = faults[first_row[digest]]
        place_of = {digest: place for place, digest in enumerate(first_row)}
        places = np.full(len(sources.values), -1)
        for row, digest in digests.items():
            places[row] = place_of[digest]
        present = places >= 0
        present[present] = done[places[present]]
        if len(places) == len(vectors):  # each given, and none like another
            return vectors, present
        spread = np.zeros((len(places), vectors.shape[1]), dtype=np.float32)
        spread[present] = vectors[places[present]]
        return spread, present

    def _batches(
        self,
        pool: ThreadPoolExecutor,
        sources: Sources,
        rows: list[int],
        faults: dict[int, str],
        missing: NDArray[np.int64],
    ) -> Batches:
        """Decodes in the pool while the batch before is encoded."""
        self._load()
        place_of = {rows[place]: place for place in missing.tolist()}
        decoded = worked(pool, partial(self._decoded, sources), place_of, faults)
        while batch := list(islice(decoded, self.batch_size)):
            places = np.array([place_of[row] for row, _ in batch])
            vectors = self._embed([content for _, content in batch])
            finite = np.isfinite(vectors).all(axis=1)
            for place in places[~finite].tolist():
                faults[rows[place]] = "the model makes NaN or infinity of it"
            yield places[finite], vectors[finite]

    def _decoded(self, sources: Sources, row: int) -> Any:
        found = self._decode(sources.read(row))
        if isinstance(found, Partly):
            sources.losses[row] = found.why
            return found.content
        return found

    def _report(self, faults: dict[int, str], sources: Sources, item_ids: list[str] | None) -> None:
        if sources.losses:
            counted = self._counted(sources.losses, "are not whole", sources, item_ids)
            said = visible(f"{counted}. The rest of them counts")
            warnings.warn(said, RuntimeWarning, stacklevel=3)
        if not faults:
            return
        message = self._counted(faults, "cannot be used", sources, item_ids)
        if self.on_error == "raise":
            raise DataError(f"{message}. ", _MEND)
        said = visible(f"{message}. They count as missing")
        warnings.warn(said, RuntimeWarning, stacklevel=3)

    def _counted(
        self, reasons: dict[int, str], what: str, sources: Sources, item_ids: list[str] | None
    ) -> str:
        """How many of the files that are, and the first with their reasons."""
        shown = [
            f"{sources.name(row)}{f' of item {item_ids[row]!r}' if item_ids else ''}: {why}"
            for row, why in sorted(reasons.items())[:SHOWN_OFFENDERS]
        ]
        more = f"; and {len(reasons) - len(shown)} more" if len(reasons) > len(shown) else ""
        return (
            f"{len(reasons)} of {len(sources.given)} {self.kind}s {what}: {'; '.join(shown)}{more}"
        )

    def column_of(self, items: pl.DataFrame) -> str:
        """The column that would be read; `DataError` where there is none."""
        if self.column is not None:
            self._check_present(self.column, items)
            return self.column
        for name in items.columns:
            if name.lower() in self.default_columns:
                self._check_present(name, items)
                return name
        shown = [*self.default_columns[:_SHOWN_NAMES]]
        more = ["…"] if len(self.default_columns) > _SHOWN_NAMES else []
        raise DataError(
            f"the items have no column of {self.kind}s (looked for {', '.join(shown + more)}): "
            "name it with ",
            Setting("column"),
            f". The columns are: {', '.join(items.columns)}",
        )

    def _check_present(self, name: str, items: pl.DataFrame) -> None:
        if name not in items.columns:
            raise DataError(f"the items have no column {name!r}.{called_now(name, items.columns)}")
        if items[name].dtype not in _PATHS_OR_BYTES:
            raise DataError(
                f"the column {name!r} holds {items[name].dtype}: {self.kind}s are paths or bytes"
            )

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """Names the vectors in the cache: weights by content, and all that changes a vector."""

    def _load(self) -> None:
        """Loads the model: called in one thread, before the first file is decoded."""

    @property
    def width(self) -> int:
        """The length of the vectors, from one of nothing in particular."""
        self._load()
        return int(self._embed([self._example()]).shape[1])

    def _example(self) -> Any:
        """Something that the model can be given, as `_decode` gives it."""
        raise DataError(f"no item has a {self.kind}")

    @abstractmethod
    def _decode(self, content: bytes) -> Any:
        """What the model reads, from a file's bytes; `UnreadableError` says why it cannot.

        `Partly` where some of it is lost and the rest counts.
        """

    @abstractmethod
    def _embed(self, batch: list[Any]) -> Floats:
        """(n, d) vectors of decoded contents."""
