"""The default beside every simple recommender, slice by slice: who is it the worse choice for?

Split by time, or as published (strict); intervals over people, paired with the default. The folder
that PALATE_DATA names holds those that are measured. The default is fitted with several seeds, and
the simple ones, which have none, stand beside each; the table is that of the first.
usage: PALATE_DATA=… python benchmarks/slices.py [movielens-plots|lastfm|beauty …] [--seeds 3]
"""

from __future__ import annotations

import gzip
import os
import sys
import tempfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from _record import record

import palate
from palate.core.dataset import Dataset
from palate.core.split import Split
from palate.evaluation.compare import Comparison, Ranked, unless_refused
from palate.evaluation.published.formats import load_benchmark
from palate.evaluation.results import Refused

DEFAULT = "default"
METRICS = ("ndcg", "recall")
DEPTH = 10
SEEDS = 3
SLICES = (
    *("all", "cold_items", "long_tail", "short_history"),
    *("history_0", "history_1_5", "history_6_20", "history_21_100", "history_101_up"),
)


def movielens_plots(folder: Path) -> Dataset:
    """100,000 ratings of films with plots, genres and cast, each one a choice."""
    with tempfile.TemporaryDirectory() as scratch:
        items = Path(scratch) / "items.json"
        items.write_bytes(gzip.decompress((folder / "items_info.json.gz").read_bytes()))
        table = pl.read_json(items).rename({"movielens_id": "item_id"})
    ratings = pl.read_csv(folder / "ratings.csv.gz", schema_overrides=_texts("user_id", "item_id"))
    return palate.read(ratings.select("user_id", "item_id", "timestamp"), items=table)


def lastfm_events(folder: Path) -> pl.DataFrame:
    """Each tag that a listener gave to an artist, in order of time."""
    kept = {"user_id:token": "user_id", "item_id:token": "item_id", "timestamp:float": "timestamp"}
    events = pl.read_csv(
        folder / "recbole_lastfm.inter.gz", separator="\t", infer_schema_length=0
    ).select(pl.col(name).alias(ours) for name, ours in kept.items())
    events = events.with_columns(pl.col("timestamp").cast(pl.Float64) / 1000)
    return events.sort("timestamp", maintain_order=True)


def lastfm(folder: Path) -> Dataset:
    """The first time that each listener tagged an artist; artists have names."""
    events = lastfm_events(folder)
    events = events.unique(["user_id", "item_id"], keep="first", maintain_order=True)
    items = pl.read_csv(
        folder / "recbole_lastfm.item.gz", separator="\t", infer_schema_length=0, quote_char=None
    ).select(item_id="item_id:token", name="name:token")
    return palate.read(events, items=items)


def reviews_en(folder: Path) -> Dataset:
    """Reviews of instruments, each one a choice; of the instruments nothing is known."""
    return rated_reviews(folder, positive="all")


def rated_reviews(folder: Path, positive: str | None = None) -> Dataset:
    """The same reviews, with those that are choices by some rule."""
    with (
        tempfile.TemporaryDirectory() as scratch,
        zipfile.ZipFile(folder / "Musical_Instruments.zip") as packed,
    ):
        return palate.read(packed.extract("Musical_Instruments.json", scratch), positive=positive)


def _texts(*names: str) -> dict[str, Any]:
    return dict.fromkeys(names, pl.String)


SETS: dict[str, Callable[[Path], Dataset]] = {
    "movielens-plots": movielens_plots,
    "lastfm": lastfm,
    "reviews-en": reviews_en,
}
PUBLISHED = {
    "beauty": "sequence",
    "office": "minionerec",
    "scientific": "unisrec",
    "yelp": "sequence",
}


def split_of(name: str, folder: Path) -> Split:
    if name in PUBLISHED:
        return load_benchmark(PUBLISHED[name], folder / name).test
    return palate.split_by_time(SETS[name](folder / name))


def simple_recommenders(*, content: bool) -> dict[str, Any]:
    """One line each, of the registry; those that read content only where there is some."""
    found: dict[str, Any] = {
        "covisit": palate.Covisit(),
        "ease": palate.Ease(),
        "item_knn": palate.ItemKNN(),
        "user_knn": palate.UserKNN(),
        "popular": palate.Popular(),
        "popular, 30 days": palate.Popular(last_days=30),
        "popular, 7 days": palate.Popular(last_days=7),
    }
    if content:
        found |= {"content": palate.Content(), "blend": palate.Blend()}
    return found


def simple_lists(split: Split, *, content: bool) -> dict[str, Ranked | Refused]:
    """Everybody's list by each simple recommender, or why there is none."""
    lists: dict[str, Ranked | Refused] = {}
    for name, recommender in simple_recommenders(content=content).items():
        encoders = None if name in ("content", "blend") else {}
        model = palate.Pipeline(encoders=encoders, recommender=recommender)
        lists[name] = unless_refused(partial(_lists, model, split, name))
    return lists


def _lists(model: palate.Pipeline, split: Split, name: str) -> Ranked:
    return Ranked.of(model.fit(split.train), split, DEPTH, name)


def compared(
    default: palate.Pipeline, others: Mapping[str, Ranked | Refused], split: Split
) -> Comparison:
    """A fitted default, which is the reference, beside the lists of the simple recommenders."""
    models: dict[str, Any] = {DEFAULT: default, **others}
    return palate.compare(
        models, split, ks=(DEPTH,), reference=DEFAULT, metrics=METRICS, beyond=False
    )


def worse(found: Comparison) -> list[dict[str, Any]]:
    """Every slice and simple recommender that is better than the default, with significance."""
    rows = []
    for cell in found.cells:
        known = cell.slice in SLICES and cell.metric == "ndcg@10" and cell.difference is not None
        if known and found.slices[cell.slice].users and cell.difference.low > 0:
            rows.append(
                {
                    "slice": cell.slice,
                    "better": cell.recommender,
                    "its": cell.interval.mean,
                    "default": found.cell(DEFAULT, "ndcg@10", cell.slice).interval.mean,
                    "low": cell.difference.low,
                    "high": cell.difference.high,
                    "people": found.slices[cell.slice].users,
                }
            )
    return rows


def shown(found: Comparison) -> str:
    """NDCG@10 of every row and slice; ▲ is better than the default, with significance."""
    lines = ["| NDCG@10 | " + " | ".join(_headings(found)) + " |"]
    lines.append("|---" * (1 + len(lines[0].split(" | ")[1:])) + "|")
    for name in found.rows:
        cells = []
        for part in _slices(found):
            cell = found.cell(name, "ndcg@10", part)
            apart = cell.difference
            mark = "" if apart is None or not apart.significant else "▲" if apart.low > 0 else "▼"
            cells.append(f"{cell.interval.mean:.4f}{mark}")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _slices(found: Comparison) -> list[str]:
    return [name for name in SLICES if found.slices[name].requests]


def _headings(found: Comparison) -> list[str]:
    sizes = [found.slices[name] for name in _slices(found)]
    return [f"{size.label} ({size.requests})" for size in sizes]


def of_seeds(found: Sequence[Comparison]) -> dict[str, Any]:
    """Each slice: NDCG@10 of the default by seed, and the best simple one's; where it is worse."""
    rows = {}
    for part in _slices(found[0]):
        ours = [one.cell(DEFAULT, "ndcg@10", part).interval.mean for one in found]
        others = {
            name: found[0].cell(name, "ndcg@10", part).interval.mean
            for name in found[0].rows
            if name != DEFAULT
        }
        best = max(others, key=lambda name: others[name])
        rows[part] = {
            "default": ours,
            "mean": float(np.mean(ours)),
            "best_other": {best: others[best]},
        }
    return {"slices": rows, "worse": [worse(one) for one in found]}


def main() -> None:
    folder = os.environ.get("PALATE_DATA")
    if not folder:
        sys.exit("PALATE_DATA must name the folder that holds the data sets")
    known = [*SETS, *PUBLISHED]
    seeds = int(sys.argv[sys.argv.index("--seeds") + 1]) if "--seeds" in sys.argv else SEEDS
    for name in [name for name in sys.argv[1:] if name in known] or known:
        measure(name, split_of(name, Path(folder)), seeds)


def measure(name: str, split: Split, seeds: int) -> None:
    """The table of one data set, with the default of every seed beside it, printed and recorded."""
    default = palate.Pipeline(recommender=palate.Ranker(seed=0)).fit(split.train)
    others = simple_lists(split, content=default.features_ is not None)
    found = [compared(default, others, split)]
    chosen = default.recommender_.chosen_
    print(f"\n{name}\n{shown(found[0])}", flush=True)
    for seed in range(1, seeds):
        default = palate.Pipeline(recommender=palate.Ranker(seed=seed)).fit(split.train)
        found.append(compared(default, others, split))
    by_seed = of_seeds(found)
    for part, row in by_seed["slices"].items():
        print(part, row)
    for seed, lost in enumerate(by_seed["worse"]):
        for row in lost:
            print(seed, row)
    figures = {"chosen": chosen, "worse": worse(found[0]), **found[0].to_json()}
    print(record(f"slices-{name}", {**figures, "seeds": by_seed}))
    print("\n".join(chosen), flush=True)


if __name__ == "__main__":
    main()
