"""How far new items are lifted: what the lists lose by it is what the trial saw."""

import numpy as np
import polars as pl
import pytest

from palate.recommenders.two_stage.choice import NEW, _lift, calibrated, nothing_chosen
from palate.recommenders.two_stage.ways import (
    EXPLORED,
    LIFTS,
    LOSS_OF_EXPLORING,
    lift_of_new,
    lifted,
    ndcg,
    new_places,
)

N, K, N_NEW = 2000, 30, 6


def planted(*, taken, seed, nearer=0.0):
    """(values, new, hits): trees that put the answer on one of the first ten places, and new items
    below the first, here more and there less, which are the answer of a `taken` share of the
    requests; `nearer` raises them.
    """
    rng = np.random.default_rng(seed)
    values = -np.sort(-rng.normal(size=(N, K)), axis=1)
    new = np.zeros((N, K), dtype=bool)
    new[:, -N_NEW:] = True
    below = rng.uniform(2.5, 6, (N, 1)) + rng.uniform(0, 0.1, (N, N_NEW))
    values[:, -N_NEW:] = values[:, :1] - below + nearer
    values = values.astype(np.float32)
    answer = rng.choice(10, N)
    answer[rng.random(N) < taken] = K - N_NEW
    return values, new, np.arange(K) == answer[:, None]


def trial_of(values, new, hits):
    """(means, places) of each lift."""
    kept = np.ones_like(new)
    raised = [lifted(values, new, kept, lift) for lift in LIFTS.tolist()]
    means = [ndcg(some, hits, kept).mean() for some in raised]
    return np.array(means), np.array([new_places(some, new, kept).mean() for some in raised])


def served(chosen, values, new, hits):
    """(NDCG@10, share of the places) of lists with the lift that was chosen."""
    way = calibrated(chosen, values, new, np.ones(N, dtype=np.int64))["weight"].item()
    raised = lifted(values, new, np.ones_like(new), way)
    kept = np.ones_like(new)
    return ndcg(raised, hits, kept).mean(), new_places(raised, new, kept).mean()


def choice(lift, mean, share):
    return pl.DataFrame([_lift(NEW, lift, mean, 0.0, N, share)], schema=nothing_chosen().schema)


def test_places_that_nobody_earned_cost_the_lists_no_more_than_the_trial_allowed():
    means, places = trial_of(*planted(taken=0.0, seed=1))
    found = lift_of_new(means, places, earned=0.0)
    later = planted(taken=0.0, seed=2, nearer=0.4)
    before = ndcg(later[0], later[2], np.ones_like(later[1])).mean()
    mean, share = served(choice(*found), *later)
    assert 0 < share <= found[2] < EXPLORED
    assert mean > (1 - LOSS_OF_EXPLORING) * before
    # half a place in ten, whatever it costs, is dear where each of ten may hold the answer
    dear, share = served(choice(LIFTS[-1], means[0], EXPLORED), *later)
    assert share > 0.9 * EXPLORED
    assert dear < (1 - 1.3 * LOSS_OF_EXPLORING) * before


def test_what_may_be_spent_is_spent_between_two_lifts():
    means, places = np.full(len(LIFTS), 0.2), np.zeros(len(LIFTS))
    means[-1], places[-1] = 0.2 * (1 - 4 * LOSS_OF_EXPLORING), 0.04
    lift, mean, share = lift_of_new(means, places, earned=0.0)
    assert lift == pytest.approx(LIFTS[-2] + 0.25 * (LIFTS[-1] - LIFTS[-2]))
    assert mean == pytest.approx(0.2 * (1 - LOSS_OF_EXPLORING))
    assert share == pytest.approx(0.01)


def test_places_that_cost_nothing_are_half_a_place_in_ten():
    means, places = np.full(len(LIFTS), 0.2), np.linspace(0, 0.16, len(LIFTS))
    lift, mean, share = lift_of_new(means, places, earned=0.0)
    assert (mean, share) == (pytest.approx(0.2), pytest.approx(EXPLORED))
    assert LIFTS[2] < lift < LIFTS[3]


def test_places_that_were_earned_are_given_beyond_that():
    means, places = trial_of(*planted(taken=0.4, seed=1))
    lift, mean, share = lift_of_new(means, places, earned=0.4)
    assert lift in LIFTS
    assert mean > means[0]
    assert share > EXPLORED


@pytest.mark.parametrize(("earned", "share"), [(0.03, 0.03), (0.3, EXPLORED)])
def test_their_share_of_the_choices_is_theirs_up_to_half_a_place(earned, share):
    means, places = np.where(LIFTS > 0, 0.1, 0.2), np.linspace(0, 0.8, len(LIFTS))
    assert lift_of_new(means, places, earned=earned)[2] == pytest.approx(share)


def test_where_any_lift_is_dear_there_is_none_to_speak_of():
    means = np.where(LIFTS > 0, 0.0, 0.2)
    places = np.where(LIFTS > 0, 0.5, 0.0)
    lift, _, share = lift_of_new(means, places, earned=0.0)
    assert lift <= LOSS_OF_EXPLORING * LIFTS[1] * (1 + 1e-9)
    assert share <= LOSS_OF_EXPLORING * 0.5 * (1 + 1e-9)


def test_not_one_lift_more_than_were_tried():
    means, places = np.full(len(LIFTS), 0.2), np.zeros(len(LIFTS))
    assert lift_of_new(means, places, earned=0.0) == (LIFTS[-1], pytest.approx(0.2), 0.0)
