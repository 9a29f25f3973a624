"""What a component is: settings that are held to their types and limits, and what `fit` learns."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from functools import wraps
from typing import Any, TypeVar, dataclass_transform

import numpy as np

from palate.core.doors import MOST, doors
from palate.core.errors import ConfigError, NotFittedError, did_you_mean
from palate.core.parameters import Parameters
from palate.core.settings import same_objects, types_of
from palate.core.takes import checked
from palate.core.visible import quoted

T = TypeVar("T")


@dataclass_transform(kw_only_default=True, field_specifiers=(field,))
def component(cls: type[T]) -> type[T]:
    """A keyword-only dataclass whose constructor knows what a misspelt setting was meant to be.

    It has `get_params` and `set_params`, and `sklearn.base.clone` makes an unfitted copy of it.
    What its verbs are given is held to their signatures (`door`).
    """
    made: Any = dataclass(kw_only=True)(cls)
    doors(made)
    for name, method in vars(Parameters).items():
        if callable(method) and not hasattr(made, name):
            setattr(made, name, method)
    build = made.__init__
    known = [entry.name for entry in fields(made) if entry.init]

    @wraps(build)
    def init(self: Any, *unnamed: Any, **settings: Any) -> None:
        if unnamed:
            example = f": write {known[0]}={quoted(unnamed[0])}" if known else ""
            raise ConfigError(f"{type(self).__name__} takes settings by their names alone{example}")
        for name in settings:
            if name not in known:
                hint = did_you_mean(name, known)
                raise ConfigError(f"{type(self).__name__} has no setting {name!r}.{hint}")
        build(self, **settings)

    made.__init__ = init
    checking: type[T] = made
    return checking


def learnt(*shape: str | int) -> Any:
    """A dataclass field that `fit` fills; its name ends in `_` and it travels in the artefact.

    `shape` says how long an array is in each dimension: a number, another learnt field
    ("item_ids_"), or a word that stands for the same length wherever the component has it. What is
    loaded from a folder is held to that and to the field's type.
    """
    return field(init=False, repr=False, compare=False, metadata={"shape": shape})


def check_fitted(component: Any) -> None:
    """Raises `NotFittedError` while a learnt field of `component` is not there yet."""
    if not is_fitted(component):
        raise NotFittedError(f"{type(component).__name__} is not fitted: call fit(...) first")


def is_fitted(component: Any) -> bool:
    """Whether all learnt fields are there: a transform of a pipeline without features has none."""
    learnt_fields = (entry for entry in fields(component) if not entry.init)
    return all(hasattr(component, one.name) for one in learnt_fields if one.name.endswith("_"))


class LoadsItself:
    """A dataclass whose other attributes are made of its settings, when they are needed.

    Copies make them anew, and so does whoever gets another setting: else what the old one gave
    would go into the cache of vectors under the name of the new one.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        entries = fields(self)  # type: ignore[arg-type]
        if name in vars(self) and any(entry.name == name and entry.init for entry in entries):
            for other in vars(self).keys() - self.__getstate__().keys():
                del vars(self)[other]
        super().__setattr__(name, value)

    def __getstate__(self) -> dict[str, Any]:
        """Settings and what was learnt: a copy loads its model itself, when it needs it."""
        names = [entry.name for entry in fields(self)]  # type: ignore[arg-type]
        return {name: value for name, value in vars(self).items() if name in names}


def check_types(component: Any) -> None:
    """Brings every setting to its type; `ConfigError` for another type, or beyond its limits.

    NumPy's numbers become Python's and tuples lists, so that settings survive JSON. A default is
    taken as it is.
    """
    cls: Any = type(component)
    hints = types_of(cls)
    for entry in fields(component):
        value = getattr(component, entry.name, entry.default)
        if value is entry.default or entry.name not in hints:
            continue
        plain, where = _plain(value), f"{cls.__name__}.{entry.name}"
        typed = checked(hints[entry.name], plain, where=where)
        if isinstance(typed, int) and abs(typed) > MOST:
            raise ConfigError(f"{where} = {quoted(typed)} cannot be used: give one below 2**63")
        # what came as a list or a table stays that very object
        setattr(component, entry.name, plain if isinstance(plain, list | dict) else typed)


def _plain(value: Any) -> Any:
    """With Python's own numbers, and lists in place of tuples; itself where it has these."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, list | tuple):
        parts = [_plain(part) for part in value]
        return value if isinstance(value, list) and same_objects(parts, value) else parts
    if isinstance(value, dict):
        named = {name: _plain(part) for name, part in value.items()}
        return value if same_objects(named.values(), value.values()) else named
    return value
