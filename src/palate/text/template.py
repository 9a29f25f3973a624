"""An item's columns as one text: "{title}. {genres}", without debris where a part is missing."""

from __future__ import annotations

import polars as pl

from palate._visible import quoted
from palate.columns import ITEM
from palate.errors import DataError, did_you_mean, first_offenders
from palate.text._columns import (
    Column,
    flat_list_type,
    flat_lists,
    is_title_name,
    present,
    profile,
    without_quoted_lists,
)
from palate.text._parse import Field, Group, Sequence, parse

# by what a column's name contains, in the order in which an item is best introduced
_KINDS_OF_NAME = (
    ("categor", "genre", "class", "type", "类", "标签", "tag", "topic", "keyword"),
    ("brand", "author", "artist", "director", "maker", "manufacturer", "品牌", "作者"),
    ("descri", "summary", "plot", "overview", "abstract", "synopsis", "content", "简介", "描述"),
)
_LONG_TEXTS = 2  # the row of _KINDS_OF_NAME that holds long texts; unnamed columns go before it
_SENTENCE_END = r"[.!?。！？…]$"


def render(items: pl.DataFrame, template: str) -> list[str]:
    """One text a row: each `{column}` of the template is replaced by that row's value.

    Lists, nested ones too, are joined with ", ", each value once; numbers lose a bare ".0". Null,
    NaN, blank and words such as "None" or "N/A" are missing: they take along the words, brackets
    and separators that belong to them. A row with no value at all becomes "". `{{` is a brace.
    Raises `ConfigError` for a malformed template, `DataError` for a column that is not there.
    """
    tree = parse(template)
    texts = {}
    for name in tree.names():
        if name not in items.columns:
            raise DataError(
                f"template {quoted(template)} names the column {quoted(name)}, which the items do "
                f"not have."
                f"{did_you_mean(name, items.columns)}"
            )
        texts[name] = as_text(items[name])
    rendered = _render(tree, texts)
    return rendered.fill_null("").to_list()


def as_text(series: pl.Series) -> pl.Series:
    """A column as strings, null where it says nothing. Structs and binary raise `DataError`."""
    dtype = series.dtype
    if isinstance(dtype, (pl.List, pl.Array)):
        if not _is_plain(flat_list_type(dtype)):
            raise _no_text(series)
        return present(flat_lists(series).list.join(", "))
    if not _is_plain(dtype):
        raise _no_text(series)
    if dtype.is_float():
        frame = series.to_frame("x")
        whole = pl.when(pl.col("x").is_finite()).then(pl.col("x").cast(pl.String))
        series = frame.select(whole.str.strip_suffix(".0")).to_series().alias(series.name)
    return present(without_quoted_lists(series.cast(pl.String)))


def text_columns(items: pl.DataFrame) -> list[str]:
    """The columns with words: title, categories, brand, others, descriptions.

    Ids, addresses, paths, numbers, dates, codes and columns that nearly always say the same are
    left out. The choice depends on the table alone.
    """
    columns = [profile(items[name]) for name in items.columns if name != ITEM]
    chosen = [column for column in columns if _has_words(column)]
    return [column.name for column in sorted(chosen, key=_place)]


def default_template(items: pl.DataFrame) -> str:
    """A template of the text-like columns: "{title}. {genres}"; `DataError` for none."""
    columns = text_columns(items)
    if not columns:
        kinds = [profile(items[name]) for name in items.columns if name != ITEM]
        same = [column.name for column in kinds if column.kind == "constant"]
        alike = f"; {first_offenders(same, len(same))} say nothing, or all the same" if same else ""
        raise DataError(
            f"the items have no column with words (columns: {', '.join(items.columns)}){alike}. "
            'Add a title or a description, or say which columns to use: template="{column}"'
        )
    return ". ".join(f"{{{name}}}" for name in columns)


def _has_words(column: Column) -> bool:
    named_safely = not set(column.name) & set("{}")
    return named_safely and column.kind in ("text", "categories") and column.words > 0


def _place(column: Column) -> tuple[int, int]:
    name = column.name.lower()
    if is_title_name(name):
        return 0, 0 if name in ("title", "name", "标题", "名称") else 1
    for place, parts in enumerate(_KINDS_OF_NAME):
        if any(part in name for part in parts):
            return (1 + place if place < _LONG_TEXTS else 4), 0
    return (4, 1) if column.words > 20 else (3, 0)


def _is_plain(dtype: pl.DataType) -> bool:
    strings = (pl.String, pl.Categorical, pl.Enum, pl.Null, pl.Boolean)
    return dtype in strings or dtype.is_numeric() or dtype.is_temporal()


def _no_text(series: pl.Series) -> DataError:
    return DataError(
        f"the column {series.name!r} holds {series.dtype}, which has no text form; "
        "unnest it, or leave it out of the template"
    )


def _render(node: Field | Group | Sequence, texts: dict[str, pl.Series]) -> pl.Series:
    """The node's text for each row, null where none of its columns says anything."""
    if isinstance(node, Field):
        return texts[node.name]
    if isinstance(node, Group):
        inside = _render(node.inside, texts)
        return _select(pl.lit(node.opener) + pl.col("x") + pl.lit(node.closer), x=inside)
    length = len(next(iter(texts.values())))
    rendered = pl.repeat(None, length, dtype=pl.String, eager=True)
    joiner = pl.repeat("", length, dtype=pl.String, eager=True)
    strength = pl.repeat(-1, length, dtype=pl.Int8, eager=True)
    for part in node.parts:
        joiner, strength = _stronger(joiner, strength, part.joiner, part.strength)
        value = _render(part.child, texts)
        first = pl.when(pl.col("before").is_null()).then(pl.lit(part.opening))
        prefix = first.otherwise(pl.lit(part.prefix))
        value = _select(prefix + pl.col("x") + pl.lit(part.suffix), x=value, before=rendered)
        rendered = _joined(rendered, joiner, value)
        strength = _select(
            pl.when(pl.col("x").is_not_null()).then(pl.lit(-1, pl.Int8)).otherwise(pl.col("s")),
            x=value,
            s=strength,
        )
    return rendered


def _stronger(
    joiner: pl.Series, strength: pl.Series, new: str, new_strength: int
) -> tuple[pl.Series, pl.Series]:
    """Of the separators around missing parts, the one that separates most."""
    wins = pl.col("s") < new_strength
    chosen = pl.when(wins).then(pl.lit(new)).otherwise(pl.col("j"))
    level = pl.when(wins).then(pl.lit(new_strength, pl.Int8)).otherwise(pl.col("s"))
    return _select(chosen, j=joiner, s=strength), _select(level, s=strength)


def _joined(left: pl.Series, joiner: pl.Series, right: pl.Series) -> pl.Series:
    """Both with the joiner between; what ends a sentence already gets no second full stop."""
    ended = pl.col("l").str.contains(_SENTENCE_END)
    between = pl.when(ended).then(pl.col("j").str.strip_prefix(".").str.strip_prefix("。"))
    both = pl.col("l") + between.otherwise(pl.col("j")) + pl.col("r")
    return _select(pl.coalesce(both, "l", "r"), l=left, j=joiner, r=right)


def _select(expression: pl.Expr, **columns: pl.Series) -> pl.Series:
    return pl.DataFrame(columns).select(expression.alias("x")).to_series()
