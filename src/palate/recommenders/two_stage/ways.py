"""Orders of candidates: by trees, by what a feature says, or both; and what an order is worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from palate.core.arrays import Floats, Mask
from palate.recommenders.two_stage.candidates import Candidates
from palate.recommenders.two_stage.profiles import profile_window
from palate.recommenders.two_stage.recency import WINDOWS, window_feature

Doubles = NDArray[np.float64]

TREES: Final = "trees"
SUM: Final = "mix"
ALL_TIME: Final = "popularity"
PLACES = 10
HEAD = 0.8  # of the events that the most popular items hold; all other items are the long tail
EXPERTS = (SUM, "ease (z)", "similar users (z)", "directed (z)")
PLAIN_WINDOWS = tuple(map(window_feature, WINDOWS))
PROFILE_WINDOWS = tuple(map(profile_window, (None, *WINDOWS)))
WEIGHTS = (0.25, 0.5)
FEWEST = 20  # requests of a kind that a choice is made for
LOSS = 0.01  # share of NDCG@10 that places for new items may cost, of those they earned
EXPLORED = 0.05  # of the first ten places, half a place, that new items may hold beyond these
LOSS_OF_EXPLORING = 0.02  # share of NDCG@10 that such places may cost
LIFTS = np.array([0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 2.5, 3.0])


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


def lift_of_new(means: Doubles, places: Doubles, earned: float) -> tuple[float, float, float]:
    """(lift, NDCG@10, share of the first places) of the largest of three lifts of new items: the
    largest that gives them no more than the `earned` share of the places and costs no more than
    `LOSS`; that of up to `EXPLORED` of the places for up to `LOSS_OF_EXPLORING`; and that of
    their `earned` share, up to `EXPLORED`, whatever it costs.

    `means` and `places` are what each of `LIFTS` is worth and gives.
    """
    best = int(means.argmax())
    cheap = means >= (1 - LOSS) * means[best]
    allowed = cheap & (places <= max(earned, places[best]))
    place = float(np.flatnonzero(allowed).max(initial=0))
    steps = np.arange(len(LIFTS))
    owed = float(np.interp(min(earned, EXPLORED), places, steps)) if earned else 0.0
    place = max(place, _last_explored(means, places, best), owed)
    lift, mean, share = (float(np.interp(place, steps, of)) for of in (LIFTS, means, places))
    return lift, mean, share


def _last_explored(means: Doubles, places: Doubles, best: int) -> float:
    """Up to which of `LIFTS`, or between which two, new items may be lifted to be tried out.

    Between two lifts cost and places go in a straight line, so the lists can be given just what
    may be spent.
    """
    least = (1 - LOSS_OF_EXPLORING) * means[best]
    place = int(np.flatnonzero((means >= least) & (places <= EXPLORED)).max(initial=0))
    if place + 1 == len(LIFTS) or means[place] < least or places[place] > EXPLORED:
        return float(place)
    cost, more = means[place] - means[place + 1], places[place + 1] - places[place]
    spent = (means[place] - least) / cost if means[place + 1] < least else 1.0
    given = (EXPLORED - places[place]) / more if places[place + 1] > EXPLORED else 1.0
    return place + float(min(spent, given))


def said_of(found: Candidates, rows: slice | Mask = slice(None)) -> dict[str, Floats]:
    """What every expert says of the candidates of some requests."""
    known = {name: place for place, name in enumerate(found.names)}
    tried = {*EXPERTS, ALL_TIME, *PLAIN_WINDOWS, *PROFILE_WINDOWS} & known.keys()
    return {name: found.features[rows, :, known[name]] for name in sorted(tried)}


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


def likely_best(
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
