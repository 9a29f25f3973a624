import os
from pathlib import Path

import pytest

from palate.core.errors import DataError
from palate.features.encoders.media import sources as sources_module
from palate.features.encoders.media.sources import (
    Sources,
    UnreadableError,
    allowed_folder,
    as_sources,
)


@pytest.fixture
def folder(tmp_path):
    inside = tmp_path / "photos"
    (inside / "deep").mkdir(parents=True)
    (inside / "a.jpg").write_bytes(b"first")
    (inside / "deep" / "b.jpg").write_bytes(b"second")
    (tmp_path / "secret.txt").write_bytes(b"nobody's business")
    return inside


def test_paths_start_in_the_folder(folder):
    values = ["a.jpg", None, "deep/b.jpg", Path("deep/../a.jpg"), str(folder / "deep/b.jpg")]
    sources = Sources(values, folder)
    assert sources.given == [0, 2, 3, 4]
    assert [sources.read(row) for row in sources.given] == [
        b"first",
        b"second",
        b"first",
        b"second",
    ]


def test_bytes_are_what_they_are(folder):
    sources = Sources([b"\x00\xff content"], folder)
    assert sources.read(0) == b"\x00\xff content"
    assert sources.name(0) == "10 bytes"
    assert Sources(["a.jpg"], folder).name(0) == "a.jpg"


def test_the_digest_is_of_the_content(folder):
    sources = Sources(["a.jpg", b"first", "deep/b.jpg"], folder)
    assert sources.digest(0) == sources.digest(1) != sources.digest(2)
    assert len(sources.digest(0)) == 16


@pytest.mark.parametrize(
    "name", ["../secret.txt", "deep/../../secret.txt", "/etc/hostname", "..", "link.jpg", "links/x"]
)
def test_no_path_leads_out_of_the_folder(folder, name):
    (folder / "link.jpg").symlink_to(folder.parent / "secret.txt")
    (folder / "links").symlink_to(folder.parent)
    with pytest.raises(UnreadableError, match="leads out of the folder"):
        Sources([name], folder).read(0)


@pytest.mark.parametrize(
    "name", ["..\\secret.txt", "C:\\secret.txt", "\\\\host\\share\\secret.txt"]
)
def test_no_path_as_windows_writes_it_leads_out_either(folder, name):
    with pytest.raises(UnreadableError, match=r"no such file|leads out of the folder"):
        Sources([name], folder).read(0)


def test_a_folder_whose_name_begins_alike_is_outside(folder):
    twin = folder.with_name("photos-of-others")
    twin.mkdir()
    (twin / "a.jpg").write_bytes(b"theirs")
    with pytest.raises(UnreadableError, match="leads out"):
        Sources(["../photos-of-others/a.jpg"], folder).read(0)


def test_links_inside_and_a_linked_folder_are_fine(folder, tmp_path):
    (folder / "same.jpg").symlink_to(folder / "a.jpg")
    place = tmp_path / "linked"
    place.symlink_to(folder)
    assert Sources(["same.jpg"], place).read(0) == b"first"


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("gone.jpg", "no such file"),
        ("deep", "no file"),
        ("a.jpg/b.jpg", "cannot be read: Not a directory"),
        ("x" * 5000, "cannot be read: File name too long"),
        ("nul\0.jpg", "no path"),
        ("half \ud800 pair.jpg", "no path"),
        ("https://example.com/a.jpg", "an address"),
        ("loop.jpg", "cannot be read: Too many levels"),
        ("pipe.jpg", "no file"),
        ("empty.jpg", "empty"),
        (b"", "empty"),
    ],
)
def test_what_cannot_be_read_says_why(folder, value, why):
    (folder / "empty.jpg").touch()
    (folder / "loop.jpg").symlink_to(folder / "loop.jpg")
    os.mkfifo(folder / "pipe.jpg")
    with pytest.raises(UnreadableError, match=why):
        Sources([value], folder).read(0)


def test_huge_files_are_not_read(folder, monkeypatch):
    monkeypatch.setattr(sources_module, "MAX_BYTES", 2**20)
    with (folder / "huge.jpg").open("wb") as file:
        file.truncate(2**20 + 1)
    with pytest.raises(UnreadableError, match="larger than 1 MiB"):
        Sources(["huge.jpg"], folder).read(0)


def test_the_folder_must_be_there(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder.parent))
    assert allowed_folder("~/photos") == folder
    for name in ("~/nothing", str(folder / "a.jpg")):
        with pytest.raises(DataError, match="there is no folder"):
            allowed_folder(name)


def test_what_is_given_by_hand_is_paths_or_bytes():
    given = ["a.jpg", None, b"1", Path("b.jpg")]
    assert as_sources(given) == given
    assert as_sources([bytearray(b"1"), memoryview(b"2")]) == [b"1", b"2"]
    for alone in ("a.jpg", b"1", Path("a.jpg")):
        with pytest.raises(DataError, match="must be a list of paths or bytes, not one"):
            as_sources(alone)
    with pytest.raises(DataError, match="or None where there is none, not 'int', 'list'"):
        as_sources(["a.jpg", 3, [1]])
