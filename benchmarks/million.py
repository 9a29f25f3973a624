"""Peak memory where there are far more people than items: the fit, the folder, everybody's lists.

A made-up catalogue of 2,000 items, people with two or three events each and a table of users with
three columns. Every step has a process of its own; the folder is loaded and its lists are written
as `palate recommend DIR --all --out lists.parquet` does. `ranker`, of 20 trees, and `user_knn`
write the lists of some people only, all others of everybody. Linux only.
usage: python benchmarks/million.py [PEOPLE … RECOMMENDER …]
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from _record import record
from memory import forget_peak, mebibytes

import palate

ITEMS = 2_000
SIZES = (100_000, 300_000, 1_000_000)
SLOW = ("user_knn", "ranker")
ASKED = 64_000  # people whose lists these write: two chunks of them
PLANS, CITIES, TOPICS = 4, 60, 40
YEAR = 365 * 86_400.0

RECOMMENDERS: dict[str, Callable[[], Any]] = {
    "popular": palate.Popular,
    "covisit": palate.Covisit,
    "content": palate.Content,
    "user_knn": palate.UserKNN,
    "ranker": lambda: palate.Ranker(n_estimators=20),
}


def tables(people: int) -> dict[str, pl.DataFrame]:
    """Events, items and users: who lives in one city likes one topic a little more."""
    rng = np.random.default_rng(0)
    counts = rng.integers(2, 4, people)
    users = np.repeat(np.arange(people), counts)
    topic = rng.integers(0, TOPICS, ITEMS)
    city = rng.integers(0, CITIES, people)
    shelves = np.argsort(topic, kind="stable")
    edges = np.searchsorted(topic[shelves], np.arange(TOPICS + 1))
    liked = (city % TOPICS)[users]
    width = np.diff(edges)[liked]
    near = shelves[edges[liked] + (width * rng.random(len(users)) ** 2).astype(np.int64)]
    anything = (ITEMS * rng.random(len(users)) ** 3).astype(np.int64)
    events = {
        "user_id": users,
        "item_id": np.where(rng.random(len(users)) < 0.6, near, anything),
        "timestamp": 1.6e9 + np.sort(rng.uniform(0, 2 * YEAR, len(users))),
    }
    order = rng.permutation(len(users))  # people come in any order
    events["user_id"] = events["user_id"][order]
    events["item_id"] = events["item_id"][order]
    return {
        "events": _named(pl.DataFrame(events)),
        "items": _named(
            pl.DataFrame(
                {
                    "item_id": np.arange(ITEMS),
                    "title": [f"topic{t} thing{n % 97} number{n}" for n, t in enumerate(topic)],
                }
            )
        ),
        "users": _named(
            pl.DataFrame(
                {
                    "user_id": np.arange(people),
                    "city": pl.Series(city).cast(pl.String) + " town",
                    "plan": pl.Series(rng.integers(0, PLANS, people)).cast(pl.String) + " plan",
                    "age": rng.integers(16, 90, people),
                }
            )
        ),
    }


def _named(table: pl.DataFrame) -> pl.DataFrame:
    ids = [name for name in table.columns if name.endswith("_id")]
    return table.with_columns(pl.format("{}{}", pl.lit(name[0]), name).alias(name) for name in ids)


def fitted(folder: Path, name: str) -> dict[str, Any]:
    """What the fit needed, in a process that did nothing before but read the tables."""
    data = palate.read(
        folder / "events.parquet", items=folder / "items.parquet", users=folder / "users.parquet"
    )
    recommender = RECOMMENDERS[name]()
    model = palate.Pipeline(
        encoders={"words": palate.Tfidf()},
        users={"profile": palate.Attributes()},
        recommender=recommender,
    )
    forget_peak()
    before = mebibytes("VmRSS")
    model.fit(data)
    found = {"read_mib": before, "fit_peak_mib": mebibytes("VmHWM")}
    forget_peak()
    model.save(folder / name)
    return found | {"save_peak_mib": mebibytes("VmHWM"), "events": len(data.interactions)}


def listed(folder: Path, name: str) -> dict[str, Any]:
    """What everybody's lists needed, in a process that did nothing before but load the folder."""
    model = palate.load(folder / name)
    users = model.known_users.histories.user_ids
    forget_peak()
    before = mebibytes("VmRSS")
    asked = users.head(ASKED).to_list() if name in SLOW else None
    written = model.write_recommendations(folder / "lists.parquet", asked)
    peak = mebibytes("VmHWM")
    return {
        "loaded_mib": before,
        "lists_peak_mib": peak,
        "lists_beside_the_model_mib": peak - before,
        "lists_of": written.users,
        "lines": written.lines,
    }


STEPS = {"fit": fitted, "lists": listed}


def step(folder: Path, kind: str, name: str) -> dict[str, Any]:
    """One of `STEPS` in a process of its own."""
    command = [sys.executable, __file__, "--step", str(folder), kind, name]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    if "--step" in sys.argv:
        folder, kind, name = sys.argv[-3:]
        print(json.dumps(STEPS[kind](Path(folder), name)))
        return
    sizes = [int(size) for size in sys.argv[1:] if size.isdigit()] or list(SIZES)
    names = [name for name in sys.argv[1:] if name in RECOMMENDERS] or list(RECOMMENDERS)
    figures: dict[str, Any] = {"items": ITEMS}
    for people in sizes:
        figures[f"{people:,} people"] = found = {}
        with tempfile.TemporaryDirectory() as place:
            for table, rows in tables(people).items():
                rows.write_parquet(Path(place) / f"{table}.parquet")
            for name in names:
                found[name] = {kind: step(Path(place), kind, name) for kind in STEPS}
                print(f"{people:,}", name, found[name], flush=True)
                record("million", figures)


if __name__ == "__main__":
    main()
