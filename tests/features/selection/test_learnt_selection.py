"""Selection learnt from events: columns of noise go, columns of taste stay."""

import numpy as np
import pytest
from planted_blocks import planted_blocks

import palate
from palate.core.errors import AlignmentError, ConfigError
from palate.features.blocks import weights_in

NOISE = float("inf")
SELECTIONS = {
    "l1": palate.L1,
    "permutation": palate.Importance,
    "gain": lambda: palate.Importance(by="gain"),
}
LISTED = pytest.mark.parametrize("make", SELECTIONS.values(), ids=SELECTIONS)


def joined(world):
    """One block, whose first 16 columns say something and whose last 16 do not."""
    both = np.hstack([world.features.parts["good"], 1.5 * world.features.parts["noise"]])
    return world.features.with_parts({"both": both})


@LISTED
def test_columns_of_noise_go(make):
    gains = []
    for seed in (1, 2, 3):
        world = planted_blocks(seed, {"good": 0.7, "noise": NOISE})
        train, features = world.split.train, joined(world)
        model = make().fit(features, train)
        kept = model.kept_["both"]
        assert kept[:16].sum() >= 2 * kept[16:].sum()
        whole = world.ndcg(palate.Concat(), features=features)
        gains.append(world.ndcg(palate.Concat(), [make()], features=features) - whole)
        assert model.chosen_[0].startswith("columns that stay, learnt from held-out events: both ")
    assert np.mean(gains) > 0


@LISTED
def test_too_few_events_leave_every_column(tiny, tiny_features, make):
    few = tiny.with_interactions(tiny.interactions.head(12))
    model = make().fit(tiny_features, few)
    assert all(kept.all() for kept in model.kept_.values())


def test_a_share_says_how_many_stay(tiny, tiny_features):
    world = planted_blocks(1, {"good": 0.7, "noise": NOISE})
    model = palate.Importance(keep=0.5).fit(joined(world), world.split.train)
    assert model.kept_["both"].sum() == 16
    with pytest.raises(AlignmentError, match="without a block"):
        model.transform(tiny_features)


def test_a_block_of_which_columns_go_keeps_the_weight_that_fusion_gave_it():
    world = planted_blocks(1, {"good": 0.7, "noise": NOISE})
    both, train = world.features.with_parts({**world.features.parts, **joined(world).parts}), world
    weighed = palate.Concat(weights={"both": 3.0}).fit(both, train.split.train).transform(both)
    chosen = palate.Importance(keep=0.5).fit(weighed, train.split.train).transform(weighed)
    assert chosen.parts["both"].shape[1] < weighed.parts["both"].shape[1]
    assert weights_in(chosen.parts) == pytest.approx(weights_in(weighed.parts), abs=1e-3)


def test_settings_that_cannot_work_raise():
    with pytest.raises(ConfigError, match="penalty"):
        palate.L1(penalty=1.5)
    with pytest.raises(ConfigError, match="by"):
        palate.Importance(by="gian")
