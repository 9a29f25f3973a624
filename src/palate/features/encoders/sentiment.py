"""How people wrote about items: how well they like them, how much they disagree."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import field
from functools import cached_property, partial
from typing import Annotated, Any, Self, TypeAlias

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import NonNegativeInt, PositiveFloat

from palate.core import registry
from palate.core.arrays import Floats
from palate.core.checks import as_texts, check_unicode
from palate.core.columns import ITEM, TEXT
from palate.core.component import LoadsItself, check_fitted, check_types, component, learnt
from palate.core.dataset import Dataset
from palate.core.errors import Setting
from palate.core.features import Features
from palate.core.ids import Ids
from palate.core.learnt import agree
from palate.core.optional import Requirement, requirements_of
from palate.core.paths import Located
from palate.core.settings import AnyEncoder
from palate.features.template_encoder import read_texts, reader_of
from palate.nn.hub.cards import about_model
from palate.text.sentiment import (
    NEEDED,
    about_texts,
    check_anything_said,
    events_with_text,
    labelled_texts,
    lexicon_classes,
    lexicon_sentiment,
    said_with_ratings,
    whole_and_clauses,
)
from palate.text.sentiment_head import Head, check_head, decide, fit_head, judge

__all__ = ["Sentiment"]

RATINGS = "ratings"
Labels: TypeAlias = Annotated[str, Located(words=lambda: [RATINGS])]
COLUMNS = ("mean", "spread", "negative", "reviews")
_TEXTS_AT_ONCE = 5_000  # each with up to 24 clauses


@component
class Sentiment(LoadsItself):
    """What people wrote about each item: mean and spread of its sentiment, share negative, count.

    Reviews are the `text` of the events that are fitted on. `labels` says what positive means: a
    table of texts and labels trains a calibrated linear head on the vectors of `encoder` (a
    pretrained text encoder, or its table); "ratings" trains it on the reviews' own clear ratings;
    left out, VADER judges, and SnowNLP what is in Chinese (extra "sentiment"). Means, spreads and
    shares are drawn towards those of all reviews, as if each item had `prior` more that are
    average; the count is log(1 + reviews). All four are standardised over items with events.
    """

    labels: Labels | None = None
    encoder: AnyEncoder = field(default_factory=lambda: {"type": "muse"})
    prior: PositiveFloat = 5.0
    seed: NonNegativeInt = 0

    head_: Head = learnt()
    ids_: Ids = learnt()
    summaries_: Floats = learnt("ids_", len(COLUMNS))
    usual_: Floats = learnt(len(COLUMNS))
    scales_: dict[str, Floats] = learnt(2, len(COLUMNS))

    def __post_init__(self) -> None:
        self.encoder = registry.table_of(
            self.encoder, where=Setting("encoder", python="Sentiment.encoder"), stage="encoders"
        )
        check_types(self)
        _ = self._reader

    @property
    def requires(self) -> tuple[Requirement, ...]:
        """The lexicons, or with `labels` what its encoder needs."""
        return (NEEDED,) if self.labels is None else requirements_of(self._reader)

    def describe(self, data: Dataset) -> Iterator[str]:
        """How many texts are read, of events and of labels; raises as `fit` does."""
        yield from about_texts(data, who="sentiment")
        if self.labels is None:
            return
        if self.labels != RATINGS:
            yield f"learns from {len(labelled_texts(self.labels)[0]):,} labelled texts"
        yield from about_model(self._reader)

    def fit(self, data: Dataset) -> Self:
        """Learns what positive means and reads the reviews; `DataError` where there are none."""
        check_anything_said(data, who="sentiment")
        events = events_with_text(data)
        self.head_ = self._trained(events)
        polarity, negative = self.judge_texts(events[TEXT].to_list())
        mean = float(polarity.mean(dtype=np.float64))
        usual = (mean, float(polarity.std(dtype=np.float64)), float(negative.mean()), 0.0)
        self.usual_ = np.array(usual, dtype=np.float32)
        self.ids_ = data.item_ids
        rows = events["item_row"].to_numpy()
        self.summaries_ = self._summed(rows, len(data.item_ids), polarity, negative)
        users = self._summed(events["user_row"].to_numpy(), len(data.user_ids), polarity, negative)
        self.scales_ = {
            "items": _scales(self.summaries_[data.warm_items]),
            "people": _scales(users),
        }
        return self

    def check_learnt(self) -> None:
        """Raises `ValueError` for a head, or for scales, that are none."""
        check_head(self.head_)
        agree(self.scales_.keys() == {"items", "people"}, f"scales_ of {sorted(self.scales_)}")
        agree(all((scale[1] > 0).all() for scale in self.scales_.values()), "scales_ of zero")

    def encode(self, data: Dataset) -> Features:
        """One behavioural block: (n_items, 4); items that nobody reviewed are average, with 0."""
        check_fitted(self)
        block = _standardised(self._summaries_of(data), self.scales_["items"])
        return Features(data.item_ids, {"sentiment": block}, behavioural=["sentiment"])

    @property
    def block_width(self) -> int:
        """Columns of its block, by what was learnt alone: nothing is encoded."""
        check_fitted(self)
        return len(COLUMNS)

    def user_sentiment(self, data: Dataset) -> Features:
        """The same block of the people of `data`, from what they wrote in its events.

        (n_people, 4), standardised as the people who were fitted on; who wrote nothing is average.
        """
        check_fitted(self)
        events = events_with_text(data)
        judged = self.judge_texts(events[TEXT].to_list())
        summaries = self._summed(events["user_row"].to_numpy(), len(data.user_ids), *judged)
        block = _standardised(summaries, self.scales_["people"])
        return Features(data.user_ids, {"sentiment": block}, behavioural=["sentiment"])

    def table(self, data: Dataset) -> pl.DataFrame:
        """`item_id`, `mean` (-1 to 1), `spread`, `negative` (0 to 1), `reviews`, to be read."""
        check_fitted(self)
        summaries = dict(zip(COLUMNS, self._summaries_of(data).T, strict=True))
        counts = np.rint(np.expm1(summaries.pop("reviews"))).astype(np.int64)
        return pl.DataFrame({ITEM: data.item_ids.series, **summaries, "reviews": counts})

    def judge_texts(self, texts: Sequence[str]) -> tuple[Floats, Floats]:
        """(n,) from -1 (negative) to 1, and the probability of being negative.

        VADER's verdict on that is 0 or 1. Blank texts give 0 and 0.
        """
        polarity, negative = self._once(texts, self._judged, 2)
        return polarity, negative

    def classify_texts(self, texts: Sequence[str]) -> Floats:
        """(n,) the class of each text, from -1 (negative) to 1; 0 for blank texts.

        With a head, these are the classes of its labels, rare ones not forgotten; VADER's neutral
        lies between -0.05 and 0.05, SnowNLP knows only two.
        """
        return self._once(texts, self._classified, 1)[0]

    def _once(
        self, texts: Sequence[str], judge: Callable[[list[str]], tuple[Floats, ...]], width: int
    ) -> list[Floats]:
        """`width` arrays with a number for each text; every text is judged once."""
        if not hasattr(self, "head_"):
            check_fitted(self)
        texts = as_texts(texts)
        check_unicode(texts)
        place_of = {text: place for place, text in enumerate(dict.fromkeys(texts))}
        unique = list(place_of)
        parts = [
            judge(unique[start : start + _TEXTS_AT_ONCE])
            for start in range(0, len(unique), _TEXTS_AT_ONCE)
        ]
        places = np.fromiter(map(place_of.__getitem__, texts), np.int64, len(texts))
        none = np.empty(0, dtype=np.float32)
        return [
            np.concatenate([none, *(part[column] for part in parts)])[places]
            for column in range(width)
        ]

    def _classified(self, texts: list[str]) -> tuple[Floats]:
        if self.head_:
            return (decide(self.head_, self._vectors(texts)) * _says_something(texts),)
        return (lexicon_classes(texts),)

    def _judged(self, texts: list[str]) -> tuple[Floats, Floats]:
        if not self.head_:
            return lexicon_sentiment(texts)
        polarity, negative = judge(self.head_, self._vectors(texts))
        said = _says_something(texts)
        return polarity * said, negative * said

    def _trained(self, events: pl.DataFrame) -> Head:
        if self.labels is None:
            return {}
        texts, values = (
            said_with_ratings(events) if self.labels == RATINGS else labelled_texts(self.labels)
        )
        return fit_head(self._vectors(texts), values, seed=self.seed)

    def _vectors(self, texts: Sequence[str]) -> Floats:
        read = partial(read_texts, self._reader, who="sentiment")
        starts = range(0, max(len(texts), 1), _TEXTS_AT_ONCE)
        parts = [whole_and_clauses(texts[at : at + _TEXTS_AT_ONCE], read) for at in starts]
        return np.vstack(parts)

    @cached_property
    def _reader(self) -> Any:
        return reader_of(self.encoder, who="sentiment")

    def _summaries_of(self, data: Dataset) -> Floats:
        rows = self.ids_.find(data.item_ids.series)
        found: Floats = np.where((rows >= 0)[:, None], self.summaries_[rows], self.usual_)
        return found

    def _summed(
        self, place: NDArray[np.integer[Any]], count: int, polarity: Floats, negative: Floats
    ) -> Floats:
        """(count, 4): mean, spread, share negative and log(1 + reviews) of each place."""
        reviews = np.bincount(place, minlength=count)
        total = reviews + self.prior
        mean, spread, share, _ = self.usual_.astype(np.float64)
        means = (np.bincount(place, polarity, count) + self.prior * mean) / total
        squares = (polarity - means[place]) ** 2
        spreads = np.sqrt((np.bincount(place, squares, count) + self.prior * spread**2) / total)
        shares = (np.bincount(place, negative, count) + self.prior * share) / total
        columns = [means, spreads, shares, np.log1p(reviews)]
        return np.column_stack(columns).astype(np.float32)


def _says_something(texts: Sequence[str]) -> Floats:
    return np.array([bool(text.strip()) for text in texts], dtype=np.float32)


def _scales(summaries: Floats) -> Floats:
    """(2, 4): centre and standard deviation of each column, 1 where it never varies."""
    table = summaries.astype(np.float64)
    deviation = table.std(axis=0)
    return np.stack([table.mean(axis=0), np.where(deviation > 1e-6, deviation, 1.0)]).astype(
        np.float32
    )


def _standardised(summaries: Floats, scales: Floats) -> Floats:
    return np.asarray((summaries - scales[0]) / scales[1], dtype=np.float32)
