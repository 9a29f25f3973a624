"""How much each of several recommenders counts, learnt from held-out choices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import logsumexp

from palate.core.arrays import Floats, Mask, Rows
from palate.core.histories import Histories
from palate.core.parallel import one_blas_thread
from palate.core.topk import tie_order, top_rows
from palate.core.types import Recommender
from palate.recommenders._hold_out import HeldOut, ndcg_of

PROPOSED = 50  # items of each part that the answer has to stand out from
DRAWN = 50  # other items beside them
TERMS = 3  # of each part in a stack: its score, and how that changes
_TEN_EVENTS = np.log(11.0)
_STEPS = 200
_DECIMALS = 4  # of weights: what is smaller is rounding, which the order of rows may change

Speak = Callable[[Recommender, Histories], Floats]


@dataclass(frozen=True)
class Candidates:
    """What the parts say of the answer of each request, in column 0, and of items beside it.

    `said` (n, items, parts) are their scores, `rows` (n, items) which items, -1 for none. Answers
    that no part proposed are left out: shown, they would teach that low scores mean success.
    """

    said: Floats
    rows: Rows
    lengths: NDArray[np.int64]
    profiles: Mask
    people: NDArray[np.int64]

    @classmethod
    def of(cls, parts: Sequence[Recommender], held: HeldOut, speak: Speak) -> Candidates:
        """The answer, the best of each part that are new to whoever asks, and items at random."""
        tie = tie_order(held.known.item_ids)
        width = 1 + PROPOSED * len(parts) + DRAWN
        rows = np.full((len(held), width), -1, dtype=np.int32)
        said = np.zeros((len(held), width, len(parts)), dtype=np.float32)
        proposed = np.zeros(len(held), dtype=np.bool_)
        for chunk in held.chunks():
            asking = held.asking.take(chunk)
            scores = [speak(part, asking) for part in parts]
            own = rows[chunk]
            own[:, 0] = held.answers[chunk]
            proposed[chunk] = _propose(own, scores, asking, tie, chunk.start)
            for place, part in enumerate(scores):
                said[chunk, :, place] = np.take_along_axis(part, np.maximum(own, 0), axis=1)
        lengths, profiles = held.asking.lengths[proposed], held.asking.has_profile[proposed]
        return cls(said[proposed], rows[proposed], lengths, profiles, held.people[proposed])

    def terms(self, count: int) -> Floats:
        """(n, items, count * parts) what weights are learnt for."""
        found = terms_of(self.said, self.lengths[:, None, None], self.profiles[:, None, None])
        return np.concatenate(found[:count], axis=2)


def terms_of(said: Floats, lengths: NDArray[np.int64], profiles: Mask) -> list[Floats]:
    """The three terms of a part's scores: as they are, by the length of the history, and as they
    are where there is a profile.

    The length is log(1 + events), from -1 for none through 0 for ten. Source: Sill et al., Feature
    weighted linear stacking, 2009.
    """
    known = (np.log1p(lengths) / _TEN_EVENTS - 1.0).astype(np.float32)
    return [said, said * known, said * profiles.astype(np.float32)]


def added_by(said: Floats, weights: NDArray[np.float64], asking: Histories) -> Floats:
    """(n, n_items) what a part adds to the score by its weights, one for each term."""
    factors = np.full((len(said), 1), weights[0], dtype=np.float32)
    if len(weights) > 1:
        ones = np.ones((len(said), 1), dtype=np.float32)
        terms = terms_of(ones, asking.lengths[:, None], asking.has_profile[:, None])
        factors = np.hstack(terms) @ weights.astype(np.float32)[:, None]
    return np.asarray(factors * said, dtype=np.float32)


def _propose(
    rows: Rows, scores: Sequence[Floats], asking: Histories, tie: NDArray[np.int64], first: int
) -> Mask:
    """Fills each row, from its second column on, with what is new to whoever asks; each once.

    Gives back in which rows a part proposed the item of the first column.
    """
    seen = asking.seen()
    places = (np.repeat(np.arange(len(rows)), np.diff(seen.indptr)), seen.indices)
    for place, part in enumerate(scores):
        masked = np.array(part)
        masked[places] = -np.inf
        column = 1 + PROPOSED * place
        rows[:, column : column + PROPOSED] = top_rows(masked, PROPOSED, tie)[0]
    met = np.zeros(scores[0].shape, dtype=np.bool_)
    met[places] = True
    # the next ones of the catalogue, in an order that looks random, for each request
    turn = (first + np.arange(len(rows))[:, None]) * DRAWN + np.arange(DRAWN)
    drawn = np.argsort(tie, kind="stable").astype(np.int32)[turn % len(tie)]
    drawn[np.take_along_axis(met, drawn, axis=1)] = -1
    rows[:, -DRAWN:] = drawn
    proposed = (rows[:, 1:-DRAWN] == rows[:, :1]).any(axis=1)
    _once_each(rows)
    return np.asarray(proposed, dtype=np.bool_)


def _once_each(rows: Rows) -> None:
    """Puts -1 in the place of what stands in a row already, to the left of it."""
    order = np.argsort(rows, axis=1, kind="stable")
    sorted_rows = np.take_along_axis(rows, order, axis=1)
    again = np.zeros(rows.shape, dtype=np.bool_)
    again[:, 1:] = sorted_rows[:, 1:] == sorted_rows[:, :-1]
    repeated = np.zeros(rows.shape, dtype=np.bool_)
    np.put_along_axis(repeated, order, again, axis=1)
    rows[repeated] = -1


def learnt_weights(
    candidates: Candidates, rows: NDArray[np.int64], *, count: int, l2: float
) -> NDArray[np.float64]:
    """(count, parts) weights by which the answers of some requests stand out the most.

    The log-loss of a softmax over the candidates with `l2` times the weights' squares; where a part
    has one weight it is 0 or more. Equal weights where no part says anything that helps.
    """
    terms = candidates.terms(count)[rows]
    there = candidates.rows[rows] >= 0
    n, width, size = terms.shape
    flat = terms.reshape(n * width, size)

    def loss(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        scores = (flat @ weights.astype(np.float32)).astype(np.float64).reshape(n, width)
        scores = np.where(there, scores, -np.inf)
        total = logsumexp(scores, axis=1, keepdims=True)
        shares = np.exp(scores - total)
        shares[:, 0] -= 1.0
        slope = shares.astype(np.float32).reshape(-1) @ flat
        value = float((total[:, 0] - scores[:, 0]).sum() + l2 * (weights**2).sum())
        return value, slope.astype(np.float64) + 2.0 * l2 * weights

    parts = size // count
    start = np.zeros(size)
    start[:parts] = 0.1
    bounds = [(0.0, None) if count == 1 else (None, None)] * size
    with one_blas_thread:
        found = minimize(
            loss, start, jac=True, bounds=bounds, method="L-BFGS-B", options={"maxiter": _STEPS}
        )
    weights = np.asarray(np.round(found.x, _DECIMALS), dtype=np.float64).reshape(count, parts)
    return weights if weights.any() else equal_weights(parts)


def equal_weights(parts: int) -> NDArray[np.float64]:
    """(1, parts) weights with which all count the same."""
    return np.full((1, parts), 1.0 / parts)


def learnt_apart(candidates: Candidates, *, count: int, l2: float) -> list[NDArray[np.float64]]:
    """Two sets of weights: each for the people of the other half, whose answers it has not seen."""
    half = candidates.people % 2
    return [
        learnt_weights(candidates, np.flatnonzero(half != own), count=count, l2=l2)
        for own in (0, 1)
    ]


def judged(
    parts: Sequence[Recommender],
    held: HeldOut,
    speak: Speak,
    ways: Sequence[Sequence[NDArray[np.float64]]],
) -> NDArray[np.float64]:
    """(n, ways) NDCG@10 over the whole catalogue; a way has weights for each half of the people."""
    found = np.zeros((len(held), len(ways)))
    half = held.people % 2
    for chunk in held.chunks():
        asking, answers = held.asking.take(chunk), held.answers[chunk]
        said = [speak(part, asking) for part in parts]
        for own in (0, 1):
            lines = np.flatnonzero(half[chunk] == own)
            if not len(lines):
                continue
            some = asking.take(lines)
            for place, way in enumerate(ways):
                scores = np.zeros((len(lines), said[0].shape[1]), dtype=np.float32)
                for part, weights in zip(said, way[own].T, strict=True):
                    scores += added_by(part[lines], weights, some)
                found[chunk.start + lines, place] = ndcg_of(scores, some, answers[lines])
    return found
