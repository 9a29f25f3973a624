"""What items mean to language models: each of their columns by itself, and words beside them."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from palate.core.arrays import Floats, Matrix, row_norms, to_dense, unit_rows
from palate.core.parallel import one_blas_thread
from palate.core.sparse import inner_products, on_grid
from palate.core.types import Encoder
from palate.features.encoders.tfidf import Tfidf
from palate.features.template_encoder import TemplateEncoder
from palate.pipeline.features import encode_words, errors_name
from palate.pipeline.search.terms import terms
from palate.pipeline.stages import Stages
from palate.text.profile import as_text, is_title_name, mean_words
from palate.text.template import parse, render, text_columns

ColumnVectors: TypeAlias = Mapping[str, Mapping[str, NDArray[np.float16]]]
"""Encoder → template of one column → (n, d) unit vectors, zeros for items that say nothing."""

TITLE_WEIGHT = 0.3  # of a title's cosine beside a description's, which says more
_FEWEST_WORDS = 5  # of a description, on average
_MOST_SEPARATORS = 0.25  # a word: more of them make a list of names, not sentences
_UNKNOWN = "\ue000"  # for private use: no model has met it
_SAME = 1e-3  # of a number of a unit vector
_SEPARATOR = r"[,;|/、；，]"


class ReadWhenAsked(Mapping[str, Mapping[str, NDArray[np.float16]]]):
    """The vectors of `column_vectors` in the order `rows`, made when somebody first asks in words.

    A language model reads every column for it, which a model that is only compared never needs.
    """

    def __init__(
        self,
        encoders: Mapping[str, Encoder],
        items: pl.DataFrame,
        rows: NDArray[np.int64],
        later: Sequence[tuple[pl.DataFrame, NDArray[np.int64]]] = (),
    ) -> None:
        """`later`: items that arrived since, below those before, and the order of all then."""
        self._encoders, self._catalogue, self._order = encoders, items, rows
        self._later = tuple(later)

    def __getitem__(self, name: str) -> Mapping[str, NDArray[np.float16]]:
        return self._read[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._read)

    def __len__(self) -> int:
        return len(self._read)

    def followed(self, arrived: pl.DataFrame, rows: NDArray[np.int64]) -> ColumnVectors:
        """The same with `arrived` below, then those `rows` of all: read now only where these are.

        Which columns are read was decided when the model was fitted, whenever they are.
        """
        if "_read" in vars(self):
            return _followed(self._read, self._encoders, arrived, rows)
        later = (*self._later, (arrived, rows))
        return ReadWhenAsked(self._encoders, self._catalogue, self._order, later)

    @cached_property
    def _read(self) -> ColumnVectors:
        with one_blas_thread:
            vectors = in_rows(column_vectors(self._encoders, self._catalogue), self._order)
        for arrived, rows in self._later:
            vectors = _followed(vectors, self._encoders, arrived, rows)
        return vectors


def followed_vectors(
    vectors: ColumnVectors,
    encoders: Mapping[str, Encoder],
    arrived: pl.DataFrame,
    rows: NDArray[np.int64],
) -> ColumnVectors:
    """The same with rows of items that arrived later below, then those `rows` of all.

    What nobody has asked for yet is not read now either.
    """
    if isinstance(vectors, ReadWhenAsked):
        return vectors.followed(arrived, rows)
    return _followed(vectors, encoders, arrived, rows)


def column_vectors(encoders: Mapping[str, Encoder], items: pl.DataFrame) -> ColumnVectors:
    """What every fitted language model makes of each column that is a title or sentences.

    One vector of title, plot and cast together is near to nothing that anybody says. Where a
    template holds no such column, all of it is read as one.
    """
    found = {}
    for name, encoder in _models(encoders):
        columns = sentences_in(parse(encoder.template_).names(), items)
        templates = [f"{{{column}}}" for column in columns] or [encoder.template_]
        with errors_name(name):
            read = {template: _vectors(encoder, template, items) for template in templates}
        if kept := {template: part for template, part in read.items() if part is not None}:
            found[name] = kept
    return found


def in_rows(vectors: ColumnVectors, rows: NDArray[np.int64]) -> ColumnVectors:
    """The same items in another order."""
    return {
        name: {template: part[rows] for template, part in columns.items()}
        for name, columns in vectors.items()
    }


def _followed(
    vectors: ColumnVectors,
    encoders: Mapping[str, Encoder],
    arrived: pl.DataFrame,
    rows: NDArray[np.int64],
) -> ColumnVectors:
    found = {}
    for name, columns in vectors.items():
        encoder: Any = encoders[name]
        with errors_name(name), one_blas_thread:
            new = {template: _vectors(encoder, template, arrived) for template in columns}
        found[name] = {
            template: np.concatenate([part, new[template]])[rows]
            for template, part in columns.items()
        }
    return found


def _models(encoders: Mapping[str, Encoder]) -> Iterator[tuple[str, TemplateEncoder]]:
    for name, encoder in encoders.items():
        if isinstance(encoder, TemplateEncoder) and not isinstance(encoder, Tfidf):
            yield name, encoder


def _vectors(
    encoder: TemplateEncoder, template: str, items: pl.DataFrame
) -> NDArray[np.float16] | None:
    """None for an encoder whose vectors are sparse: those count words."""
    vectors = encoder.encode_texts(render(items, template))
    return None if sparse.issparse(vectors) else unit_rows(vectors).astype(np.float16)


def sentences_in(columns: Sequence[str], items: pl.DataFrame) -> list[str]:
    """Of some columns the title and those that hold sentences; no categories, no lists of names."""
    titles = [name for name in columns if is_title_name(name)][:1]
    readable = set(text_columns(items))
    others = [
        name
        for name in columns
        if name not in titles and name in readable and _is_prose(items[name])
    ]
    return titles + others


def _is_prose(column: pl.Series) -> bool:
    if isinstance(column.dtype, pl.List | pl.Array):
        return False
    texts = as_text(column).drop_nulls()
    words = mean_words(texts)
    separators = texts.str.count_matches(_SEPARATOR).mean()
    listed = float(separators or 0.0)  # type: ignore[arg-type]
    return words >= _FEWEST_WORDS and listed < _MOST_SEPARATORS * words


def to_compare(vectors: ColumnVectors) -> dict[str, dict[str, Floats]]:
    """The same as `standing` multiplies them."""
    return {
        name: {template: on_grid(part.astype(np.float32)) for template, part in columns.items()}
        for name, columns in vectors.items()
    }


def standing(
    model: Stages, vectors: Mapping[str, Mapping[str, Floats]], texts: Sequence[str]
) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """How near each item comes to each text, in deviations from the mean item.

    (q, n) the mean over the models that understand the text; (q, n) how much nearer the sentences
    come than the title, in cosines; (q,) whether any model understands it.
    """
    n_items = len(model.data_.item_ids)
    total, nearer = np.zeros((2, len(texts), n_items), dtype=np.float32)
    understood = np.zeros(len(texts), dtype=np.int64)
    for cosines, difference, asked in _of_models(model, vectors, texts):
        total += _standardised(cosines) * asked[:, None]
        nearer += difference
        understood += asked
    models = np.maximum(understood, 1).astype(np.float32)[:, None]
    return total / models, nearer, understood > 0


def _of_models(
    model: Stages, vectors: Mapping[str, Mapping[str, Floats]], texts: Sequence[str]
) -> Iterator[tuple[Floats, Floats, NDArray[np.bool_]]]:
    others = {}
    for name, encoder in model.encoders_.items():
        if name in vectors:
            with errors_name(name):
                reader: Any = encoder
                read = getattr(reader, "encode_queries", reader.encode_texts)
                said = unit_rows(to_dense(read(list(texts))))
                heard = _heard(read, texts, said)
            yield *_cosines(said, vectors[name]), heard
        elif hasattr(encoder, "encode_texts") and not isinstance(encoder, Tfidf):
            others[name] = encoder
    if others and model.features_ is not None:
        for block, words in encode_words(others, model.transforms_, texts).items():
            part = model.features_.parts.get(block)
            if part is not None and part.shape[1] == words.shape[1]:
                cosines = _near(words, part)
                yield cosines, np.zeros_like(cosines), row_norms(words) > 0


def _heard(
    read: Callable[[list[str]], Matrix], texts: Sequence[str], said: Floats
) -> NDArray[np.bool_]:
    """(q,) which of the texts a model understands; `said` are the unit vectors it `read`.

    Models have a vector for whatever is typed. Marks alone say nothing, and signs such as "😀" do
    only where a model tells them from signs that nobody knows.
    """
    heard = row_norms(said) > 0
    wordless = [row for row, text in enumerate(texts) if heard[row] and not terms(text)]
    for row in wordless:
        signs = [unicodedata.category(sign)[0] == "S" for sign in texts[row]]
        unknown = "".join(
            _UNKNOWN if sign else letter for letter, sign in zip(texts[row], signs, strict=True)
        )
        heard[row] = any(signs) and not np.allclose(
            unit_rows(to_dense(read([unknown])))[0], said[row], atol=_SAME
        )
    return heard


def _near(words: Matrix, part: Matrix) -> Floats:
    return inner_products(unit_rows(to_dense(words)), on_grid(unit_rows(to_dense(part))))


def _cosines(said: Floats, columns: Mapping[str, Floats]) -> tuple[Floats, Floats]:
    """The weighted mean over the columns that an item has, and sentences less title."""
    shape = (len(said), len(next(iter(columns.values()))))
    total, of_title, of_sentences = np.zeros((3, *shape), dtype=np.float32)
    weights = np.zeros(shape[1], dtype=np.float32)
    for template, part in columns.items():
        cosines = inner_products(said, part)
        title = len(columns) > 1 and is_title_name(template.strip("{}"))
        weight = TITLE_WEIGHT if title else 1.0
        weights += np.where(row_norms(part) > 0, np.float32(weight), np.float32(0))
        total += np.float32(weight) * cosines
        if title:
            of_title = cosines
        else:
            np.maximum(of_sentences, cosines, out=of_sentences)
    mean = np.asarray(total / np.where(weights > 0, weights, 1), dtype=np.float32)
    return mean, (of_sentences - of_title) * np.float32(len(columns) > 1)


def _standardised(scores: Floats) -> Floats:
    """Mean 0 and deviation 1 over the items, each row alone, in an order that leaves no trace."""
    wide = np.sort(scores.astype(np.float64), axis=1)
    mean, deviation = wide.mean(axis=1)[:, None], wide.std(axis=1)[:, None]
    return np.asarray((scores - mean) / np.maximum(deviation, 1e-6), dtype=np.float32)
