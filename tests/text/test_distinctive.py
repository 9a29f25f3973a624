"""What groups of texts are called by."""

import pytest

from palate.text import distinctive
from palate.text.distinctive import distinctive_words, names_of, words_worth_naming


def test_stop_words_numbers_and_short_words_name_nothing():
    assert words_worth_naming(["The 2000 vampires of an old ox, on TV!"]) == [{"vampires", "old"}]


def test_chinese_is_named_in_words_where_they_can_be_told(monkeypatch):
    monkeypatch.setattr(distinctive, "is_installed", lambda *modules: False)
    assert words_worth_naming(["红色连衣裙的"]) == [{"红色", "色连", "连衣", "衣裙", "裙的"}]
    monkeypatch.undo()
    pytest.importorskip("rjieba")
    assert words_worth_naming(["红色连衣裙的"]) == [{"红色", "连衣裙"}]


def test_what_most_texts_of_a_group_and_few_others_hold_comes_first():
    vampires = ["film vampire night", "film vampire blood", "film vampire"]
    texts = [*vampires, "film love", "film love ring"]
    words = distinctive_words([set(text.split()) for text in texts], [0, 0, 0, 1, 1], 2)
    assert words[0] == ["vampire", "film"]
    assert words[1][0] == "love"


def test_one_text_names_nothing_where_there_are_more():
    words = [{"tea", "green"}, {"tea"}, {"tea"}, {"bike", "steel"}]
    assert distinctive_words(words, [0, 0, 0, 1], 3) == [["tea"], ["bike", "steel"], []]


def test_plurals_and_parts_are_left_out():
    words = [{"vampire", "vampires", "blood", "art", "arts"}] * 2
    (found,) = distinctive_words(words, [0, 0], 1)
    assert found == ["art", "arts", "blood", "vampire"]
    (found,) = distinctive_words([{"自行车", "自行", "红色"}] * 2, [0, 0], 1)
    assert len(found) == 2


def test_names_differ():
    words = [["a", "b", "c", "d"], ["a", "b", "c", "e"], ["a", "b", "c"], [], [], ["x"]]
    assert names_of(words) == [
        "a, b, c",
        "a, b, c, e",
        "topic, a, b, c 3",
        "topic 4",
        "topic 5",
        "x",
    ]
