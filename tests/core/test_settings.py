"""What the type of a setting says: blocks, paths and components inside, at any depth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import pytest

from palate.core.paths import FilePath, Located
from palate.core.settings import (
    AnyEncoder,
    BlockName,
    Inside,
    blocks_named,
    mark_in,
    types_of,
    without_blocks,
)

Positive = Annotated[float, "above 0"]


@dataclass(kw_only=True)
class Marked:
    """A component of somebody's."""

    one: BlockName = "text"
    perhaps: BlockName | None = None
    several: list[BlockName] | None = None
    either: BlockName | list[BlockName] | Literal["all"] | None = None
    weights: dict[BlockName, Positive] | None = None
    pairs: list[list[BlockName]] | None = None
    groups: dict[str, list[BlockName]] | None = None
    wrapped: Annotated[list[BlockName] | None, "a note"] = None
    free: list[str] | None = None
    reader: dict[str, AnyEncoder] | None = None


@pytest.mark.parametrize(
    ("setting", "value", "named"),
    [
        ("one", "a", ["a"]),
        ("perhaps", None, []),
        ("perhaps", "a", ["a"]),
        ("several", ["a", "b"], ["a", "b"]),
        ("several", [], []),
        ("either", "a", ["a"]),
        ("either", ["a", "b"], ["a", "b"]),
        ("weights", {"a": 1.0, "b": 0.0}, ["a", "b"]),
        ("pairs", [["a", "b"], ["c"]], ["a", "b", "c"]),
        ("groups", {"left": ["a"], "right": ["b"]}, ["a", "b"]),
        ("wrapped", ["a"], ["a"]),
        ("free", ["a"], []),
        ("several", 3, []),
    ],
)
def test_a_type_says_which_texts_name_blocks(setting, value, named):
    assert list(blocks_named(Marked, {setting: value})) == [(setting, name) for name in named]


@pytest.mark.parametrize(
    ("setting", "value", "left"),
    [
        ("perhaps", "gone", None),
        ("one", "gone", "text"),
        ("several", ["gone", "a"], ["a"]),
        ("several", ["gone"], None),
        ("either", "gone", None),
        ("either", ["a", "gone"], ["a"]),
        ("weights", {"gone": 1.0, "a": 2.0}, {"a": 2.0}),
        ("pairs", [["gone", "a"], ["gone"]], [["a"]]),
        ("groups", {"left": ["a"], "right": ["gone"]}, {"left": ["a"]}),
        ("wrapped", ["gone"], None),
    ],
)
def test_blocks_that_are_gone_are_named_no_more(setting, value, left):
    settings = {setting: value}
    assert without_blocks(Marked, settings, "gone".__eq__) == {setting: left}
    assert settings == {setting: value}


@pytest.mark.parametrize("value", [{"several": ["a"]}, {"free": ["gone"]}, {"weights": {"a": 1}}])
def test_what_names_other_blocks_stays(value):
    assert without_blocks(Marked, value, "gone".__eq__) == {}


def test_marks_are_found_at_any_depth():
    assert mark_in(types_of(Marked)["reader"], Inside) == Inside("encoders")
    assert mark_in(dict[str, list[FilePath | None]], Located) == Located()
    assert mark_in(list[int], Located) is None


def test_annotations_that_cannot_be_resolved_say_nothing():
    @dataclass(kw_only=True)
    class Local:
        block: NotAName = "text"  # noqa: F821
        other: Any = None

    assert types_of(Local) == {}
    assert list(blocks_named(Local, {"block": "text"})) == []
