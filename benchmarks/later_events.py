"""MovieLens-100K, by time: what is it worth to tell a model what people did since its fit?

Fitted on the first 60 % of the events, asked for a sample of the last 20 % with histories up to
date: as fitted, with the events between added, and fitted again with them.
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
from palate.core.topk import rank_rows
from palate.data.samples import movielens
from palate.evaluation.significance import paired_bootstrap

K = 10
MOST = 4_000
HISTORIES = {"all": (0, 10**9), "none": (0, 0), "1 to 5": (1, 5), "6 to 20": (6, 20)}
MADE = {
    "popular": lambda: palate.Popular(last_days=30),
    "covisit": palate.Covisit,
    "user_knn": palate.UserKNN,
    "blend": lambda: palate.Blend(parts=[{"type": "covisit"}, {"type": "ease"}]),
    "ranker": lambda: palate.Ranker(n_estimators=80, n_train_queries=5_000, candidates=60),
}


def measured(name: str, data: palate.Dataset) -> dict[str, Any]:
    """Mean NDCG@10 by length of history, and the gain over "as fitted" with intervals of 95 %."""
    assert data.times is not None
    fitted_until, asked_from = (float(np.quantile(data.times, share)) for share in (0.6, 0.8))
    at = datetime.fromtimestamp(asked_from, UTC).strftime("%Y-%m-%d %H:%M:%S")
    split = palate.split_by_time(data, at=at)
    events = split.train.events
    first = split.train.part(events["timestamp"].to_numpy() < fitted_until)
    later = events.filter(pl.col("timestamp") >= fitted_until)
    fitted = palate.Pipeline(encoders={}, recommender=MADE[name]()).fit(first)
    models = {
        "as fitted": fitted,
        "with events": fitted.with_events(later),
        "fitted again": palate.Pipeline(encoders={}, recommender=MADE[name]()).fit(split.train),
    }
    asked = np.sort(np.random.default_rng(0).permutation(len(split.histories))[:MOST])
    asking, answers = split.histories.take(asked), split.sealed.items[asked]
    found = {}
    for which, model in models.items():
        ranked, _ = rank_rows(model, asking, K)
        found[which] = ((ranked == answers[:, None]) / np.log2(np.arange(K) + 2)).sum(axis=1)
    row: dict[str, Any] = {"recommender": name, "fitted on": len(first.events), "added": len(later)}
    for length, (least, most) in HISTORIES.items():
        part = (asking.lengths >= least) & (asking.lengths <= most)
        row[length] = {"requests": int(part.sum())}
        for which, values in found.items():
            gap = paired_bootstrap(
                values[part], found["as fitted"][part], asking.user_ids.filter(pl.Series(part))
            )
            row[length][which] = [float(values[part].mean()), gap.mean, gap.low, gap.high]
    return row


def main() -> None:
    data = movielens()
    rows = []
    for name in sys.argv[1:] or list(MADE):
        rows.append(measured(name, data))
        print(rows[-1], flush=True)
        print(record("later-events-movielens", {"metric": f"ndcg@{K}", "rows": rows}))


if __name__ == "__main__":
    main()
