"""Three people whose co-occurrences can be counted by hand, and synthetic data for the ranker."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from palate.core.dataset import Dataset
from palate.core.features import Features
from palate.core.histories import Histories, ragged_positions
from palate.core.ids import Ids
from palate.core.types import FitContext
from palate.data.samples import Truth, synthetic, synthetic_truth
from palate.features.encoders.tfidf import Tfidf
from palate.recommenders.ranker import Ranker

SEQUENCES = {"u": "abc", "v": "bcab", "w": "dc"}


def build_dataset(sequences, *, items="abcde", times=None, weights=None) -> Dataset:
    rows = [(user, item) for user, history in sequences.items() for item in history]
    table = pl.DataFrame(rows, schema=["user_id", "item_id"], orient="row")
    if times is not None:
        table = table.with_columns(timestamp=pl.Series(times, dtype=pl.Float64))
    if weights is not None:
        table = table.with_columns(weight=pl.Series(weights, dtype=pl.Float64))
    return Dataset(interactions=table, items=pl.DataFrame({"item_id": list(items)}))


@pytest.fixture
def build():
    """A dataset from one string of one-letter items a person."""
    return build_dataset


@pytest.fixture
def known() -> Dataset:
    """u: a b c, v: b c a b, w: d c; nobody touched e."""
    return build_dataset(SEQUENCES)


@pytest.fixture
def arrivals() -> Features:
    """Two new items without any content."""
    return Features(Ids(["f", "g"]), {})


@pytest.fixture(scope="session")
def rings() -> Dataset:
    """Planted data: who did i does i's successor next; 60 items, of which nobody touched 3."""
    return synthetic(n_users=150, n_items=60, seed=1)


@pytest.fixture(scope="session")
def truth() -> Truth:
    """What is true of `rings`."""
    return synthetic_truth(n_users=150, n_items=60, seed=1)


@pytest.fixture(scope="session")
def said(rings: Dataset) -> Features:
    """What the items of `rings` say: a dense block `text` and a sparse block `words`."""
    (words,) = Tfidf().fit(rings).encode(rings).parts.values()
    text = words @ np.random.default_rng(7).normal(size=(words.shape[1], 24))
    text = text / np.linalg.norm(text, axis=1, keepdims=True)
    return Features(rings.item_ids, {"text": text, "words": words})


@pytest.fixture(scope="session")
def clicks(rings: Dataset, truth: Truth) -> Features:
    """Tells the successor: who did i does the item of i's second half next."""
    first = np.random.default_rng(5).normal(size=(60, 30)).astype(np.float32)
    first /= np.linalg.norm(first, axis=1, keepdims=True)
    before = np.full(60, -1)
    before[truth.successor[truth.successor >= 0]] = np.flatnonzero(truth.successor >= 0)
    second = np.where(before[:, None] >= 0, first[before], 0)
    return Features(rings.item_ids, {"clicks": first + second}, behavioural=["clicks"])


def small_ranker(**settings) -> Ranker:
    return Ranker(**{"n_estimators": 10, "n_train_queries": 400, "candidates": 30} | settings)


@pytest.fixture(scope="session")
def small():
    """A ranker that is fitted in a moment."""
    return small_ranker


@pytest.fixture(scope="session")
def ranker(rings: Dataset, said: Features) -> Ranker:
    """Fitted on `rings` and `said`; not to be changed."""
    return small_ranker().fit(rings, FitContext(items=said))


def past_only_histories(histories: Histories, *, instead: int) -> Histories:
    """The same requests; whatever else the shared arrays held is item `instead`, many times."""
    _, position = ragged_positions(histories.starts, histories.stops)
    held = np.zeros(len(histories.items), dtype=bool)
    held[position] = True
    return replace(
        histories,
        items=np.where(held, histories.items, instead).astype(np.int32),
        weights=np.where(held, histories.weights, 1e6).astype(np.float32),
        times=None if histories.times is None else np.where(held, histories.times, 0.0),
    )


@pytest.fixture(scope="session")
def past_only():
    return past_only_histories
