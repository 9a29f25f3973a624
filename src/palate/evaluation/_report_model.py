"""The report's map of the catalogue and its account of what the ranker looks at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import polars as pl

from palate._visible import shorten
from palate.evaluation._catalogue_map import CatalogueMap, Categories
from palate.evaluation._charts import Pair, paired_bars
from palate.evaluation._importance_zh import in_chinese
from palate.evaluation._markup import count, escape, named, say
from palate.evaluation._report_words import Words

TOP_FEATURES: Final = 15
_IMPORTANCE_COLUMNS: Final = ("feature", "family", "gain", "contribution")


def map_lead(drawn: CatalogueMap, colours: Categories | None, total: int, words: Words) -> str:
    """How to read the map."""
    parts = {"block": named(drawn.block), "method": escape(drawn.method)}
    if colours is None:
        lead = say(words, "map_text_plain", **parts)
    else:
        lead = say(words, "map_text", column=named(colours.column), **parts)
        lead += " " + say(words, "map_rarest") if colours.several else ""
    if len(drawn.rows) < total:
        lead += " " + say(words, "map_sampled", shown=count(len(drawn.rows)), total=count(total))
    return lead


def map_section(drawn: CatalogueMap, colours: Categories | None, words: Words) -> str:
    """The canvas, its tools and its legend; the points travel in the page's JSON."""
    label = say(words, "map_label", count=count(len(drawn.rows)))
    search = say(words, "map_search")
    buttons = "".join(
        f'<button type="button" id="map-{name}" aria-label="{say(words, f"map_{name}")}" '
        f'title="{say(words, f"map_{name}")}">{sign}</button>'
        for name, sign in (("in", "+"), ("out", "\N{MINUS SIGN}"), ("reset", "⤢"))
    )
    return (
        f"<noscript><p>{say(words, 'map_noscript')}</p></noscript>"
        f'<div class="map-tools"><input type="search" id="map-search" aria-label="{search}" '
        f'placeholder="{search}" autocomplete="off"><output id="map-found" for="map-search">'
        f'</output><span class="zooms">{buttons}</span></div>'
        f'<p id="map-person" hidden><span></span><button type="button">'
        f"{say(words, 'map_clear')}</button></p>"
        f'<div class="map-frame"><canvas id="map-canvas" tabindex="0" role="application" '
        f'aria-label="{label}" aria-describedby="map-status"></canvas>'
        f'<div id="map-tip" hidden aria-hidden="true"><bdi></bdi><span></span></div>'
        f'<p id="map-status" aria-live="polite">{say(words, "map_hint")}</p></div>'
        f"{_map_legend(drawn, colours, words)}"
    )


def _map_legend(drawn: CatalogueMap, colours: Categories | None, words: Words) -> str:
    if colours is None:
        return ""
    codes = colours.codes[drawn.rows]
    entries = [
        _toggle(place, named(name), int((codes == place).sum()), f"c{place}")
        for place, name in enumerate(colours.names)
    ]
    if (codes < 0).any():
        other = say(words, "map_other")
        entries.append(_toggle(len(colours.names), other, int((codes < 0).sum()), ""))
    everything = (
        f'<li><button type="button" id="map-all" aria-pressed="true">{say(words, "map_all")}'
        "</button></li>"
    )
    label = say(words, "categories")
    return f'<ul class="toggles" aria-label="{label}">{everything}{"".join(entries)}</ul>'


def _toggle(code: int, label: str, size: int, colour: str) -> str:
    return (
        f'<li><button type="button" data-category="{code}" aria-pressed="true">'
        f'<span class="dot {colour}"></span>{label} <small>{count(size)}</small></button></li>'
    )


def map_data(
    drawn: CatalogueMap, colours: Categories | None, titles: Sequence[str]
) -> dict[str, Any]:
    """What the page's script draws: coordinates, a code for the colour and a title for each."""
    category = None
    if colours is not None:
        codes = colours.codes[drawn.rows]
        category = np.where(codes < 0, len(colours.names), codes).tolist()
    return {
        "x": drawn.points[:, 0].tolist(),
        "y": drawn.points[:, 1].tolist(),
        "category": category,
        "names": [] if colours is None else [shorten(name) for name in colours.names],
        "titles": [shorten(titles[row]) for row in drawn.rows],
    }


def importances_of(recommender: object) -> pl.DataFrame | None:
    """The recommender's `importances_`, strongest first; None where it has nothing to say."""
    table = getattr(recommender, "importances_", None)
    if not isinstance(table, pl.DataFrame) or table.is_empty():
        return None
    if any(name not in table.columns for name in _IMPORTANCE_COLUMNS):
        return None
    if not table.select("contribution", "gain").to_numpy().sum() > 0:
        return None
    order = ["contribution", "gain", "feature"]
    return table.sort(order, descending=[True, True, False])


def importance_section(table: pl.DataFrame, words: Words) -> str:
    """Two panels of bars: families of features, and the strongest features."""
    if words["lang"].startswith("zh"):
        table = in_chinese(table)
    shares = [pl.col("contribution").sum(), pl.col("gain").sum()]
    families = table.group_by("family", maintain_order=True).agg(shares)
    families = families.sort("contribution", "family", descending=[True, False])
    top = table.head(TOP_FEATURES)
    panels = (
        (say(words, "families"), families, "family"),
        (
            say(words, "features_top", count=count(len(top))),
            top,
            "meaning" if "meaning" in top.columns else "feature",
        ),
    )
    cards = "".join(
        f'<div class="card panel"><h3>{title}</h3>{_shares(part, column, words)}</div>'
        for title, part, column in panels
    )
    return f'<div class="panels">{cards}</div>'


def _shares(table: pl.DataFrame, column: str, words: Words) -> str:
    lines = table.select(column, "contribution", "gain").iter_rows()
    pairs = [Pair(named(str(name)), strong, weak) for name, strong, weak in lines]
    return paired_bars(pairs, strong=say(words, "contribution"), weak=say(words, "gain"))
