import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from palate.features.encoders.columns.plans import SCALES, scale_plan, scaled

numbers = st.lists(st.floats(-1e9, 1e9), min_size=2, max_size=60).map(np.array)


def on(scale, values, learnt_from=None):
    values = np.asarray(values, dtype=np.float64)
    basis = values if learnt_from is None else np.asarray(learnt_from, dtype=np.float64)
    return scaled(values, scale_plan(basis, scale))


def test_standard_learns_nothing():
    assert scale_plan(np.array([1.0, 5.0]), "standard") == {}
    assert on("standard", [3.0, -2.0]).tolist() == [3.0, -2.0]


def test_log_keeps_the_sign():
    np.testing.assert_allclose(on("log", [0, np.e - 1, 1 - np.e, 99]), [0, 1, -1, np.log(100)])


def test_quantile_is_the_share_below():
    basis = [1.0, 10.0, 100.0, 1000.0, 10_000.0]
    found = on("quantile", [10.0, 55.0, 10_000.0, 1e9, -5.0], basis)
    np.testing.assert_allclose(found, [0.25, 0.375, 1.0, 1.0, 0.0], atol=1e-9)


def test_ties_lie_in_their_middle():
    basis = [0.0] * 60 + list(range(1, 41))
    found = on("quantile", [0.0, 40.0], basis)
    assert found[0] == pytest.approx(0.3, abs=0.01)
    assert found[1] == 1.0


@pytest.mark.parametrize("scale", SCALES)
def test_what_is_unknown_stays_unknown(scale):
    found = on(scale, [1.0, np.nan, 3.0, 8.0])
    assert np.isnan(found).tolist() == [False, True, False, False]


@pytest.mark.parametrize("scale", SCALES)
@given(values=numbers)
def test_order_stays(scale, values):
    found = on(scale, np.sort(values))
    assert np.isfinite(found).all()
    assert (np.diff(found) >= -1e-9).all()
