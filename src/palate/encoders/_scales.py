"""Scales that a column of numbers may be put on before it is standardised."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

SCALES: Final = ("standard", "log", "quantile")
KNOTS: Final = 100
"""Steps of the distribution that `quantile` keeps."""

Numbers = NDArray[np.float64]


def scale_plan(numbers: Numbers, scale: str) -> dict[str, Any]:
    """What the scale has to learn from known numbers, as JSON; nothing for "standard"."""
    if scale == "standard":
        return {}
    if scale == "log":
        return {"scale": "log"}
    known = numbers[~np.isnan(numbers)]
    steps = np.linspace(0, 1, KNOTS + 1)
    return {"scale": "quantile", "knots": np.quantile(known, steps).tolist() if len(known) else []}


def scaled(numbers: Numbers, plan: Mapping[str, Any]) -> Numbers:
    """The numbers on the plan's scale; NaN stays NaN.

    "log" is sign(x) · log(1 + |x|); "quantile" the share of the numbers below, 0 to 1, ties in
    their middle, as in scikit-learn's `QuantileTransformer`.
    """
    scale = plan.get("scale")
    if scale == "log":
        return np.sign(numbers) * np.log1p(np.abs(numbers))
    if scale == "quantile":
        return _shares_below(numbers, np.asarray(plan["knots"], dtype=np.float64))
    return numbers


def _shares_below(numbers: Numbers, knots: Numbers) -> Numbers:
    steps = np.linspace(0, 1, len(knots))
    from_below = np.interp(numbers, knots, steps)
    from_above = np.interp(-numbers, -knots[::-1], -steps[::-1])
    return np.asarray((from_below - from_above) / 2)
