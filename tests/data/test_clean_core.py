import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from palate.core.dataset import Dataset
from palate.core.errors import DataError
from palate.data.clean import clean


def clean_with_notes(data, **settings):
    told = []
    return clean(data, **settings, tell=told.append), told[0]


def dataset(events, items=None, users=None):
    rows = [(*pair, float(time)) for time, pair in enumerate(events)]
    log = pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp"], orient="row")
    if items is None:
        items = pl.DataFrame({"item_id": log["item_id"].unique().sort()})
    return Dataset(log, items, users)


def pairs(data):
    return data.interactions.select("user_id", "item_id").rows()


CHAIN = [
    ("u", "a"),
    ("u", "b"),
    ("v", "b"),
    ("v", "c"),
    ("w", "c"),
    ("w", "d"),
    ("x", "c"),
    ("x", "d"),
]


def test_the_core_is_a_fixed_point():
    data = dataset(CHAIN)
    cleaned = clean(data, min_user_events=2, min_item_events=2)
    assert pairs(cleaned) == [("w", "c"), ("w", "d"), ("x", "c"), ("x", "d")]
    assert cleaned.items["item_id"].to_list() == ["c", "d"]


def test_the_core_prunes_the_tables():
    items = pl.DataFrame({"item_id": ["a", "new", "b", "c", "d"]})
    users = pl.DataFrame({"user_id": ["idle", "w", "u", "x"]})
    cleaned, notes = clean_with_notes(
        dataset(CHAIN, items=items, users=users), min_user_events=2, min_item_events=2
    )
    assert cleaned.items["item_id"].to_list() == ["c", "d"]
    assert cleaned.users["user_id"].to_list() == ["w", "x"]
    assert (notes.steps[-1].events, notes.steps[-1].items, notes.steps[-1].users) == (4, 3, 3)
    only_users = clean(dataset(CHAIN, items=items, users=users), min_user_events=2)
    assert only_users.items["item_id"].to_list() == items["item_id"].to_list()


EVENT_LISTS = st.lists(
    st.tuples(st.sampled_from("uvwxyz"), st.sampled_from("abcdef")), min_size=1, max_size=40
)


@given(EVENT_LISTS, st.integers(0, 4), st.integers(0, 4))
def test_the_core_holds_everywhere_and_is_the_largest(events, users, items):
    data = dataset(events)
    left = set(range(len(events)))
    while True:
        of_user = [
            sum(events[other][0] == events[event][0] for other in left)
            for event in range(len(events))
        ]
        of_item = [
            sum(events[other][1] == events[event][1] for other in left)
            for event in range(len(events))
        ]
        kept = {event for event in left if of_user[event] >= users and of_item[event] >= items}
        if kept == left:
            break
        left = kept
    if not left:
        with pytest.raises(DataError, match="leaves no event"):
            clean(data, min_user_events=users, min_item_events=items)
        return
    cleaned = clean(data, min_user_events=users, min_item_events=items)
    assert pairs(cleaned) == [events[event] for event in sorted(left)]
    assert set(cleaned.interactions["item_id"]) <= set(cleaned.items["item_id"])
