import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from palate.features.event_statistics import (
    Events,
    burstiness,
    distinct,
    prior_of,
    shrunk_means,
    shrunk_spreads,
)

DAY = 86_400.0


def events(own, other, times=None):
    return Events(
        count=max(own) + 1,
        own=np.array(own),
        others=max(other) + 1,
        other=np.array(other),
        times=None if times is None else np.array(times, dtype=np.float64),
    )


def test_distinct_counts_each_pair_once():
    assert distinct(events([0, 0, 0, 2, 2], [1, 1, 3, 0, 3])).tolist() == [2, 0, 2]


def test_a_mean_is_drawn_to_that_of_all_the_fewer_events_it_has():
    prior = {"mean": 3.0, "variance": 1.0, "weight": 4.0}
    found = shrunk_means(np.array([0, 1, 1, 1, 1]), np.array([5.0, 5, 5, 5, 5]), 3, prior)
    assert found.tolist() == [(5 + 12) / 5, (20 + 12) / 8, 3.0]


def test_a_spread_too():
    prior = {"mean": 3.0, "variance": 4.0, "weight": 2.0}
    found = shrunk_spreads(np.array([0, 1, 1, 1]), np.array([5.0, 1, 3, 5]), 3, prior)
    np.testing.assert_allclose(found**2, [4.0, (8 + 8) / (2 + 2), 4.0])


def test_the_weight_of_the_prior_is_the_ratio_of_the_variances():
    rng = np.random.default_rng(1)
    own = np.repeat(np.arange(400), rng.integers(3, 12, 400))
    for spread, expected in ((1.0, 4.0), (0.5, 16.0)):
        level = rng.normal(0, spread, 400)
        values = level[own] + rng.normal(0, 2, len(own))
        found = prior_of(own, values, 400)
        assert found["weight"] == pytest.approx(expected, rel=0.3)
        assert found["variance"] == pytest.approx(4, rel=0.1)


def test_the_weight_has_bounds():
    same = np.repeat(np.arange(5), 4)
    assert prior_of(same, np.tile([1.0, 2, 3, 4], 5), 5)["weight"] == 100
    assert prior_of(same, same.astype(float), 5)["weight"] == 1
    assert prior_of(np.arange(5), np.arange(5.0), 5)["weight"] == 10
    assert prior_of(np.array([0, 0]), np.array([1.0, 2]), 1)["weight"] == 10
    assert prior_of(np.empty(0, dtype=np.int64), np.empty(0), 2)["mean"] == 0


def test_burstiness_of_a_clock_of_chance_and_of_a_burst():
    rng = np.random.default_rng(0)
    clock = np.arange(50) * DAY
    chance = rng.exponential(DAY, 4000).cumsum()
    burst = np.concatenate([np.arange(40) * 60.0, [300 * DAY]])
    times = [clock, chance, burst, [0.0, DAY], [5.0] * 4]
    own = np.repeat(np.arange(5), [len(part) for part in times])
    found, gaps = burstiness(events(own, [0] * len(own), np.concatenate(times)))
    assert found[0] == -1
    assert found[1] == pytest.approx(0, abs=0.05)
    assert found[2] > 0.7
    assert np.isnan(found[3:]).all()
    assert gaps.tolist() == [49, 3999, 40, 0, 0]


@given(
    pairs=st.lists(st.tuples(st.integers(0, 4), st.floats(-1e3, 1e3)), min_size=1, max_size=40),
    seed=st.integers(0, 9),
)
def test_the_order_of_events_does_not_count(pairs, seed):
    own, values = (np.array(column) for column in zip(*pairs, strict=True))
    turned = np.random.default_rng(seed).permutation(len(own))
    prior, other = prior_of(own, values, 5), prior_of(own[turned], values[turned], 5)
    assert other == pytest.approx(prior, rel=1e-6, abs=1e-6)
    found = shrunk_means(own, values, 5, prior)
    assert np.isfinite(found).all()
    assert found.min() >= values.min() - 1e-6
    assert found.max() <= values.max() + 1e-6
