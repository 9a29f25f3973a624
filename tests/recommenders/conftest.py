"""Three people whose co-occurrences can be counted by hand."""

import polars as pl
import pytest

from palate.types import Dataset, Features

SEQUENCES = {"u": "abc", "v": "bcab", "w": "dc"}


def dataset(sequences, *, items="abcde", times=None, weights=None) -> Dataset:
    rows = [(user, item) for user, history in sequences.items() for item in history]
    table = pl.DataFrame(rows, schema=["user_id", "item_id"], orient="row")
    if times is not None:
        table = table.with_columns(timestamp=pl.Series(times, dtype=pl.Float64))
    if weights is not None:
        table = table.with_columns(weight=pl.Series(weights, dtype=pl.Float64))
    return Dataset(interactions=table, items=pl.DataFrame({"item_id": list(items)}))


@pytest.fixture
def known() -> Dataset:
    """Items a to d touched, e never."""
    return dataset(SEQUENCES)


@pytest.fixture
def arrivals(known) -> Features:
    from palate.types import Ids

    return Features(Ids(["f", "g"]), {})
