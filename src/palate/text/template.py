"""An item's columns as one text: "{title}. {genres}", without debris where a part is missing."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import polars as pl

from palate.core.columns import ITEM
from palate.core.errors import ConfigError, DataError, Setting, first_offenders
from palate.core.visible import quoted
from palate.data.columns import called_now
from palate.text.profile import Column, as_text, is_title_name, profile

# by what a column's name contains, in the order in which an item is best introduced
_KINDS_OF_NAME = (
    ("categor", "genre", "class", "type", "类", "标签", "tag", "topic", "keyword"),
    ("brand", "author", "artist", "director", "maker", "manufacturer", "品牌", "作者"),
    ("descri", "summary", "plot", "overview", "abstract", "synopsis", "content", "简介", "描述"),
)
_LONG_TEXTS = 2  # the row of _KINDS_OF_NAME that holds long texts; unnamed columns go before it
_SENTENCE_END = r"[.!?。！？…]$"

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


def render(items: pl.DataFrame, template: str) -> list[str]:
    """One text a row: each `{column}` of the template is replaced by that row's value.

    Lists, nested ones too, are joined with ", ", each value once; numbers lose a bare ".0". Null,
    NaN, blank and words such as "None" or "N/A" are missing: they take along the words, brackets
    and separators that belong to them. A row with no value at all becomes "". `{{` is a brace.
    Raises `ConfigError` for a malformed template, `DataError` for a column that is not there.
    """
    tree = parse(template)
    texts = {}
    for name in tree.names():
        if name not in items.columns:
            raise DataError(
                f"template {quoted(template)} names the column {quoted(name)}, which the items do "
                f"not have."
                f"{called_now(name, items.columns)}"
            )
        texts[name] = as_text(items[name])
    rendered = _render(tree, texts)
    return rendered.fill_null("").to_list()


def text_columns(items: pl.DataFrame) -> list[str]:
    """The columns with words: title, categories, brand, others, descriptions.

    Ids, addresses, paths, numbers, dates, codes and columns that nearly always say the same are
    left out. The choice depends on the table alone.
    """
    columns = [profile(items[name]) for name in items.columns if name != ITEM]
    chosen = [column for column in columns if _has_words(column)]
    return [column.name for column in sorted(chosen, key=_place)]


def default_template(items: pl.DataFrame) -> str:
    """A template of the text-like columns: "{title}. {genres}"; `DataError` for none."""
    columns = text_columns(items)
    if not columns:
        kinds = [profile(items[name]) for name in items.columns if name != ITEM]
        same = [column.name for column in kinds if column.kind == "constant"]
        alike = f"; {first_offenders(same, len(same))} say nothing, or all the same" if same else ""
        raise DataError(
            f"the items have no column with words (columns: {', '.join(items.columns)}){alike}. "
            "Add a title or a description, or say which columns to use: ",
            Setting("template", "{column}"),
        )
    return ". ".join(f"{{{name}}}" for name in columns)


def _has_words(column: Column) -> bool:
    named_safely = not set(column.name) & set("{}")
    return named_safely and column.kind in ("text", "categories") and column.words > 0


def _place(column: Column) -> tuple[int, int]:
    name = column.name.lower()
    if is_title_name(name):
        return 0, 0 if name in ("title", "name", "标题", "名称") else 1
    for place, parts in enumerate(_KINDS_OF_NAME):
        if any(part in name for part in parts):
            return (1 + place if place < _LONG_TEXTS else 4), 0
    return (4, 1) if column.words > 20 else (3, 0)


def _render(node: Field | Group | Sequence, texts: dict[str, pl.Series]) -> pl.Series:
    """The node's text for each row, null where none of its columns says anything."""
    if isinstance(node, Field):
        return texts[node.name]
    if isinstance(node, Group):
        inside = _render(node.inside, texts)
        return _select(pl.lit(node.opener) + pl.col("x") + pl.lit(node.closer), x=inside)
    length = len(next(iter(texts.values())))
    rendered = pl.repeat(None, length, dtype=pl.String, eager=True)
    joiner = pl.repeat("", length, dtype=pl.String, eager=True)
    strength = pl.repeat(-1, length, dtype=pl.Int8, eager=True)
    for part in node.parts:
        joiner, strength = _stronger(joiner, strength, part.joiner, part.strength)
        value = _render(part.child, texts)
        first = pl.when(pl.col("before").is_null()).then(pl.lit(part.opening))
        prefix = first.otherwise(pl.lit(part.prefix))
        value = _select(prefix + pl.col("x") + pl.lit(part.suffix), x=value, before=rendered)
        rendered = _joined(rendered, joiner, value)
        strength = _select(
            pl.when(pl.col("x").is_not_null()).then(pl.lit(-1, pl.Int8)).otherwise(pl.col("s")),
            x=value,
            s=strength,
        )
    return rendered


def _stronger(
    joiner: pl.Series, strength: pl.Series, new: str, new_strength: int
) -> tuple[pl.Series, pl.Series]:
    """Of the separators around missing parts, the one that separates most."""
    wins = pl.col("s") < new_strength
    chosen = pl.when(wins).then(pl.lit(new)).otherwise(pl.col("j"))
    level = pl.when(wins).then(pl.lit(new_strength, pl.Int8)).otherwise(pl.col("s"))
    return _select(chosen, j=joiner, s=strength), _select(level, s=strength)


def _joined(left: pl.Series, joiner: pl.Series, right: pl.Series) -> pl.Series:
    """Both with the joiner between; what ends a sentence already gets no second full stop."""
    ended = pl.col("l").str.contains(_SENTENCE_END)
    between = pl.when(ended).then(pl.col("j").str.strip_prefix(".").str.strip_prefix("。"))
    both = pl.col("l") + between.otherwise(pl.col("j")) + pl.col("r")
    return _select(pl.coalesce(both, "l", "r"), l=left, j=joiner, r=right)


def _select(expression: pl.Expr, **columns: pl.Series) -> pl.Series:
    return pl.DataFrame(columns).select(expression.alias("x")).to_series()


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
