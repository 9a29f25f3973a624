"""Three people whose co-occurrences can be counted by hand."""

import polars as pl
import pytest

from palate.types import Dataset, Features, Ids

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
