"""Templates as trees: which words, brackets and separators belong to which column."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from palate._visible import quoted
from palate.errors import ConfigError

MOST_CHARACTERS = 100_000
MOST_NESTED = 100

_PIECE = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_CLOSER = {
    "(": ")",
    "[": "]",
    "（": "）",
    "【": "】",
    "《": "》",
    "“": "”",
    "「": "」",
    "『": "』",
    '"': '"',
}
# a separator is punctuation with the space around it; a colon after words ends a label. It is
# looked for once in a run of blanks, at its beginning
_SEPARATOR = re.compile(
    r"\A\s*[:：]\s*|(?<!\s)\s*(?:[.,;|/·•。，；、！!？?]+|\s[-–—]+(?=\s)|\n)\s*"
)
_ATTACHED = re.compile(r"(\S*)(\s*)(.*)", re.DOTALL)
_STRENGTHS = (
    (re.compile(r"[\n.。!！?？|]"), 3),
    (re.compile(r"[;；–—-]"), 2),
    (re.compile(r"\S"), 1),
)


@dataclass(frozen=True)
class Field:
    """A column's value."""

    name: str


@dataclass(frozen=True)
class Part:
    """A child of a sequence, with the text that stands and falls with it."""

    child: Field | Group
    prefix: str
    suffix: str
    joiner: str
    """What separates it from the part before; of several skipped ones the strongest is used."""

    @property
    def strength(self) -> int:
        return next((level for sign, level in _STRENGTHS if sign.search(self.joiner)), 0)

    @property
    def opening(self) -> str:
        """The prefix where nothing stands before: "by " links to what is missing, a label stays."""
        links = self.strength == 0 and self.joiner and not re.search("[:：]", self.prefix)
        return "" if links else self.prefix


@dataclass(frozen=True)
class Sequence:
    """Parts after one another."""

    parts: tuple[Part, ...]

    def names(self) -> list[str]:
        """The columns, each once, in the order of the template."""
        names: dict[str, None] = {}
        for part in self.parts:
            child = part.child
            inside = [child.name] if isinstance(child, Field) else child.inside.names()
            names |= dict.fromkeys(inside)
        return list(names)


@dataclass(frozen=True)
class Group:
    """Brackets around parts; they vanish where all the parts are missing."""

    opener: str
    inside: Sequence
    closer: str


@dataclass
class _Open:
    """A bracket, or the whole template, that is being read."""

    opener: str = ""
    children: list[Field | Group] = field(default_factory=list)
    pieces: list[list[str]] = field(default_factory=lambda: [[]])
    """Of the text before, between and behind the children."""

    def write(self, *text: str) -> None:
        self.pieces[-1] += text

    def put(self, child: Field | Group) -> None:
        self.children.append(child)
        self.pieces.append([])

    def unwrap(self, inner: _Open, closer: str = "") -> None:
        """Takes over what `inner` read: its bracket was plain text after all."""
        self.write(inner.opener, *inner.pieces[0])
        for child, pieces in zip(inner.children, inner.pieces[1:], strict=True):
            self.put(child)
            self.write(*pieces)
        self.write(closer)


def parse(template: str) -> Sequence:
    """The tree of a template.

    `ConfigError` for stray braces, for no column at all, and for one that is endless: longer than
    `MOST_CHARACTERS`, or with more than `MOST_NESTED` brackets inside one another.
    """
    if len(template) > MOST_CHARACTERS:
        raise ConfigError(
            f"template {quoted(template)} has {len(template):,} characters: "
            f"at most {MOST_CHARACTERS:,} can be read"
        )
    stack = [_Open()]
    end = 0
    for piece in _PIECE.finditer(template):
        _read_literal(stack, template[end : piece.start()])
        end = piece.end()
        if piece[0] in ("{{", "}}"):
            stack[-1].write(piece[0][0])
        elif piece[1] and piece[1].strip():
            stack[-1].put(Field(piece[1].strip()))
        else:
            raise ConfigError(
                f"template {quoted(template)}: stray {quoted(piece[0], 40)} at character "
                f"{piece.start() + 1}; "
                'write columns as "{title}" and a brace itself as "{{"'
            )
    _read_literal(stack, template[end:])
    whole, *unclosed = stack
    for inner in unclosed:
        whole.unwrap(inner)
    if not whole.children:
        raise ConfigError(
            f'template {quoted(template)} names no column; write columns as "{{title}}"'
        )
    return _close(whole)


def _read_literal(stack: list[_Open], text: str) -> None:
    for place, character in enumerate(text):
        inside = stack[-1].opener
        if inside and character == _CLOSER[inside]:
            inner = stack.pop()
            if inner.children:
                stack[-1].put(Group(inner.opener, _close(inner), character))
            else:
                stack[-1].unwrap(inner, character)
        elif character in _CLOSER and (character != '"' or place == len(text) - 1):
            if len(stack) > MOST_NESTED:
                raise ConfigError(
                    f"the template has more than {MOST_NESTED} brackets inside one another, at "
                    f"{quoted(text[place:], 40)}: take some away"
                )
            stack.append(_Open(character))
        else:
            stack[-1].write(character)


def _close(read: _Open) -> Sequence:
    first, *middle, last = map("".join, read.pieces)
    between = [_divide(literal) for literal in middle]
    prefixes = [first, *(prefix for _, _, prefix in between)]
    joiners = ["", *(joiner for _, joiner, _ in between)]
    suffixes = [*(suffix for suffix, _, _ in between), last]
    return Sequence(
        tuple(
            Part(child, prefix.lstrip() if joiner else prefix, suffix, joiner)
            for child, prefix, suffix, joiner in zip(
                read.children, prefixes, suffixes, joiners, strict=True
            )
        )
    )


def _divide(literal: str) -> tuple[str, str, str]:
    """The text between two columns as (suffix of the left, separator, prefix of the right)."""
    separator = _SEPARATOR.search(literal)
    if separator:
        return literal[: separator.start()], separator[0], literal[separator.end() :]
    suffix, space, prefix = _ATTACHED.fullmatch(literal).groups()  # type: ignore[union-attr]
    return (suffix, space, prefix) if space else ("", literal, "")
