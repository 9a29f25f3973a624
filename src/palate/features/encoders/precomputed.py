"""Vectors that were made elsewhere, matched to items by their ids."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Self

import numpy as np
import polars as pl

from palate.core.arrays import Floats, Mask
from palate.core.component import check_fitted, check_types, component, learnt
from palate.core.dataset import Dataset
from palate.core.errors import ConfigError, DataError, Setting, first_offenders
from palate.core.features import Features
from palate.core.paths import FilePath
from palate.features.vectors import VectorFiles, open_vectors

__all__ = ["Precomputed"]


@component
class Precomputed:
    """Vectors from Parquet: what `palate encode` wrote, or a column of lists of anybody's.

    `path` is a file, or a folder of files; `id` and `vector` name its columns, where they are not
    "item_id" and the only column of lists of numbers. Items are looked up by id, some rows at a
    time. Those without a vector get the mean of the items that people touched, and where any of
    these has none, a last column says so: 1 for missing. `path` is read again for items that arrive
    later. Text queries do not reach this block.
    """

    path: FilePath | None = None
    id: str | None = None
    vector: str | None = None

    typical_: Floats = learnt("dim")
    gaps_: bool = learnt()

    def __post_init__(self) -> None:
        check_types(self)

    def fit(self, data: Dataset) -> Self:
        """Learns what is typical; raises `DataError` where no item has a vector."""
        vectors, present = self._find(data)
        self._check_known(present, data)
        warm = data.warm_items
        known = warm[present[warm]]
        chosen = vectors[known] if len(known) else vectors[present]
        self.typical_ = chosen.mean(axis=0, dtype=np.float64).astype(np.float32)
        self.gaps_ = not bool(present[warm].all())
        return self

    def describe(self, data: Dataset) -> Iterator[str]:
        """How many vectors there are and how many items they know; raises as `fit` does."""
        vectors, present = self.open(), self.known(data)
        self._check_known(present, data)
        yield (
            f"reads {len(vectors):,} rows of {vectors.dim} numbers, "
            f"which know {int(present.sum()):,} of {len(data.items):,} items"
        )

    def encode(self, data: Dataset) -> Features:
        """One block: (n_items, d), or d + 1 where the last column marks items without a vector."""
        check_fitted(self)
        vectors, present = self._find(data)
        if vectors.shape[1] != len(self.typical_):
            raise DataError(
                f"the vectors in {self.path} have {vectors.shape[1]} numbers now, and had"
                f" {len(self.typical_)} when this was fitted: fit again"
            )
        vectors[~present] = self.typical_
        if self.gaps_:
            vectors = np.column_stack([vectors, (~present).astype(np.float32)])
        return Features(data.item_ids, {"precomputed": vectors})

    @property
    def block_width(self) -> int:
        """Columns of its block, by what was learnt alone: nothing is encoded."""
        check_fitted(self)
        return len(self.typical_) + self.gaps_

    def known(self, data: Dataset) -> Mask:
        """(n_items,) which items have a vector."""
        return self._find(data)[1]

    def open(self) -> VectorFiles:
        """The files, with nothing read but their columns; raises `DataError` for what are none."""
        if self.path is None:
            raise ConfigError(
                "the encoder precomputed needs vectors in Parquet: ",
                Setting("path", "FILE OR FOLDER"),
            )
        return open_vectors(self.path, id=self.id, vector=self.vector)

    def _check_known(self, present: Mask, data: Dataset) -> None:
        if not present.any():
            items = data.item_ids
            raise DataError(
                f"{self.path} has no vector for any of the items"
                f" ({first_offenders(items.series, len(items))}): are these the same ids?"
            )

    def _find(self, data: Dataset) -> tuple[Floats, Mask]:
        """(n_items, d) vectors and which items have one."""
        files = self.open()
        vectors = np.zeros((len(data.item_ids), files.dim), dtype=np.float32)
        present = np.zeros(len(vectors), dtype=np.bool_)
        seen = np.zeros(len(vectors), dtype=np.bool_)
        for ids, found, there in files.chunks():
            rows = data.item_ids.find(ids)
            own = rows >= 0
            counts = np.bincount(rows[own], minlength=len(seen)) + seen
            if (counts > 1).any():
                again = data.item_ids.series.filter(pl.Series(counts > 1))
                raise DataError(
                    f"{self.path} has several rows of {first_offenders(again, len(again))}: keep"
                    " one row of each item"
                )
            seen[rows[own]] = True
            own &= there
            vectors[rows[own]] = found[own]
            present[rows[own]] = True
        return vectors, present
