"""Fusion and selection that learn from events: in pipelines and their files, saved, honest."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from planted_blocks import planted_blocks

import palate
from palate.core.histories import histories_of
from palate.core.order import settled
from palate.core.types import FitContext
from palate.data.samples import synthetic
from palate.pipeline.config import read_config

ENCODERS = {
    "words": palate.Tfidf(),
    "clicks": palate.Behaviour(dim=8),
    "walks": palate.Item2Vec(dim=8),
}
FUSIONS = {
    "concat": palate.Concat(weights="learn"),
    "weighted": palate.Weighted(weights="learn"),
    "correlation": palate.Correlation(),
    "gated": palate.Gated(),
    "attention": palate.Attention(),
    "linear": palate.Linear(dim=8),
}
SELECTIONS = {
    "l1": palate.L1(penalty=0.1),
    "permutation": palate.Importance(keep=0.5),
    "gain": palate.Importance(by="gain", keep=0.5),
}
LISTED = pytest.mark.parametrize("fusion", FUSIONS.values(), ids=FUSIONS)


@pytest.fixture(scope="module")
def data():
    return synthetic(n_users=150, n_items=60, seed=1)


def fitted(data, fusion, **others):
    settings = {"encoders": ENCODERS, "recommender": palate.Content(), **others}
    return palate.Pipeline(fusion=fusion, **settings).fit(data)


@LISTED
def test_a_saved_model_gives_the_same_lists_and_says_what_was_learnt(data, fusion, tmp_path):
    model = fitted(data, fusion)
    loaded = palate.load(model.save(tmp_path / "model"))
    asked = data.user_ids.tolist()[:20]
    words = {"text": "soil and compost", "k": 5}
    assert loaded.recommend(asked).table.equals(model.recommend(asked).table)
    assert loaded.recommend(**words).table.equals(model.recommend(**words).table)
    assert any("clicks" in line for line in palate.read_card(tmp_path / "model").chosen)


@pytest.mark.parametrize("selection", SELECTIONS.values(), ids=SELECTIONS)
def test_a_learnt_selection_is_saved_and_said(data, selection, tmp_path):
    model = fitted(data, palate.Concat(weights="learn"), selection=[selection])
    loaded = palate.load(model.save(tmp_path / "model"))
    asked = data.user_ids.tolist()[:20]
    assert loaded.recommend(asked).table.equals(model.recommend(asked).table)
    assert any("columns that stay" in one for one in palate.read_card(tmp_path / "model").chosen)


@LISTED
def test_the_order_of_rows_changes_no_list(data, fusion):
    turned = replace(data, items=data.items.reverse())
    asked = data.user_ids.tolist()[:20]
    one, other = (fitted(each, fusion).recommend(asked).table for each in (data, turned))
    assert one["item_id"].equals(other["item_id"])


def test_a_pipeline_file_says_learn(tmp_path):
    path = tmp_path / "learn.toml"
    path.write_text(
        '[data]\ninteractions = "log.csv"\n[encoders.words]\ntype = "tfidf"\n'
        '[fusion]\ntype = "concat"\nweights = "learn"\n[recommender]\ntype = "content"\n'
    )
    assert read_config(path).pipeline().fusion == palate.Concat(weights="learn")


def test_a_recommender_has_fusion_learnt_again_without_its_labels(data):
    """What was learnt from all events knows the labels, be it in blocks of content alone."""
    seen = []

    @dataclass(kw_only=True)
    class Listening:
        """A recommender that asks for the features of a part."""

        def fit(self, data, context=FitContext()):
            seen.append(context)
            part = data.part(np.arange(len(data.events)) < len(data.events) // 2)
            seen.append(context.on_part(part))
            return self

        def score(self, histories):
            return np.zeros((len(histories), len(data.item_ids)), dtype=np.float32)

        def add_items(self, items):
            return self

    content = {"words": palate.Tfidf(), "facts": palate.Attributes()}
    fitted(data, palate.Concat(weights="learn"), encoders=content, recommender=Listening())
    whole, part = seen
    assert whole.knows_events
    name = "facts"
    told = [abs(context.items.parts[name]).sum() for context in (whole, part)]
    assert told[0] != pytest.approx(told[1], rel=1e-6), "the same weights"
    fitted(data, palate.Concat(), encoders=content, recommender=Listening())
    assert seen[3] is seen[2]


@pytest.mark.parametrize(
    "steps",
    [
        *({"fusion": fusion} for fusion in FUSIONS.values()),
        *({"selection": [selection]} for selection in SELECTIONS.values()),
    ],
    ids=[*FUSIONS, *SELECTIONS],
)
def test_features_of_a_part_are_those_of_a_fit_on_it_alone(data, steps):
    """Whatever is learnt, events that are held out leave no trace in what the rest is."""
    seen = []

    class Listening(palate.Content):
        def fit(self, data, context=FitContext()):
            seen.append(context)
            return super().fit(data, context)

    part, _ = settled(data.part(np.arange(len(data.events)) < len(data.events) // 2))
    whole = palate.Pipeline(encoders=ENCODERS, recommender=Listening(), **steps).fit(data)
    alone = palate.Pipeline(encoders=ENCODERS, recommender=palate.Content(), **steps).fit(part)
    (context,) = seen
    assert context.knows_events
    again, wanted = context.on_part(part).items, alone.features
    assert again.behavioural == wanted.behavioural == whole.features.behavioural
    for name, values in wanted.take(wanted.ids.rows(again.ids.series)).parts.items():
        assert abs(again.parts[name] - values).max() < 1e-6


def test_a_block_that_was_learnt_from_events_is_weighed_without_the_answers():
    """Behaviour that knows the answers foretells them; made again, it has to earn its weight."""
    world = planted_blocks(1, {"good": 0.7})
    data, content = world.split.train, world.features

    def features_of(part):
        learnt = palate.Behaviour(dim=100).fit(part).encode(part)
        return content.beside(learnt)

    def remake(part):
        return FitContext(items=features_of(part))

    features = features_of(data)
    leaky = palate.Features(data.item_ids, features.parts)
    unaware = palate.Concat(weights="learn").fit(leaky, data).factors_
    context = FitContext(items=features, remake=remake)
    honest = palate.Concat(weights="learn").fit(features, data, context).factors_
    assert honest["behaviour"] ** 2 < 0.7 * unaware["behaviour"] ** 2


def test_blend_the_features_of_people_and_ablation_take_what_was_learnt(data):
    split = palate.split_by_time(data)
    fusion = palate.Concat(weights="learn")
    blended = fitted(split.train, fusion, recommender=palate.Blend())
    assert len(blended.recommend(data.user_ids.tolist()[:3], k=4).table) == 12
    people = palate.user_features(histories_of(split.train), blended.features)
    weights = blended.transforms_[1].factors_
    assert set(people.parts) == {f"history.{name}" for name in weights}
    units = palate.Concat().fit(blended.features, split.train).transform(blended.features)
    plain = palate.user_features(histories_of(split.train), units)
    equal = len(weights) ** -0.5
    said = people.parts["history.words"] * (equal / weights["words"])
    np.testing.assert_allclose(said.toarray(), plain.parts["history.words"].toarray(), atol=1e-6)
    whole = palate.Pipeline(encoders=ENCODERS, fusion=fusion, recommender=palate.Content())
    found = palate.ablate(whole, split, resamples=20)
    assert {"words", "clicks", "walks"} <= {drop.name for drop in found.drops}
