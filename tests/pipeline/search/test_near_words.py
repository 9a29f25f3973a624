"""Words as people type them: other forms, slips, accents, amounts with units, Chinese."""

import numpy as np
import polars as pl
import pytest

import palate
from palate.core.dataset import Dataset
from palate.pipeline.pipeline import Pipeline
from palate.pipeline.search.near_words import NearWords
from palate.pipeline.search.terms import terms
from palate.pipeline.search.words import TitleIndex, WordIndex
from palate.recommenders.popular import Popular

GOODS = (
    ("g0", "Organix Lavender Shampoo for Dry Hair, 8 Fluid Ounces"),
    ("g1", "Organix Lavender Shampoo for Dry Hair, 16 Fluid Ounces"),
    ("g2", "Verbena Shampoo for Oily Hair, 8 Fluid Ounces"),
    ("g3", "Lavender Soap Bar with Olive Oil, Pack of 3"),
    ("g4", "Eyelash Curlers, Steel"),
    ("g5", "Crème Brûlée Lip Balm, .5 oz"),
    ("g6", "Nail Polish Remover, 500 ml"),
    ("g7", "Nail Polish, Red, 0.5 oz"),
    ("g8", "Folding Chair for the Beach"),
    ("g9", "Hand Lotion without Perfume"),
)


def model_of(rows, columns=("item_id", "title")):
    items = pl.DataFrame(rows, schema=list(columns), orient="row")
    events = pl.DataFrame({"user_id": ["u", "v"], "item_id": [rows[-1][0]] * 2})
    return Pipeline(encoders={}, recommender=Popular()).fit(Dataset(events, items))


@pytest.fixture(scope="module")
def goods():
    return model_of(GOODS)


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("lavender shampoo for dry hair", "g0 g1"),
        ("i am looking for a lavnder shampo against dry hair", "g0 g1"),  # slips in a long wish
        ("something that curls an eyelash", "g4"),  # another form
        ("remover of polish from nails", "g6"),
        ("creme brulee for lips", "g5"),
        ("organix shampoo 8oz", "g0"),
        ("organix shampoo 16 ounces", "g1"),
        ("balm of 0.5 ounces", "g5"),
        ("remover 500ml", "g6"),
        ("something for my hiar that smells of lavender", "g0 g1"),
        ("chairs", "g8"),
    ],
)
def test_what_is_meant_is_found_however_it_is_typed(goods, text, first):
    assert goods.recommend(text=text, k=1).table["item_id"][0] in first.split()


def test_the_reason_names_the_words_of_the_item(goods):
    said = goods.recommend(text="a lavnder shampo, please", k=1, reasons=True).table["reasons"][0]
    assert said.endswith("matches your words: lavender, shampoo")


def test_chinese_wishes_of_several_words():
    videos = (
        ("v0", "周末在家做红烧肉和米饭"),
        ("v1", "我家猫咪睡着了"),
        ("v2", "小狗学会了握手"),
        ("v3", "海边看日出的早晨"),
        ("v4", "跑步一小时，燃烧脂肪"),
    )
    model = model_of(videos)
    asked = {"可爱的小猫": "v1", "怎么做好吃的红烧肉": "v0", "海上的日出，很美": "v3", "狗": "v2"}
    found = {text: model.recommend(text=text, k=1).table["item_id"][0] for text in asked}
    assert found == asked


@pytest.mark.parametrize(
    ("one", "other", "shared"),
    [
        ("8.0 Fluid Ounces", "8oz", "8oz"),
        ("12-Ounce", "12 oz.", "12oz"),
        ("1,000 ml", "1000 milliliters", "1000ml"),
        ("500毫升洗发水", "500ml", "500ml"),
        ("0,5 l", ".5 litre", "0.5liter"),
        ('24" screen', "24-inch screen", "24inch"),
        ("a 4 lb bag", "4 pounds", "4lb"),
        ("CRÈME", "creme", "creme"),
        ("İstanbul", "istanbul", "istanbul"),
        ("ｓｏａｐ", "soap", "soap"),
    ],
)
def test_one_amount_has_one_word(one, other, shared):
    assert shared in terms(one)
    assert shared in terms(other)


def test_words_stay_what_they_are():
    assert terms("Cats in the 2 hats") == ["cats", "in", "the", "2", "hats"]
    assert terms("in 5 in, v 3 g") == ["in", "5", "inch", "5inch", "v", "3", "gram", "3gram"]
    assert terms("DW4524 2.10") == ["dw", "4524", "2.1"]
    assert terms("花露水") == ["花露", "露水", "花", "露", "水"]
    assert terms("花露水 x", singles=False) == ["花露", "露水", "x"]
    assert terms("") == terms("!?") == []


def near(word, *words):
    known = {name: place for place, name in enumerate(sorted(words))}
    names = list(known)
    return {names[place]: weight for place, weight in NearWords(known).of(word).items()}


def test_forms_begin_alike_and_slips_are_for_unknown_words():
    assert near("nail", "nail", "nails", "snail", "rail") == {
        "nail": 1.0,
        "nails": pytest.approx(0.8 * 0.8, abs=0.2),
    }
    assert set(near("hair", "hair", "chair", "hairy", "the")) == {"hair", "hairy"}
    assert set(near("boat", "boat", "coat", "boats")) == {"boat", "boats"}
    assert near("baot", "boat", "coat", "goat") == {"boat": 0.8}
    assert near("soap", "soup") == {"soup": 0.8}, "unknown, and one letter off"
    assert near("cat", "car", "cut") == {}, "too short for a slip"
    assert near("the", "then", "there") == {}
    assert near("4524", "4525", "452") == {}
    assert near("qwxzv", "plum", "nail") == {}


TEXTS = (
    "nail polish remover, 8 oz",
    "nails",
    "",
    "red polish polish",
    "花露水 for summer nights",
    "the long summer",
)


def same(one, other):
    if isinstance(one, WordIndex):
        pairs = [(one.found, other.found)]
    else:
        assert list(one.titles) == list(other.titles)
        pairs = list(zip(one.runs, other.runs, strict=True))
    for left, right in pairs:
        assert left.vocabulary == right.vocabulary
        for name in ("data", "indices", "indptr"):
            np.testing.assert_array_equal(getattr(left.counts, name), getattr(right.counts, name))
    asked = ["nail polish", "summer night", "花露水", "lavender"]
    index = "held" if isinstance(one, WordIndex) else "alike"
    left, right = getattr(one, index)(asked), getattr(other, index)(asked)
    for name, found in vars(left).items():
        np.testing.assert_array_equal(found, getattr(right, name))


@pytest.mark.parametrize("kind", [WordIndex, TitleIndex])
@pytest.mark.parametrize("rows", [[0, 1, 2, 3, 4, 5], [4, 1, 5, 3], [3], [5, 4, 3, 2, 1, 0]])
@pytest.mark.parametrize("first", [0, 3, 6])
def test_texts_that_come_and_go_count_as_if_all_had_been_there(kind, rows, first):
    chosen = np.array(rows)
    grown = kind.of(TEXTS[:first]).changed(TEXTS[first:], chosen)
    same(grown, kind.of([TEXTS[row] for row in rows]))


def test_new_and_changed_items_are_found_and_others_are_not_read_again(monkeypatch):
    model, whole = model_of(GOODS[:6]), model_of(GOODS)
    asked = ["organix shampoo 8oz", "lavnder", "remover of polish", "perfume", "eyelash"]
    found = model.recommend(text=asked[:1] * 2, k=3)  # somebody asks before
    assert len(found.table) == 6
    read, old = [], WordIndex.changed
    monkeypatch.setattr(
        WordIndex, "changed", lambda own, texts, rows: read.extend(texts) or old(own, texts, rows)
    )
    new = pl.DataFrame(GOODS[6:], schema=["item_id", "title"], orient="row")
    model.add_items(new[:1]).add_items(new[1:])
    model.update_items(pl.DataFrame({"item_id": ["g4"], "title": ["Comb"]}))
    model.update_items(pl.DataFrame({"item_id": ["g4"], "title": [GOODS[4][1]]}))
    for text in asked:
        one, other = (one.score(one.histories(text=text)) for one in (model, whole))
        np.testing.assert_array_equal(one, other)
    assert sorted(read) == sorted(title for name, title in GOODS if name in "g4 g6 g7 g8 g9")


def test_words_that_nobody_writes_are_not_tried_letter_by_letter(goods):
    found = goods.recommend(text="chair " + "abcdefghij" * 20_000, k=1).table
    assert len(found) == 1


def test_words_beside_a_history_bring_what_they_ask_for():
    """What the words say nothing of is not raised by them: what is popular stood first."""
    ids = [f"{kind} {number}" for kind in ("ball", "tent", "violin") for number in range(12)]
    rows = [(f"u{person}", name) for place, name in enumerate(ids) for person in range(37 - place)]
    events = pl.DataFrame(rows, schema=["user_id", "item_id"], orient="row")
    data = palate.read(events, items=pl.DataFrame({"item_id": ids, "title": ids}))
    model = palate.Pipeline(encoders={"words": palate.Tfidf()}, recommender=palate.Popular())
    asked = model.fit(data).recommend(history=["tent 0"], text="violin", k=6)
    assert asked.table["item_id"][0].startswith("violin")
