"""What all text encoders share: a template, unique texts encoded once, the cache."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from palate.encoders._cache import VectorCache, keys_of
from palate.errors import DataError, first_offenders
from palate.text.template import default_template, render
from palate.types import Dataset, Features, Floats, Matrix, check_fitted, learnt

SAVE_EVERY_SECONDS = 5.0


class Progress(Protocol):
    """Called with texts done and texts in all, whenever some were encoded."""

    def __call__(self, done: int, total: int) -> None: ...


def encode_cached(
    texts: Sequence[str],
    *,
    fingerprint: str,
    encode_batch: Callable[[Sequence[str]], Floats],
    dim: int | None = None,
    batch_size: int = 64,
    progress: Progress | None = None,
    folder: Path | None = None,
) -> Floats:
    """(n, dim) vectors: blank texts are zeros, every other text is encoded once, ever.

    Texts that the cache lacks go to `encode_batch` in order of length. What was encoded is saved
    every few seconds and when an error or the keyboard interrupts, so that a job that was killed
    goes on where it was. `folder` overrides the cache's. Raises `DataError` for vectors that are
    not finite.
    """
    unique = dict.fromkeys(texts)
    said = [text for text in unique if text and not text.isspace()]
    cache = VectorCache(fingerprint, folder)
    if dim is None:
        dim = cache.dim or encode_batch(said[:1] or ["a"]).shape[1]
    vectors = np.zeros((len(said) + 1, dim), dtype=np.float32)
    keys = keys_of(said)
    found = cache.find(keys, vectors[:-1])
    missing = np.flatnonzero(~found)
    lengths = np.fromiter((len(said[row]) for row in missing), dtype=np.int64, count=len(missing))
    missing = missing[np.argsort(lengths, kind="stable")]
    batches = [missing[start : start + batch_size] for start in range(0, len(missing), batch_size)]
    with _Saver(cache, keys, vectors) as saver:
        done = len(said) - len(missing)
        if progress:
            progress(done, len(said))
        for rows in batches:
            batch = [said[row] for row in rows]
            vectors[rows] = _checked(encode_batch(batch), batch, dim)
            saver.encoded(rows)
            done += len(rows)
            if progress:
                progress(done, len(said))
    if len(said) == len(texts):
        return vectors[:-1]
    row_of = {text: row for row, text in enumerate(said)}
    return vectors[[row_of.get(text, len(said)) for text in texts]]


class _Saver:
    """Puts encoded rows into the cache every few seconds, and at the end however that comes."""

    def __init__(self, cache: VectorCache, keys: NDArray[np.uint64], vectors: Floats) -> None:
        self.cache, self.keys, self.vectors = cache, keys, vectors
        self.waiting: list[NDArray[np.int64]] = []
        self.saved_at = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        if self.waiting:
            self.save()
            self.cache.merge()

    def encoded(self, rows: NDArray[np.int64]) -> None:
        self.waiting.append(rows)
        if time.monotonic() - self.saved_at > SAVE_EVERY_SECONDS:
            self.save()

    def save(self) -> None:
        rows = np.concatenate(self.waiting)
        self.cache.add(self.keys[rows], self.vectors[rows])
        self.waiting = []
        self.saved_at = time.monotonic()


def _checked(vectors: Floats, batch: Sequence[str], dim: int) -> Floats:
    if vectors.shape != (len(batch), dim):
        raise DataError(
            f"the encoder gave vectors of shape {vectors.shape} for {len(batch)} texts and "
            f"{dim} dimensions"
        )
    broken = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if len(broken):
        texts = [batch[row][:60] for row in broken.tolist()]
        raise DataError(
            f"the encoder gave NaN or infinity for {first_offenders(texts, len(texts))}"
        )
    return vectors


@dataclass(kw_only=True)
class TemplateEncoder:
    """An encoder of item texts: subclasses say how texts become vectors.

    `template` says which columns are read ("{title}. {genres}"); by default the text-like ones.
    """

    template: str | None = None
    template_: str = learnt()

    def fit(self, data: Dataset) -> Self:
        """Settles the template; the words of items that arrive later are put together alike."""
        self.template_ = self.template or default_template(data.items)
        render(data.items.head(0), self.template_)
        return self

    def encode(self, data: Dataset, *, progress: Progress | None = None) -> Features:
        """One block: (n_items, d), a row of zeros for an item without any text.

        Raises `DataError` where no item has a text.
        """
        vectors = self.encode_texts(self.texts(data.items), progress=progress)
        return Features(data.item_ids, {type(self).__module__.rpartition(".")[2]: vectors})

    def texts(self, items: pl.DataFrame) -> list[str]:
        """The text of every item."""
        check_fitted(self)
        texts = render(items, self.template_)
        if texts and not any(texts):
            raise DataError(
                f"no item says anything in the columns of the template {self.template_!r}: "
                "choose other columns, or leave this encoder out"
            )
        return texts

    def encode_texts(self, texts: Sequence[str], *, progress: Progress | None = None) -> Matrix:
        """(n, d) float32 vectors of any texts, such as what a person asks for in words."""
        raise NotImplementedError
