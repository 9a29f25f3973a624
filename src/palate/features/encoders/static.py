"""Texts as weighted means of token vectors: the fastest tier, without torch."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from itertools import chain
from typing import Annotated, Any, Literal, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PositiveInt
from scipy import sparse

from palate.core.arrays import Floats, unit_rows
from palate.core.component import check_fitted, check_types, component, learnt
from palate.core.dataset import Dataset
from palate.core.errors import ConfigError, DataError
from palate.core.optional import Requirement
from palate.core.progress import task
from palate.features.template_encoder import TemplateEncoder
from palate.nn.hub.fetch import ModelName
from palate.nn.static import NEEDED, PACKAGE, WORDLLAMA, TokenVectors, read_token_vectors

__all__ = ["Static"]

Weighting: TypeAlias = Literal["auto", "none", "idf", "sif"]

_BATCH = 1024
_LONGEST_TOKEN = 16  # characters: of longer texts the rest is never read


@component
class Static(TemplateEncoder):
    """Item texts as unit means of token vectors: tens of thousands of texts a second, no torch.

    `model` is "wordllama" (English, 256 numbers, packaged by the extra "static"), a folder that
    `palate distill` or model2vec wrote, or a name on the hub. `weighting` adds what the model's
    own weights lack: for a token of share p among the tokens of trained items "sif" is `sif` /
    (`sif` + p) (Arora et al. 2017), "idf" ln((1 + n) / (1 + df)) + 1; "auto" is "sif" for wordllama
    and "none" for others, which are made with it. The first `max_tokens` tokens of a text are read
    and the first `dim` numbers of a vector kept (None: all). Tokens that the model does not know
    are dropped: a text of only such tokens is zeros. Vectors are not cached: a text takes 30 µs
    again. Method: Tulkens and van Dongen 2024, model2vec.
    """

    model: ModelName = WORDLLAMA
    weighting: Weighting = "auto"
    sif: Annotated[float, Field(gt=0, lt=1)] = 1e-3
    max_tokens: PositiveInt = 512
    dim: PositiveInt | None = None

    weights_: Floats = learnt("tokens")

    def __post_init__(self) -> None:
        check_types(self)
        if not self.model:
            raise ConfigError(f'model must be a folder, a name or "{WORDLLAMA}"')

    @property
    def requires(self) -> tuple[Requirement, ...]:
        """The packaged weights, or what reads others."""
        return (PACKAGE,) if self.model == WORDLLAMA else (NEEDED,)

    def fit(self, data: Dataset) -> Self:
        """Settles the template and, with a `weighting`, counts the tokens of trained items."""
        super().fit(data)
        self.weights_ = np.zeros(0, dtype=np.float32)
        if self._weighs:
            self.weights_ = self._counted(self.texts_of(data.items[data.warm_items]))
        return self

    def encode_texts(self, texts: Sequence[str]) -> Floats:
        """(n, d) float32 vectors of unit length, zeros for blank texts and unknown words.

        Raises `MissingExtraError` without the extra "static", `ConfigError` for a model that cannot
        be used, `NotFittedError` where a `weighting` was not fitted.
        """
        if self._weighs:
            check_fitted(self)
        texts = self.tidied(texts)
        vectors = np.zeros((len(texts), self._width), dtype=np.float32)
        with task("encode texts", len(texts), "texts") as advance:
            for start in range(0, len(texts), _BATCH):
                counts, tokens = self._tokens(texts[start : start + _BATCH])
                sums = counts @ self._vectors_of(tokens)
                vectors[start : start + _BATCH] = unit_rows(sums)
                advance(len(sums))
        return vectors

    def _counted(self, texts: Sequence[str]) -> Floats:
        """(tokens,) what each token counts."""
        counts = np.zeros(self._loaded.size)
        holding = np.zeros(self._loaded.size)
        for start in range(0, len(texts), _BATCH):
            found, tokens = self._tokens(texts[start : start + _BATCH])
            counts[tokens] += found.sum(axis=0)
            holding[tokens] += (found > 0).sum(axis=0)
        if self.weighting == "idf":
            weights = np.log((1 + len(texts)) / (1 + holding)) + 1
        else:
            weights = self.sif / (self.sif + counts / max(counts.sum(), 1))
        return weights.astype(np.float32)

    def _tokens(self, texts: Sequence[str]) -> tuple[sparse.csr_array, NDArray[np.int64]]:
        """(n, m) how often each text holds each of the m tokens that occur, and those tokens."""
        most = self.max_tokens * _LONGEST_TOKEN
        try:
            read = self._loaded.tokenizer.encode_batch_fast(
                ["" if text.isspace() else text[:most] for text in texts],
                add_special_tokens=False,
            )
        except (AttributeError, TypeError, UnicodeError) as error:
            raise _not_unicode(texts) from error
        ids = [encoding.ids for encoding in read]
        lengths = np.fromiter(map(len, ids), np.int64, len(ids))
        flat = np.fromiter(chain.from_iterable(ids), np.int64, int(lengths.sum()))
        row = np.repeat(np.arange(len(texts)), lengths)
        known = flat != self._loaded.unknown
        tokens, column = np.unique(flat[known], return_inverse=True)
        ones = np.ones(len(column), dtype=np.float32)
        shape = (len(texts), len(tokens))
        return sparse.csr_array(sparse.coo_array((ones, (row[known], column)), shape=shape)), tokens

    def _vectors_of(self, tokens: NDArray[np.int64]) -> Floats:
        """(m, d) vectors of some tokens, each times what it counts."""
        loaded = self._loaded
        if self._weighs and len(self.weights_) != loaded.size:
            raise ConfigError(
                f"the model {self.model!r} knows {loaded.size:,} tokens, and knew "
                f"{len(self.weights_):,} when this was fitted: fit again"
            )
        rows = tokens if loaded.rows is None else loaded.rows[tokens]
        vectors: Floats = loaded.vectors[rows, : self._width].astype(np.float32)
        for weights in (loaded.weights, self.weights_ if self._weighs else None):
            if weights is not None:
                vectors *= weights[tokens, None]
        return vectors

    @property
    def _weighs(self) -> bool:
        if self.weighting == "auto":
            return self.model == WORDLLAMA
        return self.weighting != "none"

    @property
    def _width(self) -> int:
        width = int(self._loaded.vectors.shape[1])
        return width if self.dim is None else min(self.dim, width)

    @cached_property
    def _loaded(self) -> TokenVectors:
        return read_token_vectors(self.model, self.max_tokens)


def _not_unicode(texts: Sequence[Any]) -> DataError:
    """Names the first text that cannot be written down."""
    for text in texts:
        try:
            text.encode()
        except (AttributeError, UnicodeEncodeError):
            break
    return DataError(
        f"the text {text[:60]!r} is not valid Unicode: read it with the encoding that it was "
        "written in"
    )
