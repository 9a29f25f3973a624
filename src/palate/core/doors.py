"""What a public function is given, held to what its signature says, before any work."""

from __future__ import annotations

import inspect
import reprlib
import warnings
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, wraps
from numbers import Integral, Real
from pathlib import Path
from types import NoneType, SimpleNamespace, UnionType
from typing import Annotated, Any, Final, Literal, TypeVar, Union, get_args, get_origin
from typing import get_type_hints as hints_of

import numpy as np
import polars as pl

from palate.core.errors import ConfigError, DataError, PalateError, Setting, did_you_mean
from palate.core.visible import quoted

Class = TypeVar("Class")
Function = TypeVar("Function", bound=Callable[..., Any])

VERBS: Final = ("fit", "encode", "transform", "score", "add_items", "rerank")
"""What components do, each a door."""

_IN_ORDER: Final = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_BY_NAME: Final = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
_PLURAL: Final = ("Features", "Histories", "Ids", "Recommendations")
_INSIDE: Final = str(Path(__file__).parents[1])
MOST: Final = 2**63 - 1
"""Whole numbers that compiled code can count to."""
_DATA: Final = {  # what people make of their data, and how
    "Dataset": "palate.read makes one",
    "Features": "encoders make them, and Features(ids, {name: numbers})",
    "Histories": "model.histories(...) makes them of people, of item ids and of words",
    "Ids": 'Ids(["a", "b"]) makes them',
    "Recommendations": "model.recommend(...) makes them",
    "Split": "split_by_time and its like make one",
}


@dataclass(frozen=True)
class _Kind:
    """Values that a parameter takes: whether one is of them, and what they are called."""

    holds: Callable[[Any], bool]
    words: str
    fix: str = ""
    error: type[PalateError] = ConfigError


def door(*own: str) -> Callable[[Function], Function]:
    """Makes a function refuse arguments of another type than its signature says.

    Truth values, numbers, texts, functions, tables, palate's own classes, mappings and sequences of
    these are looked at, also where None is allowed; protocols, arrays and what may come from a file
    are left to the function. The parameters in `own` have better words inside: they are looked at
    where it stumbles over them. Raises `DataError` for what should be an object of palate's,
    `ConfigError` for the rest, and for arguments that are unknown, missing or too many.
    """

    def with_door(function: Function) -> Function:
        signature = inspect.signature(function)
        names = list(signature.parameters)

        @wraps(function)
        def checked(*given: Any, **named: Any) -> Any:
            _check_call(function, signature, given, named)
            kinds = _kinds(function)
            arguments = dict(zip(names, given, strict=False)) | named
            _look_at(arguments, {name: kinds[name] for name in kinds if name not in own})
            try:
                return function(*given, **named)
            except PalateError:
                raise
            except Exception:
                _look_at(arguments, kinds)
                raise

        return checked  # type: ignore[return-value]

    return with_door


def warn_caller(message: str, category: type[Warning]) -> None:
    """Warns at the line of somebody's code that asked, whatever of palate lies between."""
    level, frame = 2, inspect.currentframe()
    frame = frame and frame.f_back
    while frame and frame.f_back and frame.f_code.co_filename.startswith(_INSIDE):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)


def called_rightly(function: Function) -> Function:
    """A function that says in palate's words which arguments are unknown, missing or too many.

    A door does that as well; this is for functions that look at what they are given themselves.
    """
    signature = inspect.signature(function)

    @wraps(function)
    def checked(*given: Any, **named: Any) -> Any:
        _check_call(function, signature, given, named)
        return function(*given, **named)

    return checked  # type: ignore[return-value]


def _check_call(
    function: Callable[..., Any],
    signature: inspect.Signature,
    given: Sequence[Any],
    named: Mapping[str, Any],
) -> None:
    """Raises `ConfigError` for a call that Python would answer with a `TypeError`."""
    try:
        signature.bind(*given, **named)
        return
    except TypeError:
        pass  # without "during handling of": what follows says all of it
    taken = signature.parameters
    called = function.__qualname__.rpartition("<locals>.")[2].removesuffix(".__init__")
    known = [name for name, entry in taken.items() if name != "self" and entry.kind in _BY_NAME]
    if unknown := [name for name in named if name not in known]:
        raise ConfigError(
            f"{called} has no argument {quoted(unknown[0])}.{did_you_mean(unknown[0], known)}"
        )
    in_order = [name for name, entry in taken.items() if entry.kind in _IN_ORDER]
    if len(given) > len(in_order):
        first = [name for name in in_order if name != "self"]
        others = [name for name in known if name not in first]
        without = f"only {', '.join(first)}" if first else "no argument"
        fix = f": write the others with theirs, as {others[0]}=…" if others else ""
        raise ConfigError(f"{called} takes {without} without a name{fix}")
    if twice := [name for name in in_order[: len(given)] if name in named]:
        raise ConfigError(f"{called} was given {twice[0]} twice: in its place and by its name")
    in_place = in_order[: len(given)]
    needed = [name for name, entry in taken.items() if entry.default is entry.empty]
    lacking = [name for name in needed if name in known and name not in {*named, *in_place}]
    raise ConfigError(f"{called} needs {' and '.join(lacking)}: give {lacking[0]}=…")


def _look_at(arguments: Mapping[str, Any], kinds: Mapping[str, _Kind]) -> None:
    for name, kind in kinds.items():
        if name in arguments and not kind.holds(arguments[name]):
            raise _refusal(name, arguments[name], kind)


def door_of(cls: type[Class]) -> type[Class]:
    """A dataclass that is made of what its fields say."""
    setattr(cls, "__init__", door()(cls.__init__))  # noqa: B010 - no type checker knows the other way
    return called_rightly_in(cls)


def doors(cls: Any) -> None:
    """Makes every verb of a component a door; its other public methods know their arguments."""
    for name in VERBS:
        method = getattr(cls, name, None)
        if inspect.isfunction(method) and not hasattr(method, "__wrapped__"):
            setattr(cls, name, door()(method))
    called_rightly_in(cls, build=False)


def called_rightly_in(cls: type[Class], *, build: bool = True) -> type[Class]:
    """A class whose public methods, and constructor with `build`, are `called_rightly`."""
    for name, method in list(vars(cls).items()):
        public = not name.startswith("_") or (build and name == "__init__")
        if public and inspect.isfunction(method) and not hasattr(method, "__wrapped__"):
            setattr(cls, name, called_rightly(method))
    return cls


def _refusal(name: str, value: Any, kind: _Kind) -> PalateError:
    if not kind.fix:
        return kind.error(Setting(name, value), f": it must be {kind.words}")
    if kind.fix == _DATA["Dataset"] and hasattr(value, "train"):
        return kind.error(f"{name} must be {kind.words}: of a split, give fit(split.train)")
    return kind.error(f"{name} must be {kind.words}, not {reprlib.repr(value)}: {kind.fix}")


@cache
def _kinds(function: Any) -> dict[str, _Kind]:
    """By name of the parameter, where its type is one that can be looked at.

    Types that are only there for type checkers are not.
    """
    found = {}
    for name, hint in function.__annotations__.items():
        with suppress(NameError, TypeError):
            alone: Any = SimpleNamespace(__annotations__={name: hint})
            resolved = hints_of(alone, function.__globals__)[name]
            if name != "return" and (kind := _kind(resolved)) is not None:
                found[name] = kind
    return found


def _kind(hint: Any) -> _Kind | None:
    """None for types that are left to the function."""
    origin, parts = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _kind(hint.__origin__)
    if origin in (Union, UnionType):
        return _one_of(list(map(_kind, parts)))
    if origin is Literal:
        return _one_of([_kind(kind) for kind in dict.fromkeys(map(type, parts))])
    if origin is not None and issubclass(origin, Mapping):
        return _mapping(parts)
    if origin in (Sequence, Collection, Iterable):
        return _several(parts[0], again=origin is Sequence)
    if origin is Callable:
        return _Kind(callable, "a function")
    return _PLAIN.get(hint) or _own(hint)


def _one_of(kinds: list[_Kind | None]) -> _Kind | None:
    known = [kind for kind in kinds if kind is not None]
    if len(known) < len(kinds) or not known:
        return None
    return _Kind(
        lambda value: any(kind.holds(value) for kind in known),
        " or ".join(kind.words for kind in known),
        next((kind.fix for kind in known if kind.fix), ""),
        next((kind.error for kind in known if kind.fix), ConfigError),
    )


def _mapping(parts: Sequence[Any]) -> _Kind:
    value_kind = _kind(parts[1])

    def holds(value: Any) -> bool:
        if not isinstance(value, Mapping):
            return False
        if parts[0] is str and not all(isinstance(name, str) for name in value):
            return False
        return value_kind is None or all(map(value_kind.holds, value.values()))

    of_what = "" if value_kind is None else f" to {value_kind.words}"
    return _Kind(holds, f"a mapping from names{of_what}")


def _several(part: Any, *, again: bool) -> _Kind | None:
    """What can be gone through; `again` and again, by place, as an array or a column can."""
    inner = _kind(part)
    if inner is None:
        return None

    def holds(value: Any) -> bool:
        shape = getattr(value, "shape", None)
        column = shape is not None and len(shape) == 1  # of an array, of a table
        listed = column or isinstance(value, Sequence)
        if isinstance(value, str | bytes) or not (column or shape is None):
            return False
        if not (listed or isinstance(value, Collection)):
            return not again and isinstance(value, Iterable)
        return (listed or not again) and all(map(inner.holds, value))

    return _Kind(holds, f"a list, each part of it {inner.words}")


def _own(hint: Any) -> _Kind | None:
    """A class of palate's; its subclasses are as good."""
    protocol = getattr(hint, "_is_protocol", False)
    if not (isinstance(hint, type) and hint.__module__.startswith("palate.")) or protocol:
        return None
    name = hint.__name__
    article = "" if name in _PLURAL else "a "
    error, fix = (DataError, _DATA[name]) if name in _DATA else (ConfigError, f"write {name}(...)")
    if name == "FitContext":
        fix = "write FitContext(items=features)"
    return _Kind(lambda value: isinstance(value, hint), f"{article}{name}", fix, error)


def _is_text(value: Any) -> bool:
    """Whether something is a text that can be written down."""
    return isinstance(value, str) and value.encode(errors="replace").decode() == value


def _is_whole(value: Any) -> bool:
    whole = isinstance(value, Integral) and not isinstance(value, bool)
    return whole and -MOST <= int(value) <= MOST


def _is_number(value: Any) -> bool:
    if isinstance(value, Integral):
        return _is_whole(value)
    return isinstance(value, Real)


_PLAIN: Final[Mapping[Any, _Kind]] = {
    bool: _Kind(lambda value: isinstance(value, bool | np.bool_), "True or False"),
    int: _Kind(_is_whole, "a whole number that fits in 64 bits"),
    float: _Kind(_is_number, "a number"),
    str: _Kind(_is_text, "a text"),
    pl.DataFrame: _Kind(lambda value: isinstance(value, pl.DataFrame), "a table of polars"),
    NoneType: _Kind(lambda value: value is None, "None"),
}
