"""How items are alike; the words and categories that they share are tested with the encoders."""

import numpy as np
import polars as pl
import pytest
from scipy import sparse

from palate.core.dataset import Dataset
from palate.core.features import Features
from palate.core.histories import history_of_items
from palate.features.encoders.attributes import Attributes
from palate.features.encoders.tfidf import Tfidf
from palate.pipeline.explain.shared_attributes import CommonGround
from palate.pipeline.explain.similarity import ALIKE, Likeness, likenesses, matched_words

ITEMS = pl.DataFrame(
    {
        "item_id": list("abcde"),
        "title": ["green tea", "black tea", "iron pot", "moon lamp", "pot lamp"],
        "price": [1.0, 1.1, 9.0, 20.0, 9.2],
    }
)
EVENTS = pl.DataFrame({"user_id": ["u"] * 5, "item_id": list("abcde")})
DATA = Dataset(EVENTS, ITEMS)
A, B, C, D, E = range(5)


def vectors(*angles):
    """Rows of length 1 whose cosine to the first is given."""
    return np.float32([[cosine, (1 - cosine**2) ** 0.5] for cosine in angles])


def ask(encoders, parts, *pairs, behavioural=()):
    features = Features(DATA.item_ids, parts, behavioural=behavioural)
    ground = CommonGround.of(encoders.values(), ITEMS)
    ones, others = np.int32(pairs).T
    return likenesses(ground, encoders, features, ITEMS, (ones, others))


@pytest.fixture(scope="module")
def text():
    return Tfidf(template="{title}").fit(DATA)


NEAR = vectors(1, 0.05, 0.5, 0.5, 0.5)


def test_what_both_share_is_named(text):
    assert ask({"text": text}, {"text": NEAR}, (A, B), (C, E)) == [
        Likeness("named", ["tea"]),
        Likeness("named", ["pot"]),
    ]


def test_texts_may_be_alike_without_a_shared_word(text):
    found = ask({"text": text}, {"text": NEAR}, (A, C), (A, D))
    assert found == [Likeness("text"), Likeness("text")]
    faint = vectors(1, 0, ALIKE - 0.01, ALIKE + 0.01, 0)
    found = ask({"text": text}, {"text": faint}, (A, C), (A, D))
    assert found == [Likeness("none"), Likeness("text")]


def test_what_is_no_text_is_alike_as_a_whole(text):
    encoders = {"text": text, "look": object()}
    far = vectors(1, 0, 0.2, 0, 0)
    (found,) = ask(encoders, {"text": far, "look": NEAR}, (A, C))
    assert found == Likeness("whole")
    (found,) = ask(encoders, {"text": NEAR, "look.left": far}, (A, C))
    assert found == Likeness("text")


def test_a_block_made_of_several_is_a_text_only_where_all_were(text):
    assert ask({"a": text, "b": text}, {"fused": NEAR}, (A, C)) == [Likeness("text")]
    assert ask({"a": text, "b": object()}, {"fused": NEAR}, (A, C)) == [Likeness("whole")]


def test_clicks_are_no_likeness(text):
    found = ask({"text": text}, {"clicks": NEAR}, (A, C), behavioural=["clicks"])
    assert found == [Likeness("none")]


def test_numbers_count_where_they_are_near_whatever_their_cosine():
    encoders = {"attributes": Attributes(columns=["price"]).fit(DATA)}
    found = ask(encoders, {"attributes": np.ones((5, 1))}, (A, B), (C, E), (C, D))
    assert found == [Likeness("numbers", ["price"])] * 2 + [Likeness("none")]


class TestMatchedWords:
    def ask(self, encoder, *texts, items, block=None):
        part = encoder.encode_texts(ITEMS["title"].to_list())
        features = Features(DATA.item_ids, {"words": part if block is None else block})
        queries = {"words": encoder.encode_texts(list(texts))}
        asking = history_of_items(DATA.item_ids, [[] for _ in texts], queries=queries)
        return matched_words({"words": encoder}, features, asking, np.int32(items))

    def test_words_of_query_and_item_the_weightiest_first(self, text):
        texts = ["a tea or a green pot", "a lamp like the moon lamp", "the tea"]
        found = self.ask(text, *texts, items=[A, D, C])
        assert found == [["green", "tea"], ["lamp", "moon"], []]

    def test_what_fusion_made_of_several_blocks_names_nothing(self, text):
        fused = sparse.csr_array(np.ones((5, 2), dtype=np.float32))
        assert self.ask(text, "tea", items=[A], block=fused) == [[]]

    def test_pairs_of_characters_are_no_words(self):
        books = pl.DataFrame({"item_id": list("abcde"), "title": ["太空旅行", *"茶壶杯盘"]})
        encoder = Tfidf(template="{title}").fit(Dataset(EVENTS, books))
        features = Features(
            DATA.item_ids, {"words": encoder.encode_texts(books["title"].to_list())}
        )
        queries = {"words": encoder.encode_texts(["太空旅行"])}
        asking = history_of_items(DATA.item_ids, [[]], queries=queries)
        assert matched_words({"words": encoder}, features, asking, np.int32([A])) == [[]]

    def test_without_words_there_are_none(self, text):
        asking = history_of_items(DATA.item_ids, [["a"]])
        features = Features(DATA.item_ids, {"words": np.ones((5, 2))})
        assert matched_words({"words": text}, features, asking, np.int32([B])) == [[]]
        assert matched_words({}, None, asking, np.int32([B])) == [[]]
