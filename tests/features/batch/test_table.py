"""Tables of any length: files, their rows, and what is wrong with them."""

import gzip
import os

import polars as pl
import pytest

from palate.core.errors import DataError
from palate.features.batch import table as table_module
from palate.features.batch.table import open_source


@pytest.fixture
def source(tmp_path):
    """Three files of 3, 0 and 5 rows; numbers run on."""
    folder = tmp_path / "table"
    folder.mkdir()
    frame = pl.DataFrame({"n": range(8), "t": [f"t{n}" for n in range(8)]})
    frame[:3].write_parquet(folder / "a.parquet")
    frame[:0].write_parquet(folder / "b.parquet")
    frame[3:].write_parquet(folder / "c.parquet", row_group_size=2)
    return open_source(folder, staged=tmp_path / "staged")


def test_rows_are_counted_over_all_files(source):
    assert len(source) == 8
    assert source.lengths == (3, 0, 5)
    for start, stop in ((0, 8), (2, 4), (3, 5), (7, 8)):
        frame = source.read(start, stop, ["t", "n", "t"])
        assert frame["n"].to_list() == list(range(start, stop))
        assert frame.columns == ["t", "n"]
    assert source.place(2).endswith("a.parquet, row 3")
    assert source.place(3).endswith("c.parquet, row 1")


def test_columns_must_be_in_all_files_and_alike(tmp_path):
    pl.DataFrame({"n": [1], "t": ["x"], "u": ["y"]}).write_parquet(tmp_path / "a.parquet")
    pl.DataFrame({"n": [1.5], "t": ["x"]}).write_parquet(tmp_path / "b.parquet")
    source = open_source(tmp_path, staged=tmp_path / "staged")
    source.check(["t"], what="texts")
    assert set(source.schema) == {"n", "t"}
    with pytest.raises(DataError, match=r"b.parquet has no column 'u' \(texts\)"):
        source.check(["u"], what="texts")
    with pytest.raises(DataError, match=r"'n' holds Float64 in .*b.parquet, but Int64 in .*a.par"):
        source.check(["n"], what="texts")


def fails(path, said, **options):
    with pytest.raises(DataError, match=said):
        open_source(path, staged=path.parent / "staged", **options)


def test_what_is_no_table(tmp_path, write):
    os.mkfifo(tmp_path / "pipe.csv")
    fails(tmp_path / "pipe.csv", "is a pipe or a device")
    (tmp_path / "pipe.csv").unlink()
    fails(tmp_path / "itmes.parquet", "no such file or folder")
    pl.DataFrame({"n": [1]}).write_parquet(tmp_path / "items.parquet")
    fails(tmp_path / "itmes.parquet", "Did you mean 'items.parquet'")
    write("vectors/manifest.json", "{}")
    write("notes.txt", "x")
    fails(tmp_path / "vektors", r"no such file or folder\. Known: items.parquet\.$")
    fails(write("table.xlsx", "x"), "is no known kind of table")
    fails(write("empty/notes.md", "x").parent, "holds no table")
    write("mixed/a.csv", "n\n1\n")
    fails(write("mixed/b.jsonl", '{"n": 1}').parent, "different kinds")
    pl.DataFrame({"n": []}).write_parquet(tmp_path / "none.parquet")
    fails(tmp_path / "none.parquet", "has no rows")
    whole = (tmp_path / "items.parquet").read_bytes()
    fails(write("cut.parquet", whole[:-5]), "cut.parquet cannot be read: .*write it again")
    fails(write("bad.jsonl", '{"n": 1}\n{"n": '), "bad.jsonl cannot be read")


def test_text_is_parquet_once_and_again_when_it_changed(tmp_path, write):
    path = write("items.csv", 'id;t\n1;"say ""x"""\n2;\n')
    staged = tmp_path / "staged"
    source = open_source(path, staged=staged)
    assert source.read(0, 2, ["id", "t"]).rows() == [("1", 'say "x"'), ("2", None)]
    assert open_source(path, staged=staged).files == source.files
    write("items.csv", "id;t\n1;x\n2;y\n3;z\n")
    assert len(open_source(path, staged=staged)) == 3
    path = write("packed.csv.gz", gzip.compress(b"id,t\n1,x\n"))
    assert len(open_source(path, staged=staged)) == 1


def test_broken_bytes_in_text_files(write, tmp_path):
    path = write("items.csv", "id,t\n1,zwölf\n2,x\n".encode("latin-1"))
    fails(path, "on_error=")
    with pytest.warns(RuntimeWarning, match="no UTF-8 became .*, 1 times"):
        source = open_source(path, staged=tmp_path / "staged", on_error="skip")
    assert source.read(0, 2, ["t"])["t"].to_list() == ["zw�lf", "x"]


@pytest.fixture
def latin(tmp_path):
    """Parquet that says UTF-8 and is not, in its third row; another file is fine."""
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    texts = pa.array([b"a", b"b", "zwölf".encode("latin-1"), None, b"e"], pa.binary())
    lying = pa.StringArray.from_buffers(5, texts.buffers()[1], texts.buffers()[2])
    table = pa.table({"n": [1, 2, 3, 4, 5], "t": lying})
    folder = tmp_path / "table"
    folder.mkdir()
    parquet.write_table(table, folder / "b.parquet", row_group_size=2)
    pl.DataFrame({"n": [0], "t": ["first"]}).write_parquet(folder / "a.parquet")
    return open_source(folder, staged=tmp_path / "staged")


def test_texts_that_are_not_utf8_come_as_bytes(latin):
    frame = latin.read(0, 5, ["n", "t"])
    assert frame["n"].to_list() == [0, 1, 2, 3, 4]
    assert frame["t"].to_list()[:4] == [b"first", b"a", b"b", b"zw\xf6lf"]
    assert latin.read(3, 4, ["t"])["t"].to_list() == [b"zw\xf6lf"]
    assert latin.read(0, 2, ["t"])["t"].to_list() == ["first", "a"]


def test_without_pyarrow_they_are_an_error(latin, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert table_module.read_as_bytes(latin.files[1], 0, 5, ["t"]) is None
    with pytest.raises(DataError, match=r"rows 1 to 4, cannot be read.*Write such texts as UTF-8"):
        latin.read(0, 5, ["t"])
