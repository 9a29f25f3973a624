"""Tables of text that are turned into Parquet, broken ones too."""

import gzip

import pytest

from palate.core.errors import DataError
from palate.features.batch import table
from palate.features.batch.table import open_source


@pytest.fixture
def rows(tmp_path):
    def rows(path, columns, on_error="skip"):
        source = open_source(path, staged=tmp_path / "staged", on_error=on_error)
        assert [file.suffix for file in (tmp_path / "staged").iterdir()] == [".parquet"]
        return source.read(0, len(source), columns).rows()

    return rows


LINES = (
    b'{"id": 1, "t": "x"}\n{"id": 2, "t": "zw\xf6lf"}\n{"id": 3, "t": \n\n[4]\n{"id": 5, "t": 6}\n'
)


def test_lines_that_are_no_records_are_empty_rows(write, rows):
    path = write("items.jsonl", LINES)
    wanted = [(1, "x"), (2, "zw\ufffdlf"), (None, None), (None, None), (5, "6")]
    with pytest.warns(RuntimeWarning, match=r"items.jsonl: .* became .*, 1 times"):
        assert rows(path, ["id", "t"]) == wanted
    with pytest.raises(DataError, match=r"items.jsonl, line 2: byte 0xf6.*latin-1.*on_error="):
        rows(path, ["id", "t"], on_error="raise")


def test_records_that_json_forbids(write, rows):
    deep = b'{"id": 4, "t": ' + b"[" * 100_000 + b"\n"
    path = write("items.jsonl", b'{"id": 1, "t": NaN}\n{"id": 2, "t": "\\ud800"}\n' + deep)
    assert rows(path, ["id", "t"]) == [(None, None), (2, "?"), (None, None)]


def test_a_column_that_changes_its_type_late(write, rows, monkeypatch):
    monkeypatch.setattr(table, "_PROBE_LINES", 1)
    path = write("items.jsonl", '{"id": 1}\n{"id": "b"}\n')
    assert rows(path, ["id"]) == [("1",), ("b",)]


@pytest.mark.parametrize("packed", [False, True])
def test_broken_bytes_leave_marks_and_quotes_as_they_are(write, rows, packed, monkeypatch):
    monkeypatch.setattr(table, "_BLOCK", 5)  # a character is cut in two
    content = 'id;t\n1;"say ""zwölf"""\n2;'.encode() + b"zw\xf6lf\n"
    path = write("items.csv.gz", gzip.compress(content)) if packed else write("items.csv", content)
    with pytest.warns(RuntimeWarning, match=r"items.csv.*: .* became .*, 1 times"):
        assert rows(path, ["id", "t"]) == [("1", 'say "zwölf"'), ("2", "zw\ufffdlf")]


def test_what_is_beyond_mending_is_named_by_its_own_name(write, rows):
    with pytest.raises(DataError, match=r"items.csv: two columns are called 't'") as caught:
        rows(write("items.csv", b"id,t,t\n1,\xf6,y\n"), ["id"])
    assert "mended" not in str(caught.value)


TITLES = ["小号帐篷，防水", "青花瓷茶壶", "龙井绿茶"]


@pytest.mark.parametrize("name", ["items.csv", "items.csv.gz", "items.jsonl"])
@pytest.mark.parametrize("encoding", ["gb18030", "utf-16"])
def test_tables_in_other_encodings(write, tmp_path, name, encoding):
    text = "id,t\n" + "".join(f"{n},{title}\n" for n, title in enumerate(TITLES))
    if name.endswith("jsonl"):
        text = "".join(f'{{"id": {n}, "t": "{title}"}}\n' for n, title in enumerate(TITLES))
    content = text.encode(encoding)
    path = write(name, gzip.compress(content) if name.endswith("gz") else content)
    with pytest.raises(DataError, match=f'encoding="{encoding}"'):
        open_source(path, staged=tmp_path / "staged")
    source = open_source(path, staged=tmp_path / "staged", encoding=encoding)
    assert source.read(0, 3, ["t"])["t"].to_list() == TITLES
    assert [file.suffix for file in (tmp_path / "staged").iterdir()] == [".parquet"]


def test_an_encoding_that_is_not_the_table_s(write, tmp_path):
    path = write("items.csv", "id,t\n" + "\n".join(f"{n},{t}" for n, t in enumerate(TITLES)))
    for encoding, said in (
        ("latin-1", 'is in UTF-8: encoding="latin-1" makes .* Leave encoding= out'),
        ("hex", "is no encoding"),
    ):
        with pytest.raises(DataError, match=said):
            open_source(path, staged=tmp_path / "staged", encoding=encoding)
    path = write("items.csv", b"id,t\n1,caf\xe9\n")
    with pytest.raises(DataError, match=r"line 2: byte 0xe9 is not ascii.*latin-1"):
        open_source(path, staged=tmp_path / "staged", encoding="ascii")


def test_broken_bytes_of_another_encoding(write, rows, tmp_path):
    path = write("items.csv", "id,t\n1,茶\n2,".encode("gb18030") + b"\xff\xff\n")
    with pytest.warns(RuntimeWarning, match="no GB18030 became"):
        source = open_source(path, staged=tmp_path / "staged", on_error="skip", encoding="gb18030")
    assert source.read(0, 2, ["t"])["t"][0] == "茶"
