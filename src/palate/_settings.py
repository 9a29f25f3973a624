"""Settings of a component that is made in Python: types and limits, as in pipeline files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import fields
from functools import cache
from typing import Annotated, Any, Final, get_args, get_origin, get_type_hints

import numpy as np

LIMITS: Final = ("greater_than", "greater_than_equal", "less_than", "less_than_equal", "too_short")
"""What pydantic calls values of the right type that are beyond the limits of a setting."""


def check_types(component: Any) -> None:
    """Brings every setting to its type; `ConfigError` for another type, or beyond its limits.

    NumPy's numbers become Python's and tuples lists, so that settings survive JSON. A default is
    taken as it is.
    """
    cls: Any = type(component)
    hints = _hints(cls)
    for entry in fields(component):
        value = getattr(component, entry.name, entry.default)
        if not entry.init or value is entry.default or entry.name not in hints:
            continue
        from palate.registry import checked  # which loads pydantic: not before it is needed

        plain, where = _plain(value), f"{cls.__name__}.{entry.name}"
        typed = checked(hints[entry.name], plain, where=where)
        # what came as a list or a table stays that very object
        setattr(component, entry.name, plain if isinstance(plain, list | dict) else typed)


@cache
def _hints(cls: Any) -> dict[str, Any]:
    """The type of every setting; none where somebody's annotations cannot be resolved."""
    try:
        return get_type_hints(cls, include_extras=True)
    except (NameError, TypeError):
        return {}


def allowed(hint: Any, name: str) -> str:
    """What the limits in a type allow, as the fix of an error: "give 0 < decay ≤ 1"."""
    limits = dict(_limits(hint))
    left_out = ", or leave it out" if type(None) in get_args(hint) else ""
    if "min_length" in limits:
        return f"name {limits['min_length']} or more{left_out}"
    low = next((f"{limits[key]:g} {sign}" for key, sign in _LOW.items() if key in limits), "")
    high = next((f"{sign} {limits[key]:g}" for key, sign in _HIGH.items() if key in limits), "")
    if low and high:
        return f"give {low} {name} {high}{left_out}"
    key, limit = next(iter(limits.items()))
    return f"give {_ALONE[key].format(f'{limit:g}')}{left_out}"


_LOW: Final = {"ge": "≤", "gt": "<"}
_HIGH: Final = {"le": "≤", "lt": "<"}
_ALONE: Final = {
    "ge": "{} or more",
    "gt": "more than {}",
    "le": "{} or less",
    "lt": "less than {}",
}


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


def place_inside(value: Any, steps: Iterable[Any]) -> Iterator[str]:
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
        return value if isinstance(value, list) and _same(parts, value) else parts
    if isinstance(value, dict):
        named = {name: _plain(part) for name, part in value.items()}
        return value if _same(named.values(), value.values()) else named
    return value


def _same(parts: Iterable[Any], others: Iterable[Any]) -> bool:
    return all(part is other for part, other in zip(parts, others, strict=True))
