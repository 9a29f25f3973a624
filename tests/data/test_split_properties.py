"""Nothing leaks: every split against a plain-Python account of what a request may know."""

import numpy as np
import polars as pl
from hypothesis import assume, given
from hypothesis import strategies as st

from palate.core.errors import DataError
from palate.data.read import read
from palate.data.split import (
    inner_split,
    split_by_time,
    split_cold_items,
    split_given,
    split_leave_last_out,
)

EVENT = st.tuples(st.sampled_from("uvwx"), st.sampled_from("abcdefgh"), st.integers(0, 12))
EVENTS = st.lists(EVENT, min_size=2, max_size=40)


def frame(events):
    return pl.DataFrame(events, schema=["user_id", "item_id", "timestamp"], orient="row")


def numbered(events):
    """The data set, with every event's place in the file as its value."""
    return read(frame(events).with_columns(value=pl.int_range(pl.len())))


def in_order(events):
    """Places in the file, by time and then by place."""
    return sorted(range(len(events)), key=lambda place: (events[place][2], place))


def tried(split, *arguments, **settings):
    try:
        return split(*arguments, **settings)
    except DataError:
        assume(False)


def requests(split):
    """[(person, history items, history times, answer's place in the file)]."""
    histories, sealed = split.histories, split.sealed
    assert sealed.starts.tolist() == list(range(len(histories)))
    for row in range(len(histories)):
        own = slice(histories.starts[row], histories.stops[row])
        items = [histories.item_ids[item] for item in histories.items[own]]
        times = [] if histories.times is None else histories.times[own].tolist()
        yield histories.user_ids[row], items, times, int(sealed.values[row])


def check(split, events, usable, held_from_training=frozenset()):
    """Training and answers are all events; each history is what that person did before."""
    order = in_order(events)
    trained = [int(place) for place in split.train.interactions["value"]]
    answers = [place for _, _, _, place in requests(split)]
    assert sorted([*trained, *answers, *held_from_training]) == sorted(order)
    assert trained == [place for place in order if place in set(trained)]
    for (user, items, times, place), row in zip(requests(split), split.sealed.items, strict=True):
        assert user == events[place][0]
        assert split.train.item_ids[row] == events[place][1]
        before = [
            other
            for other in order[: order.index(place)]
            if events[other][0] == user and usable(other)
        ]
        assert items == [events[other][1] for other in before]
        assert times == [events[other][2] for other in before]
    return trained, answers


@given(EVENTS, st.floats(0.05, 0.95))
def test_time(events, share):
    split = tried(split_by_time, numbered(events), test=share)
    trained, answers = check(split, events, usable=lambda _: True)
    cut = min(events[place][2] for place in answers)
    assert all(events[place][2] < cut for place in trained)
    assert len(answers) >= max(1, round(share * len(events)))
    untouched = {events[place][1] for place in answers} - {events[place][1] for place in trained}
    assert {split.train.item_ids[row] for row in split.cold_items} == untouched


@given(EVENTS, st.booleans(), st.integers(2, 5))
def test_leave_last_out(events, validation, min_events):
    split = tried(
        split_leave_last_out, numbered(events), validation=validation, min_events=min_events
    )
    order = in_order(events)
    asked = {user for user, _, _, _ in requests(split)}
    own = {who: [place for place in order if events[place][0] == who] for who in "uvwx"}
    assert asked == {who for who, places in own.items() if len(places) >= min_events}
    held = {own[who][-2] for who in asked} if validation else set()
    _, answers = check(split, events, usable=lambda _: True, held_from_training=held)
    assert sorted(answers) == sorted(own[who][-1] for who in asked)
    if validation:
        inner = inner_split(split)
        named = zip(inner.histories.user_ids, inner.sealed.items, strict=True)
        assert {(who, inner.train.item_ids[row]) for who, row in named} == {
            (events[place][0], events[place][1]) for place in held
        }


@given(EVENTS, st.floats(0.05, 0.95), st.integers(0, 5))
def test_new_items(events, share, seed):
    split = tried(split_cold_items, numbered(events), share=share, seed=seed)
    held = {split.train.item_ids[row] for row in split.cold_items}
    trained, answers = check(split, events, usable=lambda place: events[place][1] not in held)
    assert {events[place][1] for place in answers} == held
    assert not held & {events[place][1] for place in trained}


@given(EVENTS, EVENTS)
def test_given(first, second):
    split = split_given(numbered(first), numbered(second))
    both = [first[place] for place in in_order(first)] + [
        second[place] for place in in_order(second)
    ]
    found = [
        (who, items, split.train.item_ids[row])
        for (who, items, _, _), row in zip(requests(split), split.sealed.items, strict=True)
    ]
    expected = [
        (who, [other[1] for other in both[:place] if other[0] == who], item)
        for place, (who, item, _) in enumerate(both)
        if place >= len(first)
    ]
    assert found == expected
    assert len(split.train.interactions) == len(first)


@given(EVENTS, st.floats(0.05, 0.6))
def test_inner_time(events, share):
    split = tried(split_by_time, numbered(events), test=share)
    inner = tried(inner_split, split)
    outer = {int(place) for place in split.train.interactions["value"]}
    places = {int(place) for place in inner.train.interactions["value"]}
    assert places | {place for _, _, _, place in requests(inner)} == outer


@given(st.lists(EVENT, min_size=3, max_size=30, unique_by=lambda event: event[2]), st.randoms())
def test_the_order_of_rows_with_distinct_times_means_nothing(events, random):
    shuffled = random.sample(events, len(events))
    data, other = read(frame(events)), read(frame(shuffled))
    assert data.interactions.equals(other.interactions)
    assert data.items.equals(other.items)
    for make in (split_by_time, split_leave_last_out, split_cold_items):
        one, two = (tried(make, each) for each in (data, other))
        assert one.train.interactions.equals(two.train.interactions)
        assert one.histories.user_ids.equals(two.histories.user_ids)
        for name in ("starts", "stops", "items", "weights", "times"):
            assert np.array_equal(getattr(one.histories, name), getattr(two.histories, name))
        assert np.array_equal(one.sealed.items, two.sealed.items)
        assert np.array_equal(one.cold_items, two.cold_items)


@given(EVENTS)
def test_ties_are_in_the_order_of_the_file(events):
    tied = [(user, item, time // 4) for user, item, time in events]
    places = [int(place) for place in numbered(tied).interactions["value"]]
    assert places == in_order(tied)


@given(EVENTS, st.floats(0.05, 0.95))
def test_the_flat_arrays_hold_nothing_that_no_request_sees(events, share):
    split = tried(split_by_time, numbered(events), test=share)
    seen = np.zeros(len(split.histories.items), dtype=bool)
    for start, stop in zip(split.histories.starts, split.histories.stops, strict=True):
        seen[start:stop] = True
    assert seen.all()
