"""Components by name: the folder of a stage is its registry.

A component is a keyword-only dataclass in a file of its own; `__all__` of that file names it, and
nothing else. `use = "ease"` finds `palate/recommenders/ease.py`; `use = "package.module:Class"`
finds anybody's.
"""

import copy
import importlib
import inspect
import pkgutil
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError

from palate.errors import ConfigError, did_you_mean

STAGES = ("encoders", "representation", "fusion", "selection", "recommenders", "rerankers")
PIPELINE = "palate.pipeline:Pipeline"  # what a model folder holds: of no stage
HELPERS = frozenset({"people"})  # modules of functions, in a stage's folder but no component


def names(stage: str) -> list[str]:
    """The components of a stage, by the names that `use` takes."""
    if stage not in STAGES:
        raise ConfigError(f"no stage is called {stage!r}.{did_you_mean(stage, STAGES)}")
    package = importlib.import_module(f"palate.{stage}")
    found = [module.name for module in pkgutil.iter_modules(package.__path__)]
    return sorted(name for name in found if not (name.startswith("_") or name in HELPERS))


def find(stage: str, use: str) -> type[Any]:
    """The class of a component; a misspelt name raises `ConfigError`."""
    if not stage and use == PIPELINE:
        whole: type[Any] = importlib.import_module("palate.pipeline").Pipeline
        return whole
    if ":" in use:
        return _find_outside(use)
    if use not in names(stage):
        singular = stage.removesuffix("s")
        hint = _of_model(use) if stage == "encoders" else None
        hint = hint or did_you_mean(use, names(stage))
        raise ConfigError(f"no {singular} is called {use!r}.{hint}")
    module = importlib.import_module(f"palate.{stage}.{use}")
    component: type[Any] = getattr(module, module.__all__[0])
    return component


def _of_model(name: str) -> str | None:
    """What to write for a model that is named where an encoder is meant; None for other names."""
    catalogue = importlib.import_module("palate.encoders._catalogue_of_models")
    use = catalogue.encoder_of(name)
    return use and f' It is a model: write use = "{use}", model = "{name}"'


def _find_outside(use: str) -> type[Any]:
    module_name, _, class_name = use.partition(":")
    if module_name.split(".")[0] == "palate":
        raise ConfigError(f'use = {use!r}: palate\'s own components have names, as use = "ease"')
    try:
        component = getattr(importlib.import_module(module_name), class_name)
    except Exception as error:  # whatever somebody's module does when it is imported
        reason = f"{type(error).__name__}: {error}"
        raise ConfigError(f"use = {use!r} cannot be imported ({reason})") from error
    if not (isinstance(component, type) and is_dataclass(component)):
        raise ConfigError(f"use = {use!r} names no component: it must be a dataclass")
    return component


def name_of(component: object) -> str:
    """What `use` must say to get this component's class."""
    cls = type(component)
    parts = cls.__module__.split(".")
    if parts[0] == "palate" and len(parts) == 3 and parts[1] in STAGES:
        return parts[2]
    return f"{cls.__module__}:{cls.__qualname__}"


def apart(component: Any) -> Any:
    """A copy that may take new items while others ask the one that it is made of.

    Palate's own components put new values in the place of what they have learnt; somebody else's
    may change them, so all that these hold is copied.
    """
    return copy.deepcopy(component) if ":" in name_of(component) else copy.copy(component)


def settings_of(component: Any) -> dict[str, Any]:
    """The hyperparameters of a component, as a pipeline file would hold them."""
    return {entry.name: getattr(component, entry.name) for entry in fields(component) if entry.init}


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


def build(stage: str, table: Mapping[str, Any], *, where: str) -> Any:
    """A component from `{"use": name, **hyperparameters}`; `where` is named in errors."""
    if not isinstance(table, Mapping):
        raise ConfigError(f'{where} must be a table with use = "NAME", not {table!r}')
    given = dict(table)
    use = given.pop("use", None)
    if not isinstance(use, str):
        raise ConfigError(f'{where} needs use = "NAME".{did_you_mean("", names(stage))}')
    try:
        cls = find(stage, use)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from error
    hints = get_type_hints(cls)
    known = [entry.name for entry in fields(cls) if entry.init]
    for key, value in given.items():
        if key not in known:
            raise ConfigError(f"{where} has no setting {key!r}.{did_you_mean(key, known)}")
        given[key] = checked(hints[key], value, where=f"{where}.{key}")
    try:
        return cls(**given)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{where}: {error}") from error


_STRICT = ConfigDict(strict=True, allow_inf_nan=False, arbitrary_types_allowed=True)


def checked(hint: Any, value: Any, *, where: str) -> Any:
    """`value`, once it has the type of `hint`; else `ConfigError`, which names `where`."""
    adapter = TypeAdapter(hint, config=_STRICT)
    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        reason = error.errors()[0]["msg"] + _without_quotes(adapter, value)
        raise ConfigError(f"{where} = {value!r} cannot be used: {reason}") from error


def _without_quotes(adapter: TypeAdapter[Any], value: Any) -> str:
    """The fix for a number, a truth value or a list that is written as a string."""
    if not isinstance(value, str) or value.strip() == "null":
        return ""
    try:
        adapter.validate_json(value)
    except ValidationError:
        return ""
    return f". Write {value.strip()}, without quotes"
