"""The `minionerec` format: CSV rows of a cut history and the item that came next."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import polars as pl

from palate.core.columns import ITEM, USER
from palate.core.errors import DataError, first_offenders
from palate.core.ids import Ids
from palate.evaluation.published.files import (
    check_filled,
    check_known,
    item_table,
    listing,
    missing,
    only,
    place,
    plain_name,
    read_columns,
    read_text,
)
from palate.evaluation.published.parts import TEST, TRAIN, VALID, Case, Parts, Requests, rebuild

HISTORY = "history_item_id"
COLUMNS = (USER, HISTORY, ITEM)

NO_TRAIN_FILE = (
    "No train file: training events are those found in the histories of the valid and test rows. "
    "Published models were trained on the train file too."
)

EXPECTED = (
    "items.json or PREFIX.item.json (row → title, description, brand)",
    "valid.csv, PREFIX.valid.csv or valid/PREFIX.csv (columns user_id, history_item_id, item_id)",
    "test.csv, PREFIX.test.csv or test/PREFIX.csv (the same columns)",
    "and, if it is there, the train file, named likewise",
)


def read_minionerec(folder: Path) -> Parts:
    """The item file, the valid and test rows and, where there is one, the train rows.

    A row is a request with its history as given. What people did is put together from the
    histories and targets of all rows; without a train file, that is all that is known of training.
    """
    home, prefix = place(folder)
    files = listing(home, prefix)
    catalogue = _item_file(files, home)
    sources = {part: _part_file(part, files, home) for part in (TRAIN, VALID, TEST)}
    if catalogue is None or sources[VALID] is None or sources[TEST] is None:
        raise missing(home, expected=EXPECTED, files=files)
    items = _read_items(catalogue)
    ids = Ids(items[ITEM])
    rows = {
        part: _read_cases(part, path, ids, catalogue)
        for part, path in sources.items()
        if path is not None
    }
    events = rebuild(row for part in rows.values() for row in part)
    notes = [] if TRAIN in rows else [NO_TRAIN_FILE]
    return Parts(items, events, _requests(rows[VALID]), _requests(rows[TEST]), notes)


def _item_file(files: list[Path], home: Path) -> Path | None:
    names = {path: plain_name(path).lower() for path in files}
    found = [path for path, name in names.items() if "item" in name and name.endswith(".json")]
    exact = [path for path in found if re.search(r"(^|[._-])items?\.json$", names[path])]
    return only(exact or found, folder=home, what="the item file")


def _part_file(part: str, files: list[Path], home: Path) -> Path | None:
    """The file of a part: `part.csv`, else in a folder `part/`, else with `part` in its name."""
    tables = [path for path in files if plain_name(path).endswith(".csv")]
    exact = [path for path in tables if plain_name(path) == f"{part}.csv"]
    inside = [path for path in tables if path.parent != home and path.parent.name == part]
    named = [path for path in tables if part in re.split(r"[._-]", plain_name(path).lower())]
    return only(exact or inside or named, folder=home, what=f"the {part} file")


def _read_items(path: Path) -> pl.DataFrame:
    try:
        records = json.loads(read_text(path))
    except ValueError as error:
        raise DataError(f"{path} is not JSON: {error}") from error
    usable = isinstance(records, dict) and all(isinstance(row, dict) for row in records.values())
    if not usable or not records:
        raise DataError(f'{path} must map rows to objects, as {{"0": {{"title": "…"}}, …}}')
    return item_table(list(records), list(records.values()), path)


def _read_cases(part: str, path: Path, ids: Ids, catalogue: Path) -> list[tuple[str, Case]]:
    table = read_columns(path, COLUMNS)
    check_filled(table, COLUMNS, path)
    histories = _histories(table[HISTORY].to_list(), path)
    flat = (name for history in histories for name in history)
    check_known(flat, ids, where=f"{path}, column {HISTORY!r}", source=str(catalogue))
    check_known(table[ITEM], ids, where=f"{path}, column {ITEM!r}", source=str(catalogue))
    return [
        (user, Case(part, history, target))
        for user, history, target in zip(table[USER], histories, table[ITEM], strict=True)
    ]


def _histories(cells: list[str], path: Path) -> list[list[str]]:
    parsed = [_history(cell) for cell in cells]
    broken = [f"row {row}: {cells[row - 1]}" for row, it in enumerate(parsed, 1) if it is None]
    if broken:
        raise DataError(
            f"{path}, column {HISTORY!r}: not a list of items as '[12, 7]': "
            f"{first_offenders(broken, len(broken))}"
        )
    return [history for history in parsed if history is not None]


def _history(cell: str) -> list[str] | None:
    try:
        names: Any = json.loads(cell)
    except ValueError:
        return None
    if not isinstance(names, list):
        return None
    known = all(isinstance(name, int | str) and not isinstance(name, bool) for name in names)
    return [str(name) for name in names] if known else None


def _requests(rows: list[tuple[str, Case]]) -> Requests:
    requests = Requests()
    for user, case in rows:
        requests.add(user, case.history, case.target)
    return requests
