"""Errors of predicted values, where a recommender predicts them: ratings, minutes, amounts."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from palate.core.errors import AlignmentError, DataError, first_offenders


def rmse(predicted: ArrayLike, actual: ArrayLike) -> float:
    """Root of the mean squared error, in the unit of the values."""
    return float(np.sqrt(np.mean(errors_of(predicted, actual) ** 2)))


def mae(predicted: ArrayLike, actual: ArrayLike) -> float:
    """Mean absolute error, in the unit of the values."""
    return float(np.mean(np.abs(errors_of(predicted, actual))))


def errors_of(predicted: ArrayLike, actual: ArrayLike) -> NDArray[np.float64]:
    """(n,) predicted less actual; `AlignmentError` for other shapes, `DataError` for no numbers."""
    guess, truth = _finite(predicted, "predicted"), _finite(actual, "actual")
    if guess.shape != truth.shape or guess.ndim != 1:
        raise AlignmentError(
            f"{guess.shape} predicted values for {truth.shape} actual ones: need one each, flat"
        )
    if not len(guess):
        raise DataError("no values to measure an error on")
    return guess - truth


def _finite(values: ArrayLike, what: str) -> NDArray[np.float64]:
    array: NDArray[Any] = np.asarray(values, dtype=np.float64)
    offenders = np.flatnonzero(~np.isfinite(array)).tolist()
    if offenders:
        raise DataError(
            f"{what} values are NaN or infinite at {first_offenders(offenders, len(offenders))}: "
            "leave these rows out"
        )
    return array
