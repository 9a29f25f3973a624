from typing import Any

import pytest

from palate.core.errors import DataError, UnknownIdError
from palate.evaluation.published.minionerec import NO_TRAIN_FILE, read_minionerec

HEADER = "user_id,history_item_title,item_title,history_item_id,item_id"
ITEMS = {
    str(row): {
        "title": f"thing {row}",
        "description": f"['line {row}', \"it's\"]",
        "brand": "Ox" if row == 5 else "",
        "categories": "",
    }
    for row in range(8)
}
TRAIN = [HEADER, 'u7,"[\'a, ""b""\']",b,[6],4', 'u7,,,"[6, 4]",1', 'u1,,,"[2]",3']
VALID = [HEADER, 'u7,"[]",x,"[4, 1]",3', 'u7,,,"[4, 1, 3]",0', "u2,,,[5],6"]
TEST = [HEADER, 'u7,,,"[1, 3, 0]",2', 'u9,,,"[7, 5]",4', "u8,,,[],1"]

PLAIN = ("items.json", "train.csv", "valid.csv", "test.csv")
PACKED = tuple(f"{name}.gz" for name in PLAIN)
ORIGINAL = (
    "index/Pens.item.json",
    "train/Pens_5_2016-10-2018-11.csv",
    "valid/Pens_5_2016-10-2018-11.csv",
    "test/Pens_5_2016-10-2018-11.csv",
)
NAMED = ("Pens.item.json.gz", "Pens_train.csv", "Pens.valid.csv.gz", "Pens-test.csv")


def files(names: tuple[str, ...] = PLAIN, **changed: object) -> dict[str, object]:
    contents = {"items": ITEMS, "train": TRAIN, "valid": VALID, "test": TEST, **changed}
    given = zip(names, contents.values(), strict=True)
    return {name: content for name, content in given if content is not None}


@pytest.mark.parametrize("names", [PLAIN, PACKED, ORIGINAL, NAMED])
def test_events_are_put_together_with_the_train_file(folder: Any, names: tuple[str, ...]) -> None:
    parts = read_minionerec(folder({**files(names), "info/Pens.txt": "x", "Pens.index.json": "{}"}))
    assert parts.events.rows() == [
        *zip(["u7"] * 6, "641302", ["train"] * 3 + ["valid"] * 2 + ["test"], strict=True),
        *zip(["u1"] * 2, "23", ["train"] * 2, strict=True),
        *zip(["u2"] * 2, "56", ["train", "valid"], strict=True),
        *zip(["u9"] * 3, "754", ["train"] * 2 + ["test"], strict=True),
        ("u8", "1", "test"),
    ]
    assert parts.notes == []


def test_without_a_train_file_the_histories_are_the_training_events(folder: Any) -> None:
    parts = read_minionerec(folder(files(train=None)))
    assert parts.events.rows()[:5] == [
        *zip(["u7"] * 5, "41302", ["train"] * 2 + ["valid"] * 2 + ["test"], strict=True)
    ]
    assert parts.notes == [NO_TRAIN_FILE]


def test_requests_are_the_rows_as_given(folder: Any) -> None:
    parts = read_minionerec(folder(files()))
    assert parts.validation.users == ["u7", "u7", "u2"]
    assert parts.validation.histories == [["4", "1"], ["4", "1", "3"], ["5"]]
    assert parts.validation.answers == ["3", "0", "6"]
    assert parts.test.histories == [["1", "3", "0"], ["7", "5"], []]
    assert parts.test.answers == ["2", "4", "1"]


def test_the_catalogue_keeps_rows_and_says_what_it_can(folder: Any) -> None:
    items = read_minionerec(folder(files())).items
    assert items.columns == ["item_id", "title", "brand", "description"]
    assert items.row(5) == ("5", "thing 5", "Ox", "line 5 it's")
    assert items["item_id"].to_list() == list("01234567")


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"valid": [HEADER, 'u,,,"[1, 2",3', "u,,,7,3"]}, r"valid\.csv.*'row 1: \[1, 2', 'row 2"),
        ({"valid": [HEADER, 'u,,,"[1, 2.5]",3']}, "not a list of items"),
        ({"valid": [HEADER, 'u,,,"[true]",3']}, "not a list of items"),
        ({"test": [HEADER, "u,,,,3"]}, r"test\.csv, column 'history_item_id': empty in rows 1"),
        ({"test": [HEADER, "u,,,[1],"]}, r"column 'item_id': empty in rows 1"),
        ({"test": ["user_id,item_id", "1,2"]}, "no column 'history_item_id'"),
        ({"test": ""}, r"test\.csv is empty"),
        ({"items": "[]"}, r"items\.json must map rows to objects"),
        ({"items": "{}"}, r"items\.json must map rows to objects"),
        ({"items": '{"0": {'}, r"items\.json is not JSON"),
    ],
)
def test_bad_content_is_named(folder: Any, changed: dict[str, object], words: str) -> None:
    with pytest.raises(DataError, match=words):
        read_minionerec(folder(files(**changed)))


@pytest.mark.parametrize(
    ("row", "column"), [("u,,,[8],1", "history_item_id"), ("u,,,[1],8", "item_id")]
)
def test_an_unknown_item_is_named(folder: Any, row: str, column: str) -> None:
    with pytest.raises(UnknownIdError, match=rf"valid\.csv, column '{column}'.*'8'"):
        read_minionerec(folder(files(valid=[HEADER, row])))


@pytest.mark.parametrize("gone", ["items", "valid", "test"])
def test_a_missing_file_says_what_was_expected_and_found(folder: Any, gone: str) -> None:
    with pytest.raises(DataError, match=r"Expected.*history_item_id.*Found: .*train\.csv"):
        read_minionerec(folder(files(**{gone: None})))


def test_two_data_sets_in_one_folder_are_told_apart_by_prefix(folder: Any) -> None:
    home = folder(files(ORIGINAL))
    folder({name.replace("Pens", "Ink"): content for name, content in files(ORIGINAL).items()})
    with pytest.raises(DataError, match="2 candidates"):
        read_minionerec(home)
    assert read_minionerec(home / "Ink").test.answers == ["2", "4", "1"]
