"""The table of events: typed, checked, in order of time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from numbers import Real

import numpy as np
import polars as pl

from palate.core.arrays import Mask
from palate.core.columns import EVENT, ITEM, TEXT, TIME, USER, VALUE, WEIGHT
from palate.core.dataset import REPEATS, Repeats
from palate.core.errors import (
    ConfigError,
    DataError,
    Message,
    Setting,
    did_you_mean,
    first_offenders,
)
from palate.core.ids import Ids
from palate.core.visible import counted
from palate.data.columns import is_flag, is_impression
from palate.data.formats.open import Table
from palate.data.notes import TableNotes
from palate.data.positive import Positive, column_of, columns_of, decide
from palate.data.texts import MISSING, MISSING_NUMBERS, stands_for, without_markup
from palate.data.times import to_seconds
from palate.data.values import (
    LARGEST,
    Places,
    as_ids,
    as_numbers,
    check_left,
    doubts_about_ids,
    without_blank_rows,
    without_gaps,
)
from palate.data.weights import weigh, weighted_columns

_EVENTS = Setting("events", section="data")
_YES = ["1", "1.0", "true", "t", "yes", "y", "是"]
_NO = ["0", "0.0", "false", "f", "no", "n", "否"]
CHOSEN = "palate: chosen"
"""A column of truth values that travels with the events until they are divided by it."""


def read_interactions(
    table: Table,
    found: Mapping[str, str],
    *,
    events: Mapping[str, float] | None,
    keep: Sequence[str] = (),
    form: str | None = None,
    drop_missing: bool = False,
    positive: Positive | None = None,
    repeats: Repeats | None = None,
    weight: str | None = None,
) -> tuple[pl.DataFrame, TableNotes, str | None]:
    """The events in order of time, ties in order of the file; columns that nobody named are left.

    `found` maps our columns to theirs; `form` says how times are written; `drop_missing` leaves out
    rows without an id, a time or a weight. The column `CHOSEN` says which events are choices: those
    that `positive` says, else those that a column of 1 and 0 (`label`) and the scale of the ratings
    leave. Of events that were shown and not clicked (`is_click` = 0) nothing is kept. With
    `repeats` "once" the first of a person, an item and a kind stays; `weight` says what the others
    weigh. The third that comes back is the rule of `positive`. Raises `DataError` for values that
    cannot be used.
    """
    happened, notes, asked = typed_events(
        table,
        found,
        events=events,
        keep=keep,
        form=form,
        drop_missing=drop_missing,
        positive=positive,
        weight=weight,
        choices_needed=True,
    )
    happened, rule = _decided(happened, positive, found, notes=notes)
    happened, told = _repeated(happened, repeats)
    notes.messages += told
    if weight is not None:
        weighed = weigh(happened, weight, found, source=notes.source)
        happened = happened.with_columns(weighed.weights)
        notes.messages += weighed.messages
        happened = happened.select(column.name for column in _ordered(happened.get_columns()))
    return happened.drop(asked), notes, rule


def typed_events(
    table: Table,
    found: Mapping[str, str],
    *,
    events: Mapping[str, float] | None,
    keep: Sequence[str] = (),
    form: str | None = None,
    drop_missing: bool = False,
    positive: Positive | None = None,
    weight: str | None = None,
    choices_needed: bool = False,
) -> tuple[pl.DataFrame, TableNotes, list[str]]:
    """The events with columns of our types, in order of time, before any rule is applied to them.

    As for `read_interactions`; `CHOSEN` is there where a column of 1 and 0 decides. The third that
    comes back are the columns that `positive` and `weight` alone ask for. Unless `choices_needed`
    a day may go by on which nobody chose anything.
    """
    schema = table.schema
    keep = [name for name in dict.fromkeys(keep) if name not in found]
    asked = _asked(positive, weight, [*found, *keep], list(schema), found, table.name)
    notes = _notes(table, found, [*keep, *asked], list(schema))
    wanted = [_read_as(schema[theirs], theirs, ours) for ours, theirs in found.items()]
    flags = [name for name in notes.ignored if is_flag(name) and name not in found]
    flags = flags if positive is None else []
    others = [*keep, *asked, *flags]
    raw = table.collect([*wanted, *[pl.col(name) for name in others if name in schema]])
    raw, place, remarks = without_blank_rows(raw, table, found)
    notes.messages += remarks
    if not len(raw):
        raise DataError(f"{table.name} is empty: it has column names, but no rows")
    if drop_missing:
        raw, place = _without_gaps(raw, place, found, events=events, notes=notes)
        check_left(raw, table)
    found_flags = [raw.drop_in_place(name) for name in flags]
    liked, known = _choices(found_flags, notes, needed=choices_needed)
    columns = {name: raw.drop_in_place(name) for name in raw.columns}
    for ours, theirs in found.items():
        where = f"{table.name}: column {theirs!r}"
        if ours == TIME:
            columns[ours], messages = to_seconds(columns[ours], where=where, place=place, form=form)
            notes.messages += [message.removeprefix(f"{notes.source}: ") for message in messages]
        else:
            columns[ours] = _understood(ours, columns[ours], where=where, place=place, notes=notes)
    if events is not None:
        columns[WEIGHT] = _event_weights(columns, events, place=place, notes=notes)
    if known is not None:
        columns = {name: series.filter(known) for name, series in columns.items()}
    if liked is not None:
        columns[CHOSEN] = liked.alias(CHOSEN)
    notes.rows = len(columns[USER])
    return pl.DataFrame(_in_order(columns)), notes, asked


def first_choices(events: pl.DataFrame, chosen: Mask) -> Mask:
    """(n,) which events are the first of their person with their item: to choose it, or not to."""
    table = events.select(USER, ITEM).with_columns(pl.Series(CHOSEN, chosen))
    first: Mask = table.select(pl.struct(pl.all()).is_first_distinct()).to_series().to_numpy()
    return first


def _repeated(
    events: pl.DataFrame, repeats: Repeats | None
) -> tuple[pl.DataFrame, list[str | Message]]:
    """The events that count, and what is told of those that say again what was said."""
    first = first_choices(events, events[CHOSEN].to_numpy())
    count = int(len(first) - first.sum())
    once, each = (Setting("repeats", how, "data") for how in REPEATS)
    if not count:
        return events, []
    if repeats == "once":
        said = (
            f": {count:,} of {len(first):,} events repeat what their person did, and are left out"
        )
        return events.filter(pl.Series(first)), [Message.of(once, said)]
    if repeats == "each":
        return events, [Message.of(each, f": {count:,} of {len(first):,} events are repeats")]
    said = (
        f"{count:,} of {len(first):,} events repeat what their person did: they count each time in"
        " what is popular and in what follows on what, once in who chose what; "
    )
    return events, [Message.of(said, once, " leaves them out, ", each, " counts all of them")]


def _asked(
    positive: Positive | None,
    weight: str | None,
    read: Sequence[str],
    columns: Sequence[str],
    found: Mapping[str, str],
    source: str,
) -> list[str]:
    """The columns that `positive` and `weight` name and nothing else reads."""
    theirs = dict(found)
    rules = {"positive": columns_of(positive), "weight": weighted_columns(weight)}
    named = [
        column_of(name, [*read, *columns], theirs, source=source, setting=setting)
        for setting, names in rules.items()
        for name in names
    ]
    return [name for name in dict.fromkeys(named) if name not in read]


def _decided(
    events: pl.DataFrame,
    positive: Positive | None,
    found: Mapping[str, str],
    *,
    notes: TableNotes,
) -> tuple[pl.DataFrame, str | None]:
    """The events with which of them are choices, told in the notes."""
    liked = events[CHOSEN] if CHOSEN in events.columns else None
    decision = decide(events, positive, found, source=notes.source)
    notes.messages += decision.messages
    chosen = decision.chosen if liked is None else decision.chosen & liked
    if not chosen.any():
        raise DataError(
            f"{notes.source}: no event is a choice: none is both marked as one and rated so. Say"
            " which are: ",
            Setting("positive", "all", "data"),
            " counts every event",
        )
    return events.with_columns(chosen.alias(CHOSEN)), decision.rule


def _without_gaps(
    raw: pl.DataFrame,
    place: Places,
    found: Mapping[str, str],
    *,
    events: Mapping[str, float] | None,
    notes: TableNotes,
) -> tuple[pl.DataFrame, Places]:
    needed = [name for name in (USER, ITEM, TIME, WEIGHT) if name in found]
    needed += [EVENT] if events is not None and EVENT in found else []
    raw, place, remarks = without_gaps(raw, place, {name: found[name] for name in needed})
    notes.messages += remarks
    return raw, place


def _notes(
    table: Table, found: Mapping[str, str], keep: Sequence[str], columns: Sequence[str]
) -> TableNotes:
    taken = {theirs: ours for ours, theirs in found.items()} | {name: name for name in keep}
    notes = TableNotes(table.name, messages=list(table.messages))
    notes.taken = {name: ours for name, ours in taken.items() if name in columns}
    notes.ignored = [column for column in columns if column not in taken]
    return notes


def _choices(
    flags: Sequence[pl.Series], notes: TableNotes, *, needed: bool
) -> tuple[pl.Series | None, pl.Series | None]:
    """(which events are choices, which stay), where columns of 1 and 0 say so; None: all.

    With several, as clicks beside purchases, one 1 is enough. The first is of those that stay:
    what was shown and not clicked was not turned down, and goes; so does an event of which none
    of them says anything.
    """
    read = {flag.name: yes for flag in flags if (yes := _yes_or_no(flag)) is not None}
    notes.messages += [_no_flag(flag) for flag in flags if flag.name not in read]
    if not read:
        return None, None
    notes.ignored = [name for name in notes.ignored if name not in read]
    chosen = pl.DataFrame(list(read.values())).select(pl.any_horizontal(pl.all())).to_series()
    names = " and ".join(repr(name) for name in read)
    every = Setting("positive", "all", "data")
    if needed and not chosen.any():
        raise DataError(
            f"{notes.source}: {names} is 0 in every row, so that no event is a choice. If it means"
            " something else, say so: ",
            every,
            " lets all rows count",
        )
    shown = all(is_impression(name) for name in read)
    silent = chosen.is_null()
    if silent.any():
        notes.messages.append(
            f"left out {counted(int(silent.sum()), 'row')} where {names} says nothing"
        )
    if left := int((~chosen).sum()):
        what = (
            f"left out {counted(left, 'row')} where {names} is 0: no choices"
            if shown
            else f"{counted(left, 'event')} where {names} is 0 count against their item, not as"
            " choices"
        )
        otherwise = f"{what}. If it means something else, "
        notes.messages.append(Message.of(otherwise, every, " lets all rows count"))
    if shown:
        return None, chosen.fill_null(False)
    return chosen.drop_nulls(), ~silent if silent.any() else None


def _yes_or_no(flag: pl.Series) -> pl.Series | None:
    """Truth values of a column of nothing but 1 and 0 or words for them, null where it is silent.

    None for a column of anything else.
    """
    texts = _plain_words(flag)
    if texts is None:
        return None
    yes = texts.is_in(_YES)
    known = yes | texts.is_in(_NO)
    return yes.alias(flag.name) if known.any() and known.all() else None


def _plain_words(flag: pl.Series) -> pl.Series | None:
    """In lower case, null for what stands for nothing; None where it cannot be written so."""
    if flag.dtype.is_nested() or flag.dtype in (pl.Object, pl.Binary, pl.Duration):
        return None
    texts = flag.cast(pl.String).str.strip_chars().str.to_lowercase()
    return texts.set(stands_for(texts, MISSING | MISSING_NUMBERS), None)


def _no_flag(flag: pl.Series) -> Message:
    """What is said of a column that is called like one of 1 and 0 and holds something else."""
    texts = _plain_words(flag)
    said = f"holds {flag.dtype}" if texts is None else "holds nothing"
    if texts is not None and len(other := texts.filter(~texts.is_in([*_YES, *_NO])).drop_nulls()):
        said = f"holds {first_offenders(other.unique(maintain_order=True), other.n_unique())}"
    return Message.of(
        f"column {flag.name!r} {said}, and not 1 and 0 alone, so it does not say which events are"
        " choices. If it does, say how: ",
        Setting("positive", f"{flag.name} >= 1", "data"),
    )


def _read_as(kind: pl.DataType, theirs: str, ours: str) -> pl.Expr:
    """Whole-number ids become text while the table is read, not in a second copy."""
    column = pl.col(theirs).alias(ours)
    return column.cast(pl.String) if ours in (USER, ITEM) and kind.is_integer() else column


def _understood(
    ours: str, series: pl.Series, *, where: str, place: Places, notes: TableNotes
) -> pl.Series:
    if ours in (USER, ITEM):
        ids = as_ids(series, where=where, place=place)
        notes.messages += doubts_about_ids(ids, where=where.removeprefix(f"{notes.source}: "))
        return ids.alias(ours)
    if ours not in (EVENT, TEXT):
        series = as_numbers(series, where=where, place=place)
    elif series.dtype.is_nested() or series.dtype == pl.Object:
        raise DataError(f"{where} holds {series.dtype}; it must hold text")
    else:
        series = series.cast(pl.String)
    if ours == TEXT:
        series, count = without_markup(series)
        if count:
            notes.messages.append(f"column {ours!r}: HTML in {counted(count, 'row')}, decoded")
    if missing := series.null_count():
        if ours == WEIGHT:
            raise DataError(f"{where} is missing in {place(series.is_null())}; fill it")
        notes.messages.append(f"column {ours!r}: missing in {counted(missing, 'row')}")
    return (
        _checked_weights(series, where=where, place=place) if ours == WEIGHT else series.alias(ours)
    )


def _checked_weights(weights: pl.Series, *, where: str, place: Places) -> pl.Series:
    negative = weights < 0
    if negative.any():
        shown = first_offenders(weights.filter(negative)[:3], int(negative.sum()))
        raise DataError(f"{where} must be 0 or more, but {place(negative)} hold {shown}")
    return weights.cast(pl.Float32).alias(WEIGHT)


def _event_weights(
    columns: Mapping[str, pl.Series],
    events: Mapping[str, float],
    *,
    place: Places,
    notes: TableNotes,
) -> pl.Series:
    name = notes.source
    events = {str(event): weight for event, weight in events.items()}
    for event, weight in events.items():
        if not (isinstance(weight, Real) and 0 <= weight <= LARGEST):
            raise ConfigError(
                f"events: the weight of {event!r} is {weight!r}; it must be a number, 0 or more"
            )
    if EVENT not in columns:
        raise DataError(
            f"{name}: ",
            _EVENTS,
            " gives weights, but no column holds events. Say which it is: ",
            Setting("columns", {"THEIR NAME": EVENT}, "data"),
        )
    if WEIGHT in columns:
        raise DataError(
            f"{name}: both ",
            _EVENTS,
            f" and the column {WEIGHT!r} give weights; leave one of them out",
        )
    series = columns[EVENT]
    if series.null_count():
        raise DataError(f"{name}: the event is missing in {place(series.is_null())}; fill it")
    names = series.unique(maintain_order=True)
    if unknown := [event for event in names if event not in events]:
        raise DataError(
            f"{name}: ",
            _EVENTS,
            f" has no weight for {first_offenders(unknown, len(unknown))}."
            f"{did_you_mean(unknown[0], events)} Give each a weight; 0 keeps it from counting.",
        )
    if unused := [event for event in events if event not in set(names)]:
        names_unused = f" names {', '.join(unused)}, which the table never holds"
        notes.messages.append(Message.of(_EVENTS, names_unused))
    weights = [float(weight) for weight in events.values()]
    return series.replace_strict(list(events), weights, return_dtype=pl.Float32).alias(WEIGHT)


def _in_order(columns: dict[str, pl.Series]) -> list[pl.Series]:
    """All columns by time, ties as they were; column by column, to hold one spare copy only."""
    if TIME in columns and not columns[TIME].is_sorted():
        order = pl.Series(np.argsort(columns[TIME].to_numpy(), kind="stable"))
        for name in list(columns):
            columns[name] = columns[name].gather(order)
    return _ordered(columns.values())


def _ordered(columns: Iterable[pl.Series]) -> list[pl.Series]:
    """Ours first, in one order, then the others as they were."""
    return sorted(columns, key=lambda column: _place(column.name))


def _place(name: str) -> int:
    names = (USER, ITEM, TIME, EVENT, VALUE, WEIGHT, TEXT)
    return names.index(name) if name in names else len(names)


def match_items(
    interactions: pl.DataFrame, items: pl.DataFrame, *, source: str, drop_unknown: bool
) -> tuple[pl.DataFrame, list[str]]:
    """The events whose items are in the catalogue; others raise, or are dropped and counted."""
    catalogue = Ids(items[ITEM])
    interacted = interactions[ITEM].unique()
    unknown = interacted.filter(pl.Series(catalogue.find(interacted) < 0)).sort()
    if not len(unknown):
        return interactions, []
    known = pl.Series(catalogue.find(interactions[ITEM]) >= 0)
    events = len(interactions) - int(known.sum())
    if drop_unknown and known.any():
        names = first_offenders(unknown, len(unknown))
        return interactions.filter(known), [
            f"dropped {counted(events, 'event')} of {counted(len(unknown), 'item')} not in the"
            f" catalogue: {names}"
        ]
    examples = first_offenders(catalogue.series[:3], min(3, len(catalogue)))
    raise DataError(
        f"{source}: {counted(events, 'event names', 'events name')} items that the items table"
        f" lacks: {first_offenders(unknown, len(unknown))}. Its ids look like {examples}."
        f"{_other_spelling(unknown, catalogue.series)}"
        " Add these items, or leave the events out with ",
        Setting("drop_unknown", True, "data"),
        ".",
    )


_SPELLINGS = {
    "without '.0' at the end": pl.col("id").str.replace(r"\.0+$", ""),
    "without spaces around them": pl.col("id").str.strip_chars(),
    "without leading zeros": pl.col("id").str.strip_chars_start("0"),
    "with an accent and its letter as one (NFC)": pl.col("id").str.normalize("NFC"),
    "with letters of the usual width (NFKC)": pl.col("id").str.normalize("NFKC"),
    "in lower case": pl.col("id").str.to_lowercase(),
}


def _other_spelling(unknown: pl.Series, known: pl.Series) -> str:
    """A hint where the ids of the two tables differ in their spelling only."""
    for how, plain in _SPELLINGS.items():
        spelt, wanted = (
            ids.alias("id").to_frame().select(plain).to_series() for ids in (unknown, known)
        )
        same = int(spelt.is_in(wanted.implode()).sum())
        if 2 * same >= len(unknown):
            return f" {same:,} of them would be known {how}: spell ids in one way in both tables."
    return ""
