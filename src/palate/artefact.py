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
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import polars as pl
from safetensors.numpy import load_file, save

from palate import __version__
from palate._files import LOCK, alone_in, write_whole
from palate._learnt import agree
from palate._received import check_received
from palate._tree import Reader, Writer
from palate.errors import ArtefactError, PalateError, first_offenders

if TYPE_CHECKING:
    from palate.pipeline import Pipeline

FORMAT = 2
MANIFEST = "manifest.json"
_PLENTY = 2**22  # rows that a table may have, however small its file
_ROWS_A_BYTE = 64  # where it has more: a table of one value is far smaller, and nobody's events
_CONTENT = re.compile(r"[0-9a-f]{32}\.(safetensors|parquet)")
_TEMPORARY = re.compile(rf"\.({re.escape(MANIFEST)}|{_CONTENT.pattern})\.[0-9a-f]{{8}}\.tmp")


def save_pipeline(
    pipeline: Pipeline, folder: str | Path, *, origin: Mapping[str, Any] | None = None
) -> Path:
    """Writes a fitted pipeline into `folder` (made if absent); the old content stays until the end.

    `origin` (JSON) says where it came from; `read_origin` gives it back. Raises `ArtefactError`
    where the disk is full, where the folder cannot be written, and for a folder with files of
    somebody else.
    """
    root = Path(folder)
    writer = Writer(root)
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
    root = Path(folder)
    there = next(place for place in (root.absolute(), *root.absolute().parents) if place.exists())
    if not there.is_dir():
        raise ArtefactError(f"{there} is a file: name a folder to save the model in")
    if not os.access(there, os.W_OK | os.X_OK):
        raise ArtefactError(f"{there} is not yours to write in: name another folder")
    if root.is_dir():
        _check_owner(root)


def _check_owner(root: Path) -> None:
    manifest = _parsed(root / MANIFEST)
    if isinstance(manifest, dict) and "palate" in manifest:
        return
    names = sorted(path.name for path in root.iterdir())
    others = [name for name in names if not _is_own(name)]
    if manifest is not None:
        others.append(MANIFEST)
    if others:
        raise ArtefactError(
            f"{root} holds other files ({first_offenders(others, len(others))}) and no palate "
            f"model: name a new or an empty folder"
        )


def _is_own(name: str) -> bool:
    patterns = (_CONTENT, _TEMPORARY)
    return name in (MANIFEST, LOCK) or any(pattern.fullmatch(name) for pattern in patterns)


def _parsed(path: Path) -> Any:
    """The JSON of a file, or None where there is none."""
    try:
        return json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
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
        manifest = _parsed(root / MANIFEST)
        if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
            return
        keep |= {manifest["arrays"], *manifest["tables"].values()}
    for path in root.iterdir():
        if path.name not in keep and _is_own(path.name):
            with contextlib.suppress(OSError):
                path.unlink()


def load(folder: str | Path, *, allow: Collection[str] = ()) -> Pipeline:
    """The pipeline that `Pipeline.save` wrote: the same recommendations to the last bit.

    `allow` names components outside palate ("package.module:Class") that the folder may import.
    Raises `ArtefactError` for a folder that is absent, damaged or from a newer palate.
    """
    root = Path(folder)
    while True:
        saved = _saved_at(root)
        try:
            return _load_once(root, allow)
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


def _load_once(root: Path, allow: Collection[str]) -> Pipeline:
    from palate.pipeline import Pipeline  # which imports this

    manifest = _read_manifest(root)
    try:
        arrays = load_file(_checked(root, manifest["arrays"]))
        tables = {name: _read_table(root, file) for name, file in manifest["tables"].items()}
        reader = Reader(arrays, tables, allow=allow, source=str(root))
        pipeline = reader.value(manifest["tree"])
        agree(isinstance(pipeline, Pipeline), "the folder of something else than a pipeline")
        check_received(pipeline)
    except ArtefactError:
        raise
    except Exception as error:  # whatever a folder that somebody made can lead to
        raise _unusable(root, manifest, error) from error
    return cast("Pipeline", pipeline)


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
    return dict(_read_manifest(Path(folder)).get("origin", {}))


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
        version = int(manifest["format"])
    except (ValueError, KeyError, TypeError, OSError) as error:
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
    seal = manifest.pop("seal", None)
    if seal != _seal(manifest):
        raise ArtefactError(f"{root} is damaged: {MANIFEST} has changed; fit the pipeline again")
    return dict(manifest)


def _sealed(manifest: Mapping[str, Any]) -> bytes:
    return _json({**manifest, "seal": _seal(manifest)})


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
