"""What people turned down teaches: whoever hates ginger is shown vanilla."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

import palate
from palate.core.histories import histories_of, turned_down_before
from palate.recommenders.two_stage.catalogue import Catalogue
from palate.recommenders.two_stage.labels import LabelPlan
from palate.recommenders.two_stage.statistics import fit_statistics, prefix_cases
from palate.recommenders.two_stage.time_folds import time_folds
from palate.recommenders.two_stage.turned_down import ALIKE, DOWN

FLAVOURS = ("ginger biscuit", "vanilla pudding")
EACH, PLAIN = 12, 8
SMALL = {"n_estimators": 100, "learning_rate": 0.1, "n_train_queries": 900, "min_rows_per_leaf": 20}


def world(seed=0, *, people=480):
    """All choose plain things, and turn down what is of the flavour that they hate.

    Three of four then choose one of the other flavour. What the others chose says nothing about
    flavours: what they turned down does.
    """
    rng = np.random.default_rng(seed)
    rows = []
    for person in range(people):
        hated = (person // 4) % 2
        down = [f"f{hated}-{item}" for item in rng.permutation(EACH)[:3]]
        plain = [f"plain-{item}" for item in rng.permutation(PLAIN)[:3]]
        liked = f"f{1 - hated}-{rng.integers(EACH)}"
        first = [*((item, 1) for item in down), *((item, 5) for item in plain)]
        later = [(liked, 5)] if person % 4 else []
        met = [*(first[place] for place in rng.permutation(len(first))), *later]
        start = 1e9 + 37.0 * person
        rows += [
            (f"u{person}", item, stars, start + place) for place, (item, stars) in enumerate(met)
        ]
    return pl.DataFrame(rows, schema=["user", "item", "rating", "ts"], orient="row")


def catalogue():
    flavoured = [(f"f{kind}-{n}", f"{FLAVOURS[kind]} {n}") for kind in (0, 1) for n in range(EACH)]
    rows = [*flavoured, *((f"plain-{n}", f"plain bread {n}") for n in range(PLAIN))]
    return pl.DataFrame(rows, schema=["item", "title"], orient="row")


def liked_flavour(model):
    """Of the flavoured items among the first six, those not of the hated flavour."""
    people = [f"u{person}" for person in range(0, 480, 4)]
    table = model.recommend(people, k=6).table.filter(pl.col("item_id").str.starts_with("f"))
    flavour = table["item_id"].str.slice(1, 1).cast(pl.Int64)
    hated = (table["user_id"].str.strip_prefix("u").cast(pl.Int64) // 4) % 2
    return float((flavour != hated).mean())


def pipeline(recommender):
    return palate.Pipeline(encoders={"words": palate.Tfidf(min_df=1)}, recommender=recommender)


@pytest.fixture(scope="module")
def learnt():
    return pipeline(palate.Ranker(against=True, **SMALL)).fit(palate.read(world(), catalogue()))


def test_the_ranker_shows_what_is_unlike_what_was_turned_down(learnt):
    ignoring = pipeline(palate.Ranker(**SMALL)).fit(palate.read(world(), catalogue()))
    assert liked_flavour(learnt) > 0.85
    assert liked_flavour(ignoring) < 0.7
    chosen = learnt.recommender_.chosen_
    assert any(line.startswith("dislikes, 6 to 20 events: counted") for line in chosen)
    assert not any(line.startswith("dislikes") for line in ignoring.recommender_.chosen_)


def test_content_takes_it_from_the_profile():
    data = palate.read(world(), catalogue())
    assert liked_flavour(pipeline(palate.Content(against=0.5)).fit(data)) == 1.0
    assert liked_flavour(pipeline(palate.Content()).fit(data)) < 0.7


def test_a_saved_model_shows_the_same(learnt, tmp_path):
    again = palate.load(learnt.save(tmp_path / "model"))
    people = [f"u{person}" for person in range(8)]
    one, other = (model.recommend(people, k=10).table for model in (learnt, again))
    assert one.equals(other)
    table = again.recommender_.importances_.filter(pl.col("family") == "what was turned down")
    assert {DOWN, ALIKE} <= set(table["feature"])
    assert table["contribution"].sum() > 0
    said = again.recommender_.importances_["meaning"].to_list()
    assert "who chose what: like what the person turned down" in said


def test_a_history_of_choices_alone_is_served(learnt):
    found = learnt.recommend(history=["plain-1", "f0-2"], k=5).table
    assert len(found) == 5


def test_nothing_that_is_turned_down_later_is_known():
    data = palate.read(world(), catalogue())
    histories = histories_of(data)
    asking, _ = prefix_cases(histories)
    assert asking.against is not None
    assert asking.against.times is not None
    times = data.events["timestamp"].to_numpy()
    found = expected = 0
    for row in range(len(asking)):
        own = (data.events["user_id"] == asking.user_ids[row]).to_numpy() & ~data.chosen
        answered = histories.times[asking.stops[row]]
        low, high = asking.against.starts[row], asking.against.stops[row]
        known = asking.against.times[low:high]
        assert (known < answered).all()
        assert len(known) == int((own & (times < answered)).sum())
        found, expected = found + len(known), expected + int(own.sum())
    assert 0 < found < expected


def test_the_stretches_of_time_know_no_later_dislikes():
    data = palate.read(world(), catalogue())
    plan = LabelPlan(
        n_train_queries=500, candidates=10, repeats=False, behaviour=True, content=False, seed=0
    )
    folds = time_folds(histories_of(data), plan)
    assert folds is not None
    for turn in (folds.early, folds.late):
        known = turn.known
        starts_asking = min(turn.asking.times[turn.asking.stops])
        low, high = known.against.starts, known.against.stops
        held = np.concatenate([known.against.times[a:b] for a, b in zip(low, high, strict=True)])
        assert len(held)
        assert held.max() < starts_asking
        changed = replace(known, against=None)
        one, other = (
            fit_statistics(h, Catalogue.of(None, len(data.items)), behaviour=True, seed=0)
            for h in (known, changed)
        )
        assert DOWN in one
        assert DOWN not in other


def test_where_there_are_no_times_nothing_is_said_about_it():
    data = palate.read(world().drop("ts"), catalogue(), positive="rating > 2")
    model = pipeline(palate.Ranker(against=True, **SMALL)).fit(data)
    assert DOWN not in model.recommender_.names_
    assert turned_down_before(histories_of(data), np.arange(3), np.zeros(3)) is None


def test_what_everybody_who_met_it_turned_down_stands_out():
    data = palate.read(world(), catalogue())
    found = fit_statistics(
        histories_of(data), Catalogue.of(None, len(data.items)), behaviour=False, seed=0
    )
    shares = dict(zip(data.item_ids.series, found[DOWN].tolist(), strict=True))
    plain = [share for name, share in shares.items() if name.startswith("plain")]
    assert max(plain) < min(share for name, share in shares.items() if name.startswith("f"))
    assert found[ALIKE].shape == (len(data.items),) * 2
