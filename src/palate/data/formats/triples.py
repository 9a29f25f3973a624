"""Files of a knowledge graph: triples (head, relation, tail), and which entity an item is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from palate.core.columns import ITEM
from palate.core.errors import DataError, did_you_mean, first_offenders
from palate.core.paths import check_readable, path_of
from palate.data.formats.text import check_no_pipe, text_bytes

__all__ = ["ENTITY", "HEAD", "RELATION", "TAIL", "linked_items", "read_links", "read_triples"]

HEAD, RELATION, TAIL, ENTITY = "head", "relation", "tail", "entity"
_NAMES: dict[str, frozenset[str]] = {
    HEAD: frozenset({"head", "head_id", "h", "subject", "subj", "source"}),
    RELATION: frozenset({"relation", "relation_id", "r", "predicate", "property", "edge"}),
    TAIL: frozenset({"tail", "tail_id", "t", "object", "obj", "target"}),
    ITEM: frozenset({"item", ITEM, "itemid", "movieid", "asin"}),
    ENTITY: frozenset({ENTITY, "entity_id", "entityid", "node"}),
}
_LINE = "line"
_SUFFIXES = frozenset({".tsv", ".kg", ".link", ".txt", ".gz"})


def read_triples(path: str | Path) -> pl.DataFrame:
    """`head`, `relation`, `tail` of a file, each triple once, in the order of the file.

    One triple a line, its parts separated by tabs; the first line may name them, in any order and
    as RecBole's .kg does (`head_id:token`). .gz is unpacked. Raises `DataError` for a file that is
    missing or holds no triple, and for lines of other than three parts.
    """
    triples = _read(path_of(path, "triples", DataError), (HEAD, RELATION, TAIL), what="triples")
    return triples.unique(maintain_order=True)


def read_links(path: str | Path) -> pl.DataFrame:
    """`item_id`, `entity` of a file such as RecBole's .link: which entity each item is.

    Two tab-separated parts a line, with or without a first line that names them. Raises
    `DataError` as `read_triples` does, and for an item that is linked to several entities.
    """
    links = _read(path_of(path, "links", DataError), (ITEM, ENTITY), what="links").unique(
        maintain_order=True
    )
    repeated = links[ITEM].filter(links[ITEM].is_duplicated()).unique(maintain_order=True)
    if len(repeated):
        raise DataError(
            f"{path} links the same item to several entities: "
            f"{first_offenders(repeated, len(repeated))}. Keep one line for each item"
        )
    return links


def linked_items(triples: pl.DataFrame, links: str | Path | None) -> pl.DataFrame:
    """`item_id`, `entity` of whatever may be an item: the links, or every entity as itself.

    Raises `DataError` where the links name no entity of the triples.
    """
    entities = pl.concat([triples[HEAD], triples[TAIL]]).unique(maintain_order=True)
    if links is None:
        return pl.DataFrame({ITEM: entities, ENTITY: entities})
    linked = read_links(links)
    known = linked.filter(pl.col(ENTITY).is_in(entities.implode()))
    if not len(known):
        raise DataError(
            f"none of the entities that {links} links is in the triples: "
            f"{first_offenders(linked[ENTITY], len(linked))}. The triples have "
            f"{first_offenders(entities, len(entities))}. Give files of the same graph"
        )
    return known


def _read(path: Path, columns: tuple[str, ...], *, what: str) -> pl.DataFrame:
    check_readable(path, DataError)
    try:
        found = path.is_file()
        check_no_pipe(path)
    except OSError:  # such a name is too long for any file
        found = False
    if not found:
        beside = path.parent.iterdir() if path.parent.is_dir() else iter(())
        known = [other.name for other in beside if other.suffix in _SUFFIXES]
        raise DataError(f"there is no file {path}.{did_you_mean(path.name, known[:20])}")
    lines = text_bytes(path, "utf-8", can_be_said=False).decode().split("\n")
    table = pl.DataFrame({_LINE: pl.Series(lines, dtype=pl.String).str.strip_chars_end("\r")})
    table = table.with_row_index("number", offset=1).filter(pl.col(_LINE).str.strip_chars() != "")
    parts = pl.col(_LINE).str.split("\t").list.eval(pl.element().str.strip_chars())
    table = table.with_columns(parts.alias("parts"))
    places = _places(table["parts"][0].to_list(), columns)
    if places is not None:
        table = table.slice(1)
    _check_rows(table, len(columns), path)
    if not len(table):
        raise DataError(f"{path} holds no {what}: only a line that names the columns")
    order = places or {name: place for place, name in enumerate(columns)}
    return table.select(
        pl.col("parts").list.get(order[name], null_on_oob=True).alias(name) for name in columns
    )


def _places(first: list[str], columns: tuple[str, ...]) -> Mapping[str, int] | None:
    """Where each column stands, if a first line names them all."""
    if len(first) != len(columns):
        return None
    said = [part.partition(":")[0].lower() for part in first]
    found = {
        name: place for name in columns for place, part in enumerate(said) if part in _NAMES[name]
    }
    return found if len(found) == len(columns) else None


def _check_rows(table: pl.DataFrame, width: int, path: Path) -> None:
    parts = pl.col("parts")
    wrong = table.filter((parts.list.len() != width) | parts.list.contains(""))
    if not len(wrong):
        return
    shown = [f"line {number}: {line}" for number, line in wrong.select("number", _LINE).rows()]
    raise DataError(
        f"{path} must have {width} parts in every line, none of them blank, with tabs between: "
        f"{first_offenders(shown, len(shown))}. Mend these lines, or leave them out"
    )
