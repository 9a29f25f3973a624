"""Who is asking: ragged histories of catalogue rows, oldest first."""

from __future__ import annotations

import reprlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from palate.core.arrays import Floats, Mask, Matrix, Rows, chosen_rows, row_norms, scale_rows
from palate.core.columns import ITEM, TIME, USER, WEIGHT
from palate.core.dataset import Dataset
from palate.core.doors import called_rightly_in, door
from palate.core.errors import AlignmentError, DataError
from palate.core.features import Features
from palate.core.forks import check_process
from palate.core.ids import Ids
from palate.core.visible import counted, visible


def ragged_positions(
    starts: NDArray[np.int64], stops: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(row, position) of every element of the ranges `starts[i]:stops[i]`."""
    lengths = stops - starts
    row = np.repeat(np.arange(len(starts)), lengths)
    offset = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return row, starts[row] + offset


def _is_flat(column: object) -> bool:
    return len(getattr(column, "shape", ())) == 1


@called_rightly_in
@dataclass(frozen=True, eq=False)
class Histories:
    """One row a request: what that person did so far, as ranges of shared flat arrays.

    Row `i` is `items[starts[i]:stops[i]]`, oldest first; many rows may share the flat arrays, so
    the rolling histories of one person cost one sequence. `queries` holds, for a block name, what
    people say in words as vectors in that block's space, (n, d), zeros for somebody silent; `texts`
    are the words themselves, null for the silent, by which a pipeline searches.
    `against` holds, one row a request, what that person turned down so far: it is not recommended
    to them again, and no choice.
    `users` holds what is known about who asks: block name → (n, d), zeros for a stranger.
    `allowed` are the catalogue rows that may be recommended to them, in rising order (None: all):
    who chooses candidates chooses among these.
    With `add_repeats` what somebody chose again counts each time, else its newest time only.
    `values` are what people gave (ratings, minutes), beside `items`, NaN where nobody knows.
    """

    item_ids: Ids
    user_ids: pl.Series
    starts: NDArray[np.int64]
    stops: NDArray[np.int64]
    items: Rows
    weights: Floats
    times: NDArray[np.float64] | None = None
    queries: Mapping[str, Floats] = field(default_factory=dict)
    against: Histories | None = None
    users: Mapping[str, Matrix] = field(default_factory=dict)
    allowed: Rows | None = None
    texts: pl.Series | None = None
    add_repeats: bool = False
    values: Floats | None = None

    def __post_init__(self) -> None:
        check_process()
        if not all(map(_is_flat, (self.user_ids, self.starts, self.stops, self.items))):
            raise DataError(
                "histories are columns: user ids, starts, stops and items of one dimension each; "
                "model.histories(...) makes them of people, of item ids and of words"
            )
        if not len(self.user_ids) == len(self.starts) == len(self.stops):
            raise AlignmentError("histories need one user id, start and stop a row")
        if self.values is not None and np.shape(self.values) != np.shape(self.items):
            raise AlignmentError("histories need one value an item; NaN where none is known")
        if not isinstance(self.against, Histories | None):
            raise DataError(
                f"against must be Histories, one row a request, not {reprlib.repr(self.against)}"
            )
        if self.against is not None and len(self.against) != len(self):
            raise AlignmentError("what speaks against items needs one row a request")

    def __len__(self) -> int:
        return len(self.starts)

    def __repr__(self) -> str:
        more = []
        if isinstance(self.texts, pl.Series):  # which nobody has looked at yet
            more.append(f"{len(self.texts) - self.texts.null_count():,} with words")
        if isinstance(self.users, Mapping) and self.users:
            more.append(f"known of who asks: {', '.join(visible(str(one)) for one in self.users)}")
        people = counted(pl.Series(self.user_ids).n_unique(), "person")
        return "; ".join([f"Histories({counted(len(self), 'request')} of {people}", *more]) + ")"

    @property
    def lengths(self) -> NDArray[np.int64]:
        """How many events each request holds."""
        return self.stops - self.starts

    def take(self, rows: slice | NDArray[Any]) -> Histories:
        """Some of the requests; the flat arrays are shared, not copied."""
        index = chosen_rows(rows, len(self))
        return replace(
            self,
            user_ids=self.user_ids[index],
            starts=self.starts[index],
            stops=self.stops[index],
            queries={name: vectors[index] for name, vectors in self.queries.items()},
            against=None if self.against is None else self.against.take(index),
            users={name: vectors[index] for name, vectors in self.users.items()},
            texts=None if self.texts is None else self.texts[index],
        )

    @property
    def has_profile(self) -> Mask:
        """(n,) about whom something is known beside what they did."""
        found = np.zeros(len(self), dtype=np.bool_)
        for part in self.users.values():
            found |= row_norms(part) > 0
        return found

    def with_users(self, features: Features | None) -> Histories:
        """The same requests with the features of who asks, found by id: zeros for strangers."""
        if features is None:
            return replace(self, users={})
        rows = features.ids.find(self.user_ids)
        known = (rows >= 0).astype(np.float32)
        rows = np.maximum(rows, 0)
        parts = {name: scale_rows(part[rows], known) for name, part in features.parts.items()}
        return replace(self, users=parts)

    @door()
    def last(self, length: int) -> Histories:
        """The newest `length` events of each row; `DataError` for fewer than none."""
        _check_count(length, "length")
        return replace(self, starts=np.maximum(self.starts, self.stops - length))

    @door()
    def without_last(self, count: int = 1) -> Histories:
        """All but the newest `count` events of each row; `DataError` for fewer than none."""
        _check_count(count, "count")
        return self.first(np.maximum(self.lengths - count, 0))

    def first(self, lengths: NDArray[np.int64]) -> Histories:
        """The oldest `lengths` events of each row, and what was turned down before the next one.

        Without times nobody knows what that was: of rows that lose an event nothing of it is kept.
        """
        stops = self.starts + np.minimum(self.lengths, lengths)
        cut = replace(self, stops=stops)
        if self.against is None:
            return cut
        turned, shorter = self.against, stops < self.stops
        row, position = ragged_positions(turned.starts, turned.stops)
        early = ~shorter[row]
        if self.times is not None and turned.times is not None and len(self.times):
            limit = self.times[np.minimum(stops, len(self.times) - 1)]
            early |= turned.times[position] < limit[row]
        kept = turned.starts + np.bincount(row[early], minlength=len(self))
        return replace(cut, against=replace(turned, stops=kept))

    @door()
    def row(self, row: int) -> Rows:
        """The catalogue rows of one request, oldest first; `DataError` for none of these."""
        if not -len(self) <= row < len(self):
            raise DataError(f"there is no row {row} of {len(self)} histories")
        return self.items[self.starts[row] : self.stops[row]]

    @door()
    def newest(self, back: int = 1) -> Rows:
        """The row of the `back`-th newest event of each request; -1 where there is none."""
        _check_count(back, "back", least=1)
        position = self.stops - back
        known = position >= self.starts
        if not len(self.items):
            return np.full(len(self), -1, dtype=np.int32)
        return np.where(known, self.items[np.where(known, position, 0)], -1).astype(np.int32)

    @door()
    def matrix(
        self, *, decay: float = 1.0, length: int | None = None, weighted: bool = True
    ) -> sparse.csr_array:
        """(n, n_items) weights: decay^k for the k-th newest event, times its event's weight.

        An item that occurs again counts as its newest occurrence only; with `add_repeats` its
        occurrences add up.
        """
        recent = self if length is None else self.last(length)
        row, position = ragged_positions(recent.starts, recent.stops)
        age = (recent.stops[row] - 1 - position).astype(np.float64)
        value = (decay**age).astype(np.float32)
        if weighted:
            value = value * self.weights[position]
        column = self.items[position]
        shape = (len(self), len(self.item_ids))
        if self.add_repeats:
            return sparse.coo_array((value, (row, column)), shape=shape).tocsr()
        # events are oldest first: the first of the reversed keys is the newest occurrence
        key = row.astype(np.int64) * len(self.item_ids) + column
        _, newest = np.unique(key[::-1], return_index=True)
        newest = len(key) - 1 - newest
        counts = np.bincount(row[newest], minlength=len(self))
        indptr = np.concatenate([[0], np.cumsum(counts)])
        return sparse.csr_array((value[newest], column[newest], indptr), shape=shape)

    def chosen(self) -> sparse.csr_array:
        """(n, n_items) ones where a person chose an item."""
        matrix = self.matrix(weighted=False)
        matrix.data[:] = 1.0
        return matrix

    def strengths(self) -> sparse.csr_array:
        """(n, n_items) how strongly a person chose an item: the root of what its events weigh.

        Ones where no event has a weight of its own and repeats do not add up. Products of two are
        geometric means of weights, and a row's squares add up to its weights.
        """
        matrix = self.matrix()
        matrix.data = np.sqrt(matrix.data)
        matrix.eliminate_zeros()
        return matrix

    def seen(self) -> sparse.csr_array:
        """(n, n_items) ones where a person touched an item: chose it or turned it down."""
        if self.against is None:
            return self.chosen()
        both = sparse.csr_array(self.chosen() + self.against.chosen())
        both.data[:] = 1.0
        return both

    def every(self) -> Histories:
        """The same requests with what they turned down among their events, in order of time.

        Among equal times, and where there are none, choices come first.
        """
        if self.against is None:
            return self
        parts = (self, self.against)
        rows, positions = zip(*(ragged_positions(p.starts, p.stops) for p in parts), strict=True)
        pairs = list(zip(parts, positions, strict=True))
        row = np.concatenate(rows)
        times = None
        keys = [row]
        if self.times is not None and self.against.times is not None:
            times = np.concatenate([p.times[at] for p, at in pairs if p.times is not None])
            keys.insert(0, times)
        order = np.lexsort(keys)
        stops = np.cumsum(np.bincount(row, minlength=len(self)))
        values = None
        if any(part.values is not None for part in parts):
            values = np.concatenate([_values_at(part, at) for part, at in pairs])[order]
        return replace(
            self,
            starts=stops - self.lengths - self.against.lengths,
            stops=stops,
            items=np.concatenate([part.items[at] for part, at in pairs])[order],
            weights=np.concatenate([part.weights[at] for part, at in pairs])[order],
            times=None if times is None else times[order],
            against=None,
            values=values,
        )

    @door()
    def in_catalogue(self, item_ids: Ids) -> Histories:
        """The same requests over their own catalogue, or over one that has grown at its end.

        Raises `AlignmentError` for a catalogue of other items, or of the same in another order.
        """
        if item_ids is self.item_ids:
            return self
        if len(item_ids) < len(self.item_ids):
            raise AlignmentError("the new catalogue is smaller than that of the histories")
        if not item_ids.starts_with(self.item_ids):
            ours, theirs = self.item_ids.series, item_ids.series.head(len(self.item_ids))
            row = int((ours != theirs).arg_max() or 0)
            raise AlignmentError(
                f"these histories belong to another catalogue: its row {row} is {ours[row]!r}, "
                f"here that is {theirs[row]!r}; make them from the ids of this one"
            )
        against = None if self.against is None else self.against.in_catalogue(item_ids)
        return replace(self, item_ids=item_ids, against=against)

    def compact(self) -> Histories:
        """The same requests over arrays that hold their own ranges and nothing else."""
        _, position = ragged_positions(self.starts, self.stops)
        stops = np.cumsum(self.lengths)
        return replace(
            self,
            starts=stops - self.lengths,
            stops=stops,
            items=self.items[position],
            weights=self.weights[position],
            times=None if self.times is None else self.times[position],
            against=None if self.against is None else self.against.compact(),
            values=None if self.values is None else self.values[position],
        )

    @door()
    def renumbered(self, item_ids: Ids, places: Rows) -> Histories:
        """The same requests over the same items in another order: row i is now row `places[i]`."""
        if np.shape(places) != (len(self.item_ids),) or places.dtype.kind not in "iu":
            raise DataError(f"places must be one row for each of {len(self.item_ids)} items")
        whole = self if self.lengths.sum() >= len(self.items) else self.compact()
        allowed = None if self.allowed is None else np.sort(places[self.allowed])
        against = None if self.against is None else self.against.renumbered(item_ids, places)
        return replace(
            whole,
            item_ids=item_ids,
            items=places[whole.items],
            against=against,
            allowed=allowed,
        )


def turned_down_before(
    histories: Histories, rows: NDArray[np.integer[Any]], moments: NDArray[np.float64]
) -> Histories | None:
    """What the people of some rows had turned down before a moment each; None where nobody knows.

    One row a moment; the flat arrays are shared.
    """
    against = histories.against
    if against is None or against.times is None:
        return None
    row, position = ragged_positions(against.starts, against.stops)
    known = np.unique(against.times[position])
    # all times of a row lie between its number and the next one's
    keys = row * (len(known) + 1) + np.searchsorted(known, against.times[position])
    asked = rows * (len(known) + 1) + np.searchsorted(known, moments)
    before = np.searchsorted(keys, asked) - np.searchsorted(row, rows)
    found = against.take(rows)
    return replace(found, stops=found.starts + before)


def _values_at(histories: Histories, position: NDArray[np.int64]) -> Floats:
    if histories.values is None:
        return np.full(len(position), np.nan, dtype=np.float32)
    return histories.values[position]


def _check_count(value: int, name: str, *, least: int = 0) -> None:
    if value < least:
        raise DataError(f"{name} = {value}: give {least} or more")


@door()
def histories_of(data: Dataset) -> Histories:
    """One row for each person of `data.user_ids`, with everything that person did."""
    chosen = _person_by_person(data, data, data.user_rows)
    if data.against is None:
        return chosen
    turned = data.with_interactions(data.against)
    users = data.user_ids.rows(data.against[USER])
    return replace(chosen, against=_person_by_person(data, turned, users))


def _person_by_person(people: Dataset, data: Dataset, users: Rows) -> Histories:
    order = np.argsort(users, kind="stable")
    counts = np.bincount(users, minlength=len(people.user_ids))
    stops = np.cumsum(counts)
    return Histories(
        item_ids=people.item_ids,
        user_ids=people.user_ids.series,
        starts=stops - counts,
        stops=stops,
        items=data.item_rows[order],
        weights=data.weights[order],
        times=None if data.times is None else data.times[order],
        add_repeats=people.repeats == "each",
        values=None if data.values is None else data.values[order],
    )


def dataset_of(histories: Histories, data: Dataset) -> Dataset:
    """The catalogue of `data` with what these histories hold as its only interactions.

    Events, values and texts come along where these are histories of `data`.
    """
    against = None
    if histories.against is not None and data.against is not None:
        turned = data.with_interactions(data.against)
        against = dataset_of(histories.against, turned).interactions
    row, position = ragged_positions(histories.starts, histories.stops)
    columns: dict[str, Any] = {
        USER: histories.user_ids[row],
        ITEM: histories.item_ids.series[histories.items[position]],
        WEIGHT: histories.weights[position],
    }
    if histories.times is not None:
        columns[TIME] = histories.times[position]
    others = [name for name in data.interactions.columns if name not in (*columns, TIME)]
    source = _event_rows(histories, data) if others else None
    if source is not None:
        columns |= data.interactions[source[position]].select(others).to_dict()
    events = pl.DataFrame(columns)
    if against is not None:
        shared = [name for name in events.columns if name in against.columns]
        return data.with_interactions(events.select(shared), against.select(shared))
    return data.with_interactions(events)


def event_rows(histories: Histories, data: Dataset) -> NDArray[np.int64]:
    """The row in `data.interactions` of every entry of `histories.items` that a range holds.

    Raises `AlignmentError` unless these are histories of `data`: ranges of those of `histories_of`,
    or each person's first events, as in a split, with or without those of some items.
    """
    source = _event_rows(histories, data)
    if source is None:
        raise AlignmentError(
            "these histories hold other events than the data set: give the one that they were "
            "made from (for the histories of a split, the data that were cut)"
        )
    return source


def _event_rows(histories: Histories, data: Dataset) -> NDArray[np.int64] | None:
    """As `event_rows`, 0 for entries in no range; None where the events are not those of `data`."""
    row, position = ragged_positions(histories.starts, histories.stops)
    small, large = sorted((histories.item_ids, data.item_ids), key=len)
    user = data.user_ids.find(histories.user_ids)[row]
    if not (small is large or large.starts_with(small)) or (user < 0).any():
        return None
    order = np.argsort(data.user_rows, kind="stable")
    n_items = len(large)
    wanted = user.astype(np.int64) * n_items + histories.items[position]
    keys = (data.user_rows.astype(np.int64) * n_items + data.item_rows)[order]
    same_layout = len(order) == len(histories.items)
    places = [position] if same_layout else []
    places.append(_same_occurrences(row, wanted, keys))
    for place in places:
        found = order[place]
        if np.array_equal(keys[place], wanted) and _same_times(histories, data, position, found):
            source = np.zeros(len(histories.items), dtype=np.int64)
            source[position] = found
            return source
    return None


def _same_occurrences(
    row: NDArray[np.int64], wanted: NDArray[np.int64], keys: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Where in `keys` the k-th of a key stands, for the k-th of it in each row."""
    order = np.lexsort((np.arange(len(row)), wanted, row))
    fresh = np.ones(len(row), dtype=bool)
    fresh[1:] = (np.diff(row[order]) != 0) | (np.diff(wanted[order]) != 0)
    start = np.maximum.accumulate(np.where(fresh, np.arange(len(row)), 0))
    nth = np.empty(len(row), dtype=np.int64)
    nth[order] = np.arange(len(row)) - start
    by_key = np.argsort(keys, kind="stable")
    place = np.searchsorted(keys[by_key], wanted) + nth
    return by_key[np.minimum(place, len(keys) - 1)] if len(keys) else place


def _same_times(
    histories: Histories, data: Dataset, position: NDArray[np.int64], rows: NDArray[np.int64]
) -> bool:
    if histories.times is None or data.times is None:
        return True
    return np.array_equal(histories.times[position], data.times[rows])


def history_of_items(
    item_ids: Ids,
    histories: Sequence[Sequence[str]],
    *,
    user_ids: Sequence[str] | None = None,
    queries: Mapping[str, Floats] | None = None,
) -> Histories:
    """Requests from lists of item ids, oldest first; an unknown id raises `UnknownIdError`."""
    if any(isinstance(history, str) or not isinstance(history, Iterable) for history in histories):
        raise DataError("each history must be a list of item ids: write [['a', 'b'], ['c']]")
    flat = [name for history in histories for name in history]
    lengths = np.array([len(history) for history in histories], dtype=np.int64)
    stops = np.cumsum(lengths)
    names = user_ids if user_ids is not None else [f"request {row}" for row in range(len(lengths))]
    return Histories(
        item_ids=item_ids,
        user_ids=pl.Series(names, dtype=pl.String),
        starts=stops - lengths,
        stops=stops,
        items=item_ids.rows(flat, what="item ids in the history"),
        weights=np.ones(len(flat), dtype=np.float32),
        queries=queries or {},
    )
