"""Numbers as places between a few quantiles: who is 31 is nearer to 35 than to 60."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, TypedDict

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from palate.core.learnt import WIDEST, agree, check_finite, check_type

KNOTS: Final = 5
"""Quantiles that a number stands between: each says something of half of the rows."""

Numbers = NDArray[np.float64]


class BinsPlan(TypedDict):
    """What a folder holds of a plan of bins."""

    column: str
    kind: Literal["bins"]
    knots: list[float]
    missing: bool


def bins_plan(
    name: str, numbers: Numbers, knots: int = KNOTS, *, beside: bool = False
) -> dict[str, Any] | None:
    """The quantiles of the known numbers (NaN where unknown), each once; None without any spread.

    Quantiles, since amounts crowd: of ages 18 to 90 half may lie between 25 and 40. `beside` the
    number itself, they leave it to that to say what is missing.
    """
    known = numbers[~np.isnan(numbers)]
    missing = len(known) < len(numbers)
    if not len(known) or (np.ptp(known) == 0 and not missing):
        return None
    # numbers that occur: the mean of two of them is nobody's, and differs by its last bit
    found = np.quantile(known, np.linspace(0, 1, knots), method="nearest")
    return {
        "column": name,
        "kind": "bins",
        "knots": np.unique(found).tolist(),
        "missing": missing and not beside,
    }


def encode_bins(numbers: Numbers, plan: Mapping[str, Any]) -> sparse.csr_array:
    """(n, knots, and 1 where some were missing): rows of length 1, as those of categories are.

    Each number is shared by the two knots around it, by how near it is to either: the basis of
    scikit-learn's `SplineTransformer(degree=1, knots="quantile", extrapolation="constant")`.
    Beyond the ends it is like the end.
    """
    knots = np.asarray(plan["knots"], dtype=np.float64)
    unknown = np.isnan(numbers)
    held = np.where(unknown, knots[0], numbers)
    shares = np.column_stack([np.interp(held, knots, row) for row in np.eye(len(knots))])
    shares /= np.linalg.norm(shares, axis=1, keepdims=True)
    shares[unknown] = 0.0
    if plan["missing"]:
        shares = np.column_stack([shares, unknown])
    return sparse.csr_array(shares.astype(np.float32))


def names_of_bins(plan: Mapping[str, Any]) -> list[str]:
    """What each column means: "age near 31", and that it is missing."""
    names = [f"{plan['column']} near {knot:g}" for knot in plan["knots"]]
    return [*names, f"{plan['column']} is missing"] if plan["missing"] else names


def check_bins(plan: Mapping[str, Any], where: str) -> None:
    """Raises `ValueError` for what is no plan of bins out of a folder."""
    check_type(plan, BinsPlan, where)
    knots = np.asarray(plan["knots"], dtype=np.float64)
    agree(0 < len(knots) <= WIDEST, f"{where}: {len(knots)} knots")
    check_finite(knots, f"{where}['knots']")
    agree(bool((knots[1:] > knots[:-1]).all()), f"{where}: knots that do not rise")
