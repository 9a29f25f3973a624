"""Tables in: files and frames → one checked `Dataset`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from palate.columns import ITEM, USER
from palate.data._catalogue import catalogue_of, read_catalogue
from palate.data._columns import ROLES, check_given, find_columns
from palate.data._formats import Source, Table, open_table
from palate.data._interactions import match_items, read_interactions
from palate.data._notes import ReadNotes, TableNotes, describe, log_lines
from palate.data._parts import empty_items, text_columns
from palate.errors import DataError, did_you_mean, first_offenders
from palate.types import Dataset

HEAVY = 1000.0
_KEYS = {"interactions": USER, "items": ITEM, "users": USER}


def read(
    interactions: Source,
    items: Source | None = None,
    users: Source | None = None,
    *,
    columns: Mapping[str, str] | None = None,
    events: Mapping[str, float] | None = None,
    drop_unknown: bool = False,
    keep: Sequence[str] = (),
    lists: Mapping[str, str] | None = None,
    encoding: str = "utf-8",
) -> Dataset:
    """Events, and where there are any what the items say and who the people are → `Dataset`.

    A source is a path to .csv, .tsv, .parquet, .jsonl, .json (records, or id → record) or RecBole's
    .inter / .item / .user (text also with .gz), or a polars or pandas frame. Quotes mean something
    in .csv only.

    - `columns`: their name → ours (`user_id`, `item_id`, `timestamp`, `event`, `value`, `text`,
      `weight`, `title`). Others are found by convention (`userId`, `asin`, `ts` …); two that match
      raise. What was taken for what is logged to "palate" at INFO.
    - `events`: event → weight, 0 or more; every event in the data needs one.
    - `drop_unknown`: leave out events whose item the items table lacks, and say how many; by
      default they raise.
    - `keep`: further columns of the events to keep as they are; others are not read.
    - `lists`: column of items or users → the mark between its parts. `genres`, `tags`,
      `categories` and the like are split at "|" without being told.
    - `encoding`: of text files.

    Events are sorted by time; events of the same time keep the order of the file, and without
    times all do. Times in seconds to nanoseconds, ISO 8601 and dates become seconds, value by
    value; small whole numbers are an order, and stay. Ids become text. Without a table of items,
    the catalogue is the items of the events, sorted by id; items without events stay.

    Raises `DataError`, which names the file, the column, the first offenders and the fix.
    """
    data, notes = read_with_notes(
        interactions,
        items,
        users,
        columns=columns,
        events=events,
        drop_unknown=drop_unknown,
        keep=keep,
        lists=lists,
        encoding=encoding,
    )
    log_lines(notes.lines())
    return data


def read_with_notes(
    interactions: Source,
    items: Source | None = None,
    users: Source | None = None,
    *,
    columns: Mapping[str, str] | None = None,
    events: Mapping[str, float] | None = None,
    drop_unknown: bool = False,
    keep: Sequence[str] = (),
    lists: Mapping[str, str] | None = None,
    encoding: str = "utf-8",
) -> tuple[Dataset, ReadNotes]:
    """As `read`, with what was taken for what, dropped and changed."""
    sources = {"interactions": interactions, "items": items, "users": users}
    tables = {
        kind: open_table(source, what=kind, key=_KEYS[kind], encoding=encoding)
        for kind, source in sources.items()
        if source is not None
    }
    found = _find_all(tables, columns or {}, keep, lists or {})
    log, events_notes = read_interactions(
        tables["interactions"], found["interactions"], events=events, keep=keep
    )
    notes, messages = [events_notes], []
    frames = {}
    for kind in ("items", "users"):
        if kind in tables:
            frames[kind], table_notes = read_catalogue(
                tables[kind], found[kind], key=_KEYS[kind], lists=lists or {}
            )
            notes.append(table_notes)
    catalogue = frames.get("items")
    if catalogue is None:
        catalogue = catalogue_of(log)
        messages.append(f"no table of items: the catalogue is the {len(catalogue):,} items touched")
    else:
        log, dropped = match_items(
            log, catalogue, source=events_notes.source, drop_unknown=drop_unknown
        )
        messages += dropped
    data = Dataset(log, catalogue, frames.get("users"))
    return data, ReadNotes(tuple(notes), (*messages, *_remarks(data)))


def _find_all(
    tables: Mapping[str, Table],
    given: Mapping[str, str],
    keep: Sequence[str],
    lists: Mapping[str, str],
) -> dict[str, dict[str, str]]:
    names = {kind: list(table.schema) for kind, table in tables.items()}
    check_given(given, {kind: (tables[kind].name, columns) for kind, columns in names.items()})
    for name in keep:
        if name not in names["interactions"]:
            raise DataError(
                f"{tables['interactions'].name}: no column {name!r} to keep."
                f"{did_you_mean(name, names['interactions'])}"
            )
    described = [name for kind in ("items", "users") for name in names.get(kind, [])]
    for name in lists:
        if name not in described:
            raise DataError(f"lists= names {name!r}.{did_you_mean(name, described)}")
    return {
        kind: find_columns(
            kind, tables[kind].name, columns, given, keep if kind == "interactions" else ()
        )
        for kind, columns in names.items()
    }


def _remarks(data: Dataset) -> list[str]:
    return _remarks_on_items(data.items) + _remarks_on_events(data)


def _remarks_on_items(items: pl.DataFrame) -> list[str]:
    if not text_columns(items):
        return ["the items have no column of text: nothing can be learnt from what they say"]
    silent = empty_items(items)
    if not silent.any():
        return []
    names = first_offenders(items[ITEM].filter(silent), int(silent.sum()))
    return [f"items without any text: {names}"]


def _remarks_on_events(data: Dataset) -> list[str]:
    remarks = []
    people = data.interactions[USER]
    if (people == people[0]).all():
        remarks.append("only one person: nothing can be learnt from what others did")
    if data.times is None:
        remarks.append("no times: the order of the file is the order of the events")
    if (heaviest := float(data.weights.max())) > HEAVY:
        remarks.append(
            f"weights go up to {heaviest:,.0f}; if they are counts, take them as values"
            " (columns={'weight': 'value'}) or clean with normalise={'weight': 'log'}"
        )
    if data.users is not None:
        listed = people.unique().is_in(data.users[USER].implode())
        if not listed.all():
            remarks.append(
                f"{int((~listed).sum()):,} people with events are not in the table of users"
            )
    return remarks


__all__ = [
    "ROLES",
    "ReadNotes",
    "Source",
    "TableNotes",
    "describe",
    "read",
    "read_with_notes",
]
