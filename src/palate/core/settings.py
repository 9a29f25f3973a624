"""What the type of a component's setting says beyond the kind of its value.

A setting that names a block of features, the path of a file or a component inside this one says so
by its type, in palate's own components and in yours: nothing knows a setting by its name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from functools import cache
from types import UnionType
from typing import (
    Annotated,
    Any,
    Final,
    TypeAlias,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

Mark = TypeVar("Mark")


@dataclass(frozen=True)
class NamesBlock:
    """Marks a setting as the name of a block of features."""


@dataclass(frozen=True)
class Inside:
    """Marks a setting as a component of `stage`, or as its table in a pipeline file."""

    stage: str


@dataclass(frozen=True)
class Confusable:
    """Marks a setting whose values people write as `type` too.

    `hint` ends the error about a name that is no component; None for what is no value either.
    """

    hint: Callable[[str], str | None]


BlockName: TypeAlias = Annotated[str, NamesBlock()]
"""The type of a setting that names a block; `list[BlockName]`, `dict[BlockName, float]` name more.

A pipeline refuses a name that none of its encoders gives, before anything is fitted.
"""

AnyEncoder: TypeAlias = Annotated[Any, Inside("encoders")]
"""The type of a setting that is an encoder, or the table of one: `{type = "tfidf"}`."""

AnyRecommender: TypeAlias = Annotated[Any, Inside("recommenders")]
"""The type of a setting that is a recommender, or the table of one."""

GONE: Final = object()
"""What `changed` takes for a part that is to be left out."""


@cache
def types_of(cls: Any) -> dict[str, Any]:
    """The type of every setting, with its marks; none where annotations cannot be resolved."""
    try:
        hints = get_type_hints(cls, include_extras=True)
        return {entry.name: hints[entry.name] for entry in fields(cls) if entry.init}
    except (NameError, TypeError):
        return {}


def mark_in(hint: Any, kind: type[Mark]) -> Mark | None:
    """The first mark of some kind in a type, or in the types that it is made of."""
    if get_origin(hint) is Annotated:
        own = next((mark for mark in hint.__metadata__ if isinstance(mark, kind)), None)
        return mark_in(hint.__origin__, kind) if own is None else own
    found = (mark_in(part, kind) for part in get_args(hint))
    return next((mark for mark in found if mark is not None), None)


def changed(hint: Any, value: Any, kind: type[Mark], change: Callable[[Mark, str], Any], /) -> Any:
    """`value`, with each text whose type bears a mark as `change` has it; itself where all stay.

    What `change` calls `GONE` is left out, and so is a list or a table that nothing is left of.
    """
    if get_origin(hint) is Annotated:
        for mark in hint.__metadata__:
            if isinstance(mark, kind) and isinstance(value, str):
                return change(mark, value)
        return changed(hint.__origin__, value, kind, change)
    arms = get_args(hint)
    if get_origin(hint) in (Union, UnionType):
        for arm in arms:
            found = changed(arm, value, kind, change)
            if found is not value:
                return found
        return value
    if isinstance(value, Mapping) and len(arms) > 1:
        pairs = [
            (changed(arms[0], name, kind, change), changed(arms[1], part, kind, change))
            for name, part in value.items()
        ]
        table = {name: part for name, part in pairs if name is not GONE and part is not GONE}
        same = same_objects(table, value) and same_objects(table.values(), value.values())
        return value if same else table or GONE
    if isinstance(value, list | tuple) and arms:
        parts = [changed(arms[0], part, kind, change) for part in value]
        left = [part for part in parts if part is not GONE]
        return value if same_objects(left, value) else left or GONE
    return value


def same_objects(parts: Iterable[Any], others: Iterable[Any]) -> bool:
    """Whether these are the very same objects, in the same order."""
    return [*map(id, parts)] == [*map(id, others)]


def marked(hint: Any, value: Any, kind: type[Mark]) -> list[str]:
    """Each text inside a setting whose type bears a mark of some kind."""
    found: list[str] = []

    def keep(_: Mark, text: str) -> str:
        found.append(text)
        return text

    changed(hint, value, kind, keep)
    return found


def _may_be_none(hint: Any) -> bool:
    return type(None) in get_args(hint.__origin__ if get_origin(hint) is Annotated else hint)


def blocks_named(cls: Any, settings: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(setting, block) for every block that settings of a component name."""
    for setting, hint in types_of(cls).items():
        for name in marked(hint, settings.get(setting), NamesBlock):
            yield setting, name


def without_blocks(
    cls: Any, settings: Mapping[str, Any], gone: Callable[[str], bool]
) -> dict[str, Any]:
    """The settings that change where some blocks are `gone`.

    None where nothing is left to name, or the default of a setting that cannot be None.
    """

    def left(_: NamesBlock, name: str) -> Any:
        return GONE if gone(name) else name

    found = {}
    for setting, hint in types_of(cls).items():
        value = settings.get(setting)
        pruned = changed(hint, value, NamesBlock, left)
        if pruned is not value:
            found[setting] = pruned
        if pruned is GONE:
            found[setting] = None if _may_be_none(hint) else getattr(cls, setting, value)
    return found
