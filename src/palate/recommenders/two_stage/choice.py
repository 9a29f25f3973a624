"""What suits these data: who is ordered by what, and how far new items are lifted.

Chosen on the newest stretch of the training part, by a ranker that learnt before it. The trees have
the last word unless something else is surely better.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from palate.core.arrays import Floats, Mask, Rows
from palate.core.histories import Histories
from palate.core.learnt import agree, check_finite
from palate.recommenders.two_stage.candidates import Candidates
from palate.recommenders.two_stage.catalogue import Catalogue
from palate.recommenders.two_stage.importance import meaning
from palate.recommenders.two_stage.labels import (
    LabelledRows,
    LabelPlan,
    Turn,
    joined,
    labelled_rows,
    rows_of_turns,
)
from palate.recommenders.two_stage.profiles import profile_window
from palate.recommenders.two_stage.recency import WINDOWS, window_feature
from palate.recommenders.two_stage.statistics import Statistics
from palate.recommenders.two_stage.time_folds import REQUESTS, TimeFolds, time_folds

Doubles = NDArray[np.float64]

TREES: Final = "trees"
SUM: Final = "mix"
ALL_TIME: Final = "popularity"
NEW: Final = "new items"
TAIL: Final = "long tail"
LIFTED: Final = (NEW, TAIL)
STRANGERS: Final = "no history"
WHO: Final = {
    STRANGERS: (0, 0),
    "1 to 5 events": (1, 5),
    "6 to 20 events": (6, 20),
    "over 20 events": (21, 2**62),
}
_COLUMNS: Final = {
    **dict.fromkeys(("who", "ordered_by"), pl.String),
    **dict.fromkeys(("trees", "weight", "share", "ndcg", "ndcg_otherwise"), pl.Float64),
    "requests": pl.Int64,
}

EXPERTS = (SUM, "ease (z)", "similar users (z)", "directed (z)")
PLAIN_WINDOWS = tuple(map(window_feature, WINDOWS))
PROFILE_WINDOWS = tuple(map(profile_window, (None, *WINDOWS)))
WEIGHTS = (0.25, 0.5)
SURE = 2.5  # standard errors that anything must gain over the trees,
SURE_OF_TAIL = 1.5  # an expert that finds more of the long tail,
SURE_OF_WINDOW = 2.0  # a window over popularity of all time, for strangers, and over longer ones
SURE_OF_PROFILE = 1.0  # the same window with the profile of who asks, over without it
FEWEST = 20  # requests of a kind that a choice is made for
LIFTS = np.array([0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 2.5, 3.0])
LOSS = 0.01  # share of NDCG@10 that places for new items may cost
EXPLORED = 0.05  # of the first ten places, that new items may hold at least: half a place
STEP = 0.05  # of deviations, of the lifts among which that of the trees that serve is found
CALIBRATED_BY = 1_000  # requests whose lists show what a lift does
FEWEST_NEW = 10  # items that arrived in the stretch, for a lift to be learnt
PLACES = 10
HEAD = 0.8  # of the events that the most popular items hold; all other items are the long tail
TAIL_EXPERTS = ("directed (z)", "together (z)", "ease (z)", "similar users (z)")


@dataclass(frozen=True)
class Way:
    """How candidates are ordered: `trees` (0 or 1) times the trees, `weight` times a feature.

    Both in deviations from the mean of the request's candidates.
    """

    trees: float = 1.0
    ordered_by: str = TREES
    weight: float = 0.0

    def values(self, trees: Floats, said: Mapping[str, Floats], kept: Mask) -> Floats:
        """(n, k) float32, higher is better, from what features say of the candidates; ties of a
        feature go by the plain sum.
        """
        if not self.weight:
            return trees
        own = self.weight * standard(said[self.ordered_by], kept)
        other = standard(trees if self.trees else said[SUM], kept)
        return np.asarray(own + (1.0 if self.trees else 1e-3) * other, dtype=np.float32)


BY_TREES = Way()
BY_SUM = Way(0.0, SUM, 1.0)


def _said(found: Candidates, rows: slice | Mask = slice(None)) -> dict[str, Floats]:
    """What every expert says of the candidates of some requests."""
    known = {name: place for place, name in enumerate(found.names)}
    tried = {*EXPERTS, ALL_TIME, *PLAIN_WINDOWS, *PROFILE_WINDOWS} & known.keys()
    return {name: found.features[rows, :, known[name]] for name in sorted(tried)}


def standard(values: Floats, kept: Mask) -> Doubles:
    """(n, k) with mean 0 and deviation 1 over what is kept of each row."""
    mean, deviation = _moments(values, kept)
    found: Doubles = (values - mean) / deviation
    return found


def _moments(values: Floats, kept: Mask) -> tuple[Doubles, Doubles]:
    count = np.maximum(kept.sum(axis=1, keepdims=True), 1)
    known = np.where(kept, values, 0).astype(np.float64)
    mean = known.sum(axis=1, keepdims=True) / count
    squares = np.where(kept, (known - mean) ** 2, 0).sum(axis=1, keepdims=True)
    return mean, np.sqrt(squares / count) + 1e-9


def lifted(values: Floats, new: Mask, kept: Mask, lift: float) -> Floats:
    """New items raised by so many deviations of the request's candidates."""
    if not lift:
        return values
    _, deviation = _moments(values, kept)
    return np.where(new, values + np.float32(lift) * deviation.astype(np.float32), values)


def learn(
    histories: Histories,
    catalogue_of: Callable[[Histories], Catalogue],
    plan: LabelPlan,
    train: Callable[[LabelledRows], Any],
) -> tuple[LabelledRows, pl.DataFrame, Histories]:
    """All labelled rows, what was chosen by a ranker that `train` made without the newest events,
    and the requests that it was chosen by.

    Where the events have no times, or are too few, nothing is chosen.
    """
    folds = time_folds(histories, plan)
    if folds is None:
        nobody = histories.take(slice(0, 0))
        return labelled_rows(histories, catalogue_of, plan), nothing_chosen(), nobody
    asking = folds.late.asking
    rest = replace(plan, n_train_queries=int(plan.n_train_queries * (1 - 2 * REQUESTS)))
    by_person = labelled_rows(folds.late.known, catalogue_of, rest)
    before = Trial(folds.early, folds.new, by_person.names)
    by_time = rows_of_turns([folds.early], catalogue_of, plan, before.judge)
    earlier = joined([by_person, by_time])
    booster = train(earlier)
    if booster is None:
        late = rows_of_turns([folds.late], catalogue_of, plan)
        return joined([earlier, late]), nothing_chosen(), asking
    trial = Trial(folds.late, folds.new, earlier.names, partial(booster.predict, num_threads=1))
    late = rows_of_turns([folds.late], catalogue_of, plan, trial.judge)
    return joined([earlier, late]), chosen_ways(trial, before, folds), asking


def by_choice(
    chosen: pl.DataFrame, trees: Floats, found: Candidates, lengths: NDArray[np.int64]
) -> Floats:
    """(n, k) the candidates' values, each request's by what was chosen for such as it."""
    values, kept = trees.copy(), found.items >= 0
    for who, (low, high) in WHO.items():
        way, rows = way_of(chosen, who), (lengths >= low) & (lengths <= high)
        if way is not None and rows.any():
            values[rows] = way.values(trees[rows], _said(found, rows), kept[rows])
    return values


class Trial:
    """Every way on every request of a stretch: NDCG@10, and the places of new items.

    Without a `predict` only strangers are tried, for whom no tree is asked.
    """

    def __init__(
        self,
        turn: Turn,
        new: Mask,
        names: Sequence[str],
        predict: Callable[[Floats], Any] | None = None,
    ) -> None:
        self.new, self.predict = new, predict
        self.ways = ways_of(names)
        self.lengths = turn.asking.lengths
        self.users = turn.asking.starts
        n, n_lifts = len(self.lengths), len(LIFTS)
        self.mixed = [place for place, way in enumerate(self.ways) if way.trees]
        self.gains = np.zeros((n, len(self.ways)))
        self.lifted = np.zeros((n, len(self.ways), n_lifts))
        self.places = np.zeros((n, len(self.ways), n_lifts))
        self.of_tail = np.zeros(n, dtype=np.bool_)
        self.tail = np.zeros((n, n_lifts))
        self.experts = np.zeros((n, len(TAIL_EXPERTS)))

    def judge(self, chunk: slice, found: Candidates, hits: Mask, statistics: Statistics) -> None:
        """Marks the candidates of a chunk of requests; the rows are each chunk's own."""
        lines = found.requests + chunk.start
        if not len(lines):
            return
        kept = found.items >= 0
        if self.predict is None:
            trees = np.zeros(kept.shape, dtype=np.float32)
        else:
            flat = self.predict(found.features.reshape(-1, found.features.shape[2]))
            trees = np.asarray(flat, dtype=np.float32).reshape(kept.shape)
        said = _said(found)
        untouched = kept & (statistics["counts"] == 0)[found.items]
        arriving = untouched & self.new[found.items]
        # what nobody ever chose may be no longer there: only what arrived says how arrivals do
        there = kept & (arriving | ~untouched)
        for place, way in enumerate(self.ways):
            values = way.values(trees, said, kept)
            self.gains[lines, place] = ndcg(values, hits, kept)
            if place not in self.mixed or self.predict is None:
                continue
            for nth, lift in enumerate(LIFTS.tolist()):
                raised = lifted(values, arriving, there, lift)
                self.lifted[lines, place, nth] = ndcg(raised, hits, there)
                self.places[lines, place, nth] = new_places(raised, arriving, there)
        if self.predict is not None:
            self._judge_tail(lines, found, hits, trees, statistics)

    def _judge_tail(
        self, lines: Rows, found: Candidates, hits: Mask, trees: Floats, statistics: Statistics
    ) -> None:
        kept = found.items >= 0
        tail = kept & tail_items(statistics["counts"])[found.items]
        self.of_tail[lines] = (tail & hits).any(axis=1)
        for place, lift in enumerate(LIFTS.tolist()):
            self.tail[lines, place] = ndcg(lifted(trees, tail, kept, lift), hits, kept)
        for place, name in enumerate(TAIL_EXPERTS):
            if name in found.names:
                said = found.features[:, :, found.names.index(name)]
                self.experts[lines, place] = ndcg(said, hits, kept)


def ndcg(values: Floats, hits: Mask, kept: Mask) -> Doubles:
    """(n,) NDCG@10 where each request has one answer; of ties, half stand above it."""
    answer = np.where(hits & kept, values, -np.inf).max(axis=1, keepdims=True)
    above = (kept & (values > answer)).sum(axis=1)
    tied = (kept & (values == answer)).sum(axis=1) - 1
    place = above + 0.5 * np.maximum(tied, 0)
    found: Doubles = np.where(
        (hits & kept).any(axis=1) & (place < PLACES), 1 / np.log2(place + 2), 0.0
    )
    return found


def tail_items(counts: Floats) -> Mask:
    """(n_items,) touched items outside the head: the fewest that hold most of the events."""
    falling = np.sort(counts)[::-1].astype(np.float64)
    last = int(np.searchsorted(np.cumsum(falling), HEAD * falling.sum()))
    threshold = falling[min(last, len(falling) - 1)] if len(falling) else 0.0
    found: Mask = (counts > 0) & (counts < threshold)
    return found


def new_places(values: Floats, new: Mask, kept: Mask) -> Doubles:
    """(n,) the share of the first ten places that new items hold."""
    width = min(PLACES, values.shape[1])
    best = np.argpartition(-np.where(kept, values, -np.inf), width - 1, axis=1)[:, :width]
    found: Doubles = np.take_along_axis(new, best, axis=1).mean(axis=1)
    return found


def ways_of(names: Sequence[str]) -> list[Way]:
    """Everything that is tried: trees, the sum, trees with an expert, windows of popularity.

    A window is chosen by itself; `_profiled` adds what is known of a stranger where that helps.
    """
    known = [name for name in EXPERTS if name in names]
    mixed = [Way(1.0, name, weight) for name in known for weight in WEIGHTS]
    profiled = [name for name in PROFILE_WINDOWS[1:] if name in names]
    plain = (ALL_TIME, *PLAIN_WINDOWS) if profiled else PLAIN_WINDOWS
    alone = [Way(0.0, name, 1.0) for name in (*plain, *profiled) if name in names]
    return [BY_TREES, BY_SUM, *mixed, *alone]


def chosen_ways(trial: Trial, before: Trial, folds: TimeFolds) -> pl.DataFrame:
    """For each kind of request what orders it, and how far new items and the long tail are lifted.

    Of strangers, who are few, those of both stretches are asked.
    """
    rows = []
    used = np.zeros(len(trial.lengths), dtype=np.int64)
    usual = trial.ways.index(BY_TREES)
    others = [place for place, way in enumerate(trial.ways) if way.trees or way == BY_SUM]
    for who, (low, high) in WHO.items():
        asked = (trial.lengths >= low) & (trial.lengths <= high)
        gains, otherwise = trial.gains[asked], usual
        if who == STRANGERS:
            gains = np.concatenate([gains, before.gains[before.lengths == 0]])
            otherwise = trial.ways.index(BY_SUM)
            best = _profiled(gains, trial.ways, _window(gains, trial.ways))
        else:
            best = _best(gains, trial.users[asked], usual, others, SURE)
        used[asked] = best
        way, means = trial.ways[best], gains.sum(axis=0) / max(len(gains), 1)
        rows.append(
            {
                "who": who,
                "ordered_by": way.ordered_by,
                "trees": way.trees,
                "weight": way.weight,
                "share": 0.0,
                "ndcg": float(means[best]),
                "ndcg_otherwise": float(means[otherwise]),
                "requests": len(gains),
            }
        )
    rows += [*_new_items(trial, folds, used), *_long_tail(trial)]
    return pl.DataFrame(rows, schema=_COLUMNS)


def _window(gains: Doubles, ways: Sequence[Way]) -> int:
    """The longest window of popularity that no shorter one surely beats."""
    named = {way.ordered_by: place for place, way in enumerate(ways) if not way.trees}
    longest = named.get(ALL_TIME, named[SUM])  # which is the sum where no profile adds to it
    falling = [longest, *(named[window_feature(days)] for days in sorted(WINDOWS)[::-1])]
    best = falling[0]
    if len(gains) < FEWEST:
        return best
    for place in falling[1:]:
        apart = gains[:, place] - gains[:, best]
        if apart.mean() > SURE_OF_WINDOW * apart.std() / np.sqrt(len(apart)):
            best = place
    return best


def _profiled(gains: Doubles, ways: Sequence[Way], best: int) -> int:
    """The same window with what is known of who asks, where that is likely better, or untried."""
    named = {way.ordered_by: place for place, way in enumerate(ways) if not way.trees}
    with_profiles = dict(zip(PLAIN_WINDOWS, PROFILE_WINDOWS[1:], strict=True)) | {ALL_TIME: SUM}
    other = named.get(with_profiles.get(ways[best].ordered_by, ""), best)
    apart = gains[:, other] - gains[:, best]
    sure = len(gains) < FEWEST or apart.mean() > SURE_OF_PROFILE * apart.std() / len(apart) ** 0.5
    return other if sure else best


def _best(
    gains: Doubles, users: NDArray[np.int64], usual: int, others: Sequence[int], sure: float
) -> int:
    """The way with the best mean, if it is above the usual one by so many standard errors."""
    if len(gains) < FEWEST:
        return usual
    _, code = np.unique(users, return_inverse=True)
    best, most = usual, 0.0
    for place in others:
        apart = gains[:, place] - gains[:, usual]
        mean = float(apart.mean())
        of_users = np.bincount(code, weights=apart - mean)
        error = float(np.sqrt((of_users**2).sum())) / len(apart)
        if mean > max(most, sure * error):
            best, most = place, mean
    return best


def _new_items(trial: Trial, folds: TimeFolds, used: NDArray[np.int64]) -> list[dict[str, Any]]:
    """The largest lift that gives new items no more places than their share of the choices, and
    costs little, each request by the way that is used; nothing where too few items arrived.
    """
    asked = np.flatnonzero((trial.lengths > 0) & np.isin(used, trial.mixed))
    if folds.new.sum() < FEWEST_NEW or len(asked) < FEWEST:
        return []
    means = trial.lifted[asked, used[asked]].mean(axis=0)
    places = trial.places[asked, used[asked]].mean(axis=0)
    share = folds.new_asked / max(folds.late_asked, 1)
    best = int(means.argmax())
    allowed = (means >= (1 - LOSS) * means[best]) & (places <= max(share, places[best]))
    place = int(np.flatnonzero(allowed).max(initial=0))
    return [_lift(NEW, place, means, len(asked), float(places[place]))]


def calibrated(
    chosen: pl.DataFrame, values: Floats, new: Mask, asked: NDArray[np.int64]
) -> pl.DataFrame:
    """The lift under which new items hold the share of the first places that was chosen, or half a
    place in ten where that is more, and never a larger lift than was chosen.

    `values` (n, k) are those of the trees that serve, -inf for nothing, for requests of `asked`
    events. These trees have seen more arrivals than those that were tried, so the same lift would
    give other places. Without new items to see that by, no lift is kept.
    """
    way = way_of(chosen, NEW)
    somebody = asked > 0
    values, new = values[somebody], new[somebody]
    lifts = chosen["who"] == NEW
    if way is None or np.count_nonzero(new.any(axis=1)) < FEWEST:
        return chosen.filter(~lifts)
    kept, best = np.isfinite(values), 0.0
    share = max(EXPLORED, chosen.filter(lifts)["share"].item())
    for lift in np.arange(STEP, way.weight + STEP / 2, STEP).tolist():
        if new_places(lifted(values, new, kept, lift), new, kept).mean() > share:
            break
        best = lift
    return chosen.with_columns(weight=pl.when(lifts).then(best).otherwise(pl.col("weight")))


def _long_tail(trial: Trial) -> list[dict[str, Any]]:
    """How far items of the long tail are lifted: until an expert that finds more of them than the
    trees do, surely, does so no more, as far as that costs little; nothing where none does.
    """
    asked = (trial.lengths > 0) & trial.of_tail
    best = int(trial.experts[asked].mean(axis=0).argmax()) if asked.any() else 0
    ways = np.column_stack([trial.tail[:, 0], trial.experts[:, best]])
    if not asked.any() or not _best(ways[asked], trial.users[asked], 0, [1], SURE_OF_TAIL):
        return []
    everybody = trial.lengths > 0
    means = trial.tail[everybody].mean(axis=0)
    cheap = means >= (1 - LOSS) * means[0]
    enough = trial.tail[asked].mean(axis=0) >= ways[asked, 1].mean()
    wanted = int(enough.argmax()) if enough.any() else len(LIFTS) - 1
    place = int(np.flatnonzero(cheap[: wanted + 1]).max(initial=0))
    return [_lift(TAIL, place, means, int(everybody.sum()))] if place else []


def _lift(
    who: str, place: int, means: Doubles, requests: int, share: float = 0.0
) -> dict[str, Any]:
    return {
        "who": who,
        "ordered_by": TREES,
        "trees": 1.0,
        "weight": float(LIFTS[place]),
        "share": share,
        "ndcg": float(means[place]),
        "ndcg_otherwise": float(means[0]),
        "requests": requests,
    }


def nothing_chosen() -> pl.DataFrame:
    """The table of a default that had nothing to choose on."""
    return pl.DataFrame(schema=_COLUMNS)


def way_of(chosen: pl.DataFrame, who: str) -> Way | None:
    """What was chosen for such requests; None where nothing was."""
    found = chosen.filter(pl.col("who") == who)
    if not len(found):
        return None
    row = found.row(0, named=True)
    return Way(row["trees"], row["ordered_by"], row["weight"])


def in_words(chosen: pl.DataFrame, *, profiles: bool = False) -> list[str]:
    """One sentence a row: for whom, what orders, and what it was worth on the newest stretch."""
    return [_sentence(row, profiles) for row in chosen.iter_rows(named=True)]


def _sentence(row: Mapping[str, Any], profiles: bool) -> str:
    worth = f"NDCG@10 {row['ndcg']:.4f} in {row['requests']:,} trial requests"
    worth = worth if row["requests"] else "without a trial: nobody was there to ask"
    if row["who"] in LIFTED:
        how, otherwise = f"lifted by {row['weight']:g} deviations", "not lifted"
    elif row["trees"]:
        how, otherwise = "trees", "trees alone"
        if row["weight"]:
            how += f" and {row['weight']:g} times {_plain(row['ordered_by'])}"
    else:
        usual = "popularity of all time" if row["who"] == STRANGERS else "the plain sum"
        how = usual if row["ordered_by"] in (SUM, ALL_TIME) else _plain(row["ordered_by"])
        otherwise = usual if row["who"] == STRANGERS else "trees alone"
        if profiles and row["who"] == STRANGERS and row["ordered_by"] == SUM:
            how += ", raised by what a profile says"
    if row["requests"] and row["ndcg"] != row["ndcg_otherwise"]:
        worth += f", {otherwise} {row['ndcg_otherwise']:.4f}"
    return f"{row['who']}: {how} ({worth})"


def _plain(feature: str) -> str:
    return "the plain sum" if feature == SUM else meaning(feature.removesuffix(" (z)"), ())


def check_chosen(chosen: pl.DataFrame, names: Sequence[str]) -> None:
    """Raises `ValueError` for a table that `chosen_ways` does not make."""
    agree(chosen.schema == _COLUMNS, "choices_ is no table of choices")
    if not len(chosen):
        return
    who = chosen["who"].to_list()
    lifts = [name for name in who if name in LIFTED]
    agree(
        who == [*WHO, *lifts] and lifts in ([], [NEW], [TAIL], [NEW, TAIL]),
        f"choices_ is for {', '.join(map(str, who))[:80]}",
    )
    numbers = chosen.select("trees", "weight", "share", "ndcg", "ndcg_otherwise").to_numpy()
    check_finite(numbers, "choices_")
    for row in chosen.iter_rows(named=True):
        way = Way(row["trees"], row["ordered_by"], row["weight"])
        known = way.ordered_by in names or way.ordered_by == TREES
        agree(known and way.trees in (0.0, 1.0), f"choices_ orders by {way.ordered_by[:40]!r}")
        agree(row["who"] in LIFTED or way in ways_of(names), "choices_ holds no way that is tried")
        agree(0 <= way.weight <= LIFTS.max(), f"choices_ weighs {way.weight}")
