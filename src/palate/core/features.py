"""Features: named blocks of numbers whose rows belong to ids."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from palate.core.arrays import Floats, Matrix, stack_rows, to_dense
from palate.core.errors import AlignmentError
from palate.core.ids import Ids


class Features:
    """Named blocks of features whose rows belong to ids.

    A block is (n, d) float32, dense or `csr_array`; `values` is the dense concatenation. Names in
    `behavioural` were learnt from interactions, so whoever holds interactions out must refit them.
    """

    def __init__(
        self, ids: Ids, parts: Mapping[str, Matrix], *, behavioural: Iterable[str] = ()
    ) -> None:
        self.ids = ids
        self.parts: dict[str, Matrix] = {
            name: part if sparse.issparse(part) else np.ascontiguousarray(part, dtype=np.float32)
            for name, part in parts.items()
        }
        self.behavioural = frozenset(behavioural) & frozenset(self.parts)
        for name, part in self.parts.items():
            if part.ndim != 2 or part.shape[0] != len(ids):
                raise AlignmentError(
                    f"block {name!r} has shape {part.shape}, but there are {len(ids)} ids"
                )

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        blocks = ", ".join(f"{name}: {part.shape[1]}" for name, part in self.parts.items())
        return f"Features({len(self)} rows; {blocks})"

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self.values, dtype=dtype)

    @property
    def dim(self) -> int:
        """The columns of all blocks together."""
        return sum(part.shape[1] for part in self.parts.values())

    @property
    def blocks(self) -> dict[str, slice]:
        """Block name → its columns in `values`."""
        stops = np.cumsum([part.shape[1] for part in self.parts.values()]).tolist()
        return dict(zip(self.parts, map(slice, [0, *stops], stops), strict=False))

    @cached_property
    def values(self) -> Floats:
        """(n, dim) dense float32."""
        if not self.parts:
            return np.zeros((len(self), 0), dtype=np.float32)
        return np.hstack([to_dense(part) for part in self.parts.values()])

    def with_parts(self, parts: Mapping[str, Matrix]) -> Features:
        """The same ids with other blocks; blocks that keep their name stay behavioural."""
        return Features(self.ids, parts, behavioural=self.behavioural)

    def select(self, names: Iterable[str]) -> Features:
        """Some blocks, in the order of `names`; raises `KeyError` for one that is not there."""
        return self.with_parts({name: self.parts[name] for name in names})

    def take(self, rows: NDArray[np.integer[Any]]) -> Features:
        """Some rows, under their ids."""
        ids = Ids(self.ids.series[rows])
        parts = {name: part[rows] for name, part in self.parts.items()}
        return Features(ids, parts, behavioural=self.behavioural)

    def beside(self, other: Features) -> Features:
        """Both blocks of columns, for the same ids in the same order."""
        if self.ids != other.ids:
            raise AlignmentError("features of different ids cannot stand side by side")
        if shared := sorted(self.parts.keys() & other.parts.keys()):
            raise AlignmentError(f"both sides have the blocks {shared}; rename one")
        behavioural = self.behavioural | other.behavioural
        return Features(self.ids, {**self.parts, **other.parts}, behavioural=behavioural)

    def below(self, other: Features) -> Features:
        """The rows of `other` after these; both must have the same blocks."""
        if self.parts.keys() != other.parts.keys():
            raise AlignmentError(
                f"blocks differ: {sorted(self.parts)} above, {sorted(other.parts)} below"
            )
        ids = Ids(pl.concat([self.ids.series, other.ids.series]))
        parts = {name: stack_rows(part, other.parts[name]) for name, part in self.parts.items()}
        return Features(ids, parts, behavioural=self.behavioural | other.behavioural)

    def replaced(self, other: Features) -> Features:
        """With the rows of `other` in the place of its ids', in the blocks that both have.

        Blocks learnt from events stay as they are. Raises `UnknownIdError` for other ids.
        """
        order = np.arange(len(self))
        order[self.ids.rows(other.ids.series)] = len(self) + np.arange(len(other))
        parts = {
            name: stack_rows(part, other.parts[name])[order]
            if name in other.parts and name not in self.behavioural
            else part
            for name, part in self.parts.items()
        }
        return self.with_parts(parts)
