"""What is known of people reaches the trees where it helps them, and nowhere else."""

import numpy as np
import polars as pl
import pytest

import palate
from palate.core.dataset import Dataset
from palate.core.histories import history_of_items
from palate.core.ids import Ids
from palate.recommenders.two_stage.choice import check_chosen, chosen_ways, in_words, unheard
from palate.recommenders.two_stage.labels import LabelledRows, Turn
from palate.recommenders.two_stage.taught import (
    DISLIKES,
    PROFILES,
    optional_columns,
    silence,
    silenced,
    subsets,
)
from palate.recommenders.two_stage.time_folds import TimeFolds
from palate.recommenders.two_stage.trial import Trial
from palate.recommenders.two_stage.ways import PLAIN_WINDOWS, PROFILE_WINDOWS

NAMES = ["mix", "history length", "similar profiles (z)", "text:profile", "text:turned down"]
KNOWN = ["mix", "similar profiles", *PLAIN_WINDOWS, *PROFILE_WINDOWS]
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
    deaf_to = np.array([True, False, False])
    hearing, deaf = ranker._first_boosters(rows, [None, deaf_to])
    assert hearing.feature_importance("gain")[0] > 0
    gain = deaf.feature_importance("gain")
    assert gain[0] == 0
    assert gain[1] > 0
    alone = ranker._first_boosters(rows, [deaf_to])[0]
    np.testing.assert_array_equal(deaf.predict(features), alone.predict(features))


def trials(gained, tail_gained):
    """Trials by trees that were told of profiles, and that were not: 60 requests of one event each,
    60 of seven and 5 of thirty. Told, each of them gains by its length, on the tail or elsewhere.
    """
    lengths = np.repeat([1, 7, 30], [60, 60, 5])
    ids = Ids([f"i{number}" for number in range(40)])
    asking = history_of_items(ids, [ids.tolist()[:length] for length in lengths])
    answers = np.full(len(lengths), 39, dtype=np.int32)
    nobody = np.ones(40, dtype=np.bool_)
    turn = Turn(asking, asking, answers, nobody, 1.0)
    told, not_told = (Trial(turn, ~nobody, KNOWN, len) for _ in range(2))
    rng = np.random.default_rng(1)
    for trial in (told, not_told):
        trial.of_tail = np.arange(len(lengths)) % 2 == 0
        trial.gains += 0.2 + 0.001 * rng.normal(size=trial.gains.shape)
    for length in gained:
        rows = lengths == length
        told.gains[rows & ~told.of_tail] += gained[length]
        told.gains[rows & told.of_tail] += tail_gained[length]
    return {(): told, (PROFILES,): not_told}, Trial(turn, ~nobody, KNOWN)


@pytest.mark.parametrize(
    ("gained", "tail_gained", "told"),
    [
        ({1: 0.1, 7: 0.0}, {1: 0.1, 7: 0.0}, (1, None, 1)),
        ({1: 0.1, 7: -0.1}, {1: 0.1, 7: -0.1}, (1, 0, None)),
        ({1: 0.1, 7: 0.1}, {1: 0.1, 7: -0.02}, (1, 0, None)),
        ({1: 0.1, 7: 0.1, 30: -0.1}, {1: 0.1, 7: 0.1, 30: -0.1}, (1, 1, 1)),
        ({1: -0.1, 7: -0.1}, {1: -0.1, 7: -0.1}, (0, 0, 0)),
    ],
)
def test_trees_are_told_where_it_gains_and_the_long_tail_does_not_pay(gained, tail_gained, told):
    tried, before = trials(gained, tail_gained)
    folds = TimeFolds(None, None, np.zeros(40, dtype=np.bool_), 0, 0)
    chosen = chosen_ways(tried, before, folds)
    rows = chosen.filter(pl.col("who").str.starts_with(PROFILES))
    found = dict(zip(rows["who"].str.strip_prefix(f"{PROFILES}, "), rows["trees"], strict=True))
    lengths = ("1 to 5 events", "6 to 20 events", "over 20 events")
    for length, wanted in zip(lengths, told, strict=True):
        assert wanted is None or found[length] == wanted, length
    silent = unheard(chosen).get(PROFILES, [])
    assert ((1, 5) in silent) == (found[lengths[0]] == 0)
    assert ((0, 0) in silent) == (rows["trees"].sum() == 0)
    check_chosen(chosen, KNOWN)
    words = in_words(chosen)
    assert sum(line.startswith(f"{PROFILES}, ") for line in words) == 3
    if found[lengths[0]]:
        assert any("1 to 5 events: counted (NDCG@10 0.30" in line for line in words)


def bought(seed=0):
    """Half buy of one shelf, half of the other, and their history tells which; the town nothing."""
    rng = np.random.default_rng(seed)
    rows, people = [], []
    for person in range(500):
        shelf = int(rng.random() < 0.5)
        start = 1e9 + float(rng.integers(0, 200)) * 86_400
        people.append((f"p{person}", f"town {rng.integers(6)}", int(rng.integers(20, 60))))
        chosen = [f"{shelf}-{item}" for item in rng.permutation(20)[:8]]
        rows += [(f"p{person}", item, start + 60.0 * step) for step, item in enumerate(chosen)]
    events = pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp"], orient="row")
    items = pl.DataFrame({"item_id": sorted(set(events["item_id"]))})
    users = pl.DataFrame(people, schema=["user_id", "town", "age"], orient="row")
    return Dataset(events.sort("timestamp", maintain_order=True), items, users)


def test_profiles_that_tell_nothing_do_not_reach_the_trees_of_all():
    model = palate.Pipeline(encoders={}, recommender=palate.Ranker(**SMALL)).fit(bought())
    ranker = model.recommender_
    rows = ranker.choices_.filter(pl.col("who").str.starts_with(PROFILES))
    assert 0 in rows["trees"].to_list()
    told = ranker.importances_.filter(pl.col("family") == "the person's profile")
    strangers = told["feature"].str.starts_with("profile popularity")
    assert told.filter(strangers)["gain"].sum() == 0
    assert (told["gain"].sum() == 0) == (rows["trees"].sum() == 0)
