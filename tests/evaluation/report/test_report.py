"""The page: whole, closed to the network, safe against any content, true to the numbers."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

from palate.core.dataset import Dataset
from palate.core.errors import ConfigError, DataError, NotFittedError
from palate.core.features import Features
from palate.core.histories import Histories
from palate.core.topk import recommend
from palate.core.types import Recommendations
from palate.core.visible import visible
from palate.data.split import split_by_time
from palate.evaluation.compare import compare
from palate.evaluation.report.html import asset
from palate.evaluation.report.report import write_report
from palate.pipeline.pipeline import Pipeline
from palate.recommenders.item_knn import ItemKNN
from palate.recommenders.popular import Popular

VOID = {"meta", "link", "input", "br", "rect", "line"}
HOSTILE = (
    "</script><script>alert(1)</script>",
    "\"><img src=x onerror='alert(2)'>",
    "<!-- & &amp; ]]> \\u003c ${alert(3)} $title",
    "😀👩‍👩‍👧 emoji",
    "三体 · 刘慈欣",
    "שלום \u202e evil עולם",
    "a\u2028b\tc\nd",
    "long " + "word" * 1500,
    "",
)


class StandIn(Pipeline):
    """What the report asks of a fitted pipeline, with a recommender of one line."""

    def __init__(self, *, recommender_, features=None, reason="because it is there"):
        super().__init__(encoders={})
        self.recommender_, self.features_, self.reason = recommender_, features, reason
        self.asked: list[Histories] = []
        self.encoders_, self.transforms_, self.rerankers_ = {}, [], []
        self.withdrawn_, self.column_vectors_, self.since_fit_ = [], {}, {}
        self.later_events_ = np.empty(0, dtype=np.int64)
        self.user_encoders_, self.user_transforms_, self.user_features_ = {}, [], None

    def recommend_histories(self, histories, *, k, exclude_seen, reasons):
        self.asked.append(histories)
        table = recommend(self.recommender_, histories, k, exclude_seen=exclude_seen).table
        return Recommendations(table.with_columns(pl.lit(self.reason).alias("reasons")))


class Page(HTMLParser):
    """Elements, attributes and text of a page; a tag that is not closed raises."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.source = path.read_text(encoding="utf-8")
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.script: dict[str, str] = {}
        self.feed(self.source)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in ("script", "style"):
            kind = self.elements[-1][1].get("type", self.open[-1])
            self.script[kind] = self.script.get(kind, "") + data
        else:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.words).split())

    @property
    def data(self):
        return json.loads(self.script["application/json"])

    def ids(self) -> list[str]:
        return [attrs["id"] for _, attrs in self.elements if attrs.get("id")]

    def of_class(self, name: str) -> int:
        return sum(name in (attrs.get("class") or "").split() for _, attrs in self.elements)


def importances(names=("covisit", "text")) -> pl.DataFrame:
    rows = [(names[0], "behaviour", 0.25, 0.625), (names[1], "text", 0.75, 0.375)]
    return pl.DataFrame(rows, schema=["feature", "family", "gain", "contribution"], orient="row")


def situation(data: Dataset, features: Features | None, *, model: StandIn | None = None):
    split = split_by_time(data, test=0.3)
    knn, popular = ItemKNN().fit(split.train), Popular().fit(split.train)
    compared = compare({"knn": knn, "popular": popular}, split, reference="popular", resamples=200)
    standing = model or StandIn(recommender_=knn, features=features)
    standing.data_ = split.train
    return {"model": standing, "comparison": compared, "split": split}


def with_titles(data: Dataset, titles) -> Dataset:
    repeated = [titles[row % len(titles)] for row in range(len(data.items))]
    return Dataset(data.interactions, data.items.with_columns(pl.Series("title", repeated)))


@pytest.fixture(scope="module")
def told(tiny, tiny_features):
    return situation(tiny, tiny_features)


@pytest.fixture(scope="module")
def page(told, tmp_path_factory) -> Page:
    path = tmp_path_factory.mktemp("report") / "deep" / "report.html"
    assert write_report(path, **told, title="Tea & bikes") == path
    return Page(path)


def test_the_page_reaches_for_nothing(page):
    assert "http" not in page.source.replace("http-equiv", "")
    assert not re.search(r"url\(|@import|fetch\(|XMLHttpRequest|import\(", page.source)
    reaching = {"src", "href", "action", "srcset", "poster", "data"}
    targets = [attrs[name] for _, attrs in page.elements for name in reaching & attrs.keys()]
    assert targets
    assert all(target.startswith("#") or target == "data:," for target in targets)
    policy = next(attrs["content"] for _, attrs in page.elements if "http-equiv" in attrs)
    assert policy.startswith("default-src 'none'; ")
    for kind, tag in (("style", "style"), ("script", "script")):
        digest = hashlib.sha256(page.script[kind].encode()).digest()
        assert f"{tag}-src 'sha256-{base64.b64encode(digest).decode()}'" in policy


def test_no_inline_styles_or_handlers_that_the_policy_would_block(page):
    names = {name for _, attrs in page.elements for name in attrs}
    assert not any(name == "style" or name.startswith("on") for name in names)


def test_every_section_has_a_heading_and_a_link(page):
    sections = [attrs["id"] for tag, attrs in page.elements if tag == "section"]
    assert sections == ["answer", "table", "bars", "map", "tail", "similar", "people"]
    links = [attrs["href"] for tag, attrs in page.elements if tag == "a"]
    assert links == ["#main", *(f"#{name}" for name in sections)]
    labels = [attrs["aria-labelledby"] for tag, attrs in page.elements if tag == "section"]
    assert set(labels) <= set(page.ids())
    assert [tag for tag, _ in page.elements if tag in ("h1", "h2")] == ["h1"] + ["h2"] * 7


def test_ids_are_unique_and_those_that_the_script_needs_are_there(page):
    ids = page.ids()
    assert len(ids) == len(set(ids))
    script = page.script["script"]
    wanted = set(re.findall(r'getElementById\("([\w-]+)"\)', script))
    wanted |= {f"map-{name}" for name in re.findall(r'part\("(\w+)"\)', script)}
    listed = re.search(r"= \[([^]]+)\]\.map\(part\)", script)
    wanted |= {f"map-{name}" for name in re.findall(r'"(\w+)"', listed.group(1))}
    assert {"map", "map-canvas", "map-tip", "map-person"} <= wanted <= set(ids)


def test_the_map_holds_every_item_with_its_title_and_category(page, told):
    drawn, items = page.data["map"], told["split"].train.items
    assert drawn["titles"] == items["title"].to_list()
    shown = [drawn["names"][code] for code in drawn["category"]]
    assert shown == items["category"].to_list()
    assert {0, 10_000} <= set(drawn["x"])
    assert all(0 <= value <= 10_000 for value in [*drawn["x"], *drawn["y"]])


def test_people_are_marked_on_the_map(page, told):
    asked = told["model"].asked[0]
    users = page.data["people"]
    buttons = [attrs["data-person"] for _, attrs in page.elements if "data-person" in attrs]
    assert buttons == [str(place) for place in range(len(users))]
    for place, user in enumerate(users):
        assert user["history"] == asked.row(place)[::-1].tolist()
        assert len(user["recommended"]) == 5
        assert not set(user["recommended"]) & set(user["history"])


def test_same_input_same_bytes(told, tmp_path, page):
    again = write_report(tmp_path / "again.html", **told, title="Tea & bikes")
    assert again.read_text(encoding="utf-8") == page.source
    other = write_report(tmp_path / "other.html", **told, title="Tea & bikes", seed=1)
    assert other.read_text(encoding="utf-8") != page.source


def test_nothing_that_people_wrote_can_become_markup(tiny, tiny_features, tmp_path):
    data = with_titles(tiny, HOSTILE)
    items = data.items.with_columns(pl.Series("category", ["<b onload=x>", "</style>"] * 15))
    persons = data.interactions["user_id"].replace({"person-6": HOSTILE[0], "person-5": HOSTILE[1]})
    data = Dataset(data.interactions.with_columns(persons), items)
    knn = SimpleNamespace(importances_=importances((HOSTILE[0], HOSTILE[2])))
    model = StandIn(recommender_=knn, features=tiny_features, reason=HOSTILE[1])
    told = situation(data, tiny_features, model=model)
    knn.score = ItemKNN().fit(told["split"].train).score
    rows = {"<i>knn</i>": ItemKNN(), HOSTILE[0]: Popular()}
    for row in rows.values():
        row.fit(told["split"].train)
    told["comparison"] = compare(rows, told["split"], reference=HOSTILE[0], resamples=50)
    page = Page(write_report(tmp_path / "r.html", **told, title=HOSTILE[0], users=40))
    tags = [tag for tag, _ in page.elements]
    assert tags.count("script") == 2
    assert not {"img", "i"} & set(tags)
    assert not any(name.startswith("on") for _, attrs in page.elements for name in attrs)
    for words in (HOSTILE[0], HOSTILE[1], HOSTILE[2], "<i>knn</i>", "<b onload=x>", HOSTILE[3]):
        assert words in page.text
    titles = page.data["map"]["titles"]
    assert {*HOSTILE[:5], r"שלום \u202e evil עולם", "a b c d"} <= set(titles)
    assert max(map(len, titles)) == 160
    assert "" not in titles


@pytest.mark.parametrize(
    "title", ["\x1b[2Jx", "a\x07b\x00", "\x9b31mx", "x\u202egpj.exe", "\u2066x"]
)
def test_no_control_character_of_anybody_reaches_the_page(tiny, tiny_features, tmp_path, title):
    data = with_titles(tiny, [title])
    items = data.items.with_columns(pl.Series("category", [title, "other"] * 15))
    persons = data.interactions["user_id"] + title
    data = Dataset(data.interactions.with_columns(persons), items)
    told = situation(data, tiny_features)
    page = Page(write_report(tmp_path / "r.html", **told, title=title, users=40))
    acts = "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]"
    assert not re.search(acts, page.source)
    assert not re.search(acts, str([page.text, *map(str, page.data["map"]["titles"])]))
    for place in (page.data["map"]["titles"], page.data["map"]["names"]):
        assert any(visible(title) in words for words in place)


def test_the_script_puts_names_in_as_they_are(page):
    """`replace(text, name)` would read `$'` in a name as what stands behind the text."""
    replaced = re.findall(r"\.replace(?:All)?\(([^,]+), *(.{2})", page.script["script"])
    assert replaced
    assert all(value == "()" for _, value in replaced)


def test_nobody_is_shown_where_nobody_is_wanted(told, tmp_path):
    page = Page(write_report(tmp_path / "r.html", **told, users=0))
    assert "people" not in page.ids()
    assert page.data["people"] == []
    with pytest.raises(ConfigError, match=r"users = -1"):
        write_report(tmp_path / "r.html", **told, users=-1)


def test_an_unfitted_model_is_refused(told, tmp_path):
    blank = StandIn(recommender_=None)
    with pytest.raises(NotFittedError):
        write_report(tmp_path / "r.html", **{**told, "model": blank})
    assert not list(tmp_path.iterdir())


def test_a_report_that_cannot_be_written_leaves_the_old_one(told, tmp_path, monkeypatch):
    path = tmp_path / "r.html"
    path.write_text("old")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(DataError, match=r"r\.html.*No space left"):
        write_report(path, **told)
    assert [child.name for child in tmp_path.iterdir()] == ["r.html"]
    assert path.read_text() == "old"


def test_assets_are_plain_and_small():
    sizes = {name: len(asset(f"report.{name}")) for name in ("html", "css", "js")}
    assert all(size < 24_000 for size in sizes.values())
