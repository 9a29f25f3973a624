"""What the reader and the cleaner did, in words."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from palate.core.columns import EVENT, ITEM, TEXT, USER, VALUE, WEIGHT
from palate.core.dataset import Dataset
from palate.core.errors import Dialect, Message, in_python
from palate.core.visible import bounded, counted, one_line, shorten

LOGGER = logging.getLogger("palate")
DAY = 86400.0


def _on_one_line(record: logging.LogRecord) -> bool:
    """Column names, ids and file names never act on whoever reads the log."""
    record.msg, record.args = bounded(one_line(record.getMessage())), ()
    return True


LOGGER.addFilter(_on_one_line)


@dataclass
class TableNotes:
    """How one table was read: `taken` maps their column name to ours."""

    source: str
    rows: int = 0
    taken: dict[str, str] = field(default_factory=dict)
    ignored: list[str] = field(default_factory=list)
    messages: list[str | Message] = field(default_factory=list)

    def lines(self, dialect: Dialect = in_python) -> list[str]:
        """What was taken for what, what was left, and remarks, which name settings."""
        named = ", ".join(
            f"{shorten(theirs)} → {shorten(ours)}" for theirs, ours in self.taken.items()
        )
        lines = [f"{self.source}: {counted(self.rows, 'row')}; {named}"]
        if self.ignored:
            ignored = [shorten(name) or repr(name) for name in self.ignored]
            lines.append(f"{self.source}: not read: {', '.join(ignored)}")
        said = (Message.of(message).said(dialect) for message in self.messages)
        return lines + [f"{self.source}: {message}" for message in said]


@dataclass(frozen=True)
class ReadNotes:
    """How a data set was read: one entry a table, in the order interactions, items, users."""

    tables: tuple[TableNotes, ...]
    messages: tuple[str | Message, ...] = ()

    def lines(self, dialect: Dialect = in_python) -> list[str]:
        """Table by table, then what concerns them together; `dialect` writes settings."""
        lines = [line for table in self.tables for line in table.lines(dialect)]
        return lines + [Message.of(message).said(dialect) for message in self.messages]

    def __str__(self) -> str:
        return "\n".join(self.lines())


@dataclass(frozen=True)
class Step:
    """What one cleaning step took away or changed."""

    name: str
    events: int = 0
    items: int = 0
    users: int = 0
    values: int = 0

    def line(self) -> str:
        """The step's name and what it removed or changed."""
        removed = [
            counted(count, what)
            for what, count in (
                ("event", self.events),
                ("item", self.items),
                ("person", self.users),
            )
            if count
        ]
        changed = [f"changed {counted(self.values, 'value')}"] if self.values else []
        parts = ([f"removed {', '.join(removed)}"] if removed else []) + changed
        return f"{self.name}: {'; '.join(parts) or 'nothing to do'}"


@dataclass(frozen=True)
class CleanNotes:
    """What `clean` did, step by step, in the order of the steps."""

    steps: tuple[Step, ...]

    def lines(self) -> list[str]:
        """One line a step."""
        return [step.line() for step in self.steps]

    def __str__(self) -> str:
        return "\n".join(self.lines())


def log_notes(notes: ReadNotes | CleanNotes) -> None:
    """Line by line to the logger "palate", at INFO."""
    for line in notes.lines():
        LOGGER.info("%s", line)


def describe(data: Dataset) -> str:
    """A data set in a few lines: sizes, time span, events, values, columns."""
    users = data.events[USER].n_unique()
    interacted = data.events[ITEM].n_unique()
    events = len(data.events)
    against = [] if data.against is None else [_against_line(data.against, events)]
    lines = [
        f"{counted(events, 'event')} of {counted(users, 'person')} with {interacted:,} of "
        f"{counted(len(data.items), 'item')} "
        f"({counted(len(data.items) - interacted, 'item')} nobody touched)",
        f"{events / max(users, 1):.1f} events a person, {events / max(interacted, 1):.1f} an item",
        *against,
        _time_line(data),
        *_event_lines(data.events),
        f"items: {_columns(data.items, ITEM)}",
    ]
    if data.users is not None:
        lines.append(f"people: {counted(len(data.users), 'row')}; {_columns(data.users, USER)}")
    return "\n".join(lines)


def _against_line(against: pl.DataFrame, events: int) -> str:
    return (
        f"against: {len(against):,} of {counted(events, 'event')}, of "
        f"{counted(against[USER].n_unique(), 'person')} about "
        f"{counted(against[ITEM].n_unique(), 'item')}, are no choices"
    )


def _time_line(data: Dataset) -> str:
    if data.times is None:
        return "no times: the order of the events is that of the file"
    if not len(data.times):
        return "no events, no times"
    first, last = float(data.times.min()), float(data.times.max())
    tied = len(data.times) - len(np.unique(data.times))
    if abs(last) < DAY * 365:
        span = f"{first:g} to {last:g} (an order, not dates)"
    else:
        span = f"{date_of(first)} to {date_of(last)}, {(last - first) / DAY:,.1f} days"
    shared = counted(tied, "event shares its", "events share their")
    return f"time: {span}; {shared} time with an earlier one"


def date_of(seconds: float) -> str:
    """The day, as 2024-05-06."""
    return str(pl.Series([seconds * 1e6]).cast(pl.Int64).cast(pl.Datetime("us"))[0])[:10]


def _event_lines(interactions: pl.DataFrame) -> list[str]:
    lines = []
    if EVENT in interactions.columns:
        counts = interactions[EVENT].value_counts(sort=True).rows()
        lines.append(
            "events: " + ", ".join(f"{shorten(str(name))} {count:,}" for name, count in counts[:12])
        )
    for name in (VALUE, WEIGHT):
        if name in interactions.columns and (known := interactions[name].drop_nulls()).len():
            series = known.cast(pl.Float64)
            numbers: Mapping[str, object] = {
                "least": series.min(),
                "mean": series.mean(),
                "most": series.max(),
            }
            lines.append(f"{name}: " + ", ".join(f"{key} {n:.4g}" for key, n in numbers.items()))
    if TEXT in interactions.columns:
        count = interactions[TEXT].drop_nulls().len()
        lines.append(f"text: {counted(count, 'event says', 'events say')} something")
    return lines


def _columns(table: pl.DataFrame, key: str) -> str:
    named = [
        f"{shorten(name)} ({_kind(kind)})" for name, kind in table.schema.items() if name != key
    ]
    return ", ".join(named) or "ids only"


def _kind(kind: pl.DataType) -> str:
    if isinstance(kind, pl.List):
        return "list"
    if kind == pl.String:
        return "text"
    return "number" if kind.is_numeric() else str(kind).lower()
