"""The report's table and bars: every row on every kind of request."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

from palate.evaluation.compare import Comparison
from palate.evaluation.report.charts import Bar, whisker_bars
from palate.evaluation.report.headline import (
    best_in_words,
    best_row,
    difference_in_words,
    headline_metric,
    metric_title,
    slice_title,
)
from palate.evaluation.report.html import NOTHING, Words, count, decimal, named, say
from palate.evaluation.results import Cell

TABLE_SLICES: Final = ("all", "cold_items", "long_tail", "short_history")
PANEL_SLICES: Final = (*TABLE_SLICES, "head", "cold_users")


def table_metrics(comparison: Comparison) -> list[str]:
    """NDCG and recall at the headline cutoff, or the first two metrics there are."""
    wanted = [f"{name}@{comparison.headline}" for name in ("ndcg", "recall")]
    shown = [name for name in wanted if name in comparison.metrics]
    return shown or list(comparison.metrics[:2])


def results_table(comparison: Comparison, words: Words) -> str:
    """Rows are recommenders; columns are metrics on slices; the best is marked, so is certainty."""
    slices = [
        name for name in TABLE_SLICES if name in comparison.slices and not comparison.repeats(name)
    ]
    metrics = table_metrics(comparison)
    columns = [(part, metric) for part in slices for metric in metrics]
    best = {column: _best_in(comparison, *column) for column in columns}
    groups = "".join(
        f'<th scope="colgroup" colspan="{len(metrics)}" class="starts">'
        f"{slice_title(comparison, part, words)}"
        f"<small>{_requests(comparison, part, words)}</small></th>"
        for part in slices
    )
    heads = "".join(
        f'<th scope="col"{_starts(metric, metrics)}>{metric_title(metric)}</th>'
        for _, metric in columns
    )
    body = "".join(_table_row(comparison, name, columns, best, words) for name in comparison.rows)
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{say(words, "table_title")}">'
        "<table>"
        f'<thead><tr class="group"><td></td>{groups}</tr><tr class="measures">'
        f'<th scope="col" class="name">{say(words, "recommender")}</th>{heads}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>{_table_legend(comparison, slices, words)}"
    )


def more_tables(more: Mapping[str, Comparison], words: Words) -> str:
    """Comparisons on other splits: what each is called, which row is best in it, its table."""
    return "".join(
        f"<h3>{named(title)}</h3><p>{best_in_words(comparison, words)} "
        f"{difference_in_words(comparison, words)}</p>{results_table(comparison, words)}"
        for title, comparison in more.items()
    )


def _starts(metric: str, metrics: Sequence[str]) -> str:
    return ' class="starts"' if metric == metrics[0] else ""


def _requests(comparison: Comparison, part: str, words: Words) -> str:
    requests = comparison.slices[part].requests
    key = "requests_one" if requests == 1 else "requests_short"
    return say(words, key, count=count(requests))


def _best_in(comparison: Comparison, part: str, metric: str) -> str:
    """The best figure of a column as it is printed, so that what looks equal is marked alike."""
    means = [comparison.cell(name, metric, part).interval.mean for name in comparison.rows]
    known = [mean for mean in means if mean > 0]
    best = decimal(max(known)) if known else ""
    return best if best != decimal(0.0) else ""


def _table_row(
    comparison: Comparison,
    name: str,
    columns: Sequence[tuple[str, str]],
    best: Mapping[tuple[str, str], str],
    words: Words,
) -> str:
    tag = ""
    if name == comparison.reference:
        tag = f' <span class="tag">{say(words, "reference_tag")}</span>'
    cells = ""
    for part, metric in columns:
        cell = comparison.cell(name, metric, part)
        shown = decimal(cell.interval.mean)
        kinds = ["starts"] if metric == columns[0][1] else []
        kinds += ["top"] if shown == best[part, metric] else []
        value = f"<b>{shown}</b>" if "top" in kinds else shown
        cells += f'<td class="{" ".join(kinds)}">{value}{_mark(cell, words)}</td>'
    return f'<tr><th scope="row" class="name">{named(name)}{tag}</th>{cells}</tr>'


def _mark(cell: Cell, words: Words) -> str:
    if cell.difference is None or not cell.difference.significant:
        return '<span class="no-mark"></span>'
    kind, sign = ("up", "▲") if cell.difference.mean > 0 else ("down", "▼")
    return (
        f'<span class="mark {kind}" aria-hidden="true">{sign}</span>'
        f'<span class="hidden"> {say(words, kind)}</span>'
    )


def _table_legend(comparison: Comparison, slices: Sequence[str], words: Words) -> str:
    entries = [f"<b>0.123</b> {say(words, 'legend_best')}"]
    if comparison.reference is not None:
        reference = named(comparison.reference)
        up, down = (
            say(words, "legend_up", reference=reference),
            say(words, "legend_down", reference=reference),
        )
        entries.append(f'<span class="mark up" aria-hidden="true">▲</span> {up}')
        entries.append(f'<span class="mark down" aria-hidden="true">▼</span> {down}')
        entries.append(say(words, "legend_test"))
    if any(not comparison.slices[part].requests for part in slices):
        entries.append(f"{NOTHING} {say(words, 'legend_none')}")
    for name, row in comparison.refused.items():
        refusal = say(words, "legend_refused", name=named(name), reason=named(row.reason, 400))
        entries.append(f"{NOTHING} {refusal}")
    return '<ul class="legend">' + "".join(f"<li>{entry}</li>" for entry in entries) + "</ul>"


def result_bars(comparison: Comparison, words: Words) -> str:
    """A panel of bars with intervals for each slice that anybody was asked about."""
    asked = [name for name, size in comparison.slices.items() if size.requests]
    main = [name for name in PANEL_SLICES if name in asked]
    lengths = [name for name in asked if name not in PANEL_SLICES]
    panels = _panels(comparison, main, words)
    if lengths:
        summary = f"<summary>{say(words, 'by_length')}</summary>"
        panels += f"<details>{summary}{_panels(comparison, lengths, words)}</details>"
    return panels


def _panels(comparison: Comparison, parts: Sequence[str], words: Words) -> str:
    return f'<div class="panels">{"".join(_panel(comparison, part, words) for part in parts)}</div>'


def _panel(comparison: Comparison, part: str, words: Words) -> str:
    metric, best = headline_metric(comparison), best_row(comparison)
    bars = []
    for name in comparison.rows:
        found = comparison.cell(name, metric, part).interval
        roles = {best: "best", comparison.reference or "": "reference"}
        role = "best" if name == best else roles.get(name, "")
        bars.append(Bar(named(name), found.mean, found.low, found.high, role))
    level = comparison.chance.get(part, {}).get(metric, math.nan)
    return (
        f'<div class="card panel"><h3>{slice_title(comparison, part, words)}'
        f"<small>{_requests(comparison, part, words)}</small></h3>"
        f"{whisker_bars(bars, level=level)}</div>"
    )
