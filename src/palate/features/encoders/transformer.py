"""Any language model as a text encoder: encoders, decoders, encoder-decoders."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeAlias

import polars as pl
from pydantic import Field, PositiveInt

from palate.core.arrays import Floats
from palate.core.component import check_fitted, check_types, component, learnt
from palate.core.dataset import Dataset
from palate.core.errors import ConfigError
from palate.core.features import Features
from palate.core.histories import histories_of
from palate.core.learnt import agree
from palate.core.optional import Requirement
from palate.features.template_encoder import TemplateEncoder, encode_cached
from palate.nn.hardware import DType, settle
from palate.nn.hub import find
from palate.nn.hub.digest import folder_digest
from palate.nn.hub.fetch import ModelName
from palate.nn.hub.find import E5, GEMMA, MINILM
from palate.nn.language import backends, token_weights
from palate.nn.language.backends import Backend
from palate.nn.language.folder import (
    LanguageModel,
    folder_of,
    load_language_model,
    prompts_of,
    read_recipe,
)
from palate.nn.language.inference import Inference, TokenVectors, token_vectors
from palate.nn.language.int8 import METHOD as INT8_METHOD
from palate.nn.language.pooling import Pooling, PoolingName
from palate.nn.language.tokenize import Tokeniser
from palate.nn.packaged import e5, gemma
from palate.text.template import render

__all__ = ["Transformer"]

Number: TypeAlias = DType | Literal["int8"]
Poolings: TypeAlias = Annotated[list[PoolingName], Field(min_length=1)]

BATCH_TOKENS = {"cpu": 4096, "card": 65_536}
METHOD = 3  # one more whenever the same settings give other vectors
LEARNT = ("idf", "attention")

_LIBRARIES = Requirement(("torch", "transformers"), "a transformer encoder")
_PACKAGES = {
    MINILM: find.PACKAGE,
    E5: e5.PACKAGE,
    GEMMA: gemma.PACKAGE,
}


@component
class Transformer(TemplateEncoder):
    """Item texts as vectors of unit length from a language model.

    `model` is a name on the hub, a folder, or a packaged one: "minilm" (all-MiniLM-L6-v2, English),
    "e5" (multilingual-e5-small, Chinese too) or "gemma" (a decoder), extras of these names.
    `pooling` "auto" is what sentence-transformers' files say, else, with a warning, the mean or a
    decoder's last token; several stand beside each other. "idf" weighs tokens by how rare they are
    in the catalogue, "attention" as histories teach, which makes the block behavioural. States are
    the mean of `layers` layers that end with `layer`. `prefix` stands before items' texts,
    `query_prefix` before people's words (None: what the model was trained with), `suffix` after
    both. Texts over `max_tokens` lose their end, or are read in pieces and averaged
    (`long="chunks"`). The first `dim` numbers stay. `columns` gives every column a block of its
    own, in place of the template. `backend` "auto" is OpenVINO on a processor if it is installed,
    else torch; `dtype` "auto" is bfloat16 where the hardware computes in it. A model is loaded only
    for texts whose vectors are not cached. Method: Reimers and Gurevych 2019, Sentence-BERT;
    "position" weights: Muennighoff 2022, SGPT.
    """

    model: ModelName = MINILM
    prefix: str | None = None
    query_prefix: str | None = None
    suffix: str = ""
    pooling: PoolingName | Literal["auto"] | Poolings = "auto"
    layer: int = -1
    layers: PositiveInt = 1
    max_tokens: PositiveInt = 128
    long: Literal["cut", "chunks"] = "cut"
    dim: PositiveInt | None = None
    columns: Annotated[list[str], Field(min_length=1)] | None = None
    batch_tokens: PositiveInt | None = None
    backend: Backend = "auto"
    device: str = "auto"
    dtype: Number = "auto"

    idf_: Floats | None = learnt("tokens")
    attention_: Floats | None = learnt("states")

    def __post_init__(self) -> None:
        check_types(self)
        if not self.model:
            raise ConfigError(f'model must be a name, a folder or "{MINILM}"')
        if self.columns is not None and self.template is not None:
            raise ConfigError("columns and template say the same twice: leave one of them out")

    @property
    def requires(self) -> tuple[Requirement, ...]:
        """What reads the model, and the weights of a packaged one."""
        return (_PACKAGES.get(self.model, _LIBRARIES), *backends.needed_by(self.backend))

    def fit(self, data: Dataset) -> Self:
        """Settles the template, and which tokens count how much where pooling asks for it.

        Raises `DataError` where nobody's history says which texts go together.
        """
        super().fit(data)
        self.idf_ = self.attention_ = None
        if "idf" in self._kinds:
            texts = self.texts_of(data.items[data.warm_items])
            vocabulary = int(self._language.network.config.vocab_size)
            self.idf_ = token_weights.rarity(texts, self._tokeniser(), vocabulary)
        if "attention" in self._kinds:
            texts, histories = self.texts_of(data.items), histories_of(data)
            self.attention_ = token_weights.attention(
                texts, histories, self._tokeniser(), self.encode_tokens
            )
        vars(self).pop("_vectoriser", None)  # which pools as was learnt before
        return self

    def check_learnt(self) -> None:
        """Raises `ValueError` where what the pooling needs is missing."""
        super().check_learnt()
        agree(all(found is not None for found in self._learnt.values()), "nothing learnt")

    def _template_for(self, items: pl.DataFrame) -> str:
        if self.columns is None:
            return super()._template_for(items)
        return " ".join(f"{{{name}}}" for name in self.columns)

    def encode(self, data: Dataset) -> Features:
        """One block: (n_items, d), or a block a column; zeros for an item without any text."""
        check_fitted(self)
        parts = super().encode(data).parts if self.columns is None else {}
        for name in self.text_blocks:
            parts[name] = self.encode_texts(render(data.items, f"{{{name}}}"))
        taught = parts if "attention" in self._kinds else ()
        return Features(data.item_ids, parts, behavioural=taught)

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
            self._tokeniser(),
            self._language.network,
            self._states,
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
            self.tidied(texts),
            fingerprint=self._fingerprint(prefix),
            batches=lambda texts: self._inference.stream(texts, self._tokeniser(prefix)),
            doing=lambda: f"with {backends.NAMES[self._backend]}, {self._hardware[1]}",
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
            **{name: sha256(values.tobytes()).hexdigest() for name, values in self._learnt.items()},
        }
        digest = sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
        return f"transformer-{digest[:32]}"

    @cached_property
    def _folder(self) -> Path:
        return folder_of(self.model)

    @cached_property
    def _digest(self) -> str:
        return folder_digest(self._folder)

    @cached_property
    def _prefixes(self) -> tuple[str, str]:
        """Before items' texts and before people's words."""
        recipe = read_recipe(self._folder)
        before, asking = prompts_of(recipe, Path(self.model).name)
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
        if dtype != "int8":
            return dtype
        ranges = self._prefixes[0]  # stands before the texts that they are taken from
        return f"int8, method {INT8_METHOD}, of {self._backend}, {ranges!r}"

    @cached_property
    def _backend(self) -> str:
        return backends.choose_backend(self.backend, *self._hardware)

    @property
    def _learnt(self) -> dict[str, Floats]:
        """What fit has learnt for the pooling that is asked for, by its name."""
        names = [name for name in LEARNT if name in self._kinds]
        if names:
            check_fitted(self)
        return {name: getattr(self, f"{name}_") for name in names}

    @property
    def _kinds(self) -> list[Any]:
        return [self.pooling] if isinstance(self.pooling, str) else list(self.pooling)

    @property
    def _batch_tokens(self) -> int:
        kind = "cpu" if self._hardware[0] == "cpu" else "card"
        return self.batch_tokens or BATCH_TOKENS[kind]

    @cached_property
    def _language(self) -> LanguageModel:
        _LIBRARIES.load("torch")
        _LIBRARIES.load("transformers")
        numbers = self._hardware[1] if self._backend == "torch" else "float32"
        return load_language_model(self.model, self._folder, dtype=numbers)

    @property
    def _states(self) -> Pooling:
        """Which states of tokens are taken; what becomes of them stands in `_pooling`."""
        base = self._language.pooling if self.pooling == "auto" else Pooling(kinds=self._kinds)
        return replace(base, layer=self.layer, layers=self.layers, dim=self.dim)

    @property
    def _pooling(self) -> Pooling:
        found = self._learnt
        config = self._language.network.config
        sizes = {"idf": getattr(config, "vocab_size", None)}
        sizes["attention"] = getattr(config, "hidden_size", None)
        for name, values in found.items():
            if sizes[name] not in (None, len(values)):
                raise ConfigError(
                    f"the model {self.model!r} has another size than when this was fitted "
                    f"({name}: {sizes[name]}, and {len(values)} then): fit again"
                )
        return replace(self._states, idf=found.get("idf"), attention=found.get("attention"))

    def _tokeniser(self, prefix: str | None = None) -> Tokeniser:
        """What stands before a text is `prefix`, by default an item's."""
        language = self._language
        return Tokeniser(
            tokenizer=language.tokenizer,
            max_tokens=min(self.max_tokens, language.most_tokens),
            prefix=self._prefixes[0] if prefix is None else prefix,
            suffix=self.suffix,
            chunks=self.long == "chunks",
            lower=language.lower,
        )

    @cached_property
    def _inference(self) -> Inference:
        device, dtype = self._hardware
        return Inference(
            language=self._language,
            pooling=self._pooling,
            tokenise=self._tokeniser(),
            backend=self._backend,
            device=device,
            dtype=dtype,
            batch_tokens=self._batch_tokens,
        )
