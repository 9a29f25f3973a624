"""The same data and settings, computed in other circumstances: are the lists the same?

Each variant is a process of its own with a cache of its own: one core, other numbers of threads,
tables in another order, another history of the cache, another hash seed, people asked one by one.
Compared with the first: overlap@10 (1.00: the same items in every list) and the largest difference
between two scores of one item in one list. Beauty and Office need PALATE_DATA.
usage: python benchmarks/same_lists.py [movielens|beauty|office …] [muse|minilm …] [VARIANT …]
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from _record import record

import palate
from palate.core.columns import USER
from palate.core.dataset import Dataset
from palate.core.histories import histories_of
from palate.core.split import Split
from palate.data.samples import movielens
from palate.evaluation.published.formats import load_benchmark
from palate.features.default_encoders import best_text_encoder, default_encoders
from palate.text.template import render

FORMATS = {"beauty": "sequence", "office": "minionerec"}
DATA = ("movielens", *FORMATS)
ENCODERS = ("muse", "minilm")
USERS, PLACES = 1000, 10

ORDERS = ("items", "people", "people-items")
FILLS = ("text-by-text", "backwards")
ENVIRONMENTS = {
    "first": {},
    "one-core": {},
    "threads-1": dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
    "threads-3": dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "3"),
    "hash-seed": {"PYTHONHASHSEED": "7"},
}
VARIANTS = (*ENVIRONMENTS, *ORDERS, *FILLS, "asked-alone")


def main() -> None:
    if sys.argv[1:2] == ["--one"]:
        fit_one(*sys.argv[2:])
        return
    known: dict[str, list[str]] = {name: [] for name in ("data", "encoder", "variant")}
    for name in sys.argv[1:]:
        kind = "data" if name in DATA else "encoder" if name in ENCODERS else "variant"
        if kind == "variant" and name not in VARIANTS:
            sys.exit(f"{name}: not one of {', '.join([*DATA, *ENCODERS, *VARIANTS])}")
        known[kind].append(name)
    for data in known["data"] or DATA:
        for encoder in known["encoder"] or ENCODERS:
            first, rows = run(data, encoder, "first"), []
            for variant in known["variant"] or VARIANTS[1:]:
                found = compared(first, run(data, encoder, variant))
                rows.append({"variant": variant, **found})
                print(data, encoder, rows[-1], flush=True)
                record(f"same-lists-{data}-{encoder}", {"rows": rows})


def run(data: str, encoder: str, variant: str) -> dict[str, Any]:
    """The lists of one variant, from a process of its own."""
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "lists.npz"
        environment = os.environ | ENVIRONMENTS.get(variant, {}) | {"PALATE_CACHE": scratch}
        command = [sys.executable, __file__, "--one", data, encoder, variant, str(out)]
        if variant == "one-core":
            command = ["taskset", "-c", "0", *command]
        subprocess.run(command, check=True, env=environment)
        with np.load(out) as found:
            return dict(found)


def compared(first: dict[str, Any], other: dict[str, Any]) -> dict[str, float]:
    """overlap@10, lists whose order is the same too, and the largest difference of a score."""
    shared, same, difference = [], [], 0.0
    for ours, theirs, score, scores in zip(
        first["items"], other["items"], first["scores"], other["scores"], strict=True
    ):
        places = {name: place for place, name in enumerate(theirs) if name}
        both = [(place, places[name]) for place, name in enumerate(ours) if name in places]
        shared.append(len(both) / max(np.count_nonzero(ours), 1))
        same.append(np.array_equal(ours, theirs))
        if both:
            here, there = np.array(both).T
            difference = max(difference, float(np.abs(score[here] - scores[there]).max()))
    return {
        "overlap@10": round(float(np.mean(shared)), 4),
        "same_order": round(float(np.mean(same)), 4),
        "largest_difference": difference,
        "ndcg@10": None if np.isnan(other["ndcg"]) else round(float(other["ndcg"]), 5),
        "fit_seconds": round(float(other["seconds"]), 1),
    }


def fit_one(name: str, encoder: str, variant: str, out: str) -> None:
    """Fits on one variant and writes the lists of the first people, by id."""
    split = split_of(name)
    text, _ = best_text_encoder(encoder)
    train = in_another_order(split.train, variant)
    encoders = default_encoders(train, text=text)
    if "text" in encoders:
        fill(encoders["text"].fit(train), train, variant)
        encoders["text"].encode(train)
    started = time.perf_counter()
    model = palate.Pipeline(encoders=encoders).fit(train)
    seconds = time.perf_counter() - started
    names = sorted(train.user_ids.tolist())[:USERS]
    asked = histories_of(train)
    row_of = {name: row for row, name in enumerate(asked.user_ids)}
    asked = asked.take(np.array([row_of[name] for name in names]))
    if variant == "asked-alone":
        parts = [
            model.rank_histories(asked.take(slice(row, row + 1)), PLACES)
            for row in range(len(asked))
        ]
        rows, scores = (np.concatenate(column) for column in zip(*parts, strict=True))
    else:
        rows, scores = model.rank_histories(asked, PLACES)
    items = np.append(np.array(model.item_ids.tolist()), "")[rows]
    ndcg = float("nan")
    if variant not in ORDERS:
        found = palate.compare({"ranker": model}, split, metrics=("ndcg",), beyond=False)
        ndcg = found.cell("ranker", "ndcg@10").interval.mean
    np.savez(out, items=items, scores=scores, ndcg=ndcg, seconds=seconds)


def split_of(name: str) -> Split:
    if name == "movielens":
        return palate.split_leave_last_out(movielens(positive="all"))
    folder = os.environ.get("PALATE_DATA")
    if not folder:
        sys.exit(f"PALATE_DATA must name the folder that holds {name}")
    return load_benchmark(FORMATS[name], Path(folder) / name).test


def in_another_order(data: Dataset, variant: str) -> Dataset:
    """The tables' rows shuffled; everybody's own events stay in their order."""
    draw = np.random.default_rng(1)
    if variant in ("items", "people-items"):
        data = replace(data, items=data.items[draw.permutation(len(data.items))])
    if variant in ("people", "people-items"):
        places = pl.DataFrame(
            {USER: data.user_ids.series, "place": draw.permutation(len(data.user_ids))}
        )
        by = ["place"] if data.times is None else ["timestamp", "place"]
        events = data.interactions.join(places, on=USER, maintain_order="left")
        events = events.sort(by, maintain_order=True).drop("place")
        users = data.users
        if users is not None:
            users = users[draw.permutation(len(users))]
        data = Dataset(events, data.items, users)
    return data


def fill(encoder: Any, data: Dataset, variant: str) -> None:
    """Puts the texts into the cache in the variant's way."""
    texts = render(data.items, encoder.template_)
    if variant == "text-by-text":  # the first of them: the cache is no place for 10,000 files
        for text in texts[:300]:
            encoder.encode_texts([text])
        for start in range(300, len(texts), 90):
            encoder.encode_texts(texts[start : start + 90])
    if variant == "backwards":
        for start in range(len(texts), 0, -700):
            encoder.encode_texts(texts[max(start - 700, 0) : start][::-1])


if __name__ == "__main__":
    main()
