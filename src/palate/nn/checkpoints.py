"""Checkpoints: where a training stood after an epoch, so that a killed one goes on from there."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from palate.core.doors import called_rightly
from palate.core.errors import ArtefactError
from palate.core.files import write_whole
from palate.core.paths import path_of

SUFFIX = ".checkpoint"
_ABOUT = "palate"


@dataclass
class _Folder:
    path: Path
    asked: dict[str, int] = field(default_factory=dict)


_folder: ContextVar[_Folder | None] = ContextVar("palate_checkpoints", default=None)


@called_rightly
@contextmanager
def checkpoints(folder: str | Path) -> Iterator[None]:
    """Trainings inside this block keep in `folder` where they stand, and go on from there.

    A fit that was killed is simply called again in such a block, with the same data and settings:
    its trainings come to the same result, to the last bit. Each has a file of its own. Raises
    `ArtefactError` where a file there belongs to other data or settings, or is damaged, and where
    the folder cannot be written.
    """
    path = path_of(folder, "the folder of checkpoints", ArtefactError)
    token = _folder.set(_Folder(path))
    try:
        yield
    finally:
        _folder.reset(token)


@dataclass(frozen=True)
class Checkpoint:
    """The file of one training; `digest` tells its data and settings."""

    path: Path
    digest: str

    def write(self, arrays: Mapping[str, NDArray[Any]], about: Mapping[str, Any]) -> None:
        """Takes the place of what was kept before, in one step."""
        whole = {name: np.asarray(array, order="C") for name, array in arrays.items()}
        told = dict(about)
        head = {"digest": self.digest, "content": _content(whole, told), "about": told}
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(self.path, save(whole, metadata={_ABOUT: json.dumps(head)}))
        except OSError as error:
            raise ArtefactError(
                f"the checkpoint {self.path} could not be written ({error.strerror or error})"
            ) from error

    def read(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]] | None:
        """What was kept, None for nothing; `ArtefactError` for what is damaged or not of this."""
        if not self.path.exists():
            return None
        try:
            with safe_open(self.path, framework="numpy") as file:
                head = json.loads(file.metadata()[_ABOUT])
                arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            digest, content, about = head["digest"], head["content"], dict(head["about"])
            found = _content(arrays, about)
        except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
            raise ArtefactError(f"{self.path} is no checkpoint, or damaged: delete it") from error
        if digest != self.digest:
            raise ArtefactError(
                f"{self.path} belongs to a training on other data or with other settings: name "
                "another folder of checkpoints, or delete it"
            )
        if content != found:
            raise ArtefactError(f"{self.path} is damaged (its checksum differs): delete it")
        return arrays, about


def checkpoint_of(label: str, digest: str) -> Checkpoint | None:
    """That of the next training called `label` in this block; None outside of one."""
    folder = _folder.get()
    if folder is None:
        return None
    number = folder.asked.get(label, 0) + 1
    folder.asked[label] = number
    name = re.sub(r"[^\w-]+", "-", label)
    return Checkpoint(folder.path / f"{name}-{number}{SUFFIX}", digest)


def _content(arrays: Mapping[str, NDArray[Any]], about: Mapping[str, Any]) -> str:
    found = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
    for name in sorted(arrays):
        found.update(f"{name} {arrays[name].dtype} {arrays[name].shape}".encode())
        found.update(np.ascontiguousarray(arrays[name]).tobytes())
    return found.hexdigest()
