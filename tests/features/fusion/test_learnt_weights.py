"""Weights that are learnt from what people did next: no worse than the best block, and said."""

import numpy as np
import pytest
from planted_blocks import planted_blocks

import palate
from palate.core.errors import AlignmentError, ConfigError, DataError

NOISE = float("inf")
SEEDS = (1, 2, 3)
FUSIONS = {
    "concat": lambda: palate.Concat(weights="learn"),
    "weighted": lambda: palate.Weighted(weights="learn"),
    "correlation": palate.Correlation,
    "gated": palate.Gated,
    "attention": palate.Attention,
    "linear": palate.Linear,
}


@pytest.mark.parametrize("make", FUSIONS.values(), ids=FUSIONS)
def test_noise_beside_a_good_block_is_turned_down(make):
    worlds = [planted_blocks(seed, {"good": 0.7, "noise": NOISE}) for seed in SEEDS]
    best = np.mean([world.best_block() for world in worlds])
    equal = np.mean([world.ndcg(palate.Concat()) for world in worlds])
    learnt = np.mean([world.ndcg(make()) for world in worlds])
    assert equal < best - 0.005
    assert learnt > best - 0.005


@pytest.mark.parametrize("make", FUSIONS.values(), ids=FUSIONS)
def test_blocks_of_different_worth_weigh_by_it(make):
    noise = {"poor": 2.5, "good": 0.8, "fair": 1.2}
    worlds = [planted_blocks(seed, noise) for seed in SEEDS]
    best = np.mean([world.best_block() for world in worlds])
    assert np.mean([world.ndcg(make()) for world in worlds]) > best - 0.005


BESIDE = {name: make for name, make in FUSIONS.items() if name != "weighted"}


@pytest.mark.parametrize("make", BESIDE.values(), ids=BESIDE)
def test_items_that_lack_a_block_are_known_by_the_others(make):
    noise, missing = {"one": 0.7, "two": 0.9}, {"one": 0.4, "two": 0.2}
    worlds = [planted_blocks(seed, noise, missing=missing) for seed in SEEDS]
    best = np.mean([world.best_block() for world in worlds])
    assert np.mean([world.ndcg(make()) for world in worlds]) > best - 0.005


def test_a_gate_finds_poor_rows():
    noise, poor = {"one": 0.6, "two": 0.7, "three": 0.9}, {"one": 0.4, "two": 0.3}
    worlds = [planted_blocks(seed, noise, poor=poor) for seed in SEEDS]
    best = np.mean([world.best_block() for world in worlds])
    learnt = np.mean([world.ndcg(palate.Concat(weights="learn")) for world in worlds])
    gated = np.mean([world.ndcg(palate.Gated()) for world in worlds])
    assert learnt > best
    assert gated > learnt


def test_without_times_the_last_events_are_held_out():
    world = planted_blocks(1, {"good": 0.7, "noise": NOISE}, timed=False)
    fusion = palate.Concat(weights="learn").fit(world.features, world.split.train)
    assert fusion.factors_["noise"] ** 2 < 0.1
    said = "weights of the blocks, learnt from held-out events: good "
    assert fusion.chosen_[0].startswith(said)


def test_too_few_events_give_equal_weights(tiny, tiny_features):
    few = tiny.with_interactions(tiny.interactions.head(12))
    fusion = palate.Concat(weights="learn").fit(tiny_features, few)
    assert len(set(fusion.factors_.values())) == 1


def test_given_weights_are_not_learnt_from_events(tiny, tiny_features):
    fusion = palate.Concat(weights={"text": 2.0}).fit(tiny_features, tiny)
    assert fusion.chosen_ == []
    assert not fusion.learns_from_events
    with pytest.raises(ConfigError, match="weights"):
        palate.Concat(weights="lern")


@pytest.mark.parametrize(
    "fusion", [palate.Concat(weights="learn"), palate.Correlation()], ids=["concat", "correlation"]
)
def test_blocks_in_which_all_items_are_alike_weigh_nothing(fusion):
    world = planted_blocks(1, {"good": 0.7})
    count = len(world.features)
    flat = {"ones": np.ones((count, 1)), "nothing": np.zeros((count, 3))}
    features = world.features.with_parts({**world.features.parts, **flat})
    shares = fusion.fit(features, world.split.train).factors_
    assert shares == {"good": 1.0, "ones": 0.0, "nothing": 0.0}


def test_linear_needs_events_and_a_name(tiny, tiny_features):
    with pytest.raises(DataError, match="linear learns from events"):
        palate.Linear().fit(tiny_features, tiny.with_interactions(tiny.interactions.clear()))
    taken = tiny_features.with_parts({"linear": tiny_features.parts["text"]})
    with pytest.raises(AlignmentError, match="'linear' already"):
        palate.Linear().fit(taken, tiny)
    with pytest.raises(ConfigError, match="gated needs a dense block"):
        palate.Gated().fit(tiny_features.select(["tags"]), tiny)
