"""Events that came after a data set was read: by the same rules, in their place among others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from palate.core.columns import EVENT, ITEM, TIME, USER, WEIGHT
from palate.core.dataset import Dataset
from palate.core.errors import ConfigError, DataError, Setting, first_offenders
from palate.core.visible import counted
from palate.data.columns import ROLES, check_given, find_columns
from palate.data.doubts import doubts_about_events
from palate.data.formats.open import Source, Table, open_table
from palate.data.interactions import CHOSEN, first_choices, typed_events
from palate.data.notes import TableNotes
from palate.data.positive import (
    ALL,
    Positive,
    columns_of,
    decide,
    decide_again,
    is_of_scale,
    parse,
)
from palate.data.pseudonyms import later_pseudonyms
from palate.data.weights import weigh, weighted_columns

_LATER = "palate: came later"


@dataclass(frozen=True)
class LaterEvents:
    """A data set with events that came later, how many these are, and whose each of them is.

    `repeats` are those that a rule left out, `unknown` says which were left out because the
    catalogue lacks their items.
    """

    data: Dataset
    added: int
    users: pl.Series
    repeats: int
    unknown: str
    notes: TableNotes


def with_later_events(
    events: Source | Table,
    data: Dataset,
    *,
    columns: Mapping[str, str] | None = None,
    encoding: str = "utf-8",
    time_format: str | None = None,
    positive: Positive | None = None,
    pseudonyms: str | bytes | None = None,
) -> LaterEvents:
    """`data` with events that came later, as if they had been in the table that it was read from.

    Columns are found under the names that they had there, under `columns` (their name → ours) or by
    convention, and are typed alike; which events are choices, what they weigh and what repeats
    count is decided by the rules of `data`, or by `positive`. What was a choice stays one. Ids
    become pseudonyms where those of `data` are, by the key `pseudonyms`. Events
    of items that the catalogue lacks are left out and counted; a table without rows adds none.
    Raises `DataError` for times, weights or columns that are missing where `data` has them.
    """
    later_pseudonyms(data, pseudonyms)  # before anything is read
    table = events
    if not isinstance(table, Table):
        table = open_table(events, what="new events", key=USER, encoding=encoding)
    if not table.collect([pl.len()]).item():  # a day on which nobody came
        nobody, notes = data.interactions[USER].clear(), TableNotes(table.name)
        notes.messages += table.messages
        return LaterEvents(data, 0, nobody, 0, "", notes)
    rule = _rule(data, positive)
    found, kept = _our_columns(table, data, columns or {})
    table, found = _as_rules_call_them(table, found, data, rule)
    arrived, notes, _ = typed_events(
        table,
        found,
        events=data.event_weights if EVENT in found and data.event_weights else None,
        keep=kept,
        form=time_format,
        positive=None if isinstance(rule, str) and is_of_scale(rule) else rule,
        weight=data.weight,
    )
    arrived = later_pseudonyms(data, pseudonyms)(arrived, table.name)
    known = pl.Series(data.item_ids.find(arrived[ITEM]) >= 0)
    unknown = arrived.filter(~known)[ITEM]
    arrived = _like(arrived.filter(known), data.interactions, notes)
    notes.messages += doubts_about_events(arrived, found, before=data.events)
    both = _together(data, arrived)
    both = _with_choices(both, rule, found, notes=notes)
    repeated = 0
    if data.repeats == "once":
        first = first_choices(both, both[CHOSEN].to_numpy())
        repeated, both = int(len(first) - first.sum()), both.filter(pl.Series(first))
        if repeated:
            said = counted(repeated, "event repeats", "events repeat")
            notes.messages.append(f"{said} what their person did: left out")
    if data.weight is not None:
        both = _with_weights(both, data, found, notes)
    chosen = both[CHOSEN].to_numpy()
    everything = data.with_events(both.select(data.interactions.columns), chosen)
    users = both.filter(_LATER)[USER]
    said = _said(unknown, table.name)
    return LaterEvents(everything, len(users), users, repeated, said, notes)


def _said(unknown: pl.Series, source: str) -> str:
    if not len(unknown):
        return ""
    names = unknown.unique(maintain_order=True)
    return (
        f"{source}: left out {counted(len(unknown), 'event')} of {counted(len(names), 'item')}"
        f" that the catalogue lacks: {first_offenders(names, len(names))}"
    )


def _rule(data: Dataset, positive: Positive | None) -> Positive | None:
    """Which events are choices: what is said now, else what was said or found before."""
    if positive is not None or data.positive is None or data.positive == ALL:
        return data.positive if positive is None else positive
    try:
        parse(data.positive)
    except ConfigError as error:
        raise ConfigError(
            "which events are choices was said as a polars expression, which is not kept: say it"
            " again, as ",
            Setting("positive", "rating >= 4"),
        ) from error
    return data.positive


def _as_rules_call_them(
    table: Table, found: Mapping[str, str], data: Dataset, rule: Positive | None
) -> tuple[Table, dict[str, str]]:
    """The table with the names that the rules know, where a column is called otherwise now."""
    asked = {*columns_of(rule), *weighted_columns(data.weight)}
    renamed = {
        found[ours]: theirs
        for theirs, ours in data.event_columns.items()
        if theirs in asked and ours in found and theirs not in table.schema
    }
    if not renamed:
        return table, dict(found)
    frame = table.frame.rename(renamed)
    kinds = {renamed.get(name, name): kind for name, kind in table.kinds.items()}
    now = {ours: renamed.get(theirs, theirs) for ours, theirs in found.items()}
    return replace(table, frame=frame, kinds=kinds), now


def _our_columns(
    table: Table, data: Dataset, given: Mapping[str, str]
) -> tuple[dict[str, str], list[str]]:
    """Ours → theirs of the columns that are typed by what they mean, and those that are kept."""
    names = list(table.schema)
    check_given(given, {"interactions": (table.name, names)})
    stored = data.interactions
    others = [name for name in stored.columns if name not in ROLES["interactions"]]
    remembered = {
        theirs: ours
        for theirs, ours in data.event_columns.items()
        if theirs in names and ours not in given.values() and theirs not in others
    }
    beside = [*data.item_columns, *data.items.columns]
    kept = [name for name in others if name in names]
    found = find_columns("interactions", table.name, names, remembered | dict(given), kept, beside)
    found = {ours: theirs for ours, theirs in found.items() if ours in stored.columns}
    numbers = [name for name in kept if stored[name].dtype.is_numeric()]
    found |= {name: name for name in numbers}
    _check_there(table, found, data)
    return found, [name for name in kept if name not in numbers]


def _check_there(table: Table, found: Mapping[str, str], data: Dataset) -> None:
    """Raises `DataError` for what every event needs and new ones lack."""
    for name, what in ((TIME, "times"), (WEIGHT, "weights")):
        if name not in data.interactions.columns or name in found:
            continue
        if name == WEIGHT and (data.weight is not None or (data.event_weights and EVENT in found)):
            continue
        fix = Setting("columns", {"THEIR NAME": name})
        raise DataError(
            f"{table.name}: no column for {name}, and the events that are there have {what}. Say"
            " which it is: ",
            fix,
        )


def _like(arrived: pl.DataFrame, stored: pl.DataFrame, notes: TableNotes) -> pl.DataFrame:
    """With the types of the stored columns; those that are missing are empty, which is said."""
    for name, kind in stored.schema.items():
        if name not in arrived.columns:
            if name != WEIGHT:
                notes.messages.append(f"no column {name!r}: it is empty in these events")
            continue
        series = arrived[name]
        if series.dtype == kind or (series.dtype.is_numeric() and kind.is_numeric()):
            continue
        try:
            arrived = arrived.with_columns(series.cast(kind))
        except pl.exceptions.PolarsError as error:
            raise DataError(
                f"{notes.source}: column {name!r} holds {series.dtype}, and that of the events that"
                f" are there {kind}: give values of that kind"
            ) from error
    return arrived


def _together(data: Dataset, arrived: pl.DataFrame) -> pl.DataFrame:
    """All events in order of time, those that were there first among equal times."""
    there = data.events.with_columns(
        pl.Series(CHOSEN, data.chosen, dtype=pl.Boolean), pl.lit(False).alias(_LATER)
    )
    arrived = arrived.with_columns(pl.lit(True).alias(_LATER))
    both = pl.concat([there, arrived], how="diagonal_relaxed")
    if TIME not in data.interactions.columns:
        return both
    return both[np.argsort(both[TIME].to_numpy(), kind="stable")]


def _with_choices(
    both: pl.DataFrame,
    rule: Positive | None,
    theirs: Mapping[str, str],
    *,
    notes: TableNotes,
) -> pl.DataFrame:
    """`CHOSEN` of later events by the rule and by their columns of 1 and 0."""
    if isinstance(rule, pl.Expr):
        wanted = decide(both, rule, theirs, source=notes.source).chosen
    else:
        wanted = decide_again(both, rule, theirs, source=notes.source)
    # a column of 1 and 0 has filled `CHOSEN` of later events, where there was one
    found = pl.when(_LATER).then(pl.col(CHOSEN).fill_null(True) & wanted).otherwise(CHOSEN)
    both = both.with_columns(found.alias(CHOSEN))
    later = both.filter(_LATER)[CHOSEN]
    if turned := len(later) - int(later.sum()):
        notes.messages.append(f"{turned:,} of {len(later):,} events count against their item")
    return both


def _with_weights(
    both: pl.DataFrame, data: Dataset, theirs: Mapping[str, str], notes: TableNotes
) -> pl.DataFrame:
    """What later events weigh by the rule of the data; the others weigh what they did."""
    assert data.weight is not None
    names = weighted_columns(data.weight)
    stored = data.interactions.columns
    ours = {other: mine for mine, other in theirs.items()}
    lacking = [n for n in names if ours.get(n, n) not in stored or ours.get(n, n) == WEIGHT]
    if lacking:
        raise DataError(
            f"{notes.source}: ",
            Setting("weight", data.weight, "data"),
            f" is made of {first_offenders(lacking, len(lacking))}, which the events that are there"
            " do not hold any more: fit again with all events",
        )
    before = both[WEIGHT].cast(pl.Float64)
    base = both.with_columns(
        pl.when(_LATER).then(pl.col(WEIGHT)).otherwise(1.0).fill_null(1.0).alias(WEIGHT)
    )
    weighed = weigh(base, data.weight, theirs, source=notes.source).weights
    later = both[_LATER]
    return both.with_columns(weighed.cast(pl.Float64).zip_with(later, before).cast(pl.Float32))
