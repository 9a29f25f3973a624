"""Data that are hardly any: one person, two items, no words. All must give a model."""

import numpy as np
import polars as pl
import pytest

from palate.core import registry
from palate.data.read import read
from palate.data.samples import synthetic
from palate.features import default_encoders
from palate.features.encoders.tfidf import Tfidf
from palate.pipeline.pipeline import Pipeline
from palate.recommenders.content import Content
from palate.recommenders.ranker import Ranker


def recommender(name):
    if name == "ranker":
        return Ranker(n_estimators=5, n_train_queries=200, candidates=20, min_rows_per_leaf=5)
    return registry.build("recommenders", {"type": name}, where=name)


def events(*rows):
    return pl.DataFrame(rows, schema=["user", "item", "ts"], orient="row")


WORDS = ["green tea leaf", "black tea leaf", "steel bike frame", "racing bike wheel"]
MANY = [(f"u{n % 9}", f"i{n % 4}", n) for n in range(60)]
HARDLY = {
    "one event": (events(("u", "a", 1)), None),
    "one person": (events(*[("u", f"i{n}", n) for n in range(4)]), WORDS),
    "two items": (events(("u", "i0", 1), ("v", "i1", 2)), WORDS[:2]),
    "everybody one event": (events(*[(f"u{n}", f"i{n % 4}", n) for n in range(50)]), WORDS),
    "one item": (events(*[(f"u{n}", "i0", n) for n in range(6)]), WORDS[:1]),
    "no words": (events(*MANY), ["", " ", None, ""]),
    "the same words": (events(*MANY), ["same words"] * 4),
    "words of one item": (events(*MANY), ["green tea leaf", None, None, None]),
    "everything touched": (
        events(*[(f"u{n}", f"i{m}", m) for n in range(9) for m in range(4)]),
        WORDS,
    ),
    "again and again": (events(*[("u", "i0", n) for n in range(20)], ("v", "i1", 3)), WORDS),
    "one moment": (events(*[(f"u{n % 7}", f"i{n % 4}", 5) for n in range(40)]), WORDS),
}


@pytest.mark.parametrize(("log", "words"), HARDLY.values(), ids=HARDLY)
@pytest.mark.parametrize("name", ["ranker", "popular", "ease"])
def test_hardly_any_data_still_give_a_model(monkeypatch, letters, log, words, name):
    monkeypatch.setattr(default_encoders, "TextEncoder", letters)
    items = None
    if words is not None:
        items = pl.DataFrame({"item": [f"i{n}" for n in range(len(words))], "title": words})
    data = read(log, items)
    model = Pipeline(recommender=recommender(name)).fit(data)
    model.recommend(data.user_ids.tolist(), k=3, reasons=True)
    first = data.item_ids[0]
    for history in ([], [first]):
        found = model.recommend(history=history, k=2, exclude_seen=False, reasons=True).table
        assert len(found) == min(2, len(data.items))
        assert np.isfinite(found["score"].to_numpy()).all()
    assert len(model.top_users(first, k=3, exclude_seen=False).table) == min(3, len(data.user_ids))


SIGNS = {
    "emoji": ["😀🎈", "🎉", "🚀🚀", "❤️"],
    "punctuation": ["!?", "??", "!!!", "…"],
    "signs": ["★★★", "→", "∞", "☆"],
}


@pytest.mark.parametrize("titles", SIGNS.values(), ids=SIGNS)
@pytest.mark.parametrize("more", [{}, {"price": [3.0, 1.5, 9.0, 4.0]}], ids=["alone", "price"])
def test_titles_without_words_leave_tfidf_out_aloud(monkeypatch, letters, titles, more):
    monkeypatch.setattr(default_encoders, "TextEncoder", letters)
    items = pl.DataFrame({"item": [f"i{n}" for n in range(4)], "title": titles, **more})
    data = read(events(*MANY), items)
    with pytest.warns(RuntimeWarning, match=r"'words' \(tfidf\) steps aside.*no words") as told:
        model = Pipeline(recommender=recommender("ranker")).fit(data)
    assert len(told) == 1
    assert list(model.encoders_) == ["text", *(["attributes"] if more else [])]
    assert len(model.recommend(["u0"], k=2, exclude_seen=False, reasons=True).table) == 2


def test_one_word_among_signs_is_enough(monkeypatch, letters):
    monkeypatch.setattr(default_encoders, "TextEncoder", letters)
    titles = ["!?", "tea", "😀", "…"]
    items = pl.DataFrame({"item": [f"i{n}" for n in range(4)], "title": titles})
    model = Pipeline(recommender=recommender("popular")).fit(read(events(*MANY), items))
    assert list(model.encoders_) == ["text", "words"]


def test_a_catalogue_that_nobody_has_touched_yet():
    shop = synthetic(40, 30)
    data = type(shop)(shop.interactions.clear(), shop.items)
    model = Pipeline(encoders={"text": Tfidf()}, recommender=Content()).fit(data)
    said = shop.items["description"][9]
    assert model.recommend(text=said, k=1).table["item_id"].to_list() == ["i09"]
    assert not len(model.top_users("i01").table)
