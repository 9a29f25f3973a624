"""Rows of people that come with their events, and people who are to be forgotten."""

import os
import subprocess
import sys

import numpy as np
import polars as pl
import pytest

import palate
from palate.core.errors import AlignmentError, ConfigError, DataError, UnknownIdError
from palate.data.samples import synthetic
from palate.pipeline.pipeline import Pipeline, load
from palate.pipeline.saved import read_card

KILLED = """
import os, polars as pl
real = os.replace
def replace(*arguments, **options):
    if str(arguments[1]).endswith({when!r}):
        os.kill(os.getpid(), 9)
    return real(*arguments, **options)
os.replace = replace
from palate.pipeline.pipeline import Pipeline
from palate.pipeline.saved import change_saved
table = pl.read_parquet({table!r})
change_saved({folder!r}, Pipeline, lambda model: model.add_events(table), allow=(), keep=3)
"""


@pytest.fixture(scope="module")
def world():
    """Events with ratings and what was written, items, and a table of people with gaps."""
    data = synthetic(40, 30)
    log = data.interactions.select("user_id", "item_id", "timestamp")
    log = log.with_columns(
        rating=pl.Series([3.0 + n % 3 for n in range(len(log))]),
        text=pl.Series([f"words about number {n % 7}" for n in range(len(log))]),
    )
    names = log["user_id"].unique().sort()
    people = pl.DataFrame(
        {
            "user_id": names,
            "age": [20 + n % 40 for n in range(len(names))],
            "town": [("Rome", "Oslo", None)[n % 3] for n in range(len(names))],
        }
    )
    return log, data.items, people


ENCODERS = {
    "profile": palate.Attributes(),
    "numbers": palate.Aggregates(),
    "did": palate.Behaviour(dim=4),
}


def fitted(world, recommender=None, users=None, log=None, **settings):
    events, items, people = world
    data = palate.read(events if log is None else log, items=items, users=people, **settings)
    blank = Pipeline(
        encoders={"text": palate.Tfidf()},
        users={"profile": palate.Attributes()} if users is None else users,
        recommender=recommender or palate.UserKNN(),
    )
    return blank.fit(data)


def ranker():
    return palate.Ranker(n_estimators=5, n_train_queries=200, candidates=20, min_rows_per_leaf=5)


def nora(log, count=2):
    last = float(log["timestamp"].max())
    rows = [("nora", f"i0{n + 3}", last + n, 5.0, "fine") for n in range(count)]
    return pl.DataFrame(rows, schema=log.schema, orient="row")


@pytest.mark.parametrize("recommender", [palate.UserKNN(), ranker()])
def test_a_new_person_is_known_by_history_and_profile(world, recommender, tmp_path):
    model = fitted(world, recommender)
    row = pl.DataFrame({"user_id": ["nora"], "town": ["Oslo"], "age": ["31"]})
    model.add_events(nora(world[0]), users=row)
    profile = {"age": 31, "town": "Oslo"}
    told = model.recommend(history=["i03", "i04"], profile=profile, k=20).table
    for now in (model, load(model.save(tmp_path / "model"))):
        known = now.recommend(["nora"], k=20).table
        assert known["item_id"].to_list() == told["item_id"].to_list()
        np.testing.assert_array_equal(known["score"], told["score"])
        others = now.recommend(["u07", "u08"], k=5).table
        assert others.equals(model.recommend(["u07", "u08"], k=5).table)


def test_a_known_persons_row_changes_and_keeps_what_it_does_not_say(world):
    model = fitted(world, users=ENCODERS, recommender=ranker())
    before = model.user_features_
    user = world[2].filter(pl.col("town") == "Rome")["user_id"][0]
    age = world[2].filter(user_id=user)["age"][0]
    model.add_events(nora(world[0]), users=pl.DataFrame({"user_id": [user], "town": ["Oslo"]}))
    assert model.data_.users.filter(user_id=user).row(0) == (user, age, "Oslo")
    now = model.user_features_
    assert now.ids == model.data_.user_ids
    place, old = now.ids.rows([user])[0], before.ids.rows([user])[0]
    for name in before.parts:
        one, other = (part.parts[name][[row]] for part, row in ((now, place), (before, old)))
        dense = [part.toarray() if hasattr(part, "toarray") else part for part in (one, other)]
        assert np.array_equal(*dense) == (name != "profile"), name
    others = [name for name in before.ids.series if name != user]
    for name, part in before.parts.items():
        one = now.parts[name][now.ids.rows(others)]
        assert abs(one - part[before.ids.rows(others)]).sum() == 0, name


def test_a_ranker_is_refreshed_with_what_it_knows(world):
    model = fitted(world, ranker())
    data = model.data_
    with pytest.raises(ConfigError, match="fitted with features of people"):
        model.recommender_.refresh(data)
    fewer = palate.read(world[0], items=world[1][::-1], users=world[2])
    with pytest.raises(AlignmentError, match="knows other items"):
        model.recommender_.refresh(fewer, palate.FitContext(users=model.user_features_))


def test_rows_of_people_that_cannot_be_taken(world):
    model = fitted(world)
    with pytest.raises(DataError, match="new users: column 'age' must be numbers"):
        model.add_events(nora(world[0]), users=pl.DataFrame({"user_id": ["nora"], "age": ["old"]}))
    data = palate.read(world[0], items=world[1])
    alone = Pipeline(encoders={}, recommender=palate.Popular()).fit(data)
    with pytest.raises(ConfigError, match="fitted without a table of users"):
        alone.add_events(nora(world[0]), users=world[2])
    assert "nora" not in model.data_.user_ids.series.to_list()


@pytest.mark.parametrize("recommender", [palate.UserKNN(), palate.Covisit(), palate.Popular()])
def test_without_somebody_it_is_as_after_a_fit_without_them(world, recommender):
    """Where nothing but counts was learnt from them."""
    events, items, _ = world
    gone = ["u03", "u11"]
    left = events.filter(~pl.col("user_id").is_in(gone))
    whole, without = (
        Pipeline(encoders={}, recommender=recommender).fit(palate.read(log, items=items))
        for log in (events, left)
    )
    whole.remove_users(gone)
    asking = left["user_id"].unique().sort().to_list()
    one, other = (model.recommend(asking, k=30).table for model in (whole, without))
    assert one.equals(other)
    assert whole.data_.interactions.equals(without.data_.interactions)
    with pytest.raises(UnknownIdError, match="unknown people: 'u03'"):
        whole.recommend(["u03"])


def test_who_is_forgotten_is_in_no_part_of_the_folder(world, tmp_path):
    """Encoders of people hold a row for each that they learnt from."""
    model = fitted(world, ranker(), users=ENCODERS, positive="rating >= 4")
    people = world[2]["user_id"].to_list()
    gone = people[:3]
    asking = people[5:9]
    before = model.user_features_
    model.remove_users(gone)
    folder = model.save(tmp_path / "model", keep=0)
    for path in folder.glob("*.parquet"):
        for column in pl.read_parquet(path).iter_columns():
            if column.dtype == pl.String:
                assert not set(gone) & set(column), (path, column.name)
    again = load(folder)
    assert again.recommend(asking).table.equals(model.recommend(asking).table)
    now = again.user_features_
    for name, part in before.parts.items():
        one = now.parts[name][now.ids.rows(asking)]
        assert abs(one - part[before.ids.rows(asking)]).sum() == 0, name
    assert read_card(folder).since[0].startswith("3 people removed since the fit of 20")
    with pytest.raises(UnknownIdError, match="unknown people"):
        model.remove_users(gone)
    with pytest.raises(ConfigError, match="nobody who chose anything would be left"):
        model.remove_users(people[3:])


@pytest.mark.parametrize("when", [".safetensors", ".parquet", "manifest.1.json", "manifest.json"])
def test_killed_at_any_moment_the_folder_holds_the_old_model(world, tmp_path, when):
    folder, table = tmp_path / "model", tmp_path / "day.parquet"
    model = fitted(world)
    model.save(folder)
    nora(world[0]).write_parquet(table)
    code = KILLED.format(when=when, table=str(table), folder=str(folder))
    done = subprocess.run([sys.executable, "-c", code], env=os.environ, check=False)
    assert done.returncode == -9
    old = load(folder)
    assert old.recommend(["u07"]).table.equals(model.recommend(["u07"]).table)
    assert read_card(folder).version == 1
    model.add_events(nora(world[0])).save(folder)
    assert load(folder).recommend(["nora"]).table.equals(model.recommend(["nora"]).table)
