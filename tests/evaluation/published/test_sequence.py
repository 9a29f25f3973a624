from pathlib import Path
from typing import Any

import pytest

from palate.core.errors import DataError, UnknownIdError
from palate.evaluation.published.sequence import read_sequence

LINES = ["u1 3 0 5 2 6", "u2 1 4 0", "u3 2 6"]
ITEMS = [
    {"item_id": row, "title": f"thing {row}", "categories": [["All", "AB"[row % 2]]]}
    for row in (6, 0, 1, 2, 3, 4, 5)
]
EVENTS = [
    *zip(["u1"] * 5, "30526", ["train"] * 3 + ["valid", "test"], strict=True),
    *zip(["u2"] * 3, "140", ["train", "valid", "test"], strict=True),
    *zip(["u3"] * 2, "26", ["train"] * 2, strict=True),
]


@pytest.mark.parametrize(
    ("lines", "items"),
    [
        ("sequential_data.txt", "items.jsonl"),
        ("sequential_data.txt.gz", "items.jsonl.gz"),
        ("Toys_sequential_data.txt", "Toys.items.jsonl.gz"),
    ],
)
def test_leave_one_out(folder: Any, lines: str, items: str) -> None:
    parts = read_sequence(folder({lines: LINES, items: ITEMS}))
    assert parts.events.rows() == EVENTS
    assert parts.validation.users == parts.test.users == ["u1", "u2"]
    assert parts.validation.histories == [["3", "0", "5"], ["1"]]
    assert parts.validation.answers == ["2", "4"]
    assert parts.test.histories == [["3", "0", "5", "2"], ["1", "4"]]
    assert parts.test.answers == ["6", "0"]
    assert parts.items.columns == ["item_id", "title", "categories"]
    assert parts.items.row(0) == ("6", "thing 6", ["All", "A"])
    assert parts.notes == ["1 people have fewer than 3 events: trained on, not asked."]


def test_without_items_the_ids_are_the_catalogue(folder: Any) -> None:
    home = folder({"sequential_data.txt": ["a 10 9 2", "b 9 30 2"], "items.json": {}})
    parts = read_sequence(home)
    assert parts.items.columns == ["item_id"]
    assert parts.items["item_id"].to_list() == ["2", "9", "10", "30"]
    assert "found: items.json, sequential_data.txt" in parts.notes[0]


def test_ids_that_start_elsewhere_are_an_error(folder: Any) -> None:
    home = folder({"sequential_data.txt": [*LINES, "u4 7 1 2"], "items.jsonl": ITEMS})
    with pytest.raises(UnknownIdError, match=r"sequential_data\.txt: items that .*jsonl.*'7'"):
        read_sequence(home)


def test_a_person_with_two_lines_is_an_error(folder: Any) -> None:
    home = folder({"sequential_data.txt": [*LINES, "u2 5 6 3", ""], "items.jsonl": ITEMS})
    with pytest.raises(DataError, match="more than one line: 'u2';"):
        read_sequence(home)


def test_nobody_to_ask_is_an_error(folder: Any) -> None:
    with pytest.raises(DataError, match="nobody has 3 events"):
        read_sequence(folder({"sequential_data.txt": ["u1 1 2", "u2 2"]}))


def test_the_wrong_folder_says_what_was_expected_and_found(folder: Any) -> None:
    home = folder({"Pens.train.inter": "x", "Pens.text": "y"})
    with pytest.raises(DataError) as caught:
        read_sequence(home)
    assert "Expected" in str(caught.value)
    assert "sequential_data.txt" in str(caught.value)
    assert "Found: Pens.text, Pens.train.inter" in str(caught.value)


def test_an_empty_file_is_an_error(folder: Any) -> None:
    with pytest.raises(DataError, match=r"sequential_data\.txt\.gz is empty"):
        read_sequence(folder({"sequential_data.txt.gz": ""}))


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        read_sequence(tmp_path / "nowhere")


def test_two_data_sets_in_one_folder_are_told_apart_by_prefix(folder: Any) -> None:
    home = folder({"A_sequential_data.txt": LINES, "B_sequential_data.txt": ["x 1 2 3"]})
    with pytest.raises(DataError, match="2 candidates"):
        read_sequence(home)
    assert read_sequence(home / "B").test.answers == ["3"]
