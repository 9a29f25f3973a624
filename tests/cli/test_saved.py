"""`palate show`, `palate rollback`, and what `fit` and `evaluate` leave in a folder."""

import json
import os

import pytest

from palate.data.samples import synthetic
from palate.pipeline.pipeline import load
from palate.pipeline.saved import read_card

SHOP = """
[data]
interactions = "ratings.csv"
items = "films.csv"
drop = ["price"]
[encoders]
[recommender]
type = "popular"
last_days = {days}
"""


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shop")
    data = synthetic(40, 30)
    data.interactions.drop("weight").write_csv(folder / "ratings.csv")
    data.items.drop("tags").write_csv(folder / "films.csv")
    for days in (1, 2, 3):
        (folder / f"shop-{days}.toml").write_text(SHOP.format(days=days))
    return folder


def good(done):
    assert done.code == 0, done.err
    return done.out


def test_from_a_fit_to_its_card_and_back(shop, tmp_path, command):
    folder, file = tmp_path / "model", tmp_path / "card.json"
    good(command("fit", shop / "shop-1.toml", "--out", folder, "--evaluate"))
    assert "price" not in load(folder).data_.items.columns
    said = good(command("show", folder, "--json", file))
    assert "recommender: popular (last_days = 1" in said
    assert "| shop-1 | time |" in said
    card = json.loads(file.read_text())
    assert (card["version"], card["figures"][0]["name"]) == (1, "shop-1")
    good(command("fit", shop / "shop-2.toml", "--out", folder))
    assert read_card(folder).figures == []
    good(command("evaluate", folder))
    [figures] = read_card(folder).figures
    assert figures.name == "shop-2"
    listed = good(command("show", folder, "--versions"))
    assert "2 (current)" in listed
    assert f"{figures.metrics['ndcg@10'].mean:.4f}" in listed
    assert "is version 1 again" in good(command("rollback", folder))
    assert load(folder).recommender.last_days == 1
    good(command("evaluate", folder))
    assert [each.name for each in read_card(folder).figures] == ["shop-1"]
    good(command("rollback", folder, "--to", 2))
    good(command("fit", shop / "shop-3.toml", "--out", folder, "--keep", 0))
    done = command("rollback", folder)
    assert (done.code, "nothing older than version 3" in done.err) == (1, True)


def test_what_cannot_be_asked(shop, tmp_path, command):
    done = command("fit", shop / "shop-1.toml", "--out", tmp_path / "m", "--all", "--evaluate")
    assert (done.code, "nothing is left to --evaluate on" in done.err) == (1, True)
    for words in (("show",), ("show", "--versions"), ("rollback",)):
        done = command(words[0], tmp_path, *words[1:])
        assert (done.code, "holds no palate model" in done.err) == (1, True)


def test_a_folder_to_read_alone_is_evaluated(shop, tmp_path, command, monkeypatch):
    folder = tmp_path / "model"
    good(command("fit", shop / "shop-1.toml", "--out", folder))
    monkeypatch.setattr("os.access", lambda _place, mode, **_: not mode & os.W_OK)
    done = command("evaluate", folder)
    assert "shop-1" in good(done)
    assert "its card stays as it was" in done.err


def test_what_noise_costs(shop, tmp_path, command):
    config, file = shop / "words.toml", tmp_path / "noise.json"
    words = '[encoders.words]\ntype = "tfidf"\n[recommender]\ntype = "content"\n'
    config.write_text(SHOP.partition("[encoders]")[0] + words)
    good(command("fit", config, "--out", tmp_path / "model"))
    said = good(command("robustness", tmp_path / "model", "--letters", 0.5, "--json", file))
    for name in ("as it is", "typing errors", "missing words", "without title"):
        assert name in said
    told = json.loads(file.read_text())
    assert told["same_nearest_neighbour"]["typing errors"] < 1
    assert [row["name"] for row in told["rows"]][:3] == [
        "as it is",
        "typing errors",
        "missing words",
    ]
    done = command("robustness", tmp_path / "model", "--words", 2)
    assert done.code == 2
