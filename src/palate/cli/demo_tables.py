"""The tables of `palate demo`: whom each of them asks about, and who answers."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from palate.core.arrays import Rows
from palate.core.columns import USER
from palate.core.dataset import Dataset
from palate.core.histories import Histories, history_of_items, ragged_positions
from palate.core.split import Answers, Split
from palate.data.split import split_cold_items
from palate.evaluation.compare import Candidate, Comparison, Ranked, compare
from palate.pipeline.pipeline import Pipeline
from palate.recommenders.blend import Blend
from palate.recommenders.content import Content
from palate.recommenders.covisit import Covisit
from palate.recommenders.ease import Ease
from palate.recommenders.item_knn import ItemKNN
from palate.recommenders.popular import Popular
from palate.recommenders.ranker import Ranker
from palate.recommenders.user_knn import UserKNN

DEFAULT: Final = "default"
IDS_ONLY: Final = "ranker, ids only"
POPULAR: Final = "popular"
LATELY: Final = "popular, 30 days"
NEW_SHARE: Final = 0.2
HELD_BACK: Final = 0.2  # of the films, for the second table
FILM_REQUESTS: Final = 2_000
"""Of the requests for films that were held back, drawn by seed: enough for an interval."""

_PLACES: Final = 10


@dataclass(frozen=True)
class Shown:
    """One table of the demo: what it asks, and what was found."""

    title: str
    asks: str
    split: Split
    comparison: Comparison


def rows_of_the_table() -> dict[str, Pipeline]:
    """What the first table compares: the default, its twin without words, the simple ones."""
    return {
        DEFAULT: Pipeline(),
        IDS_ONLY: Pipeline(encoders={}, users={}, recommender=Ranker()),
        "blend": Pipeline(users={}, recommender=Blend()),
        "content": Pipeline(users={}, recommender=Content()),
        "covisit": Pipeline(encoders={}, users={}, recommender=Covisit()),
        "ease": Pipeline(encoders={}, users={}, recommender=Ease()),
        "item_knn": Pipeline(encoders={}, users={}, recommender=ItemKNN()),
        "user_knn": Pipeline(encoders={}, users={}, recommender=UserKNN()),
        POPULAR: Pipeline(encoders={}, users={}, recommender=Popular()),
        LATELY: Pipeline(encoders={}, users={}, recommender=Popular(last_days=30)),
    }


def rows_for_new_films(models: Mapping[str, Pipeline]) -> dict[str, Pipeline]:
    """Those of the first table that say something about films without a rating, unfitted.

    Popularity stands for all that knows events alone: it finds none.
    """
    return {name: copy.copy(models[name]) for name in (DEFAULT, "content", "blend", POPULAR)}


def new_films(data: Dataset, models: Mapping[str, Pipeline]) -> Shown:
    """A fifth of the films is held back: who finds those that nobody has rated?"""
    whole = split_cold_items(data, share=HELD_BACK)
    count = min(FILM_REQUESTS, len(whole.histories))
    drawn = np.random.default_rng(0).permutation(len(whole.histories))[:count]
    split = _part(whole, np.sort(drawn).astype(np.int32))
    fitted = {name: model.fit(split.train) for name, model in rows_for_new_films(models).items()}
    stated = with_new_share(fitted[DEFAULT], NEW_SHARE)
    rows = {DEFAULT: fitted.pop(DEFAULT), f"{DEFAULT}, new_share={NEW_SHARE}": stated, **fitted}
    asks = (
        f"{len(split.cold_items):,} of the films held back with every rating: {count:,} of the "
        f"{len(whole.histories):,} requests for one of them, drawn by chance"
    )
    return Shown("New films", asks, split, compare(rows, split, reference=DEFAULT))


def with_new_share(model: Pipeline, share: float) -> Pipeline:
    """The same fitted pipeline with a stated share of places for new items: no fit is needed."""
    changed = copy.copy(model)
    recommender: Any = copy.copy(model.recommender_)
    changed.recommender_ = recommender.set_params(new_share=share)
    return changed


def new_people(split: Split, models: Mapping[str, Pipeline]) -> Shown:
    """People who came after the cut, before they did anything: what is their profile worth?

    One request each, all their choices are answers. Who is told nothing asks under another name,
    so that their row of the table of users is not found.
    """
    asked = before_they_began(split)
    strangers = replace(asked, histories=_nameless(asked))
    default = models[DEFAULT]
    rows: dict[str, Candidate] = {
        DEFAULT: default,
        f"{DEFAULT}, told nothing": Ranked.of(default, strangers, _PLACES),
        IDS_ONLY: models[IDS_ONLY],
        POPULAR: models[POPULAR],
        LATELY: models[LATELY],
    }
    asks = (
        f"{len(asked.histories):,} people who came after the cut, before they rated anything: "
        "age, gender, occupation and zip code are all that is known of them"
    )
    return Shown("New people", asks, asked, compare(rows, asked, reference=DEFAULT))


def before_they_began(split: Split) -> Split:
    """One request for each person without a training event, without a history; all they chose."""
    names = split.histories.user_ids
    known = split.train.events[USER].unique()
    rows = np.flatnonzero(~names.is_in(known.implode()).to_numpy())
    people = names.gather(rows).unique(maintain_order=True)
    place = {name: nth for nth, name in enumerate(people)}
    whose = np.array([place[name] for name in names.gather(rows)], dtype=np.int64)
    rows, counts = rows[np.argsort(whose, kind="stable")], np.bincount(whose, minlength=len(people))
    answers = _answers(split, rows.astype(np.int32))
    per_request = answers.stops - answers.starts
    ends = np.cumsum(counts)
    total = np.concatenate([[0], np.cumsum(per_request)])
    sealed = Answers(total[ends - counts], total[ends], answers.items)
    histories = history_of_items(
        split.train.item_ids, [[]] * len(people), user_ids=people.to_list()
    )
    return replace(split, histories=histories, sealed=sealed)


def _nameless(split: Split) -> Histories:
    count = len(split.histories)
    return replace(split.histories, user_ids=pl.Series([f"somebody {nth}" for nth in range(count)]))


def _part(split: Split, rows: Rows) -> Split:
    """The same split, some of its requests."""
    return replace(split, histories=split.histories.take(rows), sealed=_answers(split, rows))


def _answers(split: Split, rows: Rows) -> Answers:
    """The answers of some requests, in arrays of their own."""
    _, position = ragged_positions(split.sealed.starts[rows], split.sealed.stops[rows])
    counts: NDArray[np.int64] = (split.sealed.stops - split.sealed.starts)[rows]
    stops = np.cumsum(counts)
    return Answers(stops - counts, stops, split.sealed.items[position])
