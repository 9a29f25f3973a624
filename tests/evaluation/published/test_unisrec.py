from typing import Any

import pytest

from palate.core.errors import DataError, UnknownIdError
from palate.evaluation.published.unisrec import read_unisrec

HEADER = "user_id:token\titem_id_list:token_seq\titem_id:token"
TEXTS = [
    "item_id:token\ttext:token_seq",
    'E5\tan "E',
    "C3\tpen 3\t5 cm ",
    "A1\t",
    "B2\tink",
    "D4\tx",
]
NUMBERS = ["C3\t0", "A1\t1", "B2\t3", "E5\t2", "D4\t10"]
TRAIN = [HEADER, "0\t3 0 10\t2", "0\t3 0\t10", "0\t3\t0", "1\t2\t3"]
VALID = [HEADER, "0\t3 0 10 2\t1", "1\t2 3\t0", "5\t1\t2"]
TEST = [HEADER, "0\t0 10 2 1\t3", "1\t2 3 0\t10", "5\t1 2\t0"]


def files(prefix: str = "Pens", packed: str = "", **changed: object) -> dict[str, object]:
    contents = {
        "text": TEXTS,
        "item2index": NUMBERS,
        "train.inter": TRAIN,
        "valid.inter": VALID,
        "test.inter": TEST,
        **{name.replace("_", "."): content for name, content in changed.items()},
    }
    return {
        f"{prefix}.{name}{packed}": content
        for name, content in contents.items()
        if content is not None
    }


@pytest.mark.parametrize(("prefix", "packed"), [("Pens", ""), ("Arts_and_Ink", ".gz")])
def test_prefixes_become_one_sequence(folder: Any, prefix: str, packed: str) -> None:
    parts = read_unisrec(folder({**files(prefix, packed), f"{prefix}.user2index": "U\t0\n"}))
    assert parts.events.rows() == [
        *zip(
            ["0"] * 6,
            ["3", "0", "10", "2", "1", "3"],
            ["train"] * 4 + ["valid", "test"],
            strict=True,
        ),
        *zip(["1"] * 4, ["2", "3", "0", "10"], ["train"] * 2 + ["valid", "test"], strict=True),
        *zip(["5"] * 3, ["1", "2", "0"], ["train", "valid", "test"], strict=True),
    ]
    assert parts.validation.histories == [["3", "0", "10", "2"], ["2", "3"], ["1"]]
    assert parts.validation.answers == ["1", "0", "2"]
    assert parts.test.users == ["0", "1", "5"]
    assert parts.test.histories == [["0", "10", "2", "1"], ["2", "3", "0"], ["1", "2"]]
    assert parts.test.answers == ["3", "10", "0"]


def test_the_catalogue_is_in_the_order_of_the_numbers(folder: Any) -> None:
    parts = read_unisrec(folder(files()))
    assert parts.items.rows() == [
        ("0", "pen 3\t5 cm"),
        ("1", ""),
        ("2", 'an "E'),
        ("3", "ink"),
        ("10", "x"),
    ]
    assert parts.notes == ["1 items have no text in Pens.text."]


def in_words(lines: list[str]) -> list[str]:
    names = {number: name for name, number in (line.split("\t") for line in NUMBERS)}
    rows = [line.split("\t") for line in lines[1:]]
    return [
        HEADER,
        *(f"{u}\t{' '.join(names[i] for i in h.split())}\t{names[t]}" for u, h, t in rows),
    ]


@pytest.mark.parametrize("numbers", [NUMBERS, None])
def test_rows_may_speak_of_original_ids(folder: Any, numbers: list[str] | None) -> None:
    words = {
        f"{part}_inter": in_words(lines)
        for part, lines in (("train", TRAIN), ("valid", VALID), ("test", TEST))
    }
    parts = read_unisrec(folder(files(item2index=numbers, **words)))
    assert parts.test.answers == ["B2", "D4", "C3"]
    expected = ["C3", "A1", "E5", "B2", "D4"] if numbers else ["E5", "C3", "A1", "B2", "D4"]
    assert parts.items["item_id"].to_list() == expected


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"text": ["id\ttext", "a\tb"]}, r"Pens\.text: the first line must be"),
        ({"text": [*TEXTS, "B2\tagain"]}, r"Pens\.text: items twice: 'B2'"),
        ({"item2index": ["C3 0", "A1\tx", "B2\t2"]}, r"item2index: not .*'C3 0', 'A1\\tx'$"),
        ({"item2index": ["C3\t0", "A1\t0"]}, r"item2index: items twice: '0'"),
        ({"train_inter": ""}, r"train\.inter is empty"),
        ({"train_inter": HEADER}, "no rows"),
        ({"valid_inter": ["user_id\titem_id", "1\t2"]}, "no column 'item_id_list'"),
        ({"test_inter": [HEADER, "0\t1\t"]}, r"test\.inter, column 'item_id': empty in rows 1"),
    ],
)
def test_bad_content_is_named(folder: Any, changed: dict[str, object], words: str) -> None:
    with pytest.raises(DataError, match=words):
        read_unisrec(folder(files(**changed)))


@pytest.mark.parametrize(("row", "column"), [("0\t4\t1", "item_id_list"), ("0\t1\t4", "item_id")])
def test_an_unknown_item_is_named(folder: Any, row: str, column: str) -> None:
    with pytest.raises(UnknownIdError, match=rf"valid\.inter, column '{column}'.*'4'"):
        read_unisrec(folder(files(valid_inter=[HEADER, row])))


@pytest.mark.parametrize("gone", ["text", "train_inter", "valid_inter", "test_inter"])
def test_a_missing_file_says_what_was_expected_and_found(folder: Any, gone: str) -> None:
    with pytest.raises(DataError, match=r"Expected.*PREFIX\.train\.inter.*Found: Pens\.item2index"):
        read_unisrec(folder(files(**{gone: None})))


def test_two_data_sets_in_one_folder_are_told_apart_by_prefix(folder: Any) -> None:
    home = folder({**files("Pens"), **files("Ink", test_inter=[HEADER, "0\t1\t2"])})
    with pytest.raises(DataError, match="2 candidates"):
        read_unisrec(home)
    assert read_unisrec(home / "Ink").test.answers == ["2"]
