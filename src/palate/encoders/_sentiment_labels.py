"""Texts and what they are labelled: from a table, or from the ratings that came with them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from palate.columns import TEXT, VALUE
from palate.data._formats import open_table
from palate.errors import DataError, did_you_mean, first_offenders
from palate.types import Dataset

LABEL = "label"
MOST_CLASSES = 10
EDGE = 0.25  # ratings in the lowest quarter of the scale are negative, in the highest positive
_TEXTS = (TEXT, "review", "sentence", "comment", "评论")
_LABELS = (LABEL, "sentiment", "polarity", "rating", "标签")
_MEANINGS = {
    **dict.fromkeys(("negative", "neg", "bad", "负面", "消极", "差评"), -1.0),
    **dict.fromkeys(("neutral", "neu", "mixed", "中性", "中评"), 0.0),
    **dict.fromkeys(("positive", "pos", "good", "正面", "积极", "好评"), 1.0),
}

__all__ = ["events_with_text", "labelled_texts", "said_with_ratings"]


def labelled_texts(path: str) -> tuple[list[str], NDArray[np.float64]]:
    """The texts of a table, and what their labels stand for, from -1 (negative) to 1.

    Any table that `palate.read` takes, with a column `text` (or `review`, `sentence`, `comment`)
    and one `label` (or `sentiment`, `polarity`, `rating`): words such as "negative", or up to 10
    different numbers, the lowest of which means negative. Rows without text are left out.
    Raises `DataError` for a missing column, and for labels that are missing or not understood.
    """
    table = open_table(path, what="labelled texts", key=TEXT, encoding="utf-8")
    names = list(table.schema)
    chosen = {TEXT: _one_of(_TEXTS, names, path), LABEL: _one_of(_LABELS, names, path)}
    columns = [pl.col(name).cast(pl.String).alias(to) for to, name in chosen.items()]
    rows = table.collect(columns).filter(pl.col(TEXT).fill_null("").str.strip_chars() != "")
    labels = rows[LABEL].str.strip_chars().str.to_lowercase()
    missing = rows.filter(labels.fill_null("") == "")
    if len(missing):
        raise DataError(
            f"{path}: {chosen[LABEL]!r} is missing for the texts "
            f"{first_offenders(missing[TEXT].str.head(40), len(missing))}. Label them, or leave "
            "them out"
        )
    return rows[TEXT].to_list(), _values(labels, path)


def events_with_text(data: Dataset) -> pl.DataFrame:
    """The events in which somebody wrote something, with the rows of their item and person."""
    table = data.interactions
    if TEXT not in table.columns:
        table = table.with_columns(pl.lit(None, pl.String).alias(TEXT))
    rows = {"item_row": pl.Series(data.item_rows), "user_row": pl.Series(data.user_rows)}
    wrote = pl.col(TEXT).fill_null("").str.strip_chars() != ""
    return table.with_columns(**rows).filter(wrote)


def check_anything_said(data: Dataset, *, who: str) -> None:
    """Raises `DataError` where no event has a text."""
    if not len(events_with_text(data)):
        raise DataError(
            f"nobody wrote anything for the encoder {who} to read: no event has a text. Name their "
            'column, as in read(..., columns={"review": "text"}), or leave it out'
        )


def about_texts(data: Dataset, *, who: str) -> Iterator[str]:
    """How many texts the encoder `who` would read; raises `DataError` where there are none."""
    check_anything_said(data, who=who)
    yield f"reads {len(events_with_text(data)):,} texts of events"


def said_with_ratings(events: pl.DataFrame) -> tuple[list[str], NDArray[np.float64]]:
    """Texts whose rating is clear: -1 in the lowest quarter of the scale, 1 in the highest."""
    if VALUE not in events.columns:
        raise DataError(
            'labels = "ratings" needs events with a value: name their column, as in '
            'read(..., columns={"stars": "value"}), or give a file of labelled texts'
        )
    rated = events.filter(pl.col(VALUE).is_finite())
    values = rated[VALUE].to_numpy().astype(np.float64)
    span = float(np.ptp(values)) if len(values) else 0.0
    if not span:
        raise DataError(
            'labels = "ratings" needs ratings that differ; all that come with a text are the same. '
            "Give a file of labelled texts"
        )
    place = (values - values.min()) / span
    clear = (place <= EDGE) | (place >= 1 - EDGE)
    return rated[TEXT].filter(pl.Series(clear)).to_list(), np.where(place[clear] <= EDGE, -1.0, 1.0)


def _one_of(wanted: Sequence[str], names: Sequence[str], path: str) -> str:
    for want in wanted:
        for name in names:
            if name.lower() == want:
                return name
    raise DataError(f"{path} has no column {wanted[0]!r}.{did_you_mean(wanted[0], names)}")


def _values(labels: pl.Series, path: str) -> NDArray[np.float64]:
    numbers = labels.cast(pl.Float64, strict=False)
    if not len(labels) or numbers.null_count() or not numbers.is_finite().all():
        unknown = labels.filter(~labels.is_in([*_MEANINGS])).unique(maintain_order=True)
        if len(unknown):
            raise DataError(
                f"{path}: labels must be numbers, or words such as negative, neutral and positive, "
                f"not {first_offenders(unknown, len(unknown))}"
            )
        return labels.replace_strict(_MEANINGS, return_dtype=pl.Float64).to_numpy()
    if numbers.n_unique() > MOST_CLASSES:
        raise DataError(
            f"{path}: the labels are {numbers.n_unique()} different numbers, but at most "
            f"{MOST_CLASSES} classes can be told apart: round them"
        )
    values = numbers.to_numpy()
    span = max(float(np.ptp(values)), 1e-12)
    return np.asarray(2 * (values - values.min()) / span - 1)
