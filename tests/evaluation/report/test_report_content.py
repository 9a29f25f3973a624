"""The report of real pipelines: what is on the page, and in which language."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

from palate.core.dataset import Dataset
from palate.core.errors import ConfigError
from palate.core.features import Features
from palate.data.samples import synthetic
from palate.data.split import SPLITS, split_by_time
from palate.evaluation.compare import compare
from palate.evaluation.metrics.ranking import open_answers
from palate.evaluation.report import report
from palate.evaluation.report.html import LANGUAGES, words_in
from palate.evaluation.report.model import chosen_section, importances_of
from palate.evaluation.report.report import write_report
from palate.evaluation.report.similar import sample_items
from palate.evaluation.slices import slices_of
from palate.features.encoders.tfidf import Tfidf
from palate.pipeline.pipeline import Pipeline
from palate.recommenders.content import Content
from palate.recommenders.item_knn import ItemKNN
from palate.recommenders.ranker import Ranker


def written(folder: Path, model: Pipeline, *, language="en", **options) -> str:
    split = split_by_time(synthetic(120, 48, language=language), test=0.2)
    model.fit(split.train)
    compared = compare({"model": model}, split, resamples=50)
    path = write_report(folder / "r.html", model=model, comparison=compared, split=split, **options)
    return path.read_text(encoding="utf-8")


def words_of(html: str) -> str:
    body = re.sub(r"<(script|style).*?</\1>", "", html, flags=re.S)
    return " ".join(re.sub("<[^>]*>", "", body).split())


def data_of(html: str):
    return json.loads(re.search(r'id="palate-data">(.*?)</script>', html, re.S).group(1))


def sections_of(html: str) -> list[str]:
    return re.findall(r'<section id="(\w+)"', html)


@pytest.fixture(scope="module")
def ranked(tmp_path_factory) -> tuple[Pipeline, str]:
    ranker = Ranker(candidates=20, n_estimators=4, min_rows_per_leaf=5)
    model = Pipeline(encoders={"words": Tfidf()}, recommender=ranker)
    return model, written(tmp_path_factory.mktemp("report"), model)


def test_a_ranker_has_every_section(ranked):
    model, html = ranked
    assert sections_of(html) == [
        *("answer", "table", "bars", "map", "importance", "tail", "similar", "people")
    ]
    categories = model.data_.items["category"].unique()
    assert set(data_of(html)["map"]["names"]) == set(categories)
    assert data_of(html)["map"]["titles"] == model.data_.items["title"].to_list()
    lists, arrivals, people = 50, 3 * 5, 10
    assert html.count('class="why"') == lists + arrivals + people
    assert "went on to choose it" in words_of(html)


def test_the_strongest_features_come_first_with_their_shares(ranked):
    model, html = ranked
    table = model.recommender_.importances_.sort("contribution", "gain", descending=True)
    part = html[html.index('id="importance"') : html.index('id="tail"')]
    families, features = part.split('class="card panel"')[1:]
    shown = re.findall(r'bar-label"><bdi>(.*?)</bdi>', features)
    assert len(shown) == 15
    assert shown[0].replace("&#x27;", "'") == table["meaning"][0]
    assert f"contribution {100 * table['contribution'][0]:.1f}%" in words_of(features)
    assert len(re.findall("bar-label", families)) == table["family"].n_unique()


def test_what_the_model_chose_is_on_the_page(ranked, tmp_path, monkeypatch):
    model, _ = ranked
    monkeypatch.setattr(Ranker, "chosen_", ["people without events: what is <popular> of late"])
    split = split_by_time(synthetic(120, 48), test=0.2)
    compared = compare({"model": model}, split, resamples=50)
    path = write_report(tmp_path / "r.html", model=model, comparison=compared, split=split)
    html = path.read_text(encoding="utf-8")
    assert sections_of(html)[2:4] == ["bars", "chosen"]
    assert (
        '<li lang="en"><bdi>people without events: what is &lt;popular&gt; of late</bdi></li>'
        in html
    )
    english = words_in("en")
    for nothing in (SimpleNamespace(), SimpleNamespace(chosen_=[])):
        assert chosen_section(nothing, english) == ""


def test_other_comparisons_have_a_table_each(ranked, tmp_path):
    model, _ = ranked
    split = split_by_time(synthetic(120, 48), test=0.2)
    rows = {"model": model, "knn": ItemKNN().fit(split.train)}
    compared = compare(rows, split, resamples=50)
    other = compare(rows, split, reference="knn", resamples=50)
    place, given = tmp_path / "r.html", {"model": model, "comparison": compared, "split": split}
    html = write_report(place, **given, more={"New <films>": other}).read_text(encoding="utf-8")
    assert sections_of(html)[:3] == ["answer", "table", "more"]
    part = html[html.index('id="more"') : html.index('id="bars"')]
    assert "<h3><bdi>New &lt;films&gt;</bdi></h3>" in part
    assert "finds best what people chose next" in words_of(part)
    assert part.count("<table>") == 1
    with pytest.raises(ConfigError, match=r"more=\{'x': 3\}: it must be .* to a Comparison"):
        write_report(place, **given, more={"x": 3})


def test_three_items_and_what_is_like_them(ranked):
    model, html = ranked
    chosen = sample_items(model.data_)
    counts = model.data_.item_counts
    assert counts[chosen["most"]] == counts.max()
    assert counts[chosen["new"]] == 0
    warm = np.sort(counts[counts > 0])[::-1]
    assert counts[chosen["middle"]] == warm[len(warm) // 2]
    part = html[html.index('id="similar"') : html.index('id="people"')]
    titles = model.data_.items["title"]
    assert re.findall(r"<h3><bdi>(.*?)</bdi>", part) == [titles[row] for row in chosen.values()]
    name = model.item_ids.series[chosen["most"]]
    near = model.similar(name, 5).table["similar_id"]
    shown = re.findall(r'class="title"><bdi>(.*?)</bdi>', part)
    title_of = dict(zip(model.item_ids.series, titles, strict=True))
    assert shown[:5] == [title_of[other] for other in near]
    untouched = Dataset(model.data_.interactions.clear(), model.data_.items)
    assert list(sample_items(untouched)) == ["new"]
    order = model.data_.items.reverse()
    turned = sample_items(Dataset(model.data_.interactions, order))
    assert [order["title"][row] for row in turned.values()] == [
        titles[row] for row in chosen.values()
    ]


def test_without_features_there_is_no_map(tmp_path):
    html = written(tmp_path, Pipeline(encoders={}, recommender=ItemKNN()))
    assert sections_of(html) == ["answer", "table", "bars", "tail", "similar", "people"]
    assert data_of(html) == {"map": None}
    assert "data-person=" not in html


def test_trees_that_never_split_have_nothing_to_say(ranked):
    table = ranked[0].recommender_.importances_
    shares = ("gain", "contribution")
    silent = SimpleNamespace(importances_=table.with_columns(pl.lit(0.0).alias(n) for n in shares))
    assert importances_of(silent) is None
    assert importances_of(SimpleNamespace(importances_=table.clear())) is None
    assert importances_of(SimpleNamespace(importances_=table.drop("gain"))) is None
    assert importances_of(SimpleNamespace()) is None


@dataclass(kw_only=True)
class Line:
    """Items on a line, and their picture in a second direction that is as wide when whitened."""

    def fit(self, data):
        return self

    def encode(self, data):
        place = np.array([int(name[1:]) for name in data.items["item_id"]], dtype=np.float32)
        return Features(data.item_ids, {"line": np.column_stack([place, np.sin(place), place**0])})


def test_the_map_shows_a_block_as_its_encoder_made_it(tmp_path):
    model = Pipeline(encoders={"place": Line()}, recommender=Content())
    drawn = data_of(written(tmp_path, model))["map"]
    place = [int(name[1:]) for name in model.data_.items["item_id"]]
    assert abs(np.corrcoef(drawn["x"], place)[0, 1]) > 0.999


def test_the_page_speaks_chinese_for_a_chinese_catalogue(tmp_path):
    model = Pipeline(encoders={"words": Tfidf(segment=False)}, recommender=Content())
    html = written(tmp_path, model, language="zh", title="书")
    assert '<html lang="zh-CN">' in html
    shown = re.sub(r"model|palate|NDCG|category|words", "", words_of(html))
    english = [text for text in words_in("en").values() if "{" not in text and len(text) > 6]
    assert not [text for text in english if re.sub("<[^>]*>", "", text) in shown]
    assert data_of(html)["words"]["hint"] in shown


def test_a_report_after_items_were_added(tmp_path):
    split = split_by_time(synthetic(60, 30), test=0.2)
    model = Pipeline(encoders={"words": Tfidf()}, recommender=Content()).fit(split.train)
    new = {"item_id": ["new"], "title": ["Straight from the press"]}
    model.add_items(pl.DataFrame(new))
    compared = compare({"model": model}, split, resamples=50)
    path = write_report(tmp_path / "r.html", model=model, comparison=compared, split=split)
    assert "Straight from the press" in data_of(path.read_text(encoding="utf-8"))["map"]["titles"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_slice_and_split_has_a_name_in_every_language(language):
    split = split_by_time(synthetic(60, 24), test=0.2)
    slices = {f"slice_{part.name}" for part in slices_of(split, open_answers(split.sealed))}
    assert slices | {f"split_{name}" for name in SPLITS} <= words_in(language).keys()


def test_both_languages_say_the_same_things():
    first, second = (
        {name: set(re.findall(r"\{\w+\}", text)) for name, text in words_in(language).items()}
        for language in LANGUAGES
    )
    assert first == second


def test_every_sentence_is_used():
    folder = Path(report.__file__).parent
    sources = "".join(path.read_text(encoding="utf-8") for path in folder.glob("*.py"))
    computed = ("nav_", "slice_", "split_", "map_in", "map_out", "map_reset")
    computed += ("difference_", "next_", "similar_", "topics_")
    for name in words_in("en"):
        assert name.startswith(computed) or re.search(rf"[\"']{name}[\"']", sources), name
