"""`palate encode` as a person types it."""

import json

import polars as pl
import pytest


@pytest.fixture
def album(tmp_path, monkeypatch, letters):
    """A folder of three files, one of which is bad, and tables that name them."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "files").mkdir()
    for name, said in (("a", "3 4"), ("b", "words"), ("c", "5 12")):
        (tmp_path / "files" / f"{name}.txt").write_text(said)
    lines = ["a.txt", "b.txt", "c.txt", None]
    frame = pl.DataFrame({"id": ["w", "x", "y", "z"], "line": lines, "genres": "one;two"})
    frame.write_csv(tmp_path / "album.csv")
    return tmp_path


def test_files_are_encoded_from_a_folder(command, album, media_spec):
    words = ("encode", "album.csv", "--encoder", media_spec, "--out", "out", "--folder", "files")
    done = command(*words)
    assert done.code == 1
    assert "row 2 (item 'x'): b.txt in " in done.err
    assert "leave such rows out: --on-error skip" in done.err
    assert not (album / "out").exists()
    done = command(*words, "--on-error", "skip", "--json", "report.json")
    assert done.code == 0, done.err
    assert "3 of 4 rows are in" in done.out
    assert "1 of them has no line" in done.out
    assert "1 row was left out" in done.out
    assert "left out" not in done.err, "once is enough"
    told = json.loads((album / "report.json").read_text())
    assert {
        "written": 3,
        "missing": 1,
        "bad": 1,
        "skipped": 1,
        "encoded": 2,
    }.items() <= told.items()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--list", "genres"], "--list 'genres' names no mark: write NAME=MARK"),
        (["--list", "genre=;"], "no column 'genre' (for lists). Did you mean 'genres'?"),
        (["--template", "{line}"], "name the column of lines with --column"),
        (["--column", "genre"], "Did you mean 'genres'?"),
    ],
)
def test_what_cannot_be_is_said_in_options(command, album, media_spec, spec, words, said):
    encoder = spec if words[0] == "--list" else media_spec
    done = command("encode", "album.csv", "--encoder", encoder, "--out", "out", *words)
    assert done.code == 1
    assert said in done.err


def test_lists(command, album, spec, letters):
    words = ("--encoder", spec, "--out", "out", "--column", "genres", "--list", "genres=;")
    assert command("encode", "album.csv", *words).code == 0
    assert letters.ASKED == [["one, two"] * 4]


def test_a_table_in_another_encoding(command, tmp_path, monkeypatch, spec):
    monkeypatch.chdir(tmp_path)
    rows = "item_id,title\n1,小号帐篷，防水\n2,青花瓷茶壶\n"
    (tmp_path / "items.csv").write_bytes(rows.encode("gb18030"))
    words = ("encode", "items.csv", "--encoder", spec, "--out", "out")
    done = command(*words)
    assert done.code == 1
    assert "--encoding gb18030 ('1,小号帐篷，防水'): say so" in done.err
    done = command(*words, "--encoding", "gb18030")
    assert done.code == 0, done.err
    done = command(*words, "--encoding", "gb1803")
    assert "--encoding gb1803 is no encoding" in done.err
