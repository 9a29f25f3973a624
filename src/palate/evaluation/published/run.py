"""Our rows beside the published ones, on a published split and by its protocol."""

from __future__ import annotations

import copy
import resource
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import PositiveInt
from rich.table import Table
from rich.text import Text

from palate.core.dataset import Dataset
from palate.core.errors import ConfigError, did_you_mean
from palate.core.split import Split
from palate.core.types import Encoder
from palate.core.visible import visible
from palate.evaluation.compare import Comparison, Ranked, compare, unless_refused
from palate.evaluation.published.figures import SOURCES
from palate.evaluation.published.formats import Benchmark, load_benchmark
from palate.evaluation.results import Refused
from palate.features.default_encoders import best_text_encoder, default_encoders
from palate.features.encoders.tfidf import Tfidf
from palate.pipeline.pipeline import Pipeline
from palate.recommenders.blend import Blend
from palate.recommenders.content import Content
from palate.recommenders.covisit import Covisit
from palate.recommenders.ease import Ease
from palate.recommenders.item_knn import ItemKNN
from palate.recommenders.popular import Popular
from palate.recommenders.ranker import Ranker
from palate.recommenders.user_knn import UserKNN

DEFAULT = "ranker"
METRICS = ("recall", "ndcg")

NEED_WORDS = ("ranker-words", "content", "blend")

Maker = Callable[[dict[str, Encoder]], Pipeline]


def _ids(recommender: Any) -> Maker:
    return lambda _encoders: Pipeline(encoders={}, recommender=copy.deepcopy(recommender))


def _only(encoders: dict[str, Encoder], name: str) -> dict[str, Encoder]:
    return {key: encoder for key, encoder in encoders.items() if key == name}


ROWS: dict[str, tuple[str, Maker]] = {
    DEFAULT: (
        "palate ranker (default)",
        lambda encoders: Pipeline(encoders=encoders, recommender=Ranker()),
    ),
    "ranker-text": (
        "palate ranker, language model only",
        lambda encoders: Pipeline(encoders=_only(encoders, "text"), recommender=Ranker()),
    ),
    "ranker-words": (
        "palate ranker, TF-IDF only",
        lambda encoders: Pipeline(encoders={"words": Tfidf()}, recommender=Ranker()),
    ),
    "ranker-ids": ("palate ranker, no text at all", _ids(Ranker())),
    "blend": (
        "palate blend",
        lambda encoders: Pipeline(encoders=encoders, recommender=Blend()),
    ),
    "content": (
        "palate content",
        lambda encoders: Pipeline(encoders=encoders, recommender=Content()),
    ),
    "covisit": ("palate covisit", _ids(Covisit())),
    "item_knn": ("palate item_knn", _ids(ItemKNN())),
    "user_knn": ("palate user_knn", _ids(UserKNN())),
    "ease": ("palate ease", _ids(Ease())),
    "popular": ("palate popular", _ids(Popular())),
}


@dataclass(frozen=True)
class BenchResult:
    """Published rows and ours, what the default row cost, and what a reader must know.

    A row of ours that could not be measured has no figures, and says why. The figures of the
    default are means over `by_seed`, one entry for each seed that it was fitted with.
    """

    benchmark: Benchmark
    comparison: Comparison
    default: str | None
    encoder: str
    refit: bool
    seconds: dict[str, float]
    peak_mib: float
    by_seed: list[dict[str, float]]

    def rows(self) -> list[dict[str, Any]]:
        """Published rows and ours, the best NDCG last."""
        found: list[dict[str, Any]] = [
            {
                "name": row.title,
                "ours": False,
                "metrics": dict(row.metrics),
                "source": SOURCES[row.source],
            }
            for row in self.benchmark.published
        ]
        for name in self.comparison.rows:
            metrics = _means(self.comparison, name)
            if name == self.default:
                for metric in metrics:
                    metrics[metric] = float(np.mean([one[metric] for one in self.by_seed]))
            found.append({"name": name, "ours": True, "metrics": metrics})
        for name, row in self.comparison.refused.items():
            found.append({"name": name, "ours": True, "metrics": {}, "refused": row.reason})
        return sorted(found, key=lambda row: float(row["metrics"].get("ndcg@10", 0.0)))

    def to_json(self) -> dict[str, Any]:
        """As `palate bench --json` writes it."""
        return {
            "benchmark": self.benchmark.name,
            "format": self.benchmark.format,
            "protocol": "refit" if self.refit else "strict",
            "masked": self.benchmark.test.exclude_seen,
            "encoder": self.encoder,
            "default": self.default,
            "rows": self.rows(),
            "by_seed": self.by_seed,
            "seconds": self.seconds,
            "peak_mib": self.peak_mib,
            "notes": self.benchmark.notes,
        }

    def render(self) -> Table:
        """The table for a terminal, ours in bold."""
        masked = "masked" if self.benchmark.test.exclude_seen else "not masked"
        protocol = "refit on training + validation" if self.refit else "strict"
        said = f"{self.benchmark.name}: {protocol}, history {masked}, text by {self.encoder}"
        spent = ", ".join(f"{name} {value:.1f} s" for name, value in self.seconds.items())
        refused = [
            f"– {ROWS[name][0]} was not measured: {row.reason}"
            for name, row in self.comparison.refused.items()
        ]
        spent += f"; peak {self.peak_mib:,.0f} MiB"
        caption = visible("\n".join([spent, *self._seeds(), *refused, *self.benchmark.notes]))
        table = Table(
            title=Text(visible(said), style="table.title"),
            caption=Text(caption, style="table.caption"),
            caption_justify="left",
            title_justify="left",
        )
        table.add_column("recommender")
        sources = ["source"] * bool(self.benchmark.published)
        for name in sources:
            table.add_column(name)
        metrics = self.comparison.metrics
        for metric in metrics:
            table.add_column(metric, justify="right")
        for row in self.rows():
            label = ROWS[row["name"]][0] if row["ours"] else row["name"]
            known = [row.get(name, "") for name in sources]
            figures = [
                f"{row['metrics'][metric]:.4f}" if metric in row["metrics"] else "–"
                for metric in metrics
            ]
            table.add_row(label, *known, *figures, style="bold" if row["ours"] else None)
        return table

    def _seeds(self) -> list[str]:
        if len(self.by_seed) < 2:
            return []
        apart = ", ".join(
            f"{metric} {np.std([one[metric] for one in self.by_seed], ddof=1):.4f}"
            for metric in self.comparison.metrics
        )
        return [f"the default is the mean of {len(self.by_seed)} seeds, which deviate by {apart}"]


def _means(comparison: Comparison, name: str) -> dict[str, float]:
    return {metric: comparison.cell(name, metric).interval.mean for metric in comparison.metrics}


def run_bench(
    published_format: str,
    folder: Path,
    *,
    refit: bool = False,
    encoder: str | None = None,
    mask: bool | None = None,
    recommenders: Sequence[str] | None = None,
    seeds: PositiveInt = 1,
) -> BenchResult:
    """Fits and evaluates our rows on the test split of a published benchmark.

    `recommenders` limits the rows; `encoder` chooses the language model (None: the best that is
    installed); `refit` learns from the validation events too; the default is fitted with `seeds`
    seeds, and its seconds and the peak are those of the first.
    """
    names = list(dict.fromkeys(recommenders or ROWS))
    for name in names:
        if name not in ROWS:
            raise ConfigError(f"no row is called {name!r}.{did_you_mean(name, ROWS)}")
    text, said = best_text_encoder(encoder)
    benchmark = load_benchmark(published_format, folder, mask=mask)
    split = benchmark.refit if refit else benchmark.test
    started = time.perf_counter()
    encoders = default_encoders(split.train, text=text)
    if "words" not in encoders and recommenders is None:
        names = [name for name in names if name not in NEED_WORDS]
    _warm(encoders, split.train)
    seconds = {"encode": time.perf_counter() - started, "fit": 0.0, "score": 0.0}
    ranked: dict[str, Ranked | Refused] = {}
    for name in names:
        found = unless_refused(partial(_ranked, name, encoders, split, max(benchmark.ks)))
        if isinstance(found, Refused):
            ranked[name] = found
            continue
        ranked[name], spent = found
        if name == DEFAULT or len(names) == 1:
            seconds |= spent
    peak_mib = _peak_mib()  # before other seeds, which stand beside what is kept of the first
    measured = partial(compare, split=split, ks=benchmark.ks, metrics=METRICS, beyond=False)
    comparison = measured(ranked)
    by_seed = [_means(comparison, DEFAULT)] if DEFAULT in comparison.rows else []
    for seed in range(1, seeds if by_seed else 1):
        again, _ = _ranked(DEFAULT, encoders, split, max(benchmark.ks), seed=seed)
        by_seed.append(_means(measured({DEFAULT: again}), DEFAULT))
    return BenchResult(
        benchmark=benchmark,
        comparison=comparison,
        default=DEFAULT if DEFAULT in names else None,
        encoder=said if "text" in encoders else "nothing (there is no text)",
        refit=refit,
        seconds=seconds,
        peak_mib=peak_mib,
        by_seed=by_seed,
    )


def _ranked(
    name: str, encoders: dict[str, Encoder], split: Split, depth: int, *, seed: int | None = None
) -> tuple[Ranked, dict[str, float]]:
    """The lists of one of our rows, and the seconds that they cost."""
    started = time.perf_counter()
    model = ROWS[name][1](encoders)
    if seed is not None:
        model = model.set_params(recommender__seed=seed)
    model = model.fit(split.train)
    fitted = time.perf_counter()
    ranked = Ranked.of(model, split, depth, name)
    return ranked, {"fit": fitted - started, "score": time.perf_counter() - fitted}


def _warm(encoders: dict[str, Encoder], train: Dataset) -> None:
    """Encodes the texts once, into the cache, so that fitting does not count it."""
    if "text" in encoders:
        encoders["text"].fit(train).encode(train)


def _peak_mib() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10
