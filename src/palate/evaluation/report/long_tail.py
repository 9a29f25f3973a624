"""The report's long-tail section: who gets shown, the popular or the rest."""

from __future__ import annotations

from typing import Final

import numpy as np

from palate.core.split import Split
from palate.evaluation.compare import Comparison
from palate.evaluation.metrics.beyond import popularity_curve
from palate.evaluation.report.charts import Curve, curve_plot
from palate.evaluation.report.html import Words, count, decimal, escape, named, say
from palate.evaluation.slices import HEAD_SHARE, head_items

_BEYOND: Final = ("coverage", "long_tail_share", "novelty", "gini", "diversity")


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
        f'<div class="scroll" tabindex="0" role="region" aria-label="{say(words, "tail_title")}">'
        "<table>"
        f'<thead><tr><th scope="col" class="name">{say(words, "recommender")}</th>{heads}</tr>'
        f'</thead><tbody>{body}</tbody></table></div><p class="note">'
        f"{say(words, 'beyond_text')}</p>"
    )
