"""What each feature of the ranker is worth, and to which family it belongs."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
import polars as pl

from palate.recommenders._labels import LabelledRows

MEASURED_ROWS = 20_000

FAMILIES = {
    "directed": "behaviour",
    "adjacent": "behaviour",
    "conditional": "behaviour",
    "two steps": "behaviour",
    "together": "behaviour",
    "space": "behaviour",
    "people": "behaviour",
    "smoothed": "behaviour lent by content",
    "mix": "sum of retrievers",
    "popularity": "popularity",
    "trend": "popularity",
    "touched": "the person's own past",
    "history length": "the person's own past",
}


def importances(booster: Any, rows: LabelledRows, blocks: Collection[str]) -> pl.DataFrame:
    """Each feature's share of the trees' gain and of mean |SHAP| over the rows; zeros untrained."""
    shares = np.zeros((2, len(rows.names)))
    if booster is not None:
        shares[0] = booster.feature_importance("gain")
        step = max(1, len(rows.features) // MEASURED_ROWS)
        parts = booster.predict(rows.features[::step], pred_contrib=True)
        shares[1] = np.abs(np.asarray(parts)[:, :-1]).mean(axis=0)
        shares /= np.maximum(shares.sum(axis=1, keepdims=True), 1e-12)
    return pl.DataFrame(
        {
            "feature": rows.names,
            "family": [family(name, blocks) for name in rows.names],
            "gain": shares[0],
            "contribution": shares[1],
        }
    )


def family(name: str, blocks: Collection[str]) -> str:
    """The block that a feature reads, or what else it is about."""
    source = name.partition(" (")[0].partition(":")[0]
    return source if source in blocks else FAMILIES.get(source, "context")
