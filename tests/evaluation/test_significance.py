import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from palate.core.errors import AlignmentError, ConfigError
from palate.evaluation.significance import (
    MIN_USERS,
    intervals,
    mean_interval,
    paired_bootstrap,
    user_codes,
)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(MIN_USERS, 60))
def test_identical_models_differ_by_nothing(seed, users):
    values = np.random.default_rng(seed).random(3 * users)
    found = paired_bootstrap(values, values, np.repeat(np.arange(users), 3), resamples=50)
    assert (found.mean, found.low, found.high, found.p) == (0.0, 0.0, 0.0, 1.0)
    assert not found.significant


def test_a_planted_difference_is_found():
    rng = np.random.default_rng(1)
    reference = rng.random(400)
    values = reference + 0.05 + rng.normal(scale=0.1, size=400)
    users = np.repeat(np.arange(100), 4)
    better = paired_bootstrap(values, reference, users)
    worse = paired_bootstrap(reference, values, users)
    assert better.significant
    assert better.p < 0.01
    assert better.low < better.mean < better.high
    assert better.low > 0 > worse.high
    assert worse.significant
    unpaired = mean_interval(values, users)
    assert better.high - better.low < unpaired.high - unpaired.low


def test_no_difference_is_found_in_noise_about_19_times_of_20():
    rng = np.random.default_rng(2)
    users = np.repeat(np.arange(60), 2)
    found = [
        mean_interval(rng.normal(size=120), users, resamples=200).significant for _ in range(100)
    ]
    assert sum(found) <= 14


def test_the_interval_is_that_of_the_normal_distribution_for_many_people():
    values = np.random.default_rng(3).normal(loc=2.0, size=2000)
    found = mean_interval(values, np.arange(2000), resamples=4000)
    half = 1.96 * values.std() / np.sqrt(2000)
    assert found.mean == pytest.approx(values.mean())
    assert found.low == pytest.approx(values.mean() - half, abs=0.003)
    assert found.high == pytest.approx(values.mean() + half, abs=0.003)


def test_people_are_resampled_not_their_requests():
    user = np.random.default_rng(4).normal(size=50)
    values, users = np.repeat(user, 40), np.repeat(np.arange(50), 40)
    by_user = mean_interval(values, users)
    by_request = mean_interval(values, np.arange(2000))
    assert by_user.high - by_user.low > 4 * (by_request.high - by_request.low)
    assert by_user.high - by_user.low == pytest.approx(2 * 1.96 * user.std() / np.sqrt(50), rel=0.1)


def test_people_with_more_requests_weigh_more():
    values = np.array([1.0] * 90 + [0.0] * 10)
    users = np.array(["busy"] * 90 + [f"p{row}" for row in range(10)])
    assert mean_interval(values, users).mean == pytest.approx(0.9)


@pytest.mark.parametrize("block", [1, 1000, 10**9])
def test_the_size_of_blocks_changes_nothing(monkeypatch, block):
    values, users = np.random.default_rng(5).random(60), np.arange(60) % 20
    wanted = mean_interval(values, users, resamples=30, seed=3)
    monkeypatch.setattr("palate.evaluation.significance._BLOCK_CELLS", block)
    found = mean_interval(values, users, resamples=30, seed=3)
    assert found.low == pytest.approx(wanted.low)
    assert found.high == pytest.approx(wanted.high)
    assert mean_interval(values, users, resamples=30, seed=4).low != pytest.approx(wanted.low)


def test_columns_share_their_resamples():
    values = np.random.default_rng(6).random((40, 2))
    first, second, gap = intervals(
        np.column_stack([values, values[:, 0] - values[:, 1]]), np.arange(40)
    )
    alone = paired_bootstrap(values[:, 0], values[:, 1], np.arange(40))
    assert gap.low == pytest.approx(alone.low)
    assert gap.mean == pytest.approx(first.mean - second.mean)


def test_too_few_people_promise_nothing():
    found = mean_interval(np.ones(30), np.arange(30) % (MIN_USERS - 1))
    assert found.mean == 1.0
    assert np.isnan([found.low, found.high, found.p]).all()
    assert not found.significant
    nobody = mean_interval(np.empty(0), np.empty(0, dtype=np.int64))
    assert np.isnan(nobody.mean)


def test_people_by_name_are_numbered():
    assert user_codes(pl.Series(["eve", "ann", "eve", "bob"])).tolist() == [2, 0, 2, 1]


def test_bad_input_is_named():
    with pytest.raises(AlignmentError, match="paired"):
        paired_bootstrap(np.ones(3), np.ones(2), np.arange(3))
    with pytest.raises(AlignmentError, match="2 people"):
        mean_interval(np.ones(3), np.arange(2))
    with pytest.raises(ConfigError, match="level = 1"):
        mean_interval(np.ones(3), np.arange(3), level=1.0)
