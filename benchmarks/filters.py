"""MovieLens with plots, split by time: who finds the next film inside one genre?

Requests are those whose answer is of the genre; only its films may be recommended. "masked" is the
default with candidates of the whole catalogue, of which the filter takes what does not fit.
usage: PALATE_DATA=… python benchmarks/filters.py
"""

from __future__ import annotations

import gzip
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from _record import record

import palate
from palate.core.topk import rank_rows
from palate.evaluation.significance import paired_bootstrap

K = 10
MOST = 1000
GENRES = ("Documentary", "Film-Noir", "Western", "Animation", "Musical", "War", "Horror", "Action")


class Unaware:
    """A model that is not told what is allowed."""

    def __init__(self, model: palate.Pipeline) -> None:
        self.model = model

    def score(self, histories: palate.Histories) -> Any:
        return self.model.score(replace(histories, allowed=None))


def films() -> palate.Dataset:
    folder = Path(os.environ["PALATE_DATA"]) / "movielens-plots"
    known = json.loads(gzip.decompress((folder / "items_info.json.gz").read_bytes()))
    columns = ("title", "plot", "cast", "directors")
    items = pl.DataFrame(
        [
            {
                "item_id": film["movielens_id"],
                **{name: film[name] for name in columns},
                "genres": [name for name in (film["genres"] or "").split(", ") if name],
            }
            for film in known
        ]
    )
    events = pl.read_csv(
        gzip.decompress((folder / "ratings.csv.gz").read_bytes()),
        schema_overrides={"user_id": pl.String, "item_id": pl.String},
    )
    return palate.read(events, items)


def main() -> None:
    data = films()
    split = palate.split_by_time(data, test=0.2)
    default = palate.Pipeline().fit(split.train)
    covisit = palate.Pipeline(encoders={}, recommender=palate.Covisit()).fit(split.train)
    models = {"default": default, "masked": Unaware(default), "covisit": covisit}
    answers, rows = split.sealed.items, []
    for genre in GENRES:
        inside = np.flatnonzero(data.items["genres"].list.contains(genre)).astype(np.int32)
        asked = np.flatnonzero(np.isin(answers, inside))
        asked = np.sort(np.random.default_rng(0).permutation(asked)[:MOST])
        asking = split.histories.take(asked)
        found = {}
        for name, model in models.items():
            ranked, _ = rank_rows(model, asking, K, candidates=inside)
            hits = ranked == answers[asked][:, None]
            found[name] = (hits / np.log2(np.arange(K) + 2)).sum(axis=1)
        gap = paired_bootstrap(found["default"], found["covisit"], asking.user_ids)
        rows.append(
            {
                "genre": genre,
                "films": len(inside),
                "requests": len(asked),
                **{name: float(values.mean()) for name, values in found.items()},
                "default - covisit": [gap.mean, gap.low, gap.high],
            }
        )
        print(rows[-1], flush=True)
    print(record("filters", {"metric": f"ndcg@{K}", "rows": rows}))


if __name__ == "__main__":
    main()
