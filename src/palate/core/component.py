"""What a component is: settings that are held to their types and limits, and what `fit` learns."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from functools import wraps
from typing import Annotated, Any, Final, TypeVar, dataclass_transform, get_args, get_origin

import numpy as np
from pydantic import ConfigDict, TypeAdapter, ValidationError

from palate.core.doors import MOST, doors
from palate.core.errors import ConfigError, Message, NotFittedError, did_you_mean, guess
from palate.core.parameters import Parameters
from palate.core.settings import same_objects, types_of
from palate.core.visible import quoted, shorten

_LIMITS: Final = ("greater_than", "greater_than_equal", "less_than", "less_than_equal", "too_short")
"""What pydantic calls values of the right type that are beyond the limits of a setting."""

_STRICT = ConfigDict(strict=True, allow_inf_nan=False, arbitrary_types_allowed=True)
_LOW: Final = {"ge": "≤", "gt": "<"}
_HIGH: Final = {"le": "≤", "lt": "<"}
_ALONE: Final = {
    "ge": "{} or more",
    "gt": "more than {}",
    "le": "{} or less",
    "lt": "less than {}",
}

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


_KINDS: Mapping[str, str] = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "a text",
    "list_type": "a list [in brackets]",
    "dict_type": "a table {in braces}",
}
"""What pydantic's errors about types want, in plain words."""


def checked(hint: Any, value: Any, *, where: str | Message) -> Any:
    """`value`, once it has the type of `hint` and keeps its limits; else `ConfigError`."""
    adapter = TypeAdapter(hint, config=_STRICT)
    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        found = next((one for one in error.errors() if one["type"] in _LIMITS), None)
        if found is None:
            where, value, reason = _of_another_kind(adapter, value, error, where)
        else:
            where = Message.joined(".", [where, *_inside(value, found["loc"])])
            value, name = found["input"], str(where).rpartition(".")[2]
            reason = allowed(hint, name, empty=found["type"] == "too_short") or found["msg"]
        raise ConfigError(where, f" = {quoted(value)} cannot be used: {reason}") from error


def _of_another_kind(
    adapter: TypeAdapter[Any], value: Any, error: ValidationError, where: str | Message
) -> tuple[str | Message, Any, str]:
    """Where the wrong value stands, the value, and what it must be instead, in plain words."""
    errors = error.errors()
    fix = _without_quotes(adapter, value)
    deep = next((one for one in errors if any(_inside(value, one["loc"]))), None)
    if deep is not None and deep["type"] in _KINDS:
        inside = Message.joined(".", [where, *_inside(value, deep["loc"])])
        return inside, deep["input"], f"it must be {_KINDS[deep['type']]}"
    known = [_kind(one) for one in errors]
    if not known or None in known:
        said = errors[0]["msg"].removeprefix("Value error, ")
        return where, value, said + fix
    words = " or ".join(dict.fromkeys(map(str, known)))
    choices = [name for one in errors for name in _choices(one)]
    near = guess(value, choices) if isinstance(value, str) else ""
    return where, value, f"it must be {words}{fix or (near and '.' + near)}"


def _kind(error: Any) -> str | None:
    if error["type"] == "literal_error":
        return str(error["ctx"]["expected"]).replace("'", '"')
    return _KINDS.get(error["type"])


def _choices(error: Any) -> list[str]:
    expected = str(error.get("ctx", {}).get("expected", ""))
    return re.findall(r"'([^']+)'", expected) if error["type"] == "literal_error" else []


def _without_quotes(adapter: TypeAdapter[Any], value: Any) -> str:
    """The fix for a number, a truth value or a list that is written as a string."""
    if not isinstance(value, str) or value.strip() == "null":
        return ""
    try:
        adapter.validate_json(value)
    except ValidationError:
        return ""
    return f". Write {shorten(value)}, without quotes"


def allowed(hint: Any, name: str, *, empty: bool = False) -> str:
    """What the limits in a type allow, as the fix of an error: "give 0 < decay ≤ 1".

    `empty`: of a list that is too short, not of a number. Empty where the type has no limits.
    """
    limits = dict(_limits(hint))
    left_out = ", or leave it out" if type(None) in get_args(hint) else ""
    least = limits.pop("min_length", None)
    if empty:
        return f"name {least} or more{left_out}" if least else ""
    low = next((f"{limits[key]:g} {sign}" for key, sign in _LOW.items() if key in limits), "")
    high = next((f"{sign} {limits[key]:g}" for key, sign in _HIGH.items() if key in limits), "")
    if low and high:
        return f"give {low} {name} {high}{left_out}"
    alone = [f"give {_ALONE[key].format(f'{limits[key]:g}')}{left_out}" for key in limits]
    return alone[0] if alone else ""


def _limits(hint: Any) -> Iterator[tuple[str, float]]:
    """The limits in a type, wherever they stand in it, by the names that pydantic has for them."""
    if get_origin(hint) is Annotated:
        for mark in hint.__metadata__:
            for limit in getattr(mark, "metadata", [mark]):
                for key in (*_ALONE, "min_length"):
                    if (value := getattr(limit, key, None)) is not None:
                        whole = key == "gt" and hint.__origin__ is int
                        yield ("ge", value + 1) if whole else (key, value)
    for part in get_args(hint):
        yield from _limits(part)


def _inside(value: Any, steps: Iterable[Any]) -> Iterator[str]:
    """The keys and places by which `steps` lead into lists and tables; others name types."""
    for step in steps:
        if (isinstance(value, dict) and step in value) or (
            isinstance(value, list) and isinstance(step, int)
        ):
            yield str(step)
            value = value[step]


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
