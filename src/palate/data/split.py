"""The split: what may be learnt from, who asks afterwards, and the sealed answers.

Everywhere: an event's place is its time, and among equal times the order of the table; a request's
history holds what that person did before its answer by that order. The training part keeps the
whole catalogue. Answers are choices; what speaks against an item is cut by the same order, and
stands in the training part and in the histories, where it is known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from numbers import Real
from types import MappingProxyType
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from palate.core.arrays import Mask, Rows
from palate.core.checks import check_count, check_data, check_share
from palate.core.columns import ITEM, TIME, VALUE
from palate.core.dataset import Dataset
from palate.core.doors import door
from palate.core.errors import ConfigError, DataError, Message, Setting, first_offenders
from palate.core.histories import Histories
from palate.core.split import Answers, Split, ValueRequests
from palate.data.formats.open import Source
from palate.data.interactions import first_choices
from palate.data.read import read
from palate.data.times import to_seconds

__all__ = [
    "SPLITS",
    "inner_split",
    "split_by_time",
    "split_cold_items",
    "split_given",
    "split_leave_last_out",
]

TIME_SPLIT = "time"
LAST_OUT = "leave_last_out"
LAST_TWO_OUT = "leave_last_two_out"
COLD_ITEMS = "cold_items"
GIVEN = "given"

_SHARE = 0.2
_TEST_OR_AT = Message.of(Setting("test", section="split"), " or ", Setting("at", section="split"))
_LEAST_DATE = 365 * 86400.0
"""Smaller numbers are an order of events, not dates."""


@door("data", "test", "at")
def split_by_time(
    data: Dataset,
    *,
    test: float | None = None,
    at: float | str | None = None,
    exclude_seen: bool = True,
) -> Split:
    """Learn from the events before a moment; ask about every event from then on.

    The cut is the time of the event at which the last `test` (a share of the events, by default
    0.2) begin, or `at` (seconds since 1970, or an ISO date). Events at exactly that time are all
    asked about, so every training event is earlier than every answer. Histories roll: each event is
    asked with everything that person did before it, also since the cut; somebody new starts with an
    empty one.
    `cold_items` are those without a training event.
    Raises `ConfigError` for `test` and `at` together, `DataError` for events without times, and
    where a side is empty.
    """
    check_cut(test, at)
    data = in_order(data)
    if data.times is None:
        raise DataError(
            _named(TIME_SPLIT),
            " needs times, and these events have none: say which column holds them (",
            Setting("columns", {"THEIR NAME": TIME}, "data"),
            "), or leave each person's last event out with ",
            _named(LAST_OUT),
        )
    times = data.events[TIME].to_numpy()
    moment = moment_of(times, test, at)
    later = times >= moment
    asked = later & data.chosen
    how = describe_cut(moment, times)
    fix = Message.of("choose another ", _TEST_OR_AT)
    check_parts(int((~later & data.chosen).sum()), int(asked.sum()), how=how, fix=fix)
    sequences, usable = Sequences.of(data), np.ones_like(asked)
    histories, sealed = requests(sequences, asked, usable)
    train, others = data.part(~later), _turned_down(sequences, later, usable)
    return Split(TIME_SPLIT, train, histories, sealed, exclude_seen, _untrained(train), others)


def _named(split: str) -> Setting:
    """A split as code calls it, by its function, and as a pipeline file does."""
    return Setting("type", split, "split", python=SPLITS[split].__name__)


def _untrained(train: Dataset) -> Rows:
    return np.flatnonzero(train.event_counts == 0).astype(np.int32)


@door("data", "min_events")
def split_leave_last_out(
    data: Dataset,
    *,
    validation: bool = False,
    min_events: int = 3,
    exclude_seen: bool = True,
) -> Split:
    """Ask about each person's last event, with all that person did before it.

    People with fewer than `min_events` events are learnt from, and not asked. With `validation` the
    last but one is held back from training too: it is in the test's history, as in the published
    protocol, and `inner_split` asks about it. `cold_items` are those without a training event.
    Raises `DataError` where a side is empty.
    """
    held = 2 if validation else 1
    check_count(min_events, "min_events", least=held, section="split")
    data = in_order(data)
    sequences = Sequences.of(data)
    enough = (sequences.choices >= min_events)[sequences.data.user_rows]
    asked = enough & sequences.chosen & (sequences.choices_after == 0)
    trained = ~(enough & (sequences.choices_after < held))
    check_parts(
        int((trained & sequences.chosen).sum()),
        int(asked.sum()),
        how=f"leaving the last {held} out",
        fix=Message.of(
            "choose another ", Setting("min_events", section="split"), f" (now {min_events})"
        ),
    )
    usable = np.ones_like(asked)
    histories, sealed = requests(sequences, asked, usable)
    later = enough & (sequences.choices_after == 0)  # of the test: what came after it, as well
    train, others = data.part(trained), _turned_down(sequences, later, usable)
    name = LAST_TWO_OUT if validation else LAST_OUT
    return Split(name, train, histories, sealed, exclude_seen, _untrained(train), others)


@door("data", "share", "seed")
def split_cold_items(
    data: Dataset, *, share: float = 0.2, seed: int = 0, exclude_seen: bool = True
) -> Split:
    """Hold back every event of a random share of the items, and ask for each of them.

    The items drawn depend on the ids and the seed, not on the order of any table; only items with
    events are drawn. Each held-back event is one request, with that person's training events
    before it, which may be none. `cold_items` are the items drawn: their rows stay in the
    catalogue, with what they say. Raises `DataError` where a side is empty.
    """
    check_share(share, "share", section="split")
    check_count(seed, "seed", section="split")
    data = in_order(data)
    warm = np.flatnonzero(data.item_counts)
    warm = warm[data.item_ids.series.gather(warm).arg_sort().to_numpy()]
    count = max(1, round(share * len(warm)))
    drawn = np.random.default_rng(seed).permutation(warm)[:count]
    held = np.zeros(len(data.item_ids), dtype=np.bool_)
    held[drawn] = True
    sequences = Sequences.of(data)
    away = held[sequences.data.item_rows]
    asked = away & sequences.chosen
    how = f"holding back {count} of {len(warm)} items"
    fix = Message.of("choose another ", Setting("share", section="split"))
    check_parts(int((~away & sequences.chosen).sum()), int(asked.sum()), how=how, fix=fix)
    histories, sealed = requests(sequences, asked, ~away)
    cold_items = np.flatnonzero(held).astype(np.int32)
    train, others = data.part(~away), _turned_down(sequences, away, ~away)
    return Split(COLD_ITEMS, train, histories, sealed, exclude_seen, cold_items, others)


@door()
def split_given(
    train: Dataset | Source,
    test: Dataset | Source,
    items: Source | None = None,
    users: Source | None = None,
    *,
    rolling: bool = True,
    exclude_seen: bool = True,
    **options: Any,
) -> Split:
    """A split that somebody else made, taken at its word: all of `train` comes before `test`.

    Both are data sets, or what `read` takes: `items`, `users` and `options` go to it. Histories
    hold the columns that both have. Every event of `test` is a request, with that person's training
    events and, if `rolling`, the test events before it; otherwise all test events of a person
    answer one request. `cold_items` are those without a training event. Raises `DataError` where a
    side is empty, and where two data sets come with something to be read.
    """
    _check_there_is_a_reader(train, test, {"items": items, "users": users, **options})
    first = _as_data(train, items, users, options)
    same = {name: getattr(first, name) for name in ("positive", "repeats", "weight")}
    by_the_same = {name: value for name, value in same.items() if value is not None}
    second = _as_data(test, items, users, {**by_the_same, **options})
    first, second = _in_one_catalogue(in_order(first), in_order(second))
    check_parts(
        len(first.interactions), len(second.interactions), how="the split", fix="give other tables"
    )
    shared = [name for name in first.interactions.columns if name in second.interactions.columns]
    parts = [part.events.select(shared) for part in (first, second)]
    both = first.with_interactions(pl.concat(parts, how="vertical_relaxed"))
    sequences = Sequences.of(both, np.concatenate([first.chosen, second.chosen]))
    later = np.arange(len(both.interactions)) >= len(first.events)
    asked = later & sequences.chosen
    if first.repeats == "once":  # what `train` holds already is no choice of the first time
        asked &= first_choices(sequences.data.interactions, sequences.chosen)
        check_parts(len(first.events), int(asked.sum()), how="the split", fix="give other tables")
    again = sequences.chosen & ~asked & later if first.repeats == "once" else np.zeros_like(later)
    usable = ~again if rolling else ~later
    histories, sealed = requests(sequences, asked, usable)
    others = _turned_down(sequences, later, usable)
    if not rolling:
        rows, sealed = _grouped(both, asked)
        histories = histories.take(rows)
    return Split(GIVEN, first, histories, sealed, exclude_seen, _untrained(first), others)


def _check_there_is_a_reader(train: Any, test: Any, given: Mapping[str, Any]) -> None:
    ignored = [name for name, value in given.items() if value is not None]
    if ignored and isinstance(train, Dataset) and isinstance(test, Dataset):
        raise DataError(
            f"split_given: both sides are data sets already, so nothing is read with "
            f"{first_offenders(ignored, len(ignored))}: give these to palate.read"
        )


def _as_data(
    part: Dataset | Source,
    items: Source | None,
    users: Source | None,
    options: Mapping[str, Any],
) -> Dataset:
    return part if isinstance(part, Dataset) else read(part, items, users, **options)


def _in_one_catalogue(train: Dataset, test: Dataset) -> tuple[Dataset, Dataset]:
    """Both over the items of `train`, with the items that only `test` has below."""
    if train.item_ids == test.item_ids:
        items = train.items
    else:
        added = test.items.filter(~pl.col(ITEM).is_in(train.items[ITEM].implode()))
        items = pl.concat([train.items, added], how="diagonal_relaxed")
    users = train.users
    if users is not None and test.users is not None:
        joined = pl.concat([users, test.users], how="diagonal_relaxed")
        users = joined.unique(subset=joined.columns[0], keep="first", maintain_order=True)
    return replace(train, items=items, users=users), replace(test, items=items, users=users)


def _grouped(data: Dataset, asked: Mask) -> tuple[Rows, Answers]:
    """The first request of each person, and all of that person's answers."""
    users = data.user_rows[asked]
    _, first, group = np.unique(users, return_index=True, return_inverse=True)
    order = np.argsort(group, kind="stable")
    single = answers(data, asked)
    counts = np.bincount(group, minlength=len(first)).astype(np.int64)
    stops = np.cumsum(counts)
    values = None if single.values is None else single.values[order]
    sealed = Answers(stops - counts, stops, single.items[order], values)
    return first.astype(np.int32), sealed


def inner_split(split: Split, *, seed: int = 1) -> Split:
    """The same kind of cut, once more inside `split.train`: for choosing settings.

    By time the share of the events stays the same, for new items the share of the items, and
    `seed` draws them; leaving out the last two asks about the one that is held back already, a
    given split is cut by time where there are times, and else leaves the last event out.
    """
    if split.name == LAST_TWO_OUT:
        return _validation_of(split)
    has_times = split.train.times is not None
    if split.name == TIME_SPLIT or (split.name == GIVEN and has_times):
        held = int((split.sealed.stops - split.sealed.starts).sum())
        share = held / (held + len(split.train.interactions))
        return split_by_time(split.train, test=share, exclude_seen=split.exclude_seen)
    if split.name == COLD_ITEMS:
        share = len(split.cold_items) / (len(split.cold_items) + len(split.train.warm_items))
        return split_cold_items(
            split.train, share=share, seed=seed, exclude_seen=split.exclude_seen
        )
    return split_leave_last_out(split.train, min_events=2, exclude_seen=split.exclude_seen)


def _validation_of(split: Split) -> Split:
    """The newest event of each history is the validation's answer; training stays the same."""
    asking = split.histories
    newest = asking.newest()
    starts = np.arange(len(newest), dtype=np.int64)
    values = None
    if asking.values is not None and len(asking.values):
        values = asking.values[np.maximum(asking.stops - 1, 0)]
    return Split(
        LAST_OUT,
        split.train,
        asking.without_last(),
        Answers(starts, starts + 1, newest, values),
        split.exclude_seen,
        split.cold_items,
    )


SPLITS: Mapping[str, Callable[..., Split]] = MappingProxyType(
    {
        TIME_SPLIT: split_by_time,
        LAST_OUT: split_leave_last_out,
        COLD_ITEMS: split_cold_items,
        GIVEN: split_given,
    }
)
"""What `type` may name under [split]; all but "given" take a data set and settings."""


def check_cut(test: float | None, at: float | str | None) -> None:
    """Raises `ConfigError` for two cuts, and for what is no share."""
    if test is not None and at is not None:
        raise ConfigError("give ", _TEST_OR_AT, ", not both: each says where the cut is")
    if isinstance(test, Real) and not isinstance(test, bool) and 1 < float(test) < 100:
        raise ConfigError(
            Setting("test", test, "split"),
            f": it must be a share, above 0 and below 1: write {float(test) / 100:g} "
            f"for {float(test):g} %",
        )
    if test is not None:
        check_share(test, "test", section="split")


def moment_of(times: NDArray[np.float64], test: float | None, at: float | str | None) -> float:
    """`at` in seconds, or the time of the event at which the last `test` of the events begin."""
    if at is not None:
        return _seconds(at)
    if not len(times):
        raise DataError("there are no events to split")
    first = len(times) - max(1, round((_SHARE if test is None else test) * len(times)))
    return float(times[first])


def describe_cut(moment: float, times: NDArray[np.float64]) -> str:
    """The cut and the range of the events, as a message says them."""
    if not len(times):
        return f"the cut at {_when(moment)}"
    first, last = _when(float(times[0])), _when(float(times[-1]))
    return f"the cut at {_when(moment)} (the events are from {first} to {last})"


def _when(seconds: float) -> str:
    """A date and time (UTC), or the number where that is too small for one."""
    if abs(seconds) < _LEAST_DATE:
        return f"{seconds:g}"
    moment = str(np.datetime64(int(seconds), "s"))
    return moment.replace("T", " ").removesuffix(" 00:00:00")


def _seconds(at: float | str) -> float:
    try:
        if not isinstance(at, Real | str):
            raise DataError("no number and no text")
        seconds, _ = to_seconds(pl.Series([at]), where="at=")
    except (DataError, UnicodeEncodeError) as error:
        raise DataError(
            Setting("at", at, "split"),
            " is no moment: give seconds since 1970, or ISO 8601 such as '2024-05-06T12:30:00Z'",
        ) from error
    return float(seconds[0])


def in_order(data: Dataset) -> Dataset:
    """The same events by time, ties in the order of the table, as `read` leaves them."""
    check_data(data, what="a split")
    tables = [data.interactions] + ([] if data.against is None else [data.against])
    if data.times is None or all(table[TIME].is_sorted() for table in tables):
        return data
    return data.with_interactions(*(table.sort(TIME, maintain_order=True) for table in tables))


@dataclass(frozen=True)
class Sequences:
    """The events of a data set person by person, each person's oldest first.

    `data` holds all of them as interactions, `chosen` says which are choices. `events[p]` is the
    event at flat position p, `place[e]` the position of event e; `starts` and `counts` hold one
    range a person of `data.user_ids`.
    """

    data: Dataset
    chosen: Mask
    events: NDArray[np.int64]
    place: NDArray[np.int64]
    starts: NDArray[np.int64]
    counts: NDArray[np.int64]

    @classmethod
    def of(cls, data: Dataset, chosen: Mask | None = None) -> Sequences:
        """The sequences of all people of `data`, whose events are in order."""
        chosen = data.chosen if chosen is None else chosen
        data = data.every()
        users = data.user_rows
        events = np.argsort(users, kind="stable")
        place = np.empty_like(events)
        place[events] = np.arange(len(events))
        counts = np.bincount(users, minlength=len(data.user_ids)).astype(np.int64)
        return cls(data, chosen, events, place, np.cumsum(counts) - counts, counts)

    @property
    def choices(self) -> NDArray[np.int64]:
        """How many choices each person made."""
        users = self.data.user_rows[self.chosen]
        return np.bincount(users, minlength=len(self.counts)).astype(np.int64)

    @property
    def choices_after(self) -> NDArray[np.int64]:
        """How many choices that person made after each event."""
        until = np.concatenate([[0], np.cumsum(self.chosen[self.events])]).astype(np.int64)
        users = self.data.user_rows
        last: NDArray[np.int64] = until[(self.starts + self.counts)[users]]
        return last - until[self.place + 1]


def requests(sequences: Sequences, asked: Mask, usable: Mask) -> tuple[Histories, Answers]:
    """One request for each event in `asked`, with that person's `usable` events before it.

    Requests are in the order of the events. The flat arrays hold usable events that some request
    may see, and no others: an answer that nobody sees later is not in them.
    """
    histories = _before(sequences, asked, usable & sequences.chosen)
    if not sequences.chosen.all():
        histories = replace(
            histories, against=_before(sequences, asked, usable & ~sequences.chosen)
        )
    return histories, answers(sequences.data, asked)


def _before(sequences: Sequences, asked: Mask, usable: Mask) -> Histories:
    """The `usable` events before each of the `asked`, of the same person."""
    data = sequences.data
    users = data.user_rows
    last_asked = np.full(len(data.user_ids), -1, dtype=np.int64)
    np.maximum.at(last_asked, users[asked], sequences.place[asked])
    seen = usable & (sequences.place < last_asked[users])
    flat = seen[sequences.events]
    before = np.concatenate([[0], np.cumsum(flat)])
    kept = sequences.events[flat]
    return Histories(
        item_ids=data.item_ids,
        user_ids=data.user_ids.series[users[asked]],
        starts=before[sequences.starts[users[asked]]],
        stops=before[sequences.place[asked]],
        items=data.item_rows[kept],
        weights=data.weights[kept],
        times=None if data.times is None else data.times[kept],
        add_repeats=data.repeats == "each",
        values=None if data.values is None else data.values[kept],
    )


def _turned_down(sequences: Sequences, later: Mask, usable: Mask) -> ValueRequests | None:
    """What was held out and speaks against its item, where it has a value; None where nothing."""
    values = sequences.data.values
    if values is None:
        return None
    asked = later & ~sequences.chosen & np.isfinite(values)
    if not asked.any():
        return None
    return ValueRequests(*requests(sequences, asked, usable))


def answers(data: Dataset, asked: Mask) -> Answers:
    """One answer a request: the item of each event in `asked`, with its value where it has one."""
    items = data.item_rows[asked]
    starts = np.arange(len(items), dtype=np.int64)
    values = None
    if VALUE in data.interactions.columns:
        values = data.interactions[VALUE].to_numpy()[asked].astype(np.float32)
    return Answers(starts=starts, stops=starts + 1, items=items, values=values)


def check_parts(trained: int, asked: int, *, how: str, fix: str | Message) -> None:
    """Both sides of a split need something in them."""
    if not trained:
        raise DataError(f"{how} leaves no event to learn from; ", fix)
    if not asked:
        raise DataError(f"{how} leaves no event to ask about; ", fix)
