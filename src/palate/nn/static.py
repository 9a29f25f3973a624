"""Token vectors on disk: folders of model2vec and sentence-transformers, the packaged ones."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palate.core.errors import ConfigError
from palate.core.optional import Requirement
from palate.nn.hub.fetch import fetched

WORDLLAMA = "wordllama"
NEEDED = Requirement(("tokenizers",), "Static")
PACKAGE = Requirement(("wordllama", "tokenizers"), "the packaged static model")

_PACKAGED = ("weights/l2_supercat_256.safetensors", "tokenizers/l2_supercat_tokenizer_config.json")
_LAYOUTS = (
    ("model.safetensors", "tokenizer.json"),
    ("0_StaticEmbedding/model.safetensors", "0_StaticEmbedding/tokenizer.json"),
)
_NAMES = ("embeddings", "embedding.weight")  # as model2vec and as sentence-transformers say


@dataclass(frozen=True, eq=False)
class TokenVectors:
    """A tokeniser and a vector for each of its tokens.

    `vectors` is (m, d) as stored, float or int8; `rows` the row of each of the `size` tokens and
    `weights` what each counts, None where token t has row t and counts 1. `unknown` is the token
    that stands for all that the tokeniser does not know, -1 where there is none.
    """

    tokenizer: Any
    size: int
    vectors: NDArray[Any]
    rows: NDArray[np.int64] | None
    weights: NDArray[np.float32] | None
    unknown: int


def read_token_vectors(model: str, max_tokens: int) -> TokenVectors:
    """The token vectors of a folder, of a name on the hub, or of the package ("wordllama").

    The tokeniser stops after `max_tokens`. Raises `MissingExtraError` without the extra "static",
    `ConfigError` for a model that is not there or that is no static one. Format: model2vec 0.10.
    """
    tokenizers = NEEDED.load()
    weights_file, tokenizer_file = _files(model)
    arrays = _read_arrays(weights_file)
    try:
        tokenizer = tokenizers.Tokenizer.from_file(str(tokenizer_file))
    except Exception as error:  # the class that tokenizers raises is Exception itself
        raise ConfigError(f"{tokenizer_file} is no tokeniser: {error}") from error
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_tokens)
    size = max(tokenizer.get_vocab(with_added_tokens=True).values(), default=-1) + 1
    vectors, rows, weights = _checked(arrays, size, weights_file)
    return TokenVectors(tokenizer, size, vectors, rows, weights, _unknown(tokenizer))


def _files(model: str) -> tuple[Path, Path]:
    """The weights and the tokeniser of a model."""
    layouts: tuple[tuple[str, str], ...] = _LAYOUTS
    if model == WORDLLAMA:
        folder, layouts = _package_folder(), (_PACKAGED,)
    else:
        folder = fetched(model, WORDLLAMA)
    for weights, tokenizer in layouts:
        if (folder / weights).is_file() and (folder / tokenizer).is_file():
            return folder / weights, folder / tokenizer
    missing = " and ".join(name for name in layouts[0] if not (folder / name).is_file())
    raise ConfigError(
        f"the folder {folder} holds no static model: {missing} is missing. Make one with "
        '`palate distill`, or take a model2vec model; a transformer needs `type = "transformer"`'
    )


def _package_folder() -> Path:
    """Where wordllama lies. Importing it would set up logging for the whole process."""
    return PACKAGE.folder()


def _read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        return dict(load_file(path))
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"the weights in {path} cannot be read: {error}") from error


def _checked(
    arrays: dict[str, NDArray[Any]], size: int, path: Path
) -> tuple[NDArray[Any], NDArray[np.int64] | None, NDArray[np.float32] | None]:
    """Vectors, rows and weights, once they are those of `size` tokens."""
    vectors = next((arrays[name] for name in _NAMES if name in arrays), None)
    if vectors is None:
        found = ", ".join(f"{name} {array.shape}" for name, array in sorted(arrays.items())[:3])
        raise ConfigError(f"{path} holds no {_NAMES[0]!r}, so it is no static model: {found}")
    if vectors.ndim != 2 or not vectors.shape[1]:
        raise ConfigError(
            f"{path}: {_NAMES[0]} has shape {vectors.shape}, not (tokens, dimensions)"
        )
    rows, weights = arrays.get("mapping"), arrays.get("weights")
    for name, array in (("mapping", rows), ("weights", weights)):
        if array is not None and (array.ndim != 1 or len(array) < size):
            raise ConfigError(f"{path}: {name} has shape {array.shape} for {size} tokens")
    if rows is None and len(vectors) < size:
        raise ConfigError(
            f"{path}: {_NAMES[0]} has {len(vectors)} rows, but the tokeniser has {size} tokens"
        )
    if not all(array is None or np.isfinite(array).all() for array in (vectors, weights)):
        raise ConfigError(f"{path}: the weights hold NaN or infinity")
    weights = None if weights is None else weights.astype(np.float32)
    return vectors, _checked_rows(rows, len(vectors), path), weights


def _checked_rows(rows: NDArray[Any] | None, most: int, path: Path) -> NDArray[np.int64] | None:
    if rows is None:
        return None
    rows = rows.astype(np.int64)
    if len(rows) and not 0 <= rows.min() <= rows.max() < most:
        raise ConfigError(f"{path}: mapping names rows that {_NAMES[0]} does not have")
    return rows


def _unknown(tokenizer: Any) -> int:
    name = getattr(tokenizer.model, "unk_token", None)
    if name is not None:
        token = tokenizer.token_to_id(name)
        return -1 if token is None else int(token)
    found = json.loads(tokenizer.to_str())["model"].get("unk_id")
    return -1 if found is None else int(found)
