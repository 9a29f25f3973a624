"""The plan behind the planted data: topics, true successors, tastes, and the events they cause."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from palate.types import Rows

SHARES = (0.28, 0.22, 0.18, 0.14, 0.11, 0.07)
"""Shares of the topics: uneven, so that no reordering of the rows looks like another."""
FOLLOWS, STAYS, NEW_SHARE = 0.7, 0.8, 0.05
LENGTHS = (6, 18)
START, SPAN, STEP = 1_700_000_000.0, 60 * 86400.0, 86400.0


@dataclass(frozen=True, eq=False)
class Truth:
    """What the planted data know: arrays by catalogue row, or by row of the users' table.

    `topic` and `successor` are (n_items,), the latter -1 where an item has none; `taste` and
    `second_taste` are (n_users,) topics; `new_items` are the rows that nobody touched.
    """

    topic: Rows
    successor: Rows
    taste: Rows
    second_taste: Rows
    new_items: Rows


@dataclass(frozen=True, eq=False)
class Events:
    """One row an event: user row, item row, seconds; in order of time."""

    users: Rows
    items: Rows
    times: NDArray[np.float64]


def plan(n_users: int, n_items: int, seed: int) -> Truth:
    """Topics, rings and tastes; every topic has an item at least."""
    rng = np.random.default_rng([seed, 1])
    topic = rng.choice(len(SHARES), size=n_items, p=SHARES).astype(np.int32)
    topic[: len(SHARES)] = np.arange(len(SHARES))[: len(topic)]
    topic = rng.permutation(topic)
    new_items = np.sort(rng.permutation(n_items)[: round(NEW_SHARE * n_items)]).astype(np.int32)
    touched = np.setdiff1d(np.arange(n_items), new_items)
    successor = np.full(n_items, -1, dtype=np.int32)
    for name in range(len(SHARES)):
        ring = rng.permutation(touched[topic[touched] == name])
        if len(ring) > 1:
            successor[ring] = np.roll(ring, -1)
    held = np.unique(topic[touched])
    share = np.array(SHARES)[held]
    taste = rng.choice(held, size=n_users, p=share / share.sum())
    second = rng.choice(held, size=n_users, p=share / share.sum())
    return Truth(topic, successor, taste.astype(np.int32), second.astype(np.int32), new_items)


def act(truth: Truth, seed: int) -> Events:
    """What the people do: follow the chain, or pick something they like; nothing twice."""
    rng = np.random.default_rng([seed, 2])
    touched = np.setdiff1d(np.arange(len(truth.topic)), truth.new_items)
    shelves = [
        rng.permutation(touched[truth.topic[touched] == name]) for name in range(len(SHARES))
    ]
    users, items, times = [], [], []
    for user, (first, second) in enumerate(zip(truth.taste, truth.second_taste, strict=True)):
        sequence = _sequence(rng, truth, shelves[first], shelves[second])
        moments = START + rng.uniform(0, SPAN) + np.cumsum(rng.exponential(STEP, len(sequence)))
        users += [user] * len(sequence)
        items += sequence
        times += np.round(moments).tolist()
    order = np.argsort(times, kind="stable")
    return Events(
        np.array(users, dtype=np.int32)[order],
        np.array(items, dtype=np.int32)[order],
        np.array(times)[order],
    )


def _sequence(
    rng: np.random.Generator, truth: Truth, liked: NDArray[np.int64], other: NDArray[np.int64]
) -> list[int]:
    seen: list[int] = []
    for _ in range(int(rng.integers(*LENGTHS))):
        follows = seen and rng.random() < FOLLOWS
        shelf = liked if rng.random() < STAYS else other
        item = int(truth.successor[seen[-1]]) if follows else _popular(rng, shelf)
        for _ in range(len(truth.topic)):
            if item not in seen or item < 0:
                break
            item = int(truth.successor[item])
        if item < 0 or item in seen:
            break
        seen.append(item)
    return seen


def _popular(rng: np.random.Generator, shelf: NDArray[np.int64]) -> int:
    """An item of the shelf; the earlier it stands, the likelier it is."""
    weight = 1.0 / np.arange(1, len(shelf) + 1)
    return int(rng.choice(shelf, p=weight / weight.sum()))
