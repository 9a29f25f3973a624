"""Components ↔ a JSON tree, arrays and tables: what a model folder is made of."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, get_type_hints

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from palate.core import registry
from palate.core.dataset import Dataset
from palate.core.errors import ArtefactError
from palate.core.features import Features
from palate.core.ids import Ids
from palate.core.learnt import agree, check_declared, check_sparse, check_type
from palate.core.paths import WholePath, beside, found_again
from palate.core.registry import located_whole
from palate.pipeline.card import scoring_events

_KIND = "$"
_NUMBERS = "biuf"  # numpy's letters for truth values, whole numbers and floats


class Writer:
    """Turns a pipeline, of the class `whole`, into a JSON tree, arrays and tables.

    Settings that are paths become whole ones, with how they are reached from `root`.
    """

    def __init__(self, root: Path, whole: type[Any]) -> None:
        self.root = root
        self.whole = whole
        self.arrays: dict[str, NDArray[Any]] = {}
        self.tables: dict[str, pl.DataFrame] = {}

    def tree(self, value: Any, where: str) -> Any:
        """JSON for `value`; arrays and tables are kept under the name `where`.

        Raises `ArtefactError` for what cannot be saved.
        """
        if isinstance(value, WholePath):
            return {_KIND: "path", "whole": str(value), "beside": beside(value, self.root)}
        if value is None or isinstance(value, bool | int | str):
            return value
        if isinstance(value, float | np.floating):
            return {_KIND: "float", "hex": float(value).hex()}
        if isinstance(value, np.integer | np.bool_):
            return value.item()
        if isinstance(value, list | tuple):
            return [self.tree(part, f"{where}.{i}") for i, part in enumerate(value)]
        if isinstance(value, Mapping):
            return {_KIND: "dict", "items": self._fields(value, where)}
        return self._large(value, where)

    def _fields(self, parts: Mapping[Any, Any], where: str) -> dict[str, Any]:
        for name in parts:
            if not isinstance(name, str):
                raise ArtefactError(f"{where} has the key {name!r}; only text can be saved as keys")
        return {name: self.tree(part, f"{where}.{name}") for name, part in parts.items()}

    def _large(self, value: Any, where: str) -> Any:
        if isinstance(value, np.ndarray) and value.dtype.kind in _NUMBERS:
            self.arrays[where] = np.asarray(value, order="C")
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
            value = value.with_interactions(scoring_events(value.interactions))
            tables = {entry.name: getattr(value, entry.name) for entry in fields(value)}
            return {_KIND: "dataset", **self._fields(tables, where)}
        if is_dataclass(value) and not isinstance(value, type):
            return self._component(value, where)
        kind = f"array of {value.dtype}" if isinstance(value, np.ndarray) else type(value).__name__
        raise ArtefactError(f"{where} holds a value that cannot be saved: {kind}")

    def _component(self, component: Any, where: str) -> Any:
        cls = type(component)
        stage = registry.stage_of(cls)
        known = [entry for entry in fields(component) if hasattr(component, entry.name)]
        settings = {e.name: getattr(component, e.name) for e in known if e.init}
        opened = registry.Opened(stage, cls, settings)
        named = {_KIND: "component", "stage": stage, "type": registry.type_of(cls)}
        return {
            **({_KIND: "pipeline"} if cls is self.whole else named),
            "settings": self._fields(located_whole(opened, Path.cwd()), where),
            "learnt": self._fields(
                {e.name: getattr(component, e.name) for e in known if not e.init}, where
            ),
        }


class Reader:
    """Turns a JSON tree, arrays and tables back into what they were: a pipeline, a `whole`."""

    def __init__(
        self,
        arrays: Mapping[str, NDArray[Any]],
        tables: Mapping[str, pl.DataFrame],
        *,
        whole: type[Any],
        allow: Collection[str],
        source: str,
    ) -> None:
        self.whole = whole
        self.source = source
        self.arrays = arrays
        self.tables = tables
        self.allow = allow
        self.ids: dict[str, Ids] = {}
        self.kinds: dict[str, Callable[[dict[str, Any]], Any]] = {
            "path": self._path,
            "float": lambda tree: float.fromhex(tree["hex"]),
            "dict": lambda tree: self._values(tree["items"]),
            "array": self._array,
            "sparse": self._sparse,
            "table": lambda tree: self.tables[tree["name"]],
            "ids": self._ids,
            "features": self._features,
            "dataset": self._dataset,
            "component": self._component,
            "pipeline": lambda tree: self._filled(
                self.whole(**self._values(tree["settings"])), tree, own=True
            ),
        }

    def value(self, tree: Any) -> Any:
        """What `Writer.tree` was given.

        Raises `ArtefactError` for code outside palate that is not allowed, and whatever Python does
        for a tree that no `Writer` made. What is learnt is checked before anybody uses it.
        """
        if isinstance(tree, list):
            return [self.value(part) for part in tree]
        return self.kinds[tree[_KIND]](tree) if isinstance(tree, dict) else tree

    def _values(self, parts: dict[str, Any]) -> dict[str, Any]:
        return {name: self.value(part) for name, part in parts.items()}

    def _path(self, tree: dict[str, Any]) -> str:
        whole, near = tree["whole"], tree["beside"]
        check_type(whole, str, "a path")
        check_type(near, str | None, "a path")
        return found_again(whole, near, Path(self.source))

    def _array(self, tree: dict[str, Any]) -> NDArray[Any]:
        return self.arrays[tree["name"]]

    def _sparse(self, tree: dict[str, Any]) -> sparse.csr_array:
        data, indices, indptr = (self.value(tree[part]) for part in ("data", "indices", "indptr"))
        for part in (data, indices, indptr):
            agree(isinstance(part, np.ndarray), "a part of a sparse array is no array")
        check_type(tree["shape"], list[int], "the shape of a sparse array")
        check_sparse(data, indices, indptr, tree["shape"])
        return sparse.csr_array((data, indices, indptr), shape=tuple(tree["shape"]))

    def _ids(self, tree: dict[str, Any]) -> Ids:
        name = tree["name"]
        if name not in self.ids:
            table = self.tables[name]
            plain = table.dtypes == [pl.String] and not table.null_count().sum_horizontal().item()
            agree(plain, f"{name} is no table of ids")
            self.ids[name] = Ids(table.to_series())
        return self.ids[name]

    def _features(self, tree: dict[str, Any]) -> Features:
        ids, parts = self.value(tree["ids"]), self.value(tree["parts"])
        check_type(ids, Ids, "the ids of features")
        check_type(parts, dict[str, NDArray[np.float32] | sparse.csr_array], "features")
        check_type(tree["behavioural"], list[str], "what is behavioural")
        return Features(ids, parts, behavioural=tree["behavioural"])

    def _dataset(self, tree: dict[str, Any]) -> Dataset:
        found = {name: self.value(part) for name, part in tree.items() if name != _KIND}
        for name, hint in get_type_hints(Dataset).items():
            check_type(found.get(name), hint, name)
        return Dataset(**found)

    def _component(self, tree: dict[str, Any]) -> Any:
        type_name, stage = tree["type"], tree["stage"]
        settings = self._values(tree["settings"])
        for name in (type_name, *_used_in(settings)):
            if ":" in name and name not in self.allow:
                raise ArtefactError(
                    f"{self.source} asks for code outside palate, {name!r}: if you trust it, load "
                    f"it with allow=[{name!r}] (--allow {name})"
                )
        return self._filled(
            registry.find(stage, type_name)(**settings), tree, own=":" not in type_name
        )

    def _filled(self, component: Any, tree: dict[str, Any], *, own: bool) -> Any:
        """A component with what it has learnt; that of palate's `own` ones is checked."""
        wanted = {entry.name for entry in fields(component) if not entry.init}
        learnt = self._values(tree["learnt"])
        if learnt and (other := sorted(learnt.keys() ^ wanted)):
            name = type(component).__name__
            raise ValueError(
                f"{name} learns other things than the folder holds: {', '.join(other)}"
            )
        for name, part in learnt.items():
            setattr(component, name, part)
        if learnt and own:
            check_declared(component)
        return component


def _used_in(setting: Any) -> Iterator[str]:
    """What the tables of components inside a setting use."""
    if isinstance(setting, Mapping):
        if isinstance(setting.get("type"), str):
            yield setting["type"]
        setting = list(setting.values())
    if isinstance(setting, list):
        for part in setting:
            yield from _used_in(part)
