import sys

import numpy as np
import polars as pl
import pytest
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer

from palate import testing
from palate.core.dataset import Dataset
from palate.core.errors import ConfigError, DataError, MissingExtraError
from palate.features.encoders.tfidf import Tfidf
from palate.text.normalise import tokenise


def dataset(titles, warm=None):
    names = [f"i{row}" for row in range(len(titles))]
    items = pl.DataFrame({"item_id": names, "title": titles})
    warm = range(len(titles)) if warm is None else warm
    rows = [("u", names[row]) for row in warm]
    interactions = pl.DataFrame(
        rows, schema={"user_id": pl.String, "item_id": pl.String}, orient="row"
    )
    return Dataset(interactions, items)


def fitted(titles, warm=None, **settings):
    return Tfidf(template="{title}", **settings).fit(dataset(titles, warm))


@pytest.mark.parametrize("encoder", [Tfidf(), Tfidf(segment=True, ngrams=[1, 1], sublinear=False)])
def test_it_keeps_the_promises_of_an_encoder(encoder, tiny):
    testing.check_encoder(encoder, tiny)


@pytest.mark.parametrize("settings", [{}, {"sublinear": False}, {"ngrams": [2, 3]}])
def test_values_are_those_of_scikit_learn(settings):
    rng = np.random.default_rng(4)
    words = [f"w{number}" for number in range(30)]
    titles = [" ".join(rng.choice(words, size=1 + row % 9)) for row in range(120)]
    found = fitted(titles, **settings).encode(dataset(titles)).parts["tfidf"]
    expected = TfidfVectorizer(
        token_pattern=r"\w+",
        min_df=2,
        sublinear_tf=settings.get("sublinear", True),
        ngram_range=tuple(settings.get("ngrams", [1, 2])),
    ).fit_transform(titles)
    assert isinstance(found, sparse.csr_array)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found.toarray(), expected.toarray(), atol=1e-6)


FILMS = [
    "All About Eve",
    "A Room with a View",
    "The Deep Sea",
    "Sea of Love",
    "Love Story",
    "About",
]


def best(encoder, query):
    block = encoder.encode(dataset(FILMS)).parts["tfidf"]
    scores = (block @ encoder.encode_texts([query]).T).toarray()[:, 0]
    return [FILMS[row] for row in np.argsort(-scores, kind="stable") if scores[row] > 0]


def test_stop_words_of_a_query_hardly_count():
    encoder = fitted(FILMS)
    assert set(best(encoder, "a film about the sea with a view")[:3]) == {
        *("The Deep Sea", "Sea of Love", "A Room with a View"),
    }
    assert best(encoder, "something about love")[:2] == ["Love Story", "Sea of Love"]


def test_stop_words_alone_are_a_query():
    encoder = fitted(FILMS)
    assert best(encoder, "about") == ["About", "All About Eve"]
    assert best(encoder, "with a") == ["A Room with a View"]
    assert np.linalg.norm(encoder.encode_texts(["with a"]).toarray()) == pytest.approx(1)


def test_stop_words_of_a_title_count_in_full():
    encoder = fitted(FILMS)
    for text, same in (("love sea", True), ("the sea", False)):
        item = encoder.encode(dataset([text])).parts["tfidf"].toarray()
        assert np.array_equal(item, encoder.encode_texts([text]).toarray()) is same


def test_chinese_stop_words_of_a_query_hardly_count():
    encoder = fitted(["我们的海", "海底世界", "我们", "太空"])
    (query,) = encoder.encode_texts(["我们 海底"]).toarray()
    weights = dict(zip(encoder.vocabulary_, query.tolist(), strict=True))
    assert 0 < weights["我们"] < 0.2 < weights["海底"]


def test_words_are_learnt_from_trained_items_only():
    titles = ["red tea", "red bike", "secret tea"]
    encoder = fitted(titles, warm=[0, 1])
    assert encoder.vocabulary_ == ["bike", "red", "red bike", "red tea", "tea"]
    assert encoder.idf_[encoder.vocabulary_.index("red")] == pytest.approx(1.0)
    block = encoder.encode(dataset(titles)).parts["tfidf"]
    lengths = np.sqrt((block.toarray() ** 2).sum(axis=1))
    np.testing.assert_allclose(lengths, [1, 1, 1], atol=1e-6)
    assert block[[2]].nnz == 1


def test_rare_words_go_but_not_from_tiny_catalogues():
    few = [f"tea {number}" for number in range(20)]
    assert len(fitted(few).vocabulary_) == 41
    many = [f"tea {number // 2}" for number in range(60)] + ["unique"]
    assert "unique" not in fitted(many).vocabulary_
    assert "tea 7" in fitted(many).vocabulary_
    assert "unique" in fitted(many, min_df=1).vocabulary_


def test_where_every_word_is_rare_all_are_kept():
    assert len(fitted([f"word{number}" for number in range(60)]).vocabulary_) == 60


def test_the_most_frequent_words_are_kept():
    assert fitted(["a b", "a c", "a b"], max_features=2, ngrams=[1, 1]).vocabulary_ == ["a", "b"]


def test_chinese_is_counted_by_pairs_or_by_words():
    titles = ["清华大学", "北京大学", "北京烤鸭"]
    assert "大学" in fitted(titles, ngrams=[1, 1]).vocabulary_
    assert "华大" in fitted(titles, ngrams=[1, 1]).vocabulary_
    words = fitted(titles, ngrams=[1, 1], segment=True)
    assert "华大" not in words.vocabulary_
    assert "清华大学" in words.vocabulary_
    pairs = fitted(titles).encode_texts(["北京的大学"]).toarray()[0]
    scores = fitted(titles).encode(dataset(titles)).values @ pairs
    assert scores.argmax() == 1


def test_segmenting_needs_its_extra(monkeypatch):
    from palate.text.normalise import segmenter

    segmenter.cache_clear()
    monkeypatch.setitem(sys.modules, "rjieba", None)
    with pytest.raises(MissingExtraError, match=r"palate\[zh\]"):
        fitted(["清华大学"], segment=True)
    segmenter.cache_clear()


def test_words_asked_for_meet_the_items(tiny):
    encoder = Tfidf(template="{title}").fit(tiny)
    query = encoder.encode_texts(["Late TRUMPET!", "nothing known", ""])
    assert isinstance(query, sparse.csr_array)
    scores = (encoder.encode(tiny).parts["tfidf"] @ query.T).toarray()
    best = np.argsort(-scores[:, 0])[:2]
    assert all("trumpet" in tiny.items["title"][int(row)] for row in best)
    assert not scores[:, 1:].any()
    assert encoder.encode_texts([]).shape == (0, len(encoder.vocabulary_))


STRANGE = ["", " \n", "😀😀", "שלום עולם", "tea " * 250_000, "\x00", "tea pot"]


def test_strange_texts_are_counted_or_say_nothing():
    encoder = fitted(STRANGE, min_df=1, ngrams=[1, 1])
    lengths = sparse.linalg.norm(encoder.encode_texts([*STRANGE, None]), axis=1)
    np.testing.assert_allclose(lengths, [0, 0, 0, 1, 1, 0, 1, 0], atol=1e-6)


@pytest.mark.parametrize("texts", [["tea", "pot \ud800"], "tea pot", ["tea", 3]])
def test_what_is_no_text_is_refused(texts):
    with pytest.raises(DataError, match=r"not valid Unicode|not one|not '3'"):
        fitted(["tea pot", "tea"], min_df=1).encode_texts(texts)


def test_a_second_fit_replaces_the_first():
    encoder = fitted(["red tea"])
    encoder.encode_texts(["red"])
    encoder.fit(dataset(["blue bike"]))
    assert encoder.encode_texts(["red"]).nnz == 0
    assert encoder.encode_texts(["blue"]).nnz == 1


def test_trained_items_without_words_fall_back_on_all():
    assert fitted(["!?", "red tea"], warm=[0]).vocabulary_ == ["red", "red tea", "tea"]


def test_a_catalogue_without_words_is_refused():
    with pytest.raises(DataError, match="no words in the template"):
        fitted(["!!", "??"])


@pytest.mark.parametrize(
    "setting", [{"ngrams": [2, 1]}, {"ngrams": [1]}, {"min_df": 0}, {"max_features": 0}]
)
def test_settings_are_checked(setting):
    with pytest.raises(ConfigError, match=next(iter(setting))):
        Tfidf(**setting)


def test_the_words_are_those_of_the_package():
    title = "Amélie's 花露水 3D"
    assert set(fitted([title], ngrams=[1, 1]).vocabulary_) == set(tokenise(title))


def test_describing_leaves_nothing_learnt(tiny):
    encoder = Tfidf(template="{title}")
    assert list(encoder.describe(tiny))
    assert not hasattr(encoder, "template_")
