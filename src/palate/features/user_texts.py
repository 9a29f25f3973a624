"""People in words: what they did as a sentence, and what they wrote, as vectors of any reader."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from palate.core.arrays import Matrix, stack_rows
from palate.core.columns import EVENT, TEXT, TITLE, VALUE
from palate.core.dataset import Dataset
from palate.core.doors import called_rightly_in
from palate.core.errors import ConfigError
from palate.core.histories import Histories, event_rows, ragged_positions
from palate.text.history import verbalise
from palate.text.normalise import Language
from palate.text.template import default_template, render

TEXTS_AT_ONCE = 50_000
_CJK = r"[\u4e00-\u9fff]"


@runtime_checkable
class TextReader(Protocol):
    """Any text encoder."""

    def encode_texts(self, texts: Sequence[str]) -> Matrix: ...


Reads: TypeAlias = Callable[[Sequence[str]], Mapping[str, Matrix]]
Reader: TypeAlias = "TextReader | Reads"
"""A text encoder, or a function from texts to vectors by block, such as `Pipeline.queries`."""


def reading(reader: Reader) -> Reads:
    """Texts → vectors by the name of their block, which is "" for an encoder's only one.

    Raises `ConfigError` for what reads no texts.
    """
    if isinstance(reader, type):
        raise ConfigError(f"reader is the class {reader.__name__}: write {reader.__name__}()")
    if isinstance(reader, TextReader):
        encode = reader.encode_texts
        return lambda texts: {"": encode(texts)}
    if not callable(reader):
        raise ConfigError(
            f"reader = {reader!r} reads no texts: give a text encoder, such as TextEncoder(), or "
            "the queries of a fitted pipeline"
        )
    return reader


@called_rightly_in
@dataclass(frozen=True, kw_only=True)
class HistoryText:
    """How a history is put into words.

    `names` says what each item of the catalogue is called: its title by default. `language` is
    that of most of these names. The others are settings of `palate.text.history.verbalise`: the
    newest `max_items` events are told, in at most `max_chars` characters.
    """

    names: Sequence[str] | None = None
    language: Language | None = None
    verbs: Mapping[str, str] | None = None
    max_items: int = 20
    max_chars: int = 1000


def history_texts(histories: Histories, data: Dataset, history_text: HistoryText) -> list[str]:
    """What each of these histories of `data` holds, in words: "" for an empty one.

    Nothing but the histories' own events is said, what was turned down among them.
    """
    histories, data = histories.every(), data.every()
    called = names_of(data.items) if history_text.names is None else list(history_text.names)
    source, events = event_rows(histories, data), data.interactions
    known = len(histories.item_ids)  # a history may know fewer items than the data, or more
    called = called[:known] + [""] * (known - len(called))
    return verbalise(
        histories,
        called,
        language=history_text.language or language_of(called),
        events=events[EVENT][source] if EVENT in events.columns else None,
        values=events[VALUE].to_numpy()[source] if VALUE in events.columns else None,
        verbs=history_text.verbs,
        max_items=history_text.max_items,
        max_chars=history_text.max_chars,
    )


def names_of(items: pl.DataFrame) -> list[str]:
    """What each item is called: its title or name, else all that it says."""
    for column in (TITLE, "name"):
        if column in items.columns:
            return items[column].cast(pl.String).fill_null("").to_list()
    return render(items, default_template(items))


def language_of(texts: Sequence[str]) -> Language:
    """Chinese where most of the first texts hold Chinese characters, else English."""
    share = pl.Series(texts[:1000], dtype=pl.String).str.contains(_CJK).mean()
    return "zh" if isinstance(share, float) and share > 0.5 else "en"


def pooled_reviews(
    histories: Histories,
    data: Dataset,
    read: Reads,
    *,
    decay: float = 0.9,
    length: int | None = None,
    weighted: bool = False,
) -> dict[str, Matrix]:
    """Block → (n, d): the mean of what people wrote at the events of their histories.

    What was turned down counts too. The k-th newest text counts `decay`^k, times its event's
    weight if `weighted`; somebody who wrote nothing gets zeros. A bounded number of texts is held
    at a time.
    """
    histories, data = histories.every(), data.every()
    texts = data.interactions[TEXT].fill_null("").str.strip_chars()[event_rows(histories, data)]
    recent = histories if length is None else histories.last(length)
    row, position = ragged_positions(recent.starts, recent.stops)
    said = (texts != "").to_numpy()[position]
    row, position = row[said], position[said]
    counts = np.bincount(row, minlength=len(histories))
    age = (np.cumsum(counts)[row] - 1 - np.arange(len(row))).astype(np.float64)
    weights = decay**age * (histories.weights[position] if weighted else 1.0)
    found: dict[str, Matrix] = {}
    for first, last in _parts(counts):
        part = slice(*np.searchsorted(row, [first, last]))
        averaging = _averaging(row[part] - first, weights[part], last - first)
        for name, vectors in read(texts[position[part]].to_list()).items():
            pooled: Any = averaging @ vectors
            found[name] = stack_rows(found[name], pooled) if name in found else pooled
    return found


def _parts(counts: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Ranges of people who wrote about `TEXTS_AT_ONCE` texts together, or one who wrote more."""
    before = np.concatenate([[0], np.cumsum(counts)])
    first = 0
    while True:
        reach = int(np.searchsorted(before, before[first] + TEXTS_AT_ONCE, side="right")) - 1
        last = min(max(reach, first + 1), len(counts))
        yield first, last
        if last >= len(counts):
            return
        first = last


def _averaging(
    row: NDArray[np.int64], weights: NDArray[np.float64], n_rows: int
) -> sparse.csr_array:
    """(n_rows, texts) shares that sum to 1 in each row that has any weight."""
    sums = np.bincount(row, weights, minlength=n_rows)[row]
    shares = np.divide(weights, sums, out=np.zeros_like(weights), where=sums > 0)
    place = np.arange(len(row))
    shape = (n_rows, len(row))
    return sparse.csr_array((shares.astype(np.float32), (row, place)), shape=shape)
