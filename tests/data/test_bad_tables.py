"""Bad input: each error names the file, the column, the first offenders and the fix."""

import gzip

import polars as pl
import pytest

from palate.core.errors import ConfigError, DataError
from palate.data.read import read

GOOD = "user,item,ts,rating\n1,a,10,5\n2,b,20,4\n"
LOG = pl.DataFrame({"user": ["1", "2"], "item": ["a", "b"], "ts": [10, 20], "rating": [5.0, 4.0]})
NAN, INF = float("nan"), float("inf")


def fails(source, *parts, error=DataError, items=None, users=None, **options):
    with pytest.raises(error) as caught:
        read(source, items, users, **options)
    message = str(caught.value)
    for part in parts:
        assert part in message, message


def test_no_such_file_guesses(write):
    path = write("ratings.csv", GOOD)
    fails(path.parent / "rating.csv", "no such file", "Did you mean 'ratings.csv'?")
    fails(path.parent, "is a folder")


def test_unknown_kinds_of_file(write):
    fails(write("log.xlsx", "x"), "log.xlsx", ".xlsx", "Known: .csv")
    fails(write("log", "x"), "no suffix")
    fails([1, 2], "a list is no table", "polars or pandas")


@pytest.mark.parametrize("name", ["log.csv", "log.tsv", "log.inter", "log.jsonl", "log.json"])
@pytest.mark.parametrize("content", ["", "\n"])
def test_empty_files(write, name, content):
    fails(write(name, content), name, "is empty")
    fails(write(name + ".gz", gzip.compress(content.encode())), name, "is empty")


def test_header_only(write):
    fails(write("log.csv", "user,item\n"), "log.csv", "no rows")
    fails(LOG, "items.csv", "no rows", items=write("items.csv", "item,title\n"))
    fails(LOG.clear(), "the frame of interactions", "no rows")


def test_a_file_that_is_not_what_its_name_says(write):
    fails(write("log.parquet", GOOD), "log.parquet", "cannot be read")
    fails(write("log.csv.gz", GOOD), "log.csv.gz", "damaged")
    fails(write("cut.csv.gz", gzip.compress(GOOD.encode() * 50)[:-12]), "cut.csv.gz", "damaged")


def test_too_many_fields_name_the_line(write):
    path = write("log.csv", GOOD + "3,c,30,3,oops\n")
    fails(path, "log.csv, line 4: 5 fields", "header names 4")


def test_latin_1_bytes_name_the_line_and_the_fix(write):
    content = b"item,title\na,Big\nb,Caf\xe9\n"
    for path in (write("items.csv", content), write("items.csv.gz", gzip.compress(content))):
        fails(LOG, "items.csv", "line 3", "0xe9", 'encoding="latin-1"', items=path)
    fails(LOG, "line 1", 'encoding="latin-1"', items=write("i.jsonl", b'{"item": "\xe9"}\n'))
    fails(LOG, "h.csv, line 1", "0xe9", "latin-1", items=write("h.csv", b"item,caf\xe9\na,b\n"))
    wide = write("wide.csv", "item,title\na,A\nb,B\n".encode("utf-16"))
    fails(LOG, "wide.csv, line 1", 'encoding="utf-16"', items=wide)
    assert read(LOG, wide, encoding="utf-16").items["title"].to_list() == ["A", "B"]
    fails(LOG, "no encoding", items=write("i.csv", content), encoding="latin-eins")


def test_json_that_is_none(write):
    fails(
        write("log.jsonl", '{"user": 1, "item": 2}\n{"user": 1,\n'), "log.jsonl, line 2 is not JSON"
    )
    fails(write("log.jsonl", '{"user": 1, "item": 2}\n\n7\n'), "line 3", "not a record")
    fails(write("log.jsonl", '{"user": 1, "item": 2, "rating": NaN}\n'), "line 1", "NaN", "null")
    fails(write("log.json", '[{"user": 1}, 2]'), "list of records")
    fails(write("log.json", '[{"user": 1'), "not JSON")
    fails(write("log.json", "[]"), "is empty")


def test_missing_and_misspelt_columns(write):
    fails(write("log.csv", GOOD.replace("user", "usre_id")), "log.csv", "user_id", "'usre_id'")
    fails(LOG, "items.csv", "item_id", "items.csv", items=write("items.csv", "nr,title\n1,A\n"))
    fails(LOG, "'rting'", "Did you mean 'rating'?", columns={"rting": "value"})
    fails(LOG, "'sesion' to keep", keep=["sesion"])
    fails(LOG, "lists= names 'genre'", lists={"genre": ","})


def test_two_columns_of_one_name(write):
    fails(write("log.csv", "user,item,item\n1,a,b\n"), "two columns are called 'item'")


@pytest.mark.parametrize("column", ["user", "item"])
def test_missing_ids_name_the_rows(write, column):
    frame = pl.DataFrame({"user": list("abcdef"), "item": list("uvwxyz")})
    holes = frame.with_columns(
        pl.when(pl.int_range(pl.len()).is_in([1, 2, 4, 5]))
        .then(None)
        .otherwise(column)
        .alias(column)
    )
    fails(holes, f"column {column!r} is missing in row 2, 3, 5 and 1 more (4 in all)")
    fails(write("log.csv", 'user,item\n1,a\n"",b\n'), "log.csv: column 'user' is missing in line 3")


def test_ids_of_a_wrong_type():
    fails(LOG.with_columns(user=pl.Series([1.5, 2.0])), "'user'", "broken numbers (1.5)")
    fails(LOG.with_columns(item=pl.Series([True, False])), "'item'", "Boolean")
    fails(LOG.with_columns(item=pl.Series([["a"], ["b"]])), "'item'", "List")


@pytest.mark.parametrize("broken", [NAN, INF, -INF])
def test_values_that_are_not_finite(write, broken):
    fails(
        LOG.with_columns(rating=pl.Series([1.0, broken])),
        "'rating' is not finite in row 2",
        str(broken),
    )
    fails(
        write("log.csv", GOOD.replace(",4\n", f",{broken}\n")), "'rating' is not finite in line 3"
    )


def test_values_of_a_wrong_type(write):
    path = write("log.csv", GOOD + "3,c,30,good\n4,d,40,bad\n")
    fails(path, "log.csv: column 'rating' must hold numbers", "line 4, 5", "'good', 'bad'")
    fails(LOG.with_columns(rating=pl.Series([["a"], ["b"]])), "'rating' holds List")
    fails(LOG.with_columns(review=pl.Series([["a"], ["b"]])), "'review'", "must hold text")


def test_times_that_cannot_be_used(write):
    fails(write("log.csv", GOOD + "3,c,soon,3\n"), "log.csv: column 'ts' cannot be read: 'soon'")
    fails(write("log.csv", GOOD + "3,c,,3\n"), "log.csv: column 'ts' is missing", "line 4")
    fails(LOG.with_columns(ts=pl.Series([1.0, INF])), "'ts'", "not finite in row 2")


def test_events_of_unknown_items(write):
    items = write("items.csv", "item,title\nb,Bread\nc,Cake\n")
    fails(LOG, "1 event names items", "'a'", "look like 'b', 'c'", "drop_unknown=True", items=items)
    none = write("other.csv", "item,title\nx,Bread\n")
    fails(LOG, "2 events name items", items=none, drop_unknown=True)


def test_repeated_ids(write):
    content = "item,title\na,A\nb,B\na,C\nb,B\nd,D\nd,D\ne,E\ne,E\n"
    items = write("items.csv", content)
    fails(LOG, "items.csv", "'a', 'b', 'd' and 1 more (4 in all)", items=items)
    users = pl.DataFrame({"user": ["1", "1", "2"]})
    fails(LOG, "the frame of users", "'1'", users=users)


def test_infinite_numbers_in_items():
    items = pl.DataFrame({"item": ["a", "b"], "price": [1.0, INF]})
    fails(LOG, "'price' is infinite in row 2", items=items)


def test_event_weights_that_do_not_fit():
    log = LOG.with_columns(event=pl.Series(["view", "purchase"]))
    fails(
        log, "no weight for 'purchase'", "Did you mean 'purchse'?", events={"view": 1, "purchse": 5}
    )
    fails(LOG, "no column holds events", events={"view": 1})
    fails(log, "'view' is -1", error=ConfigError, events={"view": -1, "purchase": 5})
    fails(log.with_columns(weight=pl.lit(1)), "both events= and", events={"view": 1, "purchase": 2})
    holes = log.with_columns(event=pl.Series(["view", None]))
    fails(holes, "event is missing in row 2", events={"view": 1})


def test_weights_that_cannot_be_used():
    fails(
        LOG.with_columns(weight=pl.Series([1.0, -2.0])),
        "'weight' must be 0 or more",
        "row 2",
        "-2.0",
    )
    fails(LOG.with_columns(weight=pl.Series([None, 2.0])), "'weight' is missing in row 1")


def test_reading_leaves_the_files_alone(write):
    path = write("log.csv", GOOD + "3,c,soon,3\n")
    before = path.read_bytes()
    fails(path, "soon")
    assert path.read_bytes() == before


def test_an_encoding_of_chinese_is_guessed(write):
    text = "item,title\na,小号帐篷，防水\nb,青花瓷茶壶\n"
    with pytest.raises(DataError, match='encoding="gb18030"'):
        read(LOG, items=write("gbk.csv", text.encode("gbk")))
    with pytest.raises(DataError, match='encoding="latin-1"'):
        read(
            LOG, items=write("west.csv", "item,title\na,Müller Käse\nb,größer\n".encode("latin-1"))
        )


def test_ids_that_short_numbers_cannot_tell_apart_are_refused():
    ids = pl.Series("user_id", [16_777_216, 16_777_217], dtype=pl.Int64).cast(pl.Float32)
    with pytest.raises(DataError, match="'user_id' holds ids that have lost digits"):
        read(pl.DataFrame([ids, pl.Series("item_id", ["a", "b"])]))
    small = pl.DataFrame({"user_id": pl.Series([7.0], dtype=pl.Float32), "item_id": ["a"]})
    assert read(small).interactions["user_id"].to_list() == ["7"]


def test_full_width_digits_are_numbers_and_ids_stay(tmp_path):
    log, items = tmp_path / "log.csv", tmp_path / "items.csv"
    log.write_text("user_id,item_id,评分\nu１,a,５\nu２,b,４．５\n")
    items.write_text("item_id,title,price\na,茶,１２\nb,杯,３．５\n")
    data = read(log, items)
    assert data.interactions["user_id"].to_list() == ["u１", "u２"]
    assert data.interactions["value"].to_list() == [5.0, 4.5]
    assert data.items["price"].to_list() == [12.0, 3.5]
