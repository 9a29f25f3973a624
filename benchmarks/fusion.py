"""Every fusion beside each of its blocks: which is surely better for `content`?

MovieLens is split by time and every fourth request asked, Office as published (by time too, without
times in the files); light encoders; NDCG@10, intervals over people, paired with `concat`. Needs the
folders `movielens-plots` and `office` in the folder that PALATE_DATA names. With `ranker`, for that
recommender, which weighs blocks by itself: those of RANKED, every twelfth request of MovieLens.
usage: PALATE_DATA=… python benchmarks/fusion.py [ranker] [movielens-plots|office …]
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from _record import record
from slices import movielens_plots

import palate
from palate.core.split import Split
from palate.evaluation.compare import Comparison, unless_refused
from palate.evaluation.published.formats import load_benchmark

REFERENCE = "concat"
PARTS = ("all", "cold_items", "long_tail", "short_history")
FUSIONS: dict[str, Callable[[], dict[str, Any]]] = {
    REFERENCE: dict,
    "weighted": lambda: {"fusion": palate.Weighted()},
    "concat, learnt": lambda: {"fusion": palate.Concat(weights="learn")},
    "weighted, learnt": lambda: {"fusion": palate.Weighted(weights="learn")},
    "correlation": lambda: {"fusion": palate.Correlation()},
    "gated": lambda: {"fusion": palate.Gated()},
    "attention": lambda: {"fusion": palate.Attention()},
    "linear": lambda: {"fusion": palate.Linear()},
    "learnt, then l1": lambda: {**_learnt(), "selection": [palate.L1()]},
    "learnt, then importance": lambda: {**_learnt(), "selection": [palate.Importance()]},
}


def _learnt() -> dict[str, Any]:
    return {"fusion": palate.Concat(weights="learn")}


def movielens(folder: Path) -> tuple[Split, dict[str, Any]]:
    """Four blocks of films, each of other columns, and one of who rated what."""
    split = palate.split_by_time(movielens_plots(folder))
    blocks = {
        "title": palate.TextEncoder(template="{title}"),
        "plot": palate.TextEncoder(template="{plot}"),
        "words": palate.Tfidf(),
        "facts": palate.Attributes(),
    }
    return split, blocks


def office(folder: Path) -> tuple[Split, dict[str, Any]]:
    """Three blocks of office products."""
    split = load_benchmark("minionerec", folder).test
    blocks = {
        "title": palate.TextEncoder(template="{title}"),
        "description": palate.TextEncoder(template="{description}"),
        "words": palate.Tfidf(),
    }
    return split, blocks


SETS = {"movielens-plots": movielens, "office": office}


RANKED = (REFERENCE, "concat, learnt", "linear")
STEPS = {"movielens-plots": 4}  # of the requests, one in so many
RANKED_STEPS = {"movielens-plots": 12, "office": 1}


def compared(
    split: Split, blocks: dict[str, Any], wanted: Sequence[str], *, ranker: bool = False
) -> tuple[Comparison, dict]:
    """Each block alone and all of them in each way, and what each way learnt, in words."""
    recommender = palate.Ranker() if ranker else palate.Content()
    models: dict[str, Any] = {}
    said: dict[str, list[str]] = {}
    for name in wanted:
        settings = FUSIONS[name]()
        models[name] = _fitted(split, blocks, recommender, settings)
        parts = getattr(models[name], "transforms_", [])
        said[name] = [line for part in parts for line in getattr(part, "chosen_", [])]
        print(name, said[name], flush=True)
    for name, encoder in () if ranker else blocks.items():
        models[f"{name} alone"] = _fitted(split, {name: encoder}, recommender, {})
    found = palate.compare(models, split, reference=REFERENCE, metrics=("ndcg",), beyond=False)
    return found, said


def _fitted(split: Split, blocks: dict[str, Any], recommender: Any, settings: dict) -> Any:
    model = palate.Pipeline(encoders=blocks, users={}, recommender=recommender, **settings)
    return unless_refused(lambda: model.fit(split.train))


def shown(found: Comparison) -> str:
    """NDCG@10 of every row; ▲ is better than `concat`, with significance, ▼ worse."""
    parts = [part for part in PARTS if found.slices[part].requests]
    lines = ["| NDCG@10 | " + " | ".join(found.slices[part].label for part in parts) + " |"]
    lines.append("|---" * (1 + len(parts)) + "|")
    for name in found.rows:
        cells = []
        for part in parts:
            cell = found.cell(name, "ndcg@10", part)
            apart = cell.difference
            mark = "" if apart is None or not apart.significant else "▲" if apart.low > 0 else "▼"
            cells.append(f"{cell.interval.mean:.4f}{mark}")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    folder = os.environ.get("PALATE_DATA")
    if not folder:
        sys.exit("PALATE_DATA must name the folder that holds the data sets")
    only = [name for name in sys.argv[1:] if name in FUSIONS]
    ranker = "ranker" in sys.argv[1:]
    for name in [name for name in sys.argv[1:] if name in SETS] or list(SETS):
        split, blocks = SETS[name](Path(folder) / name)
        split = split.take(slice(None, None, (RANKED_STEPS if ranker else STEPS).get(name, 1)))
        wanted = [REFERENCE, *only] if only else RANKED if ranker else list(FUSIONS)
        found, said = compared(split, blocks, wanted, ranker=ranker)
        print(f"\n{name}\n{shown(found)}")
        if not only:
            file = f"fusion-ranker-{name}" if ranker else f"fusion-{name}"
            print(record(file, {"learnt": said, **found.to_json()}))


if __name__ == "__main__":
    main()
