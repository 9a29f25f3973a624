"""Texts as weighted means of word vectors out of files: word2vec, GloVe, fastText."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import chain
from typing import Annotated, Literal, Self, TypeAlias

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field, PositiveInt
from scipy import sparse

from palate.core.arrays import Floats, unit_rows
from palate.core.checks import check_unicode
from palate.core.component import check_fitted, check_types, component, is_fitted, learnt
from palate.core.dataset import Dataset
from palate.core.errors import ConfigError, DataError, Setting, first_offenders
from palate.core.learnt import agree
from palate.core.optional import Requirement
from palate.core.paths import FilePath
from palate.core.progress import task
from palate.features.template_encoder import TemplateEncoder
from palate.nn.word_vectors import WordVectors as WordFile
from palate.nn.word_vectors import read_word_vectors
from palate.text.normalise import SEGMENTER, is_unspaced, pieces_of, segmenter
from palate.text.template import render

__all__ = ["WordVectors"]

Halves: TypeAlias = NDArray[np.float16]
Found: TypeAlias = tuple[list[int], list[str]]
"""The rows of the words of a text that are known, and the words that are not."""

_BATCH = 1024
_LONGEST = 8  # characters of a Chinese word
_PIECE = re.compile(r"[^\W_](?:.*[^\W_])?")
_PART = re.compile(r"[^\W_]+")
_SHORTENED = re.compile(r"(?i)([^\W_]+?)(n't|'s|'re|'ve|'ll|'d|'m)")
_WORD = "word"


@component
class WordVectors(TemplateEncoder):
    """Item texts as unit means of word vectors from a file: word2vec, GloVe or fastText's .vec.

    `path` is that file: text with or without a first line of counts, or word2vec's binary layout,
    as it is or packed as .gz or .bz2. Its first `most_words` words are kept, and of the others
    those that the items hold; both go into the saved model, in half precision, so the file is not
    needed again. A word is looked up as it stands, then in small letters, then capitalised; Chinese
    is cut into the longest words that the file has, or with `segment` into those of rjieba (extra
    "zh"). `weighting` "sif" counts a word of share p among the words of trained items `sif` /
    (`sif` + p) (Arora et al. 2017), "idf" ln((1 + n) / (1 + df)) + 1, "none" 1. What the file lacks
    is dropped: a text of only such words is zeros. Methods: Mikolov et al. 2013, word2vec;
    Pennington et al. 2014, GloVe.
    """

    path: FilePath | None = None
    weighting: Literal["sif", "idf", "none"] = "sif"
    sif: Annotated[float, Field(gt=0, lt=1)] = 1e-3
    most_words: PositiveInt = 100_000
    segment: bool = False

    words_: pl.DataFrame = learnt()
    vectors_: Halves = learnt("words", "dim")
    weights_: Floats = learnt("words")

    def __post_init__(self) -> None:
        check_types(self)

    @property
    def requires(self) -> tuple[Requirement, ...]:
        """What splits Chinese into words, where that is wanted."""
        return (SEGMENTER,) if self.segment else ()

    def fit(self, data: Dataset) -> Self:
        """Reads the file, and counts the words of trained items.

        Raises `DataError` for what is no file of word vectors, and where it knows no word of them.
        """
        super().fit(data)
        texts = self.texts_of(data.items)
        self._take(self._read(texts))
        known = self._found(texts)
        if not any(rows for rows, _ in known):
            raise self._strange(known)
        warm = [known[row][0] for row in data.warm_items.tolist()]
        self.weights_ = self._counted(warm)
        return self

    def describe(self, data: Dataset) -> Iterator[str]:
        """As of every template's encoder, and what share of the items' words the file knows.

        Raises as `fit` does.
        """
        yield from super().describe(data)
        texts = self.tidied(render(data.items, self._template_for(data.items)))
        file = self._read(texts)
        width = file.vectors.shape[1]
        yield f"keeps {len(file.words):,} of {file.total:,} words, {width} numbers each"
        for count, what in ((file.repeated, "stand twice"), (file.unreadable, "cannot be read")):
            if count:
                yield f"{count:,} words of the file {what}, and are left out"
        reader = _Reader(dict(zip(file.words, range(len(file.words)), strict=True)), self.segment)
        found = [reader.read(text) for text in texts]
        if not any(rows for rows, _ in found):
            raise self._strange(found)
        yield from _coverage(found)

    def check_learnt(self) -> None:
        """Raises `ValueError` for words that are none, or that are not those of the vectors."""
        super().check_learnt()
        words = self.words_
        agree(words.schema == {_WORD: pl.String}, f"words_ of {words.schema}")
        agree(not words[_WORD].null_count(), "words_ without a word")
        agree(words[_WORD].n_unique() == len(words) == len(self.vectors_) > 0, "words_ that repeat")

    def encode_texts(self, texts: Sequence[str]) -> Floats:
        """(n, d) float32 vectors of unit length, zeros for blank texts and unknown words.

        Without a `weighting` the file's first words are enough, and `fit` need not come before;
        otherwise raises `NotFittedError`.
        """
        if self.weighting != "none":
            check_fitted(self)
        elif not is_fitted(self) and "words_" not in vars(self):
            self._take(self._read(()))
        texts = self.tidied(texts)
        check_unicode(texts)
        vectors = np.zeros((len(texts), self.vectors_.shape[1]), dtype=np.float32)
        with task("encode texts", len(texts), "texts") as advance:
            for start in range(0, len(texts), _BATCH):
                known = [rows for rows, _ in self._found(texts[start : start + _BATCH])]
                vectors[start : start + _BATCH] = unit_rows(self._sums(known))
                advance(len(known))
        return vectors

    def _read(self, texts: Sequence[str]) -> WordFile:
        """The file's first words, and those of some texts."""
        if self.path is None:
            raise ConfigError(
                "the encoder word_vectors needs a file of word vectors: ", Setting("path", "FILE")
            )
        wanted = set(chain.from_iterable(map(self._forms_in, texts)))
        return read_word_vectors(self.path, most=self.most_words, wanted=wanted)

    def _forms_in(self, text: str) -> Iterator[str]:
        """Every form under which the file might have a word of a text."""
        for piece in _pieces(text):
            if not is_unspaced(piece):
                yield from chain.from_iterable(map(_forms, {piece, *_parts(piece)}))
            elif self.segment:
                yield from segmenter()(piece)

    def _take(self, file: WordFile) -> None:
        self.words_ = pl.DataFrame({_WORD: file.words}, schema={_WORD: pl.String})
        self.vectors_ = file.vectors
        self.weights_ = np.ones(len(file.words), dtype=np.float32)
        vars(self).pop("_reader", None)

    def _found(self, texts: Sequence[str]) -> list[Found]:
        return [self._reader.read(text) for text in texts]

    @cached_property
    def _reader(self) -> _Reader:
        return _Reader(
            {word: row for row, word in enumerate(self.words_[_WORD].to_list())}, self.segment
        )

    def _counted(self, texts: Sequence[list[int]]) -> Floats:
        """(words,) what each word counts, by how often some texts hold it."""
        size = len(self.vectors_)
        if self.weighting == "none":
            return np.ones(size, dtype=np.float32)
        if self.weighting == "idf":
            held = np.fromiter(chain.from_iterable(map(set, texts)), np.int64)
            weights = np.log((1 + len(texts)) / (1 + np.bincount(held, minlength=size))) + 1
        else:
            counts = np.bincount(np.fromiter(chain.from_iterable(texts), np.int64), minlength=size)
            weights = self.sif / (self.sif + counts / max(counts.sum(), 1))
        return weights.astype(np.float32)

    def _sums(self, known: Sequence[list[int]]) -> Floats:
        """(n, d) sums of the vectors of each text, each times what its word counts."""
        flat = np.fromiter(chain.from_iterable(known), np.int64)
        words, column = np.unique(flat, return_inverse=True)
        row = np.repeat(np.arange(len(known)), [len(rows) for rows in known])
        counts = sparse.coo_array(
            (np.ones(len(flat), dtype=np.float32), (row, column)), shape=(len(known), len(words))
        )
        vectors = self.vectors_[words].astype(np.float32) * self.weights_[words, None]
        sums: Floats = sparse.csr_array(counts) @ vectors
        return sums

    def _strange(self, found: Sequence[Found]) -> DataError:
        strange = list(dict.fromkeys(chain.from_iterable(unknown for _, unknown in found)))
        return DataError(
            f"{self.path} knows no word of the items ({first_offenders(strange, len(strange))}): "
            "take word vectors of their language"
        )


class _Reader:
    """Looks the words of texts up."""

    def __init__(self, row_of: dict[str, int], segment: bool) -> None:
        self.row_of = row_of
        self.segment = segment
        lengths = (len(word) for word in row_of if is_unspaced(word))
        self.longest = min(max(lengths, default=1), _LONGEST)

    def read(self, text: str) -> Found:
        """The rows of the words of a text, each as often as it stands there, and the others."""
        rows: list[int] = []
        unknown: list[str] = []
        for piece in _pieces(text):
            if is_unspaced(piece):
                self._cut(piece, rows, unknown)
            else:
                self._look_up(piece, rows, unknown)
        return rows, unknown

    def _look_up(self, piece: str, rows: list[int], unknown: list[str]) -> None:
        """A word as it stands, else what stands left and right of signs in it."""
        row = self._row(piece)
        if row >= 0:
            rows.append(row)
            return
        parts = _parts(piece)
        if parts == [piece]:
            unknown.append(piece)
            return
        for part in parts:
            row = self._row(part)
            if row >= 0:
                rows.append(row)
            elif "'" not in part:  # what was shortened is no word of its own
                unknown.append(part)

    def _cut(self, run: str, rows: list[int], unknown: list[str]) -> None:
        """The words of a run of Chinese."""
        for word in segmenter()(run) if self.segment else (run,):
            row = self.row_of.get(word, -1)
            if row >= 0:
                rows.append(row)
            else:
                self._match(word, rows, unknown)

    def _match(self, run: str, rows: list[int], unknown: list[str]) -> None:
        """The longest words that are known, from left to right."""
        at = 0
        while at < len(run):
            for length in range(min(self.longest, len(run) - at), 0, -1):
                row = self.row_of.get(run[at : at + length], -1)
                if row >= 0:
                    rows.append(row)
                    break
            else:
                length = 1
                unknown.append(run[at])
            at += length

    def _row(self, word: str) -> int:
        return next((self.row_of[form] for form in _forms(word) if form in self.row_of), -1)


def _pieces(text: str) -> Iterator[str]:
    """Words without the signs around them, and runs of Chinese."""
    for piece in pieces_of(text):
        if found := _PIECE.search(piece):
            yield found[0].replace("\u2019", "'")


def _parts(piece: str) -> list[str]:
    """What a word is put together of: "don't" of "do" and "n't", "well-known" of both."""
    if shortened := _SHORTENED.fullmatch(piece):
        return list(shortened.groups())
    return _PART.findall(piece)


def _forms(word: str) -> Iterator[str]:
    """A word as it stands, in small letters, capitalised, in capitals."""
    yield from dict.fromkeys((word, word.lower(), word.capitalize(), word.upper()))


def _coverage(found: Sequence[Found]) -> Iterator[str]:
    """What share of the words is known, which are not, and how many texts hold none."""
    known = sum(len(rows) for rows, _ in found)
    unknown = Counter(chain.from_iterable(strange for _, strange in found))
    share = known / (known + unknown.total())
    yield f"knows {share:.1%} of the words of the items"
    if unknown:
        words = [word for word, _ in sorted(unknown.items(), key=lambda one: (-one[1], one[0]))]
        yield f"does not know {first_offenders(words, len(words))}"
    if silent := sum(not rows for rows, _ in found):
        yield f"{silent:,} of {len(found):,} items hold no word that it knows"
