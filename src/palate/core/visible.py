"""Somebody else's words where a person reads them: nothing in them acts, nothing is endless."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

LONGEST: Final = 160  # cells of a title, an id or a value in a table or in a sentence
LONGEST_VALUE: Final = 80  # letters of a value in a message
LONGEST_MESSAGE: Final = 4000
_MANY: Final = {"person": "people", "history": "histories"}

# what moves the cursor, colours, rings, renames the window or turns the direction of writing: C0
# but tab and newline, DEL, C1, line separators, embeddings, overrides and isolates, half pairs
_ACTS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def visible(text: str) -> str:
    r"""The text with its control characters written out, as `\x1b`; newlines and tabs stay.

    For everything that goes to a terminal, a log or a page.
    """
    return _ACTS.sub(_written_out, text)


def _written_out(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code <= 0xFF else f"\\u{code:04x}"


def json_visible(text: str) -> str:
    r"""JSON of the same value with its control characters written as `\u009b`."""
    return _ACTS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def one_line(text: str) -> str:
    r"""As `visible`, and newlines written out as `\n`: for a log, where a line is an entry."""
    return visible(text).replace("\n", "\\n")


def shorten(text: str, longest: int = LONGEST) -> str:
    """One line of at most `longest` cells; what is cut off becomes an ellipsis.

    The blanks of a text that does not print as a line become one each. Chinese, Japanese and Korean
    characters and emoji take two cells.
    """
    line = text if text.isprintable() else visible(" ".join(text.split()))
    if 2 * len(line) <= longest or sum(map(_cells, line)) <= longest:
        return line
    room = longest - 1
    for place, character in enumerate(line):
        room -= _cells(character)
        if room < 0:
            return line[:place].rstrip() + "…"
    return line


def quoted(value: object, longest: int = LONGEST_VALUE) -> str:
    """As `repr`, or its beginning and how long it is: how a message shows what may be anything."""
    text = value if isinstance(value, str) else repr(value)
    if len(text) <= longest:
        return repr(value)
    head = f"{text[:longest]}…"
    return f"{repr(head) if isinstance(value, str) else head} ({len(text):,} letters)"


def counted(count: int, one: str, many: str | None = None) -> str:
    """A count with its noun in English: "1 row", "2,000 rows", "0 people".

    `many` is said where an "s" is not enough, or a verb goes along: "1 row is", "2 rows are".
    """
    if count == 1:
        return f"1 {one}"
    return f"{count:,} {many or _MANY.get(one) or f'{one}s'}"


def _cells(character: str) -> int:
    if character.isascii():
        return 1
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def bounded(message: str, longest: int = LONGEST_MESSAGE) -> str:
    """A message as it is, or its beginning and its end, where the fix stands."""
    if len(message) <= longest:
        return message
    head = longest * 2 // 3
    tail = longest - head
    left_out = len(message) - head - tail
    return f"{message[:head]} … ({left_out:,} characters left out) … {message[-tail:]}"
