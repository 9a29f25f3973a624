"""`palate add-items`, `update-items`, `remove-items`, `restore-items`: a catalogue that lives."""

import polars as pl
import pytest

from palate.data.samples import synthetic
from palate.pipeline.pipeline import load
from palate.pipeline.saved import read_card, saved_versions

SHOP = """
[data]
interactions = "log.csv"
items = "goods.csv"
[encoders.words]
type = "tfidf"
[recommender]
type = "content"
"""


def good(done):
    assert done.code == 0, done.err
    return done.out


@pytest.fixture
def shop(tmp_path, command):
    data = synthetic(40, 30)
    data.interactions.write_csv(tmp_path / "log.csv")
    data.items.drop("tags").write_csv(tmp_path / "goods.csv")
    (tmp_path / "shop.toml").write_text(SHOP)
    good(command("fit", tmp_path / "shop.toml", "--out", tmp_path / "model"))
    return tmp_path


def test_items_arrive_change_go_and_come_back(shop, command):
    folder, new = shop / "model", shop / "new.csv"
    title = load(folder).data_.items.filter(item_id="i03")["title"][0]
    new.write_text(f"item_id,标题,colour\nx1,{title},red\nx2,Nothing like it,blue\n")
    done = command("add-items", folder, new)
    assert "added 2 items, 32 in all" in good(done)
    assert "new.csv: 2 rows; item_id → item_id, 标题 → title" in done.err
    assert "new.csv: not read: colour" in done.err
    assert done.err.count("not read") == 1
    found = load(folder).recommend(text=title, k=3).table["item_id"].to_list()
    assert "x1" in found
    card = read_card(folder)
    assert (card.version, card.data.items) == (2, 32)

    changed = shop / "changed.csv"
    changed.write_text("item_id,title\nx2,A wholly new name\n")
    assert "its items say what changed.csv says" in good(command("update-items", folder, changed))
    assert load(folder).data_.items.filter(item_id="x2")["title"].to_list() == ["A wholly new name"]

    said = good(command("remove-items", folder, "x1", "i03"))
    assert "2 of 32 items withdrawn" in said
    table = load(folder).recommend(text=title, k=30).table
    assert not {"x1", "i03"} & set(table["item_id"])
    assert "1 of 32 items withdrawn" in good(command("restore-items", folder, "x1"))
    assert "x1" in load(folder).recommend(text=title, k=30).table["item_id"].to_list()
    assert [card.version for card in saved_versions(folder)] == [5, 4, 3, 2]

    done = command("evaluate", folder)
    assert (done.code, "knows other items than" in done.err) == (1, True)
    good(command("rollback", folder, "--to", "2"))
    assert len(load(folder).item_ids) == 32


def test_what_cannot_be_done_leaves_the_model_as_it_was(shop, command):
    folder, other = shop / "model", shop / "other.csv"
    before = read_card(folder)
    other.write_text("item_id,title\ni03,There already\n")
    done = command("add-items", folder, other)
    assert (done.code, "items are there already: 'i03'" in done.err) == (1, True)
    other.write_text("item_id,title\nx9,Nobody knows it\n")
    done = command("update-items", folder, other)
    assert (done.code, "'x9'" in done.err) == (1, True)
    done = command("remove-items", folder, "x9")
    assert (done.code, "'x9'" in done.err) == (1, True)
    other.write_text("thing,words\nx9,Nobody knows it\n")
    done = command("add-items", folder, other)
    assert done.code == 1
    assert '--column "THEIR NAME=item_id"' in done.err
    good(command("add-items", folder, other, "--column", "thing=item_id", "--keep", "0"))
    assert read_card(folder).version == before.version + 1
    assert len(saved_versions(folder)) == 1


def test_a_file_of_another_encoding(shop, command):
    goods = pl.DataFrame({"item_id": ["x1"], "title": ["茶壶"]}).write_csv()
    (shop / "new.csv").write_bytes(goods.encode("gb18030"))
    done = command("add-items", shop / "model", shop / "new.csv")
    assert (done.code, "--encoding" in done.err) == (1, True)
    good(command("add-items", shop / "model", shop / "new.csv", "--encoding", "gb18030"))
    assert load(shop / "model").data_.items.filter(item_id="x1")["title"].to_list() == ["茶壶"]
