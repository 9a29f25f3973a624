"""Why an item is recommended, in words; the evidence itself is tested with the recommenders."""

import polars as pl
import pytest

from palate.histories import history_of_items
from palate.pipeline import Pipeline
from palate.reasons import explain, language_of, titles_of
from palate.recommenders._evidence import Evidence
from palate.types import Dataset, Recommendations

EVENTS = [("ann", "tea"), ("ann", "pot"), ("bo", "tea"), ("bo", "cup"), ("cy", "tea")]
TITLES = {"tea": "Green tea", "pot": "Iron pot", "cup": "Tea cup", "tray": "Bamboo tray"}
CHINESE = {"tea": "绿茶", "pot": "铁壶", "cup": "茶杯", "tray": "竹托盘"}


class Witness:
    """A recommender that says what it is told to say."""

    def __init__(self, *said):
        self.said = list(said)

    def fit(self, data, items=None):
        return self

    def evidence(self, histories, items):
        return self.said


def reasons(said, names, *, titles=TITLES):
    items = pl.DataFrame({"item_id": list(titles), "title": list(titles.values())})
    data = Dataset(pl.DataFrame(EVENTS, schema=["user_id", "item_id"], orient="row"), items)
    model = Pipeline(encoders={}, recommender=Witness(*said)).fit(data)
    asking = history_of_items(data.item_ids, [["pot", "tea"]])
    table = pl.DataFrame({"user_id": "request 0", "item_id": names}).with_row_index("rank", 1)
    return explain(model, asking, Recommendations(table)).table["reasons"].to_list()


TEA = list(TITLES).index("tea")


@pytest.mark.parametrize(
    ("evidence", "item", "sentence"),
    [
        (Evidence("together", TEA), "cup", "people who chose “Green tea” went on to choose it"),
        (Evidence("alike", TEA), "cup", "like “Green tea” in what it says"),
        (Evidence("alike", TEA), "tray", "new here, and like “Green tea” in what it says"),
        (Evidence("words"), "cup", "matches your words"),
        (Evidence("popular"), "tea", "popular: 3 people chose it"),
        (Evidence("popular"), "tray", "new here: nobody has chosen it yet"),
        (Evidence("together"), "tea", "popular: 3 people chose it"),
    ],
)
def test_each_kind_of_evidence_has_its_sentence(evidence, item, sentence):
    assert reasons([evidence], [item]) == [sentence]


def test_a_chinese_catalogue_speaks_chinese():
    said = [Evidence("together", TEA), Evidence("alike", TEA), Evidence("popular")]
    assert reasons(said, ["cup", "tray", "tray"], titles=CHINESE) == [
        "选过《绿茶》的人接着选了它",
        "新上架，内容与《绿茶》相近",
        "新上架，还没有人选过",
    ]


def test_items_are_called_by_title_then_name_then_id():
    named = pl.DataFrame({"item_id": ["a", "b", "c"], "name": ["Ann's", " ", None]})
    assert titles_of(named) == ["Ann's", "b", "c"]
    assert titles_of(named.with_columns(title=pl.lit("T"))) == ["T", "T", "T"]
    assert titles_of(named.select("item_id")) == ["a", "b", "c"]


def test_the_language_is_that_of_most_titles():
    assert language_of(["绿茶", "铁壶", "Tea"]) == "zh"
    assert language_of(["绿茶", "Pot", "Tea"]) == "en"
    assert language_of([]) == "en"
