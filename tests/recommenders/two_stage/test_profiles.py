"""What people of a kind chose: an event counts what it weighs, a block what fusion gave it."""

import numpy as np
import polars as pl
import pytest
from scipy import sparse

from palate.core.dataset import Dataset
from palate.core.features import Features
from palate.core.histories import histories_of
from palate.recommenders.two_stage.catalogue import Catalogue
from palate.recommenders.two_stage.profiles import (
    NEAR,
    ODDS,
    profile_signals,
    profile_statistics,
)

PEOPLE = 60


def world(*, weighed):
    """Two kinds of people; each chooses all four items, "own" ones with nine times the weight."""
    rows = [
        (f"u{user:02}", f"i{item}", 9.0 if item % 2 == user % 2 else 1.0)
        for user in range(PEOPLE)
        for item in range(4)
    ]
    events = pl.DataFrame(rows, schema=["user_id", "item_id", "weight"], orient="row")
    items = pl.DataFrame({"item_id": [f"i{item}" for item in range(4)]})
    data = Dataset(events if weighed else events.drop("weight"), items)
    kinds = np.eye(2, dtype=np.float32)[np.arange(PEOPLE) % 2]
    other = np.eye(2, dtype=np.float32)[np.arange(PEOPLE) // 2 % 2]
    return data, {"kind": kinds, "other": other}


def signals(data, parts):
    users = Features(data.user_ids, {n: sparse.csr_array(part) for n, part in parts.items()})
    histories = histories_of(data)
    found = profile_statistics(histories, users)
    asking = histories.take(slice(0, 2)).with_users(users)
    catalogue = Catalogue.of(None, 4, users=users)
    every = profile_signals(asking, found, catalogue)
    return {
        name: np.asarray(scores.toarray() if sparse.issparse(scores) else scores)
        for name, scores, _ in every
    }


def test_events_that_weigh_more_say_more_of_what_people_of_a_kind_choose():
    plain = signals(*world(weighed=False))
    told = signals(*world(weighed=True))
    for name in (NEAR, ODDS):
        own = told[name][0, [0, 2]].mean() - told[name][0, [1, 3]].mean()
        assert own > 0.1, name
        assert np.ptp(plain[name][0]) == pytest.approx(0.0, abs=1e-6)


def test_a_block_counts_what_fusion_gave_it():
    data, parts = world(weighed=True)
    found = {}
    for weight in (1.0, 0.25):
        scaled = {"kind": parts["kind"], "other": weight**0.5 * parts["other"]}
        found[weight] = signals(data, scaled)
    for name in (NEAR, ODDS):
        apart = [
            values[name][0, [0, 2]].mean() - values[name][0, [1, 3]].mean()
            for values in found.values()
        ]
        assert apart[1] > apart[0] + 0.01, name
