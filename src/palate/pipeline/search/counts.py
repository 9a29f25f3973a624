"""How often each text holds each word, or run of characters; and what changes as texts come."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Counts: TypeAlias = sparse.csr_array


@dataclass(frozen=True)
class WordCounts:
    """(n, words) how often each text holds each word; the words are numbered in their own order.

    So the order of the texts leaves no trace, and texts that came one by one count as they would
    have at once.
    """

    vocabulary: Mapping[str, int]
    counts: Counts

    @classmethod
    def of(cls, found: Sequence[Mapping[str, int]]) -> WordCounts:
        """Of the words of each text, and how often it holds them."""
        vocabulary = _numbered(set().union(*found))
        return cls(vocabulary, counted(found, vocabulary))

    def changed(self, found: Sequence[Mapping[str, int]], rows: NDArray[np.int64]) -> WordCounts:
        """The same with the texts of `found` below, then those `rows` of them all.

        Equal to `of` all these texts, of which none is read again: words that no text holds any
        more are forgotten.
        """
        new = WordCounts.of(found)
        words = _numbered({*self.vocabulary, *new.vocabulary})
        both = sparse.vstack([self._among(words), new._among(words)], format="csr")[rows]
        held = np.bincount(both.indices, minlength=len(words)) > 0
        kept = _numbered(word for word, place in words.items() if held[place])
        return WordCounts(kept, WordCounts(words, sparse.csr_array(both))._among(kept))

    def texts_with(self) -> NDArray[np.int64]:
        """(words,) how many texts hold each word."""
        return np.bincount(self.counts.indices, minlength=len(self.vocabulary))

    def _among(self, vocabulary: Mapping[str, int]) -> Counts:
        """The same counts where words have other numbers, in the same order.

        A word that no text holds may be absent there.
        """
        places = [vocabulary.get(word, 0) for word in self.vocabulary]
        columns = np.array(places, dtype=np.int32)[self.counts.indices]
        shape = (self.counts.shape[0], len(vocabulary))
        return sparse.csr_array((self.counts.data, columns, self.counts.indptr), shape=shape)


def counted(found: Sequence[Mapping[str, int]], vocabulary: Mapping[str, int]) -> Counts:
    """(n, words) counts of the words that are known, each row in the order of the vocabulary."""
    places, counts, stops = [], [], [0]
    for words in found:
        known = sorted(
            (vocabulary[word], count) for word, count in words.items() if word in vocabulary
        )
        places += [place for place, _ in known]
        counts += [count for _, count in known]
        stops.append(len(places))
    data = np.array(counts, dtype=np.float64)
    shape = (len(found), len(vocabulary))
    return sparse.csr_array((data, np.array(places, dtype=np.int32), np.array(stops)), shape=shape)


def _numbered(words: Iterable[str]) -> dict[str, int]:
    """A number for every word, in their own order."""
    return {word: place for place, word in enumerate(sorted(words))}


def runs_in(text: str, length: int) -> set[str]:
    """Every run of characters; those at both ends of the text are marked by a blank."""
    framed = f" {text} " if text else ""
    return {framed[start : start + length] for start in range(len(framed) - length + 1)}
