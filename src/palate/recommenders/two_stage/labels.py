"""What the ranker learns from: held-out events of the training part, as candidate rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from palate.core import progress
from palate.core.arrays import Floats, Mask, Rows
from palate.core.histories import Histories, ragged_positions
from palate.core.parallel import give_back_memory, in_chunks
from palate.core.topk import tie_order
from palate.recommenders.two_stage.candidates import Candidates, candidates
from palate.recommenders.two_stage.catalogue import Catalogue
from palate.recommenders.two_stage.statistics import Statistics, fit_statistics, prefix_cases

FOLDS = 3  # people are held out in turns, so that every person's last events can be labels
HELD_EVENTS = (2, 4)  # newest events of a held-out person that become labels: half, within these
NEW_ITEMS = 0.2  # share of the catalogue that the turn of new items hides
NEW_ITEMS_CASES = 0.15  # share of the cases that come from that turn
NEGATIVES = 0.5  # share of the candidates that were not the answer which are shown
CHUNK_CELLS = 2_000_000
FEWEST_CELLS = 1_500  # of a request: its candidates' features take room in a small catalogue too


@dataclass(frozen=True)
class LabelledRows:
    """Rows of all cases: `labels` (rows,), `groups` rows per case, and `parts`: tables (rows, f),
    one below the other, of which there is one copy in memory.
    """

    parts: tuple[Floats, ...]
    labels: NDArray[np.int8]
    groups: NDArray[np.int64]
    names: list[str]

    @property
    def features(self) -> Floats:
        """(rows, f) all parts as one table: a copy."""
        return np.concatenate(self.parts)

    def every(self, step: int) -> Floats:
        """(n, f) the first row of each `step`."""
        chosen, first = [], 0
        for part in self.parts:
            chosen.append(part[-first % step :: step])
            first += len(part)
        return np.concatenate(chosen)


class Judge(Protocol):
    """Sees the candidates of a turn before they become rows."""

    def begin(self, statistics: Statistics, catalogue: Catalogue) -> None:
        """What the candidates come from, once, before the first chunk."""

    def judge(self, chunk: slice, found: Candidates, hits: Mask, statistics: Statistics) -> None:
        """A chunk's candidates, which of them were the answer, and the statistics behind them."""


@dataclass(frozen=True)
class LabelPlan:
    """How many cases, of how many candidates, with what in sight."""

    n_train_queries: int
    candidates: int
    repeats: bool
    behaviour: bool
    content: bool
    seed: int
    against: bool = False


def labelled_rows(
    histories: Histories, catalogue_of: Callable[[Histories], Catalogue], plan: LabelPlan
) -> LabelledRows:
    """Cases from people held out in turns: their newest events are labels, unseen by statistics.

    In a last turn a share of the items is hidden as well, and only the hidden ones' rows are
    shown: there the ranker learns to order new items among themselves. Cases whose answer no
    retriever proposed are dropped: shown, they would teach that low scores mean success.
    """
    return rows_of_turns(turns_by_person(histories, plan), catalogue_of, plan)


def rows_of_turns(
    turns: Sequence[Turn],
    catalogue_of: Callable[[Histories], Catalogue],
    plan: LabelPlan,
    judge: Judge | None = None,
) -> LabelledRows:
    """The cases of each turn as rows; `judge` sees the candidates of each chunk before they go."""
    parts: list[LabelledRows] = []
    total = sum(max(len(turn.asking), 1) for turn in turns)
    with progress.task("learn to rank: cases", total, "cases") as advance:
        for turn in turns:
            parts.append(_rows_of_turn(turn, catalogue_of(turn.known), plan, judge, advance))
            give_back_memory()
    return joined(parts)


def _rows_of_turn(
    turn: Turn,
    catalogue: Catalogue,
    plan: LabelPlan,
    judge: Judge | None,
    advance: Callable[[int], object],
) -> LabelledRows:
    """The statistics go before those of the next turn are made: a function of its own."""
    statistics = fit_statistics(
        turn.known,
        catalogue,
        behaviour=plan.behaviour,
        seed=plan.seed,
        against=plan.against,
    )
    step = max(1, CHUNK_CELLS // max(catalogue.n_items, FEWEST_CELLS))
    catalogue.ready(behaviour=plan.behaviour)
    give_back_memory()
    if judge is not None:
        judge.begin(statistics, catalogue)
    work = partial(_rows, turn, statistics, catalogue, plan, judge)
    chunks: list[LabelledRows] = []
    # a turn without a case still says which features there are
    for chunk, rows in in_chunks(work, max(len(turn.asking), 1), step):
        chunks.append(rows)
        advance(chunk.stop - chunk.start)
    # small arrays that stay would keep what was freed between them from being given back
    whole = joined(chunks)
    return replace(whole, parts=(whole.features,))


def joined(parts: Sequence[LabelledRows]) -> LabelledRows:
    """The cases of all parts, in order; their tables are not copied."""
    return LabelledRows(
        tuple(table for part in parts for table in part.parts),
        np.concatenate([part.labels for part in parts]),
        np.concatenate([part.groups for part in parts]),
        parts[-1].names,
    )


def _rows(
    turn: Turn,
    statistics: Statistics,
    catalogue: Catalogue,
    plan: LabelPlan,
    judge: Judge | None,
    chunk: slice,
) -> LabelledRows:
    asking, answers = turn.asking.take(chunk).with_users(catalogue.users), turn.answers[chunk]
    found = candidates(
        asking,
        statistics,
        catalogue,
        count=plan.candidates,
        repeats=plan.repeats,
        answers=answers,
    )
    hits = found.items == answers[found.requests, None]
    if judge is not None:
        judge.judge(chunk, found, hits, statistics)
    teaches = np.ones(len(hits), dtype=np.bool_)
    if turn.silent is not None:
        teaches = ~turn.silent[chunk][found.requests]
    kept = (found.items >= 0) & turn.teaching[found.items] & teaches[:, None]
    shown = np.random.default_rng([plan.seed, chunk.start]).random(kept.shape) < turn.negatives
    kept &= shown | hits
    groups = kept.sum(axis=1)[teaches]
    return LabelledRows((found.features[kept],), hits[kept].astype(np.int8), groups, found.names)


@dataclass(frozen=True)
class Turn:
    """What is known, who asks, the answers, which items' rows teach, how many of them.

    `silent` (n,) requests are judged, but teach nothing.
    """

    known: Histories
    asking: Histories
    answers: Rows
    teaching: NDArray[np.bool_]
    negatives: float
    silent: Mask | None = None


def turns_by_person(histories: Histories, plan: LabelPlan) -> list[Turn]:
    """`FOLDS` turns of people; where items have content, and some may be hidden, one of items."""
    return list(_turns(histories, plan))


def _turns(histories: Histories, plan: LabelPlan) -> Iterator[Turn]:
    rng = np.random.default_rng(plan.seed)
    fold = rng.integers(0, FOLDS, len(histories))
    warm = np.bincount(_events(histories), minlength=len(histories.item_ids)) > 0
    everything = np.ones(len(warm), dtype=bool)
    cases_of_new = int(plan.n_train_queries * NEW_ITEMS_CASES) if plan.content else 0
    per_fold = (plan.n_train_queries - cases_of_new) // FOLDS
    for turn in range(FOLDS):
        held = np.where(fold == turn, held_events(histories), 0)
        known, asking, answers = _held_out(histories, held)
        usable = np.ones(len(answers), dtype=bool)
        if not plan.repeats:
            usable = ~repeated(asking, answers)
        chosen = some_of(usable, per_fold, rng)
        yield Turn(known, asking.take(chosen), answers[chosen], everything, NEGATIVES)
    if cases_of_new:
        drawn = (tie_order(histories.item_ids) + plan.seed * 7919) % len(warm)
        hidden = warm & (drawn < NEW_ITEMS * len(warm))
        held = np.where(fold == 0, histories.lengths // 2, 0)
        known, asking, answers = _held_out(histories, held)
        asking = without_items(asking, hidden)
        chosen = some_of(hidden[answers] & (asking.lengths > 0), cases_of_new, rng)
        known = without_items(known, hidden)
        if len(chosen) and known.lengths.any():
            yield Turn(known, asking.take(chosen), answers[chosen], hidden, 1.0)


def held_events(histories: Histories) -> NDArray[np.int64]:
    """(n,) how many of each person's newest events may become labels."""
    return np.clip(histories.lengths // 2, *HELD_EVENTS)


def _held_out(histories: Histories, held: NDArray[np.int64]) -> tuple[Histories, Histories, Rows]:
    """(what is known, who asks, the answers) with the newest `held` events of each row as answers.

    Each person keeps at least one event.
    """
    lengths = histories.lengths
    kept = np.maximum(lengths - held, np.minimum(lengths, 1))
    known = histories.first(kept)
    asking, answers = prefix_cases(histories)
    after = asking.lengths >= np.repeat(kept, np.maximum(lengths - 1, 0))
    return known, asking.take(after), answers[after]


def some_of(usable: NDArray[np.bool_], count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    chosen = np.flatnonzero(usable)
    return chosen if len(chosen) <= count else np.sort(rng.permutation(chosen)[:count])


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
        against=None if histories.against is None else without_items(histories.against, hidden),
        values=None if histories.values is None else histories.values[kept],
    )


def repeated(asking: Histories, answers: Rows) -> NDArray[np.bool_]:
    """Which answers the asking person had touched before."""
    row, position = ragged_positions(asking.starts, asking.stops)
    again = asking.items[position] == answers[row]
    return np.bincount(row[again], minlength=len(asking)) > 0


def _events(histories: Histories) -> Rows:
    _, position = ragged_positions(histories.starts, histories.stops)
    return histories.items[position]


def share_of_repeats(histories: Histories) -> float:
    """How many of all events touch an item that their person had touched before."""
    row, position = ragged_positions(histories.starts, histories.stops)
    if not len(row):
        return 0.0
    pairs = row.astype(np.int64) * len(histories.item_ids) + histories.items[position]
    return 1.0 - len(np.unique(pairs)) / len(pairs)
