"""What is wrong in a file that is no TOML, in words for who wrote it: the line, and the fix."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from typing import Final

from palate.core.visible import quoted, shorten

_AT = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")
_STRAIGHT: Final = str.maketrans(
    {
        **dict.fromkeys("“”„‟＂「」『』", '"'),
        **dict.fromkeys("‘’‚‛＇", "'"),
        **{"＝": "=", "，": ",", "、": ",", "［": "[", "］": "]", "【": "[", "】": "]"},
        **{"｛": "{", "｝": "}", "．": ".", "＃": "#", "\u3000": " ", "\xa0": " "},
    }
)
"""Signs of Chinese and of word processors, and what a pipeline file has in their place."""

_TEXT = re.compile(r"\"(?:\\.|[^\"\\])*\"|'[^']*'")
_ASSIGNED = re.compile(r"\s*([\w.\"'-]+)\s*=\s*(.*?)\s*$")
_WITH_COLON = re.compile(r"\s*([\w-]+)\s*:\s*(\S.*?)\s*$")
_HEADER = re.compile(r"\s*(?:\[[^\[\]=]*|\[\[[^\[\]=]*\]?)$")
_GAP = re.compile(r"[\[,]\s*([^,\[\]\s]+)[ \t]+([^,\[\]\s#]+)")
_CONSTANTS: Final = {"True": "true", "False": "false", "yes": "true", "no": "false"}
_NOTHING: Final = ("None", "none", "null", "nil", "NaN")


def slip_in(text: str, error: Exception) -> str:
    """Where a text stops being TOML and how it would be: "line 5, `type = time`: texts stand …"."""
    said = str(error)
    found = _AT.search(said)
    lines = text.splitlines()
    if not isinstance(error, tomllib.TOMLDecodeError) or not lines:
        return said
    if text.lstrip().startswith("{"):
        return 'this looks like JSON: write [data] on a line, below it interactions = "FILE"'
    place = int(found[1]) if found and found[1] else len(lines)
    reason = said.removesuffix(found[0]) if found else said
    candidates = [place, place - 1] if reason.startswith(("Unclosed", "Expected")) else [place]
    for number in candidates:
        line = lines[number - 1] if 0 < number <= len(lines) else ""
        fix = next((fix for look in _LOOKS if (fix := look(line, reason, lines[:number]))), None)
        if fix:
            return f"line {number}, {quoted(line.strip())}: {fix}"
    line = lines[min(place, len(lines)) - 1].strip()
    return f"line {place}, {quoted(line)}: {reason[0].lower()}{reason[1:]}"


def _other_signs(line: str, reason: str, before: list[str]) -> str | None:
    """Quotes and commas of Chinese, outside texts in straight quotes."""
    outside = _TEXT.sub(lambda found: " " * len(found[0]), line)
    odd = dict.fromkeys(sign for sign in outside if ord(sign) in _STRAIGHT)
    if not odd:
        return None
    straight = "".join(
        sign.translate(_STRAIGHT) if free != " " or sign in "\u3000\xa0" else sign
        for sign, free in zip(line, outside, strict=True)
    )
    return f"{' '.join(odd).strip() or 'a wide blank'} is read by no TOML: write {straight.strip()}"


def _twice(line: str, reason: str, before: list[str]) -> str | None:
    if "Cannot declare" not in reason and "Cannot overwrite" not in reason:
        return None
    name = line.split("=", 1)[0].strip() if "=" in line else line.strip()
    earlier = [
        number
        for number, other in enumerate(before[:-1], start=1)
        if (other.split("=", 1)[0] if "=" in line else other).split("#")[0].strip() == name
    ]
    where = f", first in line {earlier[-1]}" if earlier else ""
    return f"{shorten(name)} stands there twice{where}: keep one"


def _backslashes(line: str, reason: str, before: list[str]) -> str | None:
    if "\\" not in line or not re.search(r"hex|escape|\\", reason):
        return None
    return f"in double quotes \\ begins a special sign: write {line.strip().replace(chr(92), '/')}"


def _colon(line: str, reason: str, before: list[str]) -> str | None:
    found = _WITH_COLON.fullmatch(line)
    if found is None or "=" in line.split("#")[0].split('"')[0]:
        bare = line.strip().removesuffix(":")
        return f"a section stands in brackets: [{bare}]" if line.strip() == f"{bare}:" else None
    return f"a setting is written with =: {found[1]} = {found[2]}"


def _unclosed(line: str, reason: str, before: list[str]) -> str | None:
    if _HEADER.fullmatch(line.split("#")[0].rstrip()) and "=" not in line:
        closing = "]]" if line.strip().startswith("[[") else "]"
        return f"a bracket is missing: {line.strip().rstrip(']')}{closing}"
    if line.rstrip().endswith(";"):
        return f"lines end without ;: {line.rstrip().rstrip(';').strip()}"
    if line.count('"') % 2:
        return 'a quote " is missing'
    return None


def _lists(line: str, reason: str, before: list[str]) -> str | None:
    if "{" in line and line.count("{") > line.count("}"):
        return "a table in braces {…} ends on the line where it begins: put all of it on one line"
    bare = _TEXT.sub(lambda found: "x" * len(found[0]), line)
    gap = _GAP.search(bare)
    if gap:
        one, other = line[slice(*gap.span(1))], line[slice(*gap.span(2))]
        return f"a comma is missing between the parts of the list: {one}, {other}"
    if "[" in bare and bare.count("[") > bare.count("]"):
        return "a list is not closed: ] is missing"
    return None


def _values(line: str, reason: str, before: list[str]) -> str | None:
    found = _ASSIGNED.fullmatch(line.split("#")[0])
    if found is None:
        return None
    key, value = found.groups()
    if not value:
        return "a value is missing; a setting that says nothing is left out"
    if value in _CONSTANTS:
        return f"write {key} = {_CONSTANTS[value]}"
    if value in _NOTHING:
        return "leave the line out: what is not there has the default"
    if re.fullmatch(r"[+-]?\.\d+|[+-]?\d+\.", value):
        return f"a digit stands on both sides of the point: write {key} = {float(value)}"
    if re.fullmatch(r"[+-]?\d+,\d+", value):
        return f"numbers have a point: write {key} = {value.replace(',', '.')}"
    if re.fullmatch(r"\d+(?:\.\d+)?\s*%", value):
        return f"write a share: {key} = {float(value.rstrip('% ')) / 100:g}"
    if re.match(r"[^\W\d_]|[./~]", value):
        return f'texts stand in quotes: write {key} = "{value.strip(chr(34) + chr(39))}"'
    return None


_LOOKS: Final[tuple[Callable[[str, str, list[str]], str | None], ...]] = (
    _other_signs,
    _twice,
    _backslashes,
    _unclosed,
    _lists,
    _values,
    _colon,
)
