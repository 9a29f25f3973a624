"""A knowledge graph as text: "directed by X; genre Comedy, Drama", for encoders that read words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import polars as pl

from palate.core.columns import ITEM
from palate.core.dataset import Dataset
from palate.core.doors import door
from palate.core.errors import ConfigError, DataError, first_offenders
from palate.data.formats.triples import ENTITY, HEAD, RELATION, TAIL, linked_items, read_triples

__all__ = ["GRAPH_TEXT", "with_graph_text"]

GRAPH_TEXT = "graph_text"
_OTHER, _PLACE, _PHRASE, _NAME = "other", "place", "phrase", "name"


@door()
def with_graph_text(
    data: Dataset,
    triples: str | Path,
    links: str | Path | None = None,
    *,
    names: Mapping[str, str] | None = None,
    phrases: Mapping[str, str] | None = None,
    column: str = GRAPH_TEXT,
    each: int = 5,
    max_chars: int = 400,
) -> Dataset:
    """The same data, whose items have one more column of text: what the graph says about each.

    `triples` and `links` are files as the encoder `graph` takes them. `names` says what entities
    are called (by their id where it is silent), `phrases` how relations are said: by default
    "film.film.directed_by" is "directed by". Where the item is the tail, the neighbour is named
    only if no other triple of the item does it. Of each relation the `each` rarest neighbours that
    other entities have too come first; relations take turns until `max_chars` characters are full.
    Items about which the graph says nothing get null. Raises `DataError` for files that cannot be
    used or know no item, and for a column that is there already.
    """
    if each < 1 or max_chars < 1:
        raise ConfigError(f"each and max_chars must be at least 1, not {each} and {max_chars}")
    if column in data.items.columns:
        raise DataError(f"the items have a column {column!r} already: name another with column=")
    table = read_triples(triples)
    linked = linked_items(table, links)
    items = data.items.select(ITEM).join(linked, on=ITEM)
    if not len(items):
        raise DataError(
            f"the graph knows no item of the catalogue: the items are "
            f"{first_offenders(data.item_ids.series, len(data.item_ids))}, the graph has "
            f"{first_offenders(linked[ITEM], len(linked))}. Say which entity each item is: links="
        )
    said = _sentences(_facts(table, items, each), names or {}, phrases or {}, max_chars)
    texts = data.items.select(ITEM).join(said, on=ITEM, how="left", maintain_order="left")
    return replace(data, items=data.items.with_columns(texts["text"].alias(column)))


def _facts(triples: pl.DataFrame, items: pl.DataFrame, each: int) -> pl.DataFrame:
    """`item_id`, `relation`, `other`, `place` (0: the best of its relation), best first."""
    ends = pl.concat([triples[HEAD], triples[TAIL]])
    degrees = ends.value_counts(name="degree").rename({ends.name: _OTHER})
    outward = items.join(triples, left_on=ENTITY, right_on=HEAD).rename({TAIL: _OTHER})
    inward = items.join(triples, left_on=ENTITY, right_on=TAIL).rename({HEAD: _OTHER})
    kept = [ITEM, RELATION, _OTHER]
    inward = inward.select(kept).join(outward.select(ITEM, _OTHER), on=[ITEM, _OTHER], how="anti")
    facts = pl.concat([outward.select(kept), inward]).unique(maintain_order=True)
    facts = facts.join(degrees, on=_OTHER, how="left", maintain_order="left")
    # what nothing else has says nothing about likeness
    facts = facts.sort(pl.col("degree") < 2, "degree", _OTHER, maintain_order=True)
    facts = facts.with_columns(pl.int_range(pl.len()).over(ITEM, RELATION).alias(_PLACE))
    return facts.filter(pl.col(_PLACE) < each)


def _sentences(
    facts: pl.DataFrame, names: Mapping[str, str], phrases: Mapping[str, str], max_chars: int
) -> pl.DataFrame:
    """`item_id`, `text`: whole facts, as many as fit."""
    phrase = pl.col(RELATION).str.split(".").list.last().str.replace_all("_", " ")
    facts = facts.with_columns(
        pl.col(RELATION).replace_strict(phrases, default=phrase).alias(_PHRASE)
        if phrases
        else phrase.alias(_PHRASE),
        pl.col(_OTHER).replace(names).alias(_NAME),
    )
    facts = facts.sort(_PLACE, _PHRASE, RELATION, maintain_order=True)
    length = pl.col(_NAME).str.len_chars() + 2
    length += pl.when(pl.col(_PLACE) == 0).then(pl.col(_PHRASE).str.len_chars() + 1).otherwise(0)
    facts = facts.filter(length.cum_sum().over(ITEM) <= max_chars + 2)
    grouped = facts.group_by(ITEM, _PHRASE, maintain_order=True).agg(pl.col(_NAME))
    clause = pl.col(_PHRASE) + " " + pl.col(_NAME).list.join(", ")
    return (
        grouped.select(ITEM, clause.alias("text"))
        .group_by(ITEM, maintain_order=True)
        .agg(pl.col("text").str.join("; "))
    )
