import numpy as np
import polars as pl

from palate.core.dataset import Dataset
from palate.evaluation.metrics.ranking import open_answers
from palate.evaluation.slices import head_items, slices_of


def catalogue(counts):
    """A data set whose items have these many events."""
    names = [f"i{row}" for row in range(len(counts))]
    touched = [name for name, count in zip(names, counts, strict=True) for _ in range(count)]
    interactions = pl.DataFrame(
        {"user_id": ["u"] * len(touched), "item_id": touched},
        schema_overrides={"item_id": pl.String},
    )
    return Dataset(interactions, pl.DataFrame({"item_id": names}))


def test_the_head_holds_80_percent_of_the_events():
    assert head_items(catalogue([1, 6, 1, 0, 3])).tolist() == [False, True, False, False, True]
    assert head_items(catalogue([8, 1, 1])).tolist() == [True, False, False]
    assert head_items(catalogue([7, 2, 1])).tolist() == [True, True, False]


def test_items_as_popular_as_the_last_of_the_head_belong_too():
    assert head_items(catalogue([2, 5, 2, 1, 0])).tolist() == [True, True, True, False, False]
    assert head_items(catalogue([1, 1, 1])).all()


def test_without_events_nothing_is_head():
    assert not head_items(catalogue([0, 0])).any()


def test_slices_of_the_made_split(made_split):
    answers = open_answers(made_split.sealed)
    found = {part.name: part for part in slices_of(made_split, answers)}
    assert next(iter(found)) == "all"

    def members(name):
        return np.flatnonzero(found[name].requests).tolist()

    def kept(name):
        mask = found[name].answers
        return list(zip(answers.request[mask].tolist(), answers.item[mask].tolist(), strict=True))

    # requests: 0 ann → c, d   1 bob → e   2 new → a   3 cyd → f, a
    assert members("all") == [0, 1, 2, 3]
    assert members("cold_items") == [1, 3]
    assert kept("cold_items") == [(1, 4), (3, 5)]
    assert members("long_tail") == [0, 1, 3]
    assert kept("long_tail") == [(0, 2), (0, 3), (1, 4), (3, 5)]
    assert members("head") == [2, 3]
    assert kept("head") == [(2, 0), (3, 0)]
    assert members("short_history") == [0, 2, 3]
    assert kept("short_history") == [(0, 2), (0, 3), (2, 0), (3, 0), (3, 5)]
    assert members("cold_users") == [2]
    assert [members(name) for name in ("history_0", "history_1_5", "history_6_20")] == [
        [2],
        [0, 3],
        [1],
    ]
    assert len(found["history_21_100"]) == len(found["history_101_up"]) == 0
    assert len(found["cold_items"]) == 2


def test_a_request_without_answers_is_in_no_slice(made_split, ragged):
    answers = open_answers(ragged([[], [4], [], [0]]))
    for part in slices_of(made_split, answers):
        assert not part.requests[[0, 2]].any()
