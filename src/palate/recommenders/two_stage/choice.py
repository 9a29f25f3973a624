"""What suits these data: who is ordered by what, and how far new items are lifted.

Chosen on the newest stretch of the training part, by a ranker that learnt before it. The trees have
the last word unless something else is surely better.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final, TypeAlias

import numpy as np
import polars as pl
from numpy.typing import NDArray

from palate.core.arrays import Floats, Mask
from palate.core.histories import Histories
from palate.core.learnt import agree, check_finite
from palate.recommenders.two_stage.arrivals import (
    LENT,
    among_themselves,
    arrival_ways,
    said_of_arrivals,
)
from palate.recommenders.two_stage.candidates import Candidates
from palate.recommenders.two_stage.catalogue import Catalogue
from palate.recommenders.two_stage.importance import meaning
from palate.recommenders.two_stage.labels import (
    FOLDS,
    LabelledRows,
    LabelPlan,
    joined,
    labelled_rows,
    rows_of_turns,
    turns_by_person,
)
from palate.recommenders.two_stage.long_tail import TAIL_LIFTS, TailTrial, lift_of_tail
from palate.recommenders.two_stage.recency import WINDOWS, window_feature
from palate.recommenders.two_stage.taught import (
    OPTIONAL,
    optional_columns,
    silence,
    subsets,
)
from palate.recommenders.two_stage.time_folds import FEWEST as FEWEST_ASKED
from palate.recommenders.two_stage.time_folds import REQUESTS, TimeFolds, time_folds
from palate.recommenders.two_stage.trial import Trial, Trials
from palate.recommenders.two_stage.ways import (
    ALL_TIME,
    BY_SUM,
    BY_TREES,
    FEWEST,
    LIFTS,
    PLAIN_WINDOWS,
    PROFILE_WINDOWS,
    SUM,
    TREES,
    Doubles,
    Way,
    lift_of_new,
    lifted,
    likely_best,
    new_places,
    said_of,
    ways_of,
)

NEW: Final = "new items"
ORDER: Final = "new items among themselves"
TAIL: Final = "long tail"
LIFTED: Final = (NEW, TAIL)
STRANGERS: Final = "no history"
WHO: Final = {
    STRANGERS: (0, 0),
    "1 to 5 events": (1, 5),
    "6 to 20 events": (6, 20),
    "over 20 events": (21, 2**62),
}
TAUGHT: Final = [f"{family}, {who}" for family in OPTIONAL for who in WHO if who != STRANGERS]
_COLUMNS: Final = {
    **dict.fromkeys(("who", "ordered_by"), pl.String),
    **dict.fromkeys(("trees", "weight", "share", "ndcg", "ndcg_otherwise"), pl.Float64),
    "requests": pl.Int64,
}

SURE = 2.5  # standard errors that anything must gain over the trees,
SURE_OF_WINDOW = 2.0  # a window over popularity of all time, for strangers, and over longer ones
SURE_OF_PROFILE = 1.0  # the same window with the profile of who asks, over without it
SURE_OF_ORDER = 1.5  # what orders new items among themselves, over the trees
TAIL_AT_RISK = 0.5  # of being told of profiles or dislikes, by which the long tail may be worse
STEP = 0.05  # of deviations, of the lifts among which that of the trees that serve is found
CALIBRATED_BY = 1_000  # requests whose lists show what a lift does
FEWEST_NEW = 10  # items that arrived in the stretch, for a lift to be learnt


Train: TypeAlias = Callable[[LabelledRows, Sequence[Mask | None]], list[Any]]
"""Rankers made of such rows, each deaf to some of their columns; [] where they are too few."""


def learn(
    histories: Histories,
    catalogue_of: Callable[[Histories], Catalogue],
    plan: LabelPlan,
    train: Train,
) -> tuple[LabelledRows, pl.DataFrame, Histories]:
    """All labelled rows, what was chosen by rankers that `train` made without the newest events,
    and the requests that it was chosen by.

    Where the events have no times, or are too few, no more is chosen than how far the long tail is
    lifted.
    """
    folds = time_folds(histories, plan)
    if folds is None:
        rows, chosen = _learnt_without_times(histories, catalogue_of, plan, train)
        return rows, chosen, histories.take(slice(0, 0))
    asking = folds.late.asking
    if folds.late.silent is not None:
        asking = asking.take(~folds.late.silent)
    rest = replace(plan, n_train_queries=int(plan.n_train_queries * (1 - 2 * REQUESTS)))
    by_person = labelled_rows(folds.late.known, catalogue_of, rest)
    before = Trial(folds.early, folds.new, by_person.names)
    by_time = rows_of_turns([folds.early], catalogue_of, plan, before)
    earlier = joined([by_person, by_time])
    trials = _trials(earlier, folds, train)
    if not trials:
        late = rows_of_turns([folds.late], catalogue_of, plan)
        return joined([earlier, late]), nothing_chosen(), asking
    late = rows_of_turns([folds.late], catalogue_of, plan, Trials(trials.values()))
    rows, chosen = joined([earlier, late]), chosen_ways(trials, before, folds)
    for part in rows.parts:
        silence(part, rows.names, unheard(chosen))
    return rows, chosen, asking


def _learnt_without_times(
    histories: Histories,
    catalogue_of: Callable[[Histories], Catalogue],
    plan: LabelPlan,
    train: Train,
) -> tuple[LabelledRows, pl.DataFrame]:
    """All labelled rows, and how far the long tail is lifted: tried on the last people who were
    held out, if they are many enough, by a ranker that learnt from the others.
    """
    turns = turns_by_person(histories, plan)
    held_out = FOLDS - 1  # of the turns, the one of the people who are asked
    if len(turns[held_out].asking) < FEWEST_ASKED:
        return rows_of_turns(turns, catalogue_of, plan), nothing_chosen()
    others = [turns[:held_out], turns[held_out + 1 :]]
    before, after = ([rows_of_turns(some, catalogue_of, plan)] if some else [] for some in others)
    boosters = train(joined(before + after), [None])
    predict = partial(boosters[0].predict, num_threads=1) if boosters else None
    trial = TailTrial(turns[held_out], predict)
    asked = rows_of_turns([turns[held_out]], catalogue_of, plan, trial)
    rows = joined([*before, asked, *after])  # as the turns go
    return rows, pl.DataFrame(_long_tail(trial) if boosters else [], schema=_COLUMNS)


def _trials(rows: LabelledRows, folds: TimeFolds, train: Train) -> dict[tuple[str, ...], Trial]:
    """A trial for each choice of what the trees may do without; {} for too few rows."""
    columns = optional_columns(rows.names)
    left_out = subsets(list(columns))
    deaf_to = [
        np.any([columns[family] for family in without], axis=0) if without else None
        for without in left_out
    ]
    return {
        without: Trial(folds.late, folds.new, rows.names, partial(booster.predict, num_threads=1))
        for without, booster in zip(left_out, train(rows, deaf_to), strict=False)
    }


def by_choice(
    chosen: pl.DataFrame, trees: Floats, found: Candidates, lengths: NDArray[np.int64]
) -> Floats:
    """(n, k) the candidates' values, each request's by what was chosen for such as it."""
    values, kept = trees.copy(), found.items >= 0
    for who, (low, high) in WHO.items():
        way, rows = way_of(chosen, who), (lengths >= low) & (lengths <= high)
        if way is not None and rows.any():
            values[rows] = way.values(trees[rows], said_of(found, rows), kept[rows])
    return values


def chosen_ways(
    trials: Mapping[tuple[str, ...], Trial], before: Trial, folds: TimeFolds
) -> pl.DataFrame:
    """For each kind of request what orders it, whether what the trees may do without helps, and how
    far new items and the long tail are lifted.

    Of strangers, who are few, those of both stretches are asked.
    """
    trial, taught = _taught(trials)
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
            best = likely_best(gains, trial.users[asked], usual, others, SURE)
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
    rows += [*taught, *_order_of_new(trial), *_new_items(trial, folds, used), *_long_tail(trial)]
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


def _taught(
    trials: Mapping[tuple[str, ...], Trial],
) -> tuple[Trial, list[dict[str, Any]]]:
    """For each length of history what the trees had better not be told, and a trial by such trees.

    Where few ask, they are told what is right for all.
    """
    choices = list(trials)
    families, nothing = choices[-1], len(choices) - 1
    trial = trials[families]
    usual = trial.ways.index(BY_TREES)
    gains = np.column_stack([trials[some].gains[:, usual] for some in choices])
    everybody = trial.lengths > 0
    overall = _joining(gains[everybody], trial, everybody, nothing)
    rows = []
    for who, (low, high) in WHO.items():
        if who == STRANGERS or not families:
            continue
        asked = (trial.lengths >= low) & (trial.lengths <= high)
        few = np.count_nonzero(asked) < FEWEST
        best = overall if few else _joining(gains[asked], trial, asked, nothing)
        trial.taken_from(trials[choices[best]], (trial.known >= low) & (trial.known <= high))
        means = gains[asked].sum(axis=0) / max(np.count_nonzero(asked), 1)
        for family in families:
            told = family not in choices[best]
            toggled = set(choices[best]) ^ {family}
            other = next(n for n, some in enumerate(choices) if set(some) == toggled)
            rows.append(
                {
                    "who": f"{family}, {who}",
                    "ordered_by": TREES,
                    "trees": float(told),
                    "weight": 0.0,
                    "share": 0.0,
                    "ndcg": float(means[best]),
                    "ndcg_otherwise": float(means[other]),
                    "requests": int(np.count_nonzero(asked)),
                }
            )
    return trial, rows


def _joining(gains: Doubles, trial: Trial, asked: Mask, nothing: int) -> int:
    """Which choice is best, if it likely gains over being told `nothing` and hardly loses of the
    long tail.
    """
    users, tail = trial.users[asked], trial.of_tail[asked]
    safe = [
        place
        for place in range(nothing)
        if likely_best(gains[tail], users[tail], place, [nothing], TAIL_AT_RISK) == place
    ]
    return likely_best(gains, users, nothing, safe, SURE_OF_PROFILE)


def unheard(chosen: pl.DataFrame) -> dict[str, list[tuple[int, int]]]:
    """Of each family that the trees may do without, the lengths of histories where they do.

    Rows of strangers, which teach the trees but are ordered by something else, go with the others.
    """
    found: dict[str, list[tuple[int, int]]] = {}
    for family in OPTIONAL:
        for who, lengths in WHO.items():
            way = way_of(chosen, f"{family}, {who}")
            if way is not None and not way.trees:
                found.setdefault(family, []).append(lengths)
        if len(found.get(family, ())) == len(WHO) - 1:
            found[family].append(WHO[STRANGERS])
    return found


def _order_of_new(trial: Trial) -> list[dict[str, Any]]:
    """What orders new items among themselves: the trees, or what orders them likely better, each
    of the arrived items speaking once; nothing where too few arrived.
    """
    asked = trial.of_new
    answers = trial.answers[asked]
    if len(np.unique(answers)) < FEWEST_NEW:
        return []
    gains, ways = trial.arrivals[asked], trial.arrival_ways
    best = likely_best(gains, answers.astype(np.int64), 0, range(1, len(ways)), SURE_OF_ORDER)
    way, means = ways[best], gains.mean(axis=0)
    return [
        {
            "who": ORDER,
            "ordered_by": way.ordered_by,
            "trees": way.trees,
            "weight": way.weight,
            "share": 0.0,
            "ndcg": float(means[best]),
            "ndcg_otherwise": float(means[0]),
            "requests": len(answers),
        }
    ]


def new_in_order(
    chosen: pl.DataFrame, values: Floats, found: Candidates, new: Mask, lent: Floats
) -> Floats:
    """(n, k) the values, those of `new` items given out among these by what was chosen for them."""
    way = way_of(chosen, ORDER)
    if way is None or way == BY_TREES:
        return values
    order = way.values(values, said_of_arrivals(found, lent), new)
    return among_themselves(values, order, new)


def _new_items(trial: Trial, folds: TimeFolds, used: NDArray[np.int64]) -> list[dict[str, Any]]:
    """The largest lift that costs little and gives new items no more places than their share of
    the choices, or half a place in ten, each request by the way that is used; nothing where too
    few items arrived.
    """
    asked = np.flatnonzero((trial.lengths > 0) & np.isin(used, trial.mixed))
    if folds.new.sum() < FEWEST_NEW or len(asked) < FEWEST:
        return []
    means = trial.lifted[asked, used[asked]].mean(axis=0)
    places = trial.places[asked, used[asked]].mean(axis=0)
    lift, mean, share = lift_of_new(means, places, folds.new_asked / max(folds.late_asked, 1))
    return [_lift(NEW, lift, mean, float(means[0]), len(asked), share)]


def calibrated(
    chosen: pl.DataFrame, values: Floats, new: Mask, asked: NDArray[np.int64]
) -> pl.DataFrame:
    """The lift under which new items hold the share of the first places that was chosen, of which
    it is known what it costs, and never a larger lift than was chosen.

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
    share = chosen.filter(lifts)["share"].item()
    for lift in np.arange(STEP, way.weight + STEP / 2, STEP).tolist():
        if new_places(lifted(values, new, kept, lift), new, kept).mean() > share:
            break
        best = lift
    return chosen.with_columns(weight=pl.when(lifts).then(best).otherwise(pl.col("weight")))


def _long_tail(trial: TailTrial) -> list[dict[str, Any]]:
    """How far items of the long tail are lifted; nothing where they are not."""
    place, asked = lift_of_tail(trial), trial.lengths > 0
    means = trial.tail[asked].mean(axis=0)
    if not place:
        return []
    worth = float(means[place]), float(means[0])
    return [_lift(TAIL, float(TAIL_LIFTS[place]), *worth, int(asked.sum()))]


def _lift(
    who: str, lift: float, ndcg: float, otherwise: float, requests: int, share: float = 0.0
) -> dict[str, Any]:
    return {
        "who": who,
        "ordered_by": TREES,
        "trees": 1.0,
        "weight": lift,
        "share": share,
        "ndcg": ndcg,
        "ndcg_otherwise": otherwise,
        "requests": requests,
    }


def of_requests(chosen: pl.DataFrame) -> bool:
    """Whether it was chosen what orders each kind of request: where events have times."""
    return way_of(chosen, STRANGERS) is not None


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
    elif row["who"] in TAUGHT:
        heard = ("left out", "counted")
        how, otherwise = (heard[bool(row["trees"])], heard[not row["trees"]])
    elif row["trees"]:
        how, otherwise = "trees", "trees alone"
        if row["weight"]:
            how += f" and {row['weight']:g} times {_plain(row['ordered_by'], row['who'])}"
    else:
        usual = "popularity of all time" if row["who"] == STRANGERS else "the plain sum"
        how = (
            usual if row["ordered_by"] in (SUM, ALL_TIME) else _plain(row["ordered_by"], row["who"])
        )
        otherwise = usual if row["who"] == STRANGERS else "trees alone"
        if profiles and row["who"] == STRANGERS and row["ordered_by"] == SUM:
            how += ", raised by what a profile says"
    if row["requests"] and row["ndcg"] != row["ndcg_otherwise"]:
        worth += f", {otherwise} {row['ndcg_otherwise']:.4f}"
    return f"{row['who']}: {how} ({worth})"


def _plain(feature: str, who: str) -> str:
    block = [feature.partition(":")[0]] if who == ORDER else []  # where blocks order, not signals
    return "the plain sum" if feature == SUM else meaning(feature.removesuffix(" (z)"), block)


def check_chosen(chosen: pl.DataFrame, names: Sequence[str]) -> None:
    """Raises `ValueError` for a table that `chosen_ways` does not make."""
    agree(chosen.schema == _COLUMNS, "choices_ is no table of choices")
    if not len(chosen):
        return
    who = chosen["who"].to_list()
    whole = () if who == [TAIL] else WHO  # without times, that alone is chosen
    known = [name for name in (*WHO, *TAUGHT, ORDER, *LIFTED) if name in (*whole, *who)]
    agree(who == known, f"choices_ is for {', '.join(map(str, who))[:80]}")
    numbers = chosen.select("trees", "weight", "share", "ndcg", "ndcg_otherwise").to_numpy()
    check_finite(numbers, "choices_")
    for row in chosen.iter_rows(named=True):
        way = Way(row["trees"], row["ordered_by"], row["weight"])
        read = way.ordered_by in (*names, TREES, LENT)
        agree(read and way.trees in (0.0, 1.0), f"choices_ orders by {way.ordered_by[:40]!r}")
        tried = [BY_TREES, Way(0.0)] if row["who"] in TAUGHT else ways_of(names)
        tried = arrival_ways(names) if row["who"] == ORDER else tried
        agree(row["who"] in LIFTED or way in tried, "choices_ holds no way that is tried")
        agree(0 <= way.weight <= LIFTS.max(), f"choices_ weighs {way.weight}")
