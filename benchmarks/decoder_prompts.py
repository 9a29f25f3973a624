"""What a decoder is asked decides what its vectors know: Gemma 3 270M by prompt, pooling, layer.

The share of the same category among the 10 nearest, of the vectors as they are and whitened: 800
titles of Amazon Beauty (third level of the category) and 600 Chinese captions of short videos
(KuaiRec, CC BY-SA 4.0; first level), beside encoders that were trained for vectors. Then what they
are worth to `content` on MovieLens-100K, where the decoder is asked for the genre of a film.
usage: PALATE_DATA=../shared/data python benchmarks/decoder_prompts.py [MODEL]
"""

from __future__ import annotations

import gzip
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import chinese_captions
import numpy as np
import polars as pl
from _record import record

import palate
from palate.core.dataset import Dataset
from palate.core.types import Encoder
from palate.data.samples import movielens
from palate.evaluation.significance import mean_interval

TITLES, CAPTIONS = 800, 600
SHRINKAGE = 0.1
NOTHING = {"prefix": "", "suffix": ""}
ASKED: dict[str, dict[str, Any]] = {
    "nothing, last": NOTHING,
    "nothing, position": {**NOTHING, "pooling": "position"},
    "nothing, position, layer 15": {**NOTHING, "pooling": "position", "layer": 15},
    "one word": {},
    "category": {"prefix": "Product: ", "suffix": "\nCategory:"},
    "category, layer 15": {"prefix": "Product: ", "suffix": "\nCategory:", "layer": 15},
}
ONLY = {
    "English": {
        "this item in one word": {"prefix": "", "suffix": ' This item in one word: "'},
        "type": {"prefix": "", "suffix": "\nType of item:"},
    },
    "Chinese": {
        "video": {"prefix": "Video: ", "suffix": "\nCategory:"},
        "in Chinese": {"prefix": "标题：", "suffix": "\n类别："},
    },
}


def titles() -> tuple[Dataset, list[str]]:
    """The sample as a catalogue that nobody touched, and the category of each title."""
    folder = os.environ.get("PALATE_DATA")
    if not folder or not (path := Path(folder) / "beauty" / "items.jsonl.gz").is_file():
        sys.exit("PALATE_DATA must name the folder that holds beauty/items.jsonl.gz")
    with gzip.open(path) as file:
        rows = [json.loads(line) for line in file]
    known = [
        (row["title"].strip(), row["categories"][0][2])
        for row in rows
        if (row.get("title") or "").strip() and len(row["categories"][0]) > 2
    ]
    drawn = np.sort(np.random.default_rng(0).permutation(len(known))[:TITLES])
    items = pl.DataFrame(
        {"item_id": [str(row) for row in drawn], "title": [known[row][0] for row in drawn]}
    )
    nothing = pl.DataFrame(schema={"user_id": pl.String, "item_id": pl.String})
    return Dataset(interactions=nothing, items=items), [known[row][1] for row in drawn]


def encoders(language: str, model: str) -> Iterator[tuple[str, Encoder]]:
    """Those that were trained for vectors, then the decoder by what it is asked."""
    yield "TF-IDF", palate.Tfidf(template="{title}")
    yield "muse", palate.TextEncoder(template="{title}")
    for name in ("e5", "minilm") if language == "English" else ("e5",):
        yield name, palate.Transformer(model=name, template="{title}", max_tokens=64)
    for name, settings in (ASKED | ONLY[language]).items():
        whole = {"template": "{title}", "max_tokens": 96, "backend": "torch"} | settings
        yield f"{model}, {name}", palate.Causal(model=model, **whole)


def figures_of(data: Dataset, names: list[str], name: str, encoder: Encoder) -> dict[str, Any]:
    kinds = np.unique(names, return_inverse=True)[1]
    features = encoder.fit(data).encode(data)
    whitened = palate.Whiten(shrinkage=SHRINKAGE).fit(features, data).transform(features)
    found: dict[str, Any] = {"name": name, "dimensions": features.dim}
    for how, part in (("as it is", features), ("whitened", whitened)):
        shares = chinese_captions.shares_of_same(next(iter(part.parts.values())), kinds)
        interval = mean_interval(shares, [str(row) for row in range(len(kinds))])
        found[how] = {"mean": interval.mean, "low": interval.low, "high": interval.high}
    return found


def worth(model: str) -> list[dict[str, Any]]:
    """NDCG@10 of `content` with each one's vectors of films, on the last fifth of the events."""
    split = palate.split_by_time(movielens(positive="all"), test=0.2)
    films = {"template": "{title} ({year})"}
    asked = {"prefix": "Film: ", "suffix": "\nGenre:", "backend": "torch"}
    chosen: dict[str, Encoder] = {
        "TF-IDF": palate.Tfidf(**films),
        "muse": palate.TextEncoder(**films),
        "e5": palate.Transformer(model="e5", **films),
        "minilm": palate.Transformer(model="minilm", **films),
        f"{model}, genre": palate.Causal(model=model, **films, **asked),
    }
    rows = []
    for name, encoder in chosen.items():
        pipeline = palate.Pipeline(
            encoders={"text": encoder},
            representation=[palate.Whiten(shrinkage=SHRINKAGE)],
            recommender=palate.Content(),
        ).fit(split.train)
        found = palate.evaluate(pipeline, split).cells[0].interval
        rows.append({"name": name, "mean": found.mean, "low": found.low, "high": found.high})
        print(f"  {found.mean:.4f} ({found.low:.4f} to {found.high:.4f})  {name}", flush=True)
    return rows


def main() -> None:
    model = sys.argv[1] if len(sys.argv) > 1 else "gemma"
    chinese_captions.SAMPLE = CAPTIONS
    results: dict[str, Any] = {"model": model}
    for language, (data, names) in {
        "English": titles(),
        "Chinese": chinese_captions.captions(),
    }.items():
        counts = np.unique(names, return_counts=True)[1] / len(names)
        print(f"{language}: {len(names)} texts, {len(counts)} kinds, chance {counts @ counts:.3f}")
        rows = []
        for name, encoder in encoders(language, model):
            rows.append(figures_of(data, names, name, encoder))
            shown = " ".join(f"{rows[-1][how]['mean']:.3f}" for how in ("as it is", "whitened"))
            print(f"  {shown}  {name}", flush=True)
        results[language] = {"texts": len(names), "chance": float(counts @ counts), "rows": rows}
    print("MovieLens-100K: NDCG@10")
    results["MovieLens"] = worth(model)
    print(record("decoder-prompts", results))


if __name__ == "__main__":
    main()
