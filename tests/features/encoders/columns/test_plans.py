import numpy as np

from palate.features.encoders.columns.plans import number_plan


def test_equal_numbers_never_vary_whatever_their_rounding():
    assert np.full(3, 0.1).std() > 0, "that is what it is about"
    assert number_plan("weight", np.full(3, 0.1)) is None
    plan = number_plan("weight", np.array([0.1, 0.1, 0.1, np.nan]))
    assert plan["deviation"] == 1.0
    assert plan["missing"]
