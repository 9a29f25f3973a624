"""What every format boils down to: tagged events, and the requests with their answers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

import polars as pl

from palate.core.columns import ITEM, USER

PART: Final = "part"
TRAIN: Final = "train"
VALID: Final = "valid"
TEST: Final = "test"


@dataclass(frozen=True)
class Requests:
    """Who asks, with which history (oldest first), and the one item that came next."""

    users: list[str] = field(default_factory=list)
    histories: list[list[str]] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.users)

    def add(self, user: str, history: list[str], answer: str) -> None:
        self.users.append(user)
        self.histories.append(history)
        self.answers.append(answer)


@dataclass(frozen=True)
class Parts:
    """A benchmark as it was read: the catalogue, all events with their part, the requests."""

    items: pl.DataFrame
    events: pl.DataFrame
    validation: Requests
    test: Requests
    notes: list[str]


@dataclass(frozen=True)
class Case:
    """A published row: after this history (oldest first, perhaps cut) came this item."""

    part: str
    history: list[str]
    target: str


@dataclass(frozen=True)
class Events:
    """The events of all people, person after person, each oldest first."""

    users: list[str] = field(default_factory=list)
    items: list[str] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)

    def add(self, user: str, items: Sequence[str], parts: Sequence[str]) -> None:
        self.users.extend([user] * len(items))
        self.items.extend(items)
        self.parts.extend(parts)

    def table(self) -> pl.DataFrame:
        columns = {USER: self.users, ITEM: self.items, PART: self.parts}
        return pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String))


def rebuild(cases: Iterable[tuple[str, Case]]) -> pl.DataFrame:
    """Every person's events from that person's cases: `user_id`, `item_id`, `part`.

    People stand in the order of their first case.
    """
    by_user: dict[str, dict[str, list[Case]]] = {}
    for user, case in cases:
        by_user.setdefault(user, {}).setdefault(case.part, []).append(case)
    events = Events()
    for user, by_part in by_user.items():
        known = [by_part[part] for part in (TRAIN, VALID, TEST) if part in by_part]
        events.add(user, *stitch([case for group in known for case in in_order(group)]))
    return events.table()


def stitch(cases: Sequence[Case]) -> tuple[list[str], list[str]]:
    """One person's events and their parts, from cases in order of time.

    A target belongs to its case's part. An event that is nobody's target belongs to the part that
    the person had reached: training before any validation or test target.
    """
    items: list[str] = []
    parts: list[str] = []
    for case in cases:
        new = case.history
        if items:
            if not _ends_with(items, case.history) and _holds(items, [*case.history, case.target]):
                continue
            new = case.history[_overlap(items, case.history) :]
        items += [*new, case.target]
        parts += [parts[-1] if parts else TRAIN] * len(new) + [case.part]
    return items, parts


def in_order(cases: list[Case]) -> list[Case]:
    """One person's cases of one part, oldest first: files list them forwards or backwards."""
    for attempt in (cases, cases[::-1]):
        if all(map(_follows, attempt[1:], attempt)):
            return attempt
    return sorted(cases, key=lambda case: len(case.history))


def _follows(later: Case, earlier: Case) -> bool:
    """Whether the history has grown by the earlier target, or has moved on by it, being cut."""
    grown = [*earlier.history, earlier.target]
    return later.history in (grown, grown[1:])


def _ends_with(items: list[str], tail: list[str]) -> bool:
    return not tail or items[-len(tail) :] == tail


def _overlap(items: list[str], history: list[str]) -> int:
    """How much of the head of `history` is the end of `items`."""
    sizes = range(len(history), 0, -1)
    return next((size for size in sizes if items[-size:] == history[:size]), 0)


def _holds(items: list[str], run: list[str]) -> bool:
    starts = range(len(items) - len(run) + 1)
    return any(items[start : start + len(run)] == run for start in starts)
