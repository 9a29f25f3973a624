"""Items like an item: by what they say, by who chose them, or by both."""

import numpy as np
import polars as pl
import pytest

from palate.core.dataset import Dataset
from palate.core.errors import ConfigError, DataError, UnknownIdError
from palate.features.encoders.behaviour import Behaviour
from palate.features.encoders.tfidf import Tfidf
from palate.pipeline import similar as similar_module
from palate.pipeline.pipeline import Pipeline, load
from palate.recommenders.covisit import Covisit

TITLES = {
    "alien": "ship crew monster",
    "aliens": "ship crew monster marines",
    "drifter": "ship cook storm",
    "tea": "kettle leaf cup",
    "oolong": "leaf cup steam",
    "jazz": "trumpet",
    "blank": None,
}
# alien and tea share three people, alien and jazz two of jazz's many; nobody chose aliens
CHOSEN = {
    "ann": ["alien", "tea"],
    "bo": ["tea", "alien", "jazz"],
    "cy": ["alien", "jazz", "tea"],
    "di": ["jazz", "oolong"],
    "ed": ["jazz", "drifter"],
    "flo": ["jazz", "blank"],
}


def catalogue():
    events = [(user, item) for user, items in CHOSEN.items() for item in items]
    return Dataset(
        pl.DataFrame(events, schema=["user_id", "item_id"], orient="row"),
        pl.DataFrame({"item_id": list(TITLES), "title": list(TITLES.values())}).with_columns(
            year=pl.int_range(1979, 1979 + len(TITLES))
        ),
    )


@pytest.fixture(scope="module")
def model():
    return Pipeline(encoders={"words": Tfidf(min_df=1)}, recommender=Covisit()).fit(catalogue())


def near(model, item, **settings):
    return model.similar(item, **settings).table["similar_id"].to_list()


def test_by_content(model):
    assert near(model, "alien", by="content") == ["aliens", "drifter"]
    assert near(model, "oolong", by="content") == ["tea"]
    assert near(model, "blank", by="content") == []


def test_by_behaviour(model):
    found = model.similar("alien", by="behaviour").table
    assert found["similar_id"].to_list() == ["tea", "jazz"]
    expected = [3 / (1 + 3**0.5) ** 2, 2 / ((1 + 3**0.5) * (1 + 5**0.5))]
    assert found["score"].to_list() == pytest.approx(expected)
    assert near(model, "blank", by="behaviour") == ["jazz"]
    assert near(model, "aliens", by="behaviour") == []


def test_by_both(model):
    found = near(model, "alien")
    assert set(found[:2]) == {"aliens", "tea"}
    assert set(found) == {"aliens", "tea", "drifter", "jazz"}
    assert near(model, "aliens") == near(model, "aliens", by="content")
    assert near(model, "blank") == ["jazz"]


def test_the_table(model):
    table = model.similar(["alien", "tea", "alien"], k=2).table
    assert table.columns == ["item_id", "similar_id", "score", "rank"]
    assert table["item_id"].to_list() == ["alien"] * 2 + ["tea"] * 2 + ["alien"] * 2
    assert table["rank"].to_list() == [1, 2] * 3
    assert table.head(2).equals(table.tail(2))
    assert not (table["item_id"] == table["similar_id"]).any()
    assert model.similar([]).table.schema == table.schema


def test_all_items_at_once_and_one_by_one_are_the_same(model, monkeypatch):
    together = model.similar(list(TITLES), k=3).table
    monkeypatch.setattr(similar_module, "_CHUNK_CELLS", 2 * len(TITLES))
    assert model.similar(list(TITLES), k=3).table.equals(together)
    alone = pl.concat([model.similar(item, k=3).table for item in TITLES])
    assert alone.equals(together)


def test_reasons_say_what_speaks(model):
    found = model.similar("alien", by="content", reasons=True).table
    assert "“ship crew monster”" in found["reasons"][0]
    found = model.similar("alien", by="behaviour", reasons=True).table
    assert "2 people who chose “ship crew monster”" in found["reasons"][0]
    both = model.similar("alien", reasons=True).table
    said = dict(zip(both["similar_id"], both["reasons"], strict=True))
    assert said["aliens"].startswith("nobody has chosen it yet, but it is like")
    assert "people who chose" in said["tea"]


def test_filters(model):
    assert near(model, "alien", where="year > 1980") == ["tea", "drifter", "jazz"]
    assert near(model, "alien", exclude=["tea", "jazz"]) == ["aliens", "drifter"]
    assert near(model, "alien", candidates=["alien", "jazz"]) == ["jazz"]


def test_new_items_are_like_others_at_once(model, tmp_path):
    grown = load(model.save(tmp_path / "model"))
    grown.add_items(pl.DataFrame({"item_id": ["alien 3"], "title": ["ship crew prison"]}))
    assert near(grown, "alien 3")[0] in ("alien", "aliens")
    assert near(grown, "alien 3", by="behaviour") == []
    assert "alien 3" in near(grown, "alien", by="content")
    with pytest.raises(UnknownIdError, match="'alien 3'"):
        model.similar("alien 3")


def test_blocks_learnt_from_events_are_no_content():
    encoders = {"words": Tfidf(min_df=1), "clicks": Behaviour(dim=2)}
    model = Pipeline(encoders=encoders, recommender=Covisit()).fit(catalogue())
    assert set(near(model, "alien", by="content")) == {"aliens", "drifter"}


def test_a_pipeline_of_ids_alone_and_one_of_words_alone():
    ids = Pipeline(encoders={}, recommender=Covisit()).fit(catalogue())
    assert near(ids, "alien") == ["tea", "jazz"]
    with pytest.raises(DataError, match="no content of items: ask by='behaviour', or give it"):
        ids.similar("alien", by="content")
    silent = catalogue()
    silent = silent.with_interactions(silent.interactions.clear())
    words = Pipeline(encoders={"words": Tfidf(min_df=1)}, recommender=Covisit()).fit(silent)
    assert near(words, "alien") == ["aliens", "drifter"]
    with pytest.raises(DataError, match="no events: ask by='content'"):
        words.similar("alien", by="behaviour")


@pytest.mark.parametrize(
    ("asked", "error", "words"),
    [
        ({"items": "nope"}, UnknownIdError, "unknown item ids: 'nope'"),
        ({"items": [3]}, DataError, "items must be texts"),
        ({"items": None}, DataError, "items must be a list of ids"),
        ({"items": "alien", "by": "contents"}, ConfigError, "Did you mean 'content'"),
        ({"items": "alien", "k": 0}, DataError, "k = 0"),
        ({"items": "alien", "where": "year > 3000"}, DataError, "no item of 7 is left"),
    ],
)
def test_what_cannot_be_asked(model, asked, error, words):
    with pytest.raises(error, match=words):
        model.similar(**asked)


def test_unknown_items_are_left_out_where_that_is_asked_for(model):
    with pytest.warns(
        RuntimeWarning, match="unknown ids were skipped: 'nope', 'neither'"
    ) as caught:
        found = model.similar(["nope", "alien"], k=2, exclude=["neither"], unknown="skip")
    assert caught[0].filename == __file__
    assert found.skipped == ("nope", "neither")
    assert found.table.equals(model.similar("alien", k=2).table)


def test_the_order_of_the_rows_does_not_show():
    data = catalogue()
    turned = Dataset(data.interactions, data.items.reverse())
    tables = [
        Pipeline(encoders={"words": Tfidf(min_df=1)}, recommender=Covisit())
        .fit(one)
        .similar(list(TITLES))
        .table
        for one in (data, turned)
    ]
    assert tables[0].drop("score").equals(tables[1].drop("score"))
    np.testing.assert_allclose(tables[0]["score"], tables[1]["score"], rtol=1e-6)
