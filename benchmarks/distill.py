"""Beauty: static encoders beside the language models that they were made from.

Each as the vectors of `content`, whitened, on the validation events; a student is distilled from
texts alone. A quarter of the requests are asked. Rates are of processor time, texts in memory.
usage: PALATE_DATA=… python benchmarks/distill.py
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from _record import record

from palate.core.features import Features
from palate.core.split import Split
from palate.core.types import FitContext
from palate.evaluation.compare import compare
from palate.evaluation.published.formats import load_benchmark
from palate.features.default_encoders import best_text_encoder
from palate.features.encoders.static import Static
from palate.features.representation.whiten import Whiten
from palate.features.template_encoder import TemplateEncoder
from palate.recommenders.content import Content
from palate.text.template import render
from palate.tuning.distill import distill

REQUESTS = 5000
DIM = 256


def sample(split: Split) -> Split:
    return split.take(np.random.default_rng(0).permutation(len(split.histories))[:REQUESTS])


def fitted(encoder: TemplateEncoder, split: Split) -> tuple[Content, dict[str, Any]]:
    """The recommender on an encoder's vectors, and how fast these were made."""
    data = split.train
    texts = render(data.items, encoder.fit(data).template_)
    encoder.encode_texts(["warm"])
    start = time.process_time()
    values = np.asarray(encoder.encode_texts(texts))
    seconds = time.process_time() - start
    features = Features(data.item_ids, {"text": values})
    white = Whiten().fit(features, data).transform(features)
    about: dict[str, Any] = {"dimensions": values.shape[1]}
    if isinstance(encoder, Static):  # the others come from the cache
        about["texts_a_cpu_second"] = round(len(values) / seconds)
    return Content().fit(data, FitContext(items=white)), about


def main() -> None:
    split = sample(
        load_benchmark("sequence", Path(os.environ["PALATE_DATA"]) / "beauty").validation
    )
    with tempfile.TemporaryDirectory() as folder:
        encoders: dict[str, TemplateEncoder] = {}
        agreement = {}
        for name in ("minilm", "muse"):
            teacher, _ = best_text_encoder(name)
            encoders[name] = teacher
            for how, texts in (("fitted to texts", 20_000), ("not fitted", 0)):
                title = f"student of {name}, {how}"
                out = Path(folder) / title.replace(" ", "-")
                done = distill(split.train.items, model=name, out=out, dim=DIM, texts=texts)
                agreement[title] = round(done.agreement, 3)
                encoders[title] = Static(model=str(out))
        for weighting in ("none", "sif", "idf"):
            encoders[f"wordllama, weighting {weighting}"] = Static(weighting=weighting)
        parts = {name: fitted(encoder, split) for name, encoder in encoders.items()}
    models = {name: model for name, (model, _) in parts.items()}
    found = compare(models, split, metrics=("ndcg", "recall"), reference="minilm", beyond=False)
    rows = []
    for name, (_, about) in parts.items():
        cell = found.cell(name, "ndcg@10")
        row = {"name": name, **about, "ndcg@10": round(cell.interval.mean, 4)}
        row["recall@10"] = round(found.cell(name, "recall@10").interval.mean, 4)
        row["same_10_nearest"] = agreement.get(name)
        if cell.difference is not None:
            row["to_minilm"] = [round(cell.difference.low, 4), round(cell.difference.high, 4)]
        rows.append(row)
        print(row)
    print(record("distill", {"items": len(split.train.items), "requests": REQUESTS, "rows": rows}))


if __name__ == "__main__":
    main()
