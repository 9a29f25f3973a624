"""A fitted pipeline as one folder: manifest.json, safetensors, parquet; no pickle.

Files are named by their content and the manifest is replaced last, in one step, so a save that is
killed or runs out of disk leaves the folder as it was. One process saves at a time; readers wait
for nobody, and read again where a newer model took the place of the one that they were reading.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import polars as pl
from safetensors.numpy import load_file, save

from palate import __version__
from palate.core.errors import (
    ArtefactError,
    ConfigError,
    NotFittedError,
    PalateError,
    first_offenders,
)
from palate.core.files import LOCK, alone_in, write_whole
from palate.core.forks import check_process
from palate.core.learnt import agree, check_type
from palate.core.paths import found_again, path_of
from palate.pipeline.received import check_received
from palate.pipeline.stages import Stages
from palate.pipeline.tree import Reader, Writer

FORMAT = 4
Whole = TypeVar("Whole", bound=Stages)
MANIFEST = "manifest.json"
_PLENTY = 2**22  # rows that a table may have, however small its file
_MOST_BYTES = 2**24  # of a pipeline file
_ROWS_A_BYTE = 64  # where it has more: a table of one value is far smaller, and nobody's events
_CONTENT = re.compile(r"[0-9a-f]{32}\.(safetensors|parquet)")
_TEMPORARY = re.compile(rf"\.({re.escape(MANIFEST)}|{_CONTENT.pattern})\.[0-9a-f]{{8}}\.tmp")


def save_pipeline(
    pipeline: Stages, folder: str | Path, *, origin: Mapping[str, Any] | None = None
) -> Path:
    """Writes a fitted pipeline into `folder` (made if absent); the old content stays until the end.

    `origin` (JSON) says where it came from; `read_origin` gives it back. Raises `ArtefactError`
    where the disk is full, where the folder cannot be written, and for a folder with files of
    somebody else.
    """
    root = path_of(folder, "the folder to save a model in", ArtefactError)
    writer = Writer(root, type(pipeline))
    tree = writer.tree(pipeline, "pipeline")
    try:
        check_place(root)
        root.mkdir(parents=True, exist_ok=True)
        with alone_in(root) as alone:
            try:
                _write_all(root, writer, origin or {}, tree)
            finally:
                if alone:
                    _sweep(root)
    except OSError as error:
        if isinstance(error, PalateError):
            raise
        raise ArtefactError(
            f"{root} could not be written ({error.strerror or error}); what it held is untouched"
        ) from error
    return root


def _write_all(root: Path, writer: Writer, origin: Mapping[str, Any], tree: Any) -> None:
    manifest = {
        "format": FORMAT,
        "palate": __version__,
        "origin": dict(origin),
        "arrays": _write(root, save(writer.arrays), "safetensors"),
        "tables": {
            name: _write(root, _parquet(table), "parquet") for name, table in writer.tables.items()
        },
        "tree": tree,
    }
    write_whole(root / MANIFEST, _sealed(manifest))


def check_place(folder: str | Path) -> None:
    """Raises `ArtefactError` for a folder that a model cannot be saved in; makes nothing.

    It may not exist yet, hold a model of palate's, or be empty.
    """
    root = path_of(folder, "the folder to save a model in", ArtefactError)
    try:
        there = next(
            place for place in (root.absolute(), *root.absolute().parents) if place.exists()
        )
        if not there.is_dir():
            raise ArtefactError(f"{there} is a file: name a folder to save the model in")
        if not os.access(there, os.W_OK | os.X_OK):
            raise ArtefactError(f"{there} is not yours to write in: name another folder")
        if root.is_dir():
            _check_owner(root)
    except OSError as error:
        if isinstance(error, PalateError):
            raise
        raise ArtefactError(f"{root} cannot be used ({error.strerror or error})") from error


def _check_owner(root: Path) -> None:
    names = sorted(path.name for path in root.iterdir())
    links = [name for name in names if _is_own(name) and (root / name).is_symlink()]
    if links:  # what is written would land where they lead, in somebody else's place
        raise ArtefactError(
            f"{root} holds links in place of files ({first_offenders(links, len(links))}): name "
            "the folder that they lead to, or a new one"
        )
    others = [name for name in names if not _is_own(name)]
    if MANIFEST in names:
        manifest = _manifest_at(root)
        if isinstance(manifest, dict) and {"format", "palate"} <= manifest.keys():
            return
        # a damaged one is ours beside files that palate alone calls so; there are other manifests
        if manifest is not None or not any(_CONTENT.fullmatch(name) for name in names):
            others.append(MANIFEST)
    if others:
        raise ArtefactError(
            f"{root} holds other files ({first_offenders(others, len(others))}) and no palate "
            f"model: name a new or an empty folder"
        )


def _is_own(name: str) -> bool:
    patterns = (_CONTENT, _TEMPORARY)
    return name in (MANIFEST, LOCK) or any(pattern.fullmatch(name) for pattern in patterns)


def _manifest_at(root: Path) -> Any:
    """The JSON of a manifest, or None where there is none to be read."""
    path = root / MANIFEST
    try:
        return json.loads(path.read_bytes()) if path.is_file() else None
    except (OSError, ValueError, RecursionError):
        return None


def _parquet(table: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    table.write_parquet(buffer, compression="zstd")
    return buffer.getvalue()


def _write(root: Path, content: bytes, suffix: str) -> str:
    digest = hashlib.blake2b(content, digest_size=16).hexdigest()
    path = root / f"{digest}.{suffix}"
    if not path.exists() or _digest(path) != digest:
        write_whole(path, content)
    return path.name


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def _sweep(root: Path) -> None:
    """Deletes what the manifest does not name, older files and halves; others' files stay."""
    keep = {MANIFEST, LOCK}
    if (root / MANIFEST).exists():
        manifest = _manifest_at(root)
        try:
            if manifest["format"] != FORMAT:
                return
            keep |= {manifest["arrays"], *manifest["tables"].values()}
        except (AttributeError, KeyError, TypeError):
            return
    for path in root.iterdir():
        if path.name not in keep and _is_own(path.name):
            with contextlib.suppress(OSError):
                path.unlink()


def load_pipeline(folder: str | Path, whole: type[Whole], *, allow: Collection[str]) -> Whole:
    """A `whole` that `save_pipeline` wrote; raises `ArtefactError` for a folder that is no such."""
    check_process()
    root = path_of(folder, "the folder of a model", ArtefactError)
    if isinstance(allow, str) or not all(isinstance(name, str) for name in allow):
        raise ConfigError(f"allow must be a list of names, as [{str(allow)!r}]")
    while True:
        saved = _saved_at(root)
        try:
            return _load_once(root, whole, allow)
        except ArtefactError:
            if saved == _saved_at(root):
                raise


def _saved_at(root: Path) -> tuple[int, int] | None:
    """Another value after every save."""
    try:
        status = (root / MANIFEST).stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns


def _load_once(root: Path, whole: type[Whole], allow: Collection[str]) -> Whole:
    manifest = _read_manifest(root)
    try:
        arrays = load_file(_checked(root, manifest["arrays"]))
        tables = {name: _read_table(root, file) for name, file in manifest["tables"].items()}
        reader = Reader(arrays, tables, whole=whole, allow=allow, source=str(root))
        pipeline: Whole = reader.value(manifest["tree"])
        agree(isinstance(pipeline, whole), "the folder of something else than a pipeline")
        check_received(pipeline)
    except Exception as error:  # whatever a folder that somebody made can lead to
        of_the_folder = isinstance(error, ValueError | NotFittedError)
        if isinstance(error, PalateError) and not of_the_folder:
            raise  # an extra that is not installed, code that is not allowed
        raise _unusable(root, manifest, error) from error
    return pipeline


def _read_table(root: Path, name: str) -> pl.DataFrame:
    """A table; `ValueError` for one with more rows than a file of its size is likely to hold."""
    path = _checked(root, name)
    try:
        rows = pl.scan_parquet(path, glob=False).select(pl.len()).collect().item()
        agree(rows <= max(_PLENTY, _ROWS_A_BYTE * path.stat().st_size), f"{name} has {rows} rows")
        return pl.read_parquet(path, memory_map=False, glob=False)
    except pl.exceptions.PanicException as error:
        raise ValueError(f"{name} is no table: {error}") from error


def _unusable(root: Path, manifest: Mapping[str, Any], error: Exception) -> ArtefactError:
    reason = f"{type(error).__name__}: {error}"
    written = manifest.get("palate")
    if written != __version__:
        return ArtefactError(
            f"{root} was written by palate {written}, and this is {__version__}, which cannot use "
            f"it ({reason}): install that version, or fit the pipeline again"
        )
    return ArtefactError(f"{root} cannot be loaded ({reason}); fit the pipeline again")


def read_origin(folder: str | Path) -> dict[str, Any]:
    """What `save_pipeline` was told about where the model came from."""
    root = path_of(folder, "the folder of a model", ArtefactError)
    origin = _read_manifest(root).get("origin", {})
    if not isinstance(origin, dict):
        raise ArtefactError(f"{root} is damaged: its origin is {origin!r:.40}; fit it again")
    return origin


@dataclass(frozen=True)
class Fit:
    """How `palate fit` made a model: of which pipeline file, with what options."""

    config: str
    everything: bool
    drop_unknown: bool


def read_fit(folder: Path) -> Fit | None:
    """How a model was made; None for one that `palate fit` did not make.

    Raises `ArtefactError` for what that command does not write. A pipeline file that lies in the
    model's folder is not yours: whoever made the folder would say what is read here.
    """
    origin = read_origin(folder)
    if "config" not in origin:
        return None
    kinds = {"config": str, "beside": str | None, "all": bool, "drop_unknown": bool}
    try:
        for name, kind in kinds.items():
            check_type(origin.get(name), kind, f"origin[{name!r}]")
        near = origin.get("beside")
        agree("\0" not in origin["config"] + (near or ""), "a path with a zero character")
        agree(not Path(near or "").is_absolute(), f"{near!r} is beside nothing")
        config = Path(os.path.realpath(found_again(origin["config"], near, folder)))
        agree(not config.is_relative_to(os.path.realpath(folder)), "a file of the folder's own")
        plain = not config.exists() or (config.is_file() and config.stat().st_size < _MOST_BYTES)
        agree(plain, f"{config} is no file, or too large")
    except (ValueError, OSError) as error:
        raise ArtefactError(
            f"{folder} names a pipeline file as `palate fit` does not ({error}): fit it again"
        ) from error
    return Fit(str(config), origin["all"], origin["drop_unknown"])


def _read_manifest(root: Path) -> dict[str, Any]:
    path = root / MANIFEST
    if not root.exists():
        raise ArtefactError(
            f"there is no folder {root}: `palate fit CONFIG --out {root}` makes one, "
            f"and so does Pipeline.save"
        )
    if not root.is_dir():
        raise ArtefactError(f"{root} is a file: name the folder that `palate fit` wrote")
    if not path.is_file():
        raise ArtefactError(f"{root} holds no palate model: there is no {MANIFEST} in it")
    try:
        manifest = json.loads(path.read_text("utf-8"))
        check_type(version := manifest["format"], int, "format")
    except (ValueError, KeyError, TypeError, OSError, RecursionError) as error:
        raise ArtefactError(
            f"{path} is damaged ({type(error).__name__}: {error}); fit the pipeline again"
        ) from error
    if version != FORMAT:
        newer = version > FORMAT
        raise ArtefactError(
            f"{root} was written by palate {manifest.get('palate')} (format {version}); this is "
            f"{__version__} (format {FORMAT}): "
            + ("pip install --upgrade palate" if newer else "fit the pipeline again")
        )
    if not _is_sealed(manifest):
        raise ArtefactError(f"{root} is damaged: {MANIFEST} has changed; fit the pipeline again")
    return dict(manifest)


def _sealed(manifest: Mapping[str, Any]) -> bytes:
    return _json({**manifest, "seal": _seal(manifest)})


def _is_sealed(manifest: dict[str, Any]) -> bool:
    """Whether a manifest is as it was written; its seal is taken off."""
    seal = manifest.pop("seal", None)
    try:
        return bool(seal == _seal(manifest))
    except (ValueError, RecursionError):  # NaN, half a letter, too many brackets
        return False


def _seal(manifest: Mapping[str, Any]) -> str:
    return hashlib.blake2b(_json(manifest), digest_size=16).hexdigest()


def _json(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, ensure_ascii=False, allow_nan=False).encode()


def _checked(root: Path, name: str) -> Path:
    """The file, once its content is known to be what was written."""
    if not _CONTENT.fullmatch(name):
        raise ValueError(f"{name!r} is no file name of a model folder")
    path = root / name
    if not path.is_file():
        raise ArtefactError(f"{root} is damaged: {name} is missing; fit the pipeline again")
    if _digest(path) != name.partition(".")[0]:
        raise ArtefactError(f"{root} is damaged: {name} has changed; fit the pipeline again")
    return path
