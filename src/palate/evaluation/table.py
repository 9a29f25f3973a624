"""A comparison as a table for the terminal, and as plain text."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence

from rich import box
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from palate.core.html import page_table
from palate.core.visible import counted, shorten
from palate.evaluation.metrics.rating import ERRORS
from palate.evaluation.results import Cell, Results, number

SHOWN_SLICES = ("all", "cold_items", "long_tail", "short_history")
_SHOWN_METRICS = ("ndcg", "recall")
_USUAL = frozenset(("ndcg", "recall", "mrr"))
_COLUMNS = 8
_LABELS = {
    "precision": "Precision",
    "recall": "Recall",
    "hit_rate": "Hit rate",
    "f1": "F1",
    "map": "MAP",
    "mrr": "MRR",
    "ndcg": "NDCG",
    "graded_ndcg": "Graded NDCG",
}
_BETTER, _WORSE, _NOTHING = "▲", "▼", "–"
_MIN_WIDTH = len("0.1234▲")
_TEXT_WIDTH = 120


def metric_label(metric: str) -> str:
    """`ndcg@10` as a heading: NDCG@10."""
    name, _, k = metric.partition("@")
    return f"{_LABELS[name]}@{k}"


def shown_metrics(results: Results) -> list[str]:
    """NDCG and recall at the headline cutoff; all that were asked for, where these are others."""
    at = [metric for metric in results.metrics if metric.endswith(f"@{results.headline}")]
    if not {metric.partition("@")[0] for metric in at} <= _USUAL:
        return at
    wanted = [f"{metric}@{results.headline}" for metric in _SHOWN_METRICS]
    return [metric for metric in wanted if metric in at] or at


def shown_slices(results: Results) -> tuple[str, ...]:
    """As many slices with figures of their own as a terminal has room for beside each other."""
    room = (_COLUMNS - len(_errors(results))) // max(len(shown_metrics(results)), 1)
    return tuple(name for name in SHOWN_SLICES if not results.repeats(name))[: max(room, 1)]


def _errors(results: Results) -> tuple[str, ...]:
    """The errors of predicted values that have a column: none where no row predicts any."""
    return ERRORS if results.errors else ()


def as_table(results: Results) -> Table:
    """Rows of recommenders, columns of metric and slice, with chance below and a legend."""
    table = Table(
        box=box.SIMPLE_HEAD,
        show_footer=True,
        footer_style="dim",
        padding=0,
        caption=Text(legend(results), style="table.caption"),
        caption_justify="left",
    )
    columns = [
        (part, metric) for part in shown_slices(results) for metric in shown_metrics(results)
    ]
    table.add_column("", "chance", overflow="fold")
    for part, metric in columns:
        level = results.chance[part].get(metric, math.nan)
        heading = _heading(results, part, metric)
        table.add_column(heading, _digits(level), min_width=_MIN_WIDTH, no_wrap=True)
    best = [_best(results, metric, part) for part, metric in columns]
    for name in _errors(results):
        table.add_column(name.upper(), _digits(math.nan), min_width=_MIN_WIDTH, no_wrap=True)
    for title in results.rows:
        cells = [results.cell(title, metric, part) for part, metric in columns]
        table.add_row(
            Text(shorten(title)), *map(_cell_text, cells, best), *_error_texts(results, title)
        )
    for title in results.refused:
        table.add_row(Text(shorten(title)), *[_digits(math.nan)] * len(table.columns[1:]))
    return table


def _error_texts(results: Results, title: str, *, bold: bool = True) -> list[Text]:
    """The errors of a row; the smallest of several is bold, and a smaller one is better."""
    found = []
    for name in _errors(results):
        if title not in results.errors:
            found.append(Text(_digits(math.nan)))
            continue
        means = [row.cells[name].interval.mean for row in results.errors.values()]
        cell = results.errors[title].cells[name]
        best = bold and len(means) > 1 and cell.interval.mean == min(means)
        text = Text(_digits(cell.interval.mean), style="bold" if best else "")
        if cell.difference is not None and cell.difference.significant:
            better = cell.difference.mean < 0
            text.append(_BETTER, "green") if better else text.append(_WORSE, "red")
        found.append(text)
    return found


def _heading(results: Results, part: str, metric: str) -> str:
    """A word or two a line, so that eight columns fit a narrow terminal."""
    label = "" if part == "all" else results.slices[part].label
    first, _, last = label.rpartition(" ")
    name, _, k = metric_label(metric).partition("@")
    return "\n".join(filter(None, [first, last, name, f"@{k}"]))


def _best(results: Results, metric: str, part: str) -> float:
    """The largest mean of a column; NaN where there is nothing to be better than."""
    means = [results.cell(title, metric, part).interval.mean for title in results.rows]
    return max(means) if len(means) > 1 and max(means) > 0 else math.nan


def _cell_text(cell: Cell, best: float) -> Text:
    mean = cell.interval.mean
    text = Text(_digits(mean), style="bold" if mean == best else "")
    apart = cell.difference
    if apart is None or not apart.significant:
        return text
    return text.append(_BETTER, "green") if apart.mean > 0 else text.append(_WORSE, "red")


def _digits(value: float) -> str:
    """Six characters, so that columns that stand left are in line whatever follows."""
    return f"{_NOTHING:>6}" if number(value) is None else f"{value:.4f}"


def legend(results: Results) -> str:
    """How much was asked, of how many, and what the marks mean."""
    total = results.slices["all"]
    seen = "left out" if results.exclude_seen else "kept"
    sizes = [
        f"{results.slices[part].label} {results.slices[part].requests:,} "
        f"({counted(results.slices[part].users, 'person')})"
        for part in shown_slices(results)[1:]
    ]
    lines = [
        f"{counted(total.requests, 'request')} of {counted(total.users, 'person')}, ranked among "
        f"all {counted(results.n_items, 'item')} (items seen before are {seen}).",
        *([f"Requests on {', '.join(sizes)}."] if sizes else []),
        *_masked(results),
        *_intervals(results),
        *_about_errors(results),
    ]
    if results.reference is not None:
        lines.append(
            f"{_BETTER} better, {_WORSE} worse than {shorten(results.reference)}: "
            "the 95% interval of the paired bootstrap over people excludes 0."
        )
    lines += [
        f"{_NOTHING} {shorten(title)} was not measured: {row.reason}"
        for title, row in results.refused.items()
    ]
    return "\n".join(lines)


def _masked(results: Results) -> Sequence[str]:
    if not results.masked_answers:
        return []
    return [
        f"{results.masked_answers:,} answers were seen before, so nobody can hit them: "
        "they count as misses."
    ]


def _about_errors(results: Results) -> Sequence[str]:
    if not results.errors:
        return []
    row = next(iter(results.errors.values()))
    said = [
        f"RMSE and MAE of {counted(row.values, 'held-out value')} of {counted(row.users, 'person')}"
        ", low ones too, in their unit: less is better."
    ]
    if len(results.rows) == 1:
        said += [
            f"{name.upper()}: 95% interval {cell.interval.low:.4f} to {cell.interval.high:.4f}."
            for name, cell in row.cells.items()
            if number(cell.interval.low) is not None
        ]
    return said


def _intervals(results: Results) -> Sequence[str]:
    """The overall intervals, where there is only one row to say them for."""
    if len(results.rows) > 1:
        return []
    title = next(iter(results.rows))
    found = [(metric, results.cell(title, metric)) for metric in shown_metrics(results)]
    return [
        f"{metric_label(metric)}: 95% interval {cell.interval.low:.4f} to {cell.interval.high:.4f}."
        for metric, cell in found
        if number(cell.interval.low) is not None
    ]


def as_html(results: Results) -> str:
    """The same table for a notebook; marks stand behind the numbers."""
    columns = [(part, name) for part in shown_slices(results) for name in shown_metrics(results)]
    head = ["", *(_heading(results, *column).replace("\n", " ") for column in columns)]
    rows = [
        [
            title,
            *(_cell_text(results.cell(title, name, part), math.nan) for part, name in columns),
            *_error_texts(results, title, bold=False),
        ]
        for title in results.rows
    ]
    head += [name.upper() for name in _errors(results)]
    rows += [[title, *["–"] * (len(head) - 1)] for title in results.refused]
    levels = [results.chance[part].get(name, math.nan) for part, name in columns]
    levels += [math.nan] * len(_errors(results))
    rows.append(["chance", *map(_digits, levels)])
    return page_table(f"Split by {results.split_name}", head, rows, note=legend(results))


def as_text(results: Results) -> str:
    """The same table without colours."""
    return plain_text(as_table(results))


def plain_text(shown: RenderableType) -> str:
    """What a terminal of a usual width would show, without colours."""
    stream = io.StringIO()
    console = Console(
        file=stream,
        width=_TEXT_WIDTH,
        color_system=None,
        legacy_windows=False,
        force_jupyter=False,
    )
    console.print(shown)
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines()).strip("\n")
