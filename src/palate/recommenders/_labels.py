"""What the ranker learns from: held-out events of the training part, as candidate rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from palate import progress
from palate.histories import Histories, ragged_positions
from palate.recommenders._candidates import candidates
from palate.recommenders._statistics import Catalogue, Statistics, fit_statistics, prefix_cases
from palate.recommenders._threads import in_chunks
from palate.types import Floats, Rows

FOLDS = 3  # people are held out in turns, so that every person's last events can be labels
HELD_EVENTS = 2  # newest events of a held-out person that become labels
NEW_ITEMS = 0.2  # share of the catalogue that the fold of new items hides
NEW_ITEMS_CASES = 0.15  # share of the cases that come from that fold
CHUNK_CELLS = 2_000_000


@dataclass(frozen=True)
class LabelledRows:
    """Rows of all cases: `features` (rows, f), `labels` (rows,), `groups` rows per case."""

    features: Floats
    labels: NDArray[np.int8]
    groups: NDArray[np.int64]
    names: list[str]


@dataclass(frozen=True)
class LabelPlan:
    """How many cases, of how many candidates, with what in sight."""

    cases: int
    candidates: int
    repeats: bool
    behaviour: bool
    seed: int


def labelled_rows(
    histories: Histories, catalogue_of: Callable[[Histories], Catalogue], plan: LabelPlan
) -> LabelledRows:
    """Cases from people held out in turns: their newest events are labels, unseen by statistics.

    In a last, smaller turn a share of the items is hidden as well, so that the ranker meets items
    that nobody has touched. Cases whose answer no retriever proposed are dropped: shown, they would
    teach that low scores mean success.
    """
    features: list[Floats] = []
    labels: list[NDArray[np.int8]] = []
    groups: list[NDArray[np.int64]] = []
    names: list[str] = []
    with progress.task("learn to rank: cases", plan.cases, "cases") as advance:
        for known, asking, answers in _turns(histories, plan):
            catalogue = catalogue_of(known)
            statistics = fit_statistics(known, catalogue, behaviour=plan.behaviour, seed=plan.seed)
            step = max(1, CHUNK_CELLS // catalogue.n_items)
            _ready(catalogue)
            work = partial(_rows, asking, answers, statistics, catalogue, plan)
            for chunk, rows in in_chunks(work, len(asking), step):
                features.append(rows.features)
                labels.append(rows.labels)
                groups.append(rows.groups)
                names = rows.names
                advance(chunk.stop - chunk.start)
    return LabelledRows(
        np.concatenate(features), np.concatenate(labels), np.concatenate(groups), names
    )


def _ready(catalogue: Catalogue) -> None:
    """Makes what the threads share before they start."""
    if catalogue.anchor is not None:
        _ = catalogue.neighbours_transposed
    for name in catalogue.sparse_blocks:
        catalogue.transposed(name)


def _rows(
    asking: Histories,
    answers: Rows,
    statistics: Statistics,
    catalogue: Catalogue,
    plan: LabelPlan,
    chunk: slice,
) -> LabelledRows:
    found = candidates(
        asking.take(chunk), statistics, catalogue, count=plan.candidates, repeats=plan.repeats
    )
    answers = answers[chunk]
    hits = found.items == answers[:, None]
    proposed = hits.any(axis=1)
    kept = (found.items >= 0) & proposed[:, None]
    groups = kept.sum(axis=1)[proposed]
    return LabelledRows(found.features[kept], hits[kept].astype(np.int8), groups, found.names)


def _turns(histories: Histories, plan: LabelPlan) -> Iterator[tuple[Histories, Histories, Rows]]:
    """(what is known, who asks, the answers) of each turn."""
    rng = np.random.default_rng(plan.seed)
    fold = rng.integers(0, FOLDS, len(histories))
    hidden_cases = int(plan.cases * NEW_ITEMS_CASES)
    per_fold = (plan.cases - hidden_cases) // FOLDS
    for turn in range(FOLDS):
        held = fold == turn
        yield _turn(histories, held, None, per_fold, plan, rng)
    hidden = rng.random(len(histories.item_ids)) < NEW_ITEMS
    yield _turn(histories, fold == 0, hidden, hidden_cases, plan, rng)


def _turn(
    histories: Histories,
    held: NDArray[np.bool_],
    hidden: NDArray[np.bool_] | None,
    cases: int,
    plan: LabelPlan,
    rng: np.random.Generator,
) -> tuple[Histories, Histories, Rows]:
    lengths = histories.lengths
    kept = np.where(held, np.maximum(lengths - HELD_EVENTS, np.minimum(lengths, 1)), lengths)
    known = replace(histories, stops=histories.starts + kept)
    asking, answers = prefix_cases(histories.take(np.flatnonzero(held)))
    after = asking.lengths >= np.repeat(kept[held], np.maximum(lengths[held] - 1, 0))
    if hidden is not None:
        known, asking = without_items(known, hidden), without_items(asking, hidden)
        after &= asking.lengths > 0
    if not plan.repeats:
        after &= ~_repeated(asking, answers)
    chosen = np.flatnonzero(after)
    if len(chosen) > cases:
        chosen = np.sort(rng.permutation(chosen)[:cases])
    return known, asking.take(chosen), answers[chosen]


def without_items(histories: Histories, hidden: NDArray[np.bool_]) -> Histories:
    """The same requests without the events of some items."""
    row, position = ragged_positions(histories.starts, histories.stops)
    kept = position[~hidden[histories.items[position]]]
    counts = np.bincount(row[~hidden[histories.items[position]]], minlength=len(histories))
    stops = np.cumsum(counts)
    return replace(
        histories,
        starts=stops - counts,
        stops=stops,
        items=histories.items[kept],
        weights=histories.weights[kept],
        times=None if histories.times is None else histories.times[kept],
    )


def _repeated(asking: Histories, answers: Rows) -> NDArray[np.bool_]:
    """Which answers the asking person had touched before."""
    row, position = ragged_positions(asking.starts, asking.stops)
    again = asking.items[position] == answers[row]
    return np.bincount(row[again], minlength=len(asking)) > 0


def share_of_repeats(histories: Histories) -> float:
    """How many of all events touch an item that their person had touched before."""
    row, position = ragged_positions(histories.starts, histories.stops)
    if not len(row):
        return 0.0
    pairs = row.astype(np.int64) * len(histories.item_ids) + histories.items[position]
    return 1.0 - len(np.unique(pairs)) / len(pairs)
