import numpy as np
import pytest

from palate.core.errors import AlignmentError, DataError
from palate.evaluation.metrics.rating import mae, rmse


def test_known_errors():
    assert rmse([1.0, 2.0, 7.0], [1.0, 4.0, 3.0]) == pytest.approx(np.sqrt(20 / 3))
    assert mae([1.0, 2.0, 7.0], [1.0, 4.0, 3.0]) == pytest.approx(2.0)


def test_bad_values_are_named():
    with pytest.raises(DataError, match=r"predicted values are NaN or infinite at 1, 3"):
        rmse([1.0, np.nan, 2.0, np.inf], [1.0, 1.0, 1.0, 1.0])
    with pytest.raises(DataError, match="actual"):
        mae([1.0], [np.nan])
    with pytest.raises(AlignmentError, match="one each"):
        rmse([1.0, 2.0], [1.0])
    with pytest.raises(DataError, match="no values"):
        mae([], [])
