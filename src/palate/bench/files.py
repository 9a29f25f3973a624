"""Finding and opening a benchmark's files: any prefix, gzipped or not."""

from __future__ import annotations

import glob
import gzip
import io
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import polars as pl

from palate.errors import DataError, UnknownIdError, did_you_mean, first_offenders
from palate.types import Ids

GZIP = ".gz"


def place(folder: Path) -> tuple[Path, str]:
    """The folder and the prefix that its files must have ('' for any).

    `data/Amazon/Office` means the files `Office*` of `data/Amazon` where no such folder exists.
    """
    try:
        if folder.is_dir():
            return folder, ""
        if folder.is_file():
            raise DataError(f"{folder} is a file: give the folder that holds it, {folder.parent}")
        if folder.parent.is_dir() and listing(folder.parent, folder.name):
            return folder.parent, folder.name
    except OSError as error:
        raise DataError(f"{folder} cannot be read: {error.strerror}") from error
    raise DataError(f"{folder}: no such folder; give the folder that holds the benchmark's files")


def listing(folder: Path, prefix: str = "") -> list[Path]:
    """The files of a folder and of its direct subfolders, sorted by path."""
    found = [*_beginning(prefix, folder), *_beginning(prefix, folder, "*/")]
    return sorted(path for path in found if path.is_file() and not path.name.startswith("."))


def _beginning(prefix: str, folder: Path, below: str = "") -> Iterator[Path]:
    return folder.glob(f"{below}{glob.escape(prefix)}*")


def plain_name(path: Path) -> str:
    """The name without `.gz`."""
    return path.name.removesuffix(GZIP)


def only(paths: Iterable[Path], *, folder: Path, what: str) -> Path | None:
    """The one file among `paths`, None for none; a file beside its gzipped self counts once.

    Raises `DataError` where two different files could be meant.
    """
    by_name = {(path.parent, plain_name(path)): path for path in sorted(paths, reverse=True)}
    if len(by_name) > 1:
        names = sorted(str(path.relative_to(folder)) for path in by_name.values())
        raise DataError(
            f"{folder} has {len(names)} candidates for {what}: {', '.join(names)}. Leave one in "
            f"the folder, or give the folder with the prefix of the files, as {folder}/PREFIX"
        )
    return next(iter(by_name.values()), None)


def missing(folder: Path, *, expected: Sequence[str], files: Sequence[Path]) -> DataError:
    """The error for a folder that is not in the format: what was expected, what is there."""
    there = [str(path.relative_to(folder)) for path in files] or ["nothing"]
    return DataError(
        f"{folder} is not in this format. Expected (each may end in .gz): {'; '.join(expected)}. "
        f"Found: {', '.join(there[:12])}{' …' if len(there) > 12 else ''}"
    )


def read_bytes(path: Path) -> bytes:
    """The whole file, unpacked if it is gzipped; an empty or damaged one raises `DataError`."""
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == GZIP else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be read: {error}") from error
    if not content.strip():
        raise DataError(f"{path} is empty")
    return content


def read_text(path: Path) -> str:
    """The whole file as UTF-8 text."""
    try:
        return read_bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path} is not UTF-8 (byte {error.start}): save it as UTF-8, for instance with iconv"
        ) from error


def read_lines(path: Path) -> list[str]:
    """The lines of a text file without their ends."""
    return read_text(path).replace("\r\n", "\n").rstrip("\n").split("\n")


def read_columns(path: Path, columns: Sequence[str], *, tabs: bool = False) -> pl.DataFrame:
    """Some columns of a CSV or a RecBole file as strings; a missing value is ''.

    With `tabs`, columns are parted by tabs, quotes mean nothing and `name:type` is called `name`.
    """
    try:
        table = pl.read_csv(
            io.BytesIO(read_text(path).encode()),
            separator="\t" if tabs else ",",
            quote_char=None if tabs else '"',
            infer_schema=False,
        )
    except pl.exceptions.PolarsError as error:
        raise DataError(f"{path} is not a readable table: {error}") from error
    table = table.rename(lambda name: name.partition(":")[0])
    for column in columns:
        if column not in table.columns:
            raise DataError(
                f"{path} has no column {column!r}.{did_you_mean(column, table.columns)}"
            )
    if not len(table):
        raise DataError(f"{path} has a header but no rows")
    return table.select(pl.col(columns).fill_null(""))


def check_filled(table: pl.DataFrame, columns: Sequence[str], path: Path) -> None:
    """Raises `DataError` for empty values, with the numbers of their rows (1 is the first)."""
    for column in columns:
        rows = ((table[column].str.strip_chars() == "").arg_true() + 1).to_list()
        if rows:
            raise DataError(
                f"{path}, column {column!r}: empty in rows {first_offenders(rows, len(rows))}; "
                f"fill or delete these rows"
            )


def check_known(names: Iterable[str], ids: Ids, *, where: str, source: str) -> None:
    """Raises `UnknownIdError` for ids that the catalogue read from `source` does not hold."""
    wanted = pl.Series(names, dtype=pl.String).unique(maintain_order=True)
    unknown = wanted.filter(pl.Series(ids.find(wanted) < 0, dtype=pl.Boolean))
    if len(unknown):
        raise UnknownIdError(
            f"{where}: items that {source} does not hold: "
            f"{first_offenders(unknown, len(unknown))}. Both must number the items alike "
            f"(some copies start at 0, others at 1)"
        )
