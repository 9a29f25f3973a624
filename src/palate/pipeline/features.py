"""Encoders → representation → fusion → selection: from tables to the features of a catalogue."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

from palate.core.arrays import Matrix
from palate.core.dataset import Dataset
from palate.core.errors import DataError, PalateError
from palate.core.features import Features
from palate.core.types import Encoder, FitContext, Transform

Encode: TypeAlias = Callable[[Mapping[str, Encoder], Dataset], Features]


def encode_blocks(encoders: Mapping[str, Encoder], data: Dataset) -> Features:
    """The blocks of fitted encoders beside each other, as they are before any transform."""
    features = Features(data.item_ids, {})
    for name, encoder in encoders.items():
        with errors_name(name):
            encoded = encoder.encode(data)
        features = features.beside(_named(encoded, name))
    return features


def fit_features(
    encoders: Mapping[str, Encoder],
    transforms: Sequence[Transform],
    data: Dataset,
    encode: Encode = encode_blocks,
) -> Features | None:
    """Fits every stage on `data`, left to right; None where there is no encoder.

    `encode` makes blocks by encoders that are fitted.
    """
    if not encoders:
        return None
    blank = copy.deepcopy((dict(encoders), list(transforms))) if learns(transforms) else None
    for name, encoder in encoders.items():
        with errors_name(name):
            encoder.fit(data)
    features = encode(encoders, data)
    for place, transform in enumerate(transforms):
        if blank is not None and learns([transform]):
            learning: Any = transform
            context = _context(features, blank[0], blank[1][:place], encode)
            learning.fit(features, data, context)
        else:
            transform.fit(features, data)
        features = transform.transform(features)
    return features


def learns(transforms: Sequence[Transform]) -> bool:
    """Whether what is done to features is learnt from events, with these settings."""
    return any(getattr(transform, "learns_from_events", False) for transform in transforms)


def _context(
    features: Features,
    encoders: Mapping[str, Encoder],
    transforms: Sequence[Transform],
    encode: Encode,
) -> FitContext:
    """Features as they come to a transform, and the unfitted stages that make them again."""

    def remake(part: Dataset) -> FitContext:
        fresh = copy.deepcopy((dict(encoders), list(transforms)))
        return FitContext(items=fit_features(*fresh, part, encode))

    return FitContext(items=features, remake=remake, learnt=learns(transforms))


def encode_items(
    encoders: Mapping[str, Encoder], transforms: Sequence[Transform], data: Dataset
) -> Features | None:
    """The features of `data.items` by stages that are fitted already."""
    if not encoders:
        return None
    features = encode_blocks(encoders, data)
    for transform in transforms:
        features = transform.transform(features)
    return features


def encode_words(
    encoders: Mapping[str, Encoder], transforms: Sequence[Transform], texts: Sequence[str]
) -> dict[str, Matrix]:
    """What people say in the space of every block with words: final block name → (n, d).

    Raises `DataError` where no encoder reads texts.
    """
    readers: dict[str, Any] = {
        name: encoder for name, encoder in encoders.items() if hasattr(encoder, "encode_texts")
    }
    if not readers:
        raise DataError("this pipeline has no text encoder, so it cannot read a wish in words")
    words: dict[str, Matrix] = {}
    for name, reader in readers.items():
        with errors_name(name):
            vectors = getattr(reader, "encode_queries", reader.encode_texts)(list(texts))
        blocks = [f"{name}.{block}" for block in getattr(reader, "text_blocks", ())]
        words |= dict.fromkeys(blocks if len(blocks) > 1 else [name], vectors)
    for transform in transforms:
        words = _transformed(words, transform)
    return words


@contextmanager
def errors_name(name: str) -> Iterator[None]:
    """Palate's errors inside know that they are about the encoder `name`, and say so below."""
    try:
        yield
    except PalateError as error:
        if error.encoder is None:
            error.encoder = name
            error.add_note(f"raised by the encoder {name!r}")
        raise


def _transformed(words: Mapping[str, Matrix], transform: Any) -> dict[str, Matrix]:
    """Words that land in one block are summed there, as the items' blocks were."""
    if hasattr(transform, "transform_queries"):  # which makes blocks of several others
        made: dict[str, Matrix] = transform.transform_queries(words)
        return made
    found: dict[str, Matrix] = {}
    for name, vectors in words.items():
        moved: Any = vectors
        if hasattr(transform, "transform_block"):
            moved = transform.transform_block(name, vectors)
        after = transform.block_after(name) if hasattr(transform, "block_after") else name
        found[after] = found[after] + moved if after in found else moved
    return found


def _named(features: Features, name: str) -> Features:
    """Blocks called by the name that the pipeline gives their encoder."""
    single = len(features.parts) == 1
    names = {part: name if single else f"{name}.{part}" for part in features.parts}
    parts = {names[part]: values for part, values in features.parts.items()}
    behavioural = {names[part] for part in features.behavioural}
    meanings = {names[part]: own for part, own in features.names.items()}
    return Features(features.ids, parts, behavioural=behavioural, names=meanings)
