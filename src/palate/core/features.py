"""Features: named blocks of numbers whose rows belong to ids."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from palate.core import frames
from palate.core.arrays import Floats, Matrix, chosen_rows, stack_rows, to_dense
from palate.core.doors import called_rightly_in, door
from palate.core.errors import AlignmentError, DataError, did_you_mean
from palate.core.ids import Ids
from palate.core.visible import visible


def _dense(name: str, part: Any) -> Floats:
    try:
        return np.ascontiguousarray(part, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise DataError(f"block {name!r} holds what is no number: {error}") from error


@called_rightly_in
class Features:
    """Named blocks of features whose rows belong to ids.

    A block is (n, d) float32, dense or `csr_array`; `values` is the dense concatenation. Names in
    `behavioural` were learnt from interactions, so whoever holds interactions out must refit them.
    `names` says what the columns of a block mean, where that is known.
    """

    @door()
    def __init__(
        self,
        ids: Ids,
        parts: Mapping[str, Matrix],
        *,
        behavioural: Iterable[str] = (),
        names: Mapping[str, Sequence[str]] | None = None,
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
        self.names = {name: own for name, own in (names or {}).items() if name in self.parts}
        for name, own in self.names.items():
            if len(own) != self.parts[name].shape[1]:
                raise AlignmentError(
                    f"block {name!r} has {self.parts[name].shape[1]} columns, but {len(own)} names"
                )

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        blocks = ", ".join(f"{visible(name)}: {part.shape[1]}" for name, part in self.parts.items())
        return f"Features({len(self)} rows; {blocks})"

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self.values, dtype=dtype)

    def __iter__(self) -> Iterator[Floats]:
        """Rows of `values`: with it, `pandas.DataFrame(features)` takes the numbers (no names)."""
        return iter(self.values)

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """As `to_polars`, for whoever speaks Arrow: `polars.DataFrame(features)` and others."""
        return self.to_polars().__arrow_c_stream__(requested_schema)

    def _repr_html_(self) -> str:
        return frames.as_html(self.ids, self.parts, self.names, self.behavioural)

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

    def get_feature_names_out(self, input_features: object = None) -> NDArray[np.object_]:
        """(dim,) the name of each column of `values`, each once, as scikit-learn asks for it.

        "words.garden", "facts.category=books", or "clicks.0" where no column has a meaning of its
        own. Blanks and signs that LightGBM and XGBoost refuse in names are underscores.
        """
        return np.array(frames.column_names(self.parts, self.names), dtype=object)

    def to_scipy(self) -> sparse.csr_array:
        """(n, dim) float32, all blocks beside each other; sparse blocks are not unpacked."""
        return frames.to_scipy(self.parts, len(self))

    def to_polars(self, *, form: frames.Form = "wide") -> pl.DataFrame:
        """A frame that begins with the ids, as `item_id` or `user_id`.

        "wide" has a column a feature, called as `get_feature_names_out` says; "lists" a column of
        arrays a block; "long" a row for every number that is not 0: id, `feature`, `value`, so that
        sparse blocks stay small. Raises `DataError` for another form.
        """
        return frames.to_polars(self.ids, self.parts, self.names, form)

    def to_pandas(self) -> Any:
        """A pandas frame under an index of ids, with a column a feature; sparse blocks stay sparse.

        Columns are called as `get_feature_names_out` says. Raises `MissingExtraError` without
        pandas.
        """
        return frames.to_pandas(self.ids, self.parts, self.names)

    @door()
    def with_parts(
        self, parts: Mapping[str, Matrix], *, names: Mapping[str, Sequence[str]] | None = None
    ) -> Features:
        """The same ids with other blocks; blocks that keep their name stay behavioural.

        A block that is the very one of before keeps the names of its columns; others have `names`.
        """
        kept = {
            name: own for name, own in self.names.items() if parts.get(name) is self.parts[name]
        }
        return Features(
            self.ids, parts, behavioural=self.behavioural, names={**kept, **(names or {})}
        )

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
        return Features(ids, parts, behavioural=self.behavioural, names=self.names)

    @door()
    def beside(self, other: Features) -> Features:
        """Both blocks of columns, for the same ids in the same order."""
        if self.ids != other.ids:
            raise AlignmentError("features of different ids cannot stand side by side")
        if shared := sorted(self.parts.keys() & other.parts.keys()):
            raise AlignmentError(f"both sides have the blocks {shared}; rename one")
        behavioural = self.behavioural | other.behavioural
        return Features(
            self.ids,
            {**self.parts, **other.parts},
            behavioural=behavioural,
            names={**self.names, **other.names},
        )

    @door()
    def below(self, other: Features) -> Features:
        """The rows of `other` after these; both must have the same blocks."""
        if self.parts.keys() != other.parts.keys():
            raise AlignmentError(
                f"blocks differ: {sorted(self.parts)} above, {sorted(other.parts)} below"
            )
        ids = Ids(pl.concat([self.ids.series, other.ids.series]))
        parts = {name: stack_rows(part, other.parts[name]) for name, part in self.parts.items()}
        behavioural = self.behavioural | other.behavioural
        return Features(ids, parts, behavioural=behavioural, names=self.names)

    def replaced(self, other: Features) -> Features:
        """With the rows of `other` in the place of its ids', in the blocks that both have.

        Blocks that `other` says were learnt from events stay as they are. Raises `UnknownIdError`
        for other ids.
        """
        order = np.arange(len(self))
        order[self.ids.rows(other.ids.series)] = len(self) + np.arange(len(other))
        parts = {
            name: stack_rows(part, other.parts[name])[order]
            if name in other.parts and name not in other.behavioural
            else part
            for name, part in self.parts.items()
        }
        return self.with_parts(parts)
