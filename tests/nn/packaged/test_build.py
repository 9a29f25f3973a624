import errno
import os
import tempfile

import pytest

from palate.core.errors import ArtefactError
from palate.nn.packaged import build
from palate.nn.packaged.build import build_folder


@pytest.fixture(autouse=True)
def temporary(monkeypatch, tmp_path):
    """Where temporary folders lie, of which this process has none yet."""
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    monkeypatch.setattr(build, "_temporary", {})
    return place


def write(folder):
    (folder / "model.safetensors").write_bytes(b"weights")


def full(folder):
    write(folder)
    raise OSError(errno.ENOSPC, "No space left on device")


def in_cache(cache):
    return sorted(path.name for path in (cache / "models").iterdir())


def test_a_folder_is_made_once(cache):
    folder = build_folder("tiny-1", write)
    assert folder == cache / "models" / "tiny-1"
    assert build_folder("tiny-1", full) == folder
    assert in_cache(cache) == ["tiny-1"]


def test_without_a_cache_the_folder_is_this_process_s(monkeypatch, tmp_path, temporary):
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("PALATE_CACHE", str(blocked))
    with pytest.warns(RuntimeWarning, match=r"tiny-1 is unpacked for this process.*PALATE_CACHE"):
        folder = build_folder("tiny-1", write)
    assert temporary in folder.parents
    assert (folder / "model.safetensors").read_bytes() == b"weights"
    assert build_folder("tiny-1", full) == folder, "and no second warning"
    build._temporary["tiny-1"].cleanup()
    assert not list(temporary.iterdir())


def test_without_any_room_the_fix_is_named_and_nothing_is_left(cache, temporary):
    with (
        pytest.warns(RuntimeWarning, match="No space left on device"),
        pytest.raises(ArtefactError, match=r"cannot be unpacked.*let PALATE_CACHE name a folder"),
    ):
        build_folder("tiny-1", full)
    assert not list(temporary.iterdir())
    assert in_cache(cache) == []


@pytest.mark.filterwarnings("error")
def test_what_is_wrong_with_the_model_itself_is_no_matter_of_place(cache, temporary):
    def damaged(folder):
        raise ArtefactError("the package is damaged")

    with pytest.raises(ArtefactError, match="is damaged"):
        build_folder("tiny-1", damaged)
    assert in_cache(cache) == []


def test_another_process_may_be_quicker(cache):
    def raced(folder):
        write(folder)
        write_first = cache / "models" / "tiny-1"
        write_first.mkdir()
        (write_first / "model.safetensors").write_bytes(b"theirs")

    folder = build_folder("tiny-1", raced)
    assert (folder / "model.safetensors").read_bytes() == b"theirs"
    assert in_cache(cache) == ["tiny-1"]


def test_what_killed_processes_left_is_taken_away_after_an_hour(cache):
    for name, age in ((".tiny-1.old.tmp", 7200), (".tiny-1.new.tmp", 60), (".other.old.tmp", 7200)):
        stray = cache / "models" / name
        stray.mkdir(parents=True)
        os.utime(stray, (stray.stat().st_mtime - age,) * 2)
    build_folder("tiny-1", write)
    assert in_cache(cache) == [".other.old.tmp", ".tiny-1.new.tmp", "tiny-1"]
