"""The `sequence` format: one line a person, `user item item …`, oldest first; leave-one-out."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import polars as pl

from palate.core.columns import ITEM
from palate.core.errors import DataError, first_offenders
from palate.core.ids import Ids
from palate.evaluation.published.files import (
    check_known,
    item_table,
    listing,
    missing,
    only,
    place,
    plain_name,
    read_lines,
    read_records,
)
from palate.evaluation.published.parts import TEST, TRAIN, VALID, Events, Parts, Requests

EVALUATED_FROM = 3

EXPECTED = (
    "sequential_data.txt (lines 'user item item …', oldest first)",
    "items.jsonl (objects with item_id, title, categories; without it only ids are known)",
)


def read_sequence(folder: Path) -> Parts:
    """`sequential_data.txt` and, where there is one, `items.jsonl`.

    The last item of a line is the test answer, the one before it the validation answer. People
    with fewer than three events are trained on and never asked, as SASRec's data code does it.
    """
    home, prefix = place(folder)
    files = [path for path in listing(home, prefix) if path.parent == home]
    source = _ending("sequential_data.txt", files, home)
    if source is None:
        raise missing(home, expected=EXPECTED, files=files)
    users = _read_users(source)
    catalogue = _ending("items.jsonl", files, home)
    if catalogue is None:
        there = ", ".join(path.name for path in files)
        notes = [f"No items.jsonl in {home} (found: {there}): items are known by id only."]
        items = pl.DataFrame({ITEM: _numbered(name for line in users.values() for name in line)})
    else:
        notes = []
        items = item_table(*read_records(catalogue), catalogue)
        every = (name for line in users.values() for name in line)
        check_known(every, Ids(items[ITEM]), where=str(source), source=str(catalogue))
    return _parts(users, items, source, notes)


def _ending(name: str, files: list[Path], folder: Path) -> Path | None:
    return only(
        (path for path in files if plain_name(path).endswith(name)), folder=folder, what=name
    )


def _read_users(path: Path) -> dict[str, list[str]]:
    users: dict[str, list[str]] = {}
    repeated: dict[str, None] = {}
    for user, *items in filter(None, map(str.split, read_lines(path))):
        if user in users:
            repeated[user] = None
        users[user] = items
    if repeated:
        raise DataError(
            f"{path}: people with more than one line: {first_offenders(repeated, len(repeated))}; "
            f"a person is one line, oldest item first"
        )
    return users


def _numbered(names: Iterable[str]) -> list[str]:
    """Each id once, in numerical order where all are numbers."""
    unique = list(dict.fromkeys(names))
    return sorted(unique, key=int) if all(map(str.isdecimal, unique)) else sorted(unique)


def _parts(
    users: dict[str, list[str]], items: pl.DataFrame, source: Path, notes: list[str]
) -> Parts:
    events, validation, test = Events(), Requests(), Requests()
    short = 0
    for user, line in users.items():
        if len(line) < EVALUATED_FROM:
            short += 1
            events.add(user, line, [TRAIN] * len(line))
            continue
        events.add(user, line, [TRAIN] * (len(line) - 2) + [VALID, TEST])
        validation.add(user, line[:-2], line[-2])
        test.add(user, line[:-1], line[-1])
    if not len(test):
        raise DataError(f"{source}: nobody has {EVALUATED_FROM} events, so nobody can be asked")
    if short:
        notes.append(
            f"{short} people have fewer than {EVALUATED_FROM} events: trained on, not asked."
        )
    return Parts(items, events.table(), validation, test, notes)
