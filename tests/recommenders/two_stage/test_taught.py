"""What is known of people reaches the trees where it helps them, and nowhere else."""

import numpy as np
import polars as pl
import pytest

import palate
from palate.core.dataset import Dataset
from palate.recommenders.two_stage.labels import LabelledRows
from palate.recommenders.two_stage.taught import (
    DISLIKES,
    PROFILES,
    optional_columns,
    silence,
    silenced,
    subsets,
)

NAMES = ["mix", "history length", "similar profiles (z)", "text:profile", "text:turned down"]
SMALL = {"n_estimators": 60, "learning_rate": 0.1, "n_train_queries": 3000, "min_rows_per_leaf": 20}


def test_columns_are_known_by_their_names():
    found = optional_columns([*NAMES, "profile popularity (7 days)", "turned down", "popularity"])
    assert np.flatnonzero(found[PROFILES]).tolist() == [2, 3, 5]
    assert np.flatnonzero(found[DISLIKES]).tolist() == [4, 6]
    assert optional_columns(NAMES[:2]) == {}


def test_all_that_may_be_left_out():
    assert subsets([]) == [()]
    assert subsets(["a", "b"]) == [(), ("a",), ("b",), ("a", "b")]


def test_rows_are_silent_where_histories_are_of_such_lengths():
    rows = np.ones((4, 5), dtype=np.float32)
    rows[:, 1] = [0, 3, 6, 30]
    unheard = {PROFILES: [(1, 5), (21, 2**62)]}
    copy = silenced(rows, NAMES, unheard)
    assert rows.sum() == 16 + 39
    silence(rows, NAMES, unheard)
    np.testing.assert_array_equal(rows, copy)
    np.testing.assert_array_equal(rows[:, 2:4], [[1, 1], [0, 0], [1, 1], [0, 0]])
    np.testing.assert_array_equal(rows[:, 4], 1)
    assert silenced(rows, NAMES, {}) is rows
    three = np.ones((2, 2, 5), dtype=np.float32)
    assert silenced(three, NAMES, {PROFILES: [(1, 5)]})[:, :, 2:4].sum() == 0


def test_trees_do_not_split_what_they_are_deaf_to():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(4000, 3)).astype(np.float32)
    labels = (features[:, 0] + 0.3 * features[:, 1] > 1).astype(np.int8)
    rows = LabelledRows((features,), labels, np.full(400, 10), ["a", "b", "c"])
    ranker = palate.Ranker(n_estimators=20)
    deaf = ranker._first_booster(rows, np.array([True, False, False]))
    gain = deaf.feature_importance("gain")
    assert gain[0] == 0
    assert gain[1] > 0


def bought(*, telling, seed=0):
    """Half buy of one shelf, half of the other, each item of 20 once; later than the first two
    items it is the history that tells which. `telling`: so does their town; else it is any of 6.
    """
    rng = np.random.default_rng(seed)
    rows, people = [], []
    for person in range(700):
        shelf = int(rng.random() < 0.5)
        start = 1e9 + float(rng.integers(0, 200)) * 86_400
        town = shelf if telling else int(rng.integers(6))
        people.append((f"p{person}", f"town {town}", int(rng.integers(20, 60))))
        count = 2 if telling else 8
        chosen = [f"{shelf}-{item}" for item in rng.permutation(20)[:count]]
        if telling:  # what everybody begins with says nothing
            chosen = [f"bag-{rng.integers(3)}", *chosen]
        rows += [(f"p{person}", item, start + 60.0 * step) for step, item in enumerate(chosen)]
    events = pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp"], orient="row")
    items = pl.DataFrame({"item_id": sorted(set(events["item_id"]))})
    users = pl.DataFrame(people, schema=["user_id", "town", "age"], orient="row")
    return Dataset(events.sort("timestamp", maintain_order=True), items, users)


@pytest.mark.parametrize("telling", [True, False])
def test_profiles_count_where_they_tell_something(telling):
    model = palate.Pipeline(encoders={}, recommender=palate.Ranker(**SMALL)).fit(
        bought(telling=telling)
    )
    ranker = model.recommender_
    rows = ranker.choices_.filter(pl.col("who").str.starts_with(PROFILES))
    assert len(rows) == 3
    assert sum(line.startswith(f"{PROFILES}, ") for line in ranker.chosen_) == 3
    gain = ranker.importances_.filter(pl.col("family") == "the person's profile")["gain"].sum()
    (short,) = rows.filter(pl.col("who").str.ends_with("1 to 5 events")).iter_rows(named=True)
    if telling:
        assert short["trees"] == 1
        assert short["ndcg"] > short["ndcg_otherwise"] + 0.05
        assert gain > 0.05
    else:
        assert rows["trees"].sum() == 0
        assert gain == 0
