"""Reasons of whole pipelines: true, of the right request, in the language of the titles."""

import copy
import re
from dataclasses import replace
from types import SimpleNamespace

import polars as pl
import pytest
from scipy import sparse

from palate.core.histories import history_of_items
from palate.data.samples import synthetic
from palate.features.encoders.tfidf import Tfidf
from palate.pipeline.explain import sentences
from palate.pipeline.pipeline import Pipeline
from palate.recommenders.content import Content
from palate.recommenders.covisit import Covisit
from palate.recommenders.ease import Ease
from palate.recommenders.item_knn import ItemKNN
from palate.recommenders.popular import Popular
from palate.recommenders.ranker import Ranker
from palate.recommenders.user_knn import UserKNN


@pytest.fixture(scope="module")
def model():
    encoders = {"text": Tfidf(template="{title}. {description}")}
    return Pipeline(encoders=encoders, recommender=Content()).fit(synthetic(40, 30))


def test_the_anchor_is_an_item_of_the_own_history(model):
    titles = dict(model.data_.items["item_id", "title"].iter_rows())
    found = model.recommend(history=["i04", "i00"], k=3, reasons=True).table
    for sentence in found["reasons"]:
        assert titles["i04"] in sentence or titles["i00"] in sentence


def test_every_request_of_one_person_has_its_own_reasons(model):
    """Rolling histories: the same person asks again and again, and knows more each time."""
    histories = [["i00"], ["i04"], ["i12"], ["i00"]]
    asking = history_of_items(model.item_ids, histories, user_ids=["u", "v", "v", "v"])
    titles = dict(model.data_.items["item_id", "title"].iter_rows())
    found = model.recommend_histories(asking, k=3, reasons=True).table
    expected = [titles[name] for (name,) in histories for _ in range(3)]
    told = [title in sentence for title, sentence in zip(expected, found["reasons"], strict=True)]
    popular = found["reasons"].str.contains("chose it$|nobody").to_list()
    assert all(one or other for one, other in zip(told, popular, strict=True))
    assert sum(told) > 8


def test_a_request_without_a_list_is_passed_over(model):
    everything = model.item_ids.tolist()
    asking = history_of_items(model.item_ids, [["i00"], everything, ["i04"]], user_ids=list("abc"))
    found = model.recommend_histories(asking, k=2, reasons=True).table
    assert found["user_id"].to_list() == ["a", "a", "c", "c"]
    titles = dict(model.data_.items["item_id", "title"].iter_rows())
    assert titles["i04"] in found["reasons"][2]


def test_of_items_that_nobody_touched_it_is_said(model):
    counts = model.data_.item_counts
    cold = [model.item_ids[row] for row in (counts == 0).nonzero()[0]]
    found = model.recommend(history=["i00"], k=29, reasons=True, candidates=cold).table
    assert len(found) == 2
    for sentence in found["reasons"]:
        assert sentence.startswith("nobody has chosen it yet")


def test_popularity_says_how_many(model):
    popular = Pipeline(encoders={}, recommender=Popular()).fit(model.data_)
    line = popular.recommend(history=[], k=1, reasons=True).table.row(0, named=True)
    events = popular.data_.interactions.filter(pl.col("item_id") == line["item_id"])
    count = events["user_id"].n_unique()
    assert line["reasons"] == f"popular: {count} people chose it"


def test_reasons_speak_the_language_of_the_titles():
    shop = synthetic(40, 30, language="zh")
    ranker = Ranker(n_estimators=5, n_train_queries=200, candidates=20)
    model = Pipeline(encoders={"text": Tfidf()}, recommender=ranker).fit(shop)
    said = model.recommend(["u01"], k=5, reasons=True).table["reasons"]
    assert said.str.contains(r"[\u4e00-\u9fff]").all()
    assert not said.str.contains("popular|people").any()


def test_both_languages_say_the_same():
    english, chinese = (sentences.SENTENCES[language] for language in ("en", "zh"))
    assert english.keys() == chinese.keys()
    for kind in english:
        for part in ("{anchor}", "{count}"):
            assert (part in english[kind]) == (part in chinese[kind]), kind


def test_no_lines_need_no_reasons(model):
    assert model.recommend([], reasons=True).table.columns[-1] == "reasons"


QUERY = "galaxy rocket telescope"


@pytest.mark.parametrize("recommender", [Popular(), Covisit(), ItemKNN(), UserKNN(), Ease()])
def test_who_reads_no_words_does_not_claim_that_they_match(model, recommender):
    """Vectors of words mean nothing to it; a text is searched for, whoever recommends."""
    deaf = Pipeline(encoders={"text": Tfidf()}, recommender=recommender).fit(model.data_)
    for history in ([], ["i00", "i04"]):
        asking = deaf.histories(history=history, text=QUERY)
        vectors = replace(asking, texts=None)
        said = deaf.recommend_histories(vectors, k=5, reasons=True).table["reasons"]
        assert not said.str.contains("words").any()
        table = deaf.recommend_histories(asking, k=5, reasons=True).table
        texts = dict(
            deaf.data_.items.select("item_id", "title", "description").rows_by_key("item_id")
        )
        for name, reason in table.select("item_id", "reasons").iter_rows():
            if "matches your words" in reason:
                words = reason.rpartition(": ")[2].split(", ")
                assert all(word in " ".join(texts[name][0]) for word in words)
        assert table["reasons"].str.contains("words|typed").any()


def test_words_match_where_they_do_for_who_said_them(model):
    queries = {"text": sparse.csr_array(sparse.vstack([model.queries([QUERY])["text"]] * 2))}
    queries["text"].data[len(queries["text"].data) // 2 :] = 0
    asking = history_of_items(model.item_ids, [[], []], queries=queries)
    table = model.recommend_histories(asking, k=30, reasons=True).table
    assert len(table) == 60
    matching = table.filter(pl.col("reasons").str.contains("matches your words"))
    assert set(matching["user_id"]) == {"request 0"}
    texts = dict(model.data_.items.select("item_id", "title", "description").rows_by_key("item_id"))
    for name, reason in matching.select("item_id", "reasons").iter_rows():
        words = reason.rpartition(": ")[2].split(", ")
        assert set(words) <= set(QUERY.split())
        assert all(word in " ".join(texts[name][0]) for word in words)
    held = [
        name for name, said in texts.items() if set(QUERY.split()) & set(" ".join(said[0]).split())
    ]
    assert sorted(matching["item_id"]) == sorted(held)


@pytest.mark.parametrize("recommender", [Covisit(), ItemKNN(), Ease(l2=1.0), UserKNN()])
def test_what_people_chose_together_is_in_the_data(model, recommender):
    """Each count is made again, event by event."""
    deaf = Pipeline(encoders={}, recommender=recommender).fit(model.data_)
    ids = {title: name for name, title in model.data_.items.select("item_id", "title").iter_rows()}
    sequences = model.data_.interactions.group_by("user_id").agg("item_id")["item_id"].to_list()
    table = deaf.recommend(model.data_.user_ids.tolist()[:20], k=5, reasons=True).table
    kinds = set()
    for item, reason in table.select("item_id", "reasons").iter_rows():
        if not (found := re.fullmatch(r"(\d+) (?:people|person) who chose “(.+)” (.+) it", reason)):
            kinds.add(re.sub(r"\d+", "N", reason))
            continue
        count, title, link = found.groups()
        both = [row for row in sequences if item in row and ids[title] in row]
        later = [row for row in both if row.index(item) > row.index(ids[title])]
        assert int(count) == len(later) or (link == "also chose" and int(count) == len(both))
        assert bool(later) == (link == "went on to choose")
        kinds.add(link)
    if isinstance(recommender, UserKNN):
        assert "people with a history like yours chose it" in kinds
    else:
        assert "went on to choose" in kinds


def test_a_recommender_that_gives_no_evidence_is_judged_by_content(model):
    known = model.recommend(["u01"], k=5, reasons=True).table
    mute = copy.copy(model)
    mute.recommender_ = SimpleNamespace(
        score=model.recommender_.score, add_items=model.recommender_.add_items
    )
    assert mute.recommend(["u01"], k=5, reasons=True).table.equals(known)
