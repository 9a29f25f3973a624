"""Planted catalogues whose events have no times, in which some people go on choosing rare items."""

import numpy as np
import polars as pl
import pytest

from palate.core.dataset import Dataset
from palate.core.histories import histories_of, history_of_items
from palate.core.topk import rank_rows
from palate.pipeline.pipeline import Pipeline, load
from palate.recommenders.ranker import Ranker
from palate.recommenders.two_stage import choice
from palate.recommenders.two_stage.candidates import Candidates
from palate.recommenders.two_stage.catalogue import Catalogue
from palate.recommenders.two_stage.choice import TAIL, check_chosen
from palate.recommenders.two_stage.labels import Turn
from palate.recommenders.two_stage.long_tail import TAIL_LIFTS, TailTrial, lift_of_tail
from palate.recommenders.two_stage.statistics import (
    LONG_DECAY,
    LONG_LENGTH,
    fit_statistics,
    prefix_cases,
)
from palate.recommenders.two_stage.ways import tail_items


def small(**settings):
    return Ranker(
        **{
            "n_estimators": 30,
            "n_train_queries": 3000,
            "candidates": 30,
            "min_rows_per_leaf": 20,
            **settings,
        }
    )


def dataset(rows, items):
    table = pl.DataFrame(rows, schema=["user_id", "item_id"], orient="row")
    return Dataset(table, pl.DataFrame({"item_id": items}))


def clubs():
    """A crowd takes hits in pairs. Members of nine clubs take eight hits, whichever, and four of
    the eight rare things of their club.
    """
    rng = np.random.default_rng(7)
    hits = [f"{half} {pair:02d}" for half in ("one", "two") for pair in range(30)]
    rows = []
    for person in range(800):
        for pair in rng.choice(30, 3, replace=False):
            rows += [(f"c{person}", f"{half} {pair:02d}") for half in ("one", "two")]
    for club in range(9):
        for member in range(8):
            who, things = f"m{club}-{member}", rng.permutation(8)[:5]
            chosen = [*rng.choice(hits, 8, replace=False)]
            chosen += [f"rare {club}-{thing}" for thing in things[:-1]]
            rows += [(who, str(item)) for item in rng.permutation(chosen)]
    rare = [f"rare {club}-{thing}" for club in range(9) for thing in range(8)]
    return dataset(rows, [*hits, *rare])


@pytest.fixture(scope="module")
def lifting():
    """A model that lifts by half a deviation, and the trial by which it was to be chosen."""
    trials = []

    def lift_of(trial):
        trials.append(trial)
        return TAIL_LIFTS.tolist().index(0.5)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(choice, "lift_of_tail", lift_of)
        model = Pipeline(encoders={}, recommender=small()).fit(clubs())
    return model, trials


def test_without_times_people_held_out_are_asked_how_far_the_long_tail_is_lifted(lifting):
    model, (trial,) = lifting[0].recommender_, lifting[1]
    assert len(trial.lengths) > 200
    assert trial.lengths.min() >= 1
    assert 0 < trial.of_tail.sum() < 0.5 * len(trial.lengths)
    of_tail, head = trial.tail[trial.of_tail].mean(axis=0), trial.tail[~trial.of_tail].mean(axis=0)
    assert (np.diff(of_tail) >= 0).all()
    assert of_tail[-1] > of_tail[0]
    assert (np.diff(head) <= 0).all()
    assert trial.experts[trial.of_tail].mean() > 0
    assert model.choices_["who"].to_list() == [TAIL]
    assert model.chosen_[0].startswith("long tail: lifted by 0.5 deviations (NDCG@10 0.")


def test_the_lift_gives_rare_items_places(lifting):
    model, data = lifting[0].recommender_, clubs()
    asking = histories_of(data)
    rare = np.array([name.startswith("rare") for name in data.item_ids.tolist()])
    lifted, _ = rank_rows(model, asking, 10)
    chosen = model.choices_
    model.choices_ = chosen.clear()
    plain, _ = rank_rows(model, asking, 10)
    model.choices_ = chosen
    assert rare[lifted].mean() > rare[plain].mean()


def test_a_stranger_still_gets_what_is_popular_of_all(lifting):
    model = lifting[0].recommender_
    stranger = history_of_items(model.item_ids_, [[]])
    rows, _ = rank_rows(model, stranger, 3)
    best = np.argsort(-np.asarray(clubs().item_counts), kind="stable")[:3]
    assert sorted(rows[0].tolist()) == sorted(best.tolist())


def test_the_lift_is_saved_and_checked(lifting, tmp_path):
    lifting[0].save(tmp_path / "model")
    again = load(tmp_path / "model")
    asking = histories_of(clubs()).take(slice(0, 50))
    scores = [model.recommender_.score(asking) for model in (again, lifting[0])]
    np.testing.assert_array_equal(*scores)
    ranker = again.recommender_
    for wrong in (pl.lit("no history").alias("who"), pl.lit(99.0).alias("weight")):
        with pytest.raises(ValueError, match="choices_"):
            check_chosen(ranker.choices_.with_columns(wrong), ranker.names_)


def tried(*, expert, tail, everybody):
    """A trial of 400 requests, half of them answered by the long tail: what an expert finds of it,
    and the trees by lift, there and elsewhere.
    """
    asking = history_of_items(clubs().item_ids, [["one 00"]] * 400)
    nothing = np.zeros(len(asking.item_ids), dtype=np.bool_)
    trial = TailTrial(Turn(asking, asking, np.ones(400, dtype=np.int32), nothing, 1.0), len)
    trial.of_tail[::2] = True
    trial.experts = np.zeros((400, 2))
    trial.experts[::2, 1] = expert
    for place in range(len(TAIL_LIFTS)):
        trial.tail[::2, place] = tail(TAIL_LIFTS[place])
        trial.tail[1::2, place] = everybody(TAIL_LIFTS[place])
    return TAIL_LIFTS[lift_of_tail(trial)]


def test_the_long_tail_is_lifted_as_far_as_an_expert_finds_it():
    assert tried(expert=0.2, tail=lambda lift: 0.1 + 0.1 * lift, everybody=lambda _: 0.5) == 1
    assert tried(expert=0.1, tail=lambda _: 0.2, everybody=lambda _: 0.5) == 0


def test_the_long_tail_is_lifted_as_far_as_it_costs_little():
    assert tried(expert=0.2, tail=lambda _: 0.1, everybody=lambda lift: 0.5 - 0.016 * lift) == 0.5
    assert tried(expert=0.2, tail=lambda _: 0.1, everybody=lambda lift: 0.5 - lift) == 0


def test_experts_are_asked_about_the_whole_catalogue():
    known = histories_of(clubs())
    asking, answers = prefix_cases(known)
    chosen = np.arange(0, len(answers), 7)
    asking, answers = asking.take(chosen), answers[chosen]
    statistics = fit_statistics(known, Catalogue.of(None, 132), behaviour=True, seed=0)
    everything = np.ones(132, dtype=np.bool_)
    trial = TailTrial(Turn(known, asking, answers, everything, 1.0), len)
    trial.begin(statistics, Catalogue.of(None, 132))
    np.testing.assert_array_equal(trial.of_tail, tail_items(statistics["counts"])[answers])
    links = statistics["together"].toarray()
    found = 0
    for request in np.flatnonzero(trial.of_tail):
        history = asking.row(request)[::-1][:LONG_LENGTH]
        weights = LONG_DECAY ** np.arange(len(history))
        scores = weights @ links[history]
        scores[history] = 0
        own = scores[answers[request]]
        place = (scores > own).sum() + 0.5 * ((scores == own).sum() - 1)
        expected = 1 / np.log2(place + 2) if own > 0 and place < 10 else 0.0
        np.testing.assert_allclose(trial.experts[request, 1], expected, atol=1e-6)
        found += expected > 0
    assert found > 20


def test_what_people_chose_before_is_not_asked_for():
    data = clubs()
    asking = history_of_items(data.item_ids, [["one 00", "rare 0-0"]] * 2)
    again, other = (data.item_ids.tolist().index(name) for name in ("rare 0-0", "rare 0-1"))
    turn = Turn(asking, asking, np.array([again, other]), np.ones(132, dtype=np.bool_), 1.0)
    # by the trees the known one is first: lists leave it out, so the other one has the first place
    trial = TailTrial(turn, lambda rows: -rows[:, 0])
    assert trial.lengths.tolist() == [-1, 2]
    items = np.array([[again, other]] * 2, dtype=np.int32)
    features = np.array([[[0.0], [1.0]]] * 2, dtype=np.float32)
    nothing = np.zeros((2, 132), dtype=np.float32)
    found = Candidates(items, features, ["place"], nothing, np.arange(2), np.zeros(2, np.bool_))
    hits = items == turn.answers[:, None]
    trial.judge(slice(0, 2), found, hits, {"counts": np.ones(132, dtype=np.float32)})
    assert trial.tail[1, 0] == 1.0
