"""What texts of a table hold besides words: HTML, words for "missing", lists written as code."""

from __future__ import annotations

import ast
import html
import json
import re
import warnings
from collections.abc import Iterable, Iterator
from typing import Any

import polars as pl

MISSING = frozenset(
    [
        *("nan", "null", "none", "n/a", "<na>", "undefined", "unknown", "not available", "\\n"),
        *("(no genres listed)", "no genres listed", "[]", "{}", "()"),
        *("无", "無", "暂无", "暫無", "未知", "不详", "不詳", "空"),
    ]
)
"""What stands for a missing value, as the whole of it and in any case."""

MISSING_NUMBERS = frozenset(["", "na", "-", "--", "—", "–", "?", ".", "#n/a", "nil", "nat"])
"""What does among numbers: by itself it may be a word, as NA is a region's."""

_ENTITY = r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,30});"
_BLOCKS = "p|br|div|li|ul|ol|table|tr|td|th|tbody|thead|h[1-6]|hr|blockquote|pre|center|dl|dt|dd"
_INLINE = (
    "b|i|u|s|a|em|strong|span|font|small|big|sup|sub|strike|del|ins|tt|code|cite|q|img|mark|abbr"
)
_TAG = re.compile(
    r"<!--.*?-->|<(script|style)\b[^<>]*>.*?</\1\s*>"
    rf"|</?(?:({_BLOCKS})|{_INLINE})(?:\s[^<>]*|\s*/)?>",
    re.IGNORECASE | re.DOTALL,
)
_MARKUP = rf"(?i){_ENTITY}|<!--|</?(?:{_BLOCKS}|{_INLINE}|script|style)[\s/>]"
_FULL_WIDTH_DIGIT = "[０-９]"
_LONGEST = 100_000
_LONGEST_WORD = 40
_NAMES = ("name", "title", "label", "value", "text", "tag")
_LIST = r"(?s)^\s*(?:\[.*\]|\{.*\}|\(.*,.*\))\s*$"
_BARE = re.compile(r"""[\[{]([^\[\]{}()'":]*[^\W\d][^\[\]{}()'":]*)[\]}]""")
_NUMPY = re.compile(r"\[\s*([-+0-9.eE]+(?:\s+[-+0-9.eE]+)*)\s*\]")
MOSTLY = 0.5


def without_markup(texts: pl.Series) -> tuple[pl.Series, int]:
    """Texts with HTML's entities decoded and its tags taken out, and how many that changed.

    Entities without their semicolon stay, for they are parts of addresses, and so do tags that are
    none of HTML's for text.
    """
    found = texts.str.contains(_MARKUP).fill_null(False)
    if not found.any():
        return texts, 0
    plain = [_plain(text) or None for text in texts.filter(found)]
    cleaned = texts.clone().scatter(found.arg_true(), pl.Series(plain, dtype=pl.String))
    return cleaned, int(cleaned.ne_missing(texts).sum())


def _plain(text: str) -> str:
    for _ in range(2):  # "&amp;amp;" was encoded twice
        text = re.sub(_ENTITY, lambda found: html.unescape(found[0]).replace("\xa0", " "), text)
    if "<" not in text:
        return text.strip()
    text = _TAG.sub(lambda found: " " if found[2] or found[1] else "", text)
    return re.sub(r" {2,}", " ", text).strip()


def without_missing(texts: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Texts with null for the words that stand for nothing, and those words where they stood."""
    missing = stands_for(texts, MISSING)
    return texts.set(missing, None) if missing.any() else texts, texts.filter(missing)


def stands_for(texts: pl.Series, words: Iterable[str]) -> pl.Series:
    """Where a text is one of `words`, whatever its case and the blanks around it."""
    found = (texts.str.len_bytes() <= _LONGEST_WORD).fill_null(False)
    plain = texts.filter(found).str.strip_chars().str.to_lowercase()
    return found.scatter(found.arg_true(), plain.is_in(list(words)))


def with_plain_digits(texts: pl.Series) -> pl.Series:
    """Numbers and dates whose full-width digits and marks ("５．０") are those of ASCII."""
    return texts.str.normalize("NFKC") if texts.str.contains(_FULL_WIDTH_DIGIT).any() else texts


def written_lists(texts: pl.Series, *, least: float = MOSTLY) -> tuple[pl.Series, pl.Series] | None:
    """Lists that were written as Python or JSON, read, and those that cannot be.

    None where less than a share `least` of the values is such a list. A record in a list is its
    name, a mapping from names to numbers its names; a value that is no list, or cannot be read, is
    a list of one. Numbers alone become lists of numbers.
    """
    known = texts.drop_nulls()
    written = known.filter(known.str.contains(_LIST))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of "\d" in a text
        parsed = {text: _parsed(text) for text in written.unique()}
    read = {text: parts for text, parts in parsed.items() if parts is not None}
    broken = written.filter(~written.is_in(list(read)))
    if not read or len(written) - len(broken) < least * len(known):
        return None
    lists = [None if text is None else read.get(text, [text]) for text in texts]
    kinds = {type(part) for parts in lists if parts for part in parts}
    if kinds and kinds <= {int, float}:
        number = pl.Float64 if float in kinds else pl.Int64
        return pl.Series(texts.name, lists, dtype=pl.List(number), strict=False), broken
    words = [None if parts is None else _words(parts) for parts in lists]
    return pl.Series(texts.name, words, dtype=pl.List(pl.String)), broken


def _words(parts: Iterable[Any]) -> list[str]:
    """Distinct words, in order, without those that stand for nothing."""
    words = (str(part).strip() for part in parts)
    return [word for word in dict.fromkeys(words) if word and word.lower() not in MISSING]


def _parsed(text: str) -> list[Any] | None:
    """The parts of one list, None for what is none. Nothing in it is run."""
    if len(text) > _LONGEST:
        return None
    if numbers := _NUMPY.fullmatch(text.strip()):
        text = f"[{','.join(numbers[1].split())}]"
    try:
        return list(_parts(_literal(text.strip())))
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None


def _literal(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        pass
    try:
        # numpy prints lists without commas, and Python joins two texts that stand side by side
        return ast.literal_eval(re.sub(r"(?<=['\"])\s+(?=['\"])", ",", text))
    except (ValueError, SyntaxError):
        if bare := _BARE.fullmatch(text):
            return [part.strip() for part in bare[1].split(",")]
        raise


def _parts(value: Any) -> Iterator[Any]:
    """The leaves of a list; raises `ValueError` for what has no name."""
    if isinstance(value, list | tuple | set | frozenset):
        inside = sorted(value, key=str) if isinstance(value, set | frozenset) else value
        for part in inside:
            yield from _parts(part)
    elif isinstance(value, dict):
        yield from _names(value)
    elif isinstance(value, str | int | float) and not isinstance(value, bool):
        yield value
    elif value is not None:
        raise ValueError(f"{value!r} is no part of a list")


def _names(record: dict[Any, Any]) -> Iterator[Any]:
    named = [record[name] for name in _NAMES if isinstance(record.get(name), str)]
    if named:
        yield named[0]
    elif all(isinstance(value, int | float) for value in record.values()):
        yield from map(str, record)
    else:
        raise ValueError("a record without a name")
