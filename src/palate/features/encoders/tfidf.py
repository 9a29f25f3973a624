"""Item texts as weighted counts of their words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import field
from functools import cached_property, partial
from typing import Any, ClassVar, Self

import numpy as np
from pydantic import PositiveInt
from scipy import sparse

from palate.core.arrays import Floats
from palate.core.checks import check_unicode
from palate.core.component import check_fitted, check_types, component, learnt
from palate.core.dataset import Dataset
from palate.core.errors import ConfigError, DataError, PalateError
from palate.core.learnt import agree
from palate.core.optional import Requirement
from palate.core.visible import quoted
from palate.features.template_encoder import TemplateEncoder
from palate.text.normalise import SEGMENTER, is_stop_word, tokenise
from palate.text.template import render

__all__ = ["Tfidf"]

ASIDE = 0.1  # what a stop word counts in a text query
_TINY = 50
_PROBE = 1000


@component
class Tfidf(TemplateEncoder):
    """Sparse tf-idf vectors of unit length, over words and short runs of words.

    The vocabulary and the idf come from trained items alone (where these say nothing, from all).
    Chinese counts as pairs of characters, or with `segment` as words (extra "zh"). `ngrams` says
    the shortest and the longest run; what fewer than `min_df` texts hold is left out (nothing is in
    catalogues of fewer than 50 texts), and beyond `max_features` the rarer runs. `sublinear` takes
    1 + ln(count). In what people ask for, runs of stop words alone count a tenth.
    Method: Salton and Buckley 1988, with idf = ln((1 + n) / (1 + df)) + 1 as in scikit-learn.
    """

    ngrams: list[int] = field(default_factory=lambda: [1, 2])
    min_df: PositiveInt = 2
    max_features: PositiveInt = 50_000
    sublinear: bool = True
    segment: bool = False

    vocabulary_: list[str] = learnt()
    idf_: Floats = learnt("vocabulary_")

    makes_sparse: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_types(self)
        if len(self.ngrams) != 2 or not 1 <= self.ngrams[0] <= self.ngrams[1]:
            raise ConfigError(
                "ngrams must be [shortest, longest] with 1 <= shortest <= longest, "
                f"not {self.ngrams}"
            )

    @property
    def requires(self) -> tuple[Requirement, ...]:
        """What splits Chinese into words, where that is wanted."""
        return (SEGMENTER,) if self.segment else ()

    def fit(self, data: Dataset) -> Self:
        """Learns vocabulary and idf; raises `DataError` where the items have no words."""
        super().fit(data)
        texts = self.texts_of(data.items[data.warm_items])
        counter = self._learnt_from(texts) or self._learnt_from(self.texts_of(data.items))
        if counter is None:
            raise self._no_words(self.template_)
        self.vocabulary_ = [str(word) for word in counter.get_feature_names_out()]
        self.idf_ = counter.idf_.astype(np.float32)
        for name in ("_of_items", "_of_queries"):
            self.__dict__.pop(name, None)
        return self

    def check_words(self, data: Dataset) -> None:
        """Raises the `DataError` that `fit` would for items without words, but counts nothing."""
        template = self._template_for(data.items)
        for items in (data.items.head(_PROBE), data.items):
            texts = self.tidied(render(items, template))
            for text in texts:
                if len(tokenise(text, segment=self.segment)) >= self.ngrams[0]:
                    return
        self._check_said(texts, template)
        raise self._no_words(template)

    def describe(self, data: Dataset) -> Iterator[str]:
        """As of every template's encoder; raises for items without words, as `fit` does."""
        self.check_words(data)
        yield from super().describe(data)

    def check_learnt(self) -> None:
        """Raises `ValueError` for a vocabulary that is none."""
        super().check_learnt()
        words = self.vocabulary_
        agree(0 < len(words) == len(set(words)), "vocabulary_ is empty, or has a word twice")

    def _no_words(self, template: str) -> DataError:
        return DataError(
            f"the items have no words in the template {quoted(template)}, only signs: "
            "choose other columns, or leave this encoder out"
        )

    def encode_texts(self, texts: Sequence[str]) -> sparse.csr_array:
        """(n, words) csr_array of float32, rows of unit length; zeros where no word is known.

        These are what people ask for, in sentences full of words that are rare in titles: "a film
        about the sea" is no query for "All About Eve".
        """
        check_fitted(self)
        return self._counted(self._of_queries, texts)

    @property
    def block_width(self) -> int:
        """Columns of its block, by what was learnt alone: nothing is encoded."""
        check_fitted(self)
        return len(self.vocabulary_)

    @property
    def names(self) -> list[str]:
        """The word, or the run of words, that each column counts."""
        check_fitted(self)
        return self.vocabulary_

    def _encode_items(self, texts: Sequence[str]) -> sparse.csr_array:
        return self._counted(self._of_items, texts)

    def _counted(self, counter: Any, texts: Sequence[str]) -> sparse.csr_array:
        texts = self.tidied(texts)
        check_unicode(texts)
        if not texts:
            return sparse.csr_array((0, len(self.vocabulary_)), dtype=np.float32)
        return sparse.csr_array(counter.transform(texts), dtype=np.float32)

    def _learnt_from(self, texts: Sequence[str]) -> Any:
        """A fitted vectoriser, or None where the texts have no words."""
        for min_df in (self.min_df if len(texts) >= _TINY else 1, 1):
            try:
                return self._vectoriser(min_df=min_df, max_features=self.max_features).fit(texts)
            except ValueError as error:
                if isinstance(error, PalateError):
                    raise
        return None

    @cached_property
    def _of_items(self) -> Any:
        counter = self._vectoriser(vocabulary=self.vocabulary_)
        counter.idf_ = self.idf_
        return counter

    @cached_property
    def _of_queries(self) -> Any:
        aside = [all(map(is_stop_word, run.split(" "))) for run in self.vocabulary_]
        counter = self._vectoriser(vocabulary=self.vocabulary_)
        counter.idf_ = np.where(aside, np.float32(ASIDE), np.float32(1)) * self.idf_
        return counter

    def _vectoriser(self, **settings: Any) -> Any:
        from sklearn.feature_extraction.text import TfidfVectorizer

        return TfidfVectorizer(
            tokenizer=partial(tokenise, segment=self.segment),
            token_pattern=None,
            lowercase=False,
            ngram_range=tuple(self.ngrams),
            sublinear_tf=self.sublinear,
            dtype=np.float32,
            **settings,
        )
