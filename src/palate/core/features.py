"""Features: named blocks of numbers whose rows belong to ids."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from palate.core.arrays import Floats, Matrix, chosen_rows, stack_rows, to_dense
from palate.core.doors import door
from palate.core.errors import AlignmentError, DataError, did_you_mean
from palate.core.ids import Ids
from palate.core.visible import visible


def _dense(name: str, part: Any) -> Floats:
    try:
        return np.ascontiguousarray(part, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise DataError(f"block {name!r} holds what is no number: {error}") from error


class Features:
    """Named blocks of features whose rows belong to ids.

    A block is (n, d) float32, dense or `csr_array`; `values` is the dense concatenation. Names in
    `behavioural` were learnt from interactions, so whoever holds interactions out must refit them.
    """

    @door()
    def __init__(
        self, ids: Ids, parts: Mapping[str, Matrix], *, behavioural: Iterable[str] = ()
    ) -> None:
        self.ids = ids
        self.parts: dict[str, Matrix] = {
            name: part if sparse.issparse(part) else _dense(name, part)
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
        blocks = ", ".join(f"{visible(name)}: {part.shape[1]}" for name, part in self.parts.items())
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

    @door()
    def with_parts(self, parts: Mapping[str, Matrix]) -> Features:
        """The same ids with other blocks; blocks that keep their name stay behavioural."""
        return Features(self.ids, parts, behavioural=self.behavioural)

    @door()
    def select(self, names: Iterable[str]) -> Features:
        """Some blocks, in the order of `names`; raises `DataError` for one that is not there."""
        wanted = list(names)
        for name in wanted:
            if name not in self.parts:
                raise DataError(f"no block is called {name!r}.{did_you_mean(name, self.parts)}")
        return self.with_parts({name: self.parts[name] for name in wanted})

    def take(self, rows: NDArray[np.integer[Any]]) -> Features:
        """Some rows, under their ids."""
        rows = chosen_rows(rows, len(self))
        ids = Ids(self.ids.series[rows])
        parts = {name: part[rows] for name, part in self.parts.items()}
        return Features(ids, parts, behavioural=self.behavioural)

    @door()
    def beside(self, other: Features) -> Features:
        """Both blocks of columns, for the same ids in the same order."""
        if self.ids != other.ids:
            raise AlignmentError("features of different ids cannot stand side by side")
        if shared := sorted(self.parts.keys() & other.parts.keys()):
            raise AlignmentError(f"both sides have the blocks {shared}; rename one")
        behavioural = self.behavioural | other.behavioural
        return Features(self.ids, {**self.parts, **other.parts}, behavioural=behavioural)

    @door()
    def below(self, other: Features) -> Features:
        """The rows of `other` after these; both must have the same blocks."""
        if self.parts.keys() != other.parts.keys():
            raise AlignmentError(
                f"blocks differ: {sorted(self.parts)} above, {sorted(other.parts)} below"
            )
        ids = Ids(pl.concat([self.ids.series, other.ids.series]))
        parts = {name: stack_rows(part, other.parts[name]) for name, part in self.parts.items()}
        return Features(ids, parts, behavioural=self.behavioural | other.behavioural)
