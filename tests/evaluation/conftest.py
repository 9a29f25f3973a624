"""A split made by hand, small enough to know every answer."""

from __future__ import annotations

import os

import numpy as np
import polars as pl
import pytest

from palate.core.dataset import Dataset
from palate.core.histories import Histories, history_of_items
from palate.core.split import Answers, Split

os.environ.setdefault("NUMBA_DISABLE_JIT", "1")  # ranx compiles for a minute, and warns

# events an item: a 6, b 3, c 1, d 1, e 0, f 0; the head (80% of 11 = 8.8) is a and b (9)
TRAIN = [
    ("ann", "a"), ("ann", "b"), ("ann", "c"), ("bob", "a"), ("bob", "b"), ("cyd", "a"),
    ("dan", "a"), ("eve", "a"), ("eve", "b"), ("fay", "a"), ("fay", "d"),
]  # fmt: skip
ITEMS = list("abcdef")

USERS, LENGTH, N_ITEMS, CUT = 12, 8, 40, 5


def answers_of(rows, values=None):
    """Ragged answers from lists of catalogue rows."""
    lengths = np.array([len(row) for row in rows], dtype=np.int64)
    stops = np.cumsum(lengths)
    items = np.array([item for row in rows for item in row], dtype=np.int32)
    if values is not None:
        values = np.array([value for row in values for value in row], dtype=np.float32)
    return Answers(stops - lengths, stops, items, values)


@pytest.fixture(scope="session")
def ragged():
    return answers_of


@pytest.fixture
def made_split():
    """Four requests: ann → c, d; bob → e; a new person → a; cyd, long at it, → f and a."""
    train = Dataset(
        pl.DataFrame(TRAIN, schema=["user_id", "item_id"], orient="row"),
        pl.DataFrame({"item_id": ITEMS}),
    )
    histories = history_of_items(
        train.item_ids,
        [["a", "b"], ["a", "b", "a", "b", "a", "b"], [], ["a", "a", "a", "a", "a"]],
        user_ids=["ann", "bob", "new", "cyd"],
    )
    return Split("by hand", train, histories, answers_of([[2, 3], [4], [0], [5, 0]]))


@pytest.fixture
def rolling():
    """12 people touch 8 items each; the last 3 events are asked, over arrays that hold them all."""
    rng = np.random.default_rng(7)
    popular_first = np.sort(rng.random((USERS, N_ITEMS)) ** 2, axis=1)
    items = np.argsort(rng.random((USERS, N_ITEMS)) + popular_first, axis=1)[:, :LENGTH]
    names = [f"i{row}" for row in range(N_ITEMS)]
    users = [f"p{row}" for row in range(USERS)]
    train = Dataset(
        pl.DataFrame(
            {
                "user_id": np.repeat(users, CUT),
                "item_id": [names[item] for item in items[:, :CUT].ravel()],
            }
        ),
        pl.DataFrame({"item_id": names}),
    )
    flat = items.ravel().astype(np.int32)
    asked = np.add.outer(np.arange(USERS) * LENGTH, np.arange(CUT, LENGTH)).ravel()
    histories = Histories(
        item_ids=train.item_ids,
        user_ids=pl.Series(users).gather(asked // LENGTH),
        starts=asked - asked % LENGTH,
        stops=asked,
        items=flat,
        weights=np.ones(len(flat), dtype=np.float32),
        times=np.arange(len(flat), dtype=np.float64),
    )
    return Split("rolling", train, histories, Answers(asked, asked + 1, flat))
