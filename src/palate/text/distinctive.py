"""Words that tell groups of texts apart: what a topic is called by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial
from math import log
from typing import Final

from palate.core.optional import is_installed
from palate.text.normalise import SEGMENTER, is_stop_word, is_unspaced, tokenise

NAMED_BY: Final = 3
"""Words in the name of a group."""
_SHORTEST: Final = 3
_SHORTEST_UNSPACED: Final = 2
_SAME_START: Final = 4


def words_worth_naming(texts: Sequence[str]) -> list[set[str]]:
    """What each text could be called by: its words in small letters, no stop words, no numbers.

    Chinese words are those of rjieba where the extra "zh" is installed, else pairs of characters.
    """
    split = partial(tokenise, segment=is_installed(*SEGMENTER.modules))
    return [{word for word in split(text) if _says_something(word)} for text in texts]


def distinctive_words(
    words: Sequence[set[str]], groups: Sequence[int], count: int, *, most: int = 10
) -> list[list[str]]:
    """At most `most` words for each of `count` groups, the most distinctive first.

    `groups` says which one each text is in. A word counts p ln(p / q), where p is the share of the
    group's texts that hold it and q that of all, and not at all where q is larger: so one long
    text names nothing, nor does what everybody says. What begins like a word before it is left out.
    Method: as c-TF-IDF (Grootendorst 2022), with shares of texts in place of counts.
    """
    held: list[Counter[str]] = [Counter() for _ in range(count)]
    sizes = [0] * count
    for found, group in zip(words, groups, strict=True):
        held[group].update(found)
        sizes[group] += 1
    everywhere: Counter[str] = Counter()
    for counter in held:
        everywhere.update(counter)
    return [
        _best(
            {
                word: number / size * log(number / size * len(words) / everywhere[word])
                for word, number in counter.items()
                if number > 1 or size < _SHORTEST
            },
            most,
        )
        for counter, size in zip(held, sizes, strict=True)
    ]


def names_of(words: Sequence[Sequence[str]], other: str = "topic") -> list[str]:
    """A name for each group, different from all others: its first words, or `other` and a number.

    Groups of the same first words get more of them, or a number.
    """
    names: list[str] = []
    for number, own in enumerate(words, start=1):
        tries = [", ".join(own[:length]) for length in range(min(NAMED_BY, len(own)), len(own) + 1)]
        tries = [*filter(None, tries), f"{', '.join([other, *own[:NAMED_BY]])} {number}"]
        names.append(next(name for name in tries if name not in names))
    return names


def _best(scores: dict[str, float], most: int) -> list[str]:
    chosen: list[str] = []
    for word, score in sorted(scores.items(), key=lambda one: (-one[1], one[0])):
        if score >= 0 and not any(_alike(word, before) for before in chosen):
            chosen.append(word)
        if len(chosen) == most:
            break
    return chosen


def _alike(one: str, other: str) -> bool:
    """Whether two words say the same, as singular and plural do, or one is a part of the other."""
    if is_unspaced(one) or is_unspaced(other):
        return one in other or other in one
    short = min(len(one), len(other))
    return short >= _SAME_START and one[:short] == other[:short]


def _says_something(word: str) -> bool:
    shortest = _SHORTEST_UNSPACED if is_unspaced(word) else _SHORTEST
    return len(word) >= shortest and word.isalpha() and not is_stop_word(word)
