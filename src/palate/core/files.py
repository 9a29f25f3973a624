"""Files that are there whole or not at all; folders that one process changes at a time."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import platformdirs

from palate.core.errors import ConfigError

LOCK = ".palate.lock"
PATIENCE_SECONDS = 600.0
_LOOK_AGAIN_SECONDS = 0.02
_LONGEST_NAME = 48
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_TAKEN = (errno.EAGAIN, errno.EACCES)

ENVIRONMENT_VARIABLE = "PALATE_CACHE"
STRAY_AFTER_SECONDS = 3600.0


def write_whole(path: Path, content: bytes, *, mode: int | None = None) -> Path:
    """`content` takes the place of `path` in one step, once all of it is on the disk.

    `mode` are the rights of the new file, by default those of the system. Until then `path` is as
    it was. What is not finished lies beside it as `.NAME.….tmp`, and is removed unless the process
    is killed. A pipe or a terminal is written to as it is. Raises `OSError`; where there is no room
    its `strerror` says how much is needed and what to do.
    """
    if _is_stream(path):
        path.write_bytes(content)
        return path
    try:
        with whole_file(path) as temporary:
            if mode is not None:  # before anything is in it
                temporary.touch(mode=mode, exist_ok=False)
                temporary.chmod(mode)
            temporary.write_bytes(content)
    except OSError as error:
        if error.errno in NO_ROOM:
            raise _no_room(error, path, len(content)) from error
        raise
    return path


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A name to write a file under, which takes the place of `path` at the end, as `write_whole`'s.

    Where something fails `path` stays as it was.
    """
    try:
        target = path.resolve()
    except RuntimeError as error:  # how pathlib calls links that lead back to themselves
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path)) from error
    temporary = target.with_name(f".{path.name[:_LONGEST_NAME]}.{secrets.token_hex(4)}.tmp")
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(target)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    _sync_folder(target.parent)


def _is_stream(path: Path) -> bool:
    """Whether there is no file to keep whole: /dev/stdout, a terminal, a pipe."""
    _, *inside = path.absolute().parts
    if inside[:1] in (["dev"], ["proc"]):
        return inside[1:2] != ["shm"]  # files in memory are files
    return path.exists() and not path.is_file()


def _no_room(error: OSError, path: Path, size: int) -> OSError:
    free = shutil.disk_usage(path.parent).free
    advice = f"{_megabytes(size)} to write, {_megabytes(free)} free: make room, or write elsewhere"
    if _takes_no_more_files(path.parent):
        advice = "there is room, but for no more files (inodes): delete some, or write elsewhere"
    return OSError(error.errno, f"{error.strerror}; {advice}", str(path))


def _takes_no_more_files(folder: Path) -> bool:
    """Whether a file system that counts its files has none left to give."""
    if not hasattr(os, "statvfs"):
        return False
    status = os.statvfs(folder)
    return status.f_files > 0 and status.f_favail == 0


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"


def _sync_folder(folder: Path) -> None:
    """The new name is on the disk too, where the system can be asked for that."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextlib.contextmanager
def alone_in(folder: Path, *, patience: float | None = None) -> Iterator[bool]:
    """Waits until no other process or thread is in such a block with the same folder.

    The system takes the lock from a process that ends, however it ends. Gives False where the file
    system knows no locks: somebody else may be there. Raises `TimeoutError` after `patience`
    seconds, by default ten minutes.
    """
    path = folder / LOCK
    descriptor = _open_locked(path, PATIENCE_SECONDS if patience is None else patience)
    try:
        yield descriptor is not None
    finally:
        with contextlib.suppress(OSError):
            path.unlink()
        if descriptor is not None:
            os.close(descriptor)


def _open_locked(path: Path, patience: float) -> int | None:
    """The locked file, None where there are no locks.

    Who waits for a lock may get that of a file that has been deleted since, and tries again.
    """
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        descriptor = _open(path)
        try:
            _lock(descriptor)
            if _is_at(path, descriptor):
                return descriptor
            os.close(descriptor)
        except OSError as error:
            os.close(descriptor)
            if error.errno not in _TAKEN:
                return None
            time.sleep(_LOOK_AGAIN_SECONDS)
    raise TimeoutError(
        errno.ETIMEDOUT,
        f"another process has been writing there for {patience:.0f} s: end it, or name"
        " another folder",
    )


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except PermissionError:
        return os.open(path, os.O_RDONLY)  # what a killed process of somebody else left


def _is_at(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _lock(descriptor: int) -> None:
    """Locks a file or raises `OSError`; closing the file lets go of it."""
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def cache_folder() -> Path:
    """`PALATE_CACHE`, where "~" is the home folder, or the user's cache folder.

    Raises `ConfigError` where it names the home of nobody.
    """
    chosen = os.environ.get(ENVIRONMENT_VARIABLE)
    if not chosen:
        return Path(platformdirs.user_cache_dir("palate", appauthor=False))
    try:
        return Path(chosen).expanduser()
    except RuntimeError as error:
        raise ConfigError(
            f"{ENVIRONMENT_VARIABLE} = {chosen!r} starts at a home folder that is not there: "
            "give the whole path"
        ) from error
