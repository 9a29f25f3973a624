"""Some requests of a split, with their answers."""

import numpy as np
import pytest

import palate
from palate.core.errors import DataError
from palate.data.samples import synthetic


def test_some_requests_keep_their_answers():
    split = palate.split_by_time(synthetic(n_users=40))
    rows = np.array([5, 2, 9])
    part = split.take(rows)
    assert part.histories.user_ids.to_list() == split.histories.user_ids[rows.tolist()].to_list()
    for own, row in zip(range(3), rows, strict=True):
        sealed, before = part.sealed, split.sealed
        answers = sealed.items[sealed.starts[own] : sealed.stops[own]]
        wanted = before.items[before.starts[row] : before.stops[row]]
        np.testing.assert_array_equal(answers, wanted)
    assert part.train is split.train
    assert len(split.take(slice(None, None, 4)).histories) == -(-len(split.histories) // 4)
    model = palate.Pipeline(encoders={}, recommender=palate.Popular()).fit(split.train)
    whole = palate.evaluate(model, split, metrics=("ndcg",), beyond=False, resamples=10)
    halves = [split.take(slice(start, None, 2)) for start in (0, 1)]
    found = [
        palate.evaluate(model, half, metrics=("ndcg",), beyond=False, resamples=10)["ndcg@10"]
        * len(half.histories)
        for half in halves
    ]
    assert sum(found) / len(split.histories) == pytest.approx(whole["ndcg@10"], abs=1e-6)


def test_requests_that_are_not_there_are_refused():
    split = palate.split_by_time(synthetic(n_users=40))
    with pytest.raises(DataError):
        split.take(np.array([10**6]))
