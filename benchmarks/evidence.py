"""What values are worth: repeats once or each time, play counts as weights, dislikes that teach.

All on validation inside the training part, which a split by time cuts off; the same requests for
each way of counting, intervals over people, paired with the first way. Needs the folders `lastfm`,
`movielens-plots` and `reviews-en` in the folder that PALATE_DATA names.
usage: PALATE_DATA=… python benchmarks/evidence.py [repeats|plays|against-movielens|against-reviews]
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from _record import record
from slices import lastfm_events, movielens_plots, rated_reviews

import palate
from palate.core.dataset import Dataset
from palate.core.split import Split
from palate.data.interactions import first_choices
from palate.evaluation.compare import Comparison, Ranked

METRIC = "ndcg@10"
SEEDS = (0, 1)
SLICES = ("all", "long_tail", "history_1_5", "history_6_20", "history_21_100", "history_101_up")
QUICK = {"candidates": 60, "n_train_queries": 8_000, "n_estimators": 100}


def simple() -> dict[str, Any]:
    """What is fitted in each way, without content."""
    return {
        "popular": palate.Popular(),
        "covisit": palate.Covisit(),
        "item_knn": palate.ItemKNN(),
        "user_knn": palate.UserKNN(),
        "ranker": palate.Ranker(**QUICK),
    }


def ranked(recommender: Any, split: Split, encoders: Mapping[str, Any] | None = None) -> Ranked:
    """The lists of one recommender, each with the histories that its own split has."""
    model = palate.Pipeline(encoders={} if encoders is None else encoders, recommender=recommender)
    return Ranked.of(model.fit(split.train), split, 10)


def beside(splits: Mapping[str, Split], made: Callable[[], Mapping[str, Any]]) -> dict[str, Any]:
    """NDCG@10 of each recommender for each way of counting, and the difference to the first."""
    first, found = next(iter(splits)), {}
    for name in made():
        rows = {way: ranked(made()[name], split) for way, split in splits.items()}
        found[name] = _figures(palate.compare(rows, splits[first], reference=first, beyond=False))
        print(name, found[name], flush=True)
    return found


def _figures(compared: Comparison, part: str = "all") -> dict[str, Any]:
    figures: dict[str, Any] = {}
    for way in compared.rows:
        cell = compared.cell(way, METRIC, part)
        figures[way] = {"ndcg": round(cell.interval.mean, 5)}
        if cell.difference is not None:
            ends = cell.difference.low, cell.difference.high
            figures[way]["difference"] = [round(end, 5) for end in ends]
    return figures


def some(split: Split, kept: np.ndarray[Any, Any]) -> Split:
    """The same split with some of its requests, of one answer each."""
    return split.take(np.flatnonzero(kept))


def repeats(folder: Path) -> dict[str, Any]:
    """Tags that listeners gave to artists: who tags an artist gives several, all at one time.

    Asked for are artists that somebody meets for the first time.
    """
    events = lastfm_events(folder / "lastfm")
    unique = palate.read(events, repeats="once")
    cut = palate.split_by_time(unique, test=0.2)
    until = float(cut.train.interactions["timestamp"].max())  # type: ignore[arg-type]
    events = events.filter(pl.col("timestamp") <= until)
    moment = float(palate.split_by_time(cut.train, test=0.2).train.times.max()) + 1e-3
    splits = {}
    for way in ("once", None, "each"):
        data = palate.read(events, repeats=way)
        split = palate.split_by_time(data, at=moment)
        later = data.interactions["timestamp"].to_numpy() >= moment
        first = first_choices(data.interactions, np.ones(len(later), dtype=np.bool_))
        splits[str(way)] = some(split, first[later])
    return beside(splits, simple)


def plays(folder: Path) -> dict[str, Any]:
    """How often listeners played artists; a fifth of each listener's artists is asked for.

    There are no times: the rows are in an order by chance.
    """
    table = pl.read_csv(folder / "lastfm" / "user_artists.dat.gz", separator="\t")
    table = table.rename({"userID": "user_id", "artistID": "item_id", "weight": "plays"})
    table = table.sample(fraction=1.0, shuffle=True, seed=3)
    # one fifth is the test's, which nobody looks at here; of the rest a fifth is asked for
    place = pl.int_range(pl.len()).over("user_id") / pl.len().over("user_id")
    table = table.with_columns(place=place).filter(pl.col("place") >= 0.2)
    asked, known = (table.filter(pl.col("place") < 0.36), table.filter(pl.col("place") >= 0.36))
    ways = (None, "log(plays)", "log(plays) per person", "plays per person", "log(plays) per item")
    splits = {}
    for way in ways:
        train = palate.read(known.drop("place"), weight=way)
        test = palate.read(asked.drop("place"))
        splits[str(way)] = palate.split_given(train, test, rolling=False)
    return beside(splits, lambda: {n: one for n, one in simple().items() if n != "ranker"})


def against(data: Dataset, encoders: Mapping[str, Any]) -> dict[str, Any]:
    """Low ratings in the fit of the ranker, and in the profile of `content`, or in neither.

    The same lists leave out what somebody turned down.
    """
    train = palate.split_by_time(data, test=0.2).train
    split = palate.split_by_time(train, test=0.2)
    without = replace(split, train=replace(split.train, against=None))
    found = {}
    for seed in SEEDS:
        ways = {"without": without, "with": split}
        made = {name: ranked(palate.Ranker(seed=seed, **QUICK), way) for name, way in ways.items()}
        found[f"ranker, seed {seed}"] = _slices(made, split)
    model = palate.Pipeline(encoders=dict(encoders), recommender=palate.Content())
    model = model.fit(split.train)
    made = {}
    for share in (0.0, 0.1, 0.25):
        model.recommender_.against = share  # type: ignore[attr-defined]
        made[str(share)] = Ranked.of(model, split, 10)
    found["content"] = _slices(made, split)
    return found


def _slices(rows: Mapping[str, Ranked], split: Split) -> dict[str, Any]:
    compared = palate.compare(rows, split, reference=next(iter(rows)), beyond=False)
    found = {name: _figures(compared, name) for name in SLICES if compared.slices[name].requests}
    print(found, flush=True)
    return found


def against_movielens(folder: Path) -> dict[str, Any]:
    """Ratings of films: a fifth are low."""
    ratings = pl.read_csv(
        folder / "movielens-plots" / "ratings.csv.gz",
        schema_overrides={"user_id": pl.String, "item_id": pl.String},
    )
    items = movielens_plots(folder / "movielens-plots").items
    return against(palate.read(ratings, items=items), {"words": palate.Tfidf()})


def against_reviews(folder: Path) -> dict[str, Any]:
    """Reviews of instruments: one in eleven is low; their texts stand for the instruments."""
    data = rated_reviews(folder / "reviews-en")
    return against(data, {"reviews": palate.Reviews()})


PARTS = {
    "repeats": repeats,
    "plays": plays,
    "against-movielens": against_movielens,
    "against-reviews": against_reviews,
}


def main() -> None:
    folder = os.environ.get("PALATE_DATA")
    if not folder:
        sys.exit("PALATE_DATA must name the folder that holds the data sets")
    for name in [name for name in sys.argv[1:] if name in PARTS] or list(PARTS):
        print(record(f"evidence-{name}", PARTS[name](Path(folder))))


if __name__ == "__main__":
    main()
