"""Sentiment of reviews: palate's head on language-model features beside VADER and SnowNLP.

Each data set is cut once, at random: the head learns on the training share, everybody is judged on
the same test texts. Classes are balanced nowhere: macro-F1 and AUC say what accuracy hides. A
lexicon's three classes are cut at its authors' own thresholds. Intervals: 1,000 bootstrap samples
of the test texts, the same ones for everybody.
usage: PALATE_DATA=../shared/data python benchmarks/sentiment.py
"""

from __future__ import annotations

import gzip
import io
import json
import os
import time
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import polars as pl
from _record import record
from numpy.typing import NDArray
from sklearn.metrics import f1_score, roc_auc_score

import palate
from palate.text import sentiment_head as head
from palate.text.sentiment import lexicon_sentiment, whole_and_clauses

TRAIN, TEST = 5000, 3000
SAMPLES = 1000
NEUTRAL = {"vader": 0.05, "snownlp": 0.2}  # |polarity| below which a lexicon says neutral


def hotels(folder: Path) -> pl.DataFrame:
    return _labelled(folder / "reviews-zh" / "ChnSentiCorp_htl_all.csv.gz")


def food_delivery(folder: Path) -> pl.DataFrame:
    return _labelled(folder / "reviews-zh" / "waimai_10k.csv.gz")


def _labelled(path: Path) -> pl.DataFrame:
    table = pl.read_csv(path).drop_nulls()
    return table.select(text="review", value=pl.col("label") * 2.0 - 1.0)


def finance(folder: Path) -> pl.DataFrame:
    path = folder / "finance-sentiment" / "Sentences_AllAgree.txt.gz"
    lines = gzip.decompress(path.read_bytes()).decode("latin-1").split("\n")
    parts = [line.rpartition("@") for line in lines if "@" in line]
    meaning = {"negative": -1.0, "neutral": 0.0, "positive": 1.0}
    values = [meaning[label.strip()] for _, _, label in parts]
    return pl.DataFrame({"text": [text.strip() for text, _, _ in parts], "value": values})


def instruments(folder: Path) -> pl.DataFrame:
    """Ratings of 4 and 5 are positive, 1 and 2 negative; 3 is left out."""
    with zipfile.ZipFile(folder / "reviews-en" / "Musical_Instruments.zip") as archive:
        lines = archive.read("Musical_Instruments.json")
    table = pl.read_ndjson(io.BytesIO(lines)).filter(pl.col("overall") != 3)
    value = pl.when(pl.col("overall") > 3).then(1.0).otherwise(-1.0)
    return table.select(text="reviewText", value=value).filter(pl.col("text") != "")


DATA: dict[str, tuple[str, Callable[[Path], pl.DataFrame]]] = {
    "food delivery (zh)": ("zh", food_delivery),
    "hotels (zh)": ("zh", hotels),
    "finance (en)": ("en", finance),
    "musical instruments (en)": ("en", instruments),
}


def cut(table: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Training and test texts, none in both; three fifths of a small data set are for training."""
    table = table.unique("text", maintain_order=True)
    table = table[np.random.default_rng(0).permutation(len(table))]
    train = min(TRAIN, len(table) * 3 // 5)
    return table[:train], table[train : train + TEST]


def judged_by_head(
    encoder: palate.TextEncoder | palate.Transformer, train: pl.DataFrame, test: pl.DataFrame
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(n,) predicted class value and (n, classes) probabilities."""
    learnt_from, asked = (
        whole_and_clauses(table["text"].to_list(), encoder.encode_texts) for table in (train, test)
    )
    learnt = head.fit_head(learnt_from, train["value"].to_numpy())
    said, found = head.decide(learnt, asked), head.probabilities(learnt, asked)
    return said.astype(float), found.astype(float)


def judged_by_lexicon(
    name: str, classes: int, texts: Sequence[str]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """As `judged_by_head`; the probabilities are only good for ranking texts."""
    polarity = lexicon_sentiment(texts)[0].astype(float)
    if classes == 2:
        said = np.where(polarity < 0, -1.0, 1.0)
        return said, np.column_stack([-polarity, polarity])
    edge = NEUTRAL[name]
    said = np.where(polarity <= -edge, -1.0, np.where(polarity >= edge, 1.0, 0.0))
    return said, np.column_stack([-polarity, -np.abs(polarity), polarity])


def figures(
    truth: NDArray[np.float64], said: NDArray[np.float64], ranked: NDArray[np.float64]
) -> dict[str, list[float]]:
    """Accuracy, macro-F1 and AUC (macro, one against the rest), each with its interval."""
    classes = np.unique(truth)
    rng = np.random.default_rng(1)
    samples = [np.arange(len(truth))] + [
        rng.integers(0, len(truth), len(truth)) for _ in range(SAMPLES)
    ]
    rows = np.array([_measures(truth[s], said[s], ranked[s], classes) for s in samples])
    low, high = np.quantile(rows[1:], [0.025, 0.975], axis=0)
    names = ("accuracy", "macro_f1", "auc")
    return {
        name: [round(float(value), 4) for value in (rows[0, place], low[place], high[place])]
        for place, name in enumerate(names)
    }


def _measures(
    truth: NDArray[np.float64],
    said: NDArray[np.float64],
    ranked: NDArray[np.float64],
    classes: NDArray[np.float64],
) -> list[float]:
    places = [len(classes) - 1] if len(classes) == 2 else range(len(classes))
    auc = [roc_auc_score(truth == classes[place], ranked[:, place]) for place in places]
    f1 = f1_score(truth, said, average="macro", labels=classes, zero_division=0)
    return [float((truth == said).mean()), float(f1), float(np.mean(auc))]


def main() -> None:
    folder = Path(os.environ.get("PALATE_DATA", "../shared/data"))
    if not folder.is_dir():
        raise SystemExit(f"there is no folder {folder}: set PALATE_DATA to the measured data")
    started = time.perf_counter()
    rows = []
    for name, (language, load) in DATA.items():
        train, test = cut(load(folder))
        truth = test["value"].to_numpy()
        lexicon = "snownlp" if language == "zh" else "vader"
        encoders = {"muse": palate.TextEncoder()}
        if language == "en":
            encoders["minilm"] = palate.Transformer(model="minilm")
        found = {lexicon: judged_by_lexicon(lexicon, len(np.unique(truth)), test["text"].to_list())}
        for key, encoder in encoders.items():
            found[f"head on {key}"] = judged_by_head(encoder, train, test)
        for who, (said, ranked) in found.items():
            row = {"data": name, "train": len(train), "test": len(test), "who": who}
            rows.append(row | figures(truth, said, ranked))
            print(json.dumps(rows[-1], ensure_ascii=False), flush=True)
    print(table_of(rows))
    print(record("sentiment", {"rows": rows}), f"{time.perf_counter() - started:.0f} s")


def table_of(rows: list[dict[str, object]]) -> str:
    lines = ["| data | who | accuracy | macro-F1 | AUC |", "|---|---|---|---|---|"]
    for row in rows:
        cells = [f"{row[name][0]:.3f}" for name in ("accuracy", "macro_f1", "auc")]  # type: ignore[index]
        lines.append(f"| {row['data']} | {row['who']} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
