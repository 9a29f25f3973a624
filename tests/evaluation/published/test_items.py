from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from palate.core.errors import DataError
from palate.evaluation.published.files import (
    categories_of,
    item_table,
    printed_list,
    read_records,
    text_of,
)

HERE = Path("items.json")


def test_columns_that_say_nothing_are_left_out() -> None:
    records = [{"title": "Pen", "brand": ""}, {"title": "Ink", "brand": None, "weight": 3}]
    table = item_table(["7", "2"], records, HERE)
    assert table.columns == ["item_id", "title"]
    assert table.rows() == [("7", "Pen"), ("2", "Ink")]


def test_all_columns_that_speak_are_kept() -> None:
    record = {
        "title": "Pen",
        "brand": "Ox",
        "description": ["Blue.", "Writes."],
        "categories": [["Office", "Pens"], ["Office", "Gifts"]],
        "price": "$1,204.50",
    }
    table = item_table(["0", "1"], [record, {}], HERE)
    assert table.row(0, named=True) == {
        "item_id": "0",
        "title": "Pen",
        "brand": "Ox",
        "description": "Blue. Writes.",
        "categories": ["Office", "Pens", "Gifts"],
        "price": 1204.5,
    }
    assert table.row(1) == ("1", None, None, None, [], None)


def test_an_id_twice_is_named() -> None:
    with pytest.raises(DataError, match=r"items\.json: items twice: '3'$"):
        item_table(["3", "5", "3"], [{}, {}, {}], HERE)


@given(st.lists(st.text(), max_size=4))
def test_a_printed_list_is_read_back(texts: list[str]) -> None:
    assert printed_list(str(texts)) == texts


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("plain [text]", "plain [text]"),
        ("['it', \"don't\", 'a \"b\"']", 'it don\'t a "b"'),
        ("[]", ""),
        ("[1, 2]", "[1, 2]"),
        ("['open", "['open"),
        (["a", ["b"], None, 3], "a b 3"),
        (float("nan"), None),
        (None, None),
        (12, "12"),
    ],
)
def test_text_of_a_field(value: object, text: str | None) -> None:
    assert text_of(value) == text


@pytest.mark.parametrize(
    ("value", "names"),
    [
        ([["A", "B"], ["A", "C"]], ["A", "B", "C"]),
        (["B", "A"], ["B", "A"]),
        ("['A', 'B & C']", ["A", "B & C"]),
        ("Pens, Ink", ["Pens, Ink"]),
        ("", []),
        (None, []),
    ],
)
def test_categories_of_a_field(value: object, names: list[str]) -> None:
    assert categories_of(value) == names


def test_a_line_that_is_not_json_is_named(tmp_path: Path) -> None:
    path = tmp_path / "items.jsonl"
    path.write_text('{"item_id": 4}\n{"item_id": \n')
    with pytest.raises(DataError, match=r"items\.jsonl, line 2 is not JSON"):
        read_records(path)
    path.write_text('{"item_id": 4}\n{"id": 5}\n')
    with pytest.raises(DataError, match=r"line 2 is no object with 'item_id'"):
        read_records(path)
