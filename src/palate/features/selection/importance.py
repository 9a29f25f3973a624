"""Columns by what is lost without them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

import lightgbm as lgb
import numpy as np
from pydantic import Field
from scipy import sparse
from scipy.special import logsumexp

from palate.core.arrays import Mask, Matrix
from palate.core.component import component
from palate.features.blocks import Doubles
from palate.features.held_out import HeldOut
from palate.features.selection._worth import OTHERS, LearntSelection, Products, largest

__all__ = ["Importance"]

_SHARES = (0.75, 0.5, 0.25, 0.1)
_SHARP = 10.0  # weight of a cosine in the exponent
_TREES = {
    "objective": "binary",
    "learning_rate": 0.1,
    "num_leaves": 15,
    "min_data_in_leaf": 20,
    "feature_fraction": 0.5,
    "seed": 0,
    "deterministic": True,
    "force_row_wise": True,
    "verbose": -1,
}


@component
class Importance(LearntSelection):
    """Keeps a share of the columns of the dense blocks: those that tell best what came next.

    `by="permutation"`: what the likelihood of held-out training events loses when a column's
    products are handed round among the candidates of a request (Breiman 2001); "gain": what
    LightGBM's splits on a column gain. `keep` is the share that stays (None: that of 0.75,
    0.5, 0.25 and 0.1 under which later events are likeliest). All stay where none of these is
    surely better. Sparse blocks stay as they are.
    """

    by: Literal["permutation", "gain"] = "permutation"
    keep: Annotated[float, Field(gt=0, le=1)] | None = None

    def _chosen_from(self, parts: Mapping[str, Matrix]) -> list[str]:
        return [name for name, part in parts.items() if not sparse.issparse(part)]

    def _tried(self, early: HeldOut, parts: Mapping[str, Matrix]) -> Iterator[dict[str, Mask]]:
        products = Products.of(early, parts)
        worth = _lost(products) if self.by == "permutation" else _gained(products)
        for share in _SHARES if self.keep is None else (self.keep,):
            yield products.masks(largest(worth, share))


def _lost(products: Products) -> Doubles:
    """(columns,) the log-likelihood that the answers lose, each column handed round by itself."""
    values = np.asarray(products.values, dtype=np.float64)
    values = _SHARP * values.reshape(products.requests, 1 + OTHERS, -1)
    sums = values.sum(axis=2)
    known = float((sums[:, 0] - logsumexp(sums, axis=1)).mean())
    lost = np.zeros(values.shape[2])
    for column in range(values.shape[2]):
        own = values[:, :, column]
        for step in range(1, 1 + OTHERS):
            moved = sums - own + np.roll(own, step, axis=1)
            lost[column] += known - float((moved[:, 0] - logsumexp(moved, axis=1)).mean())
    return np.round(lost / OTHERS, 9)


def _gained(products: Products) -> Doubles:
    """(columns,) what the trees gain by splitting on each."""
    table = lgb.Dataset(np.asarray(products.values), products.labels, free_raw_data=False)
    booster = lgb.train(_TREES, table, 60)
    return np.asarray(booster.feature_importance("gain"), dtype=np.float64)
