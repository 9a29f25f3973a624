"""Who asks: histories belong to a catalogue."""

import polars as pl
import pytest

from palate.errors import AlignmentError, DataError, UnknownIdError
from palate.histories import history_of_items
from palate.types import Ids

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
