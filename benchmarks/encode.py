"""Texts a second of palate's transformer beside sentence-transformers' `encode`, same weights.

usage: python benchmarks/encode.py [short long cached quality]   (all if none is named)

Short texts are the titles of Beauty, long ones the descriptions of Office with 128 tokens or more
(read up to 256 tokens by both). The peer is `SentenceTransformer(...).encode(texts,
batch_size=64)`, in float32 as it comes. Runs take turns; the figures are medians. `quality` fits
the default recommender on Beauty with vectors of either kind.
"""

from __future__ import annotations

import gzip
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from _record import record

from palate.features.cache.store import without_cache
from palate.features.encoders.transformer import Transformer
from palate.nn.hub.find import find_model

RUNS = 5
SHORT, LONG = 3000, 400
LONG_TOKENS, MOST_TOKENS = 128, 256
WAYS = {
    "default": {},
    "OpenVINO int8": {"backend": "openvino", "dtype": "int8"},
    "OpenVINO float32": {"backend": "openvino", "dtype": "float32"},
    "ONNX Runtime float32": {"backend": "onnx", "dtype": "float32"},
    "torch bfloat16": {"backend": "torch", "dtype": "bfloat16"},
    "torch float32": {"backend": "torch", "dtype": "float32"},
}


def main() -> None:
    wanted = sys.argv[1:] or ["short", "long", "cached", "quality"]
    folder = Path(os.environ["PALATE_DATA"])
    figures: dict[str, object] = {"runs": RUNS, "model": "all-MiniLM-L6-v2", "peak": peak()}
    if "short" in wanted:
        figures["short"] = compare(titles(folder)[:SHORT], 128)
    if "long" in wanted:
        figures["long"] = compare(descriptions(folder), MOST_TOKENS)
    if "cached" in wanted:
        figures["cached"] = cached(titles(folder)[:SHORT])
    if "quality" in wanted:
        figures["quality"] = quality(folder)
    print(json.dumps(figures, indent=1))
    name = "encode" if not sys.argv[1:] else f"encode-{'-'.join(wanted)}"
    print(record(name, figures))


def titles(folder: Path) -> list[str]:
    with gzip.open(folder / "beauty" / "items.jsonl.gz", "rt") as file:
        found = [json.loads(line).get("title") for line in file]
    return [title for title in dict.fromkeys(found) if title]


def descriptions(folder: Path) -> list[str]:
    with gzip.open(folder / "office" / "items.json.gz", "rt") as file:
        items = json.load(file)
    tokenizer = tokenizer_of_minilm()
    texts = [str(item.get("description") or "") for item in items.values()]
    long = [t for t in dict.fromkeys(texts) if len(tokenizer(t)["input_ids"]) >= LONG_TOKENS]
    return long[:LONG]


def tokenizer_of_minilm() -> Callable[..., dict[str, list[int]]]:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(str(find_model("minilm")))


def compare(texts: list[str], most_tokens: int) -> dict[str, object]:
    peer = peer_of(most_tokens)
    ours = {
        name: Transformer(max_tokens=most_tokens, **settings) for name, settings in WAYS.items()
    }
    runs: dict[str, Callable[[], np.ndarray]] = {"sentence-transformers": lambda: peer(texts)}
    runs |= {name: lambda made=made: encoded(made, texts) for name, made in ours.items()}
    exact = {name: run() for name, run in runs.items()}  # the first run also loads
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(RUNS):
        for name, run in runs.items():
            started = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - started)
    tokens = np.array(
        [min(len(tokenizer_of_minilm()(text)["input_ids"]), most_tokens) for text in texts]
    )
    base = statistics.median(seconds["sentence-transformers"])
    table: dict[str, object] = {"texts": len(texts), "mean_tokens": float(tokens.mean())}
    for name, taken in seconds.items():
        middle = statistics.median(taken)
        cosines = (exact[name] * exact["sentence-transformers"]).sum(axis=1)
        table[name] = {
            "texts_per_second": len(texts) / middle,
            "ratio": base / middle,
            "cosine_mean": float(cosines.mean()),
            "cosine_min": float(cosines.min()),
            "gigaflops": operations(tokens) / middle / 1e9,
        }
        print(name, table[name], flush=True)
    return table


def peer_of(most_tokens: int) -> Callable[[list[str]], np.ndarray]:
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(find_model("minilm")), device="cpu")
    model.max_seq_length = most_tokens
    return lambda texts: model.encode(
        texts, batch_size=64, show_progress_bar=False, normalize_embeddings=True
    )


def encoded(encoder: Transformer, texts: list[str]) -> np.ndarray:
    with without_cache():
        return encoder.encode_texts(texts)


def operations(tokens: np.ndarray, layers: int = 6, width: int = 384) -> float:
    """Multiplications and additions of MiniLM's matrix products, on tokens without padding."""
    linear = layers * 12 * width**2 * 2 * tokens.sum()
    attention = layers * 4 * width * (tokens.astype(float) ** 2).sum()
    return float(linear + attention)


def peak() -> dict[str, float]:
    """What the processor reaches on large square matrix products, in gigaflops."""
    import torch

    found = {}
    for name in ("float32", "bfloat16"):
        a = torch.ones(2048, 2048, dtype=getattr(torch, name))
        taken = []
        for _ in range(7):
            started = time.perf_counter()
            a @ a
            taken.append(time.perf_counter() - started)
        found[name] = 2 * 2048**3 / min(taken) / 1e9
    return found


def cached(texts: list[str]) -> dict[str, float]:
    """A catalogue that was encoded before, in a fresh encoder, against encoding with the peer."""
    peer = peer_of(128)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["PALATE_CACHE"] = folder
        Transformer().encode_texts(texts)
        taken, base = [], []
        for _ in range(RUNS):
            started = time.perf_counter()
            Transformer().encode_texts(texts)
            taken.append(time.perf_counter() - started)
            started = time.perf_counter()
            peer(texts)
            base.append(time.perf_counter() - started)
        del os.environ["PALATE_CACHE"]
    middle = statistics.median(taken)
    return {
        "texts": len(texts),
        "texts_per_second": len(texts) / middle,
        "ratio": statistics.median(base) / middle,
    }


def quality(folder: Path) -> dict[str, object]:
    """NDCG@10 on Beauty, strict, with vectors in float32 and as they come by default."""
    from palate.evaluation.compare import Ranked, compare
    from palate.evaluation.published.formats import load_benchmark
    from palate.evaluation.published.run import ROWS
    from palate.features.default_encoders import default_encoders

    split = load_benchmark("sequence", folder / "beauty").test
    ways = {"float32": {"dtype": "float32"}, "default": {}, "int8": {"dtype": "int8"}}
    ranked = {}
    for row in ("content", "ranker"):
        for way, settings in ways.items():
            encoders = default_encoders(split.train, text=Transformer(**settings))
            model = ROWS[row][1](encoders).fit(split.train)
            name = f"{row}, {way}"
            ranked[name] = Ranked.of(model, split, 10, name)
    found = compare(ranked, split, ks=[10], metrics=["recall", "ndcg"], beyond=False)
    return {
        name: {
            metric: found.cell(name, metric).interval.mean for metric in ("recall@10", "ndcg@10")
        }
        for name in ranked
    }


if __name__ == "__main__":
    main()
