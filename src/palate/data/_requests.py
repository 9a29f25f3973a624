"""Held-back events → requests with their histories, and the sealed answers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from palate.columns import TIME, VALUE
from palate.data._arguments import check_data
from palate.errors import DataError
from palate.histories import Answers, Histories
from palate.types import Dataset, Mask


def in_order(data: Dataset) -> Dataset:
    """The same events by time, ties in the order of the table, as `read` leaves them."""
    check_data(data, what="a split")
    if data.times is None or bool((np.diff(data.times) >= 0).all()):
        return data
    return data.with_interactions(data.interactions.sort(TIME, maintain_order=True))


@dataclass(frozen=True)
class Sequences:
    """The events of a data set person by person, each person's oldest first.

    `events[p]` is the event at flat position p, `place[e]` the position of event e; `starts` and
    `counts` hold one range a person of `data.user_ids`.
    """

    data: Dataset
    events: NDArray[np.int64]
    place: NDArray[np.int64]
    starts: NDArray[np.int64]
    counts: NDArray[np.int64]

    @classmethod
    def of(cls, data: Dataset) -> Sequences:
        """The sequences of all people of `data`, whose events are in order."""
        people = data.user_rows
        events = np.argsort(people, kind="stable")
        place = np.empty_like(events)
        place[events] = np.arange(len(events))
        counts = np.bincount(people, minlength=len(data.user_ids)).astype(np.int64)
        return cls(data, events, place, np.cumsum(counts) - counts, counts)

    @property
    def from_end(self) -> NDArray[np.int64]:
        """How many events that person did after each event."""
        people = self.data.user_rows
        return (self.starts + self.counts)[people] - 1 - self.place


def requests(sequences: Sequences, asked: Mask, usable: Mask) -> tuple[Histories, Answers]:
    """One request for each event in `asked`, with that person's `usable` events before it.

    Requests are in the order of the events. The flat arrays hold usable events that some request
    may see, and no others: an answer that nobody sees later is not in them.
    """
    data = sequences.data
    people = data.user_rows
    last_asked = np.full(len(data.user_ids), -1, dtype=np.int64)
    np.maximum.at(last_asked, people[asked], sequences.place[asked])
    seen = usable & (sequences.place < last_asked[people])
    flat = seen[sequences.events]
    before = np.concatenate([[0], np.cumsum(flat)])
    kept = sequences.events[flat]
    histories = Histories(
        item_ids=data.item_ids,
        user_ids=data.user_ids.series[people[asked]],
        starts=before[sequences.starts[people[asked]]],
        stops=before[sequences.place[asked]],
        items=data.item_rows[kept],
        weights=data.weights[kept],
        times=None if data.times is None else data.times[kept],
    )
    return histories, answers(data, asked)


def answers(data: Dataset, asked: Mask) -> Answers:
    """One answer a request: the item of each event in `asked`, with its value where it has one."""
    items = data.item_rows[asked]
    starts = np.arange(len(items), dtype=np.int64)
    values = None
    if VALUE in data.interactions.columns:
        values = data.interactions[VALUE].to_numpy()[asked].astype(np.float32)
    return Answers(starts=starts, stops=starts + 1, items=items, values=values)


def check_parts(trained: int, asked: int, *, how: str, fix: str) -> None:
    """Both sides of a split need something in them."""
    if not trained:
        raise DataError(f"{how} leaves no event to learn from; {fix}")
    if not asked:
        raise DataError(f"{how} leaves no event to ask about; {fix}")
