"""Aggregates of events as columns: what is learnt from all events, and what each is then worth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np
import polars as pl
from numpy.typing import NDArray

from palate.core.arrays import Floats
from palate.core.columns import EVENT, TIME, VALUE, WEIGHT
from palate.core.dataset import Dataset
from palate.core.histories import Histories, ragged_positions

Recipe: TypeAlias = dict[str, Any]
Numbers: TypeAlias = NDArray[np.float64]
Whole: TypeAlias = NDArray[np.int64]

NOTHING = "no events"
_DAY = 86_400.0
_NAMED = (TIME, VALUE, WEIGHT)
_MOST = 5.0
_SKEWED = 2.0
_WEAKEST, _STRONGEST = 1.0, 100.0
_USUAL = 10.0
_GAPS = 5.0
"""Gaps between events that outweigh what is usual."""


def learn(events: Events, *, recent: float, max_events: int, other: str) -> Recipe:
    """Priors, scales and moments, from those with events alone; `other` names what is touched."""
    recipe: Recipe = {"other": other, "kinds": _kinds(events, max_events)}
    again = _is_repeat(events)
    recipe["repeats"] = prior_of(events.own, again, events.count)
    recipe["shares"] = {
        kind: prior_of(events.own, _is_kind(events, kind), events.count) for kind in recipe["kinds"]
    }
    recipe["values"] = [
        _value_plan(events, kind) for kind in _kinds_with_values(events, recipe["kinds"])
    ]
    recipe["values"] += [_value_plan(events, None, name) for name in events.further]
    recipe["times"] = _time_plan(events, recent)
    known = events.totals > 0
    columns = measured(events, recipe)
    recipe["names"] = [*columns, NOTHING]
    moments = [_moments(column[known]) for column in columns.values()]
    recipe["means"] = [mean for mean, _ in moments]
    recipe["deviations"] = [deviation for _, deviation in moments]
    return recipe


def standardised(events: Events, recipe: Recipe) -> Floats:
    """(count, columns) standardised, held within 5 deviations; the last says "no events"."""
    table = np.column_stack([*measured(events, recipe).values()])
    unknown = np.isnan(table)
    table = (table - np.array(recipe["means"])) / np.array(recipe["deviations"])
    table = np.where(unknown, 0.0, np.clip(table, -_MOST, _MOST))
    return np.column_stack([table, events.totals == 0]).astype(np.float32)


def measured(events: Events, recipe: Recipe) -> dict[str, Numbers]:
    """Column → (count,) its values, NaN where nothing can be said."""
    totals, count = events.totals, events.count
    found = {"events": np.log1p(totals), recipe["other"]: np.log1p(distinct(events))}
    found["share of repeats"] = shrunk_means(
        events.own, _is_repeat(events), count, recipe["repeats"]
    )
    for kind, prior in recipe["shares"].items():
        hit = _is_kind(events, kind)
        found[f"{kind}: events"] = np.log1p(sums(events.own, hit, count))
        found[f"{kind}: share"] = shrunk_means(events.own, hit, count, prior)
    for plan in recipe["values"]:
        found |= _values(events, plan)
    if recipe["times"] is not None:
        found |= _times(events, recipe["times"])
    return found


def _is_repeat(events: Events) -> Numbers:
    """1 for each event too many of its pair; which of equals is the first does not matter."""
    pairs = events.own * np.int64(max(events.others, 1)) + events.other
    again = np.ones(len(pairs))
    again[np.unique(pairs, return_index=True)[1]] = 0.0
    return again


def _kinds(events: Events, most: int) -> list[str]:
    """The most frequent kinds of events; none where there is only one."""
    if events.kinds is None:
        return []
    counts = events.kinds.drop_nulls().rename("kind").value_counts()
    names = counts.sort(["count", "kind"], descending=[True, False])["kind"].to_list()
    return names[:most] if len(names) > 1 else []


def _is_kind(events: Events, kind: str | None) -> Numbers:
    if kind is None:
        return np.ones(len(events.own))
    if events.kinds is None:
        return np.zeros(len(events.own))
    return (events.kinds == kind).fill_null(False).to_numpy().astype(np.float64)


def _kinds_with_values(events: Events, kinds: list[str]) -> list[str | None]:
    """The kinds whose values are kept apart; [None] for all together."""
    if events.values is None:
        return []
    known = ~np.isnan(events.values)
    apart: list[str | None] = [kind for kind in kinds if _is_kind(events, kind)[known].any()]
    return apart if len(apart) > 1 else [None]


def _chosen(events: Events, plan: Mapping[str, Any]) -> tuple[Any, Numbers]:
    """(own, value) of the events of a kind that have a value."""
    column = plan.get("column")
    values = events.values if column is None else events.further.get(column)
    if values is None:
        return np.empty(0, dtype=np.int64), np.empty(0)
    chosen = ~np.isnan(values) & (_is_kind(events, plan["kind"]) > 0)
    return events.own[chosen], values[chosen]


def _value_plan(events: Events, kind: str | None, column: str | None = None) -> dict[str, Any]:
    """How the numbers of `column` (None: the value) are counted at events of a kind."""
    own, values = _chosen(events, {"kind": kind, "column": column})
    deviation = values.std()
    skew = float(((values - values.mean()) ** 3).mean() / deviation**3) if deviation else 0.0
    plan = {"kind": kind, "column": column, "log": abs(skew) > _SKEWED}
    return {**plan, "prior": prior_of(own, _on_scale(values, plan), events.count)}


def _on_scale(values: Numbers, plan: Mapping[str, Any]) -> Numbers:
    return np.sign(values) * np.log1p(np.abs(values)) if plan["log"] else values


def _values(events: Events, plan: Mapping[str, Any]) -> dict[str, Numbers]:
    own, values = _chosen(events, plan)
    prefix = "" if plan["kind"] is None else f"{plan['kind']}: "
    column = plan.get("column")
    one, many = (column, column) if column else ("value", "values")
    on_scale, count, prior = _on_scale(values, plan), events.count, plan["prior"]
    total = sums(own, values, count)
    return {
        f"{prefix}mean {one}": shrunk_means(own, on_scale, count, prior),
        f"{prefix}spread of {many}": shrunk_spreads(own, on_scale, count, prior),
        f"{prefix}total {one}": np.sign(total) * np.log1p(np.abs(total)),
    }


def _time_plan(events: Events, recent: float) -> dict[str, Any] | None:
    times = events.times
    if times is None or not len(times) or times.min() == times.max():
        return None
    since = float(np.quantile(times, 1 - recent, method="lower"))
    late = (times > since).astype(np.float64)
    burst, gaps = burstiness(events)
    known = gaps > 0
    return {
        "now": float(times.max()),
        "since": since,
        "trend": prior_of(events.own, late, events.count),
        "burst": float(np.average(burst[known], weights=gaps[known])) if known.any() else 0.0,
    }


def _times(events: Events, plan: Mapping[str, Any]) -> dict[str, Numbers]:
    names = ("days since the last", "days since the first", "events a day", "burstiness", "trend")
    times = events.times
    if times is None:
        times, none = np.empty(0), np.empty(0, dtype=np.int64)
        events = replace(events, own=none, other=none, times=times)
    first, last = np.full((2, events.count), np.nan)
    np.fmin.at(first, events.own, times)
    np.fmax.at(last, events.own, times)
    since_last, since_first = (np.maximum(plan["now"] - edge, 0) / _DAY for edge in (last, first))
    burst, gaps = burstiness(events)
    known = np.where(gaps > 0, burst, 0.0)
    columns = (
        np.log1p(since_last),
        np.log1p(since_first),
        np.log(np.maximum(events.totals, 1)) - np.log1p(since_first),
        (known * gaps + plan["burst"] * _GAPS) / (gaps + _GAPS),
        shrunk_means(
            events.own,
            (times > plan["since"]).astype(np.float64),
            events.count,
            plan["trend"],
        ),
    )
    return dict(zip(names, columns, strict=True))


def _moments(column: Numbers) -> tuple[float, float]:
    column = column[~np.isnan(column)]
    if not len(column):
        return 0.0, 1.0
    deviation = float(column.std())
    return float(column.mean()), deviation if deviation > 1e-9 else 1.0


@dataclass(frozen=True)
class Events:
    """One entry an event: whose it is (0 to `count` - 1), and what with (0 to `others` - 1)."""

    count: int
    own: Whole
    others: int
    other: Whole
    times: Numbers | None = None
    values: Numbers | None = None
    further: Mapping[str, Numbers] = field(default_factory=dict)
    kinds: pl.Series | None = None

    @property
    def totals(self) -> Numbers:
        """(count,) events of each."""
        return np.bincount(self.own, minlength=self.count).astype(np.float64)


def events_of_items(data: Dataset) -> Events:
    """Every item of the catalogue, and the people who touched it."""
    users, items = data.event_users, data.event_items
    return _events(data, items, len(data.item_ids), users, len(data.user_ids))


def events_of_users(data: Dataset) -> Events:
    """Everybody in `data.user_ids`, and the items that they touched."""
    users, items = data.event_users, data.event_items
    return _events(data, users, len(data.user_ids), items, len(data.item_ids))


def events_of_histories(histories: Histories) -> Events:
    """Every request, and the items in its history; histories know neither kinds nor values."""
    histories = histories.every()
    row, position = ragged_positions(histories.starts, histories.stops)
    return Events(
        count=len(histories),
        own=row,
        others=len(histories.item_ids),
        other=histories.items[position].astype(np.int64),
        times=None if histories.times is None else histories.times[position],
    )


def nothing() -> Events:
    """One of whom no event is known."""
    none = np.empty(0, dtype=np.int64)
    return Events(count=1, own=none, others=1, other=none, times=np.empty(0))


def _events(data: Dataset, own: Any, count: int, other: Any, others: int) -> Events:
    table = data.events
    values = None
    if VALUE in table.columns and table[VALUE].dtype.is_numeric():
        values = _known_numbers(table[VALUE])
        values = None if np.isnan(values).all() else values
    decimals = [name for name, kind in table.schema.items() if kind == pl.Float64]
    further = {name: _known_numbers(table[name]) for name in decimals if name not in _NAMED}
    return Events(
        count=count,
        own=own.astype(np.int64),
        others=others,
        other=other.astype(np.int64),
        times=table[TIME].to_numpy().astype(np.float64) if TIME in table.columns else None,
        values=values,
        further={name: one for name, one in further.items() if not np.isnan(one).all()},
        kinds=table[EVENT].cast(pl.String) if EVENT in table.columns else None,
    )


def _known_numbers(column: pl.Series) -> Numbers:
    """NaN where there is no finite number."""
    numbers = column.cast(pl.Float64).fill_null(float("nan")).to_numpy().copy()
    numbers[~np.isfinite(numbers)] = np.nan
    return numbers


def sums(own: Whole, numbers: Numbers, count: int) -> Numbers:
    return np.bincount(own, numbers, count).astype(np.float64)


def distinct(events: Events) -> Numbers:
    """(count,) different others of each."""
    pairs = np.unique(events.own * np.int64(max(events.others, 1)) + events.other)
    return np.bincount(pairs // max(events.others, 1), minlength=events.count).astype(np.float64)


def prior_of(own: Whole, numbers: Numbers, count: int) -> dict[str, float]:
    """What is known of somebody of whom nothing is known, and how many events that outweighs.

    The mean over all events, the variance within, and its ratio to the variance between: the
    empirical Bayes estimate for a one-way random-effects model by moments (Searle et al. 1992),
    held between 1 and 100, or 10 where nobody has two events.
    """
    size = np.bincount(own, minlength=count).astype(np.float64)
    size = size[size > 0]
    total, groups = size.sum(), len(size)
    mean = float(numbers.mean()) if total else 0.0
    if total <= groups or groups < 2:
        return {"mean": mean, "variance": float(numbers.var()) if total else 0.0, "weight": _USUAL}
    own_mean = _means(own, numbers, count)
    within = float(((numbers - own_mean[own]) ** 2).sum()) / float(total - groups)
    outside = float(((own_mean[own] - mean) ** 2).sum()) / (groups - 1)
    typical = float(total - (size**2).sum() / total) / (groups - 1)
    between = max(outside - within, 0.0) / typical
    weight = within / between if between > 0 else _STRONGEST
    return {
        "mean": mean,
        "variance": within,
        "weight": float(np.clip(weight, _WEAKEST, _STRONGEST)),
    }


def shrunk_means(own: Whole, numbers: Numbers, count: int, prior: dict[str, float]) -> Numbers:
    """(count,) means drawn to the prior's; that itself where there is no event."""
    size = np.bincount(own, minlength=count)
    weight = prior["weight"]
    return (sums(own, numbers, count) + weight * prior["mean"]) / (size + weight)


def shrunk_spreads(own: Whole, numbers: Numbers, count: int, prior: dict[str, float]) -> Numbers:
    """(count,) standard deviations about one's own mean, variances drawn to the prior's."""
    size = np.bincount(own, minlength=count)
    weight = prior["weight"]
    squares = sums(own, (numbers - _means(own, numbers, count)[own]) ** 2, count)
    freedom = np.maximum(size - 1, 0)
    return np.sqrt((squares + weight * prior["variance"]) / (freedom + weight))


def burstiness(events: Events) -> tuple[Numbers, Numbers]:
    """(count,) (spread - mean) / (spread + mean) of the gaps between events, and known gaps.

    -1 is a clock, 0 chance, near 1 bursts (Goh and Barabási 2008). NaN below two gaps.
    """
    assert events.times is not None
    order = np.lexsort((events.times, events.own))
    own, times = events.own[order], events.times[order]
    inside = own[1:] == own[:-1]
    owner, gap = own[1:][inside], np.diff(times)[inside]
    size = np.bincount(owner, minlength=events.count).astype(np.float64)
    mean = _means(owner, gap, events.count)
    spread = np.sqrt(_means(owner, (gap - mean[owner]) ** 2, events.count))
    known = (size >= 2) & (spread + mean > 0)
    found = np.full(events.count, np.nan)
    np.divide(spread - mean, spread + mean, out=found, where=known)
    return found, np.where(known, size, 0.0)


def _means(own: Whole, numbers: Numbers, count: int) -> Numbers:
    size = np.bincount(own, minlength=count)
    return sums(own, numbers, count) / np.maximum(size, 1)
