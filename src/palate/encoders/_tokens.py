"""Texts → batches of token ids without padding: only equally long ones go together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from palate.encoders._once import Batches
from palate.types import Floats

TokenIds: TypeAlias = NDArray[np.int64]
Places: TypeAlias = NDArray[np.int64]
Run: TypeAlias = Callable[[Iterable[tuple[Places, TokenIds]]], Batches]
"""Batches of (rows, (n, length) token ids) → batches of (rows, (n, d) vectors), in any order."""

WINDOW = 16_384  # texts that are tokenised and sorted at a time, while those before are encoded
MOST_CHUNKS = 64  # of a text that is read in chunks
CHARACTERS_A_TOKEN = 32  # more of a text than this many a token is never tokenised


@dataclass(frozen=True)
class Tokeniser:
    """How texts are cut into tokens: `prefix` before, `suffix` after, at most `max_tokens`.

    What is longer loses its end, or with `chunks` is cut into pieces of that length.
    """

    tokenizer: Any
    max_tokens: int
    prefix: str = ""
    suffix: str = ""
    chunks: bool = False
    lower: bool = False

    def __call__(self, texts: Sequence[str]) -> tuple[list[list[int]], Places]:
        """The ids of every piece, and the row of the text that it belongs to."""
        if not texts:
            return [], np.empty(0, dtype=np.int64)
        characters = self.max_tokens * CHARACTERS_A_TOKEN * (MOST_CHUNKS if self.chunks else 1)
        said = [self.prefix + text[:characters] for text in texts]
        found = self.tokenizer(
            [text.lower() for text in said] if self.lower else said,
            truncation=True,
            max_length=max(self.max_tokens - len(self._suffix_ids), self._frame + 1),
            return_attention_mask=False,
            return_token_type_ids=False,
            return_overflowing_tokens=self.chunks,
        )
        pieces: list[list[int]] = found["input_ids"]
        owners = np.arange(len(texts), dtype=np.int64)
        if self.chunks:
            owners = np.asarray(found["overflow_to_sample_mapping"], dtype=np.int64)
            first = np.searchsorted(owners, owners)
            kept = np.flatnonzero(np.arange(len(owners)) - first < MOST_CHUNKS)
            pieces, owners = [pieces[row] for row in kept], owners[kept]
        if self._suffix_ids:
            end = self._closing
            pieces = [
                [*ids[: len(ids) - end], *self._suffix_ids, *ids[len(ids) - end :]]
                for ids in pieces
            ]
        return [ids or [self._filler] for ids in pieces], owners

    @cached_property
    def _suffix_ids(self) -> list[int]:
        if not self.suffix:
            return []
        return list(self.tokenizer(self.suffix, add_special_tokens=False)["input_ids"])

    @cached_property
    def _frame(self) -> int:
        """How many tokens the tokenizer adds to every text."""
        return int(self.tokenizer.num_special_tokens_to_add())

    @cached_property
    def _closing(self) -> int:
        """How many of these stand at the end."""
        added = self.tokenizer("a", return_special_tokens_mask=True)["special_tokens_mask"]
        return len(added) - 1 - max(place for place, mark in enumerate(added) if not mark)

    @cached_property
    def _filler(self) -> int:
        """Stands for a text in which the tokenizer finds nothing at all."""
        for name in ("unk_token_id", "eos_token_id", "bos_token_id", "pad_token_id"):
            found = getattr(self.tokenizer, name, None)
            if found is not None:
                return int(found)
        return 0


def encode_stream(
    texts: Sequence[str], tokenise: Tokeniser, run: Run, *, batch_tokens: int
) -> Batches:
    """(rows, vectors) of texts: tokenised a window ahead, pieces of one text averaged.

    A batch holds pieces of one length and at most `batch_tokens` tokens (one piece at least). The
    mean over pieces is weighted by their tokens, and of unit length as they are.
    """
    lengths = np.fromiter(map(len, texts), dtype=np.int64, count=len(texts))
    order = np.argsort(lengths, kind="stable")
    windows = [order[start : start + WINDOW] for start in range(0, len(order), WINDOW)]
    with ThreadPoolExecutor(1) as reader:
        waiting = [reader.submit(tokenise, [texts[row] for row in rows]) for rows in windows[:1]]
        for number, rows in enumerate(windows):
            pieces, owners = waiting.pop().result()
            for ahead in windows[number + 1 : number + 2]:
                waiting.append(reader.submit(tokenise, [texts[row] for row in ahead]))
            encoded = run(equal_lengths(pieces, batch_tokens))
            if tokenise.chunks:
                yield rows, _averaged(encoded, pieces, owners, len(rows))
            else:
                for places, vectors in encoded:
                    yield rows[places], vectors


def equal_lengths(
    pieces: Sequence[Sequence[int]], batch_tokens: int
) -> Iterator[tuple[Places, TokenIds]]:
    """(rows, (n, length) ids) of pieces of one length, the longest first."""
    lengths = np.fromiter(map(len, pieces), dtype=np.int64, count=len(pieces))
    order = np.argsort(-lengths, kind="stable")
    bounds = np.flatnonzero(np.diff(lengths[order])) + 1
    for group in np.split(order, bounds):
        if not len(group):
            continue
        step = max(1, batch_tokens // int(lengths[group[0]]))
        for start in range(0, len(group), step):
            rows = group[start : start + step]
            yield rows, np.array([pieces[row] for row in rows], dtype=np.int64)


def _averaged(
    encoded: Batches, pieces: Sequence[Sequence[int]], owners: Places, count: int
) -> Floats:
    sums: Floats | None = None
    for places, vectors in encoded:
        if sums is None:
            sums = np.zeros((count, vectors.shape[1]), dtype=np.float32)
        weights = np.array([len(pieces[place]) for place in places], dtype=np.float32)
        np.add.at(sums, owners[places], vectors * weights[:, None])
    assert sums is not None, "every window has texts"
    norms = np.linalg.norm(sums, axis=1, keepdims=True)
    averaged: Floats = sums / np.maximum(norms, np.float32(1e-12))
    return averaged
