"""Ids: text, unique, and in an order that rows are counted by."""

from __future__ import annotations

import hashlib
import reprlib
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from itertools import islice
from numbers import Integral
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from palate.core.columns import ITEM, USER
from palate.core.doors import called_rightly_in, door
from palate.core.errors import (
    SHOWN_OFFENDERS,
    AlignmentError,
    DataError,
    UnknownIdError,
    first_offenders,
)

if TYPE_CHECKING:
    from palate.core.arrays import Rows

_FEW = 100  # ids that are sooner looked up than found to be a run


@called_rightly_in
class Ids:
    """Unique string ids; an id's row is its position.

    `of` says whose they are, `item_id` or `user_id`: by default what a series of them is called,
    and of items where that says neither.
    """

    @door("values")
    def __init__(self, values: Iterable[str] | pl.Series, *, of: str | None = None) -> None:
        of = of or getattr(values, "name", ITEM)
        self.series = _texts(values, USER if of == USER else ITEM)
        self._start: Ids | None = None
        if self.series.n_unique() != len(self.series):
            repeated = self.series.filter(self.series.is_duplicated()).unique(maintain_order=True)
            raise AlignmentError(
                f"ids must be unique; repeated: {first_offenders(repeated, len(repeated))}"
            )

    def __len__(self) -> int:
        return len(self.series)

    def __repr__(self) -> str:
        if not len(self):
            return f"Ids(none of {self.series.name})"
        first = first_offenders(self.series.head(SHOWN_OFFENDERS), len(self))
        return f"Ids({self.series.name}: {first})"

    def __getitem__(self, row: int) -> str:
        return str(self.series[int(row)])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Ids):
            return NotImplemented
        return self is other or (len(self) == len(other) and self.digest == other.digest)

    def __hash__(self) -> int:
        return hash(self.digest)

    def __contains__(self, name: object) -> bool:
        return name in self._row_of

    def tolist(self) -> list[str]:
        """The ids as Python's own strings."""
        return self.series.to_list()

    @cached_property
    def digest(self) -> str:
        """A hash of all ids in order: equal digests mean equal rows."""
        hasher = hashlib.sha256()
        for name in self.series:
            hasher.update(name.encode() + b"\0")
        return hasher.hexdigest()[:32]

    @cached_property
    def _row_of(self) -> dict[str, int]:
        return {name: row for row, name in enumerate(self.series)}

    @door()
    def starts_with(self, other: Ids) -> bool:
        """Whether the first rows are those of `other`; the last one found so is remembered."""
        if other is self or other is self._start:
            return True
        same = self.series.head(len(other)).equals(other.series)
        if same:
            self._start = other
        return same

    def rows(self, names: Sequence[str] | pl.Series, *, what: str = "ids") -> Rows:
        """The rows of `names`; an unknown one raises `UnknownIdError`."""
        wanted = _series_of(names, what)
        rows = self.find(wanted)
        if (rows < 0).any():
            unknown = wanted.filter(pl.Series(rows < 0)).unique(maintain_order=True)
            raise UnknownIdError(f"unknown {what}: {first_offenders(unknown, len(unknown))}")
        return rows

    def find(self, names: Sequence[str] | pl.Series) -> Rows:
        """The rows of `names`, -1 for one that is unknown."""
        wanted = _series_of(names, "ids")
        if len(wanted) > _FEW and (first := self._run(wanted)) is not None:
            return np.arange(first, first + len(wanted), dtype=np.int32)
        if len(wanted) < 1000:
            return np.array([self._row_of.get(name, -1) for name in wanted], dtype=np.int32)
        found = wanted.replace_strict(
            self.series,
            pl.Series(np.arange(len(self), dtype=np.int32)),
            default=-1,
            return_dtype=pl.Int32,
        )
        return found.to_numpy().astype(np.int32, copy=False)

    def _run(self, wanted: pl.Series) -> int | None:
        """The row where `wanted` begins if it is a run of these ids, as a chunk of everybody is.

        To look that up among a million for each chunk would cost people times people.
        """
        first = self.series.index_of(wanted[0])
        same = first is not None and self.series.slice(first, len(wanted)).equals(wanted)
        return first if same else None


def _texts(values: Iterable[str] | pl.Series, name: str) -> pl.Series:
    try:
        return pl.Series(name, values, dtype=pl.String)
    except (TypeError, ValueError, pl.exceptions.PolarsError) as error:
        raise DataError(
            f"ids must be a list of texts, not {reprlib.repr(values)}: write [{'a'!r}, {'b'!r}]"
        ) from error


def _series_of(names: Sequence[str] | pl.Series, what: str) -> pl.Series:
    if isinstance(names, pl.Series):
        return names.cast(pl.String)
    return pl.Series(id_list(names, what), dtype=pl.String)


def id_list(values: object, what: str) -> list[str]:
    """Ids as somebody asked for them; `DataError` for what is no list of texts.

    Nothing is converted: 7, "7" and "007" may be three ids.
    """
    if isinstance(values, str | bytes):
        raise DataError(f"{what} must be a list of ids: write [{values!r}]")
    single = not isinstance(values, Iterable) or getattr(values, "ndim", 1) == 0
    if single or isinstance(values, Mapping):
        write = f": write [{str(values)!r}]" if isinstance(values, Integral) else ""
        raise DataError(f"{what} must be a list of ids, not {reprlib.repr(values)}{write}")
    names: list[str] = list(values)  # type: ignore[call-overload]
    if wrong := [name for name in names if not isinstance(name, str)]:
        raise DataError(f"{what} must be texts, as all ids are, {_not_texts(wrong)}")
    try:
        "".join(names).encode()
    except UnicodeEncodeError as error:
        raise DataError(
            f"{what} must be texts, but one holds half a character ({error.object[error.start]!r}),"
            " which is no Unicode: read it with the encoding that it was written in"
        ) from error
    return names


def _not_texts(wrong: Sequence[object]) -> str:
    first = list(islice(wrong, SHOWN_OFFENDERS))
    more = f" and {len(wrong) - len(first)} more" if len(wrong) > len(first) else ""
    if not all(isinstance(value, Integral) for value in first):
        return f"not {', '.join(map(reprlib.repr, first))}{more}: leave out what is no id"
    numbers = [str(value) for value in first]
    return f"not {', '.join(numbers)}{more}: write {', '.join(map(repr, numbers))}"
