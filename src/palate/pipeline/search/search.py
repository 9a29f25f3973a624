"""Requests in words: ordered by title, words and meaning; beside a history the two are fused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import polars as pl
from numpy.typing import NDArray

from palate.core.arrays import Floats, Mask, Matrix, Rows
from palate.core.columns import TITLE
from palate.core.dataset import Dataset
from palate.core.doors import warn_caller
from palate.core.errors import NotUnderstoodWarning, first_offenders
from palate.core.evidence import Evidence, from_content, scores_at
from palate.core.histories import Histories
from palate.core.topk import reciprocal_ranks, with_last
from palate.features.template_encoder import TemplateEncoder
from palate.pipeline.explain.shared_attributes import MOST_NAMES, is_worth_naming
from palate.pipeline.explain.similarity import Similarity
from palate.pipeline.features import encode_words
from palate.pipeline.search.meaning import ColumnVectors, standing, to_compare
from palate.pipeline.search.words import SAME, Alike, Held, TitleIndex, WordIndex, bare
from palate.pipeline.stages import Stages
from palate.text.profile import is_title_name
from palate.text.template import parse, render, text_columns

MEANING = 0.08  # of a deviation of the cosines
WORDS = 0.2  # of the square of the share of the query's words: one word of many says little,
AMPLE = 20.0  # and many that agree say more: what words weigh beyond which they count more
CALLED = 3.0  # of the likeness to the title, beyond
NEARLY = 0.45  # from which on a text may be a part of a title, or a title with slips,
NEARLY_LONG = 0.9  # and one that may say something else, as "my phone" for "my card",
SLIPS = 5  # or so many characters less than all, which is less in a short text
EDGES = 1  # pairs and triples of characters that a part of a title may have of its own,
ONE_SLIP, TWO_SLIPS = 3.5, 6.0  # and that slips cost at most
AGAINST = 0.3  # what known words may weigh that a title with slips lacks: stop words, no others
SURELY = 0.6  # likeness from which on a title is said to be nearly what was typed
MOST_KEPT = 1_000_000  # numbers of a search that are kept until the next

_indices: WeakKeyDictionary[Dataset, tuple[object, _Index]] = WeakKeyDictionary()
_earlier: WeakKeyDictionary[Dataset, tuple[object, _Index, NDArray[np.int64]]] = WeakKeyDictionary()


@dataclass(frozen=True)
class _Index:
    """A catalogue's words and titles; made when somebody first asks, for each catalogue once."""

    read: Sequence[str]
    """The columns whose words are searched, what items are called first."""
    title: str | None
    words: WordIndex
    titles: TitleIndex
    source: ColumnVectors
    """What the vectors were made of."""
    vectors: dict[str, dict[str, Floats]]
    asked: dict[tuple[str, ...], Found] = field(default_factory=dict)
    """The last search, if it was small: who asks for reasons means the same."""


@dataclass(frozen=True)
class Found:
    """What a search knows of texts: (q, n) scores and their parts, (q,) what was understood."""

    scores: Floats
    titles: Floats
    """How like each title the text is, 0 where it is not meant."""
    sentences: Floats
    """How much nearer an item's sentences come than its title."""
    understood: Mask


def index_of(model: Stages) -> _Index:
    """Words of all columns that the text encoders read (or of all with words), and the titles.

    Of a catalogue that came of one that was read before, only new and changed items are read.
    """
    known = _indices.get(model.data_)
    if known is None or known[0] is not model.encoders_:
        known = _indices[model.data_] = (model.encoders_, _made(model))
        _earlier.pop(model.data_, None)
    return known[1]


def follow(before: Dataset, after: Dataset, rows: NDArray[np.int64]) -> None:
    """What was read of `before` need not be read again for `after`.

    `rows`: of each of its items the place among those of `before` and what was read anew below.
    """
    source, known = np.arange(len(before.items)), _indices.get(before)
    if known is not None:
        encoders, index = known
    elif before in _earlier:
        encoders, index, source = _earlier[before]
    else:
        return
    new = np.full(max(int(rows.max(initial=-1)) + 1 - len(source), 0), -1)
    _earlier[after] = (encoders, index, np.concatenate([source, new])[rows])


def _made(model: Stages) -> _Index:
    items, said = model.data_.items, model.column_vectors_
    title = _title_of(items)
    read = _columns_read(model, title)
    encoders, earlier, source = _earlier.get(model.data_, (None, None, np.empty(0, np.int64)))
    if earlier is None or encoders is not model.encoders_ or earlier.read != read:
        texts, titles = _texts_of(items, read, title)
        words, called = WordIndex.of(texts), TitleIndex.of(titles)
    elif np.array_equal(source, np.arange(earlier.words.n_texts)):
        words, called = earlier.words, earlier.titles  # only events came: the items are the same
    else:
        new = source < 0
        texts, titles = _texts_of(items.filter(pl.Series(new)), read, title)
        rows = np.where(new, earlier.words.n_texts - 1 + np.cumsum(new), source)
        words, called = earlier.words.changed(texts, rows), earlier.titles.changed(titles, rows)
    same = earlier if earlier is not None and earlier.source is said else None
    vectors = to_compare(said) if same is None else same.vectors
    return _Index(read, title, words, called, said, vectors)


def _columns_read(model: Stages, title: str | None) -> list[str]:
    columns = [
        column
        for encoder in model.encoders_.values()
        if isinstance(encoder, TemplateEncoder)
        for column in parse(encoder.template_).names()
    ] or text_columns(model.data_.items)
    return list(dict.fromkeys([*([title] if title else []), *columns]))


def _texts_of(
    items: pl.DataFrame, read: Sequence[str], title: str | None
) -> tuple[list[str], list[str]]:
    """All words of each item, and what it is called."""
    texts = render(items, "\n".join(f"{{{name}}}" for name in read)) if read else []
    titles = render(items, f"{{{title}}}") if title else []
    return texts or [""] * len(items), titles or [""] * len(items)


def _title_of(items: pl.DataFrame) -> str | None:
    names = [name for name in text_columns(items) if is_title_name(name)]
    return TITLE if TITLE in names else next(iter(names), None)


def read_words(model: Stages, texts: Sequence[str]) -> dict[str, Matrix]:
    """Texts in the space of every block with words; none where the catalogue has words alone.

    Raises `DataError` where nothing could be found by words: no encoder reads, no column has any.
    """
    reads = any(hasattr(encoder, "encode_texts") for encoder in model.encoders_.values())
    if not reads and text_columns(model.data_.items):
        return {}
    return encode_words(model.encoders_, model.transforms_, texts)


def search(model: Stages, texts: Sequence[str]) -> Found:
    """What the whole catalogue is worth to each text.

    The title is what counts most where the text is nearly one; below that, the share of its words
    that an item holds, and how near language models find it, are added up.
    """
    index, asked = index_of(model), tuple(texts)
    found = index.asked.get(asked)  # in one step: others may ask meanwhile
    if found is not None:
        return found
    found = _searched(model, index, texts)
    if found.scores.size <= MOST_KEPT:
        for part in (found.scores, found.titles, found.sentences, found.understood):
            part.setflags(write=False)
        index.asked.clear()
        index.asked[asked] = found
    return found


def _searched(model: Stages, index: _Index, texts: Sequence[str]) -> Found:
    held, alike = index.words.held(texts), index.titles.alike(texts)
    near, sentences, read = standing(model, index.vectors, texts)
    ample = np.maximum(held.weights / AMPLE, 1)[:, None]
    scores = MEANING * near + WORDS * ample * held.shares**2
    nearly = _nearly(texts, alike, held)
    scores += CALLED * np.maximum(alike.likeness - nearly, 0)
    titles = np.where(alike.likeness >= nearly, alike.likeness, np.float32(0))
    named = titles.any(axis=1)
    known = np.array([index.words.knows(text) for text in texts], dtype=np.bool_)
    return Found(scores.astype(np.float32), titles, sentences, read | known | named)


def _nearly(texts: Sequence[str], alike: Alike, held: Held) -> Floats:
    """(q, n) the likeness from which on each text may mean each title.

    That is less for a part of the title, for a text that holds the title, and where one slip is all
    that differs; where more may be slips, no word may differ that other items hold.
    """
    lengths = np.array([max(len(bare(text)), 1) for text in texts], dtype=np.float32)
    nearly = np.clip(1 - SLIPS / lengths, NEARLY, NEARLY_LONG).astype(np.float32)
    apart = np.maximum(alike.lacking, alike.beyond)
    holds = np.minimum(alike.lacking, alike.beyond) <= EDGES
    slips = (alike.lacking <= ONE_SLIP) | (apart <= TWO_SLIPS)
    meant = holds | (apart <= ONE_SLIP) | (slips & (held.lacking <= AGAINST))
    return np.where(meant, np.float32(NEARLY), nearly[:, None])


def _tell_unknown(model: Stages, texts: Sequence[str], found: Found) -> None:
    """Warns of texts that nothing understands, and of those that nobody here would write."""
    words = index_of(model).words
    lost = [text for text, heard in zip(texts, found.understood, strict=True) if not heard]
    if lost:
        _warn(f"nothing in this catalogue understands {_shown(lost)}: what is popular stands there")
    guessed = [
        text
        for text, heard, titles in zip(texts, found.understood, found.titles, strict=True)
        if heard and not titles.any() and words.is_strange(text)
    ]
    if guessed:
        _warn(f"no item holds a word like {_shown(guessed)}: the order is a language model's guess")


def _shown(texts: list[str]) -> str:
    return first_offenders(texts, len(texts))


def _warn(message: str) -> None:
    warn_caller(message, NotUnderstoodWarning)


def scored(model: Stages, asking: Histories) -> Floats:
    """(n, n_items) scores of requests, some of which may say something in words.

    Words alone are ordered by `search`; beside a history or a profile the two lists are fused by
    reciprocal ranks, since their scores have no scale in common. What nothing understands is left
    aside. Items that people mostly turned down stand below all others, unless words ask for them;
    what who asks turned down stands there even then.
    """
    said, last = _said(asking), model.data_.turned_down
    recommender = model.recommender_
    if not len(said):
        return with_last(recommender.score(asking), last)
    texts = asking.texts.gather(said).to_list()  # type: ignore[union-attr]
    found = search(model, texts)
    _tell_unknown(model, texts, found)
    heard = said[found.understood]
    silent = np.setdiff1d(np.arange(len(asking)), heard)
    scores = np.empty((len(asking), len(model.data_.item_ids)), dtype=np.float32)
    scores[heard] = found.scores[found.understood]
    if len(silent):
        scores[silent] = with_last(recommender.score(_wordless(asking, said).take(silent)), last)
    both = heard[_known(asking)[heard]]
    if len(both):
        history = with_last(recommender.score(_wordless(asking, said).take(both)), last)
        told = scores[both] > 0  # of other items the words say nothing
        scores[both] = reciprocal_ranks(history) + reciprocal_ranks(scores[both]) * told
    return _own_last(scores, asking, heard)


def _own_last(scores: Floats, asking: Histories, heard: NDArray[np.int64]) -> Floats:
    """The same with what the askers in `heard` turned down below all others, in their lists."""
    if asking.against is not None:
        for row in heard[asking.against.lengths[heard] > 0].tolist():
            own = np.setdiff1d(asking.against.row(row), asking.row(row)).astype(np.int32)
            scores[row] = with_last(scores[row : row + 1], own)[0]
    return scores


def _said(asking: Histories) -> NDArray[np.int64]:
    """The rows of the requests with words."""
    if asking.texts is None:
        return np.empty(0, dtype=np.int64)
    return np.flatnonzero(asking.texts.is_not_null().to_numpy())


def _known(asking: Histories) -> Mask:
    """(n,) of whom more is known than words: a history, or a profile."""
    known: Mask = (asking.lengths > 0) | asking.has_profile
    return known


def _wordless(asking: Histories, said: NDArray[np.int64]) -> Histories:
    """The same requests without the words of those in `said`; vectors given by hand stay."""
    queries: dict[str, Any] = {}
    if len(said) < len(asking):
        keep = np.ones(len(asking), dtype=np.float32)
        keep[said] = 0
        queries = {
            name: words.multiply(keep[:, None]).tocsr()
            if hasattr(words, "multiply")
            else words * keep[:, None]
            for name, words in asking.queries.items()
        }
    return replace(asking, queries=queries, texts=None)


def evidence_of(model: Stages, asking: Histories, items: Rows) -> list[Evidence]:
    """What speaks for item i at request i: words, the recommender's reason, or the stronger."""
    said = _said(asking)
    wordless = _wordless(asking, said)
    recommender: Any = model.recommender_
    if hasattr(recommender, "evidence"):
        found = recommender.evidence(wordless, items)
    else:
        found = from_content(model.features_, wordless, items)
    if not len(said):
        return list(found)
    heard, places = _places(model, asking.take(said), items[said])
    both = _known(asking)[said]
    past = wordless.take(said[both])
    history = scores_at(
        lambda part: reciprocal_ranks(recommender.score(part)), past, items[said[both]]
    )
    words = heard.copy()
    words[both] &= places[both] >= history
    for row in said[words].tolist():
        found[row] = Evidence("words")
    return list(found)


def _places(model: Stages, asking: Histories, items: Rows) -> tuple[Mask, Floats]:
    """(n,) whether the text of line i says something of item i, and its reciprocal rank for it."""
    lines: dict[str, list[int]] = {}
    for line, text in enumerate(asking.texts):  # type: ignore[arg-type]
        lines.setdefault(text, []).append(line)
    heard, places = np.zeros(len(items), dtype=np.bool_), np.zeros(len(items), dtype=np.float32)
    for text, own in lines.items():
        found = search(model, [text])
        # of an item without a word of it, and with no model that reads, the text says nothing
        heard[own] = found.understood[0] & (found.scores[0, items[own]] > 0)
        places[own] = reciprocal_ranks(found.scores)[0, items[own]]
    return heard, places


def similarity_to_words(model: Stages, asking: Histories, items: Rows) -> list[Similarity | None]:
    """How item i is like the text of request i: by title, by words, by its sentences or at all.

    None for requests that say nothing.
    """
    alike: list[Similarity | None] = [None] * len(items)
    lines: dict[str, list[int]] = {}
    for row in _said(asking).tolist():
        lines.setdefault(asking.texts[row], []).append(row)  # type: ignore[index]
    index = index_of(model)
    for text, rows in lines.items():
        found = search(model, [text])
        for row in rows:
            item = int(items[row])
            title = float(found.titles[0, item])
            alike[row] = (
                Similarity("title" if title >= SAME else "near_title")
                if title >= SURELY
                else _by_words(index, text, item, float(found.sentences[0, item]))
            )
    return alike


def _by_words(index: _Index, text: str, item: int, sentences: float) -> Similarity:
    shared = index.words.shared(text, item)
    names = [word for word in shared if word.isascii() and is_worth_naming(word)][:MOST_NAMES]
    if names:
        return Similarity("named", names)
    return Similarity("sentences" if sentences > 0 else "text")
