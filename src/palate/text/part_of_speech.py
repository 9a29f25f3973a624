"""Words by their part of speech, in English and Chinese: nouns stay, fillers go."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import cache
from threading import Lock
from typing import Final, Literal, TypeAlias

from palate.core.errors import ConfigError, did_you_mean
from palate.core.optional import Requirement
from palate.core.visible import quoted

PartOfSpeech: TypeAlias = Literal["noun", "verb", "adjective", "adverb", "number"]
Tagged: TypeAlias = Iterable[tuple[str, str]]
"""Words and their tags."""

TAGGERS: Final = {
    "en": Requirement(("textblob",), "parts of speech of English words"),
    "zh": Requirement(("rjieba",), "parts of speech of Chinese words"),
}
_TAGS: Final[dict[str, dict[str, tuple[str, ...]]]] = {  # how tags of a class begin
    "en": {  # Penn Treebank
        "noun": ("NN",),
        "verb": ("VB", "MD"),
        "adjective": ("JJ",),
        "adverb": ("RB",),
        "number": ("CD",),
    },
    "zh": {  # ICTCLAS; idioms and what stands in Latin letters are content, as nouns are
        "noun": ("n", "vn", "an", "i", "j", "l", "s", "t", "eng"),
        "verb": ("v",),
        "adjective": ("a", "b", "z"),
        "adverb": ("d",),
        "number": ("m",),
    },
}
_ENGLISH: Final = re.compile(r"\w+(?:['’.-]\w+)*|[^\w\s]")
_LOCK: Final = Lock()


def check_parts_of_speech(keep: object) -> None:
    """Raises `ConfigError` for what is no list of classes of words."""
    known = _TAGS["en"]
    if isinstance(keep, str) or not isinstance(keep, Sequence):
        raise ConfigError(f'keep = {quoted(keep)} is no list: give one, as in keep = ["noun"]')
    for name in keep:
        if name not in known:
            hint = did_you_mean(str(name), known)
            raise ConfigError(f"keep: no part of speech is called {quoted(name)}.{hint}")


def words_kept(texts: Iterable[str], keep: Collection[str], language: str) -> list[str]:
    """The words of each text that are of a class in `keep`, in their order, with one blank between.

    Signs are of none. English tags are those of TextBlob's lexicon and rules (extra "en"), Chinese
    words and tags those of rjieba (extra "zh"); `MissingExtraError` without them. A word that they
    do not know counts as a noun.
    """
    starts = tuple(start for name in keep for start in _TAGS[language][name])
    tagged = _tagger(language)
    return [
        " ".join(word for word, tag in tagged(text) if tag.startswith(starts)) for text in texts
    ]


@cache
def _tagger(language: str) -> Callable[[str], Tagged]:
    return _english() if language == "en" else _chinese()


def _english() -> Callable[[str], Tagged]:
    tag: Callable[..., list[tuple[str, str]]] = TAGGERS["en"].load("textblob.en").tag
    # its files are read when they are first used, and half of them would tag otherwise
    with _LOCK, warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # which it leaves to be closed
        tag("Qwerty the qwertyings qwerty")

    def tagged(text: str) -> Tagged:
        words = _ENGLISH.findall(text)
        letters = [word for word in words if word[0].isalpha()]
        title = sum(word[0].isupper() for word in letters) * 2 > len(letters)
        line = " ".join(words).replace("\u2019", "'")
        # in a title capitals mark no names
        tags = tag(line.lower() if title else line, tokenize=False) if words else []
        return ((word, kind) for word, (_, kind) in zip(words, tags, strict=True) if _says(word))

    return tagged


def _chinese() -> Callable[[str], Tagged]:
    tag: Callable[[str], list[tuple[str, str]]] = TAGGERS["zh"].load().tag

    def tagged(text: str) -> Tagged:
        for word, kind in tag(text):
            if _says(word):
                yield word, "n" if kind == "x" else kind

    return tagged


def _says(word: str) -> bool:
    return any(letter.isalnum() for letter in word)
