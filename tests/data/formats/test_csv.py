"""Quotes: what is in order, what can be mended, and what is a fault."""

import csv
import io

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from palate.core.errors import DataError
from palate.data.formats import csv as csv_module
from palate.data.formats.csv import first_fault, has_wide_rows, in_order, mended
from palate.data.formats.open import open_table

FIELDS = st.text('ab" ,\n', max_size=5)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('a,b\n"x","y, ""z"""\n"",""', True),
        ('"a","b"\r\n"x\r\ny","z"\r\n', True),
        ('\ufeff"a",b\n', True),
        ('a,6" nail\n', False),
        ('a,"open\n', False),
        ('a,"shut"x\n', False),
        ('a, "x"\n', False),
        ('a;"x"\n', False),
    ],
)
def test_what_is_in_order(text, expected, tmp_path, monkeypatch):
    (tmp_path / "a.csv").write_bytes(text.encode())
    for chunk in (1, 2, 3, 2**26):
        monkeypatch.setattr(csv_module, "_CHUNK", chunk)
        assert in_order(text.encode(), ",") is expected
        assert in_order(tmp_path / "a.csv", ",") is expected


@pytest.mark.parametrize(
    ("text", "wide"),
    [
        ("a,b\n1,2\n3\n\n", False),
        ("a,b\n1,2,3\n", True),
        ("a,b\n1,2\n1,2,3", True),
        ('a,b\n"1,\n1",2\n', False),
        ('a,b\n"1,""\n1",2,3\n', True),
        ("a\n1\n2,3\n", True),
        ("a,b", False),
    ],
)
def test_lines_with_more_fields_than_the_first_are_found(text, wide, tmp_path, monkeypatch):
    (tmp_path / "a.csv").write_bytes(text.encode())
    for chunk in (1, 2, 3, 5, 2**26):
        monkeypatch.setattr(csv_module, "_CACHED", chunk)
        assert has_wide_rows(text.encode(), ",", quotes=True) is wide
        assert has_wide_rows(tmp_path / "a.csv", ",", quotes=True) is wide
    assert has_wide_rows(b'a,b\n"1,2,3"\n', ",", quotes=False)


@given(st.lists(st.tuples(FIELDS, FIELDS), min_size=1, max_size=4), st.sampled_from(["\n", "\r\n"]))
def test_what_a_writer_of_tables_writes_is_in_order(rows, line_end):
    file = io.StringIO()
    csv.writer(file, lineterminator=line_end).writerows(rows)
    text = file.getvalue()
    assert in_order(text.encode(), ",")
    assert first_fault(text, "a.csv", separator=",", quotes=True) is None
    assert mended(text, ",") == text


@given(st.lists(st.tuples(FIELDS, FIELDS), min_size=1, max_size=4))
def test_whatever_is_read_is_what_the_standard_library_reads(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("quotes") / "a.csv"
    text = "one,two\n" + "".join(f"{first},{second}\n" for first, second in rows)
    path.write_bytes(text.encode())
    wanted = [tuple([*row, "", ""][:2]) for row in csv.reader(io.StringIO(text, newline=""))]
    found, said = read_all(path)
    assert found == wanted[1:] or "a.csv, line " in said


def read_all(path):
    """The rows, or what is said in their place."""
    try:
        table = open_table(path, what="items", key="item_id", encoding="utf-8")
        rows = table.collect([pl.all()]).rows()
    except DataError as error:
        return None, str(error)
    return [tuple(value or "" for value in row) for row in rows], ""
