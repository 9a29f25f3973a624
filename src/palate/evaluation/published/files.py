"""Finding and opening a benchmark's files: any prefix, gzipped or not."""

from __future__ import annotations

import glob
import gzip
import io
import json
import math
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from palate.core.columns import ITEM, TEXT, TITLE
from palate.core.errors import DataError, UnknownIdError, did_you_mean, first_offenders
from palate.core.ids import Ids

GZIP = ".gz"

CATEGORIES = "categories"
TEXTS = (TITLE, "brand", "description", TEXT)

_QUOTED = re.compile(r"""'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)\"""", re.DOTALL)
_PRINTED_LIST = re.compile(rf"\[\s*(?:(?:{_QUOTED.pattern})\s*,?\s*)*\]", re.DOTALL)
_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.)", re.DOTALL)
_CONTROL = {"n": "\n", "t": "\t", "r": "\r"}


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


def item_table(
    ids: Sequence[str], records: Sequence[Mapping[str, Any]], path: Path
) -> pl.DataFrame:
    """`item_id`, the text columns, `categories` (list) and `price`.

    Columns that say nothing about any item are left out; an id that occurs twice raises
    `DataError`.
    """
    names = pl.Series(ITEM, ids, dtype=pl.String)
    repeated = names.filter(names.is_duplicated()).unique(maintain_order=True)
    if len(repeated):
        raise DataError(f"{path}: items twice: {first_offenders(repeated, len(repeated))}")
    columns: dict[str, pl.Series] = {ITEM: names}
    for name in TEXTS:
        texts = [text_of(record.get(name)) for record in records]
        if any(texts):
            columns[name] = pl.Series(name, texts, dtype=pl.String)
    paths = [categories_of(record.get(CATEGORIES)) for record in records]
    if any(paths):
        columns[CATEGORIES] = pl.Series(CATEGORIES, paths, dtype=pl.List(pl.String))
    prices = [_number(record.get("price")) for record in records]
    if any(price is not None for price in prices):
        columns["price"] = pl.Series("price", prices, dtype=pl.Float64)
    return pl.DataFrame(columns)


def read_records(path: Path) -> tuple[list[str], list[dict[str, Any]]]:
    """The ids and the objects of a JSON lines file; a line without `item_id` raises `DataError`."""
    ids, records = [], []
    for number, line in enumerate(read_lines(path), start=1):
        try:
            record = json.loads(line)
        except ValueError as error:
            raise DataError(f"{path}, line {number} is not JSON: {error}") from error
        if not isinstance(record, dict) or not isinstance(record.get(ITEM), str | int):
            raise DataError(f"{path}, line {number} is no object with {ITEM!r}: {line[:80]!r}")
        ids.append(str(record[ITEM]))
        records.append(record)
    return ids, records


def text_of(value: Any) -> str | None:
    """The text of a field: a list is joined, also one that was printed into a string."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, str):
        text = value.strip()
        return " ".join(printed_list(text)) if _PRINTED_LIST.fullmatch(text) else text
    if isinstance(value, list):
        return " ".join(filter(None, map(text_of, value)))
    return str(value)


def printed_list(text: str) -> list[str]:
    r"""The strings of a printed Python list, `"['it', \"don't\"]"`; nothing is evaluated."""
    return [_unescaped(match[1] or match[2] or "") for match in _QUOTED.finditer(text)]


def _unescaped(text: str) -> str:
    def plain(match: re.Match[str]) -> str:
        code = match[1]
        if len(code) > 1:
            return chr(int(code[1:], 16))
        return _CONTROL.get(code, code)

    return _ESCAPE.sub(plain, text) if "\\" in text else text


def categories_of(value: Any) -> list[str]:
    """The names in a category, a path or several paths, each once, in order."""
    return list(dict.fromkeys(_flat(value)))


def _flat(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for part in value:
            yield from _flat(part)
    elif isinstance(value, str) and _PRINTED_LIST.fullmatch(value.strip()):
        yield from filter(None, printed_list(value))
    elif isinstance(value, str) and value.strip():
        yield value.strip()


def _number(value: Any) -> float | None:
    try:
        number = float(str(value).strip().removeprefix("$").replace(",", ""))
    except ValueError:
        return None
    return number if math.isfinite(number) else None
