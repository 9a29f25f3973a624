"""Quotes in .csv: in order (RFC 4180), letters inside of fields, or a fault with its line."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from palate.core.errors import DataError
from palate.core.visible import quoted

_QUOTE, _CR, _LF = b'"\r\n'
_CHUNK = 2**26
_CACHED = 2**19


def in_order(source: Path | bytes, separator: str) -> bool:
    """Whether quotes stand around whole fields and twice inside of them, and nowhere else.

    Only then a fast reader can be trusted: others shift or lose rows where quotes are out of order.
    """
    content = _bytes_of(source)
    inside = 0
    for start in range(0, len(content), _CHUNK):
        places = np.flatnonzero(content[start : start + _CHUNK] == _QUOTE) + start
        opening, closing = places[inside::2], places[1 - inside :: 2]
        begins = (_QUOTE, _LF, ord(separator))
        if not np.isin(content[opening[opening > 0] - 1], begins).all():
            return False
        ends = (*begins, _CR)
        if not np.isin(content[closing[closing < len(content) - 1] + 1], ends).all():
            return False
        inside ^= len(places) & 1
    return not inside


def has_wide_rows(source: Path | bytes, separator: str, *, quotes: bool) -> bool:
    """Whether a line has more fields than the first, in a table whose quotes are in order.

    A fast reader that is asked for some columns alone does not count: it takes the wrong fields.
    """
    content = _bytes_of(source)
    inside, fields, wanted = 0, 0, -1
    for start in range(0, len(content), _CACHED):
        part = np.asarray(content[start : start + _CACHED])
        special = (part == ord(separator)) | (part == _LF)
        quote = part == _QUOTE
        if quotes and (inside or quote.any()):
            special = part[special | quote]
            is_quote = special == _QUOTE
            within = np.bitwise_xor.accumulate(is_quote) ^ bool(inside)
            inside ^= int(is_quote.sum()) & 1
            special = special[~(is_quote | within)]
        else:
            special = part[special]
        ends = np.flatnonzero(special == _LF)
        counts = np.diff(ends, prepend=-1 - fields) - 1
        if wanted < 0 and len(counts):
            wanted = int(counts[0])
        if len(counts) and int(counts.max()) > wanted:
            return True
        fields = len(special) - int(ends[-1]) - 1 if len(ends) else fields + len(special)
    return fields > wanted >= 0


def _bytes_of(source: Path | bytes) -> NDArray[np.uint8]:
    if isinstance(source, bytes):
        content = np.frombuffer(source, dtype=np.uint8)
    else:
        content = np.memmap(source, dtype=np.uint8, mode="r")
    return content[3:] if content[:3].tobytes() == b"\xef\xbb\xbf" else content


def mended(text: str, separator: str) -> str:
    """The same table with its quotes in order: one inside of a field without quotes is a letter."""
    mark = re.escape(separator)
    field = re.compile(rf'"(?:[^"]|"")*+"|[^{mark}\n"][^{mark}\n]*+')

    def quoted(found: re.Match[str]) -> str:
        content, line_end = found.group(), ""
        if content.startswith('"') or '"' not in content:
            return content
        if content.endswith("\r"):
            content, line_end = content[:-1], "\r"
        return '"' + content.replace('"', '""') + '"' + line_end

    return field.sub(quoted, text)


def first_fault(
    text: str,
    name: str,
    *,
    separator: str,
    quotes: bool,
    mark: str = "",
    line: int = 1,
    header: bool = True,
) -> DataError | None:
    """The first line with a wrong quote or with too many fields, if there is one.

    Quotes mean something where `quotes` says so, and are characters elsewhere. The text begins in
    `line` of a file in which `mark` stands for `separator`, with the columns' names if `header`.
    """
    escaped = re.escape(separator)
    field = rf'(?:"(?:[^"]|"")*+"|(?!")[^{escaped}\n]*+)' if quotes else rf"[^{escaped}\n]*+"
    record = re.compile(rf"{field}(?:{escaped}{field})*+\r?(?:\n|\Z)")
    fields_of = re.compile(rf"(?:\A|{escaped}){field}")
    place, wanted = 0, 0
    mark = mark or separator
    while place < len(text):
        found = record.match(text, place)
        if found is None:
            content = text[place:].partition("\n")[0].replace(separator, mark)
            return _wrong_quote(f"{name}, line {line}", content)
        fields = sum(1 for _ in fields_of.finditer(found.group()))
        wanted = wanted or fields
        if fields > wanted:
            against = f"the header names {wanted}" if header else f"the first line has {wanted}"
            return _too_many(f"{name}, line {line}: {fields} fields, but {against}", mark, quotes)
        line += found.group().count("\n")
        place = found.end()
    return None


def _wrong_quote(where: str, content: str) -> DataError:
    return DataError(
        f"{where}: a quote is out of order in {quoted(content)}. A field that begins with a quote"
        ' ends with one, and says "" for one inside; or save the table as .tsv, where quotes are'
        " characters like any other."
    )


def _too_many(fault: str, mark: str, quotes: bool) -> DataError:
    fix = f"A field that holds {mark!r} needs quotes in a .csv"
    if not quotes:
        fix = f"Take {mark!r} out of its fields, or save the table as .csv, with quotes around them"
    return DataError(f"{fault}. {fix}.")
