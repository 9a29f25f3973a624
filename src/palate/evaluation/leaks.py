"""Whether a model was fitted on the answers that it is about to be asked for."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import polars as pl

from palate.core.arrays import Rows
from palate.core.columns import ITEM, TIME, USER
from palate.core.dataset import Dataset
from palate.core.errors import DataError, first_offenders
from palate.core.histories import ragged_positions
from palate.core.split import Split
from palate.data.split import TIME_SPLIT

_PAIR: Final = [USER, ITEM]


def check_unseen(model: object, split: Split, label: str = "the model") -> None:
    """Raises `DataError` for a model whose fit held answers of the split.

    A pipeline keeps the events that it was fitted on, saved and loaded too; of recommenders outside
    a pipeline nothing is known, and nothing is checked. What somebody did before counts as often
    as it is in the training part, or in the history of that person's longest request: only what
    goes beyond is an answer.
    """
    data: Any = getattr(model, "data_", None)
    if not isinstance(data, Dataset) or data.interactions is split.train.interactions:
        return
    leaked = _leaked(data, split)
    if not len(leaked):
        return
    count, total = int(leaked["leaked"].sum()), len(split.sealed.items)
    pairs = [f"{user} → {item}" for user, item in leaked.select(_PAIR).head(3).iter_rows()]
    raise DataError(
        f"{label} was fitted on {count:,} of the {total:,} answers of this split "
        f"({first_offenders(pairs, len(leaked))}): it would be marked on what it was told. Fit on "
        "the training part alone: model.fit(split.train)"
    )


def _leaked(data: Dataset, split: Split) -> pl.DataFrame:
    """The pairs of person and item that were learnt from more often than they were known."""
    answers = _pairs(split, np.arange(len(split.sealed)), answers=True)
    asked = answers.group_by(_PAIR).len("asked")
    learnt = _only(data.interactions, asked)
    late = pl.lit(True)
    if split.name == TIME_SPLIT and TIME in learnt.columns and split.train.times is not None:
        late = pl.col(TIME) > float(split.train.times.max(initial=-np.inf))
    counts = learnt.group_by(_PAIR).agg(pl.len().alias("learnt"), late.sum().alias("late"))
    if not len(counts):
        return counts
    longest = _longest(split)
    for name, events in (
        ("trained", split.train.interactions),
        ("before", _pairs(split, longest, answers=False)),
        ("after", _pairs(split, longest, answers=True)),
    ):
        counts = counts.join(_only(events, counts).group_by(_PAIR).len(name), on=_PAIR, how="left")
    counts = counts.join(asked, on=_PAIR, how="left").fill_null(0)
    signed = counts.with_columns(pl.exclude(_PAIR).cast(pl.Int64))
    known = pl.max_horizontal("trained", pl.col("before") + pl.col("after") - pl.col("asked"))
    beyond = pl.min_horizontal(pl.col("learnt") - known, "late", "asked")
    return signed.with_columns(beyond.alias("leaked")).filter(pl.col("leaked") > 0).sort(_PAIR)


def _only(events: pl.DataFrame, pairs: pl.DataFrame) -> pl.DataFrame:
    return events.join(pairs.select(_PAIR), on=_PAIR, how="semi")


def _longest(split: Split) -> Rows:
    """The request with the longest history of each person: what it holds, that person did."""
    asking = split.histories
    table = pl.DataFrame({"user": asking.user_ids, "length": asking.lengths}).with_row_index("row")
    found = table.sort("length", descending=True, maintain_order=True).unique(
        "user", keep="first", maintain_order=True
    )
    return found["row"].to_numpy().astype(np.int32)


def _pairs(split: Split, requests: Any, *, answers: bool) -> pl.DataFrame:
    """Person and item of what these requests' histories hold, or of their answers."""
    asking = split.histories.take(requests)
    if answers:
        starts, stops = split.sealed.starts[requests], split.sealed.stops[requests]
        items = split.sealed.items
    else:
        starts, stops, items = asking.starts, asking.stops, asking.items
    row, position = ragged_positions(starts, stops)
    return pl.DataFrame(
        {
            USER: asking.user_ids.gather(row),
            ITEM: split.histories.item_ids.series.gather(items[position]),
        }
    )
