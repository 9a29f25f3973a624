"""Writes tables of components and settings, and the layout, into the pages, from the code.

usage: python docs/tables.py
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Iterable
from dataclasses import MISSING
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import palate
from palate.core import registry
from palate.core.optional import requirements_of
from palate.core.paths import Located
from palate.core.settings import Inside, NamesBlock, mark_in, types_of
from palate.core.takes import allowed
from palate.nn.hub.cards import NamesModel
from palate.pipeline.dialect import toml

DOCS = Path(__file__).parent
PACKAGE = Path(palate.__file__).parent
HOMES = {
    "encoders": "features.md",
    "representation": "features.md",
    "fusion": "features.md",
    "selection": "features.md",
    "recommenders": "recommenders.md",
    "rerankers": "recommenders.md",
}
MORE = {  # the pages that say more of a component
    "aggregates": "attributes.md#aggregates-of-items-and-of-people",
    "attributes": "attributes.md",
    "audio": "sounds.md",
    "behaviour": "attributes.md#neighbours-in-histories",
    "categories": "attributes.md#learnt-categories",
    "causal": "language-models.md#models-that-write",
    "encoders.graph": "graph.md",
    "image": "photos.md",
    "item2vec": "attributes.md#neighbours-in-histories",
    "muse": "choosing-a-model.md",
    "precomputed": "large-catalogues.md#reading-vectors",
    "quantize": "choosing-a-model.md#vectors-in-fewer-bytes",
    "ranker": "#the-ranker",
    "recommenders.graph": "#over-the-graph-of-choices",
    "reviews": "people.md#what-people-wrote-about-items",
    "sentiment": "sentiment.md",
    "sparse_coding": "attributes.md#sparse-codes",
    "static": "choosing-a-model.md#static-encoders",
    "topics": "#topics",
    "transformer": "language-models.md",
    "word_vectors": "choosing-a-model.md#word-vectors-out-of-files",
}
ROOMS = (  # in their order: each imports from itself and from those before it
    *("core", "data", "nn", "text", "features", "recommenders"),
    *("pipeline", "evaluation", "tuning", "testing", "cli"),
)
PLAIN = {str: "text", int: "a whole number", float: "a number", bool: "`true` or `false`"}
PLURAL = {
    "text": "texts",
    "a whole number": "whole numbers",
    "a number": "numbers",
    "a block": "blocks",
    "a recommender": "recommenders",
}
MARKED = {Located: "a path", NamesBlock: "a block"}  # by what a text is the name of


def first_sentence(text: str) -> str:
    """What a docstring says before its first full stop."""
    words = " ".join(text.partition("\n\n")[0].split())
    found = re.match(r".*?\.(?= [A-Z`]|$)", words)
    return found[0] if found else words


def extra_of(component: type[Any]) -> str:
    """The extras that a component with its default settings needs."""
    extras = [one.extra for one in requirements_of(component()) if one.extra]
    return ", ".join(f"`{extra}`" for extra in dict.fromkeys(extras))


def components(stage: str) -> list[str]:
    """The components of a stage: type, class, what each is, and which extra it needs."""
    rows = []
    for name in registry.names(stage):
        component = registry.find(stage, name)
        what = first_sentence(inspect.getdoc(component) or "").replace("|", "\\|")
        more = MORE.get(f"{stage}.{name}", MORE.get(name))
        if more:
            what += f" [More]({more})"
        rows.append((f"`{name}`", f"`palate.{component.__name__}`", what, extra_of(component)))
    if any(row[-1] for row in rows):
        return table(("type =", "class", "what it is", "extra"), rows)
    return table(("type =", "class", "what it is"), [row[:-1] for row in rows])


def settings(stage: str) -> list[str]:
    """Every setting of every component of a stage, with its default and what it may be."""
    rows = []
    for name in registry.names(stage):
        component = registry.find(stage, name)
        first = f"`{name}`"
        for setting, default in registry.defaults_of(component).items():
            hint = types_of(component)[setting]
            rows.append((first, f"`{setting}`", shown(default), limited(setting, hint)))
            first = ""
    return table(("type =", "setting", "default", "may be"), rows)


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    """A table in Markdown, line by line."""
    lines = ["| " + " | ".join(cells) + " |" for cells in (head, *rows)]
    return [lines[0], "|---" * len(head) + "|", *lines[1:]]


def shown(default: Any) -> str:
    """A default, as a pipeline file would hold it."""
    if default is MISSING:
        return "needed"
    return "not set" if default is None else f"`{toml(default)}`"


def limited(setting: str, hint: Any) -> str:
    """A type in words, and between which limits; the words are those of errors."""
    limits = allowed(hint, setting).removeprefix("give ").removesuffix(", or leave it out")
    what = in_words(hint)
    return f"{what}, {limits}" if limits else what


def in_words(hint: Any) -> str:
    """A type in words, without what stands in it for "not set"."""
    if get_origin(hint) is Annotated:
        return marked(hint) or in_words(hint.__origin__)
    arms = [arm for arm in get_args(hint) if arm is not NoneType]
    if get_origin(hint) is Literal:
        return one_of(arms)
    if get_origin(hint) in (Union, UnionType):
        return any_of(arms)
    if get_origin(hint) is list:
        return f"a list of {PLURAL.get(words := in_words(arms[0]), words)}"
    if get_origin(hint) is dict:
        return f"a table, {in_words(arms[0])} = {in_words(arms[1])}"
    return PLAIN.get(hint, "anything")


def any_of(arms: list[Any]) -> str:
    """Several types in words: all options first, then "a list of these", then others."""
    options = [option for arm in arms if get_origin(arm) is Literal for option in get_args(arm)]
    found = [one_of(options)] if options else []
    for arm in arms:
        bare = arm.__origin__ if get_origin(arm) is Annotated else arm
        inner = get_args(bare)[0] if get_origin(bare) is list else None
        if options and set(get_args(inner)) & set(options):
            found.append("a list of these")
        elif get_origin(arm) is not Literal:
            found.append(in_words(arm))
    return ", or ".join(found) if options else " or ".join(found)


def one_of(options: Iterable[Any]) -> str:
    """Some values, of which one may be given."""
    *most, last = (f"`{toml(option)}`" for option in options)
    return f"{', '.join(most)} or {last}" if most else last


def marked(hint: Any) -> str:
    """What the marks in a type say: a model, a path, a block, a component."""
    if mark := next((one for one in hint.__metadata__ if isinstance(one, Inside)), None):
        return f"an {mark.stage[:-1]}" if mark.stage[0] in "aeiou" else f"a {mark.stage[:-1]}"
    if hint.__origin__ is not str:
        return ""
    if mark_in(hint, NamesModel):
        return "a model, by its name or folder"
    found = (words for kind, words in MARKED.items() if mark_in(hint, kind))
    words = next(found, "")
    known = mark_in(hint, Located)
    options = sorted(known.words()) if known else []
    return " or ".join([*(f"`{toml(option)}`" for option in options), words])


def layout() -> list[str]:
    """The rooms in their order: what each is for, its modules, and its folders likewise."""
    lines = ["```text", "src/palate/"]
    for room in ROOMS:
        home = PACKAGE / room
        lines += folder(home, 1) if home.is_dir() else said(home.with_suffix(".py"), room, 1)
    return [*lines, "```"]


def folder(home: Path, depth: int) -> list[str]:
    """A folder of modules, and the folders in it."""
    lines = said(home / "__init__.py", f"{home.name}/", depth)
    names = sorted(path.stem for path in home.glob("*.py") if not path.name.startswith("_"))
    margin = " " * (2 * depth + 16)
    lines += textwrap.wrap("  ".join(names), 100, initial_indent=margin, subsequent_indent=margin)
    for inner in sorted(path.parent for path in home.glob("*/__init__.py")):
        lines += folder(inner, depth + 1)
    return lines


def said(path: Path, name: str, depth: int) -> list[str]:
    """The name of a module or a folder, and the first sentence of its docstring."""
    what = first_sentence(ast.get_docstring(ast.parse(path.read_text("utf-8"))) or "")
    return [f"{'  ' * depth}{name:<16}{what}"]


def written(text: str, name: str, lines: list[str]) -> str:
    """A page with `lines` between the marks of `name`."""
    start, end = f"<!-- {name}:start -->", f"<!-- {name}:end -->"
    before, _, rest = text.partition(start)
    old, _, after = rest.partition(end)
    if not old:
        raise ValueError(f"no {start} … {end}")
    return "\n".join([f"{before}{start}", *lines, f"{end}{after}"])


def pages() -> dict[Path, str]:
    """Every page that holds such tables, as it should be."""
    found: dict[Path, str] = {}
    for stage, home in HOMES.items():
        path = DOCS / home
        text = found.get(path) or path.read_text("utf-8")
        text = written(text, stage, components(stage))
        found[path] = written(text, f"{stage} settings", settings(stage))
    house = DOCS / "architecture.md"
    return {**found, house: written(house.read_text("utf-8"), "layout", layout())}


def main() -> None:
    """Writes them."""
    for path, text in pages().items():
        path.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
