"""What an item has in common with one of the history, or with a text query, in words for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from palate.core.arrays import Floats, Rows
from palate.core.evidence import cosines
from palate.core.features import Features
from palate.core.histories import Histories
from palate.core.types import Encoder, content_of
from palate.features.encoders.attributes import Attributes
from palate.features.encoders.tfidf import Tfidf
from palate.features.template_encoder import TemplateEncoder
from palate.pipeline.explain.shared_attributes import MOST_NAMES, CommonGround, is_worth_naming

ALIKE = 0.1
"""The cosine from which two texts, or pictures, are called alike: few pairs of items reach it."""


@dataclass(frozen=True)
class Similarity:
    """How two items are alike: by `names` that they share, in text, in numbers, or as a whole.

    "none": nothing that a person would call alike. To words an item may be alike by its "title",
    exactly or nearly ("near_title"), or by its "sentences".
    """

    kind: Literal["named", "text", "numbers", "whole", "none", "title", "near_title", "sentences"]
    names: Sequence[str] = ()


def similarities(
    ground: CommonGround,
    encoders: Mapping[str, Encoder],
    features: Features | None,
    catalogue: pl.DataFrame,
    pairs: tuple[Rows, Rows],
) -> list[Similarity]:
    """How the items of each pair of catalogue rows are alike."""
    ones, others = pairs
    text, other = _nearest_blocks(encoders, features, ones, others)
    found = []
    for line, names in enumerate(ground.names(catalogue, ones, others)):
        if names:
            found.append(Similarity("named", names))
        elif max(text[line], other[line]) >= ALIKE:
            found.append(Similarity("text" if text[line] >= other[line] else "whole"))
        else:
            columns = ground.near_numbers(catalogue, int(ones[line]), int(others[line]))
            found.append(Similarity("numbers", columns) if columns else Similarity("none"))
    return found


def _nearest_blocks(
    encoders: Mapping[str, Encoder], features: Features | None, ones: Rows, others: Rows
) -> tuple[Floats, Floats]:
    """(n,) largest cosine in blocks of text, and in others; attributes are compared by value."""
    text, other = np.full((2, len(ones)), -1, dtype=np.float32)
    content = content_of(features)
    for name, part in ({} if content is None else content.parts).items():
        own = encoders.get(name.partition(".")[0])
        readers = list(encoders.values()) if own is None else [own]
        if all(isinstance(reader, Attributes) for reader in readers):
            continue
        near = cosines(part[ones], part[others])
        reads_text = all(isinstance(reader, TemplateEncoder) for reader in readers)
        kind = text if reads_text else other
        np.maximum(kind, near, out=kind)
    return text, other


def matched_words(
    encoders: Mapping[str, Encoder], features: Features | None, asking: Histories, items: Rows
) -> list[list[str]]:
    """Up to 3 words that query i shares with item i, the weightiest first, as TF-IDF reads them."""
    found: list[list[str]] = [[] for _ in items]
    for name, encoder in encoders.items():
        if features is None or not isinstance(encoder, Tfidf):
            continue
        part, words = features.parts.get(name), asking.queries.get(name)
        if part is None or words is None or part.shape[1] != len(encoder.vocabulary_):
            continue
        both = sparse.csr_array(words).multiply(sparse.csr_array(part[items])).tocsr()
        for line in range(len(items)):
            row = slice(both.indptr[line], both.indptr[line + 1])
            found[line] = _weightiest(both.indices[row], both.data[row], encoder)
    return found


def _weightiest(columns: NDArray[np.int32], weights: Floats, encoder: Tfidf) -> list[str]:
    """Single words; pairs of characters are none."""
    words = [encoder.vocabulary_[column] for column in columns[np.argsort(-weights, kind="stable")]]
    named = [
        word
        for word in words
        if " " not in word and is_worth_naming(word) and (encoder.segment or word.isascii())
    ]
    return named[:MOST_NAMES]
