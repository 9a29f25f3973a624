"""Messages to people at a command line: settings as a pipeline file or an option holds them."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any

from palate.core import registry
from palate.core.errors import PalateError
from palate.data.split import GIVEN, SPLITS

_OPTIONS = {"drop_unknown = true": "--drop-unknown"}
_DATA = (
    *("interactions", "items", "users", "columns", "events", "keep", "lists", "encoding"),
    *("time_format", "drop_unknown", "drop_missing"),
)
_VALUE = r"""\{.*?\}|\[.*?\]|"[^"]*"|'[^']*'|[\w.+-]*\w"""
_NO_NAME_BEFORE = r"""(?<![\w'"/.=-])"""
_TABLE = re.compile(r"\{[\"'](use)[\"']: ")
_READER = re.compile(r"\b(?:[Ss]entiment|[Rr]eviews)\.encoder\b")
_READ = re.compile(r"(?:palate\.)?read\(\.\.\., (?P<inside>.*?)\)")


def settings_of(function: Callable[..., Any]) -> list[str]:
    """The names of what a function takes by name alone."""
    parameters = inspect.signature(function).parameters.values()
    return [entry.name for entry in parameters if entry.kind is entry.KEYWORD_ONLY]


_SPLIT_FUNCTIONS = {function.__name__: name for name, function in SPLITS.items()}
_SECTION_OF = {
    **{name: "split" for split in SPLITS if split != GIVEN for name in settings_of(SPLITS[split])},
    **dict.fromkeys(_DATA, "data"),
}


def _settings_in(names: Collection[str]) -> str:
    return rf"(?P<name>{'|'.join(map(re.escape, names))})=(?P<value>{_VALUE})?"


_IN_PYTHON = re.compile(
    rf"""{_NO_NAME_BEFORE}(?:(?P<function>{"|".join(_SPLIT_FUNCTIONS)})\b"""
    rf"""|{_settings_in(_SECTION_OF)})"""
)


def in_toml(message: str) -> str:
    """A message to people who write Python, with settings as a pipeline file holds them."""
    return _IN_PYTHON.sub(_said_in_toml, message)


def _said_in_toml(found: re.Match[str]) -> str:
    if found["function"]:
        return f'[split] type = "{_SPLIT_FUNCTIONS[found["function"]]}"'
    setting = _assigned(found)
    option = f" (or {_OPTIONS[setting]})" if setting in _OPTIONS else ""
    return f"[{_SECTION_OF[found['name']]}] {setting}{option}"


def _assigned(found: re.Match[str]) -> str:
    name, value = found["name"], found["value"]
    if value is None:
        return str(name)
    if value in ("True", "False"):
        value = value.lower()
    elif value.startswith("{"):
        value = value.replace(": ", " = ")
    return f"{name} = {value}"


def of_encoder(message: str) -> str:
    """A message about one encoder, with its settings as its table in a pipeline file holds them."""
    parts = _READ.split(_READER.sub("encoder", _TABLE.sub(r"{\1 = ", message)))
    said = [_of_encoders().sub(_assigned, part) for part in parts[::2]]
    inside = [*map(in_toml, parts[1::2]), ""]
    return "".join(part for pair in zip(said, inside, strict=True) for part in pair)


@cache
def _of_encoders() -> re.Pattern[str]:
    known = {
        name
        for use in registry.names("encoders")
        for name in registry.defaults_of(registry.find("encoders", use))
    }
    return re.compile(_NO_NAME_BEFORE + _settings_in(sorted(known)))


@contextmanager
def speaking_toml(encoders: Collection[str] = ()) -> Iterator[None]:
    """Palate's errors speak as a pipeline file does, and name the table of their encoder.

    `encoders` are those that have a table in the file.
    """
    try:
        yield
    except PalateError as error:
        name, text = error.encoder, str(error)
        text = in_toml(text) if name is None else of_encoder(text)
        _reword(error, f"[encoders.{name}]: {text}" if name in encoders else text)
        error.encoder = None
        raise


@contextmanager
def speaking_options(options: Mapping[str, str]) -> Iterator[None]:
    """Palate's errors name the options of a command: `options` by what Python calls them."""
    pattern = re.compile(_NO_NAME_BEFORE + _settings_in(options))
    try:
        yield
    except PalateError as error:
        _reword(error, pattern.sub(lambda found: _as_option(found, options), str(error)))
        raise


def _as_option(found: re.Match[str], options: Mapping[str, str]) -> str:
    option, value = options[found["name"]], found["value"]
    if value is None:
        return option
    plain = value.strip("\"'")
    bare = re.fullmatch(r"[\w.-]+", plain) is not None
    return f"{option} {plain if bare else json.dumps(plain)}"


def _reword(error: PalateError, text: str) -> None:
    error.args = (text,)
    if isinstance(error, ImportError):
        error.msg = text
