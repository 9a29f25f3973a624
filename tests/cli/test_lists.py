"""Filters, everybody's lists in a file, and items like an item, at the command line."""

import json

import polars as pl
import pytest

from palate.data.samples import synthetic
from palate.features.encoders.tfidf import Tfidf
from palate.pipeline.pipeline import Pipeline, load
from palate.recommenders.covisit import Covisit


def good(done):
    assert done.code == 0, done.err
    return done.out


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """The folder of a model."""
    made = Pipeline(encoders={"text": Tfidf()}, recommender=Covisit()).fit(synthetic(40, 30))
    return made.save(tmp_path_factory.mktemp("shop") / "model")


@pytest.fixture(scope="module")
def fitted(model):
    return load(model)


@pytest.mark.parametrize("suffix", ["parquet", "csv", "jsonl"])
def test_everybody_in_one_file(command, model, fitted, tmp_path, suffix):
    out = tmp_path / "new" / f"lists.{suffix}"
    said = good(command("recommend", model, "--all", "--out", out, "-k", "3"))
    assert "for 40 people" in said
    read = {"parquet": pl.read_parquet, "csv": pl.read_csv, "jsonl": pl.read_ndjson}[suffix]
    wanted = fitted.recommend(fitted.known_users.histories.user_ids, k=3).table
    assert f"{len(wanted)} recommendations" in said
    found = read(out)
    assert found.columns == wanted.columns
    assert found["item_id"].equals(wanted["item_id"])
    assert found["user_id"].equals(wanted["user_id"])
    assert [path.name for path in out.parent.iterdir()] == [out.name]


def test_some_people_in_a_file_and_on_the_screen(command, model, fitted, tmp_path):
    out = tmp_path / "two.parquet"
    good(command("recommend", model, "--user", "u01", "--user", "u02", "-k", "2", "--out", out))
    wanted = fitted.recommend(["u01", "u02"], k=2).table
    assert pl.read_parquet(out).equals(wanted)
    said = good(command("recommend", model, "--user", "u01", "--user", "u02", "-k", "2"))
    assert "for u01" in said
    assert "for u02" in said
    for name in wanted["item_id"]:
        assert name in said


def test_filters(command, model, fitted, tmp_path):
    path = tmp_path / "found.json"
    asked = ("--user", "u01", "-k", "30", "--json", path)
    good(command("recommend", model, *asked, "--where", "item_id in ['i02', 'i04', 'i05']"))
    assert {line["item_id"] for line in json.loads(path.read_text())} <= {"i02", "i04", "i05"}
    good(command("recommend", model, *asked, "--candidate", "i02,i04", "--exclude", "i04"))
    assert {line["item_id"] for line in json.loads(path.read_text())} <= {"i02"}
    out = tmp_path / "lists.csv"
    good(command("recommend", model, "--all", "--out", out, "--where", "item_id >= 'i20'"))
    assert pl.read_csv(out)["item_id"].min() >= "i20"


@pytest.mark.filterwarnings("default:unknown ids:RuntimeWarning")
def test_unknown_people_are_skipped(command, model, tmp_path):
    asked = ("recommend", model, "--user", "nobody", "--user", "u01")
    assert command(*asked).code == 1
    done = command(*asked, "--skip-unknown")
    assert done.code == 0
    assert "unknown ids were skipped: 'nobody'" in done.err
    assert "for u01" in done.out
    assert "for nobody" not in done.out
    done = command("similar", model, "nothing", "i03", "--skip-unknown")
    assert done.code == 0
    assert "unknown ids were skipped: 'nothing'" in done.err
    assert done.out.count("like ") == good(command("similar", model, "i03")).count("like ")


def test_items_like_an_item(command, model, fitted, tmp_path):
    path = tmp_path / "like.json"
    said = good(command("similar", model, "i03", "i07", "-k", "3", "--json", path))
    wanted = fitted.similar(["i03", "i07"], k=3, reasons=True).table
    found = json.loads(path.read_text())
    assert [line["similar_id"] for line in found] == wanted["similar_id"].to_list()
    titles = dict(fitted.data_.items["item_id", "title"].iter_rows())
    assert f"like {titles['i03']}" in said
    for line in found:
        assert line["similar_id"] in said
        assert line["title"] == titles[line["similar_id"]]
        assert line["reasons"]
    assert good(command("similar", model, "i03", "--by", "content"))


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["recommend", "--all"], ["--all needs a file", "--out"]),
        (["recommend", "--all", "--user", "u01", "--out", "a.csv"], ["leave --user"]),
        (["recommend", "--text", "tea", "--out", "a.csv"], ["--out is for known people"]),
        (["recommend", "--all", "--out", "a.xlsx"], ["suffix", ".parquet"]),
        (["recommend", "--all", "--out", "."], ["suffix"]),
        (["recommend", "--user", "u01", "--where", "yaer > 3"], ["--where", "'yaer'"]),
        (["recommend", "--user", "u01", "--where", "title >"], ["--where", "cannot be read"]),
        (["recommend", "--user", "u01", "--where", "title = 'no'"], ["no item of 30 is left"]),
        (["recommend", "--user", "u01", "--exclude", "i99"], ["'i99'"]),
        (["similar", "i99"], ["unknown item ids: 'i99'"]),
    ],
)
def test_what_cannot_be_asked(command, model, words, parts):
    name, *rest = words
    done = command(name, model, *rest)
    assert done.code == 1
    assert "Traceback" not in done.err
    for part in parts:
        assert part in done.err
    assert "where=" not in done.err


def test_a_file_stays_as_it_was_where_something_fails(command, model, tmp_path):
    out = tmp_path / "lists.csv"
    out.write_text("before")
    assert command("recommend", model, "--all", "--out", out, "--where", "no > 3").code == 1
    assert out.read_text() == "before"


def test_a_dash_prints_json_and_nothing_else_on_standard_output(command, model, fitted):
    for asked in (("recommend", model, "--user", "u01", "-k", "3"), ("similar", model, "i03")):
        plain = command(*asked)
        done = command(*asked, "--json", "-")
        assert json.loads(good(done))[0].keys() >= {"item_id", "title"} - {"item_id"}
        assert plain.out.splitlines()[0] in done.err
    assert not command("recommend", model, "--user", "u01").out.startswith("[")


@pytest.mark.parametrize(
    ("history", "wanted"),
    [
        ('["i01", ', ["is no JSON list (", '\'["a", "b"]\'']),
        ("['i01', 'i02']", ["is no JSON list"]),
        ("[i01, i02]", ["is no JSON list"]),
        ('{"history": ["i01"]}', ["holds more than ids"]),
        ('[["i01"]]', ["holds more than ids"]),
    ],
)
def test_broken_json_in_place_of_ids_is_said(command, model, history, wanted):
    fails = command("recommend", model, "--history", history)
    assert fails.code == 1
    for part in ["--history", *wanted]:
        assert part in fails.err


def test_a_file_in_place_of_ids_is_said(command, model, tmp_path):
    path = tmp_path / "past.json"
    path.write_text('["i01"]')
    fails = command("recommend", model, "--history", path)
    assert "is a file: give what it holds" in fails.err
