"""Settings in messages as people at a command line write them: in a pipeline file, as options."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from palate.core import registry
from palate.core.errors import UNSAID, Message, PalateError, Setting, in_python

_DROP_UNKNOWN = Setting("drop_unknown", True, "data")  # which the commands have as an option


def settings_of(function: Callable[..., Any]) -> list[str]:
    """The names of what a function takes by name alone."""
    parameters = inspect.signature(function).parameters.values()
    return [entry.name for entry in parameters if entry.kind is entry.KEYWORD_ONLY]


def in_toml(setting: Setting) -> str:
    """As a pipeline file holds a setting, after the name of its section."""
    section = f"[{setting.section}] " if setting.section else ""
    value = "" if setting.value is UNSAID else f" = {toml(setting.value)}"
    option = " (or --drop-unknown)" if setting == _DROP_UNKNOWN else ""
    return f"{section}{setting.name}{value}{option}"


def toml(value: Any) -> str:
    """A value as a pipeline file would hold it."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_key(name)} = {toml(part)}" for name, part in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(toml(part) for part in value) + "]"
    return json.dumps(value, ensure_ascii=False, default=str)


def component_line(component: object) -> str:
    """The component's name, and its settings where they are not the defaults."""
    defaults = registry.defaults_of(type(component))
    settings = registry.settings_of(component)
    changed = {name: value for name, value in settings.items() if value != defaults[name]}
    listed = ", ".join(f"{name} = {toml(value)}" for name, value in changed.items())
    return registry.name_of(component) + (f" ({listed})" if listed else "")


def _key(name: object) -> str:
    text = str(name)
    bare = text.isascii() and text.replace("_", "").replace("-", "").isalnum()
    return text if bare else json.dumps(text, ensure_ascii=False)


@contextmanager
def speaking_toml(encoders: Collection[str] = ()) -> Iterator[None]:
    """Palate's errors speak as a pipeline file does, and name the table of their encoder.

    `encoders` are those that have a table in the file, people's as "users.NAME".
    """
    try:
        yield
    except PalateError as error:
        error.dialect = in_toml
        if error.encoder is not None and error.encoder in encoders:
            whose = "" if error.encoder.startswith("users.") else "encoders."
            error.message = Message.of(f"[{whose}{error.encoder}]: ", error)
            error.encoder = None
        raise


@dataclass(frozen=True)
class AsOptions:
    """Settings as options of a command: `names` by what Python calls them; others as in Python."""

    names: Mapping[str, str]

    def __call__(self, setting: Setting) -> str:
        if setting.name not in self.names or setting.python != Setting.python:
            return in_python(setting)
        option, value = self.names[setting.name], setting.value
        return option if value is UNSAID or value is True else f"{option} {_argument(value)}"


def _argument(value: Any) -> str:
    """A value as a shell takes it for one word; of a table its first entry."""
    if isinstance(value, Mapping):
        value = next((f"{name}={part}" for name, part in value.items()), "")
    text = str(value)
    plain = text.replace("_", "").replace("-", "").replace(".", "").isalnum()
    return text if plain else json.dumps(text, ensure_ascii=False)


@contextmanager
def speaking_options(options: Mapping[str, str]) -> Iterator[None]:
    """Palate's errors name the options of a command: `options` by what Python calls them."""
    try:
        yield
    except PalateError as error:
        error.dialect = AsOptions(options)
        raise
