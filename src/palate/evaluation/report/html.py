"""Text and numbers as HTML: everything that is not ours is escaped here."""

from __future__ import annotations

import html
import json
import math
from collections.abc import Mapping
from importlib import resources
from typing import Any, Final, TypeAlias

from palate.core.errors import did_you_mean
from palate.core.visible import LONGEST, shorten, visible

NOTHING: Final = "–"

Words: TypeAlias = Mapping[str, str]

LANGUAGES: Final = ("en", "zh")


def escape(value: object) -> str:
    """Any value as HTML text, safe inside elements and quoted attributes."""
    return html.escape(visible(str(value)), quote=True)


def named(value: str, longest: int = LONGEST) -> str:
    """Somebody else's words in our sentence: escaped, shortened, in their own direction."""
    return f"<bdi>{escape(shorten(value, longest))}</bdi>"


def say(words: Mapping[str, str], key: str, **parts: object) -> str:
    """A sentence of the report; `parts` are HTML already."""
    if key not in words:
        raise KeyError(f"no words for {key!r}.{did_you_mean(key, words)}")
    return words[key].format(**parts)


def decimal(value: float | None) -> str:
    """0.123; a dash for what was not measured."""
    return NOTHING if value is None or math.isnan(value) else f"{value:.3f}"


def signed(value: float) -> str:
    """+0.012, with a true minus sign."""
    return f"{value:+.3f}".replace("-", "\N{MINUS SIGN}")


def small(value: float) -> str:
    """A p value or a chance level: three decimals, or two figures where these would be zeros."""
    return f"{value:.3f}" if value >= 0.001 or not value else f"{value:.2g}"


def percent(share: float) -> str:
    """12.3%."""
    return NOTHING if math.isnan(share) else f"{100 * share:.1f}%"


def count(number: int) -> str:
    """1,682."""
    return f"{number:,}"


def json_text(value: Any) -> str:
    """JSON that no content can break out of, whatever element it stands in."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


def words_in(language: str) -> Words:
    """Every sentence of the page by its name, from `report.<language>.json`."""
    words: Words = json.loads(asset(f"report.{language}.json"))
    return words


def asset(name: str) -> str:
    """A file that lies beside this module."""
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
