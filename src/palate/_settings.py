"""Settings of a component that is made in Python: their types, as pipeline files have them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from functools import cache
from typing import Any, get_type_hints

import numpy as np


def check_types(component: Any) -> None:
    """Brings every setting to its type; `ConfigError` for one that is of another.

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
        return get_type_hints(cls)
    except (NameError, TypeError):
        return {}


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
