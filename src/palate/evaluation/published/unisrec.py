"""The `unisrec` format: RecBole files of item lists and the next item, with texts."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from palate.core.columns import ITEM, TEXT, USER
from palate.core.errors import DataError, first_offenders
from palate.core.ids import Ids
from palate.core.visible import quoted
from palate.evaluation.published.files import (
    check_filled,
    check_known,
    listing,
    missing,
    only,
    place,
    plain_name,
    read_columns,
    read_lines,
)
from palate.evaluation.published.parts import TEST, TRAIN, VALID, Case, Parts, Requests, rebuild

LIST = "item_id_list"
COLUMNS = (USER, LIST, ITEM)

EXPECTED = (
    "PREFIX.train.inter, PREFIX.valid.inter, PREFIX.test.inter "
    "(columns user_id:token, item_id_list:token_seq, item_id:token, parted by tabs)",
    "PREFIX.text (item_id:token, text:token_seq)",
    "PREFIX.item2index (item and its number; without it the texts' ids are those of the lists)",
)

SENTENCES = ("title", "category", "brand")
MOSTLY = 0.8


def read_unisrec(folder: Path) -> Parts:
    """The three `.inter` files, the texts and, where there is one, the numbering of the items.

    Train rows are the growing prefixes of a person's training events; they are put together
    again, also where long lists were cut at the front.
    """
    home, prefix = place(folder)
    files = [path for path in listing(home, prefix) if path.parent == home]
    sources = {part: _ending(f".{part}.inter", files, home) for part in (TRAIN, VALID, TEST)}
    texts, numbering = _ending(".text", files, home), _ending(".item2index", files, home)
    if texts is None or None in sources.values():
        raise missing(home, expected=EXPECTED, files=files)
    inter = {part: path for part, path in sources.items() if path is not None}
    rows = {part: _read_rows(path) for part, path in inter.items()}
    named = _read_texts(texts)
    originals, numbers = _read_numbering(numbering) if numbering else (list(named), list(named))
    ids = _original_ids(rows[TEST][ITEM], numbers, originals)
    for part, path in inter.items():
        _check_rows(rows[part], Ids(ids), str(path), str(numbering or texts))
    said = [named.get(original, "") for original in originals]
    items = pl.DataFrame({ITEM: ids, **_columns(said)})
    notes = [f"{said.count('')} items have no text in {texts.name}."] if "" in said else []
    return Parts(items, _events(rows), _requests(rows[VALID]), _requests(rows[TEST]), notes)


def _ending(end: str, files: list[Path], home: Path) -> Path | None:
    return only((path for path in files if plain_name(path).endswith(end)), folder=home, what=end)


def _read_texts(path: Path) -> dict[str, str]:
    header, *lines = read_lines(path)
    if [name.partition(":")[0] for name in header.split("\t")[:2]] != [ITEM, TEXT]:
        raise DataError(
            f"{path}: the first line must be 'item_id:token<tab>text:token_seq', "
            f"not {quoted(header)}"
        )
    pairs = [line.partition("\t") for line in lines]
    _check_unique([name for name, _, _ in pairs], path)
    return {name: text.strip() for name, _, text in pairs}


def _columns(texts: list[str]) -> dict[str, pl.Series]:
    """Title, category and brand, which the format writes as sentences one after the other.

    Where fewer than `MOSTLY` of the texts are three sentences or more, they stay one column.
    """
    parts = [text.rstrip(" .").rsplit(". ", 2) for text in texts]
    whole = [part for part in parts if len(part) == len(SENTENCES)]
    if len(whole) < MOSTLY * len(parts):
        return {TEXT: pl.Series(texts, dtype=pl.String)}
    rows = [
        part if len(part) == len(SENTENCES) else [text, None, None]
        for part, text in zip(parts, texts, strict=True)
    ]
    return {
        name: pl.Series([row[place] for row in rows], dtype=pl.String)
        for place, name in enumerate(SENTENCES)
    }


def _read_numbering(path: Path) -> tuple[list[str], list[str]]:
    """Original ids and numbers, in the order of the numbers."""
    pairs = [line.split("\t") for line in read_lines(path)]
    broken = ["\t".join(pair) for pair in pairs if len(pair) != 2 or not pair[1].isdecimal()]
    if broken:
        raise DataError(f"{path}: not 'item<tab>number': {first_offenders(broken, len(broken))}")
    pairs.sort(key=lambda pair: int(pair[1]))
    originals, numbers = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    _check_unique(originals, path)
    _check_unique(numbers, path)
    return originals, numbers


def _check_unique(names: list[str], path: Path) -> None:
    series = pl.Series(names, dtype=pl.String)
    repeated = series.filter(series.is_duplicated()).unique(maintain_order=True)
    if len(repeated):
        raise DataError(f"{path}: items twice: {first_offenders(repeated, len(repeated))}")


def _read_rows(path: Path) -> pl.DataFrame:
    """`user_id`, `item_id_list` (a list, empty for an empty history), `item_id`."""
    table = read_columns(path, COLUMNS, tabs=True)
    check_filled(table, (USER, ITEM), path)
    return table.with_columns(
        pl.col(LIST).str.extract_all(r"\S+"), pl.col(USER, ITEM).str.strip_chars()
    )


def _original_ids(targets: pl.Series, numbers: list[str], originals: list[str]) -> list[str]:
    """The ids that the rows speak of: the numbers, or in some copies the original ids."""
    if targets.is_in(numbers).all() or not targets.is_in(originals).all():
        return numbers
    return originals


def _check_rows(table: pl.DataFrame, ids: Ids, path: str, source: str) -> None:
    for column, names in ((LIST, table[LIST].explode().drop_nulls()), (ITEM, table[ITEM])):
        check_known(names, ids, where=f"{path}, column {column!r}", source=source)


def _events(rows: dict[str, pl.DataFrame]) -> pl.DataFrame:
    return rebuild(
        (user, Case(part, history, target))
        for part, table in rows.items()
        for user, history, target in table.iter_rows()
    )


def _requests(table: pl.DataFrame) -> Requests:
    return Requests(table[USER].to_list(), table[LIST].to_list(), table[ITEM].to_list())
