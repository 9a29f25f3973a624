"""Cleaning a data set: duplicates, repeats, missing values, empty texts, k-core, scales."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import numpy as np
import polars as pl

from palate.columns import EVENT, ITEM, TIME, USER
from palate.data._missing import Policy, fill_missing, rescale
from palate.data._notes import CleanNotes, Step, log_lines
from palate.data._parts import core, empty_items, keep_rows
from palate.errors import ConfigError, DataError, did_you_mean, first_offenders
from palate.types import Dataset, Mask

EMPTY_TEXT = ("keep", "drop", "error")


def clean(
    data: Dataset,
    *,
    duplicates: bool = True,
    repeats_within: float | None = None,
    missing: Mapping[str, Policy] | None = None,
    empty_text: Literal["keep", "drop", "error"] = "keep",
    text_columns: Sequence[str] | None = None,
    min_user_events: int = 0,
    min_item_events: int = 0,
    normalise: Mapping[str, str] | None = None,
    fitted_on: Dataset | None = None,
) -> Dataset:
    """The data without what should not be learnt from; every step is logged to "palate" at INFO.

    The steps, in this order:

    - `duplicates`: of events that agree in every column, the first stays. Without times two equal
      events are a repeat rather than a duplicate unless they are neighbours in a person's sequence.
    - `repeats_within` (seconds): an event goes if the same person had the same event with the same
      item at most so long before it, so of a run of repeats the first stays.
    - `missing`: column ("price", or "items.price" where two tables have it) → "drop" (the row, and
      the events that name it), "error", "mean", "median", "mode" (the smallest of several), "empty"
      (text or list), or a constant.
    - `empty_text`: items whose `text_columns` (default: all columns of text and lists of text) are
      all empty: "keep", "drop" (and their events) or "error".
    - `min_user_events`, `min_item_events`: the k-core, repeated until nothing changes. Items below
      the minimum leave the catalogue, new items without events too.
    - `normalise`: column of numbers → "standard", "minmax" or "log" (log(1 + x)).

    Means, modes and scales are learnt from `fitted_on`, by default from `data` itself: to keep the
    future out, split first and clean with `fitted_on=split.train`.
    Raises `DataError` where nothing is left, and where a column or a policy does not fit.
    """
    cleaned, notes = clean_with_notes(
        data,
        duplicates=duplicates,
        repeats_within=repeats_within,
        missing=missing,
        empty_text=empty_text,
        text_columns=text_columns,
        min_user_events=min_user_events,
        min_item_events=min_item_events,
        normalise=normalise,
        fitted_on=fitted_on,
    )
    log_lines(notes.lines())
    return cleaned


def clean_with_notes(
    data: Dataset,
    *,
    duplicates: bool = True,
    repeats_within: float | None = None,
    missing: Mapping[str, Policy] | None = None,
    empty_text: Literal["keep", "drop", "error"] = "keep",
    text_columns: Sequence[str] | None = None,
    min_user_events: int = 0,
    min_item_events: int = 0,
    normalise: Mapping[str, str] | None = None,
    fitted_on: Dataset | None = None,
) -> tuple[Dataset, CleanNotes]:
    """As `clean`, with what every step removed and changed."""
    _check_settings(empty_text, repeats_within, min_user_events, min_item_events)
    run = _Run(data)
    if duplicates:
        run.step("duplicates", lambda now: keep_rows(now, "interactions", ~_duplicates(now)))
    if repeats_within is not None:
        window = repeats_within
        run.step(
            f"repeats within {window:g} s",
            lambda now: keep_rows(now, "interactions", ~_repeats(now, window)),
        )
    for name, policy in (missing or {}).items():
        run.fill(name, policy, fitted_on)
    if empty_text != "keep":
        run.step("empty text", lambda now: _without_empty(now, text_columns, empty_text))
    if min_user_events or min_item_events:
        run.step(
            f"at least {min_user_events} events a person, {min_item_events} an item",
            lambda now: core(now, min_user_events=min_user_events, min_item_events=min_item_events),
        )
    for name, scale in (normalise or {}).items():
        run.scale(name, scale, fitted_on)
    return run.data, CleanNotes(tuple(run.steps))


class _Run:
    """The data between two steps, and what the steps did."""

    def __init__(self, data: Dataset) -> None:
        self.data = data
        self.steps: list[Step] = []

    def step(self, name: str, change: Callable[[Dataset], Dataset], values: int = 0) -> None:
        """Change the data and note it; a step that leaves no event raises `DataError`."""
        before, after = self.data, change(self.data)
        if len(before.interactions) and not len(after.interactions):
            raise DataError(f"clean: the step {name!r} leaves no event; loosen it")
        self.steps.append(
            Step(
                name,
                events=len(before.interactions) - len(after.interactions),
                items=len(before.items) - len(after.items),
                people=_people(before) - _people(after),
                values=values,
            )
        )
        self.data = after

    def fill(self, name: str, policy: Policy, fitted_on: Dataset | None) -> None:
        """Treat the missing values of one column."""
        filled, count = fill_missing(self.data, name, policy, fitted_on or self.data)
        changed = 0 if policy in ("drop", "error") else count
        self.step(f"missing {name!r} ({policy})", lambda _: filled, values=changed)

    def scale(self, name: str, scale: str, fitted_on: Dataset | None) -> None:
        """Put one column of numbers on another scale."""
        scaled, count = rescale(self.data, name, scale, fitted_on or self.data)
        self.step(f"normalise {name!r} ({scale})", lambda _: scaled, values=count)


def _people(data: Dataset) -> int:
    return len(data.user_ids)


def _check_settings(
    empty_text: str, repeats_within: float | None, min_user_events: int, min_item_events: int
) -> None:
    if empty_text not in EMPTY_TEXT:
        raise ConfigError(f"empty_text={empty_text!r}.{did_you_mean(empty_text, EMPTY_TEXT)}")
    if repeats_within is not None and not repeats_within >= 0:
        raise ConfigError(f"repeats_within={repeats_within}: it must be 0 seconds or more")
    if min(min_user_events, min_item_events) < 0:
        raise ConfigError("min_user_events and min_item_events must be 0 or more")


def _duplicates(data: Dataset) -> Mask:
    events = data.interactions
    if TIME in events.columns:
        first = events.with_row_index("row").unique(subset=events.columns, keep="first")["row"]
        repeated = np.ones(len(events), dtype=np.bool_)
        repeated[first.to_numpy()] = False
        return repeated
    same = [
        pl.col(name).eq_missing(pl.col(name).shift(1)).over(USER)
        for name in events.columns
        if name != USER
    ]
    return events.select(pl.all_horizontal(same)).to_series().to_numpy()


def _repeats(data: Dataset, window: float) -> Mask:
    events = data.interactions
    if TIME not in events.columns:
        raise DataError("repeats_within= needs times, and these events have none; leave it out")
    same = [name for name in (USER, ITEM, EVENT) if name in events.columns]
    since = events.select(pl.col(TIME).diff().over(same)).to_series()
    return (since <= window).fill_null(False).to_numpy()


def _without_empty(data: Dataset, columns: Sequence[str] | None, policy: str) -> Dataset:
    empty = empty_items(data.items, columns)
    count = int(empty.sum())
    if policy == "error" and count:
        raise DataError(
            f"items: no text for {ITEM} {first_offenders(data.items[ITEM].filter(empty), count)}."
            " Add some, or pass empty_text='drop' or 'keep'"
        )
    return keep_rows(data, "items", (~empty).to_numpy()) if count else data


__all__ = ["CleanNotes", "Policy", "Step", "clean", "clean_with_notes"]
