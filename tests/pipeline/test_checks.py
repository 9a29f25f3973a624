"""What a pipeline is made of, before anything is fitted: kinds of components, names of blocks."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import pytest

from palate.core.errors import ConfigError
from palate.core.features import Features
from palate.core.settings import AnyRecommender, BlockName
from palate.data.samples import synthetic
from palate.features.encoders.attributes import Attributes
from palate.features.encoders.behaviour import Behaviour
from palate.features.encoders.tfidf import Tfidf
from palate.features.fusion.concat import Concat
from palate.features.fusion.weighted import Weighted
from palate.features.representation.whiten import Whiten
from palate.pipeline.pipeline import Pipeline
from palate.recommenders.blend import Blend
from palate.recommenders.content import Content
from palate.recommenders.covisit import Covisit
from palate.recommenders.ranker import Ranker
from palate.recommenders.rerankers.diversity import Diversity
from palate.recommenders.two_stage.importance import FAMILIES


class Halves:
    """An encoder of somebody else's, of two blocks."""

    def fit(self, data):
        return self

    def encode(self, data):
        block = Tfidf(min_df=1).fit(data).encode(data).parts["tfidf"]
        return Features(data.item_ids, {"left": block[:, :9], "right": block[:, 9:]})


class Renaming:
    """A transform of somebody else's, after which blocks are called otherwise."""

    def fit(self, features, data):
        return self

    def transform(self, features):
        parts = {f"new {name}": part for name, part in features.parts.items()}
        return Features(features.ids, parts)


def fails(words, **settings):
    with pytest.raises(ConfigError, match=words):
        Pipeline(**settings)


# ---- components


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"recommender": "ranker"}, r"recommender = 'ranker' is a name.*write Ranker\(\)"),
        ({"recommender": "rankr"}, "no recommender is called 'rankr'. Did you mean 'ranker'"),
        ({"recommender": Ranker}, r"recommender is the class Ranker: write Ranker\(\)"),
        ({"recommender": None}, "recommender = None is no recommender.*no fit and no score"),
        ({"recommender": Tfidf()}, "a recommender has fit and score and add_items, this has no sc"),
        ({"fusion": "concat"}, r"fusion = 'concat' is a name.*Concat\(\)"),
        ({"fusion": Covisit()}, "fusion = .* is no transform"),
        ({"encoders": [Tfidf()]}, r"encoders must have names.*\{'words': Tfidf\(\)\}"),
        ({"encoders": Tfidf()}, "encoders must have names"),
        ({"encoders": "tfidf"}, "encoders must have names, .* not 'tfidf'"),
        ({"encoders": {"text": "tfidf"}}, r"encoders\['text'\] = 'tfidf' is a name.*Tfidf\(\)"),
        ({"encoders": {3: Tfidf()}}, "encoders: 3 is no name"),
        ({"encoders": {"": Tfidf()}}, "encoders: '' is no name"),
        ({"encoders": {"text": Whiten()}}, "is no encoder: an encoder has fit and encode"),
        ({"representation": Whiten()}, r"representation must be a list.*write \[Whiten\(...\)\]"),
        ({"representation": None}, r"representation must be a list, not None: write \[\]"),
        ({"representation": ["whiten"]}, r"representation\[0\] = 'whiten' is a name"),
        ({"selection": [Whiten(), Whiten]}, r"selection\[1\] is the class Whiten"),
        ({"rerankers": Diversity()}, r"rerankers must be a list.*write \[Diversity\(...\)\]"),
        ({"rerankers": [Covisit()]}, r"rerankers\[0\] = .* is no reranker"),
    ],
)
def test_what_is_no_component_is_named(settings, words):
    fails(words, **settings)


def test_what_was_put_in_later_is_checked_by_fit():
    model = Pipeline(encoders={}, recommender=Covisit())
    model.recommender = "covisit"
    with pytest.raises(ConfigError, match="is a name"):
        model.fit(synthetic(40, 30))


# ---- names of blocks

BOTH = {"text": Tfidf(), "clicks": Behaviour()}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (
            {"fusion": Concat(weights={"txt": 2.0})},
            r"fusion\.weights: .*'txt'. Did you mean 'text'",
        ),
        ({"fusion": Weighted(weights={"click": 2})}, r"fusion\.weights: .*Did you mean 'clicks'"),
        ({"selection": [Concat(weights={"x": 1})]}, r"selection\[0\]\.weights: .*'x'"),
        (
            {"recommender": Content(blocks=["text", "clcks"])},
            r"content\.blocks: .*'clcks'.*'clicks'",
        ),
        ({"rerankers": [Diversity(block="txt")]}, r"diversity\.block: .*'txt'.*'text'"),
        (
            {"recommender": Blend(parts=[{"type": "covisit"}, Content(blocks=["txt"])])},
            r"blend\.parts\[1\]\.blocks: .*'txt'",
        ),
        (
            {"recommender": Blend(parts=[Blend(parts=[Content(blocks=["txt"])])])},
            r"blend\.parts\[0\]\.parts\[0\]\.blocks: .*'txt'",
        ),
        (
            {"fusion": Weighted(), "recommender": Content(blocks=["fusd"])},
            "'fusd'. Did you mean 'fused'",
        ),
        ({"recommender": Content(blocks=["text.left"])}, "'text.left'"),
    ],
)
def test_misspelt_blocks_are_guessed(settings, words):
    fails(words, **{"encoders": BOTH, **settings})


@pytest.mark.parametrize(
    "settings",
    [
        {"fusion": Concat(weights={"text": 2.0, "clicks": 0.0})},
        {"fusion": Weighted(weights={"clicks": 2.0}), "recommender": Content(blocks=["fused"])},
        {"fusion": Weighted(), "recommender": Content(blocks=["text"])},
        {"rerankers": [Diversity(block="clicks")], "recommender": Content(blocks=["text"])},
    ],
)
def test_blocks_that_are_there_are_not_refused(settings):
    model = Pipeline(encoders=BOTH, **{"recommender": Covisit(), **settings})
    model.fit(synthetic(40, 30))


def test_an_encoder_of_somebody_else_may_give_several_blocks():
    encoders = {"halves": Halves(), **BOTH}
    model = Pipeline(
        encoders=encoders,
        fusion=Concat(weights={"halves.left": 2.0}),
        recommender=Content(blocks=["halves.right"]),
        rerankers=[Diversity(block="halves.left")],
    ).fit(synthetic(40, 30))
    assert "halves.left" in model.features.parts
    fails(
        "'halve.left'. Did you mean", encoders=encoders, recommender=Content(blocks=["halve.left"])
    )


def test_a_transform_of_somebody_else_may_rename_blocks():
    model = Pipeline(
        encoders={"text": Tfidf()},
        representation=[Renaming()],
        fusion=Concat(weights={"new text": 2.0}),
        recommender=Content(blocks=["new text"]),
    ).fit(synthetic(40, 30))
    assert list(model.features.parts) == ["new text"]


@dataclass(kw_only=True)
class Says:
    """A component of somebody else's, whose settings say by their type that they name blocks."""

    block: BlockName | None = None
    shares: dict[BlockName, float] = field(default_factory=dict)
    inner: AnyRecommender = None
    readers: dict[str, AnyRecommender] = field(default_factory=dict)

    def fit(self, *inputs):
        return self

    def transform(self, features):
        return features

    def score(self, histories):
        return np.zeros((len(histories), 1), dtype=np.float32)

    def add_items(self, items):
        return self

    def rerank(self, recommendations, histories):
        return recommendations


@dataclass(kw_only=True)
class Adds(Says):
    """The same, which says that its transform adds a block."""

    makes: ClassVar[Sequence[str]] = ("sum",)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"block": "txt"}, r"\.block: no block is called 'txt'. Did you mean 'text'"),
        ({"shares": {"text": 1.0, "click": 2.0}}, r"\.shares: .*'click'. Did you mean 'clicks'"),
        ({"inner": {"type": "content", "blocks": ["txt"]}}, r"\.inner\.blocks: .*'txt'"),
        ({"inner": Content(blocks=["txt"])}, r"\.inner\.blocks: .*'txt'"),
        (
            {"readers": {"a": Blend(parts=[Content(blocks=["txt"])])}},
            r"\.readers\.a\.parts\[0\]\.blocks: .*'txt'",
        ),
    ],
)
@pytest.mark.parametrize(
    "stage", ["representation", "fusion", "selection", "recommender", "rerankers"]
)
def test_blocks_that_others_name_are_guessed(stage, settings, words):
    mine = Says(**settings)
    fails(words, encoders=BOTH, **{stage: mine if stage in ("fusion", "recommender") else [mine]})


def test_blocks_that_others_name_rightly_are_fine():
    inner = {"type": "content", "blocks": ["clicks"]}
    mine = Says(block="text", shares={"clicks": 2.0}, inner=inner, readers={"a": {"type": "ease"}})
    Pipeline(encoders=BOTH, representation=[mine], recommender=mine, rerankers=[mine])
    strange = Says(inner={"type": "nothing of ours", "blocks": ["txt"]})
    Pipeline(encoders=BOTH, recommender=strange)  # whoever builds that says so


def test_a_transform_of_somebody_else_may_say_which_blocks_it_makes():
    given = {"encoders": BOTH, "representation": [Adds()]}
    Pipeline(**given, recommender=Content(blocks=["sum", "text"]))
    fails("'sm'. Did you mean 'sum'", **given, recommender=Content(blocks=["sm"]))
    Pipeline(encoders=BOTH, representation=[Says()], recommender=Content(blocks=["sm"]))


def test_without_encoders_there_is_nothing_to_name():
    Pipeline(encoders={}, fusion=Concat(weights={"txt": 2.0}), recommender=Covisit())


def test_default_encoders_are_known_from_the_data(monkeypatch):
    def light(data):
        return {"words": Tfidf(), "attributes": Attributes()}

    monkeypatch.setattr("palate.pipeline.learning.default_encoders", light)
    model = Pipeline(fusion=Concat(weights={"word": 2.0}), recommender=Covisit())
    with pytest.raises(ConfigError, match=r"'word'. Did you mean 'words'"):
        model.fit(synthetic(40, 30))


# ---- beside the ranker


@pytest.mark.parametrize("name", [*FAMILIES, "text:newest", "text (place)"])
def test_the_rankers_own_names_are_taken(name):
    encoders = {"text": Tfidf(), name: Tfidf()}
    fails("cannot be called .* beside the ranker", encoders=encoders, recommender=Ranker())
    blend = Blend(parts=[{"type": "covisit"}, {"type": "ranker"}])
    fails("beside the ranker", encoders=encoders, recommender=blend)
    Pipeline(encoders=encoders, recommender=Covisit())
    dense = {"text": Behaviour(), name: Tfidf()}
    Pipeline(encoders=dense, recommender=Ranker(), fusion=Weighted())


@dataclass(kw_only=True)
class OwnRanker(Ranker):
    """Somebody else's, who knows."""


def test_what_others_make_of_names_is_theirs():
    Pipeline(encoders={"similar users": Tfidf()}, recommender=OwnRanker())
