"""A fitted pipeline as one folder: manifest.json, safetensors, parquet; no pickle.

Files are named by their content and the manifest is replaced last, in one step, so a save that is
killed or runs out of disk leaves the folder as it was.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Collection, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from safetensors import SafetensorError
from safetensors.numpy import load_file, save
from scipy import sparse

from palate import __version__, registry
from palate.errors import ArtefactError, ConfigError
from palate.types import Dataset, Features, Ids

if TYPE_CHECKING:
    from palate.pipeline import Pipeline

FORMAT = 1
MANIFEST = "manifest.json"
_FILE_NAME = re.compile(r"[0-9a-f]{32}\.(safetensors|parquet)")
_KIND = "$"


class _Writer:
    """Turns a component into a JSON tree, arrays and tables."""

    def __init__(self) -> None:
        self.arrays: dict[str, np.ndarray[Any, Any]] = {}
        self.tables: dict[str, pl.DataFrame] = {}

    def tree(self, value: Any, where: str) -> Any:
        if value is None or isinstance(value, bool | int | str):
            return value
        if isinstance(value, float | np.floating):
            return {_KIND: "float", "hex": float(value).hex()}
        if isinstance(value, np.integer | np.bool_):
            return value.item()
        if isinstance(value, list | tuple):
            return [self.tree(part, f"{where}.{i}") for i, part in enumerate(value)]
        if isinstance(value, dict):
            return {_KIND: "dict", "items": self._fields(value, where)}
        return self._large(value, where)

    def _fields(self, parts: dict[str, Any], where: str) -> dict[str, Any]:
        return {name: self.tree(part, f"{where}.{name}") for name, part in parts.items()}

    def _large(self, value: Any, where: str) -> Any:
        if isinstance(value, np.ndarray) and value.dtype != object:
            self.arrays[where] = np.ascontiguousarray(value)
            return {_KIND: "array", "name": where}
        if sparse.issparse(value):
            matrix = sparse.csr_array(value)
            parts = {"data": matrix.data, "indices": matrix.indices, "indptr": matrix.indptr}
            return {_KIND: "sparse", "shape": list(matrix.shape), **self._fields(parts, where)}
        if isinstance(value, pl.DataFrame):
            self.tables[where] = value
            return {_KIND: "table", "name": where}
        if isinstance(value, Ids):
            name = f"ids-{value.digest}"
            self.tables[name] = value.series.to_frame()
            return {_KIND: "ids", "name": name}
        if isinstance(value, Features):
            parts = {"ids": value.ids, "parts": value.parts}
            behavioural = sorted(value.behavioural)
            return {_KIND: "features", "behavioural": behavioural, **self._fields(parts, where)}
        if isinstance(value, Dataset):
            tables = {entry.name: getattr(value, entry.name) for entry in fields(value)}
            return {_KIND: "dataset", **self._fields(tables, where)}
        if is_dataclass(value) and not isinstance(value, type):
            return self._component(value, where)
        raise ArtefactError(f"{where} holds a {type(value).__name__}, which cannot be saved")

    def _component(self, component: Any, where: str) -> Any:
        stage = type(component).__module__.split(".")
        known = [entry for entry in fields(component) if hasattr(component, entry.name)]
        return {
            _KIND: "component",
            "stage": stage[1] if stage[0] == "palate" and len(stage) == 3 else "",
            "use": registry.name_of(component),
            "settings": self._fields(
                {e.name: getattr(component, e.name) for e in known if e.init}, where
            ),
            "learnt": self._fields(
                {e.name: getattr(component, e.name) for e in known if not e.init}, where
            ),
        }


class _Reader:
    """Turns a JSON tree, arrays and tables back into what they were."""

    def __init__(
        self,
        arrays: dict[str, np.ndarray[Any, Any]],
        tables: dict[str, pl.DataFrame],
        allow: Collection[str],
    ) -> None:
        self.arrays = arrays
        self.tables = tables
        self.allow = allow
        self.ids: dict[str, Ids] = {}

    def value(self, tree: Any) -> Any:
        if isinstance(tree, list):
            return [self.value(part) for part in tree]
        if not isinstance(tree, dict):
            return tree
        return getattr(self, f"_{tree[_KIND]}")(tree)

    def _values(self, parts: dict[str, Any]) -> dict[str, Any]:
        return {name: self.value(part) for name, part in parts.items()}

    def _float(self, tree: dict[str, Any]) -> float:
        return float.fromhex(tree["hex"])

    def _dict(self, tree: dict[str, Any]) -> dict[str, Any]:
        return self._values(tree["items"])

    def _array(self, tree: dict[str, Any]) -> np.ndarray[Any, Any]:
        return self.arrays[tree["name"]]

    def _sparse(self, tree: dict[str, Any]) -> sparse.csr_array:
        data, indices, indptr = (self.value(tree[part]) for part in ("data", "indices", "indptr"))
        return sparse.csr_array((data, indices, indptr), shape=tuple(tree["shape"]))

    def _table(self, tree: dict[str, Any]) -> pl.DataFrame:
        return self.tables[tree["name"]]

    def _ids(self, tree: dict[str, Any]) -> Ids:
        name = tree["name"]
        if name not in self.ids:
            self.ids[name] = Ids(self.tables[name].to_series())
        return self.ids[name]

    def _features(self, tree: dict[str, Any]) -> Features:
        parts = self.value(tree["parts"])
        return Features(self.value(tree["ids"]), parts, behavioural=tree["behavioural"])

    def _dataset(self, tree: dict[str, Any]) -> Dataset:
        return Dataset(**{name: self.value(part) for name, part in tree.items() if name != _KIND})

    def _component(self, tree: dict[str, Any]) -> Any:
        use, stage = tree["use"], tree["stage"]
        if ":" in use and use not in self.allow and use != PIPELINE:
            raise ArtefactError(
                f"the folder asks for code outside palate, {use!r}: if you trust it, load with "
                f"allow=[{use!r}]"
            )
        component = registry.find(stage, use)(**self._values(tree["settings"]))
        for name, part in self._values(tree["learnt"]).items():
            setattr(component, name, part)
        return component


PIPELINE = "palate.pipeline:Pipeline"


def save_pipeline(
    pipeline: Pipeline, folder: str | Path, *, origin: Mapping[str, Any] | None = None
) -> Path:
    """Writes a fitted pipeline into `folder` (made if absent); the old content stays until the end.

    `origin` (JSON) says where it came from; `read_origin` gives it back.
    Raises `ArtefactError` where the disk is full or the folder cannot be written.
    """
    root = Path(folder)
    writer = _Writer()
    tree = writer.tree(pipeline, "pipeline")
    try:
        root.mkdir(parents=True, exist_ok=True)
        files = {"arrays": _write(root, save(writer.arrays), "safetensors")}
        tables = {
            name: _write(root, _parquet(table), "parquet") for name, table in writer.tables.items()
        }
        manifest = {
            "format": FORMAT,
            "palate": __version__,
            "origin": dict(origin or {}),
            **files,
            "tables": tables,
        }
        content = json.dumps({**manifest, "tree": tree}, ensure_ascii=False, allow_nan=False)
        _replace(root / MANIFEST, content.encode())
    except OSError as error:
        raise ArtefactError(
            f"{root} could not be written ({error.strerror or error}); what it held is untouched"
        ) from error
    _sweep(root, keep={MANIFEST, files["arrays"], *tables.values()})
    return root


def _parquet(table: pl.DataFrame) -> bytes:
    import io

    buffer = io.BytesIO()
    table.write_parquet(buffer, compression="zstd")
    return buffer.getvalue()


def _write(root: Path, content: bytes, suffix: str) -> str:
    name = f"{_digest(content)}.{suffix}"
    if not (root / name).exists():
        _replace(root / name, content)
    return name


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def _replace(path: Path, content: bytes) -> None:
    """The file is there whole or not at all."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def _sweep(root: Path, keep: set[str]) -> None:
    for path in root.iterdir():
        if path.name not in keep and _FILE_NAME.match(path.name):
            with contextlib.suppress(OSError):
                path.unlink()


def load(folder: str | Path, *, allow: Collection[str] = ()) -> Pipeline:
    """The pipeline that `Pipeline.save` wrote: the same recommendations to the last bit.

    `allow` names components outside palate ("package.module:Class") that the folder may import.
    Raises `ArtefactError` for a folder that is absent, damaged or from a newer palate.
    """
    root = Path(folder)
    manifest = _read_manifest(root)
    try:
        arrays = load_file(_checked(root, manifest["arrays"]))
        tables = {
            name: pl.read_parquet(_checked(root, file), memory_map=False)
            for name, file in manifest["tables"].items()
        }
        pipeline: Pipeline = _Reader(arrays, tables, allow).value(manifest["tree"])
    except (
        KeyError,
        TypeError,
        ValueError,
        AttributeError,
        ConfigError,
        SafetensorError,
        pl.exceptions.PolarsError,
    ) as error:
        raise ArtefactError(
            f"{root} is damaged ({type(error).__name__}: {error}); fit the pipeline again"
        ) from error
    return pipeline


def read_origin(folder: str | Path) -> dict[str, Any]:
    """What `save_pipeline` was told about where the model came from."""
    return dict(_read_manifest(Path(folder)).get("origin", {}))


def _read_manifest(root: Path) -> dict[str, Any]:
    path = root / MANIFEST
    if not path.is_file():
        raise ArtefactError(f"{root} holds no palate model: there is no {MANIFEST} in it")
    try:
        manifest = json.loads(path.read_text("utf-8"))
        version = int(manifest["format"])
    except (ValueError, KeyError, TypeError) as error:
        raise ArtefactError(
            f"{path} is damaged ({type(error).__name__}: {error}); fit the pipeline again"
        ) from error
    if version > FORMAT:
        raise ArtefactError(
            f"{root} was written by palate {manifest.get('palate')} (format {version}); this is "
            f"{__version__} (format {FORMAT}): pip install --upgrade palate"
        )
    return dict(manifest)


def _checked(root: Path, name: str) -> Path:
    """The file, once its content is known to be what was written."""
    if not _FILE_NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no file name of a model folder")
    path = root / name
    if not path.is_file():
        raise ArtefactError(f"{root} is damaged: {name} is missing; fit the pipeline again")
    if _digest(path.read_bytes()) != name.partition(".")[0]:
        raise ArtefactError(f"{root} is damaged: {name} has changed; fit the pipeline again")
    return path
