"""The report's headline: what was compared, which row is best, and whether that is real."""

from __future__ import annotations

import math
from typing import Final

import polars as pl

from palate.core.columns import USER
from palate.core.split import Split
from palate.evaluation.compare import Comparison
from palate.evaluation.report.html import (
    Words,
    count,
    decimal,
    escape,
    named,
    percent,
    say,
    signed,
    small,
)
from palate.evaluation.results import Cell

_TITLES: Final = {"ndcg": "NDCG", "map": "MAP", "mrr": "MRR", "f1": "F1", "hit_rate": "Hit rate"}


def headline_metric(comparison: Comparison) -> str:
    """The metric that decides which row is best: NDCG where it was measured, else the first."""
    wanted = f"ndcg@{comparison.headline}"
    return wanted if wanted in comparison.metrics else comparison.metrics[0]


def best_row(comparison: Comparison) -> str:
    """The row with the highest headline metric over all requests."""
    metric = headline_metric(comparison)
    means = {name: comparison.cell(name, metric).interval.mean for name in comparison.rows}
    return max(means, key=lambda name: -math.inf if math.isnan(means[name]) else means[name])


def headline(comparison: Comparison, split: Split, words: Words) -> str:
    """What was compared, on what, which row is best and whether the difference is real."""
    metric = headline_metric(comparison)
    best = best_row(comparison)
    cell = comparison.cell(best, metric)
    verdict = say(
        words,
        "best_row",
        best=named(best),
        metric=metric_title(metric),
        mean=decimal(cell.interval.mean),
        interval=_interval(cell, words),
    )
    protocol = say(words, "seen_masked" if split.exclude_seen else "seen_open")
    if comparison.masked_answers:
        masked = count(comparison.masked_answers)
        protocol += " " + say(words, "masked_answers", count=masked)
    rows = len(comparison.rows)
    compared = say(words, "compared" if rows > 1 else "compared_one", count=count(rows))
    compared_on = say(words, "best_only", compared=compared, split=_split_name(split, words))
    return (
        f'<p class="verdict">{verdict}</p>'
        f'<p class="test">{_difference(comparison, best, cell, words)}</p>'
        f"{_facts(comparison, split, metric, words)}"
        f'<p class="note">{compared_on} {protocol}</p>'
    )


def _interval(cell: Cell, words: Words) -> str:
    low, high = decimal(cell.interval.low), decimal(cell.interval.high)
    return say(words, "interval", low=low, high=high)


def _split_name(split: Split, words: Words) -> str:
    return words.get(f"split_{split.name}") or named(split.name)


def _difference(comparison: Comparison, best: str, cell: Cell, words: Words) -> str:
    reference = comparison.reference
    if reference is None:
        return say(words, "no_reference")
    if best == reference or cell.difference is None:
        return say(words, "best_is_reference")
    base = comparison.cell(reference, headline_metric(comparison)).interval.mean
    apart = cell.difference
    parts = {
        "reference": named(reference),
        "mean": decimal(base),
        "change": _change(apart.mean, base, words),
    }
    if math.isnan(apart.p):
        return say(words, "difference_few", **parts)
    return say(
        words,
        "difference_yes" if apart.significant else "difference_no",
        difference=signed(apart.mean),
        low=signed(apart.low),
        high=signed(apart.high),
        p=small(apart.p),
        **parts,
    )


def _change(difference: float, base: float, words: Words) -> str:
    if not difference > 0:
        return say(words, "level")
    if base <= 0 or difference > 10 * base:
        return say(words, "above")
    return say(words, "above_by", percent=percent(difference / base))


def _facts(comparison: Comparison, split: Split, metric: str, words: Words) -> str:
    users = pl.concat([split.train.interactions[USER], split.histories.user_ids]).n_unique()
    facts = [
        (count(users), "people"),
        (count(len(split.train.item_ids)), "items"),
        (count(len(split.train.interactions)), "events"),
        (count(len(split.histories)), "requests"),
        (_split_name(split, words), "split"),
    ]
    cells = [f"<div><dt>{say(words, key)}</dt><dd>{value}</dd></div>" for value, key in facts]
    level = comparison.chance.get("all", {}).get(metric, math.nan)
    if not math.isnan(level):
        label = say(words, "chance_level", metric=metric_title(metric))
        cells.append(f"<div><dt>{label}</dt><dd>{small(level)}</dd></div>")
    return f'<dl class="facts">{"".join(cells)}</dl>'


def metric_title(metric: str) -> str:
    """NDCG@10 for ndcg@10."""
    name, _, cutoff = metric.partition("@")
    title = _TITLES.get(name, name.replace("_", " ").capitalize())
    return escape(f"{title}@{cutoff}" if cutoff else title)


def slice_title(comparison: Comparison, name: str, words: Words) -> str:
    """What a slice is called on the page."""
    return words.get(f"slice_{name}") or escape(comparison.slices[name].label)
