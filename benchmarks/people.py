"""What is known of people is worth: the table of users, and what they wrote, by recommender.

Split by time, intervals over people, each pair compared with the same recommender that knows
nothing of people but what they did. MovieLens-100K comes installed; instruments need the folder
`reviews-en` in the folder that PALATE_DATA names.
usage: PALATE_DATA=… python benchmarks/people.py [movielens|instruments …]
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from _record import record
from slices import SLICES, reviews_en

import palate
from palate.core.dataset import Dataset
from palate.data.samples import movielens
from palate.evaluation.compare import Comparison

WITHOUT = "without"
Encoders = dict[str, Any]


def films() -> tuple[Dataset, Encoders, dict[str, Encoders]]:
    """MovieLens, every rating a choice: age, gender, occupation and postcode of people."""
    encoders = {"words": palate.Tfidf(), "attributes": palate.Attributes()}
    return movielens(positive="all"), encoders, {"users table": {"facts": palate.Attributes()}}


def instruments() -> tuple[Dataset, Encoders, dict[str, Encoders]]:
    """Reviews of instruments: nothing is known of people but what they did and wrote."""
    folder = os.environ.get("PALATE_DATA")
    if not folder:
        sys.exit("PALATE_DATA must name the folder that holds reviews-en")
    data = reviews_en(Path(folder) / "reviews-en")
    return data, {}, {"what they wrote": {"reviews": palate.Reviews()}}


SETS: dict[str, Callable[[], tuple[Dataset, Encoders, dict[str, Encoders]]]] = {
    "movielens": films,
    "instruments": instruments,
}

RECOMMENDERS: dict[str, Callable[[], Any]] = {"ranker": palate.Ranker, "user_knn": palate.UserKNN}


def compared(name: str) -> dict[str, Comparison]:
    """Recommender → the same with each kind of features of people, beside it without any."""
    data, encoders, kinds = SETS[name]()
    split = palate.split_by_time(data)
    found = {}
    for called, recommender in RECOMMENDERS.items():
        models = {
            row: palate.Pipeline(encoders=encoders, users=users, recommender=recommender()).fit(
                split.train
            )
            for row, users in ({WITHOUT: {}} | kinds).items()
        }
        found[called] = palate.compare(
            models, split, reference=WITHOUT, metrics=("ndcg", "recall"), beyond=False
        )
    return found


def shown(recommender: str, found: Comparison) -> str:
    """NDCG@10 of every slice, with and without, and the paired difference."""
    lines = [f"| {recommender}, requests | without | with | difference |", "|---|---|---|---|"]
    for row in found.rows:
        if row == WITHOUT:
            continue
        for part in (part for part in SLICES if found.slices[part].requests):
            cell, size = found.cell(row, "ndcg@10", part), found.slices[part]
            before = found.cell(WITHOUT, "ndcg@10", part).interval.mean
            apart = cell.difference
            lines.append(
                f"| {size.label} ({size.requests:,}), {row} | {before:.4f} | "
                f"{cell.interval.mean:.4f} | {apart.mean:+.4f} ({apart.low:+.4f} to "
                f"{apart.high:+.4f}) |"
            )
    return "\n".join(lines)


def main() -> None:
    for name in [name for name in sys.argv[1:] if name in SETS] or list(SETS):
        found = compared(name)
        print(f"\n{name}")
        for recommender, comparison in found.items():
            print(shown(recommender, comparison))
        print(record(f"people-{name}", {part: one.to_json() for part, one in found.items()}))


if __name__ == "__main__":
    main()
