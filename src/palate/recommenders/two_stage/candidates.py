"""The few hundred items worth ordering for each request, and what is known of them: rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from palate.core.arrays import Floats, Mask, Matrix, Rows
from palate.core.features import Features
from palate.core.histories import Histories, history_of_items
from palate.core.ids import Ids
from palate.core.topk import tie_order, top_rows
from palate.recommenders._text_queries import has_query
from palate.recommenders.two_stage.catalogue import Catalogue
from palate.recommenders.two_stage.pair_features import (
    comparisons,
    context,
    memory,
    newest_items,
    places,
)
from palate.recommenders.two_stage.profiles import profile_popularity
from palate.recommenders.two_stage.recency import popular_lately
from palate.recommenders.two_stage.retrievers import ROUNDING, Profiles, Signal, retrieve
from palate.recommenders.two_stage.statistics import Statistics, fit_statistics
from palate.recommenders.two_stage.turned_down import turned_down_features

NEW_ITEMS = 50  # best items without any event that are proposed whatever their place in the sum
LEFT = 0.5  # of the candidates that a filter must leave to a list, or it gets candidates of its own
SAY = {"mix": 0.5, "directed": 1.5}  # of retrievers inside a filter, where that of the trees is 1
FIRST_FOR_STRANGERS = 1.0  # to the plain sum, of some hundredths, of what is popular lately
REPEATS = 10  # newest items of the history that may be proposed again


@dataclass(frozen=True)
class Candidates:
    """For n requests: `items` (n, k) catalogue rows, best first by the plain sum, -1 for none.

    `features` is (n, k, len(names)); `mix` (n, n_items) is the plain sum of z-scores; `requests`
    (n,) says which of those that were asked for these are, `narrow` (n,) for which the candidates
    were chosen inside a filter.
    """

    items: Rows
    features: Floats
    names: list[str]
    mix: Floats
    requests: Rows
    narrow: Mask


def candidates(
    histories: Histories,
    statistics: Statistics,
    catalogue: Catalogue,
    *,
    count: int,
    repeats: bool,
    answers: Rows | None = None,
) -> Candidates:
    """Chooses `count` unseen items a request (and recent ones again, if `repeats`), as rows.

    Where a filter (`histories.allowed`) leaves few of them, they are chosen inside it.
    With `answers` (n,) only the requests whose answer was chosen are described.
    """
    profiles = Profiles.of(histories)
    signals, moments = [], []
    popularity = np.log1p(statistics["popularity"])
    mix = np.tile(1e-3 * popularity, (len(histories), 1))
    for signal in retrieve(histories, profiles, statistics, catalogue):
        mean, deviation = signal.moments()
        if np.any(signal.weight):
            mix += (signal.dense - mean) * (signal.weight / deviation)
        signals.append(signal)
        moments.append((mean, deviation))
    new = (statistics["counts"] == 0) & (catalogue.anchor is not None)
    always = popular_lately(statistics, tie_order(histories.item_ids))
    items = _choose(histories, mix, new, always, count=count, repeats=repeats)
    narrow, barred = _narrowed(histories, items)
    if narrow.any():
        inside, asked = np.where(barred, np.float32(-np.inf), mix[narrow]), histories.take(narrow)
        again = _choose(asked, inside, new, always, count=count, repeats=repeats)
        items[narrow] = np.where(barred[again], np.int32(-1), again)
    requests = np.arange(len(histories), dtype=np.int32)
    if answers is not None:
        requests = requests[(items == answers[:, None]).any(axis=1)]
        histories, profiles = histories.take(requests), profiles.take(requests)
        for place, signal in enumerate(signals):  # one after the other, so that none is there twice
            signals[place] = signal.take(requests)
        moments = [(mean[requests], deviation[requests]) for mean, deviation in moments]
        items, mix, narrow = items[requests], mix[requests], narrow[requests]
    columns, kept = padded(items), items >= 0
    features: dict[str, Floats] = {}
    for around in moments:
        features |= _of_signal(signals.pop(0), around, columns, kept)
    chosen_mix = np.take_along_axis(mix, columns, axis=1)
    features |= context(histories, statistics, columns, chosen_mix, kept)
    features |= profile_popularity(features, statistics, columns)
    features |= memory(histories, columns)
    features |= comparisons(histories, profiles, statistics, catalogue, columns)
    features |= turned_down_features(histories, statistics, catalogue, columns)
    names = list(features)
    stacked = np.empty((*columns.shape, len(names)), dtype=np.float32)
    for place, name in enumerate(names):
        stacked[:, :, place] = features.pop(name)
    return Candidates(items, without_noise(stacked), names, mix, requests, narrow)


def feature_names(
    features: Features | None,
    *,
    behaviour: bool,
    times: bool,
    ease: bool,
    against: bool = False,
    users: Mapping[str, Matrix] = MappingProxyType({}),
) -> list[str]:
    """What the columns of `Candidates.features` are called, as a catalogue of two items shows.

    `users` are blocks of people, of which the names count, and whether they are sparse.
    """
    item_ids = Ids(["one", "other"])
    small: Features | None = None
    if features is not None:
        small = Features(item_ids, _blank(features.parts), behavioural=features.behavioural)
    histories = history_of_items(item_ids, [["one", "other"], ["other"]])
    people = Features(Ids(histories.user_ids), _blank(users)) if users else None
    histories = histories.with_users(people)
    catalogue = Catalogue.of(small, 2, users=people)
    if times or against:
        histories = replace(histories, times=np.zeros(len(histories.items)))
    if against:
        histories = replace(histories, against=histories)
    statistics = fit_statistics(histories, catalogue, behaviour=behaviour, seed=0)
    if not ease:
        statistics.pop("ease", None)
    return candidates(histories, statistics, catalogue, count=2, repeats=False).names


def _blank(parts: Mapping[str, Matrix]) -> dict[str, Matrix]:
    blank = np.zeros((2, 1), dtype=np.float32)
    return {
        name: sparse.csr_array(blank) if sparse.issparse(part) else blank
        for name, part in parts.items()
    }


def without_noise(values: Floats) -> Floats:
    """Values to 12 bits, in place: what rounding alone tells apart is equal, whatever the order."""
    for request in values:
        request[np.abs(request) < 1e-5] = 0
        bits = request.view(np.int32)
        bits += 1024
        bits &= ~2047
    return values


def _of_signal(
    signal: Signal,
    moments: tuple[Floats, Floats],
    columns: NDArray[np.int64],
    kept: NDArray[np.bool_],
) -> dict[str, Floats]:
    mean, deviation = moments
    values = np.take_along_axis(signal.dense, columns, axis=1)
    found = {signal.name: values, f"{signal.name} (z)": (values - mean) / deviation}
    if ":" not in signal.name:
        found[f"{signal.name} (place)"] = places(values, kept)
    return found


def _choose(
    histories: Histories,
    mix: Floats,
    new: NDArray[np.bool_],
    always: Rows,
    *,
    count: int,
    repeats: bool,
) -> Rows:
    seen = histories.seen().tocoo()
    order = mix.copy()
    order[seen.row, seen.col] = -np.inf
    tie = tie_order(histories.item_ids)
    strangers = (histories.lengths == 0) & ~has_query(histories)
    order[np.ix_(strangers, always)] += FIRST_FOR_STRANGERS
    chosen, _ = top_rows(order, min(count, order.shape[1]), tie)
    rows_of_new = np.flatnonzero(new)
    if len(rows_of_new):
        wanted = min(NEW_ITEMS, len(rows_of_new))
        extra, _ = top_rows(order[:, rows_of_new], wanted, tie[rows_of_new])
        extra = np.where(extra < 0, -1, rows_of_new[extra]).astype(np.int32)
        again = (extra[:, :, None] == chosen[:, None, :]).any(axis=2)
        chosen = np.hstack([chosen, np.where(again, np.int32(-1), extra)])
    if repeats:
        chosen = np.hstack([chosen, newest_items(histories, REPEATS, distinct=True)])
    return chosen


def _narrowed(histories: Histories, items: Rows) -> tuple[Mask, Mask]:
    """(n,) requests that lose most candidates to a filter that has others, and (n_items,) what is
    barred. All others keep the candidates, and so the order, of the whole list.
    """
    barred = np.zeros(len(histories.item_ids), dtype=np.bool_)
    if histories.allowed is None:
        return np.zeros(len(histories), dtype=np.bool_), barred
    barred[:] = True
    barred[histories.allowed] = False
    chosen = items >= 0
    left = chosen & ~barred[items]
    unseen = len(histories.allowed) - (histories.seen() @ (~barred).astype(np.float32))
    few = left.sum(axis=1) < LEFT * chosen.sum(axis=1)
    return few & (left.sum(axis=1) < unseen), barred


def agreed(values: Floats, found: Candidates, somebody: Mask) -> Floats:
    """(n, k) an order of the candidates in which, inside a filter, the retrievers have their say.

    Trees are taught on the best of whole catalogues. Far down in these they know little, so there
    the z-scores of their order, of the plain sum and of directed covisits are added up, by `SAY`.
    Requests without a history (not `somebody`) stay as they are.
    """
    mixed = found.narrow & somebody
    if not mixed.any():
        return values
    kept = found.items[mixed] >= 0
    total = _standard(values[mixed], kept)
    for name, weight in SAY.items():
        if name in found.names:
            said = found.features[mixed, :, found.names.index(name)]
            total += np.float32(weight) * _standard(said, kept)
    summed = values.copy()
    summed[mixed] = total
    return summed


def _standard(values: Floats, kept: Mask) -> Floats:
    """z-scores of each row's kept values."""
    count = np.maximum(kept.sum(axis=1, keepdims=True), 1)
    values = np.where(kept, values, 0).astype(np.float64)
    centred = np.where(kept, values - values.sum(axis=1, keepdims=True) / count, 0)
    deviation = np.sqrt((centred**2).sum(axis=1, keepdims=True) / count)
    level = ROUNDING * np.abs(values).max(axis=1, keepdims=True, initial=0)
    return np.where(deviation > level, centred / (deviation + 1e-9), 0).astype(np.float32)


def padded(items: Rows) -> NDArray[np.int64]:
    """Candidates with the best one in place of -1, so that padding changes no gap."""
    best = np.maximum(items[:, :1], 0)
    return np.where(items < 0, best, items).astype(np.int64)
