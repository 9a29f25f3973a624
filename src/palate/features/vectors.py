"""Vectors from Parquet, what `palate encode` wrote or anybody's, as features."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import polars as pl

from palate.core.arrays import Floats, Mask
from palate.core.columns import ITEM
from palate.core.doors import door
from palate.core.errors import (
    DataError,
    Message,
    Setting,
    UnknownIdError,
    did_you_mean,
    first_offenders,
    guess,
)
from palate.core.features import Features
from palate.core.ids import Ids
from palate.core.paths import check_readable, path_of
from palate.data.formats.unpacked import check_unpacked
from palate.data.values import as_ids

__all__ = ["iterate_features", "read_features"]

MANIFEST = "manifest.json"
FORMAT = "palate vectors 2"
_WITHOUT_CHECKSUMS = "palate vectors 1"
VECTOR = "vector"
SCALE = "scale"
ROWS_AT_ONCE = 2**16
_PART = re.compile(r"part-\d{5,}-[0-9a-f]{20}-(?P<checksum>[0-9a-f]{32})\.parquet")
_TABLES = (".csv", ".tsv", ".txt", ".json", ".jsonl", ".npy", ".npz", ".gz", ".zip")

Chunk: TypeAlias = tuple[pl.Series, Floats, Mask]
"""(ids, (n, d) vectors, which rows have one)."""


@door()
def read_features(
    path: str | Path,
    ids: Sequence[str] | Ids | None = None,
    *,
    name: str = "vectors",
    id: str | None = None,
    vector: str | None = None,
) -> Features:
    """One block of vectors, of all rows, or of `ids` in their order; zeros where there is none.

    `path` is a Parquet file or a folder of them; `id` and `vector` name their columns, where these
    are not "item_id" and the only column of lists of numbers. Files are read some rows at a time,
    so that memory is that of the result. Raises `DataError` for what holds no vectors or ids twice,
    `UnknownIdError` for ids that have no row.
    """
    files = open_vectors(path, id=id, vector=vector)
    if ids is None:
        return _all(files, name)
    wanted = ids if isinstance(ids, Ids) else Ids(ids)
    vectors: Floats = np.zeros((len(wanted), files.dim), dtype=np.float32)
    seen = np.zeros(len(wanted), dtype=np.bool_)
    for found, part, _ in files.chunks():
        rows = wanted.find(found)
        vectors[rows[rows >= 0]] = part[rows >= 0]
        seen[rows[rows >= 0]] = True
    if not seen.all():
        unknown = wanted.series.filter(pl.Series(~seen))
        raise UnknownIdError(f"{path} has no row of {first_offenders(unknown, len(unknown))}")
    return Features(wanted, {name: vectors})


@door()
def iterate_features(
    path: str | Path, *, name: str = "vectors", id: str | None = None, vector: str | None = None
) -> Iterator[Features]:
    """The same in order of the files, some thousand rows at a time, for more than memory holds."""
    for ids, vectors, _ in open_vectors(path, id=id, vector=vector).chunks():
        yield Features(Ids(ids), {name: vectors})


def _all(files: VectorFiles, name: str) -> Features:
    vectors: Floats = np.empty((len(files), files.dim), dtype=np.float32)
    ids: list[pl.Series] = []
    start = 0
    for found, part, _ in files.chunks():
        vectors[start : start + len(part)] = part
        ids.append(found)
        start += len(part)
    series = pl.concat(ids) if ids else pl.Series([], dtype=pl.String)
    if (repeated := series.is_duplicated()).any():
        again = series.filter(repeated).unique(maintain_order=True)
        raise DataError(f"several rows have the ids {first_offenders(again, len(again))}")
    return Features(Ids(series), {name: vectors})


@dataclass(frozen=True)
class VectorFiles:
    """Parquet files with one row an item."""

    files: tuple[Path, ...]
    id: str
    vector: str
    dim: int
    _whole: set[Path] = field(default_factory=set, repr=False, compare=False)

    def __len__(self) -> int:
        self._check(self.files)
        return sum(map(_length, self.files))

    def chunks(self) -> Iterator[Chunk]:
        """All rows in order, some at a time; a row without a vector is zeros.

        Raises `DataError` for a damaged file, and for vectors of another length, NaN or infinity.
        """
        for file in self.files:
            self._check([file])
            for start in range(0, _length(file), ROWS_AT_ONCE):
                yield self._chunk(file, start)

    def _check(self, files: Sequence[Path]) -> None:
        """Raises `DataError` for files that `palate encode` wrote otherwise; reads each once."""
        new = [file for file in files if file not in self._whole]
        _check_readable(new)
        self._whole.update(files)

    def _chunk(self, file: Path, start: int) -> Chunk:
        schema = _schema(file)
        for name in (self.id, self.vector):
            _check_there(name, schema, file)
        names = [self.id, self.vector]
        if _inner(schema[self.vector]) == pl.Int8 and SCALE in schema:
            names.append(SCALE)
        try:
            rows = pl.scan_parquet(file, glob=False).slice(start, ROWS_AT_ONCE)
            frame = rows.select(names).collect()
        except (pl.exceptions.PolarsError, OSError) as error:
            raise _unreadable(file, error) from error
        ids = as_ids(frame[self.id], where=f"{file}: column {self.id!r}")
        present = frame[self.vector].is_not_null()
        vectors = np.zeros((len(frame), self.dim), dtype=np.float32)
        known = frame[self.vector].filter(present)
        vectors[present.to_numpy()] = self._numbers(known, ids.filter(present), file)
        if SCALE in names:
            vectors *= frame[SCALE].fill_null(0).to_numpy()[:, None]
        return ids, vectors, present.to_numpy()

    def _numbers(self, values: pl.Series, ids: pl.Series, file: Path) -> Floats:
        if not len(values):
            return np.zeros((0, self.dim), dtype=np.float32)
        values = values.cast(pl.List(_inner(values.dtype) or pl.Float32))
        if (other := values.list.len() != self.dim).any():
            wrong = ids.filter(other)
            raise DataError(
                f"{file}: vectors must have {self.dim} numbers, as the first has, but not those of"
                f" {first_offenders(wrong, len(wrong))}"
            )
        numbers: Floats = values.list.to_array(self.dim).to_numpy().astype(np.float32)
        if not (finite := np.isfinite(numbers).all(axis=1)).all():
            wrong = ids.filter(pl.Series(~finite))
            raise DataError(
                f"{file}: NaN or infinity in the vectors of {first_offenders(wrong, len(wrong))}."
                " Leave a vector empty (null) where an item has none"
            )
        return numbers


def open_vectors(
    path: str | Path, *, id: str | None = None, vector: str | None = None
) -> VectorFiles:
    """A Parquet file or a folder of them, such as `palate encode` writes.

    By default ids are in "item_id" or "id", and vectors in the one column of lists of numbers.
    Raises `DataError` for what holds no vectors, and for a job that is not finished.
    """
    place = path_of(path, "vectors", DataError).expanduser()
    files = _files(place)
    _check_readable(files[:1])
    schema = _schema(files[0])
    lists = [name for name, kind in schema.items() if _inner(kind) is not None]
    id = id or next((name for name in (ITEM, "id") if name in schema), ITEM)
    hint = Message.of(" Say which it is: ", Setting("id", "COLUMN"), ".")
    _check_there(id, schema, files[0], hint=hint)
    if vector is None:
        if len(lists) != 1:
            found = (
                f"its columns of lists of numbers are {', '.join(lists)}"
                if lists
                else (f"no column holds lists of numbers (columns: {', '.join(schema)})")
            )
            said = Setting("vector", "COLUMN")
            raise DataError(f"{files[0]}: {found}. Say which are the vectors: ", said)
        vector = lists[0]
    _check_there(vector, schema, files[0])
    if vector not in lists:
        raise DataError(f"{files[0]}: the column {vector!r} holds {schema[vector]}, not vectors")
    return VectorFiles(files, id, vector, _dim(files, vector, schema[vector]), {files[0]})


def _files(place: Path) -> tuple[Path, ...]:
    check_readable(place, DataError)
    if place.is_file():
        if place.suffix in _TABLES:
            raise DataError(
                f"{place} is no Parquet file: write it as one, with ids and lists of numbers, or "
                "encode its texts with `palate encode`"
            )
        return (place,)
    if not place.is_dir():
        beside = place.parent.iterdir() if place.parent.is_dir() else iter(())
        known = [path.name for path in beside if path.suffix == ".parquet" or path.is_dir()]
        raise DataError(f"{place}: no such file or folder of vectors.{guess(place.name, known)}")
    manifest = read_manifest(place)
    if manifest is not None:
        return _parts(place, manifest)
    found = sorted(file for file in place.rglob("*.parquet") if file.name[0] not in "._")
    if not found:
        raise DataError(f"{place} holds no Parquet file")
    return tuple(found)


def _parts(place: Path, manifest: dict[str, Any]) -> tuple[Path, ...]:
    """The files that `palate encode` lists, all of which have a checksum in their names."""
    if manifest["format"] == _WITHOUT_CHECKSUMS:
        raise DataError(
            f"{place} was written by an older palate, without checksums, so that damage would pass"
            " unseen: run the same `palate encode` again"
        )
    try:
        if not manifest["complete"]:
            raise DataError(f"{place} is not finished: run the same `palate encode` again")
        names = [part["file"] for part in manifest["partitions"]]
        strange = [name for name in names if not _PART.fullmatch(name)]
    except (KeyError, TypeError) as error:
        raise DataError(
            f"{place / MANIFEST} is damaged: it does not list the files. Run the same"
            " `palate encode` again"
        ) from error
    if strange or not names:
        shown = f"it lists {first_offenders(strange, len(strange))}" if strange else "it is empty"
        raise DataError(f"{place / MANIFEST} is damaged: {shown}")
    return tuple(place / name for name in names)


def part_name(stem: str, checksum: str) -> str:
    """What a file of `palate encode` is called; `stem` says of what it holds the vectors."""
    return f"{stem}-{checksum}.parquet"


def checksum_of(file: Path) -> str:
    """128 bits that name a file's content; raises `OSError`."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def is_whole(file: Path) -> bool:
    """Whether a file is as `palate encode` wrote it, by its name; `OSError` where it is not there.

    Of files by others nothing is known: they pass.
    """
    named = _PART.fullmatch(file.name)
    return named is None or named["checksum"] == checksum_of(file)


def check_whole(files: Sequence[Path]) -> None:
    """Raises `DataError` for files that `palate encode` wrote otherwise, or that are gone."""
    damaged = []
    for file in files:
        try:
            if not is_whole(file):
                damaged.append(file)
        except OSError as error:
            raise _unreadable(file, error) from error
    if damaged:
        names = first_offenders([file.name for file in damaged], len(damaged))
        raise DataError(
            f"{damaged[0].parent}: damaged since `palate encode` wrote them: {names}."
            " Run the same command again: it encodes what is damaged anew"
        )


def _check_readable(files: Sequence[Path]) -> None:
    """Raises `DataError` as `check_whole` does, and for what unpacks to far more than its size."""
    check_whole(files)
    for file in files:
        try:
            check_unpacked(file, own=_PART.fullmatch(file.name) is not None)
        except (pl.exceptions.PolarsError, OSError, ValueError) as error:
            raise _unreadable(file, error) from error


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """What `palate encode` says of its folder; None in a folder that it did not write.

    Raises `DataError` for a damaged one.
    """
    path = folder / MANIFEST
    check_readable(path, DataError)
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_bytes())
        return content if content.get("format") in (FORMAT, _WITHOUT_CHECKSUMS) else None
    except (ValueError, AttributeError) as error:
        raise DataError(f"{path} is damaged: {error}. Name another folder") from error


def _dim(files: tuple[Path, ...], vector: str, kind: pl.DataType) -> int:
    """The length of the vectors: that of the first."""
    if isinstance(kind, pl.Array):
        return int(kind.shape[0])
    for file in files:
        lengths = pl.scan_parquet(file, glob=False).select(pl.col(vector).list.len().drop_nulls())
        first = lengths.head(1).collect()
        if len(first):
            return int(first.item())
    raise DataError(f"{files[0]}: no row has a vector in the column {vector!r}")


def _inner(kind: pl.DataType) -> pl.DataType | None:
    """The type of the numbers in a column of lists of them; None for another column."""
    inner = getattr(kind, "inner", None)
    return inner if isinstance(inner, pl.DataType) and inner.is_numeric() else None


def _schema(file: Path) -> dict[str, pl.DataType]:
    try:
        return dict(pl.scan_parquet(file, glob=False).collect_schema())
    except (pl.exceptions.PolarsError, OSError) as error:
        raise _unreadable(file, error) from error


def _length(file: Path) -> int:
    try:
        return int(pl.scan_parquet(file, glob=False).select(pl.len()).collect().item())
    except (pl.exceptions.PolarsError, OSError) as error:
        raise _unreadable(file, error) from error


def _unreadable(file: Path, error: Exception) -> DataError:
    reason = str(error).splitlines()[0]
    return DataError(f"{file} cannot be read: {reason}. Copy it or write it again")


def _check_there(name: str, schema: dict[str, pl.DataType], file: Path, hint: object = "") -> None:
    if name not in schema:
        raise DataError(f"{file} has no column {name!r}.{did_you_mean(name, schema)}", hint)
