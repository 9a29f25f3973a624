"""A loaded language model at work: texts → vectors, on one backend and in one precision."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palate.core.arrays import Batches, Floats
from palate.core.checks import as_texts, check_unicode
from palate.core.errors import ConfigError
from palate.nn.hardware import import_torch
from palate.nn.language import backends
from palate.nn.language.folder import LanguageModel
from palate.nn.language.int8 import TEXTS
from palate.nn.language.pooling import Pooling, hidden_states, pooled_network
from palate.nn.language.tokenize import (
    Run,
    TokenIds,
    Tokeniser,
    encode_stream,
    equal_lengths,
    gathered,
)

SAMPLE = 64  # texts that int8 is checked on
MOST_LOST = 0.01  # of the cosine to float32
_EXAMPLE_TOKENS = 256
_MOST_UNKNOWN = 0.1  # of the tokens, those of the model's own around a text among them


@dataclass
class Inference:
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
        module = pooled_network(self.language.network, self.pooling)
        if self.backend == "openvino":
            return backends.openvino_backend(module, self.dtype, self._examples)
        if self.backend == "onnx":
            return backends.onnx_backend(module, self.dtype)
        return backends.torch_backend(module, self.device)

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
                'model = "e5" reads many languages, Chinese too, as does the encoder "muse"',
                RuntimeWarning,
                stacklevel=2,
            )

    def _check_int8(self, texts: Sequence[str], tokenise: Tokeniser) -> None:
        exact = backends.torch_backend(pooled_network(self.language.network, self.pooling), "cpu")
        found = [
            gathered(encode_stream(texts, tokenise, run, batch_tokens=self.batch_tokens))
            for run in (exact, self._run)
        ]
        kept = float(np.einsum("ij,ij->i", found[0], found[1]).mean())
        if kept < 1 - MOST_LOST:
            raise ConfigError(
                f"int8 keeps only a cosine of {kept:.3f} to float32 with the model "
                f"{self.language.name!r} on {backends.NAMES[self.backend]}: "
                'choose dtype = "bfloat16" or "float32"'
            )


@dataclass(frozen=True)
class TokenVectors:
    """Ragged: text i has the rows `starts[i]:starts[i + 1]` of `vectors` and of `tokens`.

    `tokens` are spelt as the model's tokenizer spells them; blank texts have none.
    """

    starts: NDArray[np.int64]
    vectors: Floats
    tokens: list[str] = field(repr=False)

    def __len__(self) -> int:
        return len(self.starts) - 1

    def __getitem__(self, row: int) -> tuple[list[str], Floats]:
        """(tokens, (n, d) vectors) of one text."""
        if not -len(self) <= row < len(self):
            raise IndexError(f"there are {len(self)} texts, so no text {row}")
        row %= len(self)
        part = slice(int(self.starts[row]), int(self.starts[row + 1]))
        return self.tokens[part], self.vectors[part]


def token_vectors(
    texts: Sequence[str],
    tokenise: Tokeniser,
    network: Any,
    pooling: Pooling,
    *,
    device: str,
    batch_tokens: int,
) -> TokenVectors:
    """The states of every token of every text, in float32 and before any pooling."""
    torch = import_torch()
    texts = as_texts(texts)
    check_unicode(texts)
    network = network.to(device)
    said = [row for row, text in enumerate(texts) if text and not text.isspace()]
    pieces, owners = tokenise([texts[row] for row in said])
    lengths = np.fromiter(map(len, pieces), dtype=np.int64, count=len(pieces))
    first = np.concatenate([[0], np.cumsum(lengths)])
    vectors: Floats | None = None
    for rows, ids in equal_lengths(pieces, batch_tokens):
        with torch.inference_mode():
            found = hidden_states(network, torch.from_numpy(ids).to(device), pooling)
        states = found.cpu().numpy()
        if vectors is None:
            vectors = np.empty((int(first[-1]), states.shape[2]), dtype=np.float32)
        for place, row in enumerate(rows.tolist()):
            vectors[first[row] : first[row + 1]] = states[place]
    counts = np.zeros(len(texts), dtype=np.int64)
    np.add.at(counts, np.asarray(said, dtype=np.int64)[owners], lengths)
    flat = [token for ids in pieces for token in ids]
    return TokenVectors(
        starts=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        vectors=np.zeros((0, 0), dtype=np.float32) if vectors is None else vectors,
        tokens=list(tokenise.tokenizer.convert_ids_to_tokens(flat)) if flat else [],
    )
