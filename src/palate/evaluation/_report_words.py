"""What the report says, in English and Chinese."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import resources
from typing import Final, TypeAlias

Words: TypeAlias = Mapping[str, str]

LANGUAGES: Final = ("en", "zh")


def words_in(language: str) -> Words:
    """Every sentence of the page by its name, from `report.<language>.json`."""
    words: Words = json.loads(asset(f"report.{language}.json"))
    return words


def asset(name: str) -> str:
    """A file that lies beside this module."""
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
