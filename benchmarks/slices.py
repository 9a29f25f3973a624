"""The default beside every simple recommender, slice by slice: who is it the worse choice for?

Split by time, or as published (strict); intervals over people, paired with the default. The folder
that PALATE_DATA names holds those that are measured.
With several seeds, the default is fitted with each, and the simple ones stand beside every one.
usage: PALATE_DATA=… python benchmarks/slices.py [movielens-plots|lastfm|beauty …] [--seeds 3]
"""

from __future__ import annotations

import gzip
import os
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from _record import record

import palate
from palate.core.dataset import Dataset
from palate.core.split import Split
from palate.evaluation.compare import Comparison, unless_refused
from palate.evaluation.published.formats import load_benchmark

DEFAULT = "default"
METRICS = ("ndcg", "recall")
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


def compared(split: Split, default: palate.Pipeline | None = None) -> Comparison:
    """The default and all simple recommenders on one split, the default as the reference."""
    default = (palate.Pipeline() if default is None else default).fit(split.train)
    content = default.features_ is not None
    models: dict[str, Any] = {DEFAULT: default}
    for name, recommender in simple_recommenders(content=content).items():
        encoders = None if name in ("content", "blend") else {}
        model = palate.Pipeline(encoders=encoders, recommender=recommender)
        models[name] = unless_refused(lambda model=model: model.fit(split.train))
    return palate.compare(models, split, reference=DEFAULT, metrics=METRICS, beyond=False)


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


def of_seeds(split: Split, seeds: int) -> dict[str, Any]:
    """Each slice: NDCG@10 of the default by seed, the best simple one; and where it is worse."""
    found = [
        compared(split, palate.Pipeline(recommender=palate.Ranker(seed=seed)))
        for seed in range(seeds)
    ]
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
            "requests": found[0].slices[part].requests,
            "seeds": ours,
            "mean": float(np.mean(ours)),
            "deviation": float(np.std(ours, ddof=1)),
            "best_other": {best: others[best]},
        }
    return {"slices": rows, "worse": [worse(one) for one in found]}


def main() -> None:
    folder = os.environ.get("PALATE_DATA")
    if not folder:
        sys.exit("PALATE_DATA must name the folder that holds the data sets")
    known = [*SETS, *PUBLISHED]
    seeds = int(sys.argv[sys.argv.index("--seeds") + 1]) if "--seeds" in sys.argv else 1
    for name in [name for name in sys.argv[1:] if name in known] or known:
        split = split_of(name, Path(folder))
        if seeds > 1:
            print(record(f"slices-{name}-seeds", of_seeds(split, seeds)))
        else:
            one_seed(name, split)


def one_seed(name: str, split: Split) -> None:
    """The whole table of one data set, printed and recorded."""
    default = palate.Pipeline()
    found = compared(split, default)
    print(f"\n{name}\n{shown(found)}")
    lost = worse(found)
    for row in lost:
        print(row)
    chosen = getattr(default.recommender_, "chosen_", [])
    print(record(f"slices-{name}", {"chosen": chosen, "worse": lost, **found.to_json()}))
    print("\n".join(chosen))


if __name__ == "__main__":
    main()
