"""What of events is to be doubted: dates long past or still to come, ratings off the scale."""

from __future__ import annotations

import time
from collections.abc import Mapping

import numpy as np
import polars as pl
from numpy.typing import NDArray

from palate.core.columns import TIME, VALUE
from palate.core.errors import SHOWN_OFFENDERS, Message, Setting, first_offenders
from palate.core.visible import counted
from palate.data.columns import is_rating
from palate.data.notes import DAY, date_of
from palate.data.positive import scale_of
from palate.data.times import FIRST_DATES


def doubts_about_events(
    events: pl.DataFrame, theirs: Mapping[str, str], before: pl.DataFrame | None = None
) -> list[str | Message]:
    """In sentences; `theirs` maps our columns to their names in the file.

    The scale is that of the ratings `before`, where events came later, else of these themselves.
    """
    return [*_about_times(events), *_about_ratings(events, theirs, before)]


def _about_times(events: pl.DataFrame) -> list[str | Message]:
    """Dates from before anything was sold by computer, a missing one or one of something else, and
    dates that are still to come.
    """
    if TIME not in events.columns or not len(events):
        return []
    times = events[TIME].to_numpy().astype(np.float64, copy=False)
    if float(times.max()) < FIRST_DATES:
        return []
    return [*_early(times), *_to_come(times)]


def _to_come(times: NDArray[np.float64]) -> list[str | Message]:
    """A clock that is wrong, days and months the wrong way round, or another unit."""
    late = np.flatnonzero(times > time.time() + DAY)
    if not len(late):
        return []
    days = [date_of(float(times[row])) for row in late[-SHOWN_OFFENDERS:][::-1]]
    return [
        Message.of(
            f"{counted(len(late), 'event is', 'events are')} still to come: "
            f"{first_offenders(days, len(late))}; if days"
            " and months are the wrong way round, say how times are written (",
            Setting("time_format", "%d/%m/%Y", "data"),
            "), else leave these rows out: what is cut by time would ask about them alone",
        )
    ]


def _early(times: NDArray[np.float64]) -> list[str | Message]:
    early = np.flatnonzero(times < FIRST_DATES)
    if not len(early):
        return []
    days = [date_of(float(times[row])) for row in early[:SHOWN_OFFENDERS]]
    return [
        f"{counted(len(early), 'event lies', 'events lie')} before 1990: "
        f"{first_offenders(days, len(early))}; if that is a"
        " missing time or the date of something else, leave these rows out"
    ]


def _about_ratings(
    events: pl.DataFrame, theirs: Mapping[str, str], before: pl.DataFrame | None
) -> list[str | Message]:
    """Ratings beyond the scale that is usual: slips of who typed them, or of another scale."""
    name, usual = theirs.get(VALUE, VALUE), events if before is None else before
    if not is_rating(name) or VALUE not in events.columns or VALUE not in usual.columns:
        return []
    known = usual[VALUE].cast(pl.Float64).drop_nulls()
    scale = scale_of(known) if len(known) else None
    if scale is None:
        return []
    rated = events[VALUE].cast(pl.Float64).drop_nulls()
    beyond = rated.filter((rated > scale[1]) | (rated < min(scale[0], float(known.min()))))  # type: ignore[arg-type]
    if not len(beyond):
        return []
    shown = [f"{value:g}" for value in beyond.unique(maintain_order=True)]
    return [
        f"column {name!r}: {counted(len(beyond), 'rating lies', 'ratings lie')} beyond {scale[0]:g}"
        f" to {scale[1]:g}, the scale of the others: {first_offenders(shown, len(shown))}; if these"
        " are slips, mend them or leave these rows out; if the scale is another one, bring them to"
        " the same"
    ]
