"""Every word that the ranker has for its features has a Chinese one."""

import re

import polars as pl
import pytest

from palate.evaluation.report.html import words_in
from palate.evaluation.report.model import FAMILIES_ZH, importance_section, in_chinese, meaning_zh
from palate.recommenders.two_stage.importance import (
    COMPARISONS,
    FAMILIES,
    SCALES,
    SIGNALS,
    family,
    meaning,
)

NAMES = [*SIGNALS, *(f"text{end}" for end in COMPARISONS), *(f"space{end}" for end in COMPARISONS)]


def test_every_meaning_has_chinese_words():
    features = [name + scale for name in NAMES for scale in ("", *SCALES)]
    said = {name: meaning_zh(meaning(name, ["text"])).removeprefix("text") for name in features}
    assert not {name: words for name, words in said.items() if re.search("[A-Za-z]", words)}


def test_every_family_has_a_chinese_name():
    names = {family(name, []) for name in [*FAMILIES, "hour"]}
    assert names == set(FAMILIES_ZH)
    assert len(set(FAMILIES_ZH.values())) == len(FAMILIES_ZH)


def test_names_of_blocks_and_unknown_words_stay():
    rows = {
        "family": ["behaviour", "标签", "context"],
        "meaning": ["标签: like the newest item, rank", "popularity, against others", "odd: one"],
    }
    found = in_chinese(pl.DataFrame(rows))
    assert found["family"].to_list() == ["行为", "标签", "情境"]
    assert found["meaning"].to_list() == [
        "标签：像最新物品，名次",
        "热度，与全目录相比",
        "odd：one",
    ]
    without = in_chinese(pl.DataFrame({"family": ["popularity"]}))
    assert without["family"].to_list() == ["热度"]


@pytest.mark.parametrize(
    ("language", "shown"), [("zh", "接在最新物品之后"), ("en", "followed the newest item")]
)
def test_the_report_says_it_in_its_language(language, shown):
    rows = {"feature": ["directed:newest"], "meaning": ["followed the newest item"]}
    shares = {"family": ["behaviour"], "contribution": [0.6], "gain": [0.4]}
    html = importance_section(pl.DataFrame({**rows, **shares}), words_in(language))
    assert shown in html
    assert ("behaviour" in html) == (language == "en")
