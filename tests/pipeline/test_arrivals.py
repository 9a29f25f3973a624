"""Items that arrive after the fit: what their table may look like."""

import datetime as dt

import numpy as np
import pandas as pd
import polars as pl
import pytest

from palate import load
from palate.core.dataset import Dataset
from palate.core.errors import DataError
from palate.data.clean import clean
from palate.data.read import read
from palate.data.samples import synthetic
from palate.data.split import split_by_time
from palate.features.encoders.tfidf import Tfidf
from palate.pipeline.arrivals import arriving
from palate.pipeline.pipeline import Pipeline
from palate.recommenders.content import Content
from palate.recommenders.covisit import Covisit


@pytest.fixture(scope="module")
def shop():
    return synthetic(40, 30)


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
    row = arriving(new, shop)
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
    assert arriving(new, shop)["tags"].to_list() == [["a|b", ""], None]


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
        assert arriving(frame, goods).to_dicts() == [ROW]


def test_a_column_of_the_catalogues_is_no_title(goods):
    new = pl.DataFrame({"productId": ["14"], "name": ["B-14"]})
    assert arriving(new, goods).row(0, named=True) == {
        **dict.fromkeys(ROW),
        "item_id": "14",
        "name": "B-14",
    }


def test_names_can_be_said(goods):
    new = pl.DataFrame({"number": [14], "label": ["Bell"], "title": ["not this"]})
    said = {"number": "item_id", "label": "title"}
    row = arriving(new, goods, columns=said).row(0, named=True)
    assert (row["item_id"], row["title"]) == ("14", "Bell")


def test_files_and_gaps_of_pandas(goods, tmp_path):
    path = tmp_path / "new.csv"
    path.write_text("productId,headline,price,genres\n014,Bell,4,bikes|x\n15,Lamp,,\n")
    found = arriving(path, goods)
    assert found["item_id"].to_list() == ["014", "15"]
    assert found["price"].to_list() == [4.0, None]
    assert found["genres"].to_list() == [["bikes", "x"], None]
    gaps = pd.DataFrame(
        {"productId": [14.0, 15.0], "price": [np.nan, 2.5], "title": [None, "Lamp"]}
    )
    found = arriving(gaps, goods)
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
        ({"item_id": ["x", "y", "x"]}, "ids must be unique, .* more than once: 'x'"),
        ({"item_id": ["x", None]}, "column 'item_id' is missing in row 2"),
        ({"number": ["x"]}, "new items: no column for item_id.*number.*columns="),
        ({"asin": ["x"], "sku": ["y"]}, "'asin' and 'sku' could all be item_id.*columns="),
        ({"item_id": ["x"], "price": ["dear"]}, "column 'price' must be numbers, .* holds 'dear'$"),
        ({"item_id": ["x"], "title": [{"en": "a"}]}, "column 'title' holds Struct"),
        ({"item_id": ["x", "y"], "description": [["a"], None]}, r"must be text, .* \['a'\]$"),
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
        arriving(pl.DataFrame({"number": [14]}), goods, columns={"numbr": "item_id"})


def test_columns_that_are_not_read_are_told(shop, caplog):
    new = {"item_id": ["x", "y"], "titel": ["Rose", "Tulip"], "tags": [["red"], []], "zzz": [1, 2]}
    arriving(pl.DataFrame(new), shop)
    assert [record.getMessage() for record in caplog.records] == [
        "the frame of new items: not read: titel, zzz. Did you mean 'title'?",
        "the frame of new items: no text in any column of 'y': encoders of text know nothing of "
        "them",
    ]
    assert {record.levelname for record in caplog.records} == {"WARNING"}


def test_nothing_is_told_of_items_with_the_columns_of_the_catalogue(shop, caplog):
    arriving(shop.items.head(2).with_columns(item_id="x" + pl.col("item_id")), shop)
    numbers = pl.DataFrame({"item_id": ["a"], "price": [1.0]})
    log = pl.DataFrame({"user_id": ["u"], "item_id": ["a"]})
    arriving(pl.DataFrame({"item_id": ["b"], "price": [2]}), Dataset(log, numbers))
    assert not caplog.records


# ---- read as the catalogue was


EVENTS = pl.DataFrame({"user": ["u", "v"], "item": ["a", "b"]})
FIRST = {
    "csv": "item,title,price,new,zip,cast,genres\n"
    "a,Pot,3,true,00501,Jo;Ann,Action|Drama\nb,Cup,4,false,10001,Bo,Drama\n",
    "item": "item_id:token\ttitle:token_seq\tprice:float\tvector:float_seq\tclass:token_seq\n"
    "a\tIron pot\t3\t0.5 1\tx y\nb\tCup\t4\t2 3\ty\n",
}


def catalogue(tmp_path, suffix, content=None, **options):
    path = tmp_path / f"first.{suffix}"
    path.write_text(content or FIRST[suffix])
    return read(EVENTS, path, **options)


def arrived(tmp_path, data, suffix, content, **options):
    path = tmp_path / f"new.{suffix}"
    path.write_text(content)
    return arriving(path, data, **options)


@pytest.mark.parametrize(("suffix", "lists"), [("csv", {"cast": ";"}), ("item", None)])
def test_the_same_rows_arrive_as_they_were_read(tmp_path, suffix, lists):
    """One reader: a catalogue's own file, under other ids, is what the catalogue is."""
    data = catalogue(tmp_path, suffix, lists=lists)
    renamed = FIRST[suffix].replace("\na", "\nc").replace("\nb", "\nd")
    found = arrived(tmp_path, data, suffix, renamed)
    assert found.drop("item_id").equals(data.items.drop("item_id"))
    assert found.schema == data.items.schema


@pytest.mark.parametrize(
    ("column", "text", "value"),
    [
        ("price", "5", 5),
        ("price", "", None),
        ("price", "N/A", None),
        ("price", "-", None),
        ("new", "TRUE", True),
        ("new", "false", False),
        ("new", "NA", None),
        ("zip", "00777", "00777"),
        ("zip", "777.50", "777.50"),
        ("zip", "unknown", None),
        ("cast", "Cy;Di", ["Cy", "Di"]),
        ("cast", "Cy|Di", ["Cy|Di"]),
        ("cast", "['Cy', 'Di']", ["Cy", "Di"]),
        ("genres", "Home &amp; Tea|none", ["Home & Tea"]),
        ("title", "<b>Red</b> &amp; dry", "Red & dry"),
        ("title", "1984", "1984"),
    ],
)
def test_values_arrive_as_they_would_have_been_read(tmp_path, column, text, value):
    data = catalogue(tmp_path, "csv", lists={"cast": ";"})
    found = arrived(tmp_path, data, "csv", f'item,{column}\nc,"{text}"\n\n')
    assert found[column].to_list() == [value]
    assert found.schema == data.items.schema


@pytest.mark.parametrize(
    ("column", "text", "words"),
    [
        ("price", "dear", r"'price' must be numbers, as in the catalogue, but holds 'dear'"),
        ("price", "1e400", r"'price' is infinite in line 2"),
        ("price", "inf", r"'price' is infinite in line 2"),
        ("new", "yes", r"'new' must be true or false, .* holds 'yes'"),
        ("new", "2", r"'new' must be true or false, .* holds 2"),
    ],
)
def test_values_that_do_not_fit_are_refused_truly(tmp_path, column, text, words):
    data = catalogue(tmp_path, "csv")
    with pytest.raises(DataError, match=words):
        arrived(tmp_path, data, "csv", f"item,{column}\nc,{text}\n")


def test_one_and_zero_are_true_and_false(tmp_path):
    found = arrived(tmp_path, catalogue(tmp_path, "csv"), "csv", "item,new\nc,1\nd,0\n")
    assert found["new"].to_list() == [True, False]


@pytest.mark.parametrize("source", ["frame", "csv", "jsonl"])
def test_whole_numbers_become_wider_where_that_is_needed(tmp_path, source):
    data = catalogue(tmp_path, "csv")
    model = Pipeline(encoders={"words": Tfidf(min_df=1)}, recommender=Covisit()).fit(data)
    path = tmp_path / f"new.{source}"
    path.write_text("item,price\nc,12.5\n" if source == "csv" else '{"item": "c", "price": 12.5}\n')
    frame = pl.DataFrame({"item": ["c"], "price": [12.5]})
    model.add_items(frame if source == "frame" else path)
    assert model.data_.items["price"].to_list() == [3.0, 4.0, 12.5]
    assert model.data_.items["price"].dtype == pl.Float64
    model.add_items(pl.DataFrame({"item": ["d"], "price": [7]}))
    assert model.data_.items["price"].to_list() == [3.0, 4.0, 12.5, 7.0]
    assert len(model.recommend(["u"], k=4).table) == 3


@pytest.mark.parametrize(
    ("kind", "value", "kept"),
    [(pl.Int8, 300, 300), (pl.Int8, 3.0, 3), (pl.Float32, 2, 2.0), (pl.UInt16, -1, -1)],
)
def test_narrow_numbers_lose_nothing(kind, value, kept):
    items = pl.DataFrame({"item_id": ["a"], "n": pl.Series([1], dtype=kind)})
    data = Dataset(EVENTS.head(1).rename({"user": "user_id", "item": "item_id"}), items)
    found = arriving(pl.DataFrame({"item_id": ["c"], "n": [value]}), data)
    assert found["n"].to_list() == [kept]


def test_a_column_that_held_nothing_takes_what_comes():
    items = pl.DataFrame({"item": ["a", "b"], "title": ["A", "B"], "note": [None, None]})
    model = Pipeline(encoders={"words": Tfidf(min_df=1)}, recommender=Covisit())
    model.fit(read(EVENTS, items)).add_items(pl.DataFrame({"item": ["c"], "note": ["new"]}))
    assert model.data_.items["note"].to_list() == [None, None, "new"]


@pytest.mark.parametrize("saved", [False, True])
def test_how_the_catalogue_was_read_is_remembered(tmp_path, saved):
    content = "code,label,item_id,cast\na,Pot,1,Jo;Ann\nb,Cup,2,Bo\n"
    data = catalogue(
        tmp_path,
        "csv",
        content,
        columns={"code": "item_id", "label": "title"},
        lists={"cast": ";"},
    )
    train = clean(split_by_time(with_times(data), test=0.5).train)
    model = Pipeline(encoders={"words": Tfidf(min_df=1)}, recommender=Covisit()).fit(train)
    if saved:
        model.save(tmp_path / "model")
        model = load(tmp_path / "model")
    path = tmp_path / "new.csv"
    path.write_text("code,label,item_id,cast\nc,Urn,3,Cy;Di\n")
    model.add_items(path)
    assert model.data_.items.rows()[-1] == ("c", "Urn", 3, ["Cy", "Di"])
    model.add_items(pl.DataFrame({"item_id": ["d"], "title": ["Jug"]}))
    assert model.item_ids.tolist() == ["a", "b", "c", "d"]


def with_times(data):
    return data.with_interactions(data.interactions.with_columns(timestamp=pl.Series([1.0, 2.0])))


def test_our_own_name_wins_where_the_catalogue_had_it_not(goods):
    new = pl.DataFrame({"productId": ["sku-1"], "item_id": ["14"], "headline": ["Bell"]})
    assert arriving(new, goods)["item_id"].to_list() == ["14"]


def test_titles_in_lists_arrive_as_texts(tmp_path):
    data = catalogue(tmp_path, "csv")
    lines = '{"item": "c", "title": ["red tea 0"]}\n{"item": "d", "title": ["a", "b"]}\n'
    assert arrived(tmp_path, data, "jsonl", lines)["title"].to_list() == ["red tea 0", "a, b"]


def test_remarks_are_told_at_info(tmp_path, caplog):
    data = catalogue(tmp_path, "csv")
    with caplog.at_level("INFO", logger="palate"):
        arrived(tmp_path, data, "csv", "item,title,zip\nc,A &amp; B,N/A\n\n")
    said = [record.getMessage() for record in caplog.records if record.levelname == "INFO"]
    assert any("left out 1 row with nothing in it" in line for line in said)
    assert any("column 'title': HTML in 1 row, decoded" in line for line in said)
    assert any("column 'zip': 'N/A' in 1 row, taken as missing" in line for line in said)


def test_a_file_in_another_encoding(shop, tmp_path):
    path = tmp_path / "new.csv"
    path.write_bytes("item_id,title\nx,青花瓷茶壶\n".encode("gb18030"))
    model = Pipeline(encoders={}, recommender=Covisit()).fit(shop)
    with pytest.raises(DataError, match='encoding="gb18030"'):
        model.add_items(path)
    model.add_items(path, encoding="gb18030")
    assert model.data_.items["title"][-1] == "青花瓷茶壶"


@pytest.mark.parametrize(
    ("column", "value", "kind"),
    [
        ("price", {"a": 1}, "numbers"),
        ("price", dt.timedelta(days=1), "numbers"),
        ("price", dt.date(2024, 1, 1), "numbers"),
        ("price", dt.time(1), "numbers"),
        ("stock", 0.5, "true or false"),
        ("note", {"a": 1}, "text"),
        ("note", b"x", "text"),
        ("note", dt.timedelta(days=1), "text"),
        ("tags", b"x", "lists of text"),
        ("tags", [b"x"], "lists of text"),
        ("tags", {"a": 1}, "lists of text"),
        ("sizes", [dt.date(2024, 1, 1)], "lists of numbers"),
    ],
)
def test_values_of_another_kind_are_never_made_to_fit(column, value, kind):
    items = pl.DataFrame(
        {
            "item_id": ["a", "b"],
            "title": ["red tea", "green tea"],
            "price": [1, 2],
            "stock": [True, False],
            "note": ["x", "y"],
            "tags": [["x"], ["y"]],
            "sizes": [[1], [2]],
        }
    )
    data = read(pl.DataFrame({"user_id": ["u", "v"], "item_id": ["a", "b"]}), items)
    new = pl.DataFrame({"item_id": ["n"], column: [value]})
    with pytest.raises(DataError, match=f"column '{column}' must be {kind}, as in the catalogue"):
        arriving(new, data)


def test_numbers_and_dates_of_a_frame_are_text_where_the_catalogue_has_text():
    items = pl.DataFrame({"item_id": ["a", "b"], "note": ["x", "y"]})
    data = read(pl.DataFrame({"user_id": ["u", "v"], "item_id": ["a", "b"]}), items)
    for value, text in ((3.0, "3"), (True, "true"), (dt.date(2024, 1, 1), "2024-01-01")):
        new = pl.DataFrame({"item_id": ["n"], "note": [value]})
        assert arriving(new, data)["note"].to_list() == [text]
