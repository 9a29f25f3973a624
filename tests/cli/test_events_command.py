"""`palate add-events` and `palate remove-users`: a model folder that follows what people do."""

import re
import threading

import polars as pl
import pytest

from palate.data.samples import synthetic
from palate.pipeline.pipeline import Pipeline, load
from palate.pipeline.saved import change_saved, read_card, saved_versions

SHOP = """
[data]
interactions = "ratings.csv"
items = "films.csv"
users = "people.csv"
positive = "stars >= 3"
[data.columns]
who = "user_id"
film = "item_id"
[encoders]
[recommender]
type = "user_knn"
[users.profile]
type = "attributes"
"""


def good(done):
    assert done.code == 0, done.err
    return done.out


@pytest.fixture
def shop(tmp_path, command):
    data = synthetic(40, 30)
    log = data.interactions.select(
        who="user_id", film="item_id", timestamp="timestamp", stars=pl.lit(5)
    )
    log[:-20].write_csv(tmp_path / "ratings.csv")
    last = float(log["timestamp"].max())
    new = [("nora", "i03", last + 1, 4), ("nora", "i07", last + 2, 1), ("nora", "i99", last, 5)]
    monday = pl.concat([log[-20:], pl.DataFrame(new, schema=log.schema, orient="row")])
    monday.write_csv(tmp_path / "monday.csv")
    data.items.drop("tags").write_csv(tmp_path / "films.csv")
    people = log["who"].unique().sort()
    ages = [20 + place % 50 for place in range(len(people))]
    pl.DataFrame({"user_id": people, "age": ages}).write_csv(tmp_path / "people.csv")
    pl.DataFrame({"user_id": ["nora"], "age": [31]}).write_csv(tmp_path / "new.csv")
    (tmp_path / "shop.toml").write_text(SHOP)
    good(command("fit", tmp_path / "shop.toml", "--out", tmp_path / "model", "--all"))
    return tmp_path


def test_a_folder_follows_the_events_of_a_day(shop, command):
    folder = shop / "model"
    done = command("add-events", folder, shop / "monday.csv", "--users", shop / "new.csv")
    said = good(done)
    assert "22 events since the fit of 20" in said
    assert f"saved in {folder}" in said
    assert "left out 1 event of 1 item that the catalogue lacks: 'i99'" in done.err
    assert "1 of 22 events count against their item" in done.err
    model = load(folder)
    assert len(model.recommend(["nora"], k=5).table) == 5
    assert model.data_.users.filter(user_id="nora")["age"].to_list() == [31]
    assert {"i03", "i07"}.isdisjoint(model.recommend(["nora"], k=30).table["item_id"])
    assert "22 events since the fit" in good(command("show", folder))
    assert read_card(folder).version == 2
    assert "version 1 again" in good(command("rollback", folder))
    assert "nora" not in load(folder).data_.user_ids.series.to_list()


def test_slips_of_a_day_are_told_in_options(shop, command):
    slips = shop / "slips.csv"
    slips.write_text("who,film,timestamp,stars\nu01,i03,4070908800,50\nu02,i03,1600000000,4\n")
    done = command("add-events", shop / "model", slips)
    good(done)
    assert "1 rating lies beyond 1 to 5, the scale of the others: '50'" in done.err
    assert "1 event is still to come: '2099-01-01'" in done.err
    assert '--time-format "%d/%m/%Y"' in done.err


def test_evaluating_says_that_it_knows_more(shop, command):
    good(command("fit", shop / "shop.toml", "--out", shop / "part"))
    good(command("add-events", shop / "part", shop / "monday.csv"))
    done = command("evaluate", shop / "part")
    assert (done.code, "knows other events than those of its fit" in done.err) == (1, True)
    good(command("rollback", shop / "part"))
    good(command("evaluate", shop / "part"))


def test_what_cannot_be_added(shop, command):
    folder, other = shop / "model", shop / "other.csv"
    before = read_card(folder)
    other.write_text("person,thing\nann,i03\n")
    done = command("add-events", folder, other)
    assert (done.code, "--column" in done.err) == (1, True)
    done = command("add-events", folder, other, "--column", "thing=item_id")
    assert done.code == 1
    assert '--column "THEIR NAME=timestamp"' in done.err
    done = command("add-events", folder, other, "--column", "thing")
    assert (done.code, "write THEIRS=OURS" in done.err) == (1, True)
    done = command("add-events", folder, shop / "none.csv")
    assert (done.code, "none.csv" in done.err) == (1, True)
    done = command("add-events", shop, shop / "monday.csv")
    assert (done.code, "holds no palate model" in done.err) == (1, True)
    assert read_card(folder) == before


def test_who_is_forgotten_is_nowhere_in_the_folder(shop, command):
    folder = shop / "model"
    good(command("add-events", folder, shop / "monday.csv", "--users", shop / "new.csv"))
    said = good(command("remove-users", folder, "nora", "u21"))
    assert "2 people removed since the fit" in said
    added = int(re.search(r"(\d+) events? since the fit", said)[1])
    log = pl.read_csv(shop / "monday.csv").filter(pl.col("film") != "i99")
    assert added == len(log.filter(~pl.col("who").is_in(["nora", "u21"]))), "theirs went, too"
    assert len(saved_versions(folder)) == 1
    for path in folder.iterdir():
        if path.suffix == ".parquet":
            table = pl.read_parquet(path)
            for column in table.iter_columns():
                if column.dtype == pl.String:
                    assert not {"nora", "u21"} & set(column), path
        assert b"nora" not in path.read_bytes()
    done = command("recommend", folder, "--user", "nora")
    assert (done.code, "unknown people: 'nora'" in done.err) == (1, True)
    done = command("remove-users", folder, "nobody")
    assert (done.code, "unknown people: 'nobody'" in done.err) == (1, True)


def test_what_two_add_at_a_time_is_both_there(shop):
    """Each loads, adds and saves; the second sees that the model is another and starts again."""
    folder, both = shop / "model", threading.Barrier(2)
    log = pl.read_csv(shop / "monday.csv")

    def add(rows):
        first = [True]

        def change(model):
            if first.pop() if first else False:
                both.wait(60)
            model.add_events(rows)

        change_saved(folder, Pipeline, change, allow=(), keep=0)

    threads = [threading.Thread(target=add, args=(rows,)) for rows in (log[:9], log[9:20])]
    before = len(load(folder).data_.interactions)
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(load(folder).data_.interactions) == before + 20
