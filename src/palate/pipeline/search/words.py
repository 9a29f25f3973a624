"""Texts found by what they are called, and by the words that they hold: nothing is learnt."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from palate.core.arrays import Floats, to_dense
from palate.text.normalise import is_stop_word, is_unspaced, tokenise

SATURATION, LENGTH = 1.2, 0.5  # what the source calls k1 and b
ASIDE = 0.1  # what a stop word counts
UNKNOWN = 0.5  # of the rarest word's weight, for a word that no text holds
SAME, TO_THE_LETTER = 2.0, 2.1  # likeness of a title that is what was typed, beyond any likeness
RUNS = (2, 3)  # of characters, by which titles are compared
_TRIPLE, _STRANGE, _ENOUGH_WORDS = 3, 0.5, 1_000
_LONGEST = 200  # characters of a title or of a query that are compared
_WORD = re.compile(r"[^\W_]+")

Counts: TypeAlias = sparse.csr_array


def bare(text: str) -> str:
    """Lower case, without accents and signs, one blank between words; signs alone stay."""
    folded = unicodedata.normalize("NFKD", text).casefold()
    words = _WORD.findall("".join(sign for sign in folded if not unicodedata.combining(sign)))
    return " ".join(words) or " ".join(folded.split())


@dataclass(frozen=True)
class WordIndex:
    """Which texts hold which words, rare ones too: BM25, as a share of what the query could get.

    Source: Robertson and Zaragoza 2009, The Probabilistic Relevance Framework.
    """

    vocabulary: Mapping[str, int]
    counts: Counts
    """(n, words) saturated counts."""
    rarity: NDArray[np.float64]
    """(words,) the logarithm of how rare each word is; stop words count a tenth of it."""

    @classmethod
    def of(cls, texts: Sequence[str]) -> WordIndex:
        found = [Counter(tokenise(text)) for text in texts]
        vocabulary = _numbered(found)
        counts = _counted(found, vocabulary)
        holding = np.bincount(counts.indices, minlength=len(vocabulary))
        rarity = np.log1p((len(texts) - holding + 0.5) / (holding + 0.5))
        lengths = counts.sum(axis=1)
        longer = lengths / max(float(lengths.mean()) if len(lengths) else 0.0, 1.0)
        norms = SATURATION * (1 - LENGTH + LENGTH * longer)
        row = np.repeat(np.arange(len(texts)), np.diff(counts.indptr))
        counts.data *= (SATURATION + 1) / (counts.data + norms[row])
        aside = [ASIDE if is_stop_word(word) else 1.0 for word in vocabulary]
        return cls(vocabulary, counts, rarity * aside)

    def shares(self, queries: Sequence[str]) -> Floats:
        """(q, n) from 0, about 1 for a text that holds every word of the query.

        Words that no text holds count as half as much as the rarest: without them "a ruler" would
        be an "a" and no more.
        """
        words = [set(tokenise(text)) for text in queries]
        asked = _counted([Counter(own) for own in words], self.vocabulary)
        asked.data *= self.rarity[asked.indices]
        unknown = np.array([sum(map(self._is_unknown, own)) for own in words])
        rarest = float(self.rarity.max(initial=1.0))
        most = np.maximum(asked.sum(axis=1) + UNKNOWN * rarest * unknown, 1e-9)[:, None]
        return np.asarray(to_dense(asked @ self._by_word) / most, dtype=np.float32)

    def knows(self, query: str) -> bool:
        """Whether a word of the query is known, one that is no stop word if there is any."""
        words = tokenise(query)
        telling = [word for word in words if not is_stop_word(word)]
        return any(word in self.vocabulary for word in telling or words)

    def is_strange(self, query: str) -> bool:
        """Whether no word of the query is known, and hardly any of its triples of letters either.

        Texts of few words, and queries in scripts without blanks, are never strange.
        """
        words = tokenise(query)
        few = len(self.vocabulary) < _ENOUGH_WORDS
        if few or self.knows(query) or not words or any(map(is_unspaced, words)):
            return False
        runs = [run for word in words for run in _runs_in(word, _TRIPLE)]
        return sum(run in self._triples for run in runs) < _STRANGE * len(runs)

    def shared(self, query: str, row: int) -> list[str]:
        """The words of the query that text `row` holds, the weightiest first."""
        own = slice(*self.counts.indptr[row : row + 2].tolist())
        weight_of = dict(zip(self.counts.indices[own].tolist(), self.counts.data[own], strict=True))
        found = {
            word: weight_of[place] * self.rarity[place]
            for word in dict.fromkeys(tokenise(query))
            if (place := self.vocabulary.get(word, -1)) in weight_of and not is_stop_word(word)
        }
        return sorted(found, key=lambda word: (-found[word], word))

    def _is_unknown(self, word: str) -> bool:
        return word not in self.vocabulary and not is_stop_word(word)

    @cached_property
    def _by_word(self) -> Counts:
        return sparse.csr_array(self.counts.T)

    @cached_property
    def _triples(self) -> set[str]:
        return {run for word in self.vocabulary for run in _runs_in(word, _TRIPLE)}


@dataclass(frozen=True)
class TitleIndex:
    """What items are called: exactly, or nearly so by the runs of characters that both share."""

    titles: Sequence[str]

    def likeness(self, queries: Sequence[str]) -> Floats:
        """(q, n) from 0 to 1, `SAME` for the title itself, `TO_THE_LETTER` where signs agree too.

        The mean cosine of the sets of pairs and of triples of characters, so a slip or a missing
        word takes a part of it only, in any language.
        """
        barely = [bare(query) for query in queries]
        found = np.zeros((len(queries), len(self.titles)), dtype=np.float64)
        for vocabulary, by_run in self._runs:
            asked = [_runs_in(text, len(next(iter(vocabulary), ""))) for text in barely]
            sizes = np.array([max(len(runs), 1) for runs in asked])
            units = _counted([Counter(runs) for runs in asked], vocabulary)
            found += to_dense(units @ by_run) / np.sqrt(sizes)[:, None] / len(RUNS)
        for line, (query, text) in enumerate(zip(queries, barely, strict=True)):
            for row in self._rows_of.get(text, ()):
                letters = query.strip() == self.titles[row].strip()
                found[line, row] = TO_THE_LETTER if letters else SAME
        return found.astype(np.float32)

    @cached_property
    def _barely(self) -> list[str]:
        return [bare(title) for title in self.titles]

    @cached_property
    def _rows_of(self) -> dict[str, list[int]]:
        rows: dict[str, list[int]] = {}
        for row, title in enumerate(self._barely):
            if title:
                rows.setdefault(title, []).append(row)
        return rows

    @cached_property
    def _runs(self) -> list[tuple[dict[str, int], Counts]]:
        """For each length the numbers of the runs, and (runs, n) unit columns of the titles."""
        found = []
        for length in RUNS:
            runs = [Counter(_runs_in(title, length)) for title in self._barely]
            vocabulary = _numbered(runs)
            counts = _counted(runs, vocabulary)
            sizes = np.maximum(np.diff(counts.indptr), 1)
            counts.data /= np.repeat(np.sqrt(sizes), np.diff(counts.indptr))
            found.append((vocabulary, sparse.csr_array(counts.T)))
        return found


def _runs_in(text: str, length: int) -> Collection[str]:
    """Every run of characters, those at both ends of the text marked by a blank."""
    framed = f" {text[:_LONGEST]} " if text else ""
    return {framed[start : start + length] for start in range(len(framed) - length + 1)}


def _numbered(found: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """A number for every key, in their own order: that of the texts leaves no trace."""
    return {word: place for place, word in enumerate(sorted(set().union(*found)))}


def _counted(found: Sequence[Mapping[str, int]], vocabulary: Mapping[str, int]) -> Counts:
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
