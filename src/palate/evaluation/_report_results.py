"""The report's headline, table, bars and long-tail curve: what a comparison found."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from palate.columns import USER
from palate.evaluation._charts import Bar, Curve, curve_plot, whisker_bars
from palate.evaluation._markup import (
    NOTHING,
    count,
    decimal,
    escape,
    named,
    percent,
    say,
    signed,
    small,
)
from palate.evaluation._report_words import Words
from palate.evaluation.beyond import popularity_curve
from palate.evaluation.results import Cell, Comparison
from palate.evaluation.slices import HEAD_SHARE, head_items
from palate.histories import Split

TABLE_SLICES: Final = ("all", "new_items", "long_tail", "short_history")
PANEL_SLICES: Final = (*TABLE_SLICES, "head", "new_people")
_TITLES: Final = {"ndcg": "NDCG", "map": "MAP", "mrr": "MRR", "f1": "F1", "hit_rate": "Hit rate"}
_BEYOND: Final = ("coverage", "long_tail_share", "novelty", "gini", "diversity")


def headline_metric(comparison: Comparison) -> str:
    """The metric that decides which row is best: NDCG where it was measured, else the first."""
    wanted = f"ndcg@{comparison.headline}"
    return wanted if wanted in comparison.metrics else comparison.metrics[0]


def table_metrics(comparison: Comparison) -> list[str]:
    """NDCG and recall at the headline cutoff, or the first two metrics there are."""
    wanted = [f"{name}@{comparison.headline}" for name in ("ndcg", "recall")]
    shown = [name for name in wanted if name in comparison.metrics]
    return shown or list(comparison.metrics[:2])


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
    return (
        f'<p class="verdict">{verdict}</p>'
        f'<p class="test">{_difference(comparison, best, cell, words)}</p>'
        f"{_facts(comparison, split, metric, words)}"
        f'<p class="note">{say(words, "best_only", compared=compared, split=_split_name(split, words))} '
        f"{protocol}</p>"
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
    people = split.train.interactions[USER].n_unique()
    facts = [
        (count(people), "people"),
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


def results_table(comparison: Comparison, words: Words) -> str:
    """Rows are recommenders; columns are metrics on slices; the best is marked, so is certainty."""
    slices = [name for name in TABLE_SLICES if name in comparison.slices]
    metrics = table_metrics(comparison)
    columns = [(part, metric) for part in slices for metric in metrics]
    best = {column: _best_in(comparison, *column) for column in columns}
    groups = "".join(
        f'<th scope="colgroup" colspan="{len(metrics)}" class="starts">'
        f"{slice_title(comparison, part, words)}<small>{_requests(comparison, part, words)}</small></th>"
        for part in slices
    )
    heads = "".join(
        f'<th scope="col"{_starts(metric, metrics)}>{metric_title(metric)}</th>'
        for _, metric in columns
    )
    body = "".join(_table_row(comparison, name, columns, best, words) for name in comparison.rows)
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{words["table_title"]}"><table>'
        f'<thead><tr class="group"><td></td>{groups}</tr><tr class="measures">'
        f'<th scope="col" class="name">{say(words, "recommender")}</th>{heads}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>{_table_legend(comparison, slices, words)}"
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
    return decimal(max(known)) if known else ""


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


def tail_section(comparison: Comparison, split: Split, words: Words) -> str:
    """The long-tail curve of every row beside that of the training events, and its numbers."""
    curves: list[Curve] = []
    for name, measured in comparison.rows.items():
        table = popularity_curve(measured.rows[:, : comparison.headline], split.train)
        x = table["catalogue"].to_numpy()
        if not curves:
            label = say(words, "training_events")
            curves.append(Curve(label, x, table["events"].to_numpy(), dashed=True))
        curves.append(Curve(named(name), x, table["recommendations"].to_numpy()))
    series = ", ".join([words["training_events"], *map(escape, comparison.rows)])
    plot = curve_plot(
        curves,
        border=float(np.mean(head_items(split.train))),
        left=say(words, "head"),
        right=say(words, "tail"),
        label=say(words, "tail_label", series=series),
        x=say(words, "tail_x"),
        y=say(words, "tail_y"),
    )
    return f'<div class="card curve-card">{plot}</div>{_beyond_table(comparison, words)}'


def tail_lead(split: Split, words: Words) -> str:
    """How to read the long-tail curve."""
    head = count(int(head_items(split.train).sum()))
    return say(words, "tail_text", head=head, share=f"{100 * HEAD_SHARE:.0f}%")


def _beyond_table(comparison: Comparison, words: Words) -> str:
    known = [
        name for name in _BEYOND if any(name in row.beyond for row in comparison.rows.values())
    ]
    if not known:
        return ""
    heads = "".join(f'<th scope="col">{say(words, name)}</th>' for name in known)
    body = ""
    for title, row in comparison.rows.items():
        cells = "".join(f"<td>{decimal(row.beyond.get(name))}</td>" for name in known)
        body += f'<tr><th scope="row" class="name">{named(title)}</th>{cells}</tr>'
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{words["tail_title"]}"><table>'
        f'<thead><tr><th scope="col" class="name">{say(words, "recommender")}</th>{heads}</tr>'
        f'</thead><tbody>{body}</tbody></table></div><p class="note">'
        f"{say(words, 'beyond_text')}</p>"
    )
