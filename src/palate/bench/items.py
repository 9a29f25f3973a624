"""The catalogue of a benchmark: published records → a table of text columns."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from palate.bench.files import read_lines
from palate.columns import ITEM, TEXT, TITLE
from palate.errors import DataError, first_offenders

CATEGORIES = "categories"
TEXTS = (TITLE, "brand", "description", TEXT)

_QUOTED = re.compile(r"""'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)\"""", re.DOTALL)
_PRINTED_LIST = re.compile(rf"\[\s*(?:(?:{_QUOTED.pattern})\s*,?\s*)*\]", re.DOTALL)
_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.)", re.DOTALL)
_CONTROL = {"n": "\n", "t": "\t", "r": "\r"}


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
