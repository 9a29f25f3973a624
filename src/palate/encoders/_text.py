"""What all text encoders share: a template, unique texts encoded once, the cache."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from palate.encoders._cache import VectorCache, keys_of
from palate.encoders._shards import Keys
from palate.errors import DataError, first_offenders
from palate.progress import task
from palate.text.template import default_template, render
from palate.types import Dataset, Features, Floats, Matrix, check_fitted, learnt

SAVE_EVERY_SECONDS = 5.0
_PROBE = 1000


def encode_cached(
    texts: Sequence[str],
    *,
    fingerprint: str,
    encode_batch: Callable[[Sequence[str]], Floats],
    dim: int | None = None,
    batch_size: int = 64,
    folder: Path | None = None,
) -> Floats:
    """(n, dim) vectors: blank texts are zeros, every other text is encoded once, ever.

    Texts that the cache lacks go to `encode_batch` in order of length. What was encoded is saved
    every few seconds and when an error or the keyboard interrupts, so that a job that was killed
    goes on where it was. Progress goes to `palate.progress`. `folder` overrides the cache's.
    Raises `DataError` for vectors that are not finite.
    """
    unique = dict.fromkeys(texts)
    said = [text for text in unique if text and not text.isspace()]
    cache = VectorCache(fingerprint, folder)
    keys = keys_of(said)
    width = dim or cache.dim or 0
    vectors = np.zeros((len(said) + 1, width), dtype=np.float32)
    found = cache.find(keys, vectors[:-1]) if width else np.zeros(len(said), dtype=np.bool_)
    missing = _by_length(said, np.flatnonzero(~found))
    if len(missing):
        with _Saver(cache, keys) as saver, task("encode texts", len(said), "texts") as did:
            did(len(said) - len(missing))
            for start in range(0, len(missing), batch_size):
                rows = missing[start : start + batch_size]
                encoded = _checked(encode_batch, [said[row] for row in rows], width)
                if not width:
                    width = encoded.shape[1]
                    vectors = np.zeros((len(said) + 1, width), dtype=np.float32)
                vectors[rows] = encoded
                saver.encoded(rows, encoded)
                did(len(rows))
    if not width:
        return np.zeros((len(texts), encode_batch(["a"]).shape[1]), dtype=np.float32)
    if len(said) == len(texts):
        return vectors[:-1]
    row_of = {text: row for row, text in enumerate(said)}
    return vectors[[row_of.get(text, len(said)) for text in texts]]


def _by_length(texts: Sequence[str], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    lengths = np.fromiter((len(texts[row]) for row in rows), dtype=np.int64, count=len(rows))
    return rows[np.argsort(lengths, kind="stable")]


class _Saver:
    """Puts encoded rows into the cache every few seconds, and at the end however that comes."""

    def __init__(self, cache: VectorCache, keys: Keys) -> None:
        self.cache, self.keys = cache, keys
        self.waiting: list[tuple[NDArray[np.int64], Floats]] = []
        self.saved_at = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        if self.waiting:
            self.save()
        self.cache.merge()

    def encoded(self, rows: NDArray[np.int64], vectors: Floats) -> None:
        self.waiting.append((rows, vectors))
        if time.monotonic() - self.saved_at > SAVE_EVERY_SECONDS:
            self.save()

    def save(self) -> None:
        rows = np.concatenate([rows for rows, _ in self.waiting])
        self.cache.add(self.keys[rows], np.concatenate([vectors for _, vectors in self.waiting]))
        self.waiting = []
        self.saved_at = time.monotonic()


def _checked(
    encode_batch: Callable[[Sequence[str]], Floats], batch: Sequence[str], width: int
) -> Floats:
    vectors = encode_batch(batch)
    if vectors.shape != (len(batch), width or vectors.shape[-1]):
        raise DataError(
            f"the encoder gave vectors of shape {vectors.shape} for {len(batch)} texts and "
            f"{width} dimensions"
        )
    broken = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if len(broken):
        texts = [batch[row][:60] for row in broken.tolist()]
        raise DataError(
            f"the encoder gave NaN or infinity for {first_offenders(texts, len(texts))}"
        )
    return vectors


@dataclass(kw_only=True)
class TemplateEncoder(ABC):
    """An encoder of item texts: subclasses say how texts become vectors.

    `template` says which columns are read ("{title}. {genres}"); by default the text-like ones.
    """

    template: str | None = None
    template_: str = learnt()

    def fit(self, data: Dataset) -> Self:
        """Settles the template; the words of items that arrive later are put together alike.

        Raises `DataError` where no item has a text.
        """
        self.template_ = self.template or default_template(data.items)
        if not any(render(data.items.head(_PROBE), self.template_)) and not any(
            render(data.items, self.template_)
        ):
            raise DataError(
                f"no item says anything in the columns of the template {self.template_!r}: "
                "choose other columns, or leave this encoder out"
            )
        return self

    def encode(self, data: Dataset) -> Features:
        """One block: (n_items, d), a row of zeros for an item without any text."""
        check_fitted(self)
        vectors = self._encode_items(render(data.items, self.template_))
        return Features(data.item_ids, {type(self).__module__.rpartition(".")[2]: vectors})

    def _encode_items(self, texts: Sequence[str]) -> Matrix:
        return self.encode_texts(texts)

    @abstractmethod
    def encode_texts(self, texts: Sequence[str]) -> Matrix:
        """(n, d) float32 vectors of any texts, such as what a person asks for in words."""

    def __getstate__(self) -> dict[str, Any]:
        """Settings and what was learnt: a copy loads its model itself, when it needs it."""
        names = [entry.name for entry in fields(self)]
        return {name: value for name, value in vars(self).items() if name in names}
