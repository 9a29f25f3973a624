"""Who asks: histories belong to a catalogue."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from palate.core.dataset import Dataset
from palate.core.errors import AlignmentError, DataError, UnknownIdError
from palate.core.histories import dataset_of, event_rows, histories_of, history_of_items
from palate.core.ids import Ids

IDS = Ids(["tea", "pot", "cup"])


def test_requests_from_lists_of_ids():
    asking = history_of_items(IDS, [["cup", "tea"], [], pl.Series(["pot"])])
    assert [asking.row(row).tolist() for row in range(3)] == [[2, 0], [], [1]]
    assert asking.user_ids.to_list() == ["request 0", "request 1", "request 2"]
    with pytest.raises(UnknownIdError, match="unknown item ids in the history: 'pan'"):
        history_of_items(IDS, [["cup", "pan"]])


@pytest.mark.parametrize(
    ("histories", "words"),
    [
        (["tea", "pot"], r"each history must be a list of item ids: write \[\['a', 'b'\]"),
        ([50], "each history must be a list"),
        ([["tea", 50]], "must be texts.* not 50: write '50'"),
    ],
)
def test_requests_that_are_no_lists_of_ids(histories, words):
    with pytest.raises(DataError, match=words):
        history_of_items(IDS, histories)


def test_the_own_catalogue_changes_nothing():
    asking = history_of_items(IDS, [["cup"]])
    assert asking.in_catalogue(IDS) is asking
    again = asking.in_catalogue(Ids(["tea", "pot", "cup"]))
    assert again.row(0).tolist() == [2]


def test_a_catalogue_that_grew():
    grown = Ids(["tea", "pot", "cup", "pan"])
    asking = history_of_items(IDS, [["cup"]]).in_catalogue(grown)
    assert asking.item_ids is grown
    assert asking.matrix().shape == (1, 4)
    with pytest.raises(AlignmentError, match="smaller"):
        asking.in_catalogue(IDS)


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (["tea", "cup", "pot"], "its row 1 is 'pot', here that is 'cup'"),
        (["pan", "pot", "cup"], "its row 0 is 'tea', here that is 'pan'"),
        (["tea", "pot", "pan", "cup"], "its row 2 is 'cup', here that is 'pan'"),
    ],
)
def test_another_catalogue(other, words):
    with pytest.raises(AlignmentError, match=f"another catalogue: {words}"):
        history_of_items(IDS, [["cup"]]).in_catalogue(Ids(other))


def reviewed():
    rows = [("u", "b", "x", 1.0), ("v", "a", None, 2.0), ("u", "a", "y", 2.0), ("v", "c", "z", 3.0)]
    events = pl.DataFrame(rows, schema=["user_id", "item_id", "text", "timestamp"], orient="row")
    return Dataset(events, pl.DataFrame({"item_id": ["a", "b", "c"]}))


def test_event_rows_find_the_events_of_histories():
    data = reviewed()
    histories = histories_of(data)
    assert event_rows(histories, data).tolist() == [0, 2, 1, 3]
    later = replace(histories.last(1), user_ids=histories.user_ids)
    source = event_rows(later, data)
    assert source[later.starts].tolist() == [2, 3]
    assert event_rows(histories.take([1]), data)[histories.starts[1] :].tolist() == [1, 3]


def test_event_rows_find_the_first_events_of_each_person():
    data = reviewed()
    histories = histories_of(data)
    packed = replace(
        histories.take([1]), starts=np.array([0]), stops=np.array([1]), items=histories.items[2:3],
        times=histories.times[2:3],
    )  # fmt: skip
    assert event_rows(packed, data).tolist() == [1]


def test_event_rows_find_events_where_those_of_an_item_are_left_out():
    items = pl.DataFrame({"item_id": ["a", "b", "c"]})
    rows = [("u", "b"), ("u", "a"), ("v", "c"), ("u", "b"), ("u", "c"), ("u", "b")]
    data = Dataset(pl.DataFrame(rows, schema=["user_id", "item_id"], orient="row"), items)
    left = history_of_items(data.item_ids, [["b", "b"], ["b", "b", "c"]], user_ids=["u", "u"])
    assert event_rows(left, data).tolist() == [0, 3, 0, 3, 4]
    more = history_of_items(data.item_ids, [["b"] * 4], user_ids=["u"])
    with pytest.raises(AlignmentError, match="other events"):
        event_rows(more, data)


def test_event_rows_of_other_events_raise():
    data = reviewed()
    histories = histories_of(data)
    strangers = pl.Series(["v", "u"])
    others = (
        replace(histories, user_ids=strangers),
        replace(histories, items=histories.items[::-1].copy()),
        replace(histories, times=histories.times + 1),
        history_of_items(data.item_ids, [["a"]]),
    )
    for other in others:
        with pytest.raises(AlignmentError, match="other events"):
            event_rows(other, data)
    nobody = history_of_items(data.item_ids, [[]])
    assert event_rows(nobody, data).tolist() == []


def test_a_part_of_the_data_keeps_what_was_written():
    data = reviewed()
    part = dataset_of(histories_of(data).without_last(), data).interactions
    assert part.select("user_id", "item_id", "text").rows() == [("u", "b", "x"), ("v", "a", None)]
    other = history_of_items(data.item_ids, [["c"]])
    assert dataset_of(other, data).interactions.columns == ["user_id", "item_id", "weight"]
