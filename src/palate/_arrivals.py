"""Items that arrive after the fit: a table like the catalogue's, under its names or theirs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from palate.columns import ITEM, TITLE
from palate.data._columns import check_given, find_columns
from palate.data._formats import Source, Table, open_table
from palate.data._notes import LOGGER
from palate.data._values import as_ids, rows_where
from palate.errors import DataError, did_you_mean, first_offenders
from palate.text.template import as_text

_WHAT = "new items"


def arriving(
    items: Source,
    catalogue: pl.DataFrame,
    *,
    columns: Mapping[str, str] | None = None,
    encoding: str = "utf-8",
) -> pl.DataFrame:
    """New items with the catalogue's columns and types; columns that they lack are empty.

    Ids and titles are found as `palate.read` finds them: by `columns` (their name → ours), under
    our name, or by convention; all else has the catalogue's names. Text becomes a list, split at
    "|", where the catalogue holds lists; NaN is a missing number. The logger "palate" is told which
    columns are not read, and which items say nothing. Raises `DataError` for what is no table, for
    ids that are missing, repeated or known, and for values that do not fit.
    """
    table = open_table(items, what=_WHAT, key=ITEM, encoding=encoding)
    frame = table.collect([pl.all()])
    names = _our_names(table, frame.columns, catalogue, columns or {})
    theirs = next(name for name in frame.columns if names.get(name, name) == ITEM)
    frame = frame.rename(names)
    ids = as_ids(frame[ITEM], where=f"{table.name}: column {theirs!r}").alias(ITEM)
    known = [name for name in frame.columns if name in catalogue.columns and name != ITEM]
    others = [_fitting(frame[name], table.name, catalogue.schema[name]) for name in known]
    arrived = pl.concat([catalogue.clear(), pl.DataFrame([ids, *others])], how="diagonal")
    _check_ids(ids, catalogue[ITEM])
    theirs_of = {ours: theirs for theirs, ours in names.items()}
    unread = [theirs_of.get(name, name) for name in frame.columns if name not in catalogue.columns]
    missing = [name for name in catalogue.columns if name not in frame.columns]
    _tell(arrived, table.name, unread, missing)
    return arrived


def _our_names(
    table: Table, names: list[str], catalogue: pl.DataFrame, given: Mapping[str, str]
) -> dict[str, str]:
    """Their names → ours; a column that the catalogue has under that name keeps it."""
    check_given(given, {"items": (table.name, names)})
    own = [name for name in catalogue.columns if name not in (ITEM, TITLE)]
    found = find_columns("items", table.name, names, given, own)
    renamed = {theirs: ours for ours, theirs in found.items() if theirs != ours}
    displaced = [ours for ours in renamed.values() if ours in names and ours not in renamed]
    return {**renamed, **{ours: f"original_{ours}" for ours in displaced}}


def _fitting(series: pl.Series, source: str, wanted: pl.DataType) -> pl.Series:
    if series.dtype == pl.String and wanted == pl.List(pl.String):
        parts = series.str.split("|").list.eval(pl.element().str.strip_chars())
        return parts.list.eval(pl.element().filter(pl.element() != ""))
    if series.dtype.is_float():
        if (infinite := series.is_infinite()).any():
            raise DataError(
                f"{source}: column {series.name!r} is infinite in {rows_where(infinite)}; give a "
                "number, or leave it empty"
            )
        series = series.fill_nan(None)
    return _cast(series, source, wanted)


def _cast(series: pl.Series, source: str, wanted: pl.DataType) -> pl.Series:
    try:
        cast = series.cast(wanted, strict=False)
    except pl.exceptions.PolarsError:
        cast = pl.Series(series.name, [None] * len(series), dtype=wanted)
    lost = series.filter(cast.is_null() & series.is_not_null())
    if len(lost):
        raise DataError(
            f"{source}: column {series.name!r} must be {_kind(wanted)}, as in the catalogue, but "
            f"holds {first_offenders(lost.to_list(), len(lost))}"
        )
    return cast


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
        guesses = "".join(did_you_mean(name, missing).partition(" Known")[0] for name in unread)
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


def _check_ids(arrived: pl.Series, known: pl.Series) -> None:
    for what, wrong in (
        ("new items come twice", arrived.filter(arrived.is_duplicated())),
        ("items are there already", arrived.filter(arrived.is_in(known.implode()))),
    ):
        names = wrong.unique(maintain_order=True)
        if len(names):
            raise DataError(f"{what}: {first_offenders(names, len(names))}")
