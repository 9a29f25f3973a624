"""The words that two texts share, as a person would name them."""

from __future__ import annotations

import html as entities
import unicodedata
from dataclasses import dataclass

from palate.text.normalise import is_stop_word, is_unspaced, tokenise

MOST_CHARACTERS = 2000
_SHORTEST = 3  # letters of a word worth naming; Chinese and Japanese need two
_PARTICLES_BEFORE, _PARTICLES_AFTER = "的了着", "的了着之"


@dataclass(frozen=True)
class Said:
    """A text, in lower case and without markup's entities, and its words in order."""

    text: str
    tokens: tuple[str, ...]

    @classmethod
    def of(cls, text: str, *, segment: bool = False) -> Said:
        """The first 2,000 characters; `segment` as in `tokenise`."""
        plain = entities.unescape(text[:MOST_CHARACTERS])
        plain = unicodedata.normalize("NFKC", plain).lower()
        return cls(plain, tuple(tokenise(plain, segment=segment)))


def shared_words(one: Said, other: Said) -> list[str]:
    """Words worth naming that both texts hold, in the order of the first.

    Pairs of characters that overlap in both texts are one word: 太空, 空旅, 旅行 are 太空旅行.
    """
    common = set(other.tokens)
    runs: list[str] = []
    growing = False
    for token in one.tokens:
        if token not in common:
            growing = False
            continue
        grown = runs[-1] + token[1:] if growing and runs[-1][-1] == token[0] else ""
        if grown and grown in one.text and grown in other.text:
            runs[-1] = grown
        else:
            runs.append(token)
        growing = len(token) == 2 and bool(is_unspaced(token))
    words = dict.fromkeys(_without_particles(run) if is_unspaced(run) else run for run in runs)
    return [word for word in words if is_worth_naming(word)]


def _without_particles(run: str) -> str:
    return run.lstrip(_PARTICLES_BEFORE).rstrip(_PARTICLES_AFTER)


def is_worth_naming(word: str) -> bool:
    """Whether a word says something: no stop word, no number, no mere letters."""
    shortest = 2 if is_unspaced(word) else _SHORTEST
    return len(word) >= shortest and not word[0].isdigit() and not is_stop_word(word)
