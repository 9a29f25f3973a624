"""Planted data in which what an item says is right at first, and what others chose later on."""

import numpy as np
import polars as pl
import pytest

from palate.core.dataset import Dataset
from palate.core.features import Features
from palate.core.histories import histories_of
from palate.recommenders._hold_out import ndcg_of

KINDS, HITS = 300, 40
NICHE = 3 * KINDS  # a niche item is like two others; a hit like no other
DAY = 86_400.0


def two_ways(n_users=700, *, seed=0, times=True):
    """Everybody begins with two niche items of a kind, which few others choose, then goes round
    the ring of hits, by steps that nothing says.

    So one choice is followed by what is like it, and from the second on the ring tells the next.
    """
    rng = np.random.default_rng([seed, 4])
    ring = np.random.default_rng(9).permutation(HITS)
    rows = []
    for user in range(n_users):
        kind, place = rng.integers(KINDS), rng.integers(HITS)
        first, second = rng.permutation(3)[:2] * KINDS + kind
        length = 2 if user % 3 == 0 else 9
        steps = ring[(place + np.arange(length - 2)) % HITS]
        names = [f"n{first}", f"n{second}", *(f"h{step}" for step in steps)]
        start = rng.uniform(0, 100) * DAY
        rows += [(f"{seed}-{user}", name, start + nth) for nth, name in enumerate(names)]
    table = pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp"], orient="row")
    table = table.sort("timestamp", maintain_order=True)
    names = [f"n{row}" for row in range(NICHE)] + [f"h{row}" for row in range(HITS)]
    items = pl.DataFrame({"item_id": names}).sample(fraction=1.0, shuffle=True, seed=3)
    return Dataset(table if times else table.drop("timestamp"), items)


def content_of_two_ways(data):
    """A niche item says its kind, a hit something that is its own."""
    rng = np.random.default_rng(6)
    said = rng.normal(size=(KINDS + HITS, 24))
    rows = [
        int(name[1:]) % KINDS if name[0] == "n" else KINDS + int(name[1:]) for name in data.item_ids
    ]
    return Features(data.item_ids, {"text": said[rows].astype(np.float32)})


def requests_of(data, *, shortest=1, longest=8):
    """(histories, answers): each event of a data set with what came before it."""
    whole = histories_of(data)
    asking, answers = [], []
    for length in range(shortest, longest + 1):
        rows = np.flatnonzero(whole.lengths > length)
        part = whole.take(rows)
        asking.append(part.first(np.full(len(rows), length)))
        answers.append(whole.items[part.starts + length])
    return asking, answers


def ndcg(model, data, **lengths):
    """NDCG@10 of a fitted model, a number for each request, in the same order for all models."""
    found = [
        ndcg_of(model.score(asking), asking, answers)
        for asking, answers in zip(*requests_of(data, **lengths), strict=True)
    ]
    return np.concatenate(found)


@pytest.fixture(scope="session")
def ways():
    return two_ways()


@pytest.fixture(scope="session")
def ways_later():
    """Other people of the same world."""
    return two_ways(300, seed=1)
