"""Where a model lies on this machine, and what is in it: its identity is its content."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

from palate.core.errors import ConfigError
from palate.core.files import cache_folder, write_whole

_READ = {".safetensors", ".bin", ".json", ".txt", ".model"}
_OTHER_FORMATS = {"onnx", "openvino", "coreml", ".git"}
_WORTH_REMEMBERING = 2**20
_AT_REST_NS = 2_000_000_000  # a file that changed later could change again at the same time of day

_known: dict[str, tuple[tuple[int, ...], str]] = {}


def folder_digest(folder: Path) -> str:
    """A hash over the names and contents of a model's files; `ConfigError` names one that is gone.

    Files that lie unchanged are not read again: see `file_digest`.
    """
    hasher = hashlib.sha256()
    for name in sorted(_files_of(str(folder)), key=lambda name: name.split("/")):
        try:
            digest = file_digest(folder / name)
        except OSError as error:
            raise ConfigError(
                f"the model's file {folder / name} cannot be read: {error.strerror}. Get the whole "
                "model again"
            ) from error
        hasher.update(f"{name}\0{digest}\0".encode())
    return hasher.hexdigest()


def _files_of(folder: str) -> Iterator[str]:
    """The files that count, as POSIX paths inside of `folder`."""
    for place, inside, names in os.walk(folder):
        inside[:] = [name for name in inside if name not in _OTHER_FORMATS]
        start = place[len(folder) :].replace(os.sep, "/").strip("/")
        for name in names:
            if Path(name).suffix in _READ:
                yield f"{start}/{name}" if start else name


def file_digest(path: Path) -> str:
    """sha256 of a file, remembered while its size, times and place on the disk stay.

    The process remembers all files, the cache's folder large ones.
    """
    status = path.stat()
    times = (status.st_mtime_ns, status.st_ctime_ns)
    state = (status.st_size, *times, status.st_ino, status.st_dev)
    seen, digest = _known.get(str(path), (None, ""))
    if seen == state:
        return digest
    digest = _noted_digest(path, status) if status.st_size >= _WORTH_REMEMBERING else _sha256(path)
    if time.time_ns() - max(times) > _AT_REST_NS:
        _known[str(path)] = (state, digest)
    return digest


def _noted_digest(path: Path, status: os.stat_result) -> str:
    place = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:32]
    note = cache_folder() / "weights" / f"{place}.json"
    seen = {
        "size": status.st_size,
        "mtime_ns": status.st_mtime_ns,  # which copies and archives may set to what it was before
        "ctime_ns": status.st_ctime_ns,
    }
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
        remembered = json.loads(note.read_text())
        if {key: remembered[key] for key in seen} == seen:
            return str(remembered["sha256"])
    digest = _sha256(path)
    with contextlib.suppress(OSError):
        note.parent.mkdir(parents=True, exist_ok=True)
        write_whole(note, json.dumps({**seen, "sha256": digest}).encode())
    return digest


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
