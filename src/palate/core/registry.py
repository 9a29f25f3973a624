"""Components by name: the folder of a stage is its registry.

A component is a keyword-only dataclass in a file of its own; `__all__` of that file names it, and
nothing else. `type = "ease"` finds `palate/recommenders/ease.py`; `type = "package.module:Class"`
finds anybody's.
"""

from __future__ import annotations

import copy
import importlib
import inspect
import pkgutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import MISSING, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

from palate.core.errors import ConfigError, Message, Setting, did_you_mean
from palate.core.paths import located
from palate.core.settings import Confusable, Inside, mark_in, same_objects, types_of
from palate.core.takes import checked
from palate.core.visible import quoted

FOLDERS = {
    "encoders": "palate.features.encoders",
    "representation": "palate.features.representation",
    "fusion": "palate.features.fusion",
    "selection": "palate.features.selection",
    "recommenders": "palate.recommenders",
    "rerankers": "palate.recommenders.rerankers",
}
STAGES = tuple(FOLDERS)
_BY_WHAT_IT_READS = {"encoders": {"text": "muse"}}
"""What may stand for the component that is taken by default, whichever that is."""


def names(stage: str) -> list[str]:
    """The components of a stage, by the names that `type` takes."""
    if stage not in STAGES:
        raise ConfigError(f"no stage is called {quoted(stage)}.{did_you_mean(stage, STAGES)}")
    package = importlib.import_module(FOLDERS[stage])
    found = [module.name for module in pkgutil.iter_modules(package.__path__) if not module.ispkg]
    return sorted(name for name in found if not name.startswith("_"))


def find(stage: str, name: str) -> type[Any]:
    """The class of a component; a misspelt name raises `ConfigError`."""
    if ":" in name:
        return _find_outside(name)
    name = _BY_WHAT_IT_READS.get(stage, {}).get(name, name)
    if name not in names(stage):
        singular = stage.removesuffix("s")
        hint = _confused(stage, name) or did_you_mean(name, names(stage))
        raise ConfigError(f"no {singular} is called {quoted(name)}.{hint}")
    module = importlib.import_module(f"{FOLDERS[stage]}.{name}")
    component: type[Any] = getattr(module, module.__all__[0])
    return component


def _confused(stage: str, name: str) -> str | None:
    """What to write for a value of a component's setting that is named in place of a component."""
    for known in names(stage):
        cls: Any = find(stage, known)
        marks = (mark_in(hint, Confusable) for hint in types_of(cls).values())
        for mark in filter(None, marks):
            if hint := mark.hint(name):
                return hint
    return None


def _find_outside(name: str) -> type[Any]:
    module_name, _, class_name = name.partition(":")
    package, _, room = module_name.partition(".")
    if package == "palate" and room != "testing":  # whose parts stand for somebody's
        raise ConfigError(f'type = {name!r}: palate\'s own components have names, as type = "ease"')
    try:
        component = getattr(importlib.import_module(module_name), class_name)
    except Exception as error:  # whatever somebody's module does when it is imported
        reason = f"{type(error).__name__}: {error}"
        raise ConfigError(f"type = {quoted(name)} cannot be imported ({reason})") from error
    if not (isinstance(component, type) and is_dataclass(component)):
        raise ConfigError(f"type = {quoted(name)} names no component: it must be a dataclass")
    return component


def name_of(component: object) -> str:
    """What `type` must say to get this component's class."""
    return type_of(type(component))


def type_of(cls: type[Any]) -> str:
    """What `type` must say to get a class."""
    name = cls.__module__.rpartition(".")[2]
    return name if stage_of(cls) else f"{cls.__module__}:{cls.__qualname__}"


def stage_of(cls: type[Any]) -> str:
    """The stage of one of palate's own components; "" for all else."""
    folder = cls.__module__.rpartition(".")[0]
    return next((stage for stage, home in FOLDERS.items() if home == folder), "")


def apart(component: Any) -> Any:
    """A copy that may take new items while others ask the one that it is made of.

    Palate's own components put new values in the place of what they have learnt; somebody else's
    may change them, so all that these hold is copied.
    """
    return copy.deepcopy(component) if ":" in name_of(component) else copy.copy(component)


def kept_of_fit(recommender: Any) -> tuple[str, ...]:
    """What of a recommender stays as it was fitted, when events come after the fit.

    All of it, where it has no `refresh(data, context)`; else what its `keeps_fit` names.
    """
    name = name_of(recommender)
    if not hasattr(recommender, "refresh"):
        return (name,)
    return tuple(part if " of " in part else f"{part} of {name}" for part in recommender.keeps_fit)


def settings_of(component: Any) -> dict[str, Any]:
    """The hyperparameters of a component, as a pipeline file would hold them."""
    return {entry.name: getattr(component, entry.name) for entry in fields(component) if entry.init}


def table_of(component: Any, *, where: str | Setting, stage: str = "") -> dict[str, Any]:
    """A component, or its table, as a pipeline file holds it, with the name that its stage has.

    Raises `ConfigError`, which names `where`, for what is neither.
    """
    if isinstance(component, Mapping):
        called = _BY_WHAT_IT_READS.get(stage, {}).get(str(component.get("type")))
        return {**component, "type": called} if called else dict(component)
    if not is_dataclass(component) or isinstance(component, type):
        raise ConfigError(
            where, f' must be a component, or a table with type = "NAME", not {quoted(component)}'
        )
    return {"type": name_of(component), **settings_of(component)}


@dataclass(frozen=True)
class Opened:
    """A component, or its table in a pipeline file, taken apart."""

    stage: str
    cls: Any
    settings: Mapping[str, Any]

    @classmethod
    def of(cls, stage: str, component: Any) -> Opened:
        """Raises `ConfigError` for a table whose `type` names no component of the stage."""
        if isinstance(component, Mapping):
            settings = {key: value for key, value in component.items() if key != "type"}
            return cls(stage, find(stage, str(component.get("type"))), settings)
        settings = settings_of(component) if is_dataclass(component) else {}
        return cls(stage, type(component), settings)

    def with_parts(self, change: Callable[[str, str, Any], Any]) -> dict[str, Any]:
        """The settings, with each component inside as `change(setting, stage, component)` has it.

        Its stage is the one that the setting's type says (`Inside`), and else the same as here:
        then it is a table that says `type`. `setting` is "parts[0]" where there are several.
        """

        def inside(value: Any, where: str, stage: str) -> Any:
            if isinstance(value, list | tuple):
                rows = [inside(row, f"{where}[{place}]", stage) for place, row in enumerate(value)]
                return value if same_objects(rows, value) else rows
            if is_dataclass(value) and not isinstance(value, type):
                return change(where, stage, value)
            if not isinstance(value, Mapping):
                return value
            if isinstance(value.get("type"), str):
                return change(where, stage, value)
            table = {name: inside(row, f"{where}.{name}", stage) for name, row in value.items()}
            return value if same_objects(table.values(), value.values()) else table

        found = {}
        for name, value in self.settings.items():
            mark = mark_in(types_of(self.cls).get(name), Inside)
            found[name] = inside(value, name, mark.stage if mark else self.stage)
        return found

    def parts(self) -> list[tuple[str, Opened]]:
        """(setting, component) of all inside; whoever builds one says that nothing is called so."""
        found = []

        def keep(where: str, stage: str, part: Any) -> Any:
            with suppress(ConfigError):
                found.append((where, Opened.of(stage, part)))
            return part

        self.with_parts(keep)
        return found


def summary_of(component: type[Any]) -> str:
    """What a component is, in a sentence: the first paragraph of its docstring."""
    first = (inspect.getdoc(component) or "").partition("\n\n")[0]
    return " ".join(first.split()).replace("`", "")


def defaults_of(component: type[Any]) -> dict[str, Any]:
    """The hyperparameters of a component class with their defaults; `MISSING` where needed."""
    shown = {}
    for entry in fields(component):
        if entry.init and entry.default_factory is not MISSING:
            shown[entry.name] = entry.default_factory()
        elif entry.init:
            shown[entry.name] = entry.default
    return shown


def build(stage: str, table: Mapping[str, Any], *, where: str | Setting) -> Any:
    """A component from `{"type": name, **hyperparameters}`; `where` is named in errors."""
    if not isinstance(table, Mapping):
        raise ConfigError(where, f' must be a table with type = "NAME", not {quoted(table)}')
    check_type_is_called_so(table, where=where)
    given = dict(table)
    name = given.pop("type", None)
    if not isinstance(name, str):
        raise ConfigError(where, f' needs type = "NAME".{did_you_mean("", names(stage))}')
    try:
        cls: Any = find(stage, name)
    except ConfigError as error:
        raise ConfigError(where, ": ", error) from error
    hints = types_of(cls)
    known = [entry.name for entry in fields(cls) if entry.init]
    for key, value in given.items():
        if key not in known:
            hint = did_you_mean(key, known)
            raise ConfigError(where, f" has no setting {quoted(key)}.{hint}")
        if key in hints:  # which somebody's annotations may not tell
            given[key] = checked(hints[key], value, where=Message.of(where, f".{key}"))
    try:
        return cls(**given)
    except (TypeError, ValueError) as error:
        raise ConfigError(where, ": ", error) from error


def check_type_is_called_so(table: Mapping[str, Any], *, where: object) -> None:
    """Raises `ConfigError` for a table that says `use`, as `type` was called."""
    if "use" in table and "type" not in table:
        use = Setting("type", table["use"])
        raise ConfigError(where, ": use is called type now: write ", use)


def located_table(stage: str, table: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """As `located`, of a component's table, and of the tables of components inside it."""
    try:
        opened = Opened.of(stage, table)
    except ConfigError:  # whoever builds it says so
        opened = Opened(stage, None, table)
    return {**table, **located_whole(opened, folder)}


def located_whole(opened: Opened, folder: Path) -> dict[str, Any]:
    """As `located`, of a component's settings, and of the tables of components inside it."""

    def inside(_: str, stage: str, part: Any) -> Any:
        return located_table(stage, part, folder) if isinstance(part, Mapping) else part

    return located(opened.cls, opened.with_parts(inside), folder)
