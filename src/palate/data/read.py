"""Tables in: files and frames → one checked `Dataset`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import polars as pl

from palate.core.checks import check_mapping, check_names
from palate.core.columns import ITEM, USER
from palate.core.dataset import REPEATS, Dataset, Repeats
from palate.core.doors import door
from palate.core.errors import (
    ConfigError,
    DataError,
    Message,
    Setting,
    did_you_mean,
    first_offenders,
)
from palate.core.visible import counted, quoted
from palate.data.catalogue import Catalogue, catalogue_of, read_catalogue
from palate.data.columns import (
    check_given,
    find_columns,
    further_values,
    is_statistic,
    is_statistic_of_people,
)
from palate.data.doubts import doubts_about_events
from palate.data.formats.open import (
    LEAVE_OUT,
    Source,
    Table,
    is_utf8_under,
    open_table,
)
from palate.data.formats.text import check_encoding
from palate.data.interactions import CHOSEN, match_items, read_interactions
from palate.data.notes import ReadNotes, TableNotes, log_notes
from palate.data.pseudonyms import check_key, pseudonymised
from palate.data.subset import empty_items, text_columns
from palate.data.times import check_time_format

__all__ = ["read"]

HEAVY = 1000.0

_KEYS = {"interactions": USER, "items": ITEM, "users": USER}


@door(
    "interactions",
    "items",
    "users",
    "columns",
    "events",
    "keep",
    "lists",
    "encoding",
    "time_format",
    "repeats",
    "weight",
    "pseudonyms",
)
def read(
    interactions: Source,
    items: Source | None = None,
    users: Source | None = None,
    *,
    columns: Mapping[str, str] | None = None,
    events: Mapping[str, float] | None = None,
    drop_unknown: bool = False,
    drop_missing: bool = False,
    keep: Sequence[str] = (),
    drop: Sequence[str] = (),
    lists: Mapping[str, str] | None = None,
    encoding: str | Mapping[str, str] = "utf-8",
    time_format: str | None = None,
    positive: str | pl.Expr | None = None,
    repeats: Repeats | None = None,
    weight: str | None = None,
    pseudonyms: str | bytes | None = None,
    tell: Callable[[ReadNotes], object] = log_notes,
) -> Dataset:
    """Events, and where there are any what the items say and who the people are → `Dataset`.

    A source is a polars or pandas frame or a path to .csv, .tsv, .parquet, .jsonl, .json (records,
    or id → record), RecBole's .inter / .item / .user or MovieLens' .dat / u.data / u.item / u.user
    (text also with .gz). Quotes mean something in .csv only.

    - `columns`: their name → ours (`user_id`, `item_id`, `timestamp`, `event`, `value`, `text`,
      `weight`, `title`). Others are found by convention (`userId`, `asin`, `ts` …) or raise. Where
      a text's first line is a row, they are `column_1`, `column_2`, ….
    - `events`: event → weight, 0 or more; every event in the data needs one.
    - `drop_unknown`: leave out events whose item the items table lacks; by default they raise.
    - `drop_missing`: leave out rows without an id, a time or a weight; by default they raise.
    - `keep`: further columns of the events to keep as they are; others are not read.
    - `drop`: columns of items or users to leave out, as those that know the future.
    - `lists`: column of items or users → the mark between its parts. `genres`, `tags`,
      `categories` and the like are split at "|" without being told.
    - `encoding`: of text files; or of each table's, `{"items": "latin-1"}`, others being UTF-8.
    - `time_format`: how times are written, as "%d/%m/%Y", where it is none of the ways below.
    - `positive`: which events are choices, as "rating >= 4" or a polars expression of the events'
      columns (theirs or ours); "all": every event. The others become `Dataset.against`: what speaks
      against an item is not learnt as a choice, and not recommended again. By default ratings below
      the middle of their scale, or clearly below what their person gave so far, and events with
      `label` = 0, are no choices.
    - `repeats`: how often a choice counts that its person made before: "once" leaves all but the
      first out, of answers too, "each" counts it each time everywhere. By default it counts each
      time in what is popular and what follows on what, once in who chose what.
    - `weight`: what an event weighs, a rule over columns of numbers: "log(dwell)", "log(amount)
      per person", "sqrt(plays) * clicks per item". The usual event, by the mean until then, weighs
      1, none more than 10.
    - `pseudonyms`: a key, text or bytes of at least 16 characters. Ids of people then are keyed
      hashes (`palate.pseudonym`), so that a saved model says of nobody who. It is kept nowhere.
    - `tell`: is told what was taken, dropped and changed; by default the logger "palate", at INFO.

    Events are sorted by time; events of the same time keep the order of the file, and without
    times all do. Times in seconds to nanoseconds, ISO 8601 and dates become seconds; small whole
    numbers are an order, and stay. Ids become text. Where `is_click` or the like is 1 or 0, events
    of 0 are left out. Without a table of items, the catalogue is the items of the events, sorted by
    id; items without events stay.
    Raises `DataError`, which names the file, the column, the first offenders and the fix.
    """
    _check_arguments(columns, events, keep, lists, encoding, time_format)
    _check_repeats(repeats)
    check_key(pseudonyms)
    check_names(drop, "drop", section="data")
    sources = {"interactions": interactions, "items": items, "users": users}
    tables = _open_all(sources, encoding, [*(columns or {}), *keep])
    tables = _without(tables, drop)
    found = _find_all(tables, columns or {}, keep, lists or {})
    log, ours = tables["interactions"], found["interactions"]
    happened, notes, rule = read_interactions(
        log,
        ours,
        events=events,
        keep=keep,
        form=time_format,
        drop_missing=drop_missing,
        positive=positive,
        repeats=repeats,
        weight=weight,
    )
    catalogues, others = _read_catalogues(tables, found, lists or {}, drop_missing=drop_missing)
    data, messages = _joined(happened, catalogues, found, notes.source, drop_unknown)
    data = replace(
        data,
        positive=rule,
        repeats=repeats,
        weight=weight,
        event_columns={theirs: mine for mine, theirs in ours.items() if theirs != mine},
        event_weights={str(event): float(number) for event, number in (events or {}).items()},
    )
    said = _remarks(data)
    if pseudonyms is not None:
        data, hidden = pseudonymised(data, pseudonyms)
        said += hidden
    tell(ReadNotes((notes, *others), (*messages, *said)))
    return data


def _check_arguments(
    columns: Any, events: Any, keep: Any, lists: Any, encoding: Any, time_format: Any
) -> None:
    check_mapping(columns, "columns", example={"THEIR NAME": "user_id"}, section="data")
    check_mapping(events, "events", example={"view": 1, "purchase": 5}, section="data")
    check_mapping(lists, "lists", example={"cast": ","}, section="data")
    check_names(keep, "keep", section="data")
    if not isinstance(encoding, str | Mapping):
        given = Setting("encoding", encoding, "data")
        raise ConfigError(given, ": it must be a name such as 'utf-8' or 'latin-1'")
    check_time_format(time_format)
    if isinstance(encoding, Mapping):
        for kind, name in encoding.items():
            if kind not in _KEYS:
                hint = did_you_mean(str(kind), _KEYS)
                raise ConfigError(Setting("encoding", section="data"), f" names {kind!r}.{hint}")
            if not isinstance(name, str):
                given = Setting("encoding", {kind: name}, "data")
                raise ConfigError(given, ": it must be a name, as 'utf-8'")


def _check_repeats(repeats: object) -> None:
    if repeats is None or (isinstance(repeats, str) and repeats in REPEATS):
        return
    hint = did_you_mean(repeats if isinstance(repeats, str) else "", REPEATS)
    raise ConfigError(Setting("repeats", repeats, "data"), f" cannot be used.{hint}")


def _open_all(
    sources: Mapping[str, Source | None],
    encoding: str | Mapping[str, str],
    named: Sequence[str],
) -> dict[str, Table]:
    """The tables there are; one encoding for all of them may be wrong for some."""
    tables = {}
    in_utf8 = set()
    if isinstance(encoding, str):
        check_encoding(encoding)
        in_utf8 = {kind for kind, table in sources.items() if is_utf8_under(table, encoding)}
    for kind, source in sources.items():
        if source is None and kind != "interactions":
            continue
        own = encoding
        fix: Message | None = None
        if isinstance(own, Mapping):
            own = own.get(kind, "utf-8")
        elif others := [other for other in sources if other != kind and sources[other] is not None]:
            each = {
                one: "utf-8" if one == kind or one in in_utf8 else own
                for one in sources
                if one == kind or one in others
            }
            advised = Setting("encoding", each, "data")
            fix = Message.of("Say in which encoding each table is: ", advised)
        else:
            fix = LEAVE_OUT
        tables[kind] = open_table(
            source, what=kind, key=_KEYS[kind], encoding=own, named=named, if_utf8=fix
        )
    return tables


def _without(tables: Mapping[str, Table], drop: Sequence[str]) -> dict[str, Table]:
    """The tables without some columns of items and people; `DataError` where none has it."""
    known = [name for kind in tables if kind != "interactions" for name in tables[kind].schema]
    for name in drop:
        if name not in known:
            raise DataError(
                Setting("drop", section="data"),
                f" names {quoted(name)}, no column of items/users.{did_you_mean(name, known)}",
            )
    return {
        kind: table
        if kind == "interactions"
        else replace(table, frame=table.frame.drop(drop, strict=False))
        for kind, table in tables.items()
    }


def _read_catalogues(
    tables: Mapping[str, Table],
    found: Mapping[str, Mapping[str, str]],
    lists: Mapping[str, str],
    *,
    drop_missing: bool,
) -> tuple[dict[str, Catalogue], list[TableNotes]]:
    """What the items and the people say, where there are such tables."""
    catalogues, notes = {}, []
    for kind in ("items", "users"):
        if kind in tables:
            catalogues[kind], table_notes = read_catalogue(
                tables[kind],
                found[kind],
                key=_KEYS[kind],
                lists=lists,
                drop_missing=drop_missing,
            )
            notes.append(table_notes)
    return catalogues, notes


def _joined(
    happened: pl.DataFrame,
    catalogues: Mapping[str, Catalogue],
    found: Mapping[str, Mapping[str, str]],
    source: str,
    drop_unknown: bool,
) -> tuple[Dataset, list[str]]:
    """One data set, and what had to be done for it."""
    users = catalogues["users"].frame if "users" in catalogues else None
    if "items" not in catalogues:
        items = catalogue_of(happened)
        messages = [
            f"no table of items: the catalogue is the {counted(len(items), 'item')} touched"
        ]
        return _divided(Dataset(happened, items, users)), messages
    catalogue = catalogues["items"]
    happened, messages = match_items(
        happened, catalogue.frame, source=source, drop_unknown=drop_unknown
    )
    names = {theirs: ours for ours, theirs in found["items"].items() if theirs != ours}
    data = Dataset(happened, catalogue.frame, users, item_columns=names, item_lists=catalogue.lists)
    return _divided(data), messages


def _divided(data: Dataset) -> Dataset:
    """The same events, with those that are no choices apart."""
    chosen = data.interactions[CHOSEN].to_numpy()
    if not chosen.any():
        raise DataError("no event of the catalogue's items is a choice")
    return data.with_events(data.interactions.drop(CHOSEN), chosen)


def _find_all(
    tables: Mapping[str, Table],
    given: Mapping[str, str],
    keep: Sequence[str],
    lists: Mapping[str, str],
) -> dict[str, dict[str, str]]:
    names = {kind: list(table.schema) for kind, table in tables.items()}
    check_given(given, {kind: (tables[kind].name, columns) for kind, columns in names.items()})
    for name in keep:
        if name in (USER, ITEM) and name not in given.values():
            raise ConfigError(f"keep= names {name!r}, which is read anyway: leave it out of keep=")
        if name not in names["interactions"]:
            raise DataError(
                f"{tables['interactions'].name}: no column {quoted(name)} to keep."
                f"{did_you_mean(name, names['interactions'])}"
            )
    found = {}
    for kind, columns in names.items():
        kept = keep if kind == "interactions" else ()
        beside = [column for other in names if other != kind for column in names[other]]
        found[kind] = find_columns(kind, tables[kind].name, columns, given, kept, beside)
    ours = found["interactions"]
    further = further_values(names["interactions"], ours, keep)
    found["interactions"] = ours | {name: name for name in further if name not in ours}
    _check_kept(tables["interactions"].name, found["interactions"], keep)
    _check_lists(lists, names, found)
    return found


def _check_kept(name: str, found: Mapping[str, str], keep: Sequence[str]) -> None:
    for kept in keep:
        if kept in found and found[kept] != kept:
            raise DataError(
                f"{name}: {kept!r} cannot be kept, because {found[kept]!r} becomes {kept!r} here:"
                " rename one of them"
            )


def _check_lists(
    lists: Mapping[str, str],
    names: Mapping[str, Sequence[str]],
    found: Mapping[str, Mapping[str, str]],
) -> None:
    kinds = [kind for kind in ("items", "users") if kind in names]
    described = [name for kind in kinds for name in names[kind]]
    for name, mark in lists.items():
        if name not in described:
            raise DataError(
                Setting("lists", section="data"),
                f" names {quoted(name)}, no column of items/users.{did_you_mean(name, described)}",
            )
        if any(found[kind][_KEYS[kind]] == name for kind in kinds):
            raise DataError(
                Setting("lists", section="data"),
                f" names {name!r}, which holds ids: these are no lists",
            )
        if not (isinstance(mark, str) and mark):
            given = Setting("lists", {name: mark}, "data")
            raise ConfigError(given, ": what stands between the parts?")


def _remarks(data: Dataset) -> list[str | Message]:
    return [
        *_doubts_about_statistics(data),
        *_remarks_on_items(data.items),
        *_remarks_on_events(data),
    ]


def _remarks_on_items(items: pl.DataFrame) -> list[str | Message]:
    remarks: list[str | Message] = []
    if not text_columns(items):
        remarks.append("the items have no column of text: nothing can be learnt from what they say")
        return remarks
    silent = empty_items(items)
    if silent.any():
        names = first_offenders(items[ITEM].filter(silent), int(silent.sum()))
        remarks.append(f"items without any text: {names}")
    return remarks


def _doubts_about_statistics(data: Dataset) -> list[str | Message]:
    """What of items and people may have been counted after the events that shall be foretold."""
    doubts: list[str | Message] = []
    for whose, table, is_counted in (
        ("items", data.items, is_statistic),
        ("people", data.users, is_statistic_of_people),
    ):
        kinds = {} if table is None else table.schema
        counted = [name for name, kind in kinds.items() if kind.is_numeric() and is_counted(name)]
        if not counted:
            continue
        columns = "column" if len(counted) == 1 else "columns"
        known = "it was counted over all events, it knows"
        if len(counted) > 1:
            known = "they were counted over all events, they know"
        doubts.append(
            Message.of(
                f"{columns} {', '.join(map(repr, counted))} of the {whose}: if {known} the future,"
                " and what is measured with it is too good; leave it out (",
                Setting("drop", counted, "data"),
                "), or count it up to the cut",
            )
        )
    return doubts


def _remarks_on_events(data: Dataset) -> list[str | Message]:
    remarks: list[str | Message] = []
    users = data.events[USER]
    if (users == users[0]).all():
        remarks.append("only one person: nothing can be learnt from what others did")
    if data.times is None:
        remarks.append("no times: the order of the file is the order of the events")
    named = {ours: theirs for theirs, ours in data.event_columns.items()}
    remarks += doubts_about_events(data.events, named)
    heaviest = float(data.weights.max())
    if not heaviest:
        remarks.append("every event has the weight 0: nothing is learnt from any of them")
    if heaviest > HEAVY:
        remarks.append(
            Message.of(
                f"weights go up to {heaviest:,.0f}; if they are counts, take them as values (",
                Setting("columns", {"weight": "value"}, "data"),
                ") or, in Python, clean with normalise={'weight': 'log'}",
            )
        )
    if data.users is not None:
        listed = users.unique().is_in(data.users[USER].implode())
        if not listed.all():
            others = counted(
                int((~listed).sum()), "person with events is", "people with events are"
            )
            remarks.append(f"{others} not in the table of users")
    return remarks
