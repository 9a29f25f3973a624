"""What a candidate is beside a request: popularity, memory of it, likeness to single items."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from palate.core.arrays import Floats, Mask, Rows
from palate.core.histories import Histories
from palate.core.sparse import inner_products
from palate.recommenders.two_stage.catalogue import Catalogue
from palate.recommenders.two_stage.recency import WINDOWS, window_feature
from palate.recommenders.two_stage.retrievers import Profiles, content_profile
from palate.recommenders.two_stage.statistics import Statistics

ANCHORS = 10  # newest items of the history that a candidate is compared with one by one
NO_AGE = 99.0


def newest_items(histories: Histories, count: int, *, distinct: bool = False) -> Rows:
    """(n, count) the newest items of each history, newest first; -1 where there is none."""
    recent = np.stack([histories.newest(back) for back in range(1, count + 1)], axis=1)
    if distinct:
        for place in range(1, count):
            again = (recent[:, :place] == recent[:, place : place + 1]).any(axis=1)
            recent[again, place] = -1
    return recent


def places(values: Floats, kept: Mask) -> Floats:
    """How many candidates of the request one signal puts clearly above, 0 for the best.

    Values that differ by rounding noise share a place, or their order would be that of the file.
    What is not `kept` stands last.
    """
    values = np.where(kept, values, values.min(axis=1, keepdims=True))
    scale = np.abs(values).max(axis=1, keepdims=True) + np.float32(1e-9)
    values = np.round(values / scale, 4)
    order = np.argsort(-values, axis=1, kind="stable")
    ordered = np.take_along_axis(values, order, axis=1)
    rank = np.broadcast_to(np.arange(values.shape[1], dtype=np.float32), values.shape)
    fresh = np.ones(values.shape, dtype=bool)
    fresh[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    first = np.maximum.accumulate(np.where(fresh, rank, 0), axis=1)
    found = np.empty_like(values)
    np.put_along_axis(found, order, first, axis=1)
    return found


def context(
    histories: Histories,
    statistics: Statistics,
    columns: NDArray[np.int64],
    mix: Floats,
    kept: Mask,
) -> dict[str, Floats]:
    """The plain sum, popularity of candidate and newest item, trend, length of the history."""
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
        "mix (place)": places(mix, kept),
        "mix (best)": a_request(top[:, 0]),
        "popularity": log_popularity[columns],
        "popularity (of newest)": a_request(last),
        "popularity (gap)": log_popularity[columns] - last[:, None],
        "trend": trend[columns].astype(np.float32),
        "history length": a_request(histories.lengths),
        **recency(statistics, columns),
    }


def recency(statistics: Statistics, columns: NDArray[np.int64]) -> dict[str, Floats]:
    """How popular the candidate is lately, and how old; nothing where events have no times."""
    if "windows" not in statistics:
        return {}
    lately, ages = np.log1p(statistics["windows"]), statistics["ages"]
    found = {
        window_feature(days): lately[:, column][columns] for column, days in enumerate(WINDOWS)
    }
    return found | {"age": ages[:, 0][columns], "last chosen": ages[:, 1][columns]}


def memory(histories: Histories, columns: NDArray[np.int64]) -> dict[str, Floats]:
    """How long ago and how often the person touched the candidate lately."""
    recent = newest_items(histories, ANCHORS)
    age = np.full(columns.shape, NO_AGE, dtype=np.float32)
    times = np.zeros(columns.shape, dtype=np.float32)
    for back in range(ANCHORS - 1, -1, -1):
        same = columns == recent[:, back : back + 1]
        age[same] = back
        times += same
    return {"interacted (age)": age, "interacted (times)": times}


def comparisons(
    histories: Histories,
    profiles: Profiles,
    statistics: Statistics,
    catalogue: Catalogue,
    columns: NDArray[np.int64],
) -> dict[str, Floats]:
    """Cosines of the candidate to the newest items one by one, and to what the history says."""
    recent = newest_items(histories, ANCHORS)
    found: dict[str, Floats] = {}
    for name, vectors in catalogue.dense_blocks.items():
        said = histories.queries.get(name)
        lately = content_profile(profiles.recent, vectors, said)
        asked = {
            f"{name}:lasting": content_profile(profiles.lasting, vectors, said),
            f"{name}:map": inner_products(lately, statistics[f"map.{name}"].T),
        }
        found |= _nearest(name, vectors, recent, columns, asked)
    if "space_unit" in statistics:
        found |= _nearest("space", statistics["space_unit"], recent, columns, {})
    return found


def _nearest(
    name: str,
    vectors: Floats,
    recent: Rows,
    columns: NDArray[np.int64],
    asked: dict[str, Floats],
) -> dict[str, Floats]:
    extra = list(asked.values())
    close = np.empty((*columns.shape, ANCHORS + len(extra)), dtype=np.float32)
    for row, (mine, anchors) in enumerate(zip(columns, np.maximum(recent, 0), strict=True)):
        against = np.vstack([vectors[anchors], *(profile[row] for profile in extra)])
        np.matmul(vectors[mine], against.T, out=close[row])
    said = {key: close[:, :, ANCHORS + place] for place, key in enumerate(asked)}
    close = close[:, :, :ANCHORS]
    close[np.broadcast_to((recent < 0)[:, None, :], close.shape)] = -1
    close[columns[:, :, None] == recent[:, None, :]] = -1
    ordered = np.partition(close, [ANCHORS - 2, ANCHORS - 1], axis=2)
    return {
        f"{name}:newest": close[:, :, 0],
        f"{name} (nearest)": ordered[:, :, -1],
        f"{name} (second nearest)": ordered[:, :, -2],
        f"{name} (nearest's age)": np.round(close, 4).argmax(axis=2).astype(np.float32),
        f"{name} (newest three)": close[:, :, :3].mean(axis=2),
        **said,
    }
