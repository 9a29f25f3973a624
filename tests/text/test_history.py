import numpy as np
import polars as pl
import pytest

from palate.core.dataset import Dataset
from palate.core.errors import AlignmentError, ConfigError
from palate.core.histories import histories_of, history_of_items
from palate.core.ids import Ids
from palate.text.history import describe_users, verbalise

DAY = 86_400.0
TITLES = ["Apple", "Bread, rye", "Cheese", "Dates", ""]


@pytest.fixture
def data():
    rows = [
        ("ann", "a", 0.0, "view", 1.0),
        ("ann", "b", 3 * DAY, "Add-To-Cart", 2.5),
        ("bob", "a", 5.0, "buy", None),
        ("ann", "c", 3 * DAY + 5, "purchase", 5.0),
        ("bob", "c", 400 * DAY, "gift_wrap", 4.0),
        ("cy", "d", float("nan"), None, 3.0),
        ("cy", "e", 9.0, "view", 3.0),
    ]
    names = ["user_id", "item_id", "timestamp", "event", "value"]
    items = pl.DataFrame({"item_id": ["a", "b", "c", "d", "e"]})
    return Dataset(pl.DataFrame(rows, schema=names, orient="row"), items)


def test_people_in_english(data):
    users, said = describe_users(data, TITLES)
    assert users == ["ann", "bob", "cy"]
    assert said == [
        "viewed Apple (1 star) on 1970-01-01, then added to the cart Bread, rye (2.5 stars) "
        "on 1970-01-04, then bought Cheese (5 stars)",
        "bought Apple on 1970-01-01, then gift wrap Cheese (4 stars) on 1971-02-05",
        "chose Dates (3 stars)",
    ]


def test_people_in_chinese(data):
    _, said = describe_users(data, TITLES, language="zh")
    assert said == [
        "1970-01-01看了“Apple”（1星），然后1970-01-04加入购物车：“Bread, rye”（2.5星），"
        "然后买了“Cheese”（5星）",
        "1970-01-01买了“Apple”，然后1971-02-05gift wrap“Cheese”（4星）",
        "选了“Dates”（3星）",
    ]


def test_own_words_for_events(data):
    _, said = describe_users(data, TITLES, verbs={"Gift Wrap": "wrapped", "buy": "paid for"})
    assert said[1] == "paid for Apple on 1970-01-01, then wrapped Cheese (4 stars) on 1971-02-05"


def test_people_of_the_users_table_who_did_nothing_say_nothing(data):
    with_users = Dataset(data.interactions, data.items, pl.DataFrame({"user_id": ["zoe", "bob"]}))
    users, said = describe_users(with_users, TITLES)
    assert users[:2] == ["zoe", "bob"]
    assert said[0] == ""
    assert said[1].startswith("bought Apple")


def test_plain_histories():
    ids = Ids(["a", "b", "c", "d", "e"])
    histories = history_of_items(ids, [["a", "b"], [], ["c"]])
    assert verbalise(histories, TITLES) == ["chose Apple, then Bread, rye", "", "chose Cheese"]
    nobody = history_of_items(ids, [[], []])
    assert verbalise(nobody, TITLES) == ["", ""]
    assert verbalise(history_of_items(ids, []), TITLES) == []


def test_the_newest_are_kept():
    ids = Ids(["a", "b", "c", "d", "e"])
    histories = history_of_items(ids, [["a", "b", "c", "d"], ["b", "a"]])
    assert verbalise(histories, TITLES, max_items=2) == [
        "chose Cheese, then Dates",
        "chose Bread, rye, then Apple",
    ]
    assert verbalise(histories, TITLES, max_chars=45) == [
        "chose Cheese, then Dates",
        "chose Bread, rye, then Apple",
    ]


@pytest.mark.parametrize("limit", [1, 7, 30, 60, 200])
def test_no_text_is_longer_than_allowed(data, limit):
    for language in ("en", "zh"):
        _, said = describe_users(data, TITLES, max_chars=limit, language=language)
        assert all(0 < len(text) <= limit for text in said)


def test_a_single_long_title_is_cut():
    histories = history_of_items(Ids(["a"]), [["a"]])
    assert verbalise(histories, ["x" * 50], max_chars=12) == ["chose xxxxx…"]


def test_values_that_are_no_stars():
    histories = history_of_items(Ids(["a", "b"]), [["a", "b"]])
    said = verbalise(histories, ["A", "B"], values=[12.5, 300], events=["play", "play"])
    assert said == ["played A (12.5), then B (300)"]


def test_given_times_replace_those_of_the_histories(data):
    histories = histories_of(data)
    said = verbalise(histories, TITLES, times=np.full(len(histories.items), 31 * DAY))
    assert said[1] == "chose Apple on 1970-02-01, then Cheese"


def test_windows_of_shared_histories(data):
    histories = histories_of(data).without_last(1)
    assert verbalise(histories, TITLES)[1] == "chose Apple on 1970-01-01"


def test_bad_requests(data):
    histories = histories_of(data)
    with pytest.raises(AlignmentError, match="2 texts for a catalogue of 5"):
        verbalise(histories, ["A", "B"])
    with pytest.raises(AlignmentError, match="1 events for 7 events"):
        verbalise(histories, TITLES, events=["view"])
    with pytest.raises(ConfigError, match="max_items and max_chars"):
        verbalise(histories, TITLES, max_items=0)
    with pytest.raises(ConfigError, match="language 'de' is not known"):
        verbalise(histories, TITLES, language="de")
