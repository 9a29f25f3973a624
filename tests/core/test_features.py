"""Features of a catalogue: blocks by name, words in their spaces."""

from dataclasses import dataclass

import numpy as np
import pytest

from palate.core.arrays import to_dense
from palate.core.component import learnt
from palate.core.features import Features
from palate.data.samples import synthetic
from palate.features.encoders.attributes import Attributes
from palate.features.encoders.behaviour import Behaviour
from palate.features.encoders.tfidf import Tfidf
from palate.features.fusion.weighted import Weighted
from palate.features.representation.reduce import Reduce
from palate.features.representation.whiten import Whiten
from palate.features.selection.redundancy import Redundancy
from palate.features.selection.variance import Variance
from palate.pipeline.pipeline import Pipeline
from palate.recommenders.content import Content
from palate.recommenders.covisit import Covisit
from palate.recommenders.popular import Popular

TEMPLATE = "{title}. {description}"


@pytest.fixture(scope="module")
def shop():
    return synthetic(40, 30)


def test_blocks_are_called_what_the_pipeline_calls_their_encoder(shop):
    encoders = {"a": Tfidf(template="{title}"), "b": Behaviour(dim=4), "c": Attributes()}
    model = Pipeline(encoders=encoders, recommender=Covisit()).fit(shop)
    assert list(model.features.parts) == ["a", "b", "c"]
    assert model.features.behavioural == {"b"}


def test_an_encoder_of_several_parts_has_several_blocks(shop):
    @dataclass(kw_only=True)
    class Two:
        scale_: float = learnt()

        def fit(self, data):
            self.scale_ = 2.0
            return self

        def encode(self, data):
            ones = np.ones((len(data.items), 2), dtype=np.float32)
            return Features(data.item_ids, {"x": ones * self.scale_, "y": ones}, behavioural=["y"])

    model = Pipeline(encoders={"two": Two()}, recommender=Covisit()).fit(shop)
    assert list(model.features.parts) == ["two.x", "two.y"]
    assert model.features.behavioural == {"two.y"}


# ---- words, block by block

FUSIONS = {
    "concat": {},
    "weighted": {"fusion": Weighted()},
    "narrow": {"fusion": Weighted(dim=7)},
    "reduced": {"representation": [Whiten(), Reduce(dim=6)]},
    "selected": {"selection": [Variance(), Redundancy()]},
    "fused, then selected": {"fusion": Weighted(), "selection": [Variance(floor=0.5)]},
}


@pytest.mark.parametrize("encoders", [("a",), ("a", "b")], ids=["one encoder", "two"])
@pytest.mark.parametrize("settings", FUSIONS.values(), ids=FUSIONS)
def test_an_items_own_words_are_its_features(shop, letters, settings, encoders):
    readers = {name: letters(template=TEMPLATE) for name in encoders} | {
        "sparse": Tfidf(template=TEMPLATE)
    }
    model = Pipeline(encoders=readers, recommender=Popular(), **settings).fit(shop)
    texts = [f"{title}. {said}" for title, said in shop.items["title", "description"].iter_rows()]
    words = model.queries(texts)
    assert words.keys() == model.features.parts.keys()
    for name, part in model.features.parts.items():
        assert to_dense(words[name]) == pytest.approx(to_dense(part), abs=1e-5)


def test_words_reach_the_recommender_through_weighted(shop, letters):
    encoder = letters(template=TEMPLATE)
    model = Pipeline(encoders={"letters": encoder}, fusion=Weighted(), recommender=Content())
    said = f"{shop.items['title'][9]}. {shop.items['description'][9]}"
    assert model.fit(shop).recommend(text=said, k=1).table["item_id"].to_list() == ["i09"]
    encoders = {"letters": encoder, "clicks": Behaviour(dim=5)}
    mixed = Pipeline(encoders=encoders, fusion=Weighted(), recommender=Content()).fit(shop)
    assert mixed.queries([said]).keys() == {"fused"}
    silent = mixed.score(mixed.histories(history=[]))
    assert not np.allclose(mixed.score(mixed.histories(text=said)), silent)
