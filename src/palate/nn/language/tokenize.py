"""Texts → batches of token ids without padding: only equally long ones go together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from threading import RLock
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from palate.core.arrays import Batches, Floats, unit_rows
from palate.core.errors import ConfigError

TokenIds: TypeAlias = NDArray[np.int64]
Places: TypeAlias = NDArray[np.int64]
Run: TypeAlias = Callable[[Iterable[tuple[Places, TokenIds]]], Batches]
"""Batches of (rows, (n, length) token ids) → batches of (rows, (n, d) vectors), in any order."""

WINDOW = 16_384  # texts that are tokenised and sorted at a time, while those before are encoded
CHARACTERS = 2**23  # of a window: tokens take some 36 bytes each
MOST_CHUNKS = 64  # of a text that is read in chunks
CHARACTERS_A_TOKEN = 32  # more of a text than this many a token is never tokenised
_ENDS_OF_TEXTS = ("a", ".", "1", "。")

_ONE_AT_A_TIME = RLock()  # where a tokenizer cuts is a state of it, and all calls share that


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
        with _ONE_AT_A_TIME:
            return self._cut(texts)

    def _cut(self, texts: Sequence[str]) -> tuple[list[list[int]], Places]:
        said = [self.prefix + text[: self.most_characters] for text in texts]
        found = self.tokenizer(
            [self._as_read(text) for text in said],
            truncation=True,
            max_length=self._room,
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
            if self._prefix_ids:
                pieces, owners = self._led(pieces, owners)
        if self._suffix_ids:
            end = self._closing
            pieces = [
                [*ids[: len(ids) - end], *self._suffix_ids, *ids[len(ids) - end :]]
                for ids in pieces
            ]
        return [ids or [self._filler] for ids in pieces], owners

    @property
    def most_characters(self) -> int:
        """What stands after these in a text is not read."""
        return self.max_tokens * CHARACTERS_A_TOKEN * (MOST_CHUNKS if self.chunks else 1)

    @cached_property
    def _room(self) -> int:
        """Tokens for the frame, the prefix and the text. Raises `ConfigError` without a text's."""
        room = self.max_tokens - len(self._suffix_ids)
        taken = self._frame + len(self._prefix_ids)
        if room <= taken and (self.prefix or self.suffix):
            raise ConfigError(
                f"max_tokens = {self.max_tokens} leaves no room for texts: what stands around them "
                f"takes {taken + len(self._suffix_ids)}. Shorten prefix and suffix, or raise "
                "max_tokens as far as the model can read"
            )
        return max(room, self._frame + 1)

    def _led(self, pieces: Sequence[list[int]], owners: Places) -> tuple[list[list[int]], Places]:
        """The pieces of every text cut anew, so that the prefix stands before each."""
        start, end, lead = self._frame - self._closing, self._closing, self._prefix_ids
        step = self._room - self._frame - len(lead)
        led: list[list[int]] = []
        counts = np.zeros(int(owners[-1]) + 1, dtype=np.int64)
        for owner, (first, last) in enumerate(pairwise(_starts(owners))):
            whole = pieces[first]
            body = [token for ids in pieces[first:last] for token in ids[start : len(ids) - end]]
            cuts = range(self._room - self._frame, len(body), step)
            parts = [
                body[: self._room - self._frame],
                *(lead + body[at : at + step] for at in cuts),
            ]
            parts = parts[:MOST_CHUNKS]
            counts[owner] = len(parts)
            closing = whole[len(whole) - end :]
            led.extend([*whole[:start], *part, *closing] for part in parts)
        return led, np.repeat(np.arange(len(counts)), counts)

    @cached_property
    def _prefix_ids(self) -> list[int]:
        """Without the space at its end, which belongs to the word that follows."""
        if not self.prefix:
            return []
        prefix = self._as_read(self.prefix).rstrip()
        return list(self.tokenizer(prefix, add_special_tokens=False)["input_ids"])

    @cached_property
    def _suffix_ids(self) -> list[int]:
        """As they follow a text, always the same: by itself it could begin like a first word."""
        if not self.suffix:
            return []
        suffix = self._as_read(self.suffix)
        for text in _ENDS_OF_TEXTS:
            found = self.tokenizer(
                text + suffix, add_special_tokens=False, return_offsets_mapping=True
            )
            bounds = found["offset_mapping"]
            first = sum(start < len(text) for start, _ in bounds)
            if first and all(stop <= len(text) for _, stop in bounds[:first]) and bounds[first:]:
                return list(found["input_ids"][first:])
        return list(self.tokenizer(suffix, add_special_tokens=False)["input_ids"])

    def _as_read(self, text: str) -> str:
        return text.lower() if self.lower else text

    @cached_property
    def _frame(self) -> int:
        """How many tokens the tokenizer adds to every text."""
        return int(self.tokenizer.num_special_tokens_to_add())

    @cached_property
    def _closing(self) -> int:
        """How many of these stand at the end."""
        for text in _ENDS_OF_TEXTS:
            added = self.tokenizer(text, return_special_tokens_mask=True)["special_tokens_mask"]
            if not all(added):
                return int(added[::-1].index(0))
        return self._frame // 2  # nothing that it reads is known: most have one at either end

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
    windows = _windows(np.minimum(lengths[order], tokenise.most_characters), order)
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


def _windows(lengths: Places, order: Places) -> list[Places]:
    if not len(order):
        return []
    marks = np.arange(len(order)) // WINDOW + np.cumsum(lengths) // CHARACTERS
    return np.split(order, np.flatnonzero(np.diff(marks)) + 1)


def gathered(batches: Batches) -> Floats:
    """The vectors of all batches in the order of their rows."""
    found = list(batches)
    order = np.argsort(np.concatenate([rows for rows, _ in found]))
    vectors: Floats = np.concatenate([vectors for _, vectors in found])[order]
    return vectors


def tokens_of_texts(texts: Sequence[str], tokenise: Tokeniser) -> Iterator[TokenIds]:
    """The different tokens of every text, whatever pieces it is read in."""
    for start in range(0, len(texts), WINDOW):
        pieces, owners = tokenise(texts[start : start + WINDOW])
        for first, last in pairwise(_starts(owners)):
            yield np.unique(np.concatenate(pieces[first:last]))


def _starts(owners: Places) -> list[int]:
    """Where each text's pieces start, and the end of the last's."""
    return [0, *(np.flatnonzero(np.diff(owners)) + 1).tolist(), len(owners)]


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
    vectors = gathered(encoded)  # batches come in any order, and sums are rounded in theirs
    weights = np.fromiter(map(len, pieces), dtype=np.float32, count=len(pieces))
    sums = np.zeros((count, vectors.shape[1]), dtype=np.float32)
    np.add.at(sums, owners, vectors * weights[:, None])
    return unit_rows(sums)
