import io
from dataclasses import dataclass, replace

import numpy as np
import pytest
from rich.console import Console

from palate.core import progress
from palate.core.errors import ConfigError
from palate.core.settings import AnyRecommender, BlockName
from palate.data.samples import synthetic
from palate.data.split import split_cold_items
from palate.evaluation.ablation import Drop, _worth_text, ablate, drops_of, without
from palate.evaluation.compare import compare
from palate.evaluation.significance import Interval
from palate.features.encoders.attributes import Attributes
from palate.features.encoders.behaviour import Behaviour
from palate.features.encoders.tfidf import Tfidf
from palate.features.fusion.concat import Concat
from palate.features.fusion.linear import Linear
from palate.features.fusion.weighted import Weighted
from palate.features.representation.whiten import Whiten
from palate.features.selection.l1 import L1
from palate.pipeline.config import config_of
from palate.pipeline.pipeline import Pipeline
from palate.recommenders.blend import Blend
from palate.recommenders.content import Content
from palate.recommenders.ease import Ease
from palate.recommenders.ranker import Ranker
from palate.recommenders.rerankers.diversity import Diversity


@pytest.fixture(scope="module")
def split():
    return split_cold_items(synthetic(n_users=120), share=0.2, seed=2)


def encoders():
    return {
        "words": Tfidf(template="{title}. {description}"),
        "price": Attributes(columns=["price"]),
        "clicks": Behaviour(dim=8),
    }


@pytest.fixture(scope="module")
def found(split):
    return ablate(Pipeline(encoders=encoders(), recommender=Content()), split)


def test_what_a_block_is_worth_is_what_is_lost_without_it(split, found):
    given = encoders()
    models = {"all": Pipeline(encoders=given, recommender=Content()).fit(split.train)}
    del given["words"]
    models["rest"] = Pipeline(encoders=given, recommender=Content()).fit(split.train)
    wanted = compare(models, split, reference="rest", beyond=False)
    for part in ("all", "cold_items", "long_tail"):
        for metric in ("ndcg@10", "recall@10"):
            gap = wanted.cell("all", metric, part).difference
            worth = found.worth("words", metric, part)
            assert worth.mean == pytest.approx(gap.mean)
            assert (worth.low, worth.high) == pytest.approx((gap.low, gap.high))
            assert worth.p == pytest.approx(gap.p)


def test_the_block_with_the_topics_is_worth_most(found):
    words = found.worth("words", "ndcg@10", "cold_items")
    assert words.significant
    assert words.low > 0
    price = found.worth("price", "ndcg@10", "cold_items")
    assert price.mean < words.mean * 0.7
    assert [drop.name for drop in found.drops] == ["words", "price", "clicks"]


def test_the_table_and_the_json_say_the_same(found):
    text = str(found)
    words = found.worth("words", "recall@10")
    assert f"{words.mean:+.4f}▲" in text
    assert "long tail" in text
    assert "new items" in text
    assert "everything" in text
    content = found.to_json()
    assert [row["name"] for row in content["worth"]] == ["words", "price", "clicks"]
    cell = content["worth"][0]["slices"]["all"]["recall@10"]
    assert cell["mean"] == words.mean
    assert cell["significant"] is True
    assert content["comparison"]["reference"] == "everything"


@pytest.mark.parametrize("width", [120, 80, 71, 60, 50, 30])
def test_the_table_fits_a_terminal(found, width):
    stream = io.StringIO()
    Console(file=stream, width=width, color_system=None).print(found.render())
    text = stream.getvalue()
    lines = text.splitlines()
    assert max(map(len, lines)) <= width
    hidden = {60: "Recall@10.", 50: "Recall@10.", 30: "Recall@10, long tail."}
    said = " ".join(text.split())
    assert said.endswith(hidden.get(width, "the whole pipeline scores."))
    for name in ("everything", "price", "clicks", "@10"):
        assert name in text
    first = found.worth("words", "ndcg@10")
    assert f"{first.mean:+.4f}▲" in text
    assert f"…{first.high:+.3f}".replace("0.", ".") in text
    if width >= 71:
        last = found.worth("words", "recall@10", "long_tail")
        assert f"…{last.high:+.3f}".replace("0.", ".") in text


def test_an_interval_below_nothing_does_not_look_like_one_around_it():
    gap = Interval(mean=-0.004, low=-0.007, high=-0.0002, p=0.03)
    assert _worth_text(gap).plain == "-0.0040▼\n-.007 …-.000"
    assert _worth_text(replace(gap, high=0.0)).plain.endswith("…+.000")


def test_what_is_no_block_raises(found):
    with pytest.raises(ConfigError, match="Did you mean 'words'"):
        found.worth("wordz", "ndcg@10")


def of_items(fitted):
    return [drop for drop in drops_of(fitted) if not drop.users]


def test_families_are_dropped_together(split):
    more = {"more": Tfidf(template="{title}"), **encoders(), "bought": Behaviour(dim=4)}
    fitted = Pipeline(encoders=more, recommender=Content()).fit(split.train)
    assert of_items(fitted)[5:] == [
        Drop("all text", ("more", "words")),
        Drop("all behaviour", ("clicks", "bought")),
    ]
    ranks = Pipeline(encoders=encoders(), recommender=Ranker(n_estimators=2)).fit(split.train)
    assert of_items(ranks)[3:] == [Drop("all behaviour", ("clicks",), behaviour=True)]
    smaller = without(Pipeline(encoders=encoders()), drops_of(ranks)[3])
    assert smaller.recommender.behaviour is False
    assert list(smaller.encoders) == ["words", "price"]
    content_free = Pipeline(
        encoders={"clicks": Behaviour(dim=4)}, recommender=Ranker(n_estimators=2)
    )
    assert [drop.name for drop in of_items(content_free.fit(split.train))] == ["clicks"]


@pytest.mark.parametrize(
    "parts",
    [
        [{"type": "ranker", "n_estimators": 2}, {"type": "content"}],
        [{"type": "blend", "parts": [{"type": "popular"}, {"type": "ranker", "n_estimators": 2}]}],
    ],
    ids=["a part", "a part of a part"],
)
def test_without_behaviour_no_part_of_a_blend_learns_from_events_by_itself(split, parts):
    pipeline = Pipeline(encoders=encoders(), recommender=Blend(parts=parts))
    (*_, drop) = of_items(pipeline.fit(split.train))
    assert drop == Drop("all behaviour", ("clicks",), behaviour=True)
    rankers = {**parts[0], **parts[-1]}.get("parts", parts)
    smaller = without(pipeline, drop).recommender.parts
    found = smaller if rankers is parts else smaller[0]["parts"]
    assert [part.get("behaviour") for part in found if part["type"] == "ranker"] == [False]
    assert all("behaviour" not in part for part in found if part["type"] != "ranker")


def test_without_behaviour_no_fusion_learns_from_events(split):
    pipeline = Pipeline(
        encoders=encoders(),
        fusion=Linear(dim=4),
        selection=[L1(penalty=0.1)],
        recommender=Content(blocks=["linear", "words"]),
    )
    (*_, drop) = of_items(pipeline.fit(split.train))
    assert drop == Drop("all behaviour", ("clicks",), behaviour=True)
    smaller = without(pipeline, drop)
    assert (smaller.fusion, smaller.selection) == (Concat(), [])
    assert smaller.recommender == Content(blocks=["words"])
    assert set(smaller.encoders) == {"words", "price"}


def test_settings_that_name_a_dropped_block_forget_it():
    pipeline = Pipeline(
        encoders=encoders(),
        representation=[Whiten(numbers=["price", "clicks"])],
        fusion=Concat(weights={"price": 2.0}),
        recommender=Blend(
            parts=[{"type": "content", "blocks": ["price", "words"]}, {"type": "ease", "l2": 9.0}]
        ),
        rerankers=[Diversity(block="price")],
    )
    smaller = without(pipeline, Drop("price", ("price",)))
    assert smaller.fusion == Concat()
    assert smaller.representation == [Whiten(numbers=["clicks"])]
    assert smaller.recommender.parts[0] == {"type": "content", "blocks": ["words"]}
    assert smaller.recommender.parts[1] == {"type": "ease", "l2": 9.0}
    assert smaller.rerankers == [Diversity()]
    assert pipeline.fusion == Concat(weights={"price": 2.0}), "the given one stays as it is"
    kept = without(pipeline, Drop("clicks", ("clicks",)))
    assert kept.fusion == pipeline.fusion
    assert kept.recommender is pipeline.recommender


@dataclass(kw_only=True)
class Mine:
    """A recommender of somebody else's that names blocks, and holds another one."""

    blocks: list[BlockName] | None = None
    inner: AnyRecommender = None
    free: list[str] | None = None

    def fit(self, data, items=None):
        return self

    def score(self, histories):
        return None

    def add_items(self, items):
        return self


def test_settings_of_others_forget_dropped_blocks_too():
    inner = {"type": "content", "blocks": ["price", "words"]}
    mine = Mine(blocks=["price", "clicks"], inner=inner, free=["price"])
    pipeline = Pipeline(encoders=encoders(), recommender=mine)
    smaller = without(pipeline, Drop("price", ("price",))).recommender
    wanted = {"type": "content", "blocks": ["words"]}
    assert smaller == Mine(blocks=["clicks"], inner=wanted, free=["price"])
    held = Pipeline(encoders=encoders(), recommender=Mine(inner=Content(blocks=["price"])))
    assert without(held, Drop("price", ("price",))).recommender == Mine(inner=Content())


def test_what_the_rest_cannot_go_without_is_told(split):
    given = {"words": Tfidf(template="{title}"), "clicks": Behaviour(dim=4)}
    fused = Pipeline(encoders=given, fusion=Weighted(), recommender=Ease())
    found = ablate(fused, split)
    assert [drop.name for drop in found.drops] == ["words"]
    assert "weighted needs a dense block" in found.needed["clicks"]
    assert "Not without clicks" in str(found)
    with pytest.raises(ConfigError, match=r"nothing can be left out.*content needs item features"):
        ablate(
            replace(fused, encoders={"words": Tfidf()}, fusion=Concat(), recommender=Content()),
            split,
        )
    with pytest.raises(ConfigError, match="no encoder"):
        ablate(Pipeline(encoders={}, recommender=Ease()), split)


def test_the_default_encoders_are_named(split, letters):
    bare = split.train.items.select("item_id", "category", "price")
    train = replace(split.train, items=bare)
    pipeline = Pipeline(recommender=Ease())
    found = ablate(pipeline, replace(split, train=train))
    assert pipeline.encoders is None
    assert "attributes" in [drop.name for drop in found.drops]


def test_the_pipeline_of_a_file_is_taken_apart(split, found, tmp_path):
    tables = {
        "data": {"interactions": "events.csv"},
        "encoders": {
            "words": {"type": "tfidf", "template": "{title}. {description}"},
            "price": {"type": "attributes", "columns": ["price"]},
            "clicks": {"type": "behaviour", "dim": 8},
        },
        "recommender": {"type": "content"},
    }
    same = ablate(config_of(tables, folder=tmp_path), split)
    assert same.to_json() == found.to_json()


def test_progress_counts_the_fits(split):
    class Watcher:
        def __init__(self):
            self.total, self.done, self.open = 0, 0, {}

        def start(self, label, total, unit):
            if label == "fit without each block":
                self.total = total
                return self.count
            return lambda steps: None

        def count(self, steps):
            self.done += steps

        def stop(self, label, *, finished):
            assert finished

    watcher = Watcher()
    with progress.watch(watcher):
        ablate(Pipeline(encoders=encoders(), recommender=Content()), split, resamples=10)
    assert (watcher.total, watcher.done) == (4, 4)
    assert np.isfinite(watcher.total)
