"""Each recommender in a whole pipeline: words, attributes of items and of people, a folder."""

import polars as pl
import pytest

import palate
from palate.core import registry
from palate.data.samples import synthetic

QUICK = {
    "ranker": {"n_estimators": 10, "n_train_queries": 300},
    **{name: {"epochs": 1, "dim": 8} for name in ("bilinear", "graph", "sequence", "two_tower")},
}


@pytest.fixture(scope="module")
def shop():
    return synthetic(80, 40)


@pytest.mark.parametrize("name", registry.names("recommenders"))
def test_it_is_saved_asked_in_every_way_and_grows(name, shop, tmp_path):
    table = {"type": name, **QUICK.get(name, {})}
    words = {"words": palate.Tfidf(min_df=1), "facts": palate.Attributes()}
    model = palate.Pipeline(
        encoders=words,
        users={"facts": palate.Attributes()},
        recommender=registry.build("recommenders", table, where=name),
    ).fit(shop)
    again = palate.load(model.save(tmp_path / "model"))
    new = shop.items.head(2).with_columns(item_id=pl.Series(["new 1", "new 2"]))
    known = shop.user_ids.series.head(3).to_list()
    ways = [
        {"user_ids": known, "reasons": True},
        {"history": [shop.item_ids[3], shop.item_ids[7]], "reasons": True},
        {"text": shop.items["title"][5], "reasons": True},
        {"history": []},
    ]
    if getattr(model.recommender_, "reads_users", False) is True:
        facts = shop.users.drop("user_id").row(0, named=True)
        ways.append({"history": [], "profile": facts, "reasons": True})
    for asked in ways:
        assert again.recommend(**asked, k=5).table.equals(model.recommend(**asked, k=5).table)
    again.add_items(new)
    assert len(again.recommend(history=["new 1"], k=5)) == 5
