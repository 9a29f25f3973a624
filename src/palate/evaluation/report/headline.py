"""The report's headline: what was compared, which row is best, and whether that is real."""

from __future__ import annotations

import math
from dataclasses import dataclass
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
from palate.evaluation.significance import Interval
from palate.evaluation.table import metric_label

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


@dataclass(frozen=True)
class Verdict:
    """The best row, and how far it stands above the row to hold it against.

    That one is the reference, or the second best where the reference itself is best; without a
    reference, or without another row, it is None, and so is `apart`.
    """

    metric: str
    best: str
    mean: float
    other: str | None = None
    other_mean: float = math.nan
    apart: Interval | None = None

    @classmethod
    def of(cls, comparison: Comparison) -> Verdict:
        """By the headline metric, over all requests."""
        metric, best = headline_metric(comparison), best_row(comparison)
        cells = {name: comparison.cell(name, metric) for name in comparison.rows}
        mean = cells[best].interval.mean
        other, apart = comparison.reference, cells[best].difference
        if other == best:
            others = {name: cell for name, cell in cells.items() if name != best}
            other = max(others, key=lambda name: others[name].interval.mean, default=None)
            below = None if other is None else others[other].difference
            apart = below and Interval(-below.mean, -below.high, -below.low, below.p)
        if other is None or apart is None:
            return cls(metric, best, mean)
        return cls(metric, best, mean, other, cells[other].interval.mean, apart)

    def __str__(self) -> str:
        """In a sentence or two; whatever is no more than chance is said to be not sure."""
        said = f"{self.best} is best: {metric_label(self.metric)} {self.mean:.4f}."
        if self.apart is None:
            return said
        next_to = f"{self.other} has {self.other_mean:.4f}"
        if math.isnan(self.apart.low):
            return f"{said} {next_to}; too few people were asked to be sure of a difference."
        between = (
            f"the 95% interval of the difference is {self.apart.low:+.4f} to {self.apart.high:+.4f}"
        )
        if self.apart.significant:
            return f"{said} {next_to}, surely less: {between}."
        return f"{said} {next_to}, and it is not sure which is better: {between}."


def headline(comparison: Comparison, split: Split, words: Words) -> str:
    """What was compared, on what, which row is best and whether the difference is real."""
    protocol = say(words, "seen_masked" if split.exclude_seen else "seen_open")
    if comparison.masked_answers:
        masked = count(comparison.masked_answers)
        protocol += " " + say(words, "masked_answers", count=masked)
    rows = len(comparison.rows)
    compared = say(words, "compared" if rows > 1 else "compared_one", count=count(rows))
    compared_on = say(words, "best_only", compared=compared, split=_split_name(split, words))
    return (
        f'<p class="verdict">{best_in_words(comparison, words)}</p>'
        f'<p class="test">{difference_in_words(comparison, words)}</p>'
        f"{_facts(comparison, split, headline_metric(comparison), words)}"
        f'<p class="note">{compared_on} {protocol}</p>'
    )


def best_in_words(comparison: Comparison, words: Words) -> str:
    """Which row is best, and how good it is."""
    metric, best = headline_metric(comparison), best_row(comparison)
    cell = comparison.cell(best, metric)
    return say(
        words,
        "best_row",
        best=named(best),
        metric=metric_title(metric),
        mean=decimal(cell.interval.mean),
        interval=_interval(cell, words),
    )


def _interval(cell: Cell, words: Words) -> str:
    low, high = decimal(cell.interval.low), decimal(cell.interval.high)
    return say(words, "interval", low=low, high=high)


def _split_name(split: Split, words: Words) -> str:
    return words.get(f"split_{split.name}") or named(split.name)


def difference_in_words(comparison: Comparison, words: Words) -> str:
    """Whether the best row is better than the reference, or than the next if it is that itself."""
    found = Verdict.of(comparison)
    itself = found.best == comparison.reference
    if comparison.reference is None:
        return say(words, "no_reference")
    if found.other is None or found.apart is None:
        return say(words, "best_is_reference")
    apart = found.apart
    parts = {
        "reference": named(found.other),
        "mean": decimal(found.other_mean),
        "change": _change(apart.mean, found.other_mean, words),
    }
    before = say(words, "best_is_reference") + " " if itself else ""
    if math.isnan(apart.p):
        return before + say(words, "next_few" if itself else "difference_few", **parts)
    sure = "yes" if apart.significant else "no"
    return before + say(
        words,
        f"next_{sure}" if itself else f"difference_{sure}",
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
    users = pl.concat([split.train.events[USER], split.histories.user_ids]).n_unique()
    facts = [
        (count(users), "people"),
        (count(len(split.train.item_ids)), "items"),
        (count(len(split.train.events)), "events"),
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
