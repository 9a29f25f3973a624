"""MovieLens-100K, by time: what is it worth to tell a model what people did since its fit?

Fitted on the first 60 % of the events, asked for the last 20 % with histories up to date: as
fitted, with the events between added, and fitted again with them.
usage: python benchmarks/later_events.py popular covisit user_knn blend ranker
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl
from _record import record

import palate
from palate.data.samples import movielens

SLICES = ("all", "history_0", "history_1_5", "history_6_20", "long_tail")
MADE = {
    "popular": lambda: palate.Popular(last_days=30),
    "covisit": palate.Covisit,
    "user_knn": palate.UserKNN,
    "blend": lambda: palate.Blend(parts=[{"type": "covisit"}, {"type": "ease"}]),
    "ranker": lambda: palate.Ranker(n_estimators=80, n_train_queries=5_000, candidates=60),
}


def measured(name: str, data: palate.Dataset) -> dict[str, Any]:
    """Means of NDCG@10 on slices, with intervals of 95 %, and of the gain over "as fitted"."""
    fitted_until, asked_from = (float(np.quantile(data.times, share)) for share in (0.6, 0.8))
    at = datetime.fromtimestamp(asked_from, UTC).strftime("%Y-%m-%d %H:%M:%S")
    split = palate.split_by_time(data, at=at)
    events = split.train.events
    first = split.train.part(events["timestamp"].to_numpy() < fitted_until)
    later = events.filter(pl.col("timestamp") >= fitted_until)
    blank = palate.Pipeline(encoders={}, recommender=MADE[name]())
    again = palate.Pipeline(encoders={}, recommender=MADE[name]()).fit(split.train)
    fitted = blank.fit(first)
    models = {
        "as fitted": fitted,
        "with events": fitted.with_events(later),
        "fitted again": again,
    }
    told = palate.compare(models, split, metrics=["ndcg"], reference="as fitted").to_json()
    return {
        "recommender": name,
        "fitted on": len(first.events),
        "added": len(later),
        "requests": {one: told["slices"][one]["requests"] for one in SLICES},
        "ndcg@10": {
            row["name"]: {one: row["slices"][one]["ndcg@10"] for one in SLICES}
            for row in told["rows"]
        },
    }


def main() -> None:
    data = movielens()
    rows = []
    for name in sys.argv[1:] or list(MADE):
        rows.append(measured(name, data))
        print(rows[-1], flush=True)
        print(record("later-events-movielens", {"rows": rows}))


if __name__ == "__main__":
    main()
