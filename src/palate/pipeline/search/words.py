"""Texts found by what they are called, and by the words that they hold: nothing is learnt."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from palate.core.arrays import Floats, to_dense
from palate.pipeline.search.counts import WordCounts, counted, runs_in
from palate.pipeline.search.near_words import NearWords
from palate.pipeline.search.terms import terms
from palate.text.normalise import is_stop_word, is_unspaced

SATURATION, LENGTH = 1.2, 0.5  # what the source calls k1 and b
ASIDE = 0.1  # what a stop word counts
UNKNOWN = 0.5  # of the rarest word's weight, for a word that no text holds
SAME, TO_THE_LETTER = 2.0, 2.1  # likeness of a title that is what was typed, beyond any likeness
RUNS = (2, 3)  # of characters, by which titles are compared
_TRIPLE, _STRANGE, _ENOUGH_WORDS = 3, 0.5, 1_000
_KNOWN_SIGNS = 0.5
_LONGEST = 200  # characters of a title or of a query that are compared
_WORD = re.compile(r"[^\W_]+")


def bare(text: str) -> str:
    """Lower case, without accents and signs, one blank between words; signs alone stay."""
    folded = unicodedata.normalize("NFKD", text).casefold()
    words = _WORD.findall("".join(sign for sign in folded if not unicodedata.combining(sign)))
    return " ".join(words) or " ".join(folded.split())


@dataclass(frozen=True)
class Held:
    """Which words of some queries some texts hold."""

    shares: Floats
    """(q, n) from 0, about 1 for a text that holds every word of the query."""
    weights: Floats
    """(q,) what all words of the query weigh, a word that hardly any text holds about 6 to 9."""
    lacking: Floats
    """(q, n) what the words weigh that other texts hold and this one does not."""


@dataclass(frozen=True)
class Alike:
    """How like what was typed some titles are, by the pairs and triples of characters of both."""

    likeness: Floats
    """(q, n) from 0 to 1, `SAME` for the title itself, `TO_THE_LETTER` where signs agree too."""
    lacking: Floats
    """(q, n) how many pairs or triples of the query (their mean) the title lacks."""
    beyond: Floats
    """(q, n) how many of the title the query lacks."""


@dataclass(frozen=True)
class WordIndex:
    """Which texts hold which words, or what is nearly one: BM25 as a share of what could be got.

    Source: Robertson and Zaragoza 2009, The Probabilistic Relevance Framework.
    """

    found: WordCounts

    @classmethod
    def of(cls, texts: Sequence[str]) -> WordIndex:
        return cls(WordCounts.of([Counter(terms(text)) for text in texts]))

    def changed(self, texts: Sequence[str], rows: NDArray[np.int64]) -> WordIndex:
        """The same with `texts` below, then those `rows` of all."""
        return WordIndex(self.found.changed([Counter(terms(text)) for text in texts], rows))

    def held(self, queries: Sequence[str]) -> Held:
        """How much of each query's words every text holds.

        Another form of a word counts in part, and so does what is a slip away from one that no text
        holds. Words that are like none count as half the rarest: without them "a ruler" would be an
        "a" and no more.
        """
        shares, covered = np.zeros((2, len(queries), self.n_texts), dtype=np.float64)
        weights, known = np.zeros((2, len(queries)), dtype=np.float64)
        best, near = np.zeros((2, self.n_texts), dtype=np.float64)
        for line, query in enumerate(queries):
            for word in sorted(set(terms(query))):
                forms = self._near(word)
                if not forms:
                    weights[line] += UNKNOWN * self._rarest if not is_stop_word(word) else 0.0
                    continue
                touched = self._best_of(forms, best, near)
                weight = self._rarity(len(touched), aside=is_stop_word(word))
                shares[line, touched] += weight * best[touched]
                if word in self.found.vocabulary:
                    known[line] += weight
                    covered[line, touched] += weight * near[touched]
                best[touched] = near[touched] = 0.0
                weights[line] += weight
        lacking = known[:, None] - covered
        shares /= np.maximum(weights, 1e-9)[:, None]
        return Held(*(part.astype(np.float32) for part in (shares, weights, lacking)))

    def knows(self, query: str) -> bool:
        """Whether a word of the query is nearly known, one that is no stop word if there is any.

        In scripts without blanks half of the characters will do.
        """
        words = terms(query, singles=False)
        telling = [word for word in words if not is_stop_word(word)]
        if any(self._near(word) for word in telling or words):
            return True
        signs = [one for word in telling if is_unspaced(word) for one in word]
        signs = [one for one in dict.fromkeys(signs) if not is_stop_word(one)]
        known = sum(one in self.found.vocabulary for one in signs)
        return bool(signs) and known >= _KNOWN_SIGNS * len(signs)

    def is_strange(self, query: str) -> bool:
        """Whether no word of the query is known, and hardly any of its triples of letters either.

        Texts of few words with blanks between them, and queries in scripts without, are never
        strange.
        """
        words = terms(query)
        few = self._spaced_words < _ENOUGH_WORDS
        if few or self.knows(query) or not words or any(map(is_unspaced, words)):
            return False
        runs = [run for word in words for run in runs_in(word, _TRIPLE)]
        return sum(run in self._triples for run in runs) < _STRANGE * len(runs)

    def shared(self, query: str, row: int) -> list[str]:
        """The words of text `row` that the query holds or nearly holds, the weightiest first."""
        own = slice(*self.found.counts.indptr[row : row + 2].tolist())
        weight_of = dict(
            zip(self.found.counts.indices[own].tolist(), self._saturated.data[own], strict=True)
        )
        found: dict[str, float] = {}
        for word in dict.fromkeys(terms(query)):
            near = {} if is_stop_word(word) else self._near(word)
            held = {place: near[place] * weight_of[place] for place in near.keys() & weight_of}
            if held:
                place = min(held, key=lambda place: (-held[place], place))
                found[self._words[place]] = held[place] * self._rarity(self._texts_with[place])
        return sorted(found, key=lambda word: (-found[word], word))

    @cached_property
    def _spaced_words(self) -> int:
        return sum(not is_unspaced(word) for word in self.found.vocabulary)

    @property
    def n_texts(self) -> int:
        return int(self.found.counts.shape[0])

    def _near(self, word: str) -> dict[int, float]:
        return self._forms.of(word)

    def _best_of(
        self, forms: Mapping[int, float], best: NDArray[np.float64], near: NDArray[np.float64]
    ) -> NDArray[np.int64]:
        """Which texts hold any of the forms; what the best is worth there is written to `best`,
        and to `near` how near the nearest is.
        """
        touched = []
        starts, texts, values = self._by_word
        for place, nearness in forms.items():
            own = slice(starts[place], starts[place + 1])
            best[texts[own]] = np.maximum(best[texts[own]], nearness * values[own])
            near[texts[own]] = np.maximum(near[texts[own]], nearness)
            touched.append(texts[own])
        return np.unique(np.concatenate(touched))

    def _rarity(self, n_texts: int, *, aside: bool = False) -> float:
        """The logarithm of how rare a word is that so many texts hold; stop words count a tenth."""
        rarity = float(np.log1p((self.n_texts - n_texts + 0.5) / (n_texts + 0.5)))
        return rarity * ASIDE if aside else rarity

    @cached_property
    def _rarest(self) -> float:
        held = self._texts_with
        return max(1.0, self._rarity(int(held.min()))) if len(held) else 1.0

    @cached_property
    def _texts_with(self) -> NDArray[np.int64]:
        return self.found.texts_with()

    @cached_property
    def _words(self) -> list[str]:
        return list(self.found.vocabulary)

    @cached_property
    def _forms(self) -> NearWords:
        return NearWords(self.found.vocabulary)

    @cached_property
    def _saturated(self) -> sparse.csr_array:
        """(n, words) counts of which each further one says less, and less in a long text."""
        counts = self.found.counts
        lengths = counts.sum(axis=1)
        longer = lengths / max(float(lengths.mean()) if len(lengths) else 0.0, 1.0)
        norms = SATURATION * (1 - LENGTH + LENGTH * longer)
        row = np.repeat(np.arange(self.n_texts), np.diff(counts.indptr))
        values = counts.data * (SATURATION + 1) / (counts.data + norms[row])
        return sparse.csr_array((values, counts.indices, counts.indptr), shape=counts.shape)

    @cached_property
    def _by_word(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
        """Where the texts of each word begin, the texts, and what the word is worth in each."""
        turned = self._saturated.T.tocsr()
        return turned.indptr.astype(np.int64), turned.indices.astype(np.int64), turned.data

    @cached_property
    def _triples(self) -> set[str]:
        return {run for word in self.found.vocabulary for run in runs_in(word, _TRIPLE)}


@dataclass(frozen=True)
class TitleIndex:
    """What items are called: exactly, or nearly so by the runs of characters that both share."""

    titles: Sequence[str]
    runs: Sequence[WordCounts]
    """For each length of the runs which titles hold which."""

    @classmethod
    def of(cls, titles: Sequence[str]) -> TitleIndex:
        barely = [bare(title) for title in titles]
        return cls(titles, [WordCounts.of(_all_runs(barely, length)) for length in RUNS])

    def changed(self, titles: Sequence[str], rows: NDArray[np.int64]) -> TitleIndex:
        """The same with `titles` below, then those `rows` of all."""
        barely = [bare(title) for title in titles]
        found = zip(RUNS, self.runs, strict=True)
        runs = [own.changed(_all_runs(barely, length), rows) for length, own in found]
        every = [*self.titles, *titles]
        return TitleIndex([every[row] for row in rows.tolist()], runs)

    def alike(self, queries: Sequence[str]) -> Alike:
        """The mean cosine of the sets of pairs and triples of characters, and what is not shared.

        So a slip or a missing word takes a part of it only, in any language.
        """
        barely = [bare(query) for query in queries]
        shape = (len(queries), len(self.titles))
        found, lacking, beyond = np.zeros((3, *shape), dtype=np.float64)
        for length, own, by_run in zip(RUNS, self.runs, self._by_run, strict=True):
            asked = _all_runs(barely, length)
            typed = np.array([len(runs) for runs in asked])[:, None]
            titled = np.diff(own.counts.indptr)[None]
            shared = to_dense(counted(asked, own.vocabulary) @ by_run)
            found += shared / np.sqrt(np.maximum(typed * titled, 1)) / len(RUNS)
            lacking += (typed - shared) / len(RUNS)
            beyond += (titled - shared) / len(RUNS)
        for line, (query, text) in enumerate(zip(queries, barely, strict=True)):
            for row in self._rows_of.get(text, ()):
                letters = query.strip() == self.titles[row].strip()
                found[line, row] = TO_THE_LETTER if letters else SAME
        return Alike(*(part.astype(np.float32) for part in (found, lacking, beyond)))

    @cached_property
    def _rows_of(self) -> dict[str, list[int]]:
        rows: dict[str, list[int]] = {}
        for row, title in enumerate(self.titles):
            if name := bare(title):
                rows.setdefault(name, []).append(row)
        return rows

    @cached_property
    def _by_run(self) -> list[sparse.csr_array]:
        """For each length (runs, n) which titles hold which."""
        return [sparse.csr_array(own.counts.T) for own in self.runs]


def _all_runs(texts: Sequence[str], length: int) -> list[Counter[str]]:
    return [Counter(runs_in(text[:_LONGEST], length)) for text in texts]
