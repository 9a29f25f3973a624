"""Why an item is recommended, in words; the evidence itself is tested with the recommenders."""

import polars as pl
import pytest
from rich.cells import cell_len

from palate.core.dataset import Dataset
from palate.core.evidence import Evidence
from palate.core.histories import history_of_items
from palate.core.types import Recommendations
from palate.features.encoders.attributes import Attributes
from palate.features.encoders.tfidf import Tfidf
from palate.pipeline.explain.sentences import explain, language_of, titles_of
from palate.pipeline.pipeline import Pipeline
from palate.recommenders.content import Content

EVENTS = {
    "ann": ["tea", "pot", "tea"],
    "bo": ["tea", "cup", "tea"],
    "cy": ["tea", "cup", "tin"],
    "di": ["pot", "tea", "tea"],
}
TITLES = {
    "tea": "Green tea",
    "pot": "Iron pot",
    "cup": "Tea cup",
    "tin": "Round tin",
    "tray": "Bamboo tray",
    "lid": "Iron lid",
}
CHINESE = dict(zip(TITLES, ["绿茶", "铁壶", "茶杯", "圆罐", "竹托盘", "铁盖"], strict=True))
PRICES = [3.0, 40.0, 9.0, 40.1, 9.0, 20.0]
TEA, POT, CUP, TIN, TRAY, LID = range(6)
NOT_YET = "nobody has chosen it yet"


class Says:
    """A recommender that says what it is told to say."""

    def __init__(self, *said):
        self.said = list(said)

    def fit(self, data, context):
        return self

    def score(self, histories):
        raise AssertionError("nobody asks for scores")

    def add_items(self, items):
        return self

    def evidence(self, histories, items):
        return self.said


def reasons(said, names, *, titles=TITLES, encoders=None, text=None):
    columns = {"item_id": list(titles), "title": list(titles.values()), "price": PRICES}
    rows = [(user, item) for user, history in EVENTS.items() for item in history]
    events = pl.DataFrame(rows, schema=["user_id", "item_id"], orient="row")
    data = Dataset(events, pl.DataFrame(columns))
    model = Pipeline(encoders=encoders or {}, recommender=Says(*said)).fit(data)
    queries = {} if text is None else model.queries([text])
    asking = history_of_items(data.item_ids, [["pot", "tea"]], queries=queries)
    table = pl.DataFrame({"user_id": "request 0", "item_id": names}).with_row_index("rank", 1)
    return explain(model, asking, Recommendations(table)).table["reasons"].to_list()


@pytest.mark.parametrize(
    ("evidence", "item", "sentence"),
    [
        (Evidence("together", TEA), "cup", "2 people who chose “Green tea” went on to choose it"),
        (Evidence("together", POT), "tea", "2 people who chose “Iron pot” went on to choose it"),
        (Evidence("together", TEA), "pot", "1 person who chose “Green tea” went on to choose it"),
        (Evidence("together", TIN), "tea", "1 person who chose “Round tin” also chose it"),
        (Evidence("together", TIN), "pot", "2 people chose it"),
        (Evidence("together", TEA), "tray", NOT_YET),
        (Evidence("together"), "tea", "popular: 4 people chose it"),
        (
            Evidence("together", TEA, CUP),
            "tin",
            "1 person who chose “Green tea” and “Tea cup” went on to choose it",
        ),
        (
            Evidence("together", CUP, TIN),
            "tea",
            "1 person who chose “Tea cup” and “Round tin” also chose it",
        ),
        (Evidence("together", POT, CUP), "tea", "popular: 4 people chose it"),
        (Evidence("peers"), "cup", "people with a history like yours chose it"),
        (Evidence("popular"), "tea", "popular: 4 people chose it"),
        (Evidence("popular"), "cup", "2 people chose it"),
        (Evidence("popular"), "tin", "1 person chose it"),
        (Evidence("popular"), "tray", NOT_YET),
        (Evidence("words"), "cup", "comes close to your words"),
        (Evidence("words"), "tray", f"{NOT_YET}, but it comes close to your words"),
        (Evidence("alike", TEA), "cup", "2 people chose it"),
        (Evidence("alike", TEA), "tray", NOT_YET),
    ],
)
def test_a_sentence_says_what_the_data_bear_out(evidence, item, sentence):
    """People count once; of tin and tea it is known only that one came first."""
    assert reasons([evidence], [item]) == [sentence]


@pytest.mark.parametrize(
    "title", ["\x1b[31mtea\x07", "te\u202eea", "tea\npot", "tea " * 2000, "茶" * 2000]
)
def test_titles_in_a_sentence_do_not_act_and_end(title):
    titles = {**TITLES, "tea": title}
    (said,) = reasons([Evidence("together", TEA)], ["cup"], titles=titles)
    assert said.startswith("2 people who chose “") or said.startswith("有 2 人")
    assert said.endswith("” went on to choose it") or said.endswith("之后又选了它")
    assert not set("\x1b\x07\u202e\n") & set(said)
    assert cell_len(said) < 220


def test_one_person_in_a_tiny_world_is_one_person():
    items = pl.DataFrame({"item_id": ["a", "b"], "title": ["A", "B"]})
    data = Dataset(pl.DataFrame({"user_id": ["u"], "item_id": ["a"]}), items)
    model = Pipeline(encoders={}, recommender=Says(Evidence("popular"))).fit(data)
    asking = history_of_items(data.item_ids, [[]])
    table = pl.DataFrame({"user_id": ["request 0"], "item_id": ["a"], "rank": [1]})
    found = explain(model, asking, Recommendations(table))
    assert found.table["reasons"].to_list() == ["popular: 1 person chose it"]


TEXT = {"words": Tfidf(template="{title}")}
NUMBERS = {"facts": Attributes(columns=["price"])}


@pytest.mark.parametrize(
    ("encoders", "anchor", "item", "sentence"),
    [
        (TEXT, TEA, "cup", "like “Green tea”: tea"),
        (TEXT, POT, "lid", f"{NOT_YET}, but it is like “Iron pot”: iron"),
        (NUMBERS, POT, "tin", "like “Iron pot” in price"),
        (NUMBERS, CUP, "tray", f"{NOT_YET}, but it is like “Tea cup” in price"),
        (NUMBERS, TEA, "pot", "2 people chose it"),
        ({**TEXT, **NUMBERS}, TEA, "cup", "like “Green tea”: tea"),
        ({**TEXT, **NUMBERS}, POT, "tin", "like “Iron pot” in price"),
    ],
)
def test_what_is_alike_says_in_what(encoders, anchor, item, sentence):
    assert reasons([Evidence("alike", anchor)], [item], encoders=encoders) == [sentence]


def test_texts_alike_without_a_shared_word_are_alike_in_what_they_say():
    """Runs of two words are in the vocabulary: all that these two share is the stop word."""
    titles = dict(zip(TITLES, ["Back to us", "Tin", "Off to us", "Pot", "Cup", "Lid"], strict=True))
    said = reasons([Evidence("alike", TEA)], ["cup"], titles=titles, encoders=TEXT)
    assert said == ["like “Back to us” in what it says"]


def test_words_of_a_query_are_named_where_they_are_known():
    """No item that anybody chose says "tray", so TF-IDF never learnt the word."""
    said = reasons(
        [Evidence("words")] * 3, ["tea", "lid", "tray"], encoders=TEXT, text="green tea, iron, tray"
    )
    assert said == [
        "matches your words: green, tea",
        f"{NOT_YET}, but it matches your words: iron",
        f"{NOT_YET}, but it comes close to your words",
    ]


def test_each_line_gets_its_own_sentence():
    said = [Evidence("popular"), Evidence("alike", TEA), Evidence("words"), Evidence("alike", POT)]
    found = reasons(said, ["tin", "cup", "pot", "lid"], encoders=TEXT, text="iron")
    assert found == [
        "1 person chose it",
        "like “Green tea”: tea",
        "matches your words: iron",
        f"{NOT_YET}, but it is like “Iron pot”: iron",
    ]


def test_a_chinese_catalogue_speaks_chinese():
    said = [
        *(Evidence("together", TEA), Evidence("together", TIN), Evidence("popular")),
        *(Evidence("popular"), Evidence("alike", TEA), Evidence("popular"), Evidence("peers")),
    ]
    names = ["cup", "tea", "tea", "tin", "tray", "tray", "cup"]
    titles = CHINESE | {"tea": "云南绿茶", "tray": "绿茶托盘"}
    assert reasons(said, names, titles=titles, encoders=TEXT) == [
        "有 2 人选了《云南绿茶》之后又选了它",
        "有 1 人既选过《圆罐》也选过它",
        "热门：4 人选过",
        "1 人选过",
        "还没有人选过，但与《云南绿茶》相近：绿茶",
        "还没有人选过",
        "与你选择相近的人选过它",
    ]


def test_columns_of_a_chinese_catalogue_are_translated():
    found = reasons([Evidence("alike", POT)], ["tin"], titles=CHINESE, encoders=NUMBERS)
    assert found == ["与《铁壶》的价格相近"]


def test_a_chinese_wish_names_the_words_that_it_shares():
    texts = ["云南绿茶", "铁制茶壶", "圆罐", "竹托盘", "青瓷茶杯", "木勺"]
    items = pl.DataFrame(
        {"item_id": list("abcdef"), "title": list("甲乙丙丁戊己"), "description": texts}
    )
    events = pl.DataFrame({"user_id": ["u", "v"], "item_id": ["b", "c"]})
    encoders = {"words": Tfidf(template="{description}", min_df=1)}
    model = Pipeline(encoders=encoders, recommender=Content()).fit(Dataset(events, items))
    found = model.recommend(text="很好喝的云南绿茶送给人", k=1, reasons=True).table
    assert found["reasons"].to_list() == ["还没有人选过，但符合你说的话：云南绿茶"]


def test_an_item_of_the_same_title_is_another():
    said = [Evidence("together", TEA), Evidence("alike", TEA)]
    english = reasons(said, ["cup", "cup"], titles=TITLES | {"cup": "Green tea"}, encoders=TEXT)
    assert english == [
        "2 people who chose another “Green tea” went on to choose it",
        "like another “Green tea”: green, tea",
    ]
    chinese = reasons(said, ["cup", "cup"], titles=CHINESE | {"cup": "绿茶"}, encoders=TEXT)
    assert chinese == ["有 2 人选了同名的《绿茶》之后又选了它", "与同名的《绿茶》相近：绿茶"]


def test_counts_are_set_in_groups_of_three():
    users = [f"u{number}" for number in range(1234)]
    items = pl.DataFrame({"item_id": ["a", "b"], "title": ["A", "B"]})
    data = Dataset(pl.DataFrame({"user_id": users, "item_id": "a"}), items)
    model = Pipeline(encoders={}, recommender=Says(Evidence("popular"))).fit(data)
    table = pl.DataFrame({"user_id": ["request 0"], "item_id": ["a"], "rank": [1]})
    found = explain(model, history_of_items(data.item_ids, [[]]), Recommendations(table))
    assert found.table["reasons"].to_list() == ["popular: 1,234 people chose it"]


def test_fitted_again_with_other_encoders_other_things_are_alike():
    rows = [(user, item) for user, history in EVENTS.items() for item in history]
    events = pl.DataFrame(rows, schema=["user_id", "item_id"], orient="row")
    columns = {"item_id": list(TITLES), "title": list(TITLES.values()), "price": PRICES}
    data = Dataset(events, pl.DataFrame(columns))
    asking = history_of_items(data.item_ids, [["pot"]])
    table = pl.DataFrame({"user_id": ["request 0"], "item_id": ["tin"], "rank": [1]})
    found = []
    for encoders in (TEXT, NUMBERS, TEXT):
        model = Pipeline(encoders=encoders, recommender=Says(Evidence("alike", POT))).fit(data)
        found += explain(model, asking, Recommendations(table)).table["reasons"].to_list()
    assert found == ["1 person chose it", "like “Iron pot” in price", "1 person chose it"]


def test_items_are_called_by_title_then_name_then_id():
    named = pl.DataFrame({"item_id": ["a", "b", "c"], "name": ["Ann's", " ", None]})
    assert titles_of(named) == ["Ann's", "b", "c"]
    assert titles_of(named.with_columns(title=pl.lit("T"))) == ["T", "T", "T"]
    assert titles_of(named.select("item_id")) == ["a", "b", "c"]


def test_the_language_is_that_of_most_titles():
    assert language_of(["绿茶", "铁壶", "Tea"]) == "zh"
    assert language_of(["绿茶", "Pot", "Tea"]) == "en"
    assert language_of([]) == "en"
