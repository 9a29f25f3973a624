"""Which items of a history count how much, learnt from what people chose next."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.optimize import minimize

from palate.core.arrays import Floats, Matrix, Rows, scale_rows, to_dense, unit_rows
from palate.core.histories import Histories, ragged_positions

MOST_CASES: Final = 4_000  # that are learnt from, and half as many to judge by
MOST_TARGETS: Final = 1_000  # items among which the next one is found
NEWEST: Final = 30  # items of a history that are looked at while learning
_HELD_OUT = 5  # every so many-th person is kept to judge by
_STEPS = 60
_SHRINKAGE = 1e-3  # of the squares of the weights
_SHARPNESS = float(np.log(3.0))  # of the softmax over the items that may come next, to begin with
_LIMIT = 20.0  # beyond which weights are as good as 0

_NO_GAIN = (
    'how = "attention" found no weights that surely help for the block {name!r}: its items count '
    'as they do with how = "decayed"'
)

Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class _Cases:
    """Requests whose next item is known: (n, items) weights so far, the next items' rows."""

    weights: sparse.csr_array
    answers: Rows
    users: NDArray[np.int64]

    def take(self, rows: NDArray[np.int64]) -> _Cases:
        return _Cases(self.weights[rows], self.answers[rows], self.users[rows])


def attention_of(histories: Histories, part: Matrix, name: str, decay: float) -> Doubles:
    """(items,) logarithms of what an item counts in every history, beside its age.

    An item's is the product of its features with a vector that is learnt so that of all items the
    one that was chosen next is the nearest to the pooled history, in cosine, corrected for how
    often items are chosen: from zeros, with which all count alike. One of five people is kept to
    judge by; zeros are kept, with a warning, where the next items do not stand surely higher for
    these (two standard errors). After Yang et al. 2016, Hierarchical Attention Networks; loss: Yi
    et al. 2019, Sampling-Bias-Corrected Neural Modeling.
    """
    rows = unit_rows(part)
    cases = _cases_of(histories, rows, decay)
    held = cases.users % _HELD_OUT == 0
    rng = np.random.default_rng(0)
    taught = cases.take(_some(np.flatnonzero(~held), MOST_CASES, rng))
    judged = cases.take(_some(np.flatnonzero(held), MOST_CASES // 2, rng))
    nothing = np.zeros(rows.shape[0])
    if len(taught.answers) < 2 or len(judged.answers) < 2:
        warnings.warn(_NO_GAIN.format(name=name), RuntimeWarning, stacklevel=4)
        return nothing
    learner = _Learner(taught, rows)
    found = minimize(
        learner.loss,
        np.append(np.zeros(rows.shape[1]), _SHARPNESS),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": _STEPS},
    )
    scores = np.clip(_products(rows, found.x[:-1]), -_LIMIT, _LIMIT)
    gained = _places(judged, rows, scores) - _places(judged, rows, nothing)
    if gained.mean() <= 2 * gained.std() / len(gained) ** 0.5:
        warnings.warn(_NO_GAIN.format(name=name), RuntimeWarning, stacklevel=4)
        return nothing
    return scores


def attending(weights: sparse.csr_array, scores: Doubles) -> sparse.csr_array:
    """The same weights, each times e to the score of its item; rows keep their largest factor 1."""
    found = sparse.csr_array(weights, dtype=np.float32, copy=True)
    counts = np.diff(found.indptr)
    row = np.repeat(np.arange(found.shape[0]), counts)
    own = scores[found.indices]
    highest = np.full(found.shape[0], -np.inf)
    np.maximum.at(highest, row, own)
    found.data *= np.exp(own - highest[row]).astype(np.float32)
    return found


def _cases_of(histories: Histories, rows: Matrix, decay: float) -> _Cases:
    """Every event but the first of each history, of items that have features."""
    known = np.asarray(abs(rows).sum(axis=1)).ravel() > 0
    row, position = ragged_positions(
        histories.starts + 1, np.maximum(histories.stops, histories.starts + 1)
    )
    # a look at each prefix of long histories would take memory by the square of their length
    few = _some(
        np.flatnonzero(known[histories.items[position]]), 6 * MOST_CASES, np.random.default_rng(3)
    )
    row, position = row[few], position[few]
    answers = histories.items[position]
    before = Histories(
        item_ids=histories.item_ids,
        user_ids=histories.user_ids.gather(row),
        starts=histories.starts[row],
        stops=position,
        items=histories.items,
        weights=histories.weights,
        add_repeats=histories.add_repeats,
    )
    # what is chosen again is found by itself
    again = np.asarray(before.chosen()[np.arange(len(row)), answers]).ravel() > 0
    usable = _some(np.flatnonzero(~again), 3 * MOST_CASES, np.random.default_rng(1))
    weights = before.take(usable).matrix(decay=decay, length=NEWEST)
    people = np.random.default_rng(2).permutation(len(histories))
    return _Cases(_of_known(weights, known), answers[usable], people[row[usable]])


def _of_known(weights: sparse.csr_array, known: NDArray[np.bool_]) -> sparse.csr_array:
    found = sparse.csr_array(weights, copy=True)
    found.data[~known[found.indices]] = 0
    found.eliminate_zeros()
    return found


def _some(rows: NDArray[np.int64], most: int, rng: np.random.Generator) -> NDArray[np.int64]:
    return rows if len(rows) <= most else np.sort(rng.choice(rows, most, replace=False))


def _products(rows: Matrix, vector: Doubles) -> Doubles:
    return np.asarray(rows @ vector, dtype=np.float64).ravel()


def _averaging(weights: sparse.csr_array) -> sparse.csr_array:
    sums = np.asarray(weights.sum(axis=1)).ravel()
    return sparse.csr_array(scale_rows(weights, (1 / np.maximum(sums, 1e-9)).astype(np.float32)))


class _Learner:
    """The loss of one vector over cases, and its gradient."""

    def __init__(self, cases: _Cases, rows: Matrix) -> None:
        targets, self.wanted = np.unique(cases.answers, return_inverse=True)
        often = np.bincount(self.wanted) / len(self.wanted)
        if len(targets) > MOST_TARGETS:
            kept = np.sort(np.argsort(-often, kind="stable")[:MOST_TARGETS])
            fits = np.isin(self.wanted, kept)
            cases = cases.take(np.flatnonzero(fits))
            self.wanted = np.searchsorted(kept, self.wanted[fits])
            targets, often = targets[kept], often[kept]
        self.cases, self.rows = cases, rows
        self.targets: Matrix = rows[targets]
        self.commonness = np.log(often)

    def loss(self, learnt: Doubles) -> tuple[float, Doubles]:
        """The mean cross entropy, and its gradient, of a vector and the log of a sharpness."""
        vector, sharpness = learnt[:-1], float(np.exp(learnt[-1]))
        scores = np.clip(_products(self.rows, vector), -_LIMIT, _LIMIT)
        shares = _averaging(attending(self.cases.weights, scores))
        pooled = np.asarray(to_dense(shares @ self.rows), dtype=np.float64)
        lengths = np.maximum(np.linalg.norm(pooled, axis=1, keepdims=True), 1e-9)
        units = pooled / lengths
        cosines = np.asarray(self.targets @ units.T).T
        logits = sharpness * cosines - self.commonness
        logits -= logits.max(axis=1, keepdims=True)
        odds = np.exp(logits)
        odds /= odds.sum(axis=1, keepdims=True)
        lines = np.arange(len(units))
        value = float(-np.log(np.maximum(odds[lines, self.wanted], 1e-30)).mean())
        odds[lines, self.wanted] -= 1
        odds *= sharpness / len(units)
        slope = np.asarray(self.targets.T @ odds.T).T
        slope = (slope - units * (slope * units).sum(axis=1, keepdims=True)) / lengths
        gradient = self._to_vector(shares, pooled, slope) + 2 * _SHRINKAGE * vector
        sharper = float((odds * cosines).sum())
        return value + _SHRINKAGE * float(vector @ vector), np.append(gradient, sharper)

    def _to_vector(self, shares: sparse.csr_array, pooled: Doubles, slope: Doubles) -> Doubles:
        """Through the softmax over a history: each item's share times how it turns the mean."""
        counts = np.diff(shares.indptr)
        row = np.repeat(np.arange(shares.shape[0]), counts)
        own = np.asarray((slope * pooled).sum(axis=1))
        towards = np.empty(len(row))
        step = max(1, 8_000_000 // max(self.rows.shape[1], 1))
        for start in range(0, len(row), step):
            part = slice(start, start + step)
            of_items: Any = self.rows[shares.indices[part]]
            products = of_items * slope[row[part]]
            towards[part] = np.asarray(products.sum(axis=1)).ravel()
        moved = shares.data * (towards - own[row])
        by_item = np.bincount(shares.indices, moved, minlength=self.rows.shape[0])
        return np.asarray(self.rows.T @ by_item, dtype=np.float64).ravel()


def _places(cases: _Cases, rows: Matrix, scores: Doubles) -> Doubles:
    """(n,) one over the place of the item that was chosen next, among those that were."""
    targets, wanted = np.unique(cases.answers, return_inverse=True)
    pooled = unit_rows(_averaging(attending(cases.weights, scores)) @ rows)
    alike: Floats = to_dense(pooled @ rows[targets].T)
    own = alike[np.arange(len(wanted)), wanted]
    return np.asarray(1 / (alike >= own[:, None]).sum(axis=1), dtype=np.float64)
