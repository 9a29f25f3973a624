"""Rows are called by their line where that is true, else by their row."""

import gzip
import json

import polars as pl
import pytest

from palate.core.errors import DataError
from palate.data.read import read

ROWS = [("u1", "a"), ("u2", "b"), ("", "c"), ("u4", "d"), ("", "e")]
LINES = [json.dumps({"user": user or None, "item": item}) for user, item in ROWS]


def separated(mark: str, header: str = "user,item", end: str = "\n") -> str:
    lines = [header, *(",".join(row) for row in ROWS)]
    return "".join(line.replace(",", mark) + end for line in lines)


def complaint(source, items=None) -> str:
    with pytest.raises(DataError) as caught:
        read(source, items)
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("log.csv", separated(",").encode()),
        ("log.csv", separated(";", end="\r\n").encode()),
        ("log.csv", separated(",").rstrip("\n").encode()),
        ("log.csv.gz", gzip.compress(separated(",").encode(), mtime=0)),
        ("log.tsv", separated("\t").encode()),
        ("log.inter", separated("\t", "user:token,item:token").encode()),
        ("log.csv", separated(",").replace("u1", 'a "b"').encode()),
    ],
)
def test_lines_below_a_header(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    assert f"{name}: column 'user' is missing in line 4, 6." in complaint(tmp_path / name)


@pytest.mark.parametrize("end", ["\n", ""])
def test_lines_of_records(tmp_path, end):
    path = tmp_path / "log.jsonl"
    path.write_text("\n".join(LINES) + end)
    assert "column 'user' is missing in line 3, 5." in complaint(path)


def test_lines_with_nothing_in_them_are_counted(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text(separated(",").replace("u2", "\n,\nu2"))
    assert "column 'user' is missing in line 6, 8." in complaint(path)


def test_lines_of_a_catalogue(tmp_path):
    path = tmp_path / "items.csv"
    path.write_text("item,title\na,one\n\n,two\n")
    log = pl.DataFrame({"user": ["u"], "item": ["a"]})
    assert "items.csv: column 'item' is missing in line 4." in complaint(log, path)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("log.csv", separated(",").replace("u2", '"u\n2"')),
        ("log.jsonl", "\n\n".join(LINES)),
        ("log.json", "[" + ",\n".join(LINES) + "]"),
    ],
)
def test_rows_where_a_line_is_no_row(tmp_path, name, content):
    (tmp_path / name).write_text(content)
    assert "column 'user' is missing in row 3, 5." in complaint(tmp_path / name)


def test_rows_of_a_frame():
    users = [user or None for user, _ in ROWS]
    frame = pl.DataFrame({"user": users, "item": [item for _, item in ROWS]})
    assert "column 'user' is missing in row 3, 5." in complaint(frame)
