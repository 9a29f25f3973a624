"""Beauty titles as few bytes: memory against the share of the ten nearest that is found.

A thousand titles ask, the others are searched; the truth is float32. NDCG is that of `content` on
the validation events, with features that went through the same bytes.
usage: PALATE_DATA=… python benchmarks/quantize.py [ENCODER]
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from _record import record

from palate.core.arrays import Floats
from palate.core.features import Features
from palate.core.split import Split
from palate.core.types import FitContext
from palate.evaluation.compare import compare
from palate.evaluation.published.formats import load_benchmark
from palate.features.default_encoders import best_text_encoder
from palate.features.quantized_index import QuantizedIndex
from palate.features.representation.quantize import Quantize
from palate.features.representation.whiten import Whiten
from palate.recommenders.content import Content

ASKED = 1000
REQUESTS = 4000
K = 10
STORED: dict[str, dict[str, Any]] = {
    "int8": {"bits": 8},
    "bits": {"bits": 1},
    "bits, rescored by int8": {"bits": 1, "rescore": "int8"},
    "bits, rescored by float16": {"bits": 1, "rescore": "float16"},
}
OVERSAMPLE = (2, 4, 10)


def units(values: Floats) -> Floats:
    return values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-12)


def nearest(items: Floats, queries: Floats) -> tuple[np.ndarray, float]:
    """The ten nearest by float32, and the seconds that takes."""
    start = time.perf_counter()
    found = np.argpartition(-(queries @ items.T), K, axis=1)[:, :K]
    return found, time.perf_counter() - start


def recall(rows: np.ndarray, truth: np.ndarray) -> float:
    pairs = zip(rows, truth, strict=True)
    return float(np.mean([len(np.intersect1d(one, other)) / K for one, other in pairs]))


def searched(name: str, values: Floats) -> list[dict[str, Any]]:
    """One row a way to store the vectors."""
    order = np.random.default_rng(0).permutation(len(values))
    queries, items = units(values[order[:ASKED]]), units(values[order[ASKED:]])
    truth, seconds = nearest(items, queries)
    rows = [row_of(name, "float32", items.nbytes, items, recall(truth, truth), seconds)]
    half = items.astype(np.float16)
    found, seconds = nearest(half.astype(np.float32), queries)
    rows.append(row_of(name, "float16", half.nbytes, items, recall(found, truth), seconds))
    for stored, settings in STORED.items():
        index = QuantizedIndex.of(items, **settings)
        for oversample in OVERSAMPLE if "rescore" in settings else (1,):
            start = time.perf_counter()
            best, _ = index.search(queries, K, oversample=oversample)
            seconds = time.perf_counter() - start
            title = stored + (f", {oversample}× k" if oversample > 1 else "")
            rows.append(row_of(name, title, index.nbytes, items, recall(best, truth), seconds))
    return rows


def row_of(
    vectors: str, stored: str, size: int, items: Floats, found: float, seconds: float
) -> dict[str, Any]:
    row = {
        "vectors": vectors,
        "stored": stored,
        "bytes_an_item": round(size / len(items), 1),
        "smaller": round(items.nbytes / size, 1),
        "recall@10": round(found, 4),
        "queries_a_second": round(ASKED / seconds),
    }
    print(row, flush=True)
    return row


def recommended(values: Floats, split: Split) -> dict[str, float]:
    """NDCG@10 of `content` with whitened vectors as float32, eight bits and one bit."""
    data = split.train
    features = Features(data.item_ids, {"text": values})
    white = Whiten().fit(features, data).transform(features)
    through: dict[str, Callable[[Features], Features]] = {
        "float32": lambda part: part,
        "int8": lambda part: Quantize(bits=8).fit(part, data).transform(part),
        "bits": lambda part: Quantize(bits=1).fit(part, data).transform(part),
    }
    models = {
        name: Content().fit(data, FitContext(items=step(white))) for name, step in through.items()
    }
    found = compare(models, split, metrics=("ndcg",), beyond=False)
    return {name: found.cell(name, "ndcg@10").interval.mean for name in models}


def sample(split: Split) -> Split:
    return split.take(np.random.default_rng(0).permutation(len(split.histories))[:REQUESTS])


def main() -> None:
    name = sys.argv[1] if len(sys.argv) > 1 else "muse"
    benchmark = load_benchmark("sequence", Path(os.environ["PALATE_DATA"]) / "beauty")
    split = benchmark.validation
    encoder, said = best_text_encoder(name, "{title}")
    features = encoder.fit(split.train).encode(split.train)
    (values,) = features.parts.values()
    values = np.asarray(values)
    white = Whiten().fit(features, split.train).transform(features)
    rows = searched("as they are", values)
    rows += searched("whitened", np.asarray(*white.parts.values()))
    ndcg = recommended(values, sample(split))
    print(ndcg)
    figures = {"items": len(values), "dimensions": values.shape[1], "encoder": said}
    print(record(f"quantize-{name}", {**figures, "rows": rows, "content_ndcg@10": ndcg}))


if __name__ == "__main__":
    main()
