"""Pseudonyms at the command line: one key file, and a folder that says of nobody who they are."""

import json
import re

import polars as pl
import pytest

from palate.data.pseudonyms import pseudonym
from palate.data.samples import synthetic

KEY = "6f1ed002ab5595859014ebf0951522d9"
SHOP = """
[data]
interactions = "ratings.csv"
items = "films.csv"
[encoders]
[recommender]
type = "item_knn"
"""


def name(number):
    return f"ann-{number:04d}@example.org"


def good(done):
    assert done.code == 0, done.err
    return done.out


@pytest.fixture
def shop(tmp_path):
    data = synthetic(40, 30)
    people = data.interactions["user_id"].unique(maintain_order=True).to_list()
    names = {one: name(place) for place, one in enumerate(people)}
    log = data.interactions.select(pl.col("user_id").replace_strict(names), "item_id", "timestamp")
    log[:-20].write_csv(tmp_path / "ratings.csv")
    log[-20:].write_csv(tmp_path / "monday.csv")
    data.items.drop("tags").write_csv(tmp_path / "films.csv")
    (tmp_path / "shop.toml").write_text(SHOP)
    key = tmp_path / "key.txt"
    key.write_text(f"{KEY}\n")
    key.chmod(0o600)
    return tmp_path


def test_from_fit_to_forgetting(shop, command):
    key, folder = ("--pseudonyms", shop / "key.txt"), shop / "model"
    done = command("fit", shop / "shop.toml", "--out", folder, *key)
    assert "people are known by pseudonyms" in good(done) + done.err
    assert KEY not in done.out + done.err
    assert "people are known by pseudonyms" in good(command("show", folder))
    good(command("evaluate", folder, *key))
    done = command("evaluate", folder)
    assert done.code == 1
    assert "give --pseudonyms KEYFILE" in done.err

    told = shop / "told.json"
    done = command("recommend", folder, "--user", name(3), "--user", name(4), *key, "--json", told)
    assert f"for {name(3)}" in good(done)
    asked = [pseudonym(name(number), KEY) for number in (3, 4)]
    assert {line["user_id"] for line in json.loads(told.read_text())} == set(asked)
    by_pseudonym = good(command("recommend", folder, "--user", asked[0]))
    assert by_pseudonym == good(command("recommend", folder, "--user", name(3), *key))

    lists = shop / "lists.parquet"
    good(command("recommend", folder, "--all", "--out", lists))
    users = pl.read_parquet(lists)["user_id"]
    assert users.str.contains(r"^p[0-9a-f]{32}$").all()
    assert set(asked) <= set(users)

    good(command("add-events", folder, shop / "monday.csv", *key))
    good(command("remove-users", folder, name(3), *key))
    done = command("recommend", folder, "--user", name(3), *key)
    assert done.code == 1
    assert "unknown people" in done.err
    held = b"".join(path.read_bytes() for path in folder.iterdir())
    held += b"".join(
        pl.read_parquet(path).write_json().encode() for path in folder.glob("*.parquet")
    )
    assert not re.search(rb"ann-\d{4}|example\.org", held)
    assert KEY.encode() not in held


def test_a_pipeline_file_may_name_the_key_file(shop, command):
    (shop / "shop.toml").write_text(
        SHOP.replace("[encoders]", 'pseudonyms = "key.txt"\n[encoders]')
    )
    good(command("check", shop / "shop.toml"))
    good(command("fit", shop / "shop.toml", "--out", shop / "model"))
    good(command("evaluate", shop / "model"))
    good(command("robustness", shop / "model"))
    good(command("recommend", shop / "model", "--user", pseudonym(name(3), KEY)))


@pytest.mark.parametrize("way", ["no key", "another key", "short key", "no file", "a folder"])
def test_a_wrong_key_is_a_plain_sentence(shop, command, way):
    folder, other = shop / "model", shop / "other.txt"
    good(command("fit", shop / "shop.toml", "--out", folder, "--pseudonyms", shop / "key.txt"))
    other.write_text("short" if way == "short key" else KEY[::-1])
    other.chmod(0o600)
    path = {"no file": shop / "nowhere.txt", "a folder": shop}.get(way, other)
    given = () if way == "no key" else ("--pseudonyms", path)
    said = {
        "no key": "unknown people: 'ann-0003@example.org'; this model knows people by pseudonyms",
        "another key": "made with another key than that of --pseudonyms",
        "short key": f"the key file {other} holds no key: it needs at least 16 characters",
        "no file": f"the key file {path} cannot be read (No such file or directory)",
        "a folder": f"the key file {path} cannot be read (Is a directory)",
    }[way]
    commands = [("recommend", folder, "--user", name(3)), ("remove-users", folder, name(3))]
    if way != "no key":
        commands.append(("add-events", folder, shop / "monday.csv"))
    for words in commands:
        done = command(*words, *given)
        assert done.code == 1
        assert said in done.err
        assert other.read_text() not in done.err + done.out
    if way == "no key":
        done = command("add-events", folder, shop / "monday.csv")
        assert done.code == 1
        assert "give the key (--pseudonyms)" in done.err


@pytest.mark.filterwarnings("default:.*can be read by others:RuntimeWarning")
def test_a_key_file_that_others_can_read_is_remarked(shop, command):
    (shop / "key.txt").chmod(0o644)
    done = command("fit", shop / "shop.toml", "--out", shop / "m", "--pseudonyms", shop / "key.txt")
    good(done)
    assert f"can be read by others than you: chmod 600 {shop / 'key.txt'}" in done.err


def test_a_model_in_the_clear_takes_no_key(shop, command):
    folder = shop / "model"
    good(command("fit", shop / "shop.toml", "--out", folder))
    key = ("--pseudonyms", shop / "key.txt")
    done = command("recommend", folder, "--user", name(3), *key)
    assert done.code == 1
    assert "this model knows people by their own ids" in done.err
    done = command("fit", shop / "shop.toml", "--out", folder, *key)
    assert done.code == 1
    assert "holds older models with ids of people in the clear" in done.err
    good(command("fit", shop / "shop.toml", "--out", folder, *key, "--keep", "0"))


def test_check_and_compare_take_the_key(shop, command):
    key = ("--pseudonyms", shop / "key.txt")
    (shop / "popular.toml").write_text(SHOP.replace("item_knn", "popular"))
    for done in (
        command("check", shop / "shop.toml", *key),
        command("compare", shop / "shop.toml", shop / "popular.toml", *key),
    ):
        said = good(done) + done.err
        assert "people are known by pseudonyms" in said
        assert KEY not in said
    done = command("check", shop / "shop.toml", "--pseudonyms", shop / "lost.txt")
    assert done.code == 1
    assert "lost.txt" in done.err
