"""Items that arrive or change after the fit: their table, and what becomes other with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl

from palate.core import registry
from palate.core.columns import ITEM, TITLE
from palate.core.dataset import Dataset
from palate.core.errors import ConfigError, DataError, first_offenders, guess
from palate.core.features import Features
from palate.core.types import FitContext, Recommender
from palate.data.catalogue import as_plain_text, read_catalogue
from palate.data.columns import check_given, find_columns
from palate.data.formats.open import Source, Table, open_table
from palate.data.notes import LOGGER
from palate.data.pseudonyms import check_pseudonyms, items_are_people
from palate.pipeline.features import encode_items
from palate.pipeline.learning import fit_rerankers
from palate.pipeline.search.meaning import ColumnVectors, followed_vectors
from palate.pipeline.search.search import follow
from palate.pipeline.stages import Stages
from palate.text.profile import as_text

_WHAT = "new items"


def arriving(
    items: Source,
    data: Dataset,
    *,
    columns: Mapping[str, str] | None = None,
    encoding: str = "utf-8",
    known: bool = False,
) -> pl.DataFrame:
    """New items with the columns of the catalogue of `data`; those that they lack are empty.

    Items that are `known` already keep what the table does not say.

    They are read as `palate.read` read the catalogue, with the same names and marks of lists, and
    become the types that it has; a column of whole numbers may come back wider. Ids and titles are
    also found under `columns` (their name → ours), under our name, or by convention. Where the
    catalogue holds lists, text without a known mark is split at "|". The logger "palate" is told
    which columns are not read, and which items say nothing. Raises `DataError` for what is no
    table, for ids that are missing, repeated or known, and for values that do not fit.
    """
    what = "changed items" if known else _WHAT
    table = open_table(items, what=what, key=ITEM, encoding=encoding)
    catalogue = data.items
    names = list(table.schema)
    found = _our_names(table, names, data, columns or {})
    arrived, notes = read_catalogue(
        table, found, key=ITEM, lists=data.item_lists, like=catalogue.schema
    )
    notes.taken = {one: ours for one, ours in notes.taken.items() if ours in catalogue.columns}
    for line in notes.lines():
        LOGGER.info("%s", line)
    columns_read = [
        fitting(series, table.name, catalogue.schema[series.name]) for series in arrived.frame
    ]
    fitted = pl.concat([catalogue.clear(), pl.DataFrame(columns_read)], how="diagonal_relaxed")
    if items_are_people(data):
        check_pseudonyms(fitted[ITEM], table.name)
    if not known:
        _check_unknown(fitted[ITEM], catalogue[ITEM])
    ours_of = {theirs: ours for ours, theirs in found.items()}
    called = {
        name: ours_of.get(name, f"original_{name}" if name in found else name) for name in names
    }
    unread = [name for name, ours in called.items() if ours not in catalogue.columns]
    missing = [name for name in catalogue.columns if name not in called.values()]
    if known:
        before = catalogue[data.item_ids.rows(fitted[ITEM], what="item ids")]
        fitted = fitted.with_columns(before[name] for name in missing)
    _tell(fitted, table.name, unread, missing)
    return fitted


def changed_stages(stages: Stages, rows: pl.DataFrame) -> dict[str, Any]:
    """What becomes other in a fitted pipeline with changed items, made aside.

    Blocks learnt from events, and all statistics, stay. Raises `ConfigError` for a recommender
    without `update_items`.
    """
    if not len(rows):
        return {}
    recommender: Any = registry.apart(stages.recommender_)
    if not hasattr(recommender, "update_items"):
        kind = type(recommender).__name__
        raise ConfigError(f"{kind} has no update_items(features): fit again with the changed items")
    before = stages.data_
    place = np.arange(len(before.items))
    place[before.item_ids.rows(rows[ITEM])] = len(place) + np.arange(len(rows))
    both = pl.concat([before.items, rows], how="vertical_relaxed")
    data = replace(before, items=both[place])
    follow(before, data, place)
    events = before.interactions.filter(pl.col(ITEM).is_in(rows[ITEM].implode()))
    part = Dataset(interactions=events, items=rows, users=before.users)
    features, every = encode_items(stages.encoders_, stages.transforms_, part), stages.features_
    if every is not None and features is not None:
        # what transforms make of content and of behaviour follows what is said now
        made = {name for one in stages.transforms_ for name in getattr(one, "makes", ())}
        own = features.behavioural - made
        features = Features(features.ids, features.parts, behavioural=own, names=features.names)
        every = every.replaced(features)
        recommender.update_items(features)
    vectors = followed_vectors(stages.column_vectors_, stages.encoders_, rows, place)
    return _stages(stages, data, every, recommender, vectors)


def grown_stages(stages: Stages, rows: pl.DataFrame) -> dict[str, Any]:
    """What becomes other in a fitted pipeline with new items, made aside: nothing without any."""
    if not len(rows):
        return {}
    before = stages.data_
    new = Dataset(interactions=before.interactions.clear(), items=rows, users=before.users)
    features, every = encode_items(stages.encoders_, stages.transforms_, new), stages.features_
    if every is not None and features is not None:
        every = every.below(features)
    data = replace(before, items=pl.concat([before.items, rows], how="vertical_relaxed"))
    place = np.arange(len(data.items))
    follow(before, data, place)
    recommender = registry.apart(stages.recommender_)
    recommender.add_items(Features(new.item_ids, {}) if features is None else features)
    vectors = followed_vectors(stages.column_vectors_, stages.encoders_, rows, place)
    return _stages(stages, data, every, recommender, vectors)


def _stages(
    stages: Stages,
    data: Dataset,
    features: Features | None,
    recommender: Recommender,
    vectors: ColumnVectors,
) -> dict[str, Any]:
    rerankers = list(map(registry.apart, stages.rerankers_))
    fit_rerankers(rerankers, data, FitContext(items=features))
    return {
        "data_": data,
        "features_": features,
        "column_vectors_": vectors,
        "recommender_": recommender,
        "rerankers_": rerankers,
    }


def _our_names(
    table: Table, names: list[str], data: Dataset, given: Mapping[str, str]
) -> dict[str, str]:
    """Ours → their names; a column that the catalogue has under that name keeps it.

    What the catalogue's columns were called holds for columns of those names, unless ours is there
    too and was not there then.
    """
    check_given(given, {"items": (table.name, names)})
    own = [name for name in data.items.columns if name not in (ITEM, TITLE)]
    remembered = {
        theirs: ours
        for theirs, ours in data.item_columns.items()
        if theirs in names
        and ours not in given.values()
        and (ours not in names or f"original_{ours}" in own)
    }
    return find_columns("items", table.name, names, {**remembered, **given}, own)


def fitting(series: pl.Series, source: str, wanted: pl.DataType) -> pl.Series:
    """The values in the type that is wanted, or in a wider one where numbers need it."""
    if series.dtype == wanted or wanted == pl.Null:
        return series
    if wanted.is_numeric() and series.dtype.is_numeric():
        return _as_number(series, wanted)
    if wanted == pl.Boolean and series.dtype.is_numeric():
        truth = (series == 0) | (series == 1)
        return _checked(series, truth, source, wanted).cast(pl.Boolean)
    if _is_other_kind(series.dtype, wanted):
        _checked(series, series.is_null(), source, wanted)
    if wanted == pl.String and not series.dtype.is_nested():
        return as_plain_text(series)
    try:
        cast = series.cast(wanted, strict=False)
    except pl.exceptions.PolarsError:
        cast = pl.Series(series.name, [None] * len(series), dtype=wanted)
    _checked(series, cast.is_not_null(), source, wanted)
    return cast


def _is_other_kind(kind: pl.DataType, wanted: pl.DataType) -> bool:
    """Whether a cast would make something of the values that they do not say.

    As microseconds since 1970 of a date, or "{1}" of a record.
    """
    if isinstance(wanted, pl.List | pl.Array):
        inner = kind.inner if isinstance(kind, pl.List | pl.Array) else kind
        return _is_other_kind(inner, wanted.inner)  # type: ignore[arg-type]
    without_words = isinstance(kind, pl.Struct) or kind in (pl.Binary, pl.Duration)
    if wanted == pl.String:
        return without_words
    return wanted.is_numeric() and (without_words or kind.is_temporal())


def _as_number(series: pl.Series, wanted: pl.DataType) -> pl.Series:
    if wanted.is_float():
        return series.cast(wanted)
    cast = series.cast(wanted, strict=False)
    same = cast.cast(pl.Float64).eq_missing(series.cast(pl.Float64))
    return cast if same.all() else series


def _checked(series: pl.Series, fits: pl.Series, source: str, wanted: pl.DataType) -> pl.Series:
    """Raises `DataError` for the values that do not fit; missing ones do."""
    lost = series.filter(~fits.fill_null(True) & series.is_not_null())
    if len(lost):
        raise DataError(
            f"{source}: column {series.name!r} must be {_kind(wanted)}, as in the catalogue, but "
            f"holds {first_offenders(lost.to_list(), len(lost))}"
        )
    return series


def _kind(wanted: pl.DataType) -> str:
    if isinstance(wanted, (pl.List, pl.Array)):
        return f"lists of {_kind(wanted.inner)}"  # type: ignore[arg-type]
    if wanted.is_temporal():
        return "dates or times"
    names: Mapping[object, str] = {pl.String: "text", pl.Boolean: "true or false"}
    default = "numbers" if wanted.is_numeric() else str(wanted)
    return names.get(wanted.base_type(), default)


def _tell(
    arrived: pl.DataFrame, source: str, unread: Sequence[str], missing: Sequence[str]
) -> None:
    """To the logger: columns that are not read, and items without a word."""
    if unread:
        guesses = "".join(guess(name, missing) for name in unread)
        LOGGER.warning("%s: not read: %s.%s", source, ", ".join(unread), guesses)
    words = [
        as_text(column).is_not_null()
        for column in arrived.drop(ITEM)
        if column.dtype in (pl.String, pl.List(pl.String))
    ]
    silent = arrived[ITEM].clear()
    if words:
        silent = arrived[ITEM].filter(
            ~pl.DataFrame(words).select(pl.any_horizontal(pl.all())).to_series()
        )
    if len(silent):
        LOGGER.warning(
            "%s: no text in any column of %s: encoders of text know nothing of them",
            source,
            first_offenders(silent, len(silent)),
        )


def _check_unknown(arrived: pl.Series, known: pl.Series) -> None:
    twice = arrived.filter(arrived.is_in(known.implode()))
    if len(twice):
        raise DataError(
            f"items are there already: {first_offenders(twice, len(twice))}; what they say now goes"
            " in by update_items, or `palate update-items`"
        )
