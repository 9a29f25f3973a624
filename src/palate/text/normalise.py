"""Tidying text, each step switchable, and the words that TF-IDF counts."""

from __future__ import annotations

import html as entities
import re
import unicodedata
from collections.abc import Callable, Sequence
from functools import cache
from typing import Literal, TypeAlias, get_args

import polars as pl

from palate.errors import ConfigError, did_you_mean
from palate.optional import Requirement
from palate.text._stop_words_zh import STOP_WORDS_ZH

Language: TypeAlias = Literal["en", "zh"]

# scripts written without spaces: kana and Han ideographs
_UNSPACED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_TOKEN = re.compile(rf"[{_UNSPACED}]+|[^\W{_UNSPACED}]+")
is_unspaced = re.compile(f"[{_UNSPACED}]").match
SEGMENTER = Requirement(("rjieba",), "Chinese word segmentation")
_SPACED_TOKEN = re.compile(r"\w+")
_WORD_OR_SIGN = re.compile(r"\w+(?:['’-]\w+)*|[^\w\s]")
_EDGES = r"^[\p{P}\p{S}]+|[\p{P}\p{S}]+$"


def normalise(
    texts: Sequence[str | None],
    *,
    language: Language = "en",
    unicode: bool = True,
    html: bool = False,
    lowercase: bool = False,
    stop_words: bool = False,
    punctuation: bool = False,
    digits: bool = False,
    segment: bool = False,
) -> list[str]:
    """The texts with every step applied that is switched on; None becomes the empty text.

    `unicode` applies NFKC (full-width letters, ligatures, no-break spaces); `html` drops tags and
    resolves entities; `stop_words`, `punctuation` and `digits` remove what they name; `segment`
    puts one space between words. Chinese words come from rjieba: without it `segment` and
    `stop_words` raise `MissingExtraError` for "zh".

    palate's own encoders call none of this by default. A language model was trained on text as
    people write it: case, stop words and punctuation carry meaning ("not for dry hair"), and its
    own tokeniser does the tidying that it was trained with. The removing steps are for counting
    words, or for text that is damaged.
    """
    check_language(language)
    series = pl.Series("text", list(texts), dtype=pl.String).fill_null("")
    if html:
        series = _without_markup(series)
    if unicode:
        series = series.str.normalize("NFKC")
    if lowercase:
        series = series.str.to_lowercase()
    if segment or stop_words:
        in_words = _chinese_words if language == "zh" else _english_words
        series = in_words(series, segment, stop_words)
    if punctuation:
        series = series.str.replace_all(r"(\w)['’](\w)", "$1$2")
        series = series.str.replace_all(r"[\p{P}\p{S}]+", " ")
    if digits:
        series = series.str.replace_all(r"\p{Nd}+", " ")
    if html or segment or stop_words or punctuation or digits:
        series = series.str.replace_all(r"\s+", " ").str.strip_chars()
    return series.to_list()


def check_language(language: str) -> None:
    """Raises `ConfigError` for a language that palate has no words for."""
    if language not in get_args(Language):
        raise ConfigError(
            f"language {language!r} is not known.{did_you_mean(language, get_args(Language))}"
        )


def tokenise(text: str, *, segment: bool = False) -> list[str]:
    """Lower-case words for counting, in any language.

    Runs of Chinese or Japanese become overlapping pairs of characters, or, with `segment`, the
    words that rjieba finds (`MissingExtraError` for "zh" without it).
    """
    if text.isascii():
        return _SPACED_TOKEN.findall(text.lower())
    words: list[str] = []
    for run in _TOKEN.findall(unicodedata.normalize("NFKC", text).lower()):
        if not is_unspaced(run):
            words.append(run)
        elif segment:
            words.extend(segmenter()(run))
        else:
            words.extend(character_pairs(run))
    return words


def is_stop_word(word: str) -> bool:
    """Whether a lower-case word is one of those that every English or Chinese text is full of."""
    return word in STOP_WORDS_ZH or word in _english_stop_words()


@cache
def _english_stop_words() -> frozenset[str]:
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    return frozenset(ENGLISH_STOP_WORDS)


def character_pairs(run: str) -> list[str]:
    """'花露水' → ['花露', '露水']; a single character stays."""
    return [run[start : start + 2] for start in range(max(len(run) - 1, 1))]


@cache
def segmenter() -> Callable[[str], list[str]]:
    """The `cut` of rjieba, or `MissingExtraError`."""
    cut: Callable[[str], list[str]] = SEGMENTER.load().cut
    return cut


def _without_markup(series: pl.Series) -> pl.Series:
    tagless = (
        series.str.replace_all(r"(?is)<(script|style)\b.*?</(?:script|style)\s*>", " ")
        .str.replace_all(r"(?s)<!--.*?-->", " ")
        .str.replace_all(r"(?s)</?[a-zA-Z][^<>]*>", " ")
    )
    if not tagless.str.contains("&", literal=True).any():
        return tagless
    return pl.Series(tagless.name, [entities.unescape(text) for text in tagless], dtype=pl.String)


def _english_words(series: pl.Series, segment: bool, stop_words: bool) -> pl.Series:
    if segment:
        parts = [" ".join(_WORD_OR_SIGN.findall(text)) for text in series]
        series = pl.Series(series.name, parts, dtype=pl.String)
    if not stop_words:
        return series
    stops = pl.Series(sorted(_english_stop_words())).implode()
    bare = pl.element().str.to_lowercase().str.replace_all(_EDGES, "")
    return series.str.split(" ").list.eval(pl.element().filter(~bare.is_in(stops))).list.join(" ")


def _chinese_words(series: pl.Series, segment: bool, stop_words: bool) -> pl.Series:
    cut = segmenter()
    dropped = STOP_WORDS_ZH if stop_words else frozenset[str]()
    glue = " " if segment else ""
    cleaned = [glue.join(word for word in cut(text) if word not in dropped) for text in series]
    return pl.Series(series.name, cleaned, dtype=pl.String)
