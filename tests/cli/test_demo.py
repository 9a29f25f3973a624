"""The demo's steps, on small data and with few trees."""

import re

import pytest
from rich.console import Console

from palate.cli import demo
from palate.core.errors import ArtefactError, DataError
from palate.data.samples import synthetic
from palate.features.encoders.tfidf import Tfidf
from palate.pipeline.pipeline import Pipeline, load
from palate.recommenders.popular import Popular
from palate.recommenders.ranker import Ranker


def ranker(**settings):
    return Ranker(
        n_estimators=5, n_train_queries=200, candidates=20, min_rows_per_leaf=5, **settings
    )


@pytest.fixture
def small(monkeypatch):
    data = synthetic(60, 40)
    text = {"text": Tfidf()}
    monkeypatch.setattr(demo, "movielens", lambda: data)
    monkeypatch.setattr(demo, "LIKED", tuple(data.items["title"][row] for row in (0, 4)))
    models = {
        "ranker (default)": Pipeline(encoders=text, recommender=ranker()),
        demo.IDS_ONLY: Pipeline(encoders={}, recommender=ranker()),
        "popular": Pipeline(encoders={}, recommender=Popular()),
    }
    monkeypatch.setattr(demo, "rows_of_the_table", lambda: models)
    return data


def test_the_demo_shows_everything_and_writes_everything(small, tmp_path):
    console = Console(record=True, width=140, quiet=False, file=(tmp_path / "said").open("w"))
    made = demo.run_demo(tmp_path / "demo", console)
    said = " ".join(console.export_text().split())
    console.file.close()
    assert f"60 people, 40 films, {len(small.interactions)} ratings" in said
    for row in demo.rows_of_the_table():
        assert row in said
    assert "who is known" in said
    assert f"who names {demo.LIKED[0]}, {demo.LIKED[1]}" in said
    shown = re.search(r"Among the (\d+) films that nobody had rated before, (.+) stands", said)
    assert shown
    new = made.split.train.items["title"].gather(made.split.cold_items).to_list()
    assert int(shown[1]) == len(new) > 1
    sums = [
        made.model.top_users(name, k=demo.TOP_USERS).table["rank"].sum()
        for name in made.split.train.item_ids.series.gather(made.split.cold_items)
    ]
    assert new[sums.index(min(sums))] == shown[2]
    assert len(set(sums)) > 1
    assert (tmp_path / "demo" / "report.html").stat().st_size > 10_000
    again = load(tmp_path / "demo" / "model")
    assert again.recommend(["u01"]).table.equals(made.model.recommend(["u01"]).table)


def test_the_table_compares_the_default_its_twins_and_three_baselines():
    rows = demo.rows_of_the_table()
    assert len(rows) == 6
    assert next(iter(rows.values())) == Pipeline()
    assert rows[demo.IDS_ONLY].encoders == {}
    assert rows["ranker, text only"].recommender.behaviour is False


def test_a_place_that_cannot_be_written_is_noticed_first(monkeypatch, tmp_path):
    (tmp_path / "demo").write_text("a file")
    monkeypatch.setattr(demo, "movielens", None)
    with pytest.raises(ArtefactError, match="is a file"):
        demo.run_demo(tmp_path / "demo", Console(quiet=True))


def test_a_title_that_no_film_has(small, monkeypatch, tmp_path):
    monkeypatch.setattr(demo, "LIKED", ("No such film",))
    with (tmp_path / "said").open("w") as file, pytest.raises(DataError, match="No such film"):
        demo.run_demo(tmp_path / "demo", Console(file=file))
