"""Every word that the ranker has for its features has a Chinese one."""

import re

import polars as pl
import pytest

from palate.evaluation.report.html import words_in
from palate.evaluation.report.model import (
    FAMILIES_ZH,
    chosen_zh,
    importance_section,
    in_chinese,
    meaning_zh,
)
from palate.recommenders.two_stage.arrivals import arrival_ways
from palate.recommenders.two_stage.choice import LIFTED, ORDER, TAUGHT, WHO, in_words
from palate.recommenders.two_stage.importance import (
    COMPARISONS,
    FAMILIES,
    SCALES,
    SIGNALS,
    family,
    meaning,
)
from palate.recommenders.two_stage.ways import (
    ALL_TIME,
    EXPERTS,
    PLAIN_WINDOWS,
    PROFILE_WINDOWS,
    ways_of,
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


def every_choice():
    """The ranker's sentences about everything that it may choose."""
    rows = []
    for worth in (0.05, 0.25):
        for who in WHO:
            ways = ways_of([*EXPERTS, ALL_TIME, *PLAIN_WINDOWS, *PROFILE_WINDOWS])
            rows += [(who, way.trees, way.ordered_by, way.weight, 0.0, 0.25, worth) for way in ways]
        rows += [(who, 1.0, "trees", 0.5, 0.1, 0.25, worth) for who in LIFTED]
        ways = arrival_ways(["文本", "文本 (place)", "文本:map"])
        rows += [(ORDER, way.trees, way.ordered_by, way.weight, 0.0, 0.25, worth) for way in ways]
        rows += [(who, told, "trees", 0.0, 0.0, 0.25, worth) for who in TAUGHT for told in (0.0, 1)]
    names = ["who", "trees", "ordered_by", "weight", "share", "ndcg", "ndcg_otherwise"]
    table = pl.DataFrame(rows, schema=names, orient="row").with_columns(requests=1234)
    untried = table.with_columns(requests=pl.lit(0, pl.Int64))
    return [*in_words(table), *in_words(table, profiles=True), *in_words(untried)]


def test_all_that_the_ranker_chooses_is_said_in_chinese():
    for line in every_choice():
        said = chosen_zh(line)
        assert said is not None, line
        assert not re.search("[A-Za-z]", said.replace("NDCG@10", "").replace("EASE", "")), said
    assert chosen_zh("no history: popularity of all time (NDCG@10 0.1 in 9 trial requests)") == (
        "没有历史的人：全部时间的热度（9 个试验请求中 NDCG@10 为 0.1）"
    )
    assert chosen_zh("whoever: whatever") is None


def test_what_nobody_was_asked_about_has_no_figure():
    untried = [line for line in every_choice() if "nobody was there to ask" in line]
    assert untried
    assert not any("NDCG" in line for line in untried)


def test_a_choice_that_counts_profiles_says_so():
    plain, counted = "popularity of all time", ", raised by what a profile says"
    said = {line.partition(" (")[0] for line in every_choice()}
    assert {f"no history: {plain}", f"no history: {plain}{counted}"} < said
