import numpy as np
import pytest

from palate.text.sentiment import MOST_CLAUSES, clauses, whole_and_clauses


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("It broke. I paid 3.50 for it! Why?", ["It broke", "I paid 3.50 for it", "Why"]),
        ("很快，好吃,味道足。量大！", ["很快", "好吃", "味道足", "量大"]),
        ("red, green, blue", ["red, green, blue"]),
        ("... !!", []),
        ("", []),
    ],
)
def test_clauses_end_where_people_end_them(text, parts):
    assert clauses(text) == parts


def test_long_texts_are_read_from_the_beginning():
    assert clauses("a. " * 99) == ["a"] * MOST_CLAUSES


def test_the_clauses_are_averaged_beside_the_whole():
    def lengths(texts):
        return np.array([[len(text), 1] for text in texts], dtype=np.float32).reshape(-1, 2)

    found = whole_and_clauses(["ab. abcd", "!", "xyz"], lengths)
    assert found.tolist() == [[8, 1, 3, 1], [1, 1, 0, 0], [3, 1, 3, 1]]
    assert whole_and_clauses(["!", ""], lengths)[:, 2:].tolist() == [[0, 0], [0, 0]]
