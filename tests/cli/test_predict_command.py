"""`palate predict`: ratings on the command line; `evaluate` shows how far they are off."""

import json

import pytest

from palate.data.samples import synthetic
from palate.pipeline.pipeline import load
from palate.pipeline.saved import read_card

SHOP = """
[data]
interactions = "log.csv"
items = "goods.csv"
[split]
type = "time"
[recommender]
type = "{name}"
{more}
"""


def good(done):
    assert done.code == 0, done.err
    return done.out


@pytest.fixture
def shop(tmp_path, command):
    data = synthetic(40, 30)
    data.interactions.write_csv(tmp_path / "log.csv")
    data.items.select("item_id", "title").write_csv(tmp_path / "goods.csv")
    explicit = 'feedback = "explicit"\nvalue_shrink = 4'
    for name, more in (("item_knn", explicit), ("popular", "")):
        file = tmp_path / f"{name}.toml"
        file.write_text(SHOP.format(name=name, more=more))
        good(command("fit", file, "--out", tmp_path / name))
    return tmp_path


def test_what_people_would_give(shop, command):
    model = load(shop / "item_knn")
    out = shop / "said.json"
    said = good(
        command(
            *("predict", shop / "item_knn", "i03", "i04", "--user", "u01", "--user", "u02"),
            *("--json", out),
        )
    )
    lines = json.loads(out.read_text())
    pairs = [(line["user_id"], line["item_id"]) for line in lines]
    assert pairs == [("u01", "i03"), ("u01", "i04"), ("u02", "i03"), ("u02", "i04")]
    wanted = model.predict(["u01"], ["i03", "i04"])
    assert [line["value"] for line in lines[:2]] == wanted.tolist()
    assert f"{wanted[0]:.2f}" in said
    given = good(command("predict", shop / "item_knn", "i03", "--history", '{"i01": 5, "i02": 1}'))
    assert f"{model.predict(history={'i01': 5, 'i02': 1}, items='i03')[0]:.2f}" in given


def test_evaluate_shows_the_errors_and_the_card_keeps_them(shop, command):
    said = good(command("evaluate", shop / "item_knn"))
    assert "RMSE" in said
    figures = read_card(shop / "item_knn").figures[0].metrics
    assert f"{figures['rmse'].mean:.4f}" in said
    assert "mae" in good(command("show", shop / "item_knn"))
    assert "RMSE" not in good(command("evaluate", shop / "popular"))


BAD = {
    "nobody": ([], "nobody asks: give --user ID"),
    "no JSON": (["--history", "i01=5"], "--history i01=5 is no JSON"),
    "a list": (["--history", '["i01"]'], "does not say what was given to what"),
    "words": (["--history", '{"i01": "good"}'], "does not say what was given to what"),
    "unknown": (["--user", "nobody"], "unknown people: 'nobody'"),
    "both": (["--user", "u01", "--history", "{}"], "not for both"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_asked_is_a_sentence(shop, command, case):
    given, words = BAD[case]
    done = command("predict", shop / "item_knn", "i03", *given)
    assert done.code == 1
    assert words in done.err
    assert "Traceback" not in done.err


def test_a_model_that_predicts_nothing_says_which_do(shop, command):
    done = command("predict", shop / "popular", "i03", "--user", "u01")
    assert done.code == 1
    assert 'item_knn with feedback="explicit"' in done.err
