"""The report's topics: what the catalogue is about, how much of it, and which items say so most."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from palate.evaluation.report.html import Words, count, named, percent, say
from palate.features.encoders.topics import Topics

if TYPE_CHECKING:
    from palate.pipeline.pipeline import Pipeline

_MOST_SHOWN: Final = 30
_LONGEST_WORDS: Final = 120


def topics_section(model: Pipeline, titles: Sequence[str], words: Words) -> str:
    """A table for each encoder of topics that the pipeline has; empty where it has none."""
    encoders = {
        name: encoder for name, encoder in model.encoders_.items() if isinstance(encoder, Topics)
    }
    title_of = dict(zip(model.item_ids.series, titles, strict=True))
    return "".join(
        (f"<h3>{named(name)}</h3>" if len(encoders) > 1 else "")
        + _table(encoder.table(model.data_), title_of, words)
        for name, encoder in encoders.items()
    )


def _table(table: pl.DataFrame, title_of: dict[Any, str], words: Words) -> str:
    heads = "".join(
        f'<th scope="col"{kind}>{say(words, f"topics_{column}")}</th>'
        for column, kind in (
            ("name", ' class="name"'),
            ("items", ""),
            ("words", ' class="said"'),
            ("examples", ' class="said"'),
        )
    )
    lines = table.head(_MOST_SHOWN).iter_rows(named=True)
    body = "".join(_row(line, title_of, words) for line in lines)
    hidden = len(table) - _MOST_SHOWN
    more = f"<p>{say(words, 'topics_more', count=count(hidden))}</p>" if hidden > 0 else ""
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{say(words, "topics_title")}">'
        f'<table class="topics"><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>'
        f"{more}"
    )


def _row(line: dict[str, Any], title_of: dict[Any, str], words: Words) -> str:
    comma = words["topics_comma"]
    own = line["topic"].split(", ")
    others = comma.join(word for word in line["words"] if word not in own)
    examples = "<br>".join(named(title_of[item]) for item in line["examples"])
    return (
        f'<tr><th scope="row" class="name">{named(comma.join(own), _LONGEST_WORDS)}</th>'
        f"<td>{count(line['items'])} <small>{percent(line['share'])}</small></td>"
        f'<td class="said">{named(others, _LONGEST_WORDS)}</td>'
        f'<td class="said">{examples}</td></tr>'
    )
