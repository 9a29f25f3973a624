"""Files that are whole or not there; one process at a time in a folder."""

import errno
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from palate.core import files
from palate.core.files import LOCK, alone_in, write_whole

HOLDER = """
import sys
from pathlib import Path
from palate.core.files import alone_in
with alone_in(Path(sys.argv[1])):
    print("in", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that is in the folder until it is killed."""
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout.readline() == "in\n"
        yield process
        process.kill()


def names_in(folder):
    return [path.name for path in folder.iterdir()]


def fails_with(monkeypatch, name, number):
    def failing(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, name, failing)


# ---- files


def test_a_file_is_written_and_replaced(tmp_path):
    path = tmp_path / "a.json"
    assert write_whole(path, b"one") == path
    assert write_whole(path, "zwölf".encode()) == path
    assert path.read_text("utf-8") == "zwölf"
    assert names_in(tmp_path) == ["a.json"]


@pytest.mark.parametrize("name", ["fsync", "replace"])
def test_a_write_that_fails_leaves_what_was_there(tmp_path, monkeypatch, name):
    path = tmp_path / "a.json"
    path.write_bytes(b"old")
    fails_with(monkeypatch, name, errno.EIO)
    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        write_whole(path, b"new")
    assert path.read_bytes() == b"old"
    assert names_in(tmp_path) == ["a.json"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_where_there_is_no_room_the_error_says_how_much_is_needed(tmp_path, monkeypatch, number):
    fails_with(monkeypatch, "fsync", number)
    with pytest.raises(OSError, match="make room") as caught:
        write_whole(tmp_path / "a.json", b"x" * 3_400_000)
    assert caught.value.errno == number
    assert caught.value.strerror.startswith(f"{os.strerror(number)}; 3.4 MB to write, ")
    assert caught.value.filename == str(tmp_path / "a.json")


def test_an_interrupt_clears_up(tmp_path, monkeypatch):
    def interrupted(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_whole(tmp_path / "a.json", b"x")
    assert names_in(tmp_path) == []


def test_a_folder_that_cannot_be_synced_is_no_fault(tmp_path, monkeypatch):
    fails_with(monkeypatch, "open", errno.EACCES)
    write_whole(tmp_path / "a.json", b"x")
    assert (tmp_path / "a.json").read_bytes() == b"x"


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "newest.html").symlink_to("of-today.html")
    write_whole(tmp_path / "newest.html", b"page")
    assert (tmp_path / "newest.html").is_symlink()
    assert (tmp_path / "of-today.html").read_bytes() == b"page"


def test_the_longest_name_that_a_file_may_have(tmp_path):
    write_whole(tmp_path / ("é" * 127), b"x")
    assert names_in(tmp_path) == ["é" * 127]


@pytest.mark.skipif(sys.platform == "win32", reason="no such files")
def test_pipes_and_standard_output_are_written_to(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    got = []
    reader = threading.Thread(target=lambda: got.append((tmp_path / "pipe").read_bytes()))
    reader.start()
    write_whole(tmp_path / "pipe", b"through")
    reader.join()
    assert got == [b"through"]
    code = "from palate.core.files import *; write_whole(Path('/dev/stdout'), b'said')"
    with (tmp_path / "out.txt").open("wb") as out:
        subprocess.run([sys.executable, "-c", code], stdout=out, check=True)
    assert (tmp_path / "out.txt").read_bytes() == b"said"


@pytest.mark.skipif(not os.access("/dev/shm", os.W_OK), reason="no files in memory here")
def test_files_in_memory_are_kept_whole_too(monkeypatch):
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        path = Path(folder) / "a.json"
        path.write_bytes(b"old")
        fails_with(monkeypatch, "replace", errno.EIO)
        with pytest.raises(OSError, match=os.strerror(errno.EIO)):
            write_whole(path, b"new")
        assert path.read_bytes() == b"old"


# ---- folders


def test_another_process_waits_and_in_the_end_says_so(tmp_path, holder, monkeypatch):
    monkeypatch.setattr(files, "PATIENCE_SECONDS", 0.05)
    with pytest.raises(TimeoutError, match="another process"), alone_in(tmp_path):
        pass
    with pytest.raises(TimeoutError, match="for 0 s"), alone_in(tmp_path, patience=0.01):
        pass
    assert holder.poll() is None


def test_a_killed_process_blocks_nobody(tmp_path, holder):
    holder.kill()
    holder.wait()
    assert names_in(tmp_path) == [LOCK], "it had no time to clear up"
    with alone_in(tmp_path) as alone:
        assert alone
    assert names_in(tmp_path) == []


def test_threads_wait_too(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "PATIENCE_SECONDS", 0.05)
    tried = threading.Event()

    def other():
        with pytest.raises(TimeoutError), alone_in(tmp_path):
            pass
        tried.set()

    with alone_in(tmp_path):
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert tried.is_set()
    assert names_in(tmp_path) == []


def test_the_lock_of_a_file_that_is_gone_counts_for_nothing(tmp_path, monkeypatch):
    locked, real = [], files._lock

    def lock(descriptor):
        real(descriptor)
        locked.append(descriptor)
        if len(locked) == 1:
            (tmp_path / LOCK).unlink()

    monkeypatch.setattr(files, "_lock", lock)
    with alone_in(tmp_path) as alone:
        assert alone
        assert (tmp_path / LOCK).exists()
    assert len(locked) == 2


def test_a_file_system_without_locks_is_told(tmp_path, monkeypatch):
    def lock(_):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(files, "_lock", lock)
    with alone_in(tmp_path) as alone:
        assert not alone
    assert names_in(tmp_path) == []


def test_an_error_inside_ends_the_lock(tmp_path):
    with pytest.raises(KeyError), alone_in(tmp_path):
        raise KeyError
    with alone_in(tmp_path) as alone:
        assert alone


def test_a_file_system_without_room_for_more_files_says_so(tmp_path, monkeypatch):
    real = os.statvfs(tmp_path)
    names = [name for name in dir(real) if name.startswith("f_")]
    full = SimpleNamespace(**{name: getattr(real, name) for name in names})
    full.f_files, full.f_favail = 100, 0
    monkeypatch.setattr(os, "statvfs", lambda _: full)
    fails_with(monkeypatch, "fsync", errno.ENOSPC)
    with pytest.raises(OSError, match="no more files") as caught:
        write_whole(tmp_path / "file", b"x")
    assert "MB" not in caught.value.strerror
