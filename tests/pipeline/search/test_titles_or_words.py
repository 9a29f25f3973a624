"""What is a title, and what only shares its words: one's own words find what they mean."""

import numpy as np
import polars as pl
import pytest

from palate.core.component import component
from palate.core.dataset import Dataset
from palate.features.template_encoder import TemplateEncoder
from palate.pipeline.pipeline import Pipeline
from palate.pipeline.search.words import TO_THE_LETTER, TitleIndex, WordIndex
from palate.recommenders.popular import Popular

SENSES = (
    ("phone", "手机"),
    ("card", "银行卡"),
    ("stole", "taken", "偷", "不见了"),
    ("storm", "暴风"),
)
ASKED = (
    ("q0", "Someone stole my card!"),
    ("q1", "My phone was taken yesterday"),
    ("q2", "How do I get a new card?"),
    ("q3", "When is my refund going to arrive in my account"),
    ("q4", "Calm Waters"),
    ("q5", "我的银行卡昨天被偷了怎么办"),
    ("q6", "手机不见了"),
    (
        "q7",
        "The lighthouse keeper, daughter, violin, harpoon and brass compass on a winter island",
    ),
)
OTHERS = (
    *((f"r{n}", f"Where do people travel in year {n}") for n in range(40)),
    *((f"s{n}", f"Storm number {n}") for n in range(35)),
)


@component
class Senses(TemplateEncoder):
    """A language model that one can look through: words of one sense have one direction."""

    def encode_texts(self, texts):
        found = [
            [sum(word in text.lower() for word in sense) for sense in SENSES] for text in texts
        ]
        vectors = np.array(found, dtype=np.float32).reshape(len(found), len(SENSES))
        return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)


@pytest.fixture(scope="module")
def model():
    items = pl.DataFrame([*ASKED, *OTHERS], schema=["item_id", "title"], orient="row")
    events = pl.DataFrame({"user_id": ["u"], "item_id": ["r0"]})
    encoders = {"text": Senses()}
    return Pipeline(encoders=encoders, recommender=Popular()).fit(Dataset(events, items))


def found(model, text):
    return dict(
        model.recommend(text=text, k=90, reasons=True).table.select("item_id", "reasons").rows()
    )


@pytest.mark.parametrize(
    ("text", "first", "other"),
    [
        ("How do I get a stolen phone?", "q1", "q2"),  # a card is no phone, however alike the rest
        ("手机昨天被偷了", "q6", "q5"),
    ],
)
def test_a_wish_that_is_spelt_like_a_title_finds_what_it_means(model, text, first, other):
    lists = found(model, text)
    assert next(iter(lists)) == first
    assert "called" not in lists[other]
    assert "名称" not in lists[other]


def test_one_word_that_other_titles_hold_counts_more_than_letters(model):
    assert next(iter(found(model, "Someone stole my phone"))) == "q1"


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("stole my card", "q0"),
        ("get a new card", "q2"),
        ("Somone stole my card", "q0"),
        ("somone stole my crad", "q0"),
        ("get a nwe card", "q2"),
        ("please show me calm waters", "q4"),  # the title among other words
        ("waters calm", "q4"),
        ("clam watres", "q4"),
        ("calm waers", "q4"),
        ("银行卡昨天被偷", "q5"),
        ("我的银行卡昨天被偷了怎么半", "q5"),
    ],
)
def test_parts_of_titles_and_titles_with_slips_stay_titles(model, text, first):
    assert next(iter(found(model, text))) == first


def test_many_words_that_agree_outvote_a_model(model):
    """It knows storms alone, and no word of the long wish but that: eight others are held."""
    said = (
        "since the storm: brass compass of a keeper, violin made by some daughter, island with "
        "lighthouse, harpoon from last winter"
    )
    assert next(iter(found(model, "a storm"))).startswith("s")
    assert next(iter(found(model, said))) == "q7"


def test_words_weigh_by_their_rarity_and_what_is_lacking_is_told():
    texts = ["red soap", "red lamp", "red pen for notes", "blue lamp"]
    held = WordIndex.of(texts).held(["a red lamp", "red zebra"])
    red, lamp = np.log1p(1.5 / 3.5), np.log1p(2.5 / 2.5)
    rarest = np.log1p(3.5 / 1.5)
    weigh = np.array([red, lamp])
    np.testing.assert_allclose(held.weights, [weigh.sum(), weigh[0] + rarest / 2], rtol=1e-5)
    np.testing.assert_allclose(held.lacking[0], [weigh[1], 0, weigh[1], weigh[0]], atol=1e-6)
    np.testing.assert_allclose(held.lacking[1], [0, 0, 0, weigh[0]], atol=1e-6)  # unknown: not here
    assert held.shares[0].argmax() == 1
    assert held.shares[1, 3] == 0


def test_runs_that_one_side_lacks_are_counted():
    alike = TitleIndex.of(["calm waters", "calm", "storm"]).alike(["calm"])
    assert alike.lacking[0].tolist() == [0.0, 0.0, 4.0]
    assert alike.beyond[0].tolist() == [7.0, 0.0, 5.0]
    assert alike.likeness[0, 1] == TO_THE_LETTER
