"""Any language model as a text encoder: encoders, decoders, encoder-decoders."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Self, TypeAlias

import numpy as np
import polars as pl

from palate._settings import check_types
from palate.encoders import _engines
from palate.encoders._embedder import Pooling, PoolingName, embedder
from palate.encoders._engines import Backend
from palate.encoders._hardware import DType, import_torch, settle
from palate.encoders._language import (
    LanguageModel,
    folder_of,
    load_language_model,
    read_recipe,
    spoken_before,
)
from palate.encoders._once import Batches
from palate.encoders._text import TemplateEncoder, encode_cached
from palate.encoders._token_states import TokenVectors, token_vectors
from palate.encoders._tokens import Run, Tokeniser, encode_stream, gathered, tokens_of_texts
from palate.encoders._weights import MINILM, folder_digest
from palate.errors import ConfigError, MissingExtraError
from palate.text.template import render
from palate.types import Dataset, Features, Floats, Matrix, check_fitted, learnt

Number: TypeAlias = DType | Literal["int8"]

BATCH_TOKENS = {"cpu": 4096, "card": 65_536}
METHOD = 2  # one more whenever the same settings give other vectors
SAMPLE = 64  # texts that int8 is checked on
MOST_LOST = 0.01  # of the cosine to float32


@dataclass(kw_only=True)
class Transformer(TemplateEncoder):
    """Item texts as vectors of unit length from a language model.

    `model` is a name on the hub, a folder, or a packaged one: "minilm" (all-MiniLM-L6-v2, English)
    or "e5" (multilingual-e5-small, Chinese too), extras of these names. `pooling` "auto" is what
    sentence-transformers' files say, else the mean for encoders and the last token for decoders;
    several stand beside each other. States are the mean of `layers` layers that end with `layer`.
    `prefix` stands before items' texts, `query_prefix` before people's words (None: what the model
    was trained with), `suffix` after both. Texts over `max_tokens` lose their end, or are read in
    pieces and averaged (`long="chunks"`). The first `dim` numbers stay. `columns` gives every
    column a block of its own, in place of the template. `backend` "auto" is OpenVINO on a
    processor if it is installed, else torch; `dtype` "auto" is bfloat16 where the hardware computes
    in it. A model is loaded only for texts whose vectors are not cached. Method: Reimers and
    Gurevych 2019, Sentence-BERT; "position" weights: Muennighoff 2022, SGPT.
    """

    model: str = MINILM
    prefix: str | None = None
    query_prefix: str | None = None
    suffix: str = ""
    pooling: PoolingName | Literal["auto"] | list[PoolingName] = "auto"
    layer: int = -1
    layers: int = 1
    max_tokens: int = 128
    long: Literal["cut", "chunks"] = "cut"
    dim: int | None = None
    columns: list[str] | None = None
    batch_tokens: int | None = None
    backend: Backend = "auto"
    device: str = "auto"
    dtype: Number = "auto"

    idf_: Floats | None = learnt()

    def __post_init__(self) -> None:
        check_types(self)
        if not self.model:
            raise ConfigError(f'model must be a name, a folder or "{MINILM}"')
        for name in ("max_tokens", "batch_tokens", "layers", "dim"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"{name} must be at least 1, not {value}")
        if self.columns is not None and (not self.columns or self.template is not None):
            raise ConfigError("columns must name at least one column, and stand without a template")
        if isinstance(self.pooling, list) and not self.pooling:
            raise ConfigError('pooling is empty: name at least one, or leave it at "auto"')

    def fit(self, data: Dataset) -> Self:
        """Settles the template, and how rare tokens are where pooling asks for it."""
        super().fit(data)
        self.idf_ = None
        self._forget()
        if "idf" in self._kinds:
            trained = data.items[data.trained_rows]
            self.idf_ = self._rarity(render(trained, self.template_))
        return self

    def _template_for(self, items: pl.DataFrame) -> str:
        if self.columns is None:
            return super()._template_for(items)
        return " ".join(f"{{{name}}}" for name in self.columns)

    def encode(self, data: Dataset) -> Features:
        """One block: (n_items, d), or a block a column; zeros for an item without any text."""
        if self.columns is None:
            return super().encode(data)
        check_fitted(self)
        parts: dict[str, Matrix] = {
            name: self.encode_texts(render(data.items, f"{{{name}}}")) for name in self.columns
        }
        return Features(data.item_ids, parts)

    @property
    def text_blocks(self) -> list[str]:
        """The blocks of `encode` that hold texts of their own; none where there is one block."""
        return self.columns or []

    def encode_texts(self, texts: Sequence[str]) -> Floats:
        """(n, d) float32 vectors of unit length, zeros for blank texts.

        Raises `MissingExtraError` without torch, `ConfigError` for a model that cannot be loaded.
        """
        return self._encode_with(self._prefixes[0], texts)

    def encode_queries(self, texts: Sequence[str]) -> Floats:
        """As `encode_texts`, of what people say: with the model's words before queries."""
        return self._encode_with(self._prefixes[1], texts)

    def encode_tokens(self, texts: Sequence[str]) -> TokenVectors:
        """One vector a token, with its text; the states that pooling would take, not cached."""
        return token_vectors(
            texts,
            self._tokeniser(self._prefixes[0]),
            self._language.network,
            self._pooling,
            device=self._hardware[0],
            batch_tokens=self._batch_tokens,
        )

    @property
    def fingerprint(self) -> str:
        """Names the vectors in the cache: weights by content, and all that changes a vector.

        Backends differ by rounding alone, so they share their vectors, save those of int8.
        """
        return self._fingerprint(self._prefixes[0])

    def _encode_with(self, prefix: str, texts: Sequence[str]) -> Floats:
        return encode_cached(
            texts,
            fingerprint=self._fingerprint(prefix),
            batches=lambda missing: self._stream(prefix, missing),
            doing=f"with {_engines.NAMES[self._backend]}, {self._hardware[1]}",
        )

    def _fingerprint(self, prefix: str) -> str:
        identity = {
            "method": METHOD,
            "weights": self._digest,
            "prefix": prefix,
            "suffix": self.suffix,
            "pooling": self._kinds,
            "layers": [self.layer, self.layers],
            "max_tokens": [self.max_tokens, self.long],
            "dim": self.dim,
            "dtype": self._precision,
            "idf": None if self._idf is None else hashlib.sha256(self._idf.tobytes()).hexdigest(),
        }
        digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
        return f"transformer-{digest[:32]}"

    @cached_property
    def _digest(self) -> str:
        return folder_digest(folder_of(self.model))

    @cached_property
    def _prefixes(self) -> tuple[str, str]:
        """Before items' texts and before people's words."""
        recipe = read_recipe(folder_of(self.model))
        before, asking = spoken_before(recipe, Path(self.model).name)
        chosen = (
            before if self.prefix is None else self.prefix,
            asking if self.query_prefix is None else self.query_prefix,
        )
        if self.pooling == "auto" and not recipe.pools_prompts and any(chosen):
            raise ConfigError(
                f"the model {self.model!r} leaves its prompt out when it pools, which cannot be "
                'done here: choose prefix = "" and query_prefix = "", or a pooling'
            )
        return chosen

    @cached_property
    def _hardware(self) -> tuple[str, str]:
        if self.dtype == "int8":
            return settle(self.device, "float32")[0], "int8"
        device, dtype = settle(self.device, self.dtype)
        if self.dtype == "auto" and self.backend == "onnx":
            dtype = "float32"  # its operators for bfloat16 are few
        return device, dtype

    @property
    def _precision(self) -> str:
        dtype = self._hardware[1]
        return f"int8 of {self._backend}" if dtype == "int8" else dtype

    @cached_property
    def _backend(self) -> str:
        return _engines.choose_backend(self.backend, *self._hardware)

    @property
    def _idf(self) -> Floats | None:
        return getattr(self, "idf_", None)

    @property
    def _kinds(self) -> list[Any]:
        return [self.pooling] if isinstance(self.pooling, str) else list(self.pooling)

    @property
    def _batch_tokens(self) -> int:
        kind = "cpu" if self._hardware[0] == "cpu" else "card"
        return self.batch_tokens or BATCH_TOKENS[kind]

    @cached_property
    def _language(self) -> LanguageModel:
        import_torch()
        try:
            import transformers  # noqa: F401
        except ImportError as error:
            raise MissingExtraError("Transformer", "torch") from error
        numbers = self._hardware[1] if self._backend == "torch" else "float32"
        return load_language_model(self.model, folder_of(self.model), dtype=numbers)

    @property
    def _pooling(self) -> Pooling:
        base = self._language.pooling if self.pooling == "auto" else Pooling(kinds=self._kinds)
        if "idf" in base.kinds:
            check_fitted(self)
        return replace(base, layer=self.layer, layers=self.layers, dim=self.dim, idf=self._idf)

    def _tokeniser(self, prefix: str) -> Tokeniser:
        language = self._language
        return Tokeniser(
            tokenizer=language.tokenizer,
            max_tokens=min(self.max_tokens, language.most_tokens),
            prefix=prefix,
            suffix=self.suffix,
            chunks=self.long == "chunks",
            lower=language.lower,
        )

    def _rarity(self, texts: Sequence[str]) -> Floats:
        """The logarithm of how rare every token of the vocabulary is among texts."""
        counts = np.zeros(int(self._language.network.config.vocab_size))
        for ids in tokens_of_texts(texts, self._tokeniser(self._prefixes[0])):
            counts[ids] += 1
        return np.log((1 + len(texts)) / (1 + counts)).astype(np.float32)

    def _stream(self, prefix: str, texts: Sequence[str]) -> Batches:
        tokenise = self._tokeniser(prefix)
        if self._hardware[1] == "int8" and not vars(self).get("_believed"):
            self._check_int8(tokenise, texts[:SAMPLE])
            vars(self)["_believed"] = True
        return encode_stream(texts, tokenise, self._run, batch_tokens=self._batch_tokens)

    @cached_property
    def _run(self) -> Run:
        module = embedder(self._language.network, self._pooling)
        device, dtype = self._hardware
        if self._backend == "openvino":
            return _engines.openvino_engine(module, dtype)
        if self._backend == "onnx":
            return _engines.onnx_engine(module, dtype)
        return _engines.torch_engine(module, device)

    def _check_int8(self, tokenise: Tokeniser, texts: Sequence[str]) -> None:
        """Refuses a model that rounding to 8 bits would harm."""
        exact = _engines.torch_engine(embedder(self._language.network, self._pooling), "cpu")
        found = [
            gathered(encode_stream(texts, tokenise, run, batch_tokens=self._batch_tokens))
            for run in (exact, self._run)
        ]
        kept = float((found[0] * found[1]).sum(axis=1).mean())
        if kept < 1 - MOST_LOST:
            raise ConfigError(
                f"int8 keeps only a cosine of {kept:.3f} to float32 with the model {self.model!r} "
                f'on {_engines.NAMES[self._backend]}: choose dtype = "bfloat16" or "float32"'
            )

    def _forget(self) -> None:
        for name in ("_run", "_believed"):
            vars(self).pop(name, None)


__all__ = ["Transformer"]
