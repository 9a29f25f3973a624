"""People as features: what they did, pooled over their items, beside what they say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, TypeAlias

import numpy as np
from scipy import sparse

from palate.core.arrays import Matrix, row_norms, scale_rows
from palate.core.columns import TEXT, USER
from palate.core.dataset import Dataset
from palate.core.doors import door
from palate.core.errors import (
    AlignmentError,
    ConfigError,
    DataError,
    did_you_mean,
    first_offenders,
)
from palate.core.features import Features
from palate.core.histories import Histories, histories_of
from palate.core.ids import Ids
from palate.features.event_statistics import (
    Events,
    events_of_histories,
    events_of_users,
    learn,
    standardised,
)
from palate.features.history_attention import attending, attention_of
from palate.features.user_texts import HistoryText, Reader, history_texts, pooled_reviews, reading

__all__ = ["pool", "user_aggregates", "user_features", "user_views"]

Pooling: TypeAlias = Literal["decayed", "mean", "weighted", "attention"]
POOLINGS = ("decayed", "mean", "weighted", "attention")
HISTORY, QUERY, HISTORY_TEXT, REVIEWS = "history", "query", "history_text", "reviews"

_AS_IT_IS = HistoryText()

NUMBERS = "history.numbers"


def pool(
    histories: Histories,
    features: Features,
    *,
    how: Pooling = "decayed",
    decay: float = 0.9,
    length: int | None = None,
    fitted_on: Dataset | Histories | None = None,
) -> dict[str, Matrix]:
    """(n, d) for each block: the mean of the features of the `length` newest items of each history.

    "mean" counts each item once, "weighted" by its event's weight, "decayed" by that times
    `decay`^k for the k-th newest event, and "attention" by that times a weight that the item has in
    each block, learnt from what people of `fitted_on` (by default of `histories`) chose next. Items
    that lack a block, rows of zeros, are left out of its mean. An empty history gives zeros; sparse
    blocks stay sparse.
    """
    if how not in POOLINGS:
        raise ConfigError(f"how = {how!r} cannot be used.{did_you_mean(str(how), POOLINGS)}")
    asking = histories.in_catalogue(features.ids)
    rate = decay if how in ("decayed", "attention") else 1.0
    weights = asking.matrix(decay=rate, length=length, weighted=how != "mean")
    if how != "attention":
        return {name: _averaged(weights, part) for name, part in features.parts.items()}
    basis = histories if fitted_on is None else fitted_on
    if isinstance(basis, Dataset):
        basis = histories_of(basis)
    learnt_from, found = basis.in_catalogue(features.ids), {}
    for name, part in features.parts.items():
        scores = attention_of(learnt_from, part, name, rate)
        found[name] = _averaged(attending(weights, scores), part)
    return found


def _averaged(weights: sparse.csr_array, part: Matrix) -> Matrix:
    """(n, d) weighted means of the rows that are not zeros."""
    known = row_norms(part) > 0
    sums = np.asarray(weights @ known.astype(np.float32))
    shares = np.divide(1.0, sums, out=np.zeros_like(sums), where=sums > 0)
    averaging = scale_rows(weights, shares.astype(np.float32))
    return averaging @ part


@door()
def user_features(
    histories: Histories,
    items: Features,
    queries: Mapping[str, Matrix] | None = None,
    *,
    how: Pooling = "decayed",
    decay: float = 0.9,
    length: int | None = None,
    fitted_on: Dataset | Histories | None = None,
) -> Features:
    """One row a user, [h; v]: blocks "history.NAME" as `pool` has them, then "query.NAME".

    With `how="attention"` name the training part in `fitted_on`, which keeps the future out;
    `queries` hold (n, d) vectors by block name; left out, those of the histories. User ids must be
    unique; the blocks of what people did are behavioural.
    """
    pooled = {
        f"{HISTORY}.{name}": part
        for name, part in pool(
            histories, items, how=how, decay=decay, length=length, fitted_on=fitted_on
        ).items()
    }
    asked: dict[str, Matrix] = {}
    for name, vectors in (histories.queries if queries is None else queries).items():
        rows, *dims = np.shape(vectors) or (0,)
        if rows != len(histories) or len(dims) != 1:
            raise AlignmentError(
                f"queries[{name!r}] has {rows} rows for {len(histories)} histories"
            )
        asked[f"{QUERY}.{name}"] = vectors
    names = {f"{HISTORY}.{name}": own for name, own in items.names.items()}
    for name, own in items.names.items():
        vectors_of_words = asked.get(f"{QUERY}.{name}")
        if vectors_of_words is not None and vectors_of_words.shape[1] == len(own):
            names[f"{QUERY}.{name}"] = own
    return Features(_one_row_each(histories), {**pooled, **asked}, behavioural=pooled, names=names)


def _one_row_each(histories: Histories) -> Ids:
    """Who asks; raises `AlignmentError` for people who ask several times, as in a split by time."""
    again = histories.user_ids.is_duplicated()
    if again.any():
        twice = histories.user_ids.filter(again).unique(maintain_order=True)
        raise AlignmentError(
            "people have one row each, but these ask several times:"
            f" {first_offenders(twice, len(twice))}. Take one request of each, as the last with"
            " histories.take(histories.user_ids.is_last_distinct().arg_true()); pool(histories,"
            " items) of palate.features.users has a row a request"
        )
    return Ids(histories.user_ids, of=USER)


@door()
def user_views(
    data: Dataset,
    items: Features | None = None,
    reader: Reader | None = None,
    *,
    histories: Histories | None = None,
    queries: Mapping[str, Matrix] | None = None,
    beside: Features | Iterable[Features] = (),
    history_text: HistoryText = _AS_IT_IS,
    how: Pooling = "decayed",
    decay: float = 0.9,
    length: int | None = None,
    fitted_on: Dataset | Histories | None = None,
) -> Features:
    """One row a user: what they did, what they did in words, what they wrote, what they say.

    Blocks: "history.NAME", the pooled features of their `items`; "history_text", their history as a
    sentence that `reader` encodes; "reviews", the mean of the texts of their events, newest
    weighted, where the data hold texts; "query.NAME", their `queries`; then the blocks of `beside`,
    features of people by user id, such as numbers. Of a reader with blocks of its own
    (`Pipeline.queries`) they are "history_text.NAME" and "reviews.NAME". `histories` (by default
    all that `data` hold) are histories of `data`: no event outside them is looked at, so give the
    training part, or histories that end where learning ends. `how`, `decay`, `length` and
    `fitted_on` pool as in `user_features`; sentences and reviews know no attention. Zeros stand for
    nothing. Raises `AlignmentError` for histories of other data, `UnknownIdError` where `beside`
    lacks a person.
    """
    asking = histories_of(data) if histories is None else histories
    if items is None:
        items = Features(asking.item_ids, {})
    every = user_features(
        asking, items, queries, how=how, decay=decay, length=length, fitted_on=fitted_on
    )
    users = every.select(name for name in every.parts if name in every.behavioural)
    asked = every.select(name for name in every.parts if name not in every.behavioural)
    if reader is not None:
        read = reading(reader)
        texts = read(history_texts(asking, data, history_text))
        users = users.beside(_behavioural(users.ids, HISTORY_TEXT, texts))
    if reader is not None and TEXT in data.interactions.columns:
        rate = decay if how in ("decayed", "attention") else 1.0
        wrote = pooled_reviews(
            asking, data, read, decay=rate, length=length, weighted=how != "mean"
        )
        users = users.beside(_behavioural(users.ids, REVIEWS, wrote))
    users = users.beside(asked)
    for other in [beside] if isinstance(beside, Features) else beside:
        rows = other.ids.rows(users.ids.series, what="people in the features beside")
        users = users.beside(other.take(rows))
    return users


def _behavioural(ids: Ids, view: str, parts: Mapping[str, Matrix]) -> Features:
    named = {f"{view}.{name}" if name else view: part for name, part in parts.items()}
    return Features(ids, named, behavioural=named)


@door()
def user_aggregates(
    source: Dataset | Histories,
    *,
    fitted_on: Dataset | Histories | None = None,
    recent: float = 0.25,
    max_events: int = 20,
) -> Features:
    """One row a person, the block "history.numbers": the aggregates of what that person did.

    As `Aggregates` has them of items: counts of events, of different items and by kind, share of
    repeats, mean and spread of values, totals, recency, rhythm and trend; standardised. People are
    those of `data.user_ids`, or the requests of histories, whose user ids must be unique; histories
    hold neither kinds of events nor values, so such columns are theirs only if `fitted_on` has
    them, at what is usual. Priors, scales and the present moment are learnt from `fitted_on`, by
    default from `source`: name the training part to keep the future out. Stands beside
    `user_features` of the same people. Raises `DataError` where there is no event to learn from.
    """
    if not 0 < recent < 1:
        raise ConfigError(f"recent must be a share between 0 and 1, not {recent}")
    events = _events(source)
    basis = events if fitted_on is None else _events(fitted_on)
    if not len(basis.own):
        raise DataError("there are no events to learn from: name the training data in fitted_on=")
    recipe = learn(basis, recent=recent, max_events=max_events, other="items")
    ids = _one_row_each(source) if isinstance(source, Histories) else source.user_ids
    numbers = standardised(events, recipe)
    named = {NUMBERS: recipe["names"]}
    return Features(ids, {NUMBERS: numbers}, behavioural=[NUMBERS], names=named)


def _events(source: Dataset | Histories) -> Events:
    if isinstance(source, Histories):
        return events_of_histories(source)
    return events_of_users(source)
