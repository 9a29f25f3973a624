"""Words that are nearly one another: other forms of a word, and what is one slip away."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from palate.pipeline.search.counts import WordCounts, runs_in
from palate.text.normalise import is_stop_word, is_unspaced

FORM = 0.5  # cosine of the triples of characters of two words from which on they may be one
ONE_SLIP = 0.8  # what a word that is one slip away counts, as the square of such a cosine
_BEGINNING = 3  # characters that all forms of a word share
_SHORTEST, _SHORTEST_SLIP = 3, 4  # of words that have other forms, or may hold a slip
_LONGEST_SLIP = 40  # beyond, nothing is a word
_MOST_LETTERS = 64  # that a slip may have put in: of catalogues in many scripts the commonest
_TRIPLE = 3
_DIGIT = re.compile(r"\d").search


@dataclass(frozen=True)
class NearWords:
    """The words of a vocabulary by their looks: "nails" for "nail", "lavender" for "lavnder".

    A word of the vocabulary has forms: words that begin as it does and share half of its triples
    of characters. An unknown one is taken for whatever it is like, or one slip away from.
    """

    vocabulary: Mapping[str, int]

    def of(self, word: str) -> dict[int, float]:
        """Place in the vocabulary → how near, 1 for the word itself; in no order that matters."""
        place = self.vocabulary.get(word)
        if not is_spelt(word):
            return {} if place is None else {place: 1.0}
        alike = self._alike(word)
        known = place is not None
        found = {
            self._places[row]: float(alike[row]) ** 2
            for row in np.flatnonzero(alike >= FORM).tolist()
            if not known or self._words[row][:_BEGINNING] == word[:_BEGINNING]
        }
        if place is not None:
            return found | {place: 1.0}
        if _SHORTEST_SLIP <= len(word) <= _LONGEST_SLIP:
            for other in self._one_slip_from(word):
                own = self.vocabulary[other]
                found[own] = max(found.get(own, 0.0), ONE_SLIP)
        return found

    def _alike(self, word: str) -> NDArray[np.float64]:
        """(words,) cosines of sets of triples: of whole numbers, so to the same bits for ever."""
        runs = runs_in(word, _TRIPLE)
        numbers, starts, holders, sizes = self._triples
        found = [numbers[run] for run in runs if run in numbers]
        rows = [holders[starts[number] : starts[number + 1]] for number in found]
        shared = np.bincount(np.concatenate(rows), minlength=len(sizes)) if rows else 0 * sizes
        return np.asarray(shared / np.sqrt(np.maximum(sizes * len(runs), 1)), dtype=np.float64)

    def _one_slip_from(self, word: str) -> set[str]:
        """The words that a letter left out, put in, swapped or wrong would make this one."""
        cuts = [(word[:place], word[place:]) for place in range(len(word) + 1)]
        made = {before + after[1:] for before, after in cuts if after}
        made |= {before + after[1] + after[0] + after[2:] for before, after in cuts if after[1:]}
        for letter in self._letters:
            made |= {before + letter + after for before, after in cuts}
            made |= {before + letter + after[1:] for before, after in cuts if after}
        return {other for other in made if other in self.vocabulary and is_spelt(other)}

    @cached_property
    def _words(self) -> list[str]:
        return [word for word in self.vocabulary if is_spelt(word)]

    @cached_property
    def _places(self) -> list[int]:
        return [self.vocabulary[word] for word in self._words]

    @cached_property
    def _letters(self) -> list[str]:
        often = Counter(letter for word in self._words for letter in set(word))
        return sorted(often, key=lambda letter: (-often[letter], letter))[:_MOST_LETTERS]

    @cached_property
    def _triples(
        self,
    ) -> tuple[Mapping[str, int], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """The numbers of the triples, where the words with each begin and stand, and how many
        triples each word has.
        """
        found = WordCounts.of([Counter(runs_in(word, _TRIPLE)) for word in self._words])
        by_triple = found.counts.T.tocsr()
        starts, holders = by_triple.indptr.astype(np.int64), by_triple.indices.astype(np.int64)
        return found.vocabulary, starts, holders, np.diff(found.counts.indptr).astype(np.int64)


def is_spelt(word: str) -> bool:
    """Whether a word has forms and may hold a slip: it is spelt in letters, and says something."""
    return (
        len(word) >= _SHORTEST
        and not _DIGIT(word)
        and not is_unspaced(word)
        and not is_stop_word(word)
    )
