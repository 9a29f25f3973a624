import gzip
import json
import logging

import narwhals as nw
import pandas as pd
import polars as pl
import pytest

from palate.data.notes import describe
from palate.data.read import read

EVENTS = pl.DataFrame(
    {
        "user_id": ["7", "8", "7", "9"],
        "item_id": ["a", "b", "b", "a"],
        "timestamp": [30, 10, 20, 20],
        "rating": [5.0, 1.0, 3.5, 4.0],
    }
)
IN_ORDER = [
    ("8", "b", 10.0, 1.0),
    ("7", "b", 20.0, 3.5),
    ("9", "a", 20.0, 4.0),
    ("7", "a", 30.0, 5.0),
]


def rows(data, *names):
    return data.events.select(names or ("user_id", "item_id", "timestamp", "value")).rows()


def read_with_notes(*sources, **settings):
    told = []
    return read(*sources, **settings, tell=told.append), told[0]


def write(path, content):
    content = content.encode() if isinstance(content, str) else content
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


CSV = EVENTS.write_csv()
TSV = EVENTS.write_csv(separator="\t")
ATOMIC = TSV.replace(
    "user_id\titem_id\ttimestamp\trating",
    "user_id:token\titem_id:token\ttimestamp:float\trating:float",
)
LINES = EVENTS.write_ndjson()
RECORDS = json.dumps(EVENTS.to_dicts(), indent=1)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("log.csv", CSV),
        ("log.csv.gz", CSV),
        ("log.csv", CSV.replace(",", ";")),
        ("log.csv", CSV.replace("\n", "\r\n")),
        ("log.csv", "\ufeff" + CSV),
        ("log.tsv", TSV),
        ("log.tsv.gz", TSV),
        ("log.inter", ATOMIC),
        ("log.inter.gz", ATOMIC),
        ("log.jsonl", LINES),
        ("log.ndjson.gz", LINES),
        ("log.json", RECORDS),
        ("log.json.gz", RECORDS),
        ("log.json", LINES),
    ],
)
def test_every_text_format_reads_the_same(tmp_path, name, content):
    data = read(write(tmp_path / name, content))
    assert rows(data) == IN_ORDER
    assert data.items["item_id"].to_list() == ["a", "b"]
    assert data.users is None


def test_parquet_and_str_paths(tmp_path):
    EVENTS.write_parquet(tmp_path / "log.parquet")
    assert rows(read(str(tmp_path / "log.parquet"))) == IN_ORDER


@pytest.mark.parametrize(
    "frame",
    [EVENTS, EVENTS.lazy(), EVENTS.to_pandas(), nw.from_native(EVENTS), EVENTS.to_arrow()],
    ids=["polars", "lazy", "pandas", "narwhals", "arrow"],
)
def test_every_frame_reads_the_same(frame):
    assert rows(read(frame)) == IN_ORDER


def test_pandas_with_gaps_categories_and_mixed_objects():
    frame = pd.DataFrame(
        {
            "user": [1.0, 2.0],
            "item": pd.Categorical(["x", "y"]),
            "ts": ["2020-09-13T12:26:41Z", 1_600_000_000],
            "rating": [None, 2.0],
        }
    )
    data = read(frame)
    assert rows(data) == [("2", "y", 1.6e9, 2.0), ("1", "x", 1.6e9 + 1, None)]


def test_ties_keep_the_order_of_the_file():
    frame = pl.DataFrame({"user": list("abcdef"), "item": list("uvwxyz"), "ts": [2, 1, 2, 1, 2, 1]})
    assert read(frame).interactions["user_id"].to_list() == list("bdface")


def test_without_times_the_order_is_that_of_the_file():
    data, notes = read_with_notes(pl.DataFrame({"user": ["b", "a", "b"], "item": ["y", "x", "w"]}))
    assert rows(data, "item_id") == [("y",), ("x",), ("w",)]
    assert data.times is None
    assert any("no times" in line for line in notes.lines())


def test_ids_keep_their_zeros_and_whole_numbers_have_no_point(tmp_path):
    path = write(tmp_path / "log.csv", "user,item\n007,1e3\n7,1.0\n")
    assert rows(read(path), "user_id", "item_id") == [("007", "1e3"), ("7", "1.0")]
    numbers = pl.DataFrame({"user": [7.0, 8.0], "item": [2**53 + 1, 2]})
    assert rows(read(numbers), "user_id", "item_id") == [("7", str(2**53 + 1)), ("8", "2")]


def test_items_and_users(tmp_path):
    items = write(
        tmp_path / "items.csv",
        'movieId,name,genres,price,zip,new\nb,"The ""Net"", 1995",Action|Comedy,9.5,00501,true\n'
        "a,1984,Drama,,85711,false\nz,Never seen,,3,10001,true\n",
    )
    users = write(tmp_path / "users.csv", "user_id,age\n9,31\n1,20\n")
    data, notes = read_with_notes(EVENTS, items, users)
    assert data.items.rows() == [
        ("b", 'The "Net", 1995', ["Action", "Comedy"], 9.5, "00501", True),
        ("a", "1984", ["Drama"], None, "85711", False),
        ("z", "Never seen", None, 3.0, "10001", True),
    ]
    assert data.items.columns == ["item_id", "title", "genres", "price", "zip", "new"]
    assert data.item_rows.tolist() == [0, 1, 1]
    assert data.event_items.tolist() == [0, 0, 1, 1]
    assert data.users.rows() == [("9", 31), ("1", 20)]
    assert any("movieId → item_id, name → title" in line for line in notes.lines())
    assert any(
        "2 people with events are not in the table of users" in line for line in notes.lines()
    )


def test_lists_by_argument():
    items = pl.DataFrame({"item": ["a", "b"], "title": ["A", "B"], "cast": ["Jo, Ann", "Bo"]})
    assert read(EVENTS, items, lists={"cast": ","}).items["cast"].to_list() == [
        ["Jo", "Ann"],
        ["Bo"],
    ]


def test_nested_lists_become_flat_and_structs_stay(tmp_path):
    content = (
        '{"asin": "a", "categories": [["Hair", "Dye"], ["Hair", "Wax"]], "extra": {"k": 1}}\n'
        '{"asin": "b", "categories": null, "extra": null}\n'
    )
    items = read(EVENTS, write(tmp_path / "meta.jsonl", content)).items
    assert items["categories"].to_list() == [["Hair", "Dye", "Wax"], None]
    assert items["extra"].to_list() == [{"k": 1}, None]


def test_a_json_mapping_from_ids(tmp_path):
    items = {"a": {"title": "Apple"}, "b": {"title": "Bread", "price": 2}}
    data = read(EVENTS, write(tmp_path / "items.json", json.dumps(items)))
    assert data.items.rows() == [("a", "Apple", None), ("b", "Bread", 2)]


def test_atomic_types(tmp_path):
    items = write(
        tmp_path / "x.item",
        "item_id:token\tmovie_title:token_seq\tclass:token_seq\tvector:float_seq\tyear:token\n"
        "a\tThe Net\tAction Comedy\t0.5 1\t1995\nb\tBig\t\t2 3\t1988\n",
    )
    assert read(EVENTS, items).items.rows() == [
        ("a", "The Net", ["Action", "Comedy"], [0.5, 1.0], 1995),
        ("b", "Big", None, [2.0, 3.0], 1988),
    ]


def test_quotes_in_tsv_are_characters(tmp_path):
    items = write(
        tmp_path / "items.tsv", 'item\ttitle\na\t"Crocodile" Dundee\nb\t6" nail\nc\t"open\n'
    )
    assert read(EVENTS, items).items["title"].to_list() == [
        '"Crocodile" Dundee',
        '6" nail',
        '"open',
    ]


def test_quotes_in_csv_hold_commas_and_lines(tmp_path):
    items = write(tmp_path / "items.csv", 'item,title\na,"one, two\nthree"\nb,"say ""hi"""\n')
    assert read(EVENTS, items).items["title"].to_list() == ["one, two\nthree", 'say "hi"']


def test_latin_1_when_told(tmp_path):
    items = write(
        tmp_path / "items.csv", "item,title\na,Café\nb,Les Misérables\n".encode("latin-1")
    )
    data = read(EVENTS, items, encoding="latin-1")
    assert data.items["title"].to_list() == ["Café", "Les Misérables"]


def test_event_weights():
    frame = pl.DataFrame(
        {"user": ["a"] * 3, "item": ["x", "y", "z"], "action": ["view", "buy", "view"]}
    )
    data, notes = read_with_notes(frame, events={"view": 1, "buy": 5, "cart": 2})
    assert data.weights.tolist() == [1, 5, 1]
    assert data.interactions["event"].to_list() == ["view", "buy", "view"]
    assert any("cart, which the table never holds" in line for line in notes.lines())
    assert read(frame).weights.tolist() == [1, 1, 1]


def test_columns_argument_and_keep():
    frame = EVENTS.rename({"item_id": "thing"}).with_columns(session=pl.Series([4, 3, 2, 1]))
    data, notes = read_with_notes(
        frame, columns={"thing": "item_id", "rating": "weight"}, keep=["session"]
    )
    assert rows(data, "item_id", "session")[0] == ("b", 3)
    assert data.weights.tolist() == [1, 3.5, 4, 5]
    assert "value" not in data.interactions.columns
    assert "thing → item_id" in notes.lines()[0]


def test_columns_that_nobody_named_are_listed():
    _, notes = read_with_notes(EVENTS.with_columns(session=pl.lit(1), city=pl.lit("x")))
    assert any("not read: session, city" in line for line in notes.lines())


def test_an_items_own_column_of_our_name_is_kept():
    items = pl.DataFrame({"item_id": [1, 2], "asin": ["a", "b"], "title": ["A", "B"]})
    data = read(EVENTS, items, columns={"asin": "item_id"})
    assert data.items["item_id"].to_list() == ["a", "b"]
    assert data.items["original_item_id"].to_list() == [1, 2]


def test_drop_unknown_says_how_many():
    items = pl.DataFrame({"item": ["b"], "title": ["B"]})
    data, notes = read_with_notes(EVENTS, items, drop_unknown=True)
    assert rows(data) == IN_ORDER[:2]
    assert any("dropped 2 events of 1 item" in line and "'a'" in line for line in notes.lines())


def test_what_was_taken_for_what_is_logged(caplog):
    with caplog.at_level(logging.INFO, logger="palate"):
        read(EVENTS)
    assert any("rating → value" in record.getMessage() for record in caplog.records)


def test_remarks_on_thin_data():
    one = EVENTS.filter(pl.col("user_id") == "7")
    items = pl.DataFrame({"item": ["a", "b"], "title": ["A", " "]})
    _, notes = read_with_notes(one, items)
    assert any("only one person" in line for line in notes.lines())
    assert any("items without any text: 'b'" in line for line in notes.lines())
    heavy = EVENTS.with_columns(weight=pl.lit(20_000))
    assert any("weights go up to 20,000" in line for line in read_with_notes(heavy)[1].lines())


def test_nan_in_items_is_missing_and_said():
    items = pl.DataFrame({"item": ["a", "b"], "title": ["A", "B"], "price": [1.0, float("nan")]})
    data, notes = read_with_notes(EVENTS, items)
    assert data.items["price"].to_list() == [1.0, None]
    assert any("'price': NaN in 1 row" in line for line in notes.lines())


def test_describe_counts():
    items = pl.DataFrame(
        {"item": ["a", "b", "c"], "title": ["A", "B", "C"], "tags": [["x"], [], []]}
    )
    said = describe(read(EVENTS, items))
    assert "4 events of 3 people with 2 of 3 items (1 item nobody touched)" in said
    assert "against: 1 of 4 events, of 1 person about 1 item, are no choices" in said
    assert "title (text), tags (list)" in said
    assert "value: least 1, mean 3.375, most 5" in said


def test_one_mapping_serves_three_tables():
    items = pl.DataFrame({"nr": ["a", "b"], "title": ["A", "B"]})
    users = pl.DataFrame({"who": ["7", "8", "9"], "age": [1, 2, 3]})
    log = EVENTS.rename({"user_id": "who", "item_id": "nr"})
    data = read(log, items, users, columns={"who": "user_id", "nr": "item_id"})
    assert rows(data) == IN_ORDER
    assert data.user_ids.tolist() == ["7", "8", "9"]
