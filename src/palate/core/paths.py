"""Settings that are paths: in a pipeline file they start where it lies, in Python at the program.

A component says which of its settings are paths by their type, `FilePath` or another `str` with a
`Located`; nothing here knows a setting by its name.
"""

from __future__ import annotations

import errno
import os
import reprlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeAlias

from palate.core.errors import ConfigError, PalateError
from palate.core.settings import changed, types_of
from palate.core.visible import shorten


class WholePath(str):
    """A path from the root, made of a setting."""

    __slots__ = ()


@dataclass(frozen=True)
class Located:
    """Marks a setting as the path of a file or a folder.

    What `words` gives is no path. Where `or_name`, nor is anything else that could be the name of a
    model, unless a folder there is called so.
    """

    words: Callable[[], Collection[str]] = tuple
    or_name: bool = False

    def whole(self, value: Any, folder: Path) -> Any:
        """`value`, as it is or as the path that it is from `folder`."""
        if not isinstance(value, str) or value in self.words():
            return value
        path = whole_path(value, folder)
        if self.or_name and not (is_path(value) or (value and _is_there(path, folder=True))):
            return value
        return path


FilePath: TypeAlias = Annotated[str, Located()]
"""The type of a setting that is the path of a file or a folder."""


def path_of(value: object, what: str, error: type[PalateError] = ConfigError) -> Path:
    """The path that somebody gave; `error` for what can be none. `what` is said of it."""
    if isinstance(value, str | os.PathLike):
        said = os.fspath(value)
        if isinstance(said, str) and said and "\0" not in said and _can_be_named(said):
            _check_reachable(said, what, error)
            return Path(said)
    raise error(f"{what} must be a path, not {reprlib.repr(value)}")


def _check_reachable(path: str, what: str, error: type[PalateError]) -> None:
    """Raises `error` for a name that no file can have, and links that lead back to themselves."""
    try:
        Path(path).stat()
    except OSError as reason:
        if reason.errno in (errno.ENAMETOOLONG, errno.ELOOP):
            raise error(f"{what} cannot be {shorten(path)}: {reason.strerror}") from reason


def _can_be_named(path: str) -> bool:
    try:
        os.fsencode(path)
    except UnicodeEncodeError:
        return False
    return True


def is_path(name: str) -> bool:
    """Whether a name can only be a path: the hub's names have one slash at most."""
    return name.startswith((".", "/", "~")) or name.count("/") > 1 or "\\" in name


def whole_path(path: str, folder: Path) -> str:
    """`path` from the root, if it starts in `folder`; itself where no path can be written so."""
    try:
        return WholePath(os.path.realpath(folder / Path(path).expanduser()))
    except (ValueError, RuntimeError):  # a zero character, somebody who has no home
        return path


def located(cls: Any, settings: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Settings of a dataclass in which paths that start in `folder` are whole ones.

    A path that is left out and has a default is put in.
    """
    found = dict(settings)
    for name, hint in types_of(cls).items():
        value = settings.get(name, getattr(cls, name, None))  # where a dataclass leaves defaults
        whole = changed(hint, value, Located, lambda mark, path: mark.whole(path, folder))
        if whole is not value:
            found[name] = whole
    return found


def check_readable(path: Path, error: type[PalateError]) -> None:
    """Raises `error` for what is there, or may be, and is not ours to read."""
    try:
        ours = not path.exists() or os.access(path, os.R_OK)
    except PermissionError:  # of a folder that it may lie in
        ours = False
    except (OSError, ValueError):  # no name of a file: said by who opens it
        return
    if not ours:
        raise error(
            f"{path} is not yours to read: ask its owner to let you (chmod, chgrp), or for a copy"
        )


def check_writable(path: Path, error: type[PalateError]) -> None:
    """Raises `error` where no file can be put at `path`; makes nothing. A pipe takes what comes."""
    try:
        if path.exists() and not path.is_file():
            return
        there = next(place for place in path.absolute().parents if place.exists())
        ours = os.access(there, os.W_OK | os.X_OK)
    except OSError as reason:
        raise error(
            f"{path} could not be written ({reason.strerror or reason}): name another place"
        ) from reason
    if not there.is_dir():
        raise error(f"{path} could not be written: {there} is a file, not a folder")
    if not ours:
        raise error(
            f"{path} could not be written: {there} is not yours to write in: name another place"
        )


def beside(path: str, folder: Path) -> str | None:
    """How `path` is reached from `folder`; None where it is not, as from another drive."""
    try:
        return os.path.relpath(path, os.path.realpath(folder))
    except ValueError:
        return None


def found_again(path: str, near: str | None, folder: Path) -> str:
    """`path`, or where nothing is there what lies `near` to `folder`: both moved together."""
    if near and not _is_there(path):
        moved = os.path.realpath(folder / near)
        if _is_there(moved):
            return moved
    return path


def _is_there(path: str, *, folder: bool = False) -> bool:
    try:
        return Path(path).is_dir() if folder else Path(path).exists()
    except OSError:  # a name that is too long, a place that is not ours to look at
        return False
