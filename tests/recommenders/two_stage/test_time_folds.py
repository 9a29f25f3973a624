"""What was known at a moment, who asked from then on, and what is popular lately, by hand."""

import numpy as np
import polars as pl
import pytest

from palate.core.dataset import Dataset
from palate.core.histories import histories_of
from palate.recommenders.two_stage import time_folds as module
from palate.recommenders.two_stage.labels import LabelPlan
from palate.recommenders.two_stage.recency import WINDOWS, popular_lately, recency_statistics
from palate.recommenders.two_stage.time_folds import time_folds

DAY = 86_400.0
PLAN = LabelPlan(
    n_train_queries=1000, candidates=5, repeats=False, behaviour=True, content=True, seed=0
)


def shop(days, people=None):
    """The k-th event is item k % 7 on day `days[k]`, by person k % 3 or as said."""
    people = [f"p{place % 3}" for place in range(len(days))] if people is None else people
    table = pl.DataFrame(
        {
            "user_id": people,
            "item_id": [f"i{place % 7}" for place in range(len(days))],
            "timestamp": [day * DAY for day in days],
        }
    )
    return Dataset(table, pl.DataFrame({"item_id": [f"i{place}" for place in range(8)]}))


@pytest.fixture(autouse=True)
def few(monkeypatch):
    monkeypatch.setattr(module, "FEWEST", 2)


def test_the_two_newest_fifths_are_asked_about_with_what_came_before():
    people = ["p0", "p1", "p0", "p1", "p0", "p1", "p0", "new", "new", "p1"]
    histories = histories_of(shop([0, 1, 2, 3, 4, 5, 6, 7, 8, 9], people))
    folds = time_folds(histories, PLAN)
    for turn, known, asked in (
        (folds.early, 6, {("p0", (0, 2, 4), 6), ("new", (), 0)}),
        (folds.late, 8, {("new", (0,), 1), ("p1", (1, 3, 5), 2)}),
    ):
        assert turn.known.lengths.sum() == known
        found = {
            (user, tuple(turn.asking.row(row).tolist()), answer)
            for row, (user, answer) in enumerate(
                zip(turn.asking.user_ids, turn.answers.tolist(), strict=True)
            )
        }
        assert found == asked
    assert folds.late_asked == 2
    assert not folds.new.any()


def test_items_that_arrive_in_the_newest_fifth_are_new():
    data = shop([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    table = data.interactions.with_columns(
        item_id=pl.when(pl.col("timestamp") >= 8.5 * DAY).then(pl.lit("i7")).otherwise("item_id")
    )
    folds = time_folds(histories_of(data.with_interactions(table)), PLAN)
    assert np.flatnonzero(folds.new).tolist() == [7]
    assert (folds.new_asked, folds.late_asked) == (1, 2)


def test_nothing_without_times_or_with_one_moment_or_few_events(monkeypatch):
    data = shop(list(range(10)))
    timeless = data.with_interactions(data.interactions.drop("timestamp"))
    assert time_folds(histories_of(timeless), PLAN) is None
    assert time_folds(histories_of(shop([3] * 10)), PLAN) is None
    monkeypatch.setattr(module, "FEWEST", 3)
    assert time_folds(histories_of(data), PLAN) is None


def test_windows_and_ages_by_hand():
    histories = histories_of(shop([0, 60, 95, 98, 99.5, 99.9, 100], ["p"] * 7))
    found = recency_statistics(histories, 8)
    counts = {days: found["windows"][:, place] for place, days in enumerate(WINDOWS)}
    assert np.flatnonzero(counts[1.0]).tolist() == [4, 5, 6]
    assert np.flatnonzero(counts[7.0]).tolist() == [2, 3, 4, 5, 6]
    assert np.flatnonzero(counts[90.0]).tolist() == [1, 2, 3, 4, 5, 6]
    np.testing.assert_allclose(found["ages"][[0, 1, 7]], np.log1p([[100] * 2, [40] * 2, [0] * 2]))
    everything = popular_lately({**found, "popularity": np.float32([1] * 7 + [0])}, np.arange(8))
    assert everything.tolist() == list(range(7))
