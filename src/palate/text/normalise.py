"""Tidying text, each step switchable, and the words that TF-IDF counts."""

from __future__ import annotations

import html as entities
import re
import unicodedata
from collections.abc import Callable, Sequence
from functools import cache
from inspect import signature
from typing import Any, Final, Literal, TypeAlias, get_args

import polars as pl

from palate.core.errors import ConfigError, did_you_mean
from palate.core.optional import Requirement
from palate.core.visible import quoted
from palate.text.part_of_speech import check_parts_of_speech, words_kept

Language: TypeAlias = Literal["en", "zh"]
Steps: TypeAlias = dict[str, bool | str | list[str]]
"""Steps of `normalise` by name, as a setting holds them."""

# scripts written without spaces: kana and Han ideographs
UNSPACED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_PIECE = re.compile(rf"[{UNSPACED}]+|[^\s{UNSPACED}]+")
_TOKEN = re.compile(rf"[{UNSPACED}]+|[^\W{UNSPACED}]+")
is_unspaced = re.compile(f"[{UNSPACED}]").match
SEGMENTER = Requirement(("rjieba",), "Chinese word segmentation")
_SPACED_TOKEN = re.compile(r"\w+")
_WORD_OR_SIGN = re.compile(r"\w+(?:['’-]\w+)*|[^\w\s]")
_EDGES = r"^[\p{P}\p{S}]+|[\p{P}\p{S}]+$"

_WORDS = """
的 地 得 了 着 过 之 所 们 吗 呢 吧 啊 呀 哦 嗯 哈 嘛 啦 哇 么 等 等等 呗 哎 唉 喔 嗨
我 你 您 他 她 它 我们 你们 您们 他们 她们 它们 咱 咱们 自己 人家 大家 别人
这 那 这个 那个 这些 那些 这里 那里 这儿 那儿 这样 那样 这么 那么 此 该 本 各 每 某
其 其他 其它 其中 谁 什么 怎么 怎样 怎么样 哪 哪个 哪些 哪里 哪儿 为什么 多少 几
是 有 在 为 为了 于 与 和 及 以及 或 或者 并 并且 而 而且 且 但 但是 可是 不过 然而 却 则
虽然 尽管 因为 因此 所以 由于 于是 如果 要是 假如 即使 只要 只有 无论 不管 除了 除非 从而
以便 以 以来 从 自 到 往 向 由 对 对于 关于 把 被 让 给 跟 同 按 按照 根据 通过 随着
比 比如 例如 如 如此 也 都 又 还 再 就 才 只 仅 很 非常 太 更 最 已 已经 曾 正 正在
将 将要 会 能 能够 可以 可 要 想 应 应该 必须 一 一个 一些 一下 一样 一种 一直 一定 个 种 些
上 下 中 里 内 外 前 后 时 时候 之间 之后 之前 来 去 说 没 没有 不 不是 不会 不能 无 非
便 即 若 当 然后 还有 还是 就是 只是
"""

STOP_WORDS_ZH = frozenset(_WORDS.split())


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
    keep: Sequence[str] = (),
) -> list[str]:
    """The texts with every step applied that is switched on; None becomes the empty text.

    `unicode` applies NFKC (full-width letters, ligatures, no-break spaces); `html` drops tags and
    resolves entities; `stop_words`, `punctuation` and `digits` remove what they name; `segment`
    puts one space between words; `keep` names the parts of speech that stay ("noun", "verb",
    "adjective", "adverb", "number"), and all else goes. Chinese words come from rjieba: without it
    `segment`, `stop_words` and `keep` raise `MissingExtraError` for "zh", and `keep` of English for
    "en".

    palate's own encoders call none of this by default. A language model was trained on text as
    people write it: case, stop words and punctuation carry meaning ("not for dry hair"), and its
    own tokeniser does the tidying that it was trained with. The removing steps are for counting
    words, or for text that is damaged.
    """
    check_language(language)
    check_parts_of_speech(keep)
    series = pl.Series("text", list(texts), dtype=pl.String).fill_null("")
    if html:
        series = _without_markup(series)
    if unicode:
        series = series.str.normalize("NFKC")
    if keep:  # while capitals and signs still tell what a word is
        kept = words_kept(series.to_list(), keep, language)
        series = pl.Series(series.name, kept, dtype=pl.String)
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
        known = did_you_mean(str(language), get_args(Language))
        raise ConfigError(f"language {quoted(language)} is not known.{known}")


STEPS: Final = tuple(
    name for name, one in signature(normalise).parameters.items() if one.kind is one.KEYWORD_ONLY
)
"""The names of the steps, and `language`; `keep` is a list."""


def check_steps(steps: dict[str, Any]) -> dict[str, Any]:
    """The steps, as `normalise` takes them; `ConfigError` for one that it does not have."""
    for name, value in steps.items():
        if name not in STEPS:
            raise ConfigError(f"no step is called {quoted(name)}.{did_you_mean(name, STEPS)}")
        if name == "language":
            check_language(value)
        elif name == "keep":
            check_parts_of_speech(value)
            if not value:
                raise ConfigError(
                    'keep = [] names nothing that stays: name some, as in keep = ["noun", "verb"],'
                    " or leave keep out"
                )
        elif not isinstance(value, bool):
            raise ConfigError(f"{name} = {quoted(value)} is neither true nor false")
    return steps


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


def pieces_of(text: str) -> list[str]:
    """Runs without blanks as they stand, those of Chinese or Japanese apart, after NFKC."""
    return _PIECE.findall(text if text.isascii() else unicodedata.normalize("NFKC", text))


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
