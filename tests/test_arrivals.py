"""Items that arrive after the fit: what their table may look like."""

import numpy as np
import pandas as pd
import polars as pl
import pytest

from palate._arrivals import arriving
from palate.data.samples import planted
from palate.data.tables import read
from palate.encoders.tfidf import Tfidf
from palate.errors import DataError
from palate.pipeline import Pipeline
from palate.recommenders.content import Content
from palate.recommenders.covisit import Covisit


@pytest.fixture(scope="module")
def shop():
    return planted(40, 30)


@pytest.fixture(scope="module")
def goods():
    """A catalogue that was read under its owner's names: two columns could be a title's."""
    items = pl.DataFrame(
        {
            "productId": [11, 12, 13],
            "headline": ["Tea pot", "Tea cup", "Bike"],
            "name": ["P-11", "C-12", "B-13"],
            "genres": ["tea|iron", "tea", "bikes"],
            "price": [9.5, 3.0, 220.0],
        }
    )
    log = pl.DataFrame({"user": ["a", "a", "b", "b"], "productId": [11, 12, 12, 13]})
    return read(log, items=items, columns={"headline": "title"})


def test_new_items_take_the_columns_and_types_of_the_catalogue(shop):
    new = pl.DataFrame(
        {"colour": ["red"], "tags": ["hedge| tulip |"], "price": ["12.5"], "item_id": [77]}
    )
    row = arriving(new, shop.items)
    assert row.schema == shop.items.schema
    assert row.row(0, named=True) == {
        "item_id": "77",
        "title": None,
        "description": None,
        "category": None,
        "price": 12.5,
        "tags": ["hedge", "tulip"],
    }


def test_lists_that_are_lists_already_stay(shop):
    new = pl.DataFrame({"item_id": ["x", "y"], "tags": [["a|b", ""], None]})
    assert arriving(new, shop.items)["tags"].to_list() == [["a|b", ""], None]


ROW = {"item_id": "14", "title": "Bell", "name": "B-14", "genres": ["bikes"], "price": 4.0}


@pytest.mark.parametrize(
    "names",
    [
        {"ids": "item_id", "titles": "title"},
        {"ids": "productId", "titles": "title"},
        {"ids": "ASIN", "titles": "movie_title"},
        {"ids": "id", "titles": "headline"},
    ],
)
def test_ids_and_titles_are_found_as_read_finds_them(goods, names):
    columns = {
        names["ids"]: [14],
        "price": [4.0],
        names["titles"]: ["Bell"],
        "name": ["B-14"],
        "genres": ["bikes"],
    }
    for frame in (pl.DataFrame(columns), pl.LazyFrame(columns), pd.DataFrame(columns)):
        assert arriving(frame, goods.items).to_dicts() == [ROW]


def test_a_column_of_the_catalogues_is_no_title(goods):
    new = pl.DataFrame({"productId": ["14"], "name": ["B-14"]})
    assert arriving(new, goods.items).row(0, named=True) == {
        **dict.fromkeys(ROW),
        "item_id": "14",
        "name": "B-14",
    }


def test_names_can_be_said(goods):
    new = pl.DataFrame({"number": [14], "label": ["Bell"], "title": ["not this"]})
    said = {"number": "item_id", "label": "title"}
    row = arriving(new, goods.items, columns=said).row(0, named=True)
    assert (row["item_id"], row["title"]) == ("14", "Bell")


def test_files_and_gaps_of_pandas(goods, tmp_path):
    path = tmp_path / "new.csv"
    path.write_text("productId,headline,price,genres\n014,Bell,4,bikes|x\n15,Lamp,,\n")
    found = arriving(path, goods.items)
    assert found["item_id"].to_list() == ["014", "15"]
    assert found["price"].to_list() == [4.0, None]
    assert found["genres"].to_list() == [["bikes", "x"], None]
    gaps = pd.DataFrame(
        {"productId": [14.0, 15.0], "price": [np.nan, 2.5], "title": [None, "Lamp"]}
    )
    found = arriving(gaps, goods.items)
    assert found["item_id"].to_list() == ["14", "15"]
    assert found["price"].to_list() == [None, 2.5]
    assert found["title"].to_list() == [None, "Lamp"]


def test_a_pipeline_takes_them_under_their_own_names(goods):
    model = Pipeline(encoders={"words": Tfidf(template="{title}", min_df=1)}, recommender=Content())
    model.fit(goods).add_items(pd.DataFrame({"productId": [14], "headline": ["Iron tea pot"]}))
    assert model.recommend(history=["11"], k=1).table["item_id"].to_list() == ["14"]
    model.add_items(pl.DataFrame({"code": [15]}), columns={"code": "item_id"})
    assert model.item_ids.tolist() == ["11", "12", "13", "14", "15"]


@pytest.mark.parametrize(
    ("items", "words"),
    [
        ({"item_id": ["i01", "x", "i02"]}, "there already: 'i01', 'i02'"),
        ({"item_id": ["x", "y", "x"]}, "come twice: 'x'"),
        ({"item_id": ["x", None]}, "column 'item_id' is missing in row 2"),
        ({"number": ["x"]}, "new items: no column for item_id.*number.*columns="),
        ({"asin": ["x"], "sku": ["y"]}, "'asin' and 'sku' could all be item_id.*columns="),
        ({"item_id": ["x"], "price": ["dear"]}, "column 'price' must be numbers, .* holds 'dear'$"),
        ({"item_id": ["x", "y"], "title": [["a"], None]}, r"'title' must be text, .* \['a'\]$"),
        ({"item_id": ["x"], "price": [float("inf")]}, "'price' is infinite in row 1"),
        ({"item_id": [1.5]}, "broken numbers"),
    ],
)
def test_new_items_that_cannot_be_used(shop, items, words):
    model = Pipeline(encoders={"text": Tfidf()}, recommender=Covisit()).fit(shop)
    before = model.recommend(["u07"]).table
    with pytest.raises(DataError, match=f"(?s){words}"):
        model.add_items(pl.DataFrame(items))
    assert len(model.item_ids) == 30
    assert model.recommend(["u07"]).table.equals(before)


@pytest.mark.parametrize("items", [{"item_id": ["x"]}, [{"item_id": "x"}], 3])
def test_what_is_no_table(shop, items):
    model = Pipeline(encoders={}, recommender=Covisit()).fit(shop)
    with pytest.raises(DataError, match=r"new items: a .* is no table.*polars or pandas frame"):
        model.add_items(items)


def test_misspelt_columns_are_guessed(goods):
    with pytest.raises(DataError, match=r"no column 'numbr'.*Did you mean 'number'"):
        arriving(pl.DataFrame({"number": [14]}), goods.items, columns={"numbr": "item_id"})


def test_columns_that_are_not_read_are_told(shop, caplog):
    new = {"item_id": ["x", "y"], "titel": ["Rose", "Tulip"], "tags": [["red"], []], "zzz": [1, 2]}
    arriving(pl.DataFrame(new), shop.items)
    assert [record.getMessage() for record in caplog.records] == [
        "the frame of new items: not read: titel, zzz. Did you mean 'title'?",
        "the frame of new items: no text in any column of 'y': encoders of text know nothing of "
        "them",
    ]
    assert {record.levelname for record in caplog.records} == {"WARNING"}


def test_nothing_is_told_of_items_with_the_columns_of_the_catalogue(shop, caplog):
    arriving(shop.items.head(2).with_columns(item_id="x" + pl.col("item_id")), shop.items)
    numbers = pl.DataFrame({"item_id": ["a"], "price": [1.0]})
    arriving(pl.DataFrame({"item_id": ["b"], "price": [2]}), numbers)
    assert not caplog.records


def test_a_file_in_another_encoding(shop, tmp_path):
    path = tmp_path / "new.csv"
    path.write_bytes("item_id,title\nx,青花瓷茶壶\n".encode("gb18030"))
    model = Pipeline(encoders={}, recommender=Covisit()).fit(shop)
    with pytest.raises(DataError, match='encoding="gb18030"'):
        model.add_items(path)
    model.add_items(path, encoding="gb18030")
    assert model.data_.items["title"][-1] == "青花瓷茶壶"
