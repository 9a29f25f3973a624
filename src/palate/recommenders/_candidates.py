"""The few hundred items worth ordering for each request, and what is known of them: rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from palate.histories import Histories
from palate.recommenders._base import zscores
from palate.recommenders._retrievers import retrieve
from palate.recommenders._statistics import Catalogue, Statistics
from palate.types import Floats, Rows

QUOTA = 10  # items that each retriever may propose, whatever the sum says
ANCHORS = 10  # newest items of the history that a candidate is compared with one by one
REPEATS = 10  # newest items of the history that may be proposed again
NO_AGE = 99.0
MIX = {"directed": 1.0, "smoothed": 0.5}
MIX_CONTENT = 0.5

_PROPOSING = ("directed", "conditional", "together", "smoothed", "space", "people")


@dataclass(frozen=True)
class Candidates:
    """For n requests: `items` (n, k) catalogue rows, best first by the plain sum, -1 for none.

    `features` is (n, k, len(names)); `mix` (n, n_items) is the plain sum of z-scores.
    """

    items: Rows
    features: Floats
    names: list[str]
    mix: Floats


def candidates(
    histories: Histories,
    statistics: Statistics,
    catalogue: Catalogue,
    *,
    count: int,
    repeats: bool,
    only: Rows | None = None,
) -> Candidates:
    """Chooses `count` unseen items a request (and recent ones again, if `repeats`), as rows.

    `only` (n, k) asks for rows of these items instead of choosing.
    """
    n_items = catalogue.n_items
    raw: dict[str, Floats] = {}
    standard: dict[str, Floats] = {}
    mix = np.zeros((len(histories), n_items), dtype=np.float32)
    for name, scores in retrieve(histories, statistics, catalogue):
        raw[name], standard[name] = scores, zscores(scores)
        mix += _weight(name) * standard[name]
    mix += 1e-3 * zscores(np.log1p(statistics["popularity"])[None, :])
    if only is None:
        items = _choose(histories, mix, raw, count=min(count, n_items), repeats=repeats)
    else:
        items = only
    columns = np.where(items < 0, 0, items).astype(np.int64)
    features: dict[str, Floats] = {}
    for name in raw:
        features[name] = np.take_along_axis(raw[name], columns, axis=1)
        features[f"{name} (z)"] = np.take_along_axis(standard[name], columns, axis=1)
        if name in _PROPOSING or ":" not in name:
            features[f"{name} (place)"] = _places(features[name])
    features |= _context(histories, statistics, columns, np.take_along_axis(mix, columns, axis=1))
    features |= _memory(histories, columns)
    features |= _comparisons(histories, statistics, catalogue, columns)
    names = list(features)
    stacked = np.stack([features[name] for name in names], axis=2).astype(np.float32, copy=False)
    return Candidates(items, stacked, names, mix)


def _weight(name: str) -> float:
    if name in MIX:
        return MIX[name]
    return MIX_CONTENT if name not in _PROPOSING and ":" not in name else 0.0


def _choose(
    histories: Histories, mix: Floats, raw: dict[str, Floats], *, count: int, repeats: bool
) -> Rows:
    seen = histories.seen().tocoo()
    order = mix.copy()
    quota = min(QUOTA, mix.shape[1])
    for name, scores in raw.items():
        if name not in _PROPOSING and ":" in name and not name.endswith(":map"):
            continue
        unseen = scores.copy()
        unseen[seen.row, seen.col] = -np.inf
        best = np.argpartition(-unseen, quota - 1, axis=1)[:, :quota]
        proposed = np.take_along_axis(unseen, best, axis=1) > 1e-6
        lift = np.where(proposed, np.float32(1e6), np.float32(0))
        current = np.take_along_axis(order, best, axis=1)
        np.put_along_axis(order, best, np.where(current < 5e5, current + lift, current), axis=1)
    order[seen.row, seen.col] = -np.inf
    best = np.argpartition(-order, count - 1, axis=1)[:, :count]
    able = np.isfinite(np.take_along_axis(order, best, axis=1))
    value = np.where(able, np.take_along_axis(mix, best, axis=1), -np.inf)
    sort = np.argsort(-value, axis=1, kind="stable")
    chosen = np.where(
        np.take_along_axis(able, sort, axis=1), np.take_along_axis(best, sort, axis=1), -1
    ).astype(np.int32)
    if repeats:
        chosen = np.hstack([chosen, _recent(histories, REPEATS, distinct=True)])
    return chosen


def _recent(histories: Histories, count: int, *, distinct: bool = False) -> Rows:
    """(n, count) the newest items of each history, newest first; -1 where there is none."""
    recent = np.stack([histories.newest(back) for back in range(1, count + 1)], axis=1)
    if distinct:
        for place in range(1, count):
            again = (recent[:, :place] == recent[:, place : place + 1]).any(axis=1)
            recent[again, place] = -1
    return recent


def _places(values: Floats) -> Floats:
    """The place of each candidate by one retriever, 0 the best."""
    order = np.argsort(-values, axis=1, kind="stable")
    places = np.empty_like(values)
    rank = np.broadcast_to(np.arange(values.shape[1], dtype=np.float32), values.shape)
    np.put_along_axis(places, order, rank, axis=1)
    return places


def _context(
    histories: Histories, statistics: Statistics, columns: NDArray[np.int64], mix: Floats
) -> dict[str, Floats]:
    log_popularity = np.log1p(statistics["popularity"])
    trend = np.log((statistics["newest"] + 0.5) / (statistics["counts"] + 5.0))
    newest = histories.newest()
    last = np.where(newest < 0, -1.0, log_popularity[np.maximum(newest, 0)]).astype(np.float32)
    top = mix.max(axis=1, keepdims=True)

    def a_request(values: NDArray[np.generic]) -> Floats:
        return np.broadcast_to(np.asarray(values, dtype=np.float32)[:, None], columns.shape)

    return {
        "mix": mix,
        "mix (gap)": top - mix,
        "mix (place)": _places(mix),
        "mix (best)": a_request(top[:, 0]),
        "popularity": log_popularity[columns],
        "popularity (of newest)": a_request(last),
        "popularity (gap)": log_popularity[columns] - last[:, None],
        "trend": trend[columns].astype(np.float32),
        "history length": a_request(histories.lengths),
    }


def _memory(histories: Histories, columns: NDArray[np.int64]) -> dict[str, Floats]:
    """Whether, how long ago and how often the person touched the candidate lately."""
    recent = _recent(histories, ANCHORS)
    age = np.full(columns.shape, NO_AGE, dtype=np.float32)
    times = np.zeros(columns.shape, dtype=np.float32)
    for back in range(ANCHORS - 1, -1, -1):
        same = columns == recent[:, back : back + 1]
        age[same] = back
        times += same
    return {"touched (age)": age, "touched (times)": times}


def _comparisons(
    histories: Histories,
    statistics: Statistics,
    catalogue: Catalogue,
    columns: NDArray[np.int64],
) -> dict[str, Floats]:
    """Cosines of the candidate to the newest items, one by one: best, second, mean of three."""
    recent = _recent(histories, ANCHORS)
    spaces = dict(catalogue.dense)
    if "space_unit" in statistics:
        spaces["space"] = statistics["space_unit"]
    found: dict[str, Floats] = {}
    for name, vectors in spaces.items():
        close = np.matmul(vectors[columns], vectors[np.maximum(recent, 0)].transpose(0, 2, 1))
        close[np.broadcast_to((recent < 0)[:, None, :], close.shape)] = -1
        close[columns[:, :, None] == recent[:, None, :]] = -1
        ordered = np.partition(close, [ANCHORS - 2, ANCHORS - 1], axis=2)
        found[f"{name} (nearest)"] = ordered[:, :, -1]
        found[f"{name} (second nearest)"] = ordered[:, :, -2]
        found[f"{name} (nearest's age)"] = close.argmax(axis=2).astype(np.float32)
        found[f"{name} (newest three)"] = close[:, :, :3].mean(axis=2)
    return found
