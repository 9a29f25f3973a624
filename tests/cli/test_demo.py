"""The demo's steps, on small data and with few trees."""

import re

import numpy as np
import pytest
from rich.console import Console

from palate.cli import demo, demo_tables
from palate.core import registry
from palate.core.columns import USER
from palate.core.errors import ArtefactError, DataError
from palate.core.optional import requirements_of
from palate.data.samples import synthetic
from palate.data.split import split_by_time, split_cold_items
from palate.features.encoders.tfidf import Tfidf
from palate.pipeline.pipeline import Pipeline, load
from palate.recommenders.content import Content
from palate.recommenders.ease import Ease
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
        demo.DEFAULT: Pipeline(encoders=text, recommender=ranker()),
        demo_tables.IDS_ONLY: Pipeline(encoders={}, users={}, recommender=ranker()),
        "content": Pipeline(encoders=text, users={}, recommender=Content()),
        "blend": Pipeline(encoders={}, users={}, recommender=Ease()),
        demo_tables.POPULAR: Pipeline(encoders={}, users={}, recommender=Popular()),
        demo_tables.LATELY: Pipeline(encoders={}, users={}, recommender=Popular(last_days=3)),
    }
    monkeypatch.setattr(demo, "rows_of_the_table", lambda: models)
    return data


def test_the_demo_shows_everything_and_writes_everything(small, tmp_path, monkeypatch):
    monkeypatch.setattr(demo, "TOP_USERS", 20)  # among a few, two films may stand alike
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


def test_other_tables_stand_below_with_sentences_that_their_figures_bear_out(small, tmp_path):
    console = Console(record=True, width=140, quiet=False, file=(tmp_path / "said").open("w"))
    made = demo.run_demo(tmp_path / "demo", console)
    said = " ".join(console.export_text().split())
    console.file.close()
    page = (tmp_path / "demo" / "report.html").read_text(encoding="utf-8")
    films, people = made.others
    assert list(films.comparison.rows) == [
        *("default", "default, new_share=0.2", "content", "blend", "popular")
    ]
    assert list(people.comparison.rows) == [
        *("default", "default, told nothing", "ranker, ids only", "popular", "popular, 30 days")
    ]
    for other in made.others:
        assert f"{other.title}: {other.asks}" in said
        assert f"{other.title}: {other.asks}" in page
    for comparison in (made.comparison, films.comparison, people.comparison):
        means = {name: comparison.cell(name, "ndcg@10").interval.mean for name in comparison.rows}
        best = max(means, key=means.get)
        assert f"{best} is best: NDCG@10 {means[best]:.4f}." in said
    assert 'id="similar"' in page


NAMES = registry.names("recommenders")


def test_the_table_compares_the_default_with_its_twin_and_every_simple_recommender():
    rows = demo.rows_of_the_table()
    assert next(iter(rows.values())) == Pipeline()
    assert (rows[demo_tables.IDS_ONLY].encoders, rows[demo_tables.IDS_ONLY].users) == ({}, {})
    kinds = {registry.name_of(model.recommender) for model in rows.values()}
    every = {name: registry.build("recommenders", {"type": name}, where=name) for name in NAMES}
    with_extras = {name for name, one in every.items() if requirements_of(one)}
    # of values, whose lists are a by-product; what is made of others; what has no place of its own
    others = {"bias", "ensemble", "switching", "association_rules", "mf"}
    assert kinds == set(NAMES) - with_extras - others


def test_new_people_ask_once_without_a_history_for_all_they_chose():
    split = split_by_time(synthetic(80, 40), test=0.4)
    asked = demo_tables.before_they_began(split)
    before = set(split.train.events[USER])
    names = split.histories.user_ids
    later = [name for name in names.unique(maintain_order=True) if name not in before]
    assert asked.histories.user_ids.to_list() == later
    assert len(later) > 3
    assert not asked.histories.lengths.any()
    assert asked.histories.against is None
    for place, name in enumerate(later):
        own = asked.sealed.items[asked.sealed.starts[place] : asked.sealed.stops[place]]
        rows = np.flatnonzero((names == name).to_numpy())
        assert sorted(own) == sorted(split.sealed.items[split.sealed.starts[rows]])


def test_a_stated_share_needs_no_fit_of_its_own():
    split = split_cold_items(synthetic(80, 40), share=0.2)

    def fitted(**settings):
        model = Pipeline(encoders={"text": Tfidf()}, recommender=ranker(**settings))
        return model.fit(split.train)

    plain, stated = fitted(), fitted(new_share=0.4)
    before, _ = plain.rank_histories(split.histories, 5)
    changed, _ = demo_tables.with_new_share(plain, 0.4).rank_histories(split.histories, 5)
    np.testing.assert_array_equal(changed, stated.rank_histories(split.histories, 5)[0])
    assert (changed != before).any()
    np.testing.assert_array_equal(plain.rank_histories(split.histories, 5)[0], before)


def test_a_place_that_cannot_be_written_is_noticed_first(monkeypatch, tmp_path):
    (tmp_path / "demo").write_text("a file")
    monkeypatch.setattr(demo, "movielens", None)
    with pytest.raises(ArtefactError, match="is a file"):
        demo.run_demo(tmp_path / "demo", Console(quiet=True))


def test_a_title_that_no_film_has(small, monkeypatch, tmp_path):
    monkeypatch.setattr(demo, "LIKED", ("No such film",))
    with (tmp_path / "said").open("w") as file, pytest.raises(DataError, match="No such film"):
        demo.run_demo(tmp_path / "demo", Console(file=file))
