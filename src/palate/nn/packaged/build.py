"""Folders of models that are made on first use: in the cache, or else for this process alone."""

from __future__ import annotations

import contextlib
import secrets
import shutil
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from palate.core.errors import ArtefactError
from palate.core.files import ENVIRONMENT_VARIABLE, STRAY_AFTER_SECONDS, cache_folder

_temporary: dict[str, TemporaryDirectory[str]] = {}


def build_folder(name: str, build: Callable[[Path], None]) -> Path:
    """The folder `name` among the cache's models; `build` fills an empty one the first time.

    Where nothing can be written there, a temporary folder serves this process, with one warning.
    Raises `ArtefactError` where that has no room either.
    """
    folder = cache_folder() / "models" / name
    if folder.is_dir():
        return folder
    if name in _temporary:
        return Path(_temporary[name].name) / name
    try:
        return _build(folder, build)
    except ArtefactError:  # an OSError too, but one that another place does not mend
        raise
    except OSError as error:
        reason = _reason(error)
    warnings.warn(
        f"the model {name} is unpacked for this process alone, because {folder.parent} cannot be "
        f"used: {reason}. Let {ENVIRONMENT_VARIABLE} name a folder that can be written to",
        RuntimeWarning,
        stacklevel=3,
    )
    try:
        place = TemporaryDirectory(prefix="palate-", ignore_cleanup_errors=True)
    except OSError as error:
        raise ArtefactError(
            f"the model {name} cannot be unpacked, in {folder.parent} ({reason}) or elsewhere"
            f" ({_reason(error)}): let {ENVIRONMENT_VARIABLE} name a folder with room"
        ) from error
    try:
        made = _build(Path(place.name) / name, build)
    except OSError as error:
        place.cleanup()
        raise ArtefactError(
            f"the model {name} cannot be unpacked, in {folder.parent} ({reason}) or in "
            f"{place.name} ({_reason(error)}): let {ENVIRONMENT_VARIABLE} name a folder with room"
        ) from error
    _temporary[name] = place
    return made


def _build(folder: Path, build: Callable[[Path], None]) -> Path:
    """Writes beside the folder, and moves there what is whole: a kill leaves no half model."""
    _sweep(folder)
    unfinished = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.tmp")
    unfinished.mkdir(parents=True)
    try:
        build(unfinished)
        try:
            unfinished.rename(folder)
        except OSError:
            if not folder.is_dir():  # no other process was quicker
                raise
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return folder


def _sweep(folder: Path) -> None:
    """Takes away what processes left that were killed too hard to do so themselves."""
    for stray in folder.parent.glob(f".{folder.name}.*.tmp"):
        with contextlib.suppress(OSError):
            if time.time() - stray.stat().st_mtime > STRAY_AFTER_SECONDS:
                shutil.rmtree(stray, ignore_errors=True)


def _reason(error: OSError) -> str:
    return error.strerror or str(error)
