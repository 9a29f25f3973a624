"""Blocks of every kind side by side: text, photos with gaps, sounds, numbers, a graph, behaviour.

The encoders are somebody else's (`made_up_modalities`), and known by name alone.
"""

import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import palate
from palate import testing
from palate.core import registry
from palate.core.arrays import to_dense, unit_rows
from palate.core.errors import ConfigError
from palate.pipeline.config import read_config

PIPELINE = """
[data]
interactions = "events.parquet"
items = "items.parquet"
[encoders.words]
type = "tfidf"
[encoders.photos]
type = "made_up_modalities:Photos"
[encoders.sounds]
type = "made_up_modalities:Numbers"
width = 12
[encoders.mood]
type = "made_up_modalities:Numbers"
width = 3
behavioural = true
[encoders.price]
type = "made_up_modalities:Numbers"
width = 1
[encoders.graph]
type = "made_up_modalities:Numbers"
width = 8
twice = true
[encoders.facts]
type = "attributes"
[encoders.clicks]
type = "behaviour"
dim = 6
[recommender]
"""
RECOMMENDERS = {
    "content": 'type = "content"',
    "ranker": 'type = "ranker"\nn_estimators = 20',
    "blend": 'type = "blend"',
    "mixed": 'type = "blend"\nparts = [{type = "ranker", n_estimators = 10}, {type = "ease"}]',
    "popular": 'type = "popular"',
}
FUSIONS = {
    "concat": '[fusion]\ntype = "concat"\n[fusion.weights]\nmood = 2.0\n"graph.others" = 0.5\n',
    "weighted": '[fusion]\ntype = "weighted"\n',
}
ALLOWED = ["made_up_modalities:Photos", "made_up_modalities:Numbers"]
BLOCKS = {
    "words": None, "photos": 21, "sounds": 12, "mood": 6, "price": 2,
    "graph.numbers": 8, "graph.others": 9, "facts": None, "clicks": 6,
}  # fmt: skip


@pytest.fixture(autouse=True)
def outside(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "helpers")


@pytest.fixture
def fitted(tmp_path, tiny):
    def fitted(recommender, fusion="concat"):
        tiny.interactions.write_parquet(tmp_path / "events.parquet")
        tiny.items.write_parquet(tmp_path / "items.parquet")
        text = f"{PIPELINE}{RECOMMENDERS[recommender]}\n{FUSIONS[fusion]}"
        (tmp_path / "all.toml").write_text(text)
        config = read_config(tmp_path / "all.toml")
        return config.pipeline().fit(config.read()[0])

    return fitted


def arriving(data):
    """Twins of six items, of which one lacks its photo, and an item of no topic."""
    twins = data.items.head(7).with_columns(item_id=pl.Series([f"new{row}" for row in range(7)]))
    topics = pl.when(pl.int_range(7) == 6).then(None).otherwise(pl.col("category"))
    return twins.with_columns(category=topics)


@pytest.mark.parametrize("recommender", RECOMMENDERS)
@pytest.mark.parametrize("fusion", FUSIONS)
def test_every_recommender_takes_any_blocks(fitted, tmp_path, recommender, fusion):
    model = fitted(recommender, fusion)
    found = model.recommend(["person-3"], k=5, reasons=True).table
    assert len(found) == 5
    assert found["reasons"].str.len_chars().min() > 0
    model.save(tmp_path / "model")
    loaded = palate.load(tmp_path / "model", allow=ALLOWED)
    assert loaded.recommend(["person-3"], k=5, reasons=True).table.equals(found)
    for each in (model, loaded):
        each.add_items(arriving(each.data_))
    scores = model.score(model.known_users.histories)
    assert np.isfinite(scores).all()
    np.testing.assert_array_equal(loaded.score(loaded.known_users.histories), scores)


def test_blocks_keep_their_names_their_kind_and_their_share(fitted):
    features = fitted("content").features
    assert list(features.parts) == [
        "words", "photos", "sounds", "mood", "price",
        "graph.numbers", "graph.others", "facts", "clicks",
    ]  # fmt: skip
    assert features.behavioural == {"mood", "clicks"}
    weights = dict.fromkeys(features.parts, 1.0) | {"mood": 2.0, "graph.others": 0.5}
    for name, part in features.parts.items():
        width = BLOCKS[name]
        assert width is None or part.shape[1] == width
        lengths = np.linalg.norm(to_dense(part), axis=1)
        share = (weights[name] / sum(weights.values())) ** 0.5
        assert np.allclose(lengths[lengths > 0], share, rtol=1e-4), name
    lacks = np.array([sum(name.encode()) % 5 == 0 for name in features.ids.tolist()])
    assert lacks.sum() > 3
    assert (np.linalg.norm(features.parts["photos"], axis=1) == 0).tolist() == lacks.tolist()


@pytest.mark.parametrize("block", ["photos", "sounds", "mood", "price", "graph.others"])
def test_each_block_says_by_itself_what_is_alike(fitted, block):
    """The nearest item is of the same topic far more often than chance (32%) has it."""
    model = fitted("content")
    features = model.features
    part = np.asarray(unit_rows(features.parts[block]))
    known = part.any(axis=1)
    topics = model.data_.items["category"].to_numpy()[known]
    cosines = part[known] @ part[known].T
    np.fill_diagonal(cosines, -2)
    same = (topics[cosines.argmax(axis=1)] == topics).mean()
    assert same > (0.45 if block == "price" else 0.7)


def test_the_ranker_says_what_every_block_of_somebody_else_means(fitted):
    table = fitted("ranker").recommender_.importances_
    said = table.filter(pl.col("feature").str.contains(r"^(photos|graph\.numbers|mood)"))
    assert set(said["family"]) == {"photos", "graph.numbers", "mood"}
    assert said["meaning"].str.contains("^(photos|graph.numbers|mood): ").all()


def test_items_without_a_photo_are_recommended_for_all_else(fitted):
    model = fitted("content")
    added = arriving(model.data_)
    model.add_items(added)
    twin = model.data_.items["item_id"][1]
    scores = model.score(model.histories(history=[twin]))[0]
    new = scores[-7:]
    assert new[1] == new[:6].max(), "its twin comes first of the new ones"


def test_a_block_that_is_not_there_cannot_be_weighed(tmp_path):
    text = PIPELINE.replace(
        "[recommender]\n", RECOMMENDERS["content"].join(["[recommender]\n", "\n"])
    )
    for wrong in ('[[representation]]\ntype = "whiten"\nnumbers = ["moodd"]\n',):
        (tmp_path / "wrong.toml").write_text(text + wrong)
        with pytest.raises(ConfigError, match=re.escape("Did you mean 'mood'")):
            read_config(tmp_path / "wrong.toml").pipeline()


def test_the_made_up_encoders_keep_the_promises_of_encoders(tiny):
    for name in (*ALLOWED,):
        testing.check_encoder(registry.build("encoders", {"type": name}, where=name), tiny)
