"""What is asked in words: titles come first, rare words and meaning count, and silence is told."""

import warnings
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from palate.core.component import component
from palate.core.dataset import Dataset
from palate.core.errors import ArtefactError, DataError, NotUnderstoodWarning
from palate.data.samples import movielens
from palate.features.encoders.behaviour import Behaviour
from palate.features.encoders.muse import TextEncoder
from palate.features.encoders.tfidf import Tfidf
from palate.features.template_encoder import TemplateEncoder
from palate.pipeline.pipeline import Pipeline, load
from palate.recommenders.content import Content
from palate.recommenders.popular import Popular
from palate.text.normalise import tokenise

SENSES = (
    *({"boxer", "fight", "ring", "fighter", "punches"}, {"sea", "ship", "ocean", "sailor"}),
    *({"king", "crown", "throne", "ruler"}, {"cook", "kitchen", "chef", "meals"}),
    {"big", "huge", "large"},
)
FILMS = (
    ("f0", "Raging Bull", "A fighter loses himself between the ropes", "Robert Stone, Joe Fight"),
    ("f1", "The Big One", "A man travels and talks to workers", "Ann Boxer, Ben Ring, Cy King"),
    ("f2", "The Big Green", "Children of a small town play football", "Dan Ocean, Eve Ship"),
    ("f3", "Calm Waters", "Some sailor is lost for many weeks", "Flo Cook, Guy Crown"),
    ("f4", "The Heir", "Two brothers both want the throne for themselves", "Hal Large"),
    ("f5", "Two Spoons", "Somebody learns to prepare meals for strangers", "Ida Zwiebelkuchen"),
    ("f6", "Amélie & the Gnome", "She changes the lives of people around her", "Jo Sea"),
    ("f7", "Heat", None, None),
)


@component
class Senses(TemplateEncoder):
    """A language model that one can look through: words of one sense have one direction."""

    def encode_texts(self, texts):
        vectors = np.zeros((len(texts), len(SENSES)), dtype=np.float32)
        for row, text in enumerate(texts):
            for word in tokenise(text):
                vectors[row] += [word in sense for sense in SENSES]
        return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)


def films(order=None):
    rows = FILMS if order is None else [FILMS[row] for row in order]
    items = pl.DataFrame(rows, schema=["item_id", "title", "plot", "cast"], orient="row")
    events = [("u", "f7"), ("v", "f7"), ("w", "f7"), ("v", "f5"), ("w", "f5"), ("w", "f2")]
    return Dataset(pl.DataFrame(events, schema=["user_id", "item_id"], orient="row"), items)


def senses():
    return {"text": Senses(), "words": Tfidf()}


@pytest.fixture(scope="module")
def model():
    return Pipeline(encoders=senses(), recommender=Content()).fit(films())


def ids(model, text, **others):
    return model.recommend(text=text, **others).table["item_id"].to_list()


# ---- what is found


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("a boxer before the big fight", "f0"),  # and neither "The Big One" nor its cast
        ("lost on a ship", "f3"),
        ("a ruler", "f4"),
        ("chef", "f5"),  # what somebody is called is no sentence
        ("punches", "f0"),
    ],
)
def test_the_meaning_of_a_description_is_found(model, text, first):
    assert ids(model, text)[0] == first


@pytest.mark.parametrize(
    ("text", "first"),
    [
        *((title, name) for name, title, *_ in FILMS),
        *(("heat", "f7"), ("HEAT!", "f7"), ("amelie and the gnome", "f6"), ("Ragin Bull", "f0")),
        *(("the big gren", "f2"), ("teh big one", "f1"), ("gnome", "f6"), ("clam waters", "f3")),
    ],
)
def test_titles_are_found_exactly_with_a_slip_and_in_part(model, text, first):
    assert ids(model, text)[0] == first


def test_a_word_that_one_item_alone_holds_is_found():
    ordinary = [(f"g{n}", f"Film {n}", "people travel and people talk", None) for n in range(60)]
    columns = ["item_id", "title", "plot", "cast"]
    items = pl.DataFrame([*FILMS, *ordinary], schema=columns, orient="row")
    model = Pipeline(encoders={"words": Tfidf()}, recommender=Content())
    events = pl.DataFrame({"user_id": ["u"] * len(items), "item_id": items["item_id"]})
    model = model.fit(Dataset(events, items))
    assert "zwiebelkuchen" not in model.encoders_["words"].vocabulary_
    assert ids(model, "something with zwiebelkuchen")[0] == "f5"


def test_an_exact_title_comes_before_one_that_holds_it():
    items = pl.DataFrame({"item_id": ["a", "b", "c"], "title": ["Alien 3", "Aliens", "Alien"]})
    data = Dataset(films().interactions.with_columns(item_id=pl.lit("b")), items)
    model = Pipeline(encoders={"words": Tfidf()}, recommender=Popular()).fit(data)
    for name, title in items.rows():
        assert ids(model, title)[0] == name


def test_sentences_that_begin_alike_are_not_called_alike():
    asked = ["how do I get to the top of the tower", "a sailor can take you to the ocean"]
    titles = [*asked, *(f"Film {n} of a small town and its people" for n in range(40))]
    items = pl.DataFrame({"item_id": [f"t{n}" for n in range(len(titles))], "title": titles})
    events = pl.DataFrame({"user_id": ["u"], "item_id": ["t5"]})
    model = Pipeline(encoders=senses(), recommender=Popular()).fit(Dataset(events, items))
    said = "how do I get to the sea from the old town"
    found = model.recommend(text=said, k=5, reasons=True).table
    assert found["item_id"][0] == "t1"
    assert "called" not in dict(found.select("item_id", "reasons").rows())["t0"]
    for slip in ("how do I get to the top of the towr", "hwo do I get to teh top of thetower"):
        assert ids(model, slip)[0] == "t0"


def test_titles_of_a_real_catalogue():
    data = movielens()
    model = Pipeline(encoders={"words": Tfidf()}, recommender=Popular()).fit(data)
    titled = data.items.filter(pl.col("title").str.len_chars() > 5)[::8]
    same = data.items.with_columns(pl.col("title").str.to_lowercase())
    named = {name: set(rows) for name, rows in same.group_by("title").agg("item_id").rows()}
    rng = np.random.default_rng(3)
    first, slipped = [], []
    for title in titled["title"]:
        first.append(ids(model, title, k=1)[0] in named[title.lower()])
        place = int(rng.integers(1, max(len(title) - 1, 2)))
        wrong = title[:place] + title[place + 1 :]
        slipped.append(ids(model, wrong, k=1)[0] in named[title.lower()])
    assert np.mean(first) >= 0.99
    assert np.mean(slipped) >= 0.9


def test_chinese_titles_and_words():
    titles = ("花样年华", "卧虎藏龙", "大红灯笼高高挂", "霸王别姬", "饮食男女")
    plots = (
        "两个邻居的爱情",
        "宝剑与江湖侠客",
        "一个大家庭的院子",
        "京剧演员的一生",
        "厨师和女儿吃饭",
    )
    items = pl.DataFrame({"item_id": list("abcde"), "title": titles, "简介": plots})
    events = pl.DataFrame({"user_id": ["u", "v"], "item_id": ["e", "e"]})
    model = Pipeline(encoders={"words": Tfidf()}, recommender=Popular())
    model = model.fit(Dataset(events, items))
    for name, title in zip("abcde", titles, strict=True):
        assert ids(model, title)[0] == name
    asked = {
        "卧虎臧龙": "b",
        "大红灯笼": "c",
        "江湖侠客的故事": "b",
        "京剧演员": "d",
    }
    assert {text: ids(model, text)[0] for text in asked} == asked
    said = model.recommend(text="花样年华", k=1, reasons=True).table["reasons"][0]
    assert said == "还没有人选过，但名称与你说的一样"


# ---- beside everything else that a request may hold


def test_what_was_seen_and_what_is_no_candidate_stays_out(model):
    assert "f0" not in ids(model, "Raging Bull", history=["f0"], k=8)
    assert ids(model, "Raging Bull", history=["f0"], exclude_seen=False)[0] == "f0"
    assert ids(model, "Raging Bull", candidates=["f3", "f4"], k=8) != []
    assert set(ids(model, "Raging Bull", candidates=["f3", "f4"])) == {"f3", "f4"}


def test_a_history_is_heard_beside_the_words(model):
    words, history = ids(model, "a ruler", k=8), ids(model, None, history=["f3"], k=8)
    both = ids(model, "a ruler", history=["f3"], k=8)
    assert both[0] == "f4" == words[0]
    assert both != [name for name in words if name != "f3"]
    assert both != history


def test_each_request_of_many_gets_what_it_gets_alone(model):
    texts = ["a ruler", None, "Heat", "lost on a ship"]
    asking = model.histories(text="x" * 3 + " ship").take(np.zeros(4, dtype=np.int64))
    many = replace(asking, queries={}, texts=pl.Series(texts, dtype=pl.String))
    scores = model.score(many)
    for row, text in enumerate(texts):
        alone = model.histories(text=text) if text else model.histories(history=[])
        np.testing.assert_array_equal(scores[row], model.score(alone)[0])


def test_any_recommender_hears_words_and_titles_need_no_encoder():
    for encoders in ({}, {"clicks": Behaviour(dim=2)}):
        deaf = Pipeline(encoders=encoders, recommender=Popular()).fit(films())
        assert ids(deaf, "raging bull")[0] == "f0"
        assert ids(deaf, "children play football")[0] == "f2"
    bare = Dataset(films().interactions, films().items.select("item_id"))
    with pytest.raises(DataError, match="no text encoder"):
        Pipeline(encoders={}, recommender=Popular()).fit(bare).recommend(text="raging bull")


def test_a_template_says_what_is_read():
    only = Pipeline(encoders={"words": Tfidf(template="{plot}")}, recommender=Popular())
    only = only.fit(films())
    with pytest.warns(NotUnderstoodWarning):
        ids(only, "Zwiebelkuchen")
    assert ids(only, "football")[0] == "f2"
    assert ids(only, "Heat")[0] == "f7"  # what it is called is seen by everybody


# ---- over time


def test_new_items_are_found_at_once_and_after_loading(tmp_path):
    grown = Pipeline(encoders=senses(), recommender=Content()).fit(films())
    assert grown.recommend(text="a ruler", k=1).table["item_id"].to_list() == ["f4"]
    new = {"item_id": ["f8", "f9"], "title": ["Crowned", "Rocky"]}
    plots = ["King after king sits upon the throne", "A young boxer steps into the ring"]
    grown.add_items(pl.DataFrame({**new, "plot": plots}))
    assert ids(grown, "rocky")[0] == "f9"
    assert "f9" in ids(grown, "punches", k=2)
    again = load(grown.save(tmp_path / "model"), allow=[f"{Senses.__module__}:Senses"])
    for text in ("rocky", "a ruler", "punches", "lost on a ship"):
        asked = grown.recommend(text=text, k=10, reasons=True).table
        assert again.recommend(text=text, k=10, reasons=True).table.equals(asked)


def test_vectors_of_other_items_are_no_model(tmp_path, model):
    broken = Pipeline(encoders=senses(), recommender=Content()).fit(films())
    columns = broken.column_vectors_["text"]
    broken.column_vectors_ = {"text": {name: part[1:] for name, part in columns.items()}}
    folder = broken.save(tmp_path / "model")
    with pytest.raises(ArtefactError, match="vectors of other items"):
        load(folder, allow=[f"{Senses.__module__}:Senses"])


def test_the_order_of_the_rows_leaves_no_trace(model):
    other = Pipeline(encoders=senses(), recommender=Content())
    other = other.fit(films(order=[5, 2, 7, 0, 6, 1, 4, 3]))
    for text in (
        "a boxer before the big fight",
        "the big gren",
        "zwiebelkuchen",
        "king of the sea",
    ):
        table = model.recommend(text=text, k=8).table
        assert other.recommend(text=text, k=8).table.equals(table)


# ---- what nothing understands


def test_a_text_that_nothing_understands_is_told_and_gets_what_is_popular(model):
    popular = ids(model, None, history=[], k=8)
    with pytest.warns(NotUnderstoodWarning, match=r"understands 'qwxzv plomf'.*popular"):
        assert ids(model, "qwxzv plomf", k=8) == popular
    with pytest.warns(NotUnderstoodWarning):
        said = model.recommend(text="the qwxzv", k=3, reasons=True).table["reasons"]
    assert not said.str.contains("words|typed").any()
    with pytest.warns(NotUnderstoodWarning):
        beside = ids(model, "qwxzv plomf", history=["f3"], k=8)
    assert beside == ids(model, None, history=["f3"], k=8)


def test_what_nobody_would_write_is_told_where_a_model_reads_anything(letters):
    model = Pipeline(encoders={"text": letters()}, recommender=Popular()).fit(movielens())
    with pytest.warns(NotUnderstoodWarning, match="no item holds a word like 'qwxzv plomf'.*guess"):
        ids(model, "qwxzv plomf")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ids(model, "unheard-of trains")


def test_marks_and_signs_that_a_model_does_not_know_say_nothing():
    """MUSE's vector of "😀" is that of all signs it has never met; "★" it knows."""
    muse = TextEncoder(template="{title}. {plot}")
    model = Pipeline(encoders={"text": muse}, recommender=Popular()).fit(films())
    popular = ids(model, None, history=[], k=8)
    for text in ("😀", "?!", "🍕 🍕"):
        with pytest.warns(NotUnderstoodWarning, match=r"understands '.*popular"):
            assert ids(model, text, k=8) == popular
        with pytest.warns(NotUnderstoodWarning):
            said = model.recommend(text=text, k=3, reasons=True).table["reasons"]
        assert not said.str.contains("your words").any()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ids(model, "★")
        ids(model, "a boxer 😀")


def test_words_of_another_script_are_no_slip(model):
    with pytest.warns(NotUnderstoodWarning, match="nothing in this catalogue understands"):
        ids(model, "拳击手")


# ---- reasons


@pytest.mark.parametrize(
    ("text", "item", "reason"),
    [
        ("the heir", "f4", "nobody has chosen it yet, but it is called what you typed"),
        ("the big gren", "f2", "is called nearly what you typed"),
        ("meals by strangers", "f5", "matches your words: meals, strangers"),
        ("chef", "f5", "comes close to your words in its description"),
    ],
)
def test_the_reason_says_what_matches(model, text, item, reason):
    table = model.recommend(text=text, k=8, reasons=True).table
    assert dict(table.select("item_id", "reasons").rows())[item] == reason
