"""Any sentence-transformers or Hugging Face model as a text encoder."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from palate._settings import check_types
from palate.encoders._hardware import DType, import_torch, settle
from palate.encoders._text import TemplateEncoder, encode_cached, in_batches
from palate.encoders._weights import MINILM, find_model, folder_digest, is_path
from palate.errors import ConfigError, MissingExtraError
from palate.types import Floats


@dataclass(kw_only=True)
class Transformer(TemplateEncoder):
    """Item texts as vectors of unit length from a transformer.

    `model` is a name on the hub, a folder, or "minilm": all-MiniLM-L6-v2 as packaged by the extra
    of that name (English). A folder without sentence-transformers' pooling gets the mean over
    tokens. `prefix` goes before every text (E5 wants "query: "). Of a text the first `max_tokens`
    tokens are read. `dtype` "auto" is bfloat16 where the hardware computes in it, else float32.
    A model is loaded only for texts whose vectors are not cached yet. Method: Reimers and
    Gurevych 2019, Sentence-BERT.
    """

    model: str = MINILM
    prefix: str = ""
    max_tokens: int = 128
    batch_size: int = 64
    device: str = "auto"
    dtype: DType = "auto"

    def __post_init__(self) -> None:
        check_types(self)
        if not self.model:
            raise ConfigError(f'model must be a name, a folder or "{MINILM}"')
        for name in ("max_tokens", "batch_size"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, not {getattr(self, name)}")

    def encode_texts(self, texts: Sequence[str]) -> Floats:
        """(n, d) float32 vectors of unit length, zeros for blank texts.

        Raises `MissingExtraError` without torch, `ConfigError` for a model that cannot be loaded.
        """
        return encode_cached(
            texts,
            fingerprint=self.fingerprint,
            batches=in_batches(self._encode, self.batch_size),
        )

    @cached_property
    def fingerprint(self) -> str:
        """Names the vectors in the cache: weights by content, and all that changes a vector."""
        folder = find_model(self.model)
        if folder is None:
            _ = self._loaded  # from the hub, into its cache
            folder = find_model(self.model)
        identity = {
            "weights": folder_digest(folder) if folder else self.model,
            "prefix": self.prefix,
            "max_tokens": self.max_tokens,
            "dtype": self._hardware[1],
        }
        digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
        return f"transformer-{digest[:32]}"

    @cached_property
    def _hardware(self) -> tuple[str, str]:
        return settle(self.device, self.dtype)

    def _encode(self, texts: Sequence[str]) -> Floats:
        vectors = self._loaded.encode(
            [self.prefix + text for text in texts],
            batch_size=self.batch_size,
            show_progress_bar=False,
        )
        vectors = np.asarray(vectors, dtype=np.float32)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        unit: Floats = np.divide(vectors, lengths, out=vectors, where=lengths > 0)
        return unit

    @cached_property
    def _loaded(self) -> Any:
        torch = import_torch()
        try:
            from sentence_transformers import SentenceTransformer
        except ImportError as error:
            raise MissingExtraError("Transformer", "torch") from error
        device, dtype = self._hardware
        folder = find_model(self.model)
        if folder is None and is_path(self.model):
            raise ConfigError(f"there is no folder {self.model!r} with a model")
        with _no_bars():
            try:
                model = SentenceTransformer(
                    str(folder or self.model),
                    device=device,
                    model_kwargs={"dtype": getattr(torch, dtype)},
                )
            except (OSError, ValueError, RuntimeError, KeyError) as error:
                raise ConfigError(_load_failure(self.model, folder, error)) from error
        most = model.max_seq_length
        model.max_seq_length = self.max_tokens if most is None else min(most, self.max_tokens)
        return model


def _load_failure(name: str, folder: Path | None, error: Exception) -> str:
    reason = str(error).strip().split("\n")[0]
    if folder is None:
        return (
            f"the model {name!r} is no folder, and the hub did not give it ({reason}). Give the "
            f'path of a folder, a name such as "intfloat/multilingual-e5-small", or "{MINILM}"'
        )
    return f"the model in {folder} cannot be loaded: {reason}"


@contextmanager
def _no_bars() -> Iterator[None]:
    """No bars of transformers' own while weights are read."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


__all__ = ["Transformer"]
