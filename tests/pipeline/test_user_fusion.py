"""Blocks of people are fused and selected as those of items are: noise is turned off."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from clubs import CLUBS

import palate
from palate.core.errors import ConfigError
from palate.core.order import settled
from palate.core.types import FitContext
from palate.pipeline.config import read_config
from palate.recommenders.ranker import Ranker

NOISE = [f"noise_{number}" for number in range(6)]
USERS = {
    name: palate.Attributes(columns={column: "categories"})
    for name, column in {"truth": "occupation", **{name: name for name in NOISE}}.items()
}
FUSIONS = {
    "concat": palate.Concat(weights="learn"),
    "correlation": palate.Correlation(),
    "linear": palate.Linear(dim=8, keep=False),
}


@pytest.fixture(scope="module")
def split(clubs):
    """People whose occupation tells what they choose, beside six columns that tell nothing."""
    rng = np.random.default_rng(7)
    noise = [
        pl.Series(name, rng.choice([f"{name} {kind}" for kind in range(3)], len(clubs.users)))
        for name in NOISE
    ]
    return palate.split_by_time(replace(clubs, users=clubs.users.with_columns(noise)), test=0.25)


def fitted(data, **settings):
    given = {"encoders": {}, "users": USERS, "recommender": palate.UserKNN(neighbours=20)}
    return palate.Pipeline(**given | settings).fit(data)


def share_of_their_topic(model, people=20):
    """Of lists for strangers of each occupation, whose other columns are anything."""
    rng, found = np.random.default_rng(3), []
    for club in CLUBS:
        for _ in range(people // 2):
            said = {name: f"{name} {rng.integers(0, 3)}" for name in NOISE}
            listed = model.recommend(profile={"occupation": club, **said}, k=6).table["item_id"]
            found.append(np.mean([item.startswith(club) for item in listed]))
    return float(np.mean(found))


@pytest.mark.parametrize("fusion", FUSIONS.values(), ids=FUSIONS)
def test_learnt_fusion_of_people_turns_noise_off(split, fusion):
    without, learnt = fitted(split.train), fitted(split.train, user_fusion=fusion)
    assert share_of_their_topic(learnt) > share_of_their_topic(without) + 0.05
    said = " ".join(line for one in learnt.user_transforms_ for line in getattr(one, "chosen_", []))
    assert "truth" in said or "linear" in said


def test_weights_that_are_given_count_by_how_much(split):
    shares = [
        share_of_their_topic(fitted(split.train, user_fusion=palate.Concat(weights={"truth": own})))
        for own in (0.0, 1.0, 9.0)
    ]
    assert shares[0] + 0.1 < shares[1] < shares[2] - 0.05


def test_fusion_of_people_reaches_the_ranker(split):
    quick = Ranker(n_estimators=20, n_train_queries=600, candidates=30)
    settings = {"encoders": {"words": palate.Tfidf()}, "recommender": quick}
    without = fitted(split.train, **settings)
    learnt = fitted(split.train, user_fusion=palate.Concat(weights="learn"), **settings)
    assert share_of_their_topic(learnt) > share_of_their_topic(without) + 0.05


def test_selection_of_people_keeps_columns_that_tell(split):
    users = {
        "facts": palate.Attributes(columns=dict.fromkeys(["occupation", *NOISE], "categories"))
    }
    chosen = fitted(split.train, users=users, user_selection=[palate.L1()])
    whole = fitted(split.train, users=users)
    truth = fitted(split.train, users={"facts": USERS["truth"]}).user_features.parts["facts"]
    kept = chosen.user_transforms_[-1].kept_["facts"]
    assert kept[: truth.shape[1]].mean() > kept[truth.shape[1] :].mean()
    assert share_of_their_topic(chosen) > share_of_their_topic(whole) + 0.05


def test_whose_row_is_whose_matters(split):
    users = split.train.users
    columns = users.drop("user_id").sample(fraction=1.0, shuffle=True, seed=2)
    shuffled = replace(
        split.train, users=pl.concat([users.select("user_id"), columns], how="horizontal")
    )
    settings = {"user_fusion": palate.Concat(weights="learn")}
    model, other = fitted(split.train, **settings), fitted(shuffled, **settings)
    assert share_of_their_topic(model) > share_of_their_topic(other) + 0.2


def test_other_steps_than_the_items(split):
    model = fitted(split.train, user_representation=[], user_fusion=palate.Concat())
    assert [type(one).__name__ for one in model.user_transforms_] == ["Concat"]
    dense = {"acts": palate.Behaviour(dim=8), "walks": palate.Item2Vec(dim=8), **USERS}
    model = fitted(split.train, users=dense, user_fusion=palate.Weighted(weights="learn"))
    assert set(model.user_features.parts) == {"fused", *USERS}
    assert model.user_features.behavioural == {"fused"}


def test_it_is_saved_and_told(split, tmp_path):
    fusion = palate.Concat(weights="learn")
    model = fitted(split.train, user_fusion=fusion, user_selection=[palate.Variance()])
    loaded = palate.load(model.save(tmp_path / "model"))
    assert loaded.user_fusion == fusion
    profile = {"occupation": "pilot", NOISE[0]: f"{NOISE[0]} 1"}
    one, other = (each.recommend(profile=profile, k=5).table for each in (model, loaded))
    assert one.equals(other)
    card = palate.read_card(tmp_path / "model")
    assert any(line.startswith("users transform concat: weights of the") for line in card.chosen)


def test_a_pipeline_file_says_it_and_check_looks_at_names(tmp_path):
    path = tmp_path / "people.toml"
    file = (
        '[data]\ninteractions = "log.csv"\n[users.facts]\ntype = "attributes"\n'
        '[[user_representation]]\ntype = "whiten"\n[user_fusion]\ntype = "concat"\n'
        'weights = {{ {name} = 2.0 }}\n[[user_selection]]\ntype = "variance"\n'
    )
    path.write_text(file.format(name="facts"))
    pipeline = read_config(path).pipeline()
    assert pipeline.user_fusion == palate.Concat(weights={"facts": 2.0})
    assert pipeline.user_representation == [palate.Whiten()]
    assert pipeline.user_selection == [palate.Variance()]
    path.write_text(file.format(name="fcts"))
    with pytest.raises(ConfigError, match=r"user_fusion\.weights: no block is called 'fcts'"):
        read_config(path)


def test_settings_that_cannot_be_used(split):
    with pytest.raises(ConfigError, match="user_fusion"):
        palate.Pipeline(user_fusion="concat")
    with pytest.raises(ConfigError, match="user_selection must be a list"):
        palate.Pipeline(user_selection=palate.L1())
    with pytest.raises(ConfigError, match=r"user_fusion\.weights: no block is called 'words'"):
        palate.Pipeline(users=USERS, user_fusion=palate.Concat(weights={"words": 2.0}))


def test_what_was_learnt_of_people_is_learnt_again_of_a_part(split):
    """Whatever happened after a part: the features of the part are those of a fit on it alone."""
    seen = []

    class Listening(palate.UserKNN):
        def fit(self, data, context=FitContext()):
            seen.append(context)
            return super().fit(data, context)

    data = split.train
    part, _ = settled(data.part(np.arange(len(data.events)) < len(data.events) // 2))
    for fusion in FUSIONS.values():
        seen.clear()
        fitted(data, user_fusion=fusion, recommender=Listening())
        alone = fitted(part, user_fusion=fusion).user_features
        (context,) = seen
        assert context.knows_events
        again = context.on_part(part).users
        alone = alone.take(alone.ids.rows(again.ids.series))
        for name, values in alone.parts.items():
            assert abs(again.parts[name] - values).max() < 1e-6


def test_ablation_leaves_out_blocks_that_a_fusion_of_people_names(split):
    users = {name: USERS[name] for name in ("truth", NOISE[0])}
    whole = palate.Pipeline(
        encoders={},
        users=users,
        user_fusion=palate.Concat(weights={"truth": 3.0, NOISE[0]: 1.0}),
        recommender=palate.UserKNN(),
    )
    found = palate.ablate(whole, split, resamples=20)
    assert {drop.name for drop in found.drops} >= {"users.truth", f"users.{NOISE[0]}"}


def test_a_fusion_of_dense_blocks_is_refused_before_the_fit():
    with pytest.raises(ConfigError, match=r"user_fusion: gated needs a dense block.*use concat"):
        palate.Pipeline(users=USERS, user_fusion=palate.Gated())
    sparse = {"words": palate.Tfidf(), "facts": palate.Attributes()}
    with pytest.raises(ConfigError, match=r"fusion: weighted needs a dense block, but all of"):
        palate.Pipeline(encoders=sparse, fusion=palate.Weighted())
    both = {**sparse, "clicks": palate.Behaviour()}
    with pytest.raises(ConfigError, match=r"fusion\.weights: the block 'words' is sparse"):
        palate.Pipeline(encoders=both, fusion=palate.Weighted(weights={"words": 2.0}))
    palate.Pipeline(encoders=both, fusion=palate.Weighted(weights={"clicks": 2.0}))


def test_a_row_that_changes_later_is_fused_anew(split):
    users = {
        "facts": palate.Attributes(columns=["age", "occupation"]),
        "clicks": palate.Behaviour(),
    }
    model = fitted(split.train, users=users, user_fusion=palate.Linear(dim=8, keep=True))
    row = model.data_.users.row(0, named=True)
    other = next(one for one in CLUBS if one != row["occupation"])
    said = pl.DataFrame({"user_id": [row["user_id"]], "occupation": [other]})
    event = split.train.interactions.tail(1)
    later = model.with_events(event, users=said)
    at = model.user_features.ids.tolist().index(row["user_id"])
    before, after = (one.user_features.parts["linear"][at] for one in (model, later))
    assert not np.array_equal(before, after)
    asked = model.histories([row["user_id"]], profile={"occupation": other}).users["linear"]
    np.testing.assert_allclose(after, asked[0], atol=1e-6)
