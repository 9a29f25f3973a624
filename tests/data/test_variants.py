"""Tables as people really have them: the same rows from every shape, or an error that says why."""

import datetime as dt
import gzip
import json

import pandas as pd
import polars as pl
import pytest

from palate.core.conditions import fits
from palate.core.errors import DataError, Setting
from palate.data.read import read

LOG = pl.DataFrame({"user_id": ["u", "v"], "item_id": ["a", "b"], "timestamp": [1.7e9, 1.6e9]})
ROWS = [("v", "b"), ("u", "a")]


def told(*sources, **options):
    lines = []
    data = read(*sources, **options, tell=lambda notes: lines.append(str(notes)))
    return data, "\n".join(lines)


@pytest.mark.parametrize(
    "levels", [["timestamp"], ["user_id"], ["user_id", "item_id"], ["item_id", "timestamp"]]
)
def test_the_named_index_of_a_pandas_frame_is_a_column(levels):
    data, said = told(LOG.to_pandas().set_index(levels))
    assert data.interactions.select("user_id", "item_id").rows() == ROWS
    assert "timestamp" in data.interactions.columns
    assert "is taken as a column" in said
    items = pd.DataFrame({"title": ["tea", "cup"]}, index=pd.Index(["a", "b"], name="item_id"))
    assert read(LOG, items).items["item_id"].to_list() == ["a", "b"]


@pytest.mark.parametrize("name", [None, "user_id", 3, ("a", "b")])
def test_another_index_stays_apart(name):
    frame = LOG.to_pandas()
    frame.index = pd.Index([7, 8], name=name)
    assert read(frame).interactions.select("user_id", "item_id").rows() == ROWS


@pytest.mark.parametrize("name", ["log.csv", "log.csv.gz", "log.tsv", "log.jsonl"])
def test_line_ends_that_were_written_twice(write, name):
    text = LOG.write_csv(separator="\t" if "tsv" in name else ",").replace("\n", "\r\r\n")
    if "jsonl" in name:
        text = LOG.write_ndjson().replace("\n", "\r\r\n")
    content = text.encode()
    data = read(write(name, gzip.compress(content) if name.endswith("gz") else content))
    assert data.interactions.select("user_id", "item_id").rows() == ROWS


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("name", ["title", "标题"])  # the second holds bytes that are no UTF-8
@pytest.mark.parametrize("title", ["红茶", "Müller Käse", "Зелёный чай"])
def test_utf_16_without_a_mark_is_found(write, encoding, name, title):
    path = write("items.csv", f"item_id,{name}\na,{title}\nb,x\n".encode(encoding))
    with pytest.raises(DataError) as raised:
        read(LOG, path)
    assert f'encoding="{encoding}"' in str(raised.value)
    assert name == "title" or "item_id,标题" in str(raised.value)
    assert read(LOG, path, encoding={"items": encoding}).items["title"][0] == title


def test_a_list_of_records_is_read_whatever_it_is_called(write):
    content = json.dumps([{"user_id": "v", "item_id": "b"}, {"user_id": "u", "item_id": "a"}])
    for indented in (content, content.replace("},", "},\n")):
        assert read(write("log.jsonl", indented)).interactions.rows() == ROWS


@pytest.mark.parametrize("name", ["log.csv", "log.tsv", "log.dat"])
def test_json_under_another_name(write, name):
    with pytest.raises(DataError, match=r"is JSON: end its name with \.json, or with \.jsonl"):
        read(write(name, '[{"user_id": "u", "item_id": "a"}]\n'))


@pytest.mark.parametrize("name", ["log.csv.gz", "log.parquet.gz"])
def test_what_is_packed_in_a_way_that_is_not_read(write, name):
    once = gzip.compress(b"PAR1" if "parquet" in name else gzip.compress(b"user_id,item_id\n"))
    with pytest.raises(DataError, match="is packed twice, or is no text"):
        read(write(name, once))


def test_a_function_of_somebody_in_a_lazy_frame_that_fails():
    def failing(value):
        raise ZeroDivisionError(f"no {value}")

    lazy = LOG.lazy().with_columns(pl.col("user_id").map_elements(failing, return_dtype=pl.String))
    with pytest.raises(DataError, match="the lazy frame of interactions cannot be read: no u"):
        read(lazy)


def test_a_function_of_somebody_in_an_expression_that_fails():
    def failing(value):
        raise ZeroDivisionError(f"no {value}")

    expression = pl.col("item_id").map_elements(failing, return_dtype=pl.Boolean)
    with pytest.raises(DataError, match=r"positive=.*no [ab]"):
        read(LOG, positive=expression)
    with pytest.raises(DataError, match=r"where=.*no [ab]"):
        fits(LOG, expression, Setting("where"))


def test_ids_that_look_alike_are_told():
    log = pl.DataFrame({"user_id": ["caf\u00e9", "cafe\u0301", "１", "1"], "item_id": list("abab")})
    data, said = told(log)
    assert len(data.user_ids) == 4
    assert "these ids look alike, and are not the same: 'caf\u00e9', 'cafe\u0301', '１'" in said
    assert "look alike" not in told(LOG)[1]


@pytest.mark.parametrize(
    ("theirs", "ours", "how"),
    [("caf\u00e9", "cafe\u0301", "NFC"), ("１２", "12", "NFKC")],
)
def test_ids_in_another_form_of_unicode_are_hinted_at(theirs, ours, how):
    log = pl.DataFrame({"user_id": ["u"], "item_id": [theirs]})
    with pytest.raises(DataError, match=rf"1 of them would be known with .*\({how}\)"):
        read(log, pl.DataFrame({"item_id": [ours], "title": ["tea"]}))


def test_numbers_of_items_that_32_bits_cannot_hold_are_named(write):
    items = write("items.csv", "item_id,title,price\na,tea,1e308\nb,cup,2\n")
    with pytest.raises(DataError, match=r"column 'price' is beyond 3e\+38 in line 2"):
        read(LOG, items)


@pytest.mark.parametrize("title", [b"tea", dt.timedelta(days=1)])
def test_titles_that_are_no_text(title):
    with pytest.raises(DataError, match=r"column 'title' holds .*; it must hold text"):
        read(LOG, pl.DataFrame({"item_id": ["a", "b"], "title": [title, title]}))
