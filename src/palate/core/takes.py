"""What a setting takes: a value is held to its type and limits, and told what would do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from math import isfinite
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from pydantic import ConfigDict, TypeAdapter, ValidationError

from palate.core.errors import ConfigError, Message, Setting, guess
from palate.core.settings import Inside, NamesBlock, mark_in
from palate.core.visible import quoted, shorten

_LIMITS: Final = ("greater_than", "greater_than_equal", "less_than", "less_than_equal", "too_short")
"""What pydantic calls values of the right type that are beyond the limits of a setting."""

_OWN: Final = "value_error"  # what it calls that which a check of palate's has said
_STRICT = ConfigDict(strict=True, allow_inf_nan=False, arbitrary_types_allowed=True)
_LOW: Final = {"ge": "≤", "gt": "<"}
_HIGH: Final = {"le": "≤", "lt": "<"}
_ALONE: Final = {
    "ge": "{} or more",
    "gt": "more than {}",
    "le": "{} or less",
    "lt": "less than {}",
}
_ONE: Final = {int: "a whole number", float: "a number", str: "a text", bytes: "bytes"}
_SEVERAL: Final = {int: "whole numbers", float: "numbers", str: "texts", bool: "truth values"}


def checked(hint: Any, value: Any, *, where: str | Message) -> Any:
    """`value`, once it has the type of `hint` and keeps its limits; else `ConfigError`.

    The error says where inside lists and tables, what was given, and what would do.
    """
    adapter = TypeAdapter(hint, config=_STRICT)
    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        faults = error.errors()
    # outside of `except`: nobody is shown how the library that checks says it
    raise _refusal(hint, value, where, faults)


def _refusal(hint: Any, value: Any, where: str | Message, faults: list[Any]) -> ConfigError:
    found = next((one for one in faults if one["type"] in _LIMITS), None)
    if found is not None:
        where = Message.joined(".", [where, *_inside(value, found["loc"])])
        given, name = found["input"], str(where).rpartition(".")[2]
        reason = allowed(hint, name, empty=found["type"] == "too_short") or words_of(hint, name)
        return ConfigError(where, f" = {quoted(given)} cannot be used: {reason}")
    own = next((one["msg"] for one in faults if one["type"] == _OWN), None)
    if own is not None:
        said = own.removeprefix("Value error, ")
        return ConfigError(where, f" = {quoted(value)} cannot be used: {said}")
    ways = [list(_inside(value, one["loc"])) for one in faults if "[key]" not in one["loc"]]
    steps = max(ways, key=len, default=[])
    for step in steps:
        hint, value = _hint_inside(hint, value), value[step]
    where = Message.joined(".", [where, *steps])
    name = "" if steps else str(where).rpartition(".")[2]
    return ConfigError(where, f" = {quoted(value)} cannot be used: ", *_fix(hint, value, name))


def _fix(hint: Any, value: Any, name: str) -> Iterator[str | Setting]:
    """What would do; `name` is the setting's, "" of what is inside of it."""
    arms = _arms(hint)
    if bool in arms and name.isidentifier() and not _literals(arms):
        yield from ("write ", Setting(name, True), " or ", Setting(name, False))
        yield ", or leave it out" if NoneType in arms else ""
    else:
        said = f"give {words_of(hint, name or 'it')}"
        finite = isinstance(value, float) and not isfinite(value)
        yield said.replace("a number", "a finite number", 1) if finite else said
    if isinstance(value, str):
        meant = guess(value, [one for one in _literals(arms) if isinstance(one, str)])
        yield meant and f".{meant.removesuffix('.')}"
    yield _without_quotes(hint, value)


def _without_quotes(hint: Any, value: Any) -> str:
    """The fix for a number, a truth value or a list that is written as a string."""
    if not isinstance(value, str) or value.strip() == "null":
        return ""
    try:
        TypeAdapter(hint, config=_STRICT).validate_json(value)
    except ValidationError:
        return ""
    return f". Write {shorten(value)}, without quotes"


def words_of(hint: Any, name: str) -> str:
    """What the type of a setting takes, in words: "a whole number, 1 or more, or leave it out"."""
    literals = _literals(_arms(hint))
    said = [quoted(one) for one in literals]
    for arm in _arms(hint):
        if arm is not NoneType and get_origin(arm) is not Literal:
            said.append(_words(arm, name, literals))
    left_out = ", or leave it out" if NoneType in _arms(hint) else ""
    return " or ".join(filter(None, [", ".join(said[:-1]), *said[-1:]])) + left_out


def _words(hint: Any, name: str, known: list[Any]) -> str:
    """Of one type; `known` are values that were listed before."""
    plain = _bare(hint)
    kind, parts = get_origin(plain), get_args(plain)
    if mark_in(hint, NamesBlock) and plain is str:
        return "the name of a block"
    if mark_in(hint, Inside) and plain is Any:
        return "a component, or a table with its type"
    if kind is list:
        again = known and {*_literals(_arms(parts[0]))} <= {*known}
        return "a list of such" if again else f"a list of {_plural(parts[0])}"
    if kind in (dict, Mapping):
        names = "names of blocks" if mark_in(parts[0], NamesBlock) else "names"
        return f"a table with {names}" if parts[1] is Any else _table_of(names, parts[1])
    if plain is bool:
        return "a truth value"
    said = allowed(hint, name).removeprefix("give ")
    return _ONE.get(plain, getattr(plain, "__name__", str(plain))) + (f", {said}" if said else "")


def _table_of(names: str, hint: Any) -> str:
    said = allowed(hint, "each").removeprefix("give ")
    return f"a table from {names} to {_plural(hint)}" + (f", {said}" if said else "")


def _plural(hint: Any) -> str:
    literals = [quoted(one) for one in _literals(_arms(hint))]
    if literals:
        return " and ".join(filter(None, [", ".join(literals[:-1]), literals[-1]]))
    if mark_in(hint, NamesBlock) and _bare(hint) is str:
        return "names of blocks"
    if mark_in(hint, Inside):
        return "components, or tables with their types"
    plain = [_bare(arm) for arm in _arms(hint)]
    return " or ".join(_SEVERAL[one] for one in plain if one in _SEVERAL) or "values"


def _arms(hint: Any) -> list[Any]:
    """The types of a union, one level deep; the type itself where it is none."""
    if get_origin(hint) in (Union, UnionType):
        return [arm for part in get_args(hint) for arm in _arms(part)]
    if get_origin(hint) is Annotated and get_origin(hint.__origin__) in (Union, UnionType):
        return _arms(hint.__origin__)
    return [hint]


def _literals(arms: Iterable[Any]) -> list[Any]:
    return [one for arm in arms if get_origin(arm) is Literal for one in get_args(arm)]


def _bare(hint: Any) -> Any:
    return _bare(hint.__origin__) if get_origin(hint) is Annotated else hint


def _hint_inside(hint: Any, value: Any) -> Any:
    """The type of what a list, or a table, of this type holds."""
    wanted = dict if isinstance(value, dict) else list
    for arm in _arms(hint):
        plain = _bare(arm)
        if get_origin(plain) in (wanted, Mapping):
            return get_args(plain)[-1]
    return Any


def allowed(hint: Any, name: str, *, empty: bool = False) -> str:
    """What the limits in a type allow, as the fix of an error: "give 0 < decay ≤ 1".

    `empty`: of a list that is too short, not of a number. Empty where the type has no limits.
    """
    limits = dict(_limits(hint))
    left_out = ", or leave it out" if NoneType in get_args(hint) else ""
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


def _inside(value: Any, steps: Iterable[Any]) -> Iterator[Any]:
    """The keys and places by which `steps` lead into lists and tables; others name types."""
    for step in steps:
        if (isinstance(value, dict) and step in value) or (
            isinstance(value, list) and isinstance(step, int)
        ):
            yield step
            value = value[step]
