"""Token vectors taken from a language model: its words, what they count, a folder for `Static`."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from palate.core.arrays import Floats
from palate.core.errors import DataError
from palate.core.files import write_whole
from palate.core.optional import optional
from palate.features.template_encoder import TemplateEncoder
from palate.nn.hub.fetch import quiet
from palate.nn.hub.find import find_model
from palate.nn.language.folder import read_recipe
from palate.text.normalise import is_unspaced, tokenise

UNKNOWN = "[UNK]"

_SHORTEST_PIECE = 3  # letters: shorter ones say nothing by themselves
_TOKEN_COST = 100.0  # in nats: as few tokens as possible, and of these the more frequent
_ROUNDS = 30
_BATCH = 4096
_HOME = "sentence_transformers.models"
_MODULES = [("", "StaticEmbedding"), ("1_Normalize", "Normalize")]


def vocabulary_of(
    texts: Sequence[str], teacher: TemplateEncoder, most: int
) -> tuple[list[str], NDArray[np.int64]]:
    """The words of the texts and how often they occur, then the teacher's pieces of those words.

    The `most` most frequent; Chinese and Japanese in words by rjieba (`MissingExtraError` for "zh"
    without it). Pieces are for words that nobody has written yet. Raises `DataError` for no words.
    """
    unspaced = any(not text.isascii() and any(map(is_unspaced, text)) for text in texts)
    counts = Counter(word for text in texts for word in tokenise(text, segment=unspaced))
    if not counts:
        raise DataError("the catalogue has no words to learn from: choose other columns")
    words = sorted(counts, key=lambda word: (-counts[word], word))[:most]
    pieces: Counter[str] = Counter()
    for word, parts in zip(words, _pieces(words, teacher), strict=True):
        for part in parts:
            pieces[part] += counts[word]
    known = frozenset(words)
    new = [part for part in pieces if part not in known and _says_something(part)]
    new.sort(key=lambda part: (-pieces[part], part))
    chosen = [*words, *new][:most]
    seen = [counts[token] or pieces[token] for token in chosen]
    return chosen, np.array(seen, dtype=np.int64)


def _says_something(piece: str) -> bool:
    return bool(is_unspaced(piece)) or (len(piece) >= _SHORTEST_PIECE and piece.isalpha())


def _pieces(words: Sequence[str], teacher: TemplateEncoder) -> list[list[str]]:
    """What the teacher's own tokeniser makes of each word; single characters of Chinese."""
    tokenizer = _tokenizer_of(teacher)
    if tokenizer is None:
        return [list(word) if is_unspaced(word) else [] for word in words]
    found = []
    for start in range(0, len(words), _BATCH):
        part = list(words[start : start + _BATCH])
        read = tokenizer.encode_batch(part, add_special_tokens=False)
        for word, encoding in zip(part, read, strict=True):
            found.append([word[begin:end].strip() for begin, end in encoding.offsets])
    return found


def _tokenizer_of(teacher: Any) -> Any:
    """The fast tokeniser of a model of Hugging Face's; None for other encoders."""
    folder = find_model(teacher.model) if hasattr(teacher, "model") else None
    if folder is None:
        return None
    from transformers import AutoTokenizer

    try:
        place = folder / read_recipe(folder).part
        with quiet():
            found = AutoTokenizer.from_pretrained(
                str(place), local_files_only=True, trust_remote_code=False
            )
    except Exception:  # whatever a folder of another kind makes transformers raise
        return None
    return getattr(found, "backend_tokenizer", None)


def tokenizer_over(tokens: Sequence[str], counts: NDArray[np.int64]) -> Any:
    """A tokeniser that reads any text as few of these tokens; 0 is what it does not know."""
    optional("tokenizers", needed_for="distill")
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

    likelihood = np.log(np.maximum(counts, 1) / max(counts.sum(), 1)) - _TOKEN_COST
    scored = [(UNKNOWN, 0.0), *zip(tokens, likelihood.tolist(), strict=True)]
    tokenizer = Tokenizer(models.Unigram(scored, unk_id=0, byte_fallback=False))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    words = Regex(r"\w+")
    tokenizer.pre_tokenizer = pre_tokenizers.Split(words, behavior="removed", invert=True)
    return tokenizer


def counted(tokenizer: Any, texts: Sequence[str], size: int) -> sparse.csr_array:
    """(n, size) how often each text holds each token, without what is not known."""
    parts = [sparse.csr_array((0, size), dtype=np.float32)]
    for start in range(0, len(texts), _BATCH):
        batch = list(texts[start : start + _BATCH])
        ids = [encoding.ids for encoding in tokenizer.encode_batch(batch)]
        lengths = np.fromiter(map(len, ids), np.int64, len(ids))
        flat = np.concatenate([np.empty(0, dtype=np.int64), *map(np.asarray, ids)]).astype(np.int64)
        row = np.repeat(np.arange(len(batch)), lengths)[flat > 0]
        ones = np.ones(len(row), dtype=np.float32)
        shape = (len(batch), size)
        parts.append(
            sparse.csr_array(sparse.coo_array((ones, (row, flat[flat > 0] - 1)), shape=shape))
        )
    return sparse.csr_array(sparse.vstack(parts))


@dataclass(frozen=True, eq=False)
class Lesson:
    """What a student learns from: the teacher's vectors of tokens and of some texts.

    `tokens` is (m, d), `texts` (n, d); `counts` (n, m) says which tokens the texts hold, `shares`
    (m,) is the share of each among all tokens of the catalogue.
    """

    tokens: Floats
    texts: Floats
    counts: sparse.csr_array
    shares: NDArray[np.float64]

    def learn(self, *, dim: int, sif: float, pull: float) -> Floats:
        """(m, dim) token vectors whose mean over a text comes near what the teacher says of it.

        They start as the teacher's own vectors on the principal axes of the texts, each times
        `sif` / (`sif` + share), and are then fitted by ridge regression, which `pull`s them back to
        there. After Tulkens and van Dongen 2024 (model2vec); the fit stands for the training of its
        potion models, solved by conjugate gradients (Hestenes and Stiefel 1952). Without texts the
        axes are those of the tokens and nothing is fitted.
        """
        weights = (sif / (sif + self.shares)).astype(np.float32)
        spread = self.texts if len(self.texts) else self.tokens
        mean, axes = _axes(spread, dim)
        centred = self.tokens - self.tokens.mean(axis=0)
        vectors: Floats = np.asarray(centred @ axes, dtype=np.float32)
        if len(self.texts):
            goal: Floats = np.asarray((self.texts - mean) @ axes, dtype=np.float32)
            lengths = np.maximum(np.asarray(self.counts.sum(axis=1)).ravel(), 1)
            averaging = self.counts * weights[None, :] / lengths[:, None].astype(np.float32)
            vectors = _fitted(sparse.csr_array(averaging), vectors, goal, pull)
        weighted: Floats = vectors * weights[:, None]
        return weighted


def _axes(vectors: Floats, dim: int) -> tuple[Floats, Floats]:
    """The mean and the (d, dim) principal axes, largest first."""
    mean = vectors.mean(axis=0, dtype=np.float64)
    centred = vectors - mean
    _, axes = np.linalg.eigh(centred.T @ centred)
    axes = axes[:, ::-1][:, :dim]
    largest = np.abs(axes).argmax(axis=0)
    axes = axes * np.where(axes[largest, np.arange(axes.shape[1])] < 0, -1.0, 1.0)
    return mean.astype(np.float32), axes.astype(np.float32)


def _fitted(averaging: sparse.csr_array, start: Floats, goal: Floats, pull: float) -> Floats:
    """The vectors that minimise |averaging @ vectors - goal|² + pull × |vectors - start|²."""
    first = averaging @ start
    start = start * np.float32((first * goal).sum() / max(float((first * first).sum()), 1e-12))
    turned = sparse.csr_array(averaging.T)
    left = turned @ (goal - averaging @ start)
    step, moved = left.copy(), np.zeros_like(start)
    length = (left * left).sum(axis=0)
    for _ in range(_ROUNDS):
        image = turned @ (averaging @ step) + np.float32(pull) * step
        stride = length / np.maximum((step * image).sum(axis=0), 1e-30)
        moved += stride * step
        left -= stride * image
        before, length = length, (left * left).sum(axis=0)
        step = left + length / np.maximum(before, 1e-30) * step
    return np.asarray(start + moved, dtype=np.float32)


def write_student(out: Path, tokenizer: Any, vectors: Floats, about: dict[str, Any]) -> None:
    """A folder as model2vec 0.10 and sentence-transformers read it, in float16."""
    from safetensors.numpy import save

    largest = np.abs(vectors).max(initial=1e-12)  # directions alone count: use float16's range
    stored = np.vstack([np.zeros((1, vectors.shape[1])), vectors / largest]).astype(np.float16)
    config = {
        "model_type": "model2vec",
        "architectures": ["StaticModel"],
        "hidden_dim": vectors.shape[1],
        "seq_length": 1_000_000,
        "normalize": True,
        "embedding_dtype": "float16",
        **about,
    }
    modules = [
        {"idx": number, "name": str(number), "path": path or ".", "type": f"{_HOME}.{name}"}
        for number, (path, name) in enumerate(_MODULES)
    ]
    out.mkdir(parents=True, exist_ok=True)
    write_whole(out / "tokenizer.json", tokenizer.to_str().encode())
    write_whole(out / "config.json", json.dumps(config, indent=1).encode())
    write_whole(out / "modules.json", json.dumps(modules, indent=1).encode())
    write_whole(out / "model.safetensors", save({"embeddings": stored}))
