"""Labels by time: what was known at a moment of the past, and what people did from then on.

Who is served tomorrow is not like the last events of those who are known: strangers arrive, whole
sessions come at once, new items sell. Two stretches of the training part are asked about as a split
by time would ask: the newest is where the default chooses, the one before is for its ranker.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from palate.core.arrays import Mask, Rows
from palate.core.histories import Histories, ragged_positions, turned_down_before
from palate.recommenders.two_stage.labels import LabelPlan, Turn, repeated, some_of

SHARE = 0.2  # of the events, in each stretch
FEWEST = 200  # requests in each: with fewer, chance would choose
REQUESTS = 0.1  # of `n_train_queries`, that are taken of a stretch
STRANGERS = 1000  # of them at most, who did nothing before
ARRIVALS = 1000  # beside them, with an answer that just arrived: judged, but nothing learnt from
NEGATIVES = 0.25  # share of the candidates that were not the answer which are shown


@dataclass(frozen=True)
class TimeFolds:
    """The two newest stretches; `new` (n_items,) are items whose first event is in the later one.

    `late_asked` and `new_asked` count all of its requests, sampled or not, of people with a
    history, and those of them with a new item as the answer.
    """

    early: Turn
    late: Turn
    new: Mask
    late_asked: int
    new_asked: int


def time_folds(histories: Histories, plan: LabelPlan) -> TimeFolds | None:
    """None where the events have no times, or too few of them."""
    if histories.times is None or histories.lengths.sum() < FEWEST / SHARE:
        return None
    _, position = ragged_positions(histories.starts, histories.stops)
    times = np.sort(histories.times[position])
    first, second = (
        float(times[len(times) - round(count * SHARE * len(times))]) for count in (2, 1)
    )
    rng = np.random.default_rng([plan.seed, 1])
    early_known, early_asking, early_answers = _cut(histories, first, second)
    late_known, late_asking, late_answers = _cut(histories, second, np.inf)
    if min(len(early_answers), len(late_answers)) < FEWEST or not early_known.lengths.any():
        return None
    n_items = len(histories.item_ids)
    before = np.bincount(_items(late_known), minlength=n_items)
    new = (before == 0) & (np.bincount(late_answers, minlength=n_items) > 0)
    somebody = late_asking.lengths > 0
    early = _turn(early_known, early_asking, early_answers, plan, rng)
    return TimeFolds(
        early,
        _turn(late_known, late_asking, late_answers, plan, rng, arrived=new),
        new,
        int(somebody.sum()),
        int(new[late_answers[somebody]].sum()),
    )


def _items(histories: Histories) -> Rows:
    _, position = ragged_positions(histories.starts, histories.stops)
    return histories.items[position]


def _cut(histories: Histories, start: float, stop: float) -> tuple[Histories, Histories, Rows]:
    """What is known before `start`, and each event from then to `stop` as a request, with all that
    its person did before it, which may be nothing.
    """
    row, position = ragged_positions(histories.starts, histories.stops)
    times: NDArray[np.float64] = np.asarray(histories.times)[position]
    earlier = np.bincount(row[times < start], minlength=len(histories))
    asked = (times >= start) & (times < stop)
    row, position, times = row[asked], position[asked], times[asked]
    before = turned_down_before(histories, row, times)
    asking = replace(histories.take(row), stops=position, against=before)
    everybody = np.arange(len(histories))
    before = turned_down_before(histories, everybody, np.full(len(histories), start))
    known = replace(histories, stops=histories.starts + earlier, against=before)
    return known, asking, histories.items[position]


def _turn(
    known: Histories,
    asking: Histories,
    answers: Rows,
    plan: LabelPlan,
    rng: np.random.Generator,
    *,
    arrived: Mask | None = None,
) -> Turn:
    """Some of the requests: strangers, who are few, before the others.

    More of those whose answer has `arrived` (n_items,) are silent.
    """
    usable = np.ones(len(answers), dtype=bool) if plan.repeats else ~repeated(asking, answers)
    stranger = asking.lengths == 0
    chosen = [
        some_of(usable & stranger, min(STRANGERS, int(plan.n_train_queries * REQUESTS)), rng),
        some_of(usable & ~stranger, int(plan.n_train_queries * REQUESTS), rng),
    ]
    rows = np.sort(np.concatenate(chosen))
    silent = np.zeros(len(answers), dtype=np.bool_)
    if arrived is not None and plan.content:
        silent = usable & ~stranger & arrived[answers]
        silent[rows] = False
        most = min(ARRIVALS, int(plan.n_train_queries * REQUESTS))
        more = some_of(silent, most, rng)
        rows = np.sort(np.concatenate([rows, more]))
    everything = np.ones(len(asking.item_ids), dtype=bool)
    return Turn(known, asking.take(rows), answers[rows], everything, NEGATIVES, silent[rows])
