"""Peak memory of a fit and of everybody's lists on a made-up catalogue of the size of Amazon Toys.

11,924 items with two blocks of 384 numbers and one of words, 19,412 people with about eight events
each, with times and without. Each fit has a process of its own; Linux only. With SRC, the `src` of
another checkout, that code is measured in the same run, and its scores and lists are compared bit
by bit.
usage: python benchmarks/memory.py [SRC]
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from _record import record
from numpy.typing import NDArray

import palate

ITEMS, PEOPLE, EVENTS = 11_924, 19_412, 167_000
FEWEST = 5  # events of an item and of a person, before pairs that come twice are dropped
TOPICS, DIM = 200, 384
WORDS, VOCABULARY = 12, 30_000  # of a title; of all titles
TREES = 50  # memory does not depend on their number
YEAR = 365 * 86_400.0
ASKED = 500  # people whose whole scores are compared
LISTED = 6_000  # people whose lists are written: more than one chunk of them
HERE = Path(__file__).resolve().parents[1] / "src"


def lengths(total: int, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """(count,) whole numbers of a power law, none below `FEWEST`, that sum to about `total`."""
    shares = rng.pareto(1.5, count) + 0.01
    return FEWEST + (shares / shares.sum() * (total - FEWEST * count)).astype(np.int64)


def events(times: bool) -> tuple[palate.Dataset, NDArray[np.int64]]:
    """People who mostly stay in one topic, on items of power-law popularity; items' topics."""
    rng = np.random.default_rng(0)
    topic = rng.integers(0, TOPICS, ITEMS)
    items = np.repeat(np.arange(ITEMS), lengths(EVENTS, ITEMS, rng))
    sizes = lengths(EVENTS, PEOPLE, rng)
    users = np.repeat(np.arange(PEOPLE), sizes)
    # both sides keep their numbers of events: those of one topic meet, and a third by chance
    fan = np.repeat(rng.integers(0, TOPICS, PEOPLE), sizes)
    count = min(len(items), len(users))
    drawn = rng.permutation(len(users))[:count]
    users, fan = users[drawn], fan[drawn]
    items = rng.permutation(items)[:count]
    random = rng.random(count) < 1 / 3
    order = np.lexsort((rng.random(count), np.where(random, rng.integers(0, TOPICS, count), fan)))
    items_order = np.lexsort((rng.random(count), topic[items]))
    items = items[items_order]
    # half of the items arrive later than the first day
    born = np.where(rng.random(ITEMS) < 0.5, rng.uniform(0, 2 * YEAR, ITEMS), 0.0)[items]
    table = {
        "user_id": [f"user {row}" for row in users[order]],
        "item_id": [f"item {row}" for row in items],
        "timestamp": 1.6e9 + born + rng.uniform(0, 1, count) * (2 * YEAR - born),
    }
    interactions = pl.DataFrame(table).unique(["user_id", "item_id"], maintain_order=True)
    interactions = interactions.sort("user_id", "timestamp")
    if not times:
        interactions = interactions.drop("timestamp")
    words = np.where(
        rng.random((ITEMS, WORDS)) < 0.5,
        topic[:, None] * 20 + rng.integers(0, 20, (ITEMS, WORDS)),
        (VOCABULARY * rng.random((ITEMS, WORDS)) ** 4).astype(np.int64),
    )
    titles = [" ".join(f"word{word}" for word in row) for row in words.tolist()]
    catalogue = pl.DataFrame({"item_id": [f"item {row}" for row in range(ITEMS)], "title": titles})
    return palate.read(interactions, catalogue), topic


def vectors(topic: NDArray[np.int64], seed: int, path: Path) -> palate.Precomputed:
    """Unit rows around the middle of each item's topic, as an encoder's file."""
    rng = np.random.default_rng(seed)
    middles = rng.standard_normal((TOPICS, DIM))
    rows = middles[topic] + 2 * rng.standard_normal((ITEMS, DIM))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    table = {"item_id": [f"item {row}" for row in range(ITEMS)], "vector": rows.astype(np.float32)}
    pl.DataFrame(table).write_parquet(path)
    return palate.Precomputed(path=str(path))


def mebibytes(field: str) -> int:
    """A field of this process's state; "VmHWM" is the most since `forget_peak`."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:")) // 1024


def forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def one(times: bool) -> dict[str, Any]:
    """What one fit and its lists needed, in a process that did nothing before."""
    with tempfile.TemporaryDirectory() as folder:
        data, topic = events(times)
        encoders: dict[str, Any] = {
            name: vectors(topic, seed, Path(folder) / f"{name}.parquet")
            for seed, name in enumerate(("title", "description"))
        }
        encoders["words"] = palate.Tfidf()
        forget_peak()
        before, started = mebibytes("VmRSS"), time.perf_counter()
        ranker = palate.Ranker(n_estimators=TREES)
        model = palate.Pipeline(encoders=encoders, recommender=ranker).fit(data)
        found: dict[str, Any] = {
            "events": len(data.interactions),
            "before_mib": before,
            "fit_peak_mib": mebibytes("VmHWM"),
            "fitted_mib": mebibytes("VmRSS"),
            "fit_s": time.perf_counter() - started,
        }
        forget_peak()
        lists = Path(folder) / "lists.parquet"
        users = data.user_ids.tolist()
        model.write_recommendations(lists, users[:LISTED])
        found["lists_peak_mib"] = mebibytes("VmHWM")
        scores = model.score(model.histories(users[:ASKED]))
        found["scores"] = hashlib.sha256(scores.tobytes()).hexdigest()[:16]
        rows = pl.read_parquet(lists).hash_rows(seed=0).to_numpy()
        found["lists"] = hashlib.sha256(rows.tobytes()).hexdigest()[:16]
        return found


def measured(source: Path, times: bool) -> dict[str, Any]:
    """`one` by the code in `source`."""
    command = [sys.executable, __file__, "--one", "times" if times else "order"]
    environment = {**os.environ, "PYTHONPATH": str(source)}
    found = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return dict(json.loads(found.stdout.splitlines()[-1]))


def main() -> None:
    if "--one" in sys.argv:
        print(json.dumps(one(sys.argv[-1] == "times")))
        return
    sources = {"here": HERE}
    if len(sys.argv) > 1:
        sources = {"before": Path(sys.argv[1]).resolve(), **sources}
    figures: dict[str, Any] = {"items": ITEMS, "people": PEOPLE, "numbers": 2 * DIM}
    for times in (True, False):
        found = {name: measured(source, times) for name, source in sources.items()}
        figures["with times" if times else "order only"] = found
        for name, part in found.items():
            print("with times" if times else "order only", name, part, flush=True)
        if len(found) == 2:
            same = [found["before"][key] == found["here"][key] for key in ("scores", "lists")]
            print("scores, lists as before:", *same)
    print(record("memory", figures))


if __name__ == "__main__":
    main()
