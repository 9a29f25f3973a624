"""Reasons of whole pipelines: true, of the right request, in the language of the titles."""

import pytest

from palate import reasons
from palate.data.samples import planted
from palate.encoders.tfidf import Tfidf
from palate.histories import history_of_items
from palate.pipeline import Pipeline
from palate.recommenders.content import Content
from palate.recommenders.popular import Popular
from palate.recommenders.ranker import Ranker


@pytest.fixture(scope="module")
def model():
    encoders = {"text": Tfidf(template="{title}. {description}")}
    return Pipeline(encoders=encoders, recommender=Content()).fit(planted(40, 30))


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
    popular = found["reasons"].str.contains("popular|new here").to_list()
    assert all(one or other for one, other in zip(told, popular, strict=True))
    assert sum(told) > 8


def test_a_request_without_a_list_is_passed_over(model):
    everything = model.item_ids.tolist()
    asking = history_of_items(model.item_ids, [["i00"], everything, ["i04"]], user_ids=list("abc"))
    found = model.recommend_histories(asking, k=2, reasons=True).table
    assert found["user_id"].to_list() == ["a", "a", "c", "c"]
    titles = dict(model.data_.items["item_id", "title"].iter_rows())
    assert titles["i04"] in found["reasons"][2]


def test_items_that_nobody_touched_are_called_new(model):
    counts = model.data_.item_counts
    untouched = [model.item_ids[row] for row in (counts == 0).nonzero()[0]]
    found = model.recommend(history=["i00"], k=29, reasons=True, among=untouched).table
    assert len(found) == 2
    for sentence in found["reasons"]:
        assert "new here" in sentence


def test_popularity_says_how_many(model):
    popular = Pipeline(encoders={}, recommender=Popular()).fit(model.data_)
    line = popular.recommend(history=[], k=1, reasons=True).table.row(0, named=True)
    count = int(popular.data_.item_counts[popular.item_ids.find([line["item_id"]])[0]])
    assert line["reasons"] == f"popular: {count} people chose it"


def test_reasons_speak_the_language_of_the_titles():
    shop = planted(40, 30, language="zh")
    ranker = Ranker(rounds=5, cases=200, candidates=20)
    model = Pipeline(encoders={"text": Tfidf()}, recommender=ranker).fit(shop)
    said = model.recommend(["u01"], k=5, reasons=True).table["reasons"]
    assert said.str.contains(r"[\u4e00-\u9fff]").all()
    assert not said.str.contains("popular|people").any()


def test_both_languages_say_the_same():
    english, chinese = (reasons.SENTENCES[language] for language in ("en", "zh"))
    assert english.keys() == chinese.keys()
    for kind in english:
        for part in ("{anchor}", "{count}"):
            assert (part in english[kind]) == (part in chinese[kind]), kind


def test_no_lines_need_no_reasons(model):
    assert model.recommend([], reasons=True).table.columns[-1] == "reasons"
