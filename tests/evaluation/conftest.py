"""A split made by hand, small enough to know every answer."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from palate.histories import Answers, Split, history_of_items
from palate.types import Dataset

# events an item: a 6, b 3, c 1, d 1, e 0, f 0; the head (80% of 11 = 8.8) is a and b (9)
TRAIN = [
    ("ann", "a"), ("ann", "b"), ("ann", "c"), ("bob", "a"), ("bob", "b"), ("cyd", "a"),
    ("dan", "a"), ("eve", "a"), ("eve", "b"), ("fay", "a"), ("fay", "d"),
]  # fmt: skip
ITEMS = list("abcdef")


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
