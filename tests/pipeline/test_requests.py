"""Who asks for what, checked before anything is done; whole pipelines are in test_pipeline.py."""

import numpy as np
import polars as pl
import pytest

from palate.core.dataset import Dataset
from palate.core.errors import AlignmentError, DataError, UnknownIdError
from palate.core.features import Features
from palate.core.histories import history_of_items
from palate.core.ids import Ids
from palate.pipeline.checks import (
    Users,
    candidate_rows,
    check_data,
    check_queries,
    sentences,
    wanted_places,
)

IDS = Ids(["tea", "pot", "cup"])


def test_people_are_found_in_the_order_that_they_are_asked_for():
    known = history_of_items(IDS, [["tea"], ["pot", "cup"]], user_ids=["ann", "bo"])
    found = Users(known).find(["bo", "ann", "bo"])
    assert [found.row(row).tolist() for row in range(3)] == [[1, 2], [0], [1, 2]]
    with pytest.raises(UnknownIdError, match="unknown people: 'cy'; for somebody new"):
        Users(known).find(["ann", "cy"])


def test_data_to_learn_from():
    events = pl.DataFrame(schema={"user_id": pl.String, "item_id": pl.String})
    check_data(Dataset(events, pl.DataFrame({"item_id": ["tea"]})))
    with pytest.raises(DataError, match="the catalogue is empty"):
        check_data(Dataset(events, pl.DataFrame(schema={"item_id": pl.String})))
    with pytest.raises(DataError, match="learns from a Dataset"):
        check_data(events)


@pytest.mark.parametrize("k", [1, 7, np.int64(7), 10**9])
def test_numbers_of_places(k):
    assert wanted_places(k) == k
    assert type(wanted_places(k)) is int


@pytest.mark.parametrize("k", [0, -1, 2.5, 3.0, "3", None, True, [3]])
def test_what_is_no_number_of_places(k):
    with pytest.raises(DataError, match=r"^k = "):
        wanted_places(k)


def test_rows_of_the_catalogue():
    assert candidate_rows([2, 0], IDS).tolist() == [2, 0]
    assert candidate_rows([], IDS).dtype == np.int32
    for candidates in ([3], [-1], ["tea"], [[0]], 1, [0.5], None):
        with pytest.raises(DataError, match="candidates"):
            candidate_rows(candidates, IDS)


def test_texts():
    assert sentences(("a", "")) == ["a", ""]
    for texts in ("a", 3, [None]):
        with pytest.raises(DataError, match="text"):
            sentences(texts)


def test_words_fit_their_blocks():
    features = Features(IDS, {"text": np.ones((3, 4)), "looks": np.ones((3, 2))})

    def asking(**queries):
        return history_of_items(IDS, [["tea"], []], queries=queries)

    check_queries(asking(), None)
    check_queries(asking(text=np.ones((2, 4)), looks=np.ones((2, 2))), features)
    for wrong in (np.ones((2, 3)), np.ones((1, 4)), np.ones(4)):
        with pytest.raises(AlignmentError, match=r"queries\['text'\] has shape .* \(2, 4\)"):
            check_queries(asking(text=wrong), features)
    with pytest.raises(AlignmentError, match=r"'lok'.*'looks'"):
        check_queries(asking(lok=np.ones((2, 2))), features)
    with pytest.raises(AlignmentError, match="no block is called 'text'"):
        check_queries(asking(text=np.ones((2, 4))), None)
