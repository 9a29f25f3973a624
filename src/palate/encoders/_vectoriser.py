"""A loaded language model at work: texts → vectors, on one backend and in one precision."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from palate.encoders import _engines
from palate.encoders._calibration import TEXTS
from palate.encoders._embedder import Pooling, embedder
from palate.encoders._language import LanguageModel
from palate.encoders._once import Batches
from palate.encoders._tokens import (
    Run,
    TokenIds,
    Tokeniser,
    encode_stream,
    equal_lengths,
    gathered,
)
from palate.errors import ConfigError

SAMPLE = 64  # texts that int8 is checked on
MOST_LOST = 0.01  # of the cosine to float32
_EXAMPLE_TOKENS = 256
_MOST_UNKNOWN = 0.1  # of the tokens, those of the model's own around a text among them


@dataclass
class Vectoriser:
    """`tokenise` cuts texts, `batch_tokens` go together, `dtype` is what torch calls it or int8."""

    language: LanguageModel
    pooling: Pooling
    tokenise: Tokeniser
    backend: str
    device: str
    dtype: str
    batch_tokens: int
    _believed: bool = False

    def stream(self, texts: Sequence[str], tokenise: Tokeniser) -> Batches:
        """(rows, vectors) of texts in any order; `ConfigError` where int8 would harm them.

        Warns where the model does not know much of what the texts are made of.
        """
        self._check_known(texts[:: max(1, len(texts) // SAMPLE)][:SAMPLE], tokenise)
        if self.dtype == "int8" and not self._believed:
            self._check_int8(texts[:: max(1, len(texts) // SAMPLE)][:SAMPLE], tokenise)
            self._believed = True
        return encode_stream(texts, tokenise, self._run, batch_tokens=self.batch_tokens)

    @cached_property
    def _run(self) -> Run:
        module = embedder(self.language.network, self.pooling)
        if self.backend == "openvino":
            return _engines.openvino_engine(module, self.dtype, self._examples)
        if self.backend == "onnx":
            return _engines.onnx_engine(module, self.dtype)
        return _engines.torch_engine(module, self.device)

    def _examples(self) -> Iterator[TokenIds]:
        """The tokens of texts of every kind, the same for every catalogue."""
        pieces, _ = self.tokenise(TEXTS)
        return (ids for _, ids in equal_lengths(pieces, _EXAMPLE_TOKENS))

    def _check_known(self, texts: Sequence[str], tokenise: Tokeniser) -> None:
        unknown = getattr(tokenise.tokenizer, "unk_token_id", None)
        ids = np.concatenate([np.array(ids) for ids in tokenise(texts)[0]] or [np.zeros(0)])
        share = float(np.mean(ids == unknown)) if len(ids) and unknown is not None else 0.0
        if share > _MOST_UNKNOWN:
            warnings.warn(
                f"{share:.0%} of what these texts are made of is unknown to the model "
                f"{self.language.name!r} (another language, perhaps, or emoji) and does not count: "
                'model = "e5" reads many languages, Chinese too, as does the encoder "use"',
                RuntimeWarning,
                stacklevel=2,
            )

    def _check_int8(self, texts: Sequence[str], tokenise: Tokeniser) -> None:
        exact = _engines.torch_engine(embedder(self.language.network, self.pooling), "cpu")
        found = [
            gathered(encode_stream(texts, tokenise, run, batch_tokens=self.batch_tokens))
            for run in (exact, self._run)
        ]
        kept = float(np.einsum("ij,ij->i", found[0], found[1]).mean())
        if kept < 1 - MOST_LOST:
            raise ConfigError(
                f"int8 keeps only a cosine of {kept:.3f} to float32 with the model "
                f"{self.language.name!r} on {_engines.NAMES[self.backend]}: "
                'choose dtype = "bfloat16" or "float32"'
            )
