"""One vector a token, for recommenders and explanations that look inside a text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palate.encoders._embedder import Pooling, hidden_states
from palate.encoders._hardware import import_torch
from palate.encoders._text import as_texts, check_unicode
from palate.encoders._tokens import Tokeniser, equal_lengths
from palate.types import Floats


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
