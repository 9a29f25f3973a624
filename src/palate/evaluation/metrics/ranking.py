"""Ranking metrics of each request, from where its answers stand in its ranked list."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from palate.core.arrays import Mask, Rows
from palate.core.errors import (
    AlignmentError,
    ConfigError,
    DataError,
    Message,
    Setting,
    did_you_mean,
    first_offenders,
)
from palate.core.histories import ragged_positions
from palate.core.split import Answers
from palate.core.visible import quoted

Doubles: TypeAlias = NDArray[np.float64]
Integers: TypeAlias = NDArray[np.int64]

_BLOCK_CELLS: Final = 4_000_000


@dataclass(frozen=True, eq=False)
class OpenAnswers:
    """Answers laid flat: one entry an answer, by request, each item once a request.

    `request` and `item` are (A,), `gain` (A,) or None; `n` requests in all, with answers or not.
    """

    n: int
    request: Integers
    item: Rows
    gain: Doubles | None = None

    def __len__(self) -> int:
        return len(self.item)

    @cached_property
    def counts(self) -> Integers:
        """(n,) answers of each request."""
        return np.bincount(self.request, minlength=self.n)

    def keep(self, mask: Mask) -> OpenAnswers:
        """The answers where `mask` (A,) is true, of the same requests."""
        gain = None if self.gain is None else self.gain[mask]
        return OpenAnswers(self.n, self.request[mask], self.item[mask], gain)


def open_answers(answers: Answers) -> OpenAnswers:
    """Lays ragged answers flat; an item that occurs again counts once, at its largest value.

    Raises `AlignmentError` for a negative row, which no list can hold.
    """
    request, position = ragged_positions(answers.starts, answers.stops)
    item = answers.items[position]
    if (item < 0).any():
        offenders = np.unique(request[item < 0])
        raise AlignmentError(
            f"answers of requests {first_offenders(offenders.tolist(), len(offenders))} are no "
            "catalogue rows: leave out the answers that the catalogue does not hold"
        )
    gain = None if answers.values is None else answers.values[position].astype(np.float64)
    key = request * (int(item.max(initial=0)) + 1) + item
    order = np.argsort(key, kind="stable") if gain is None else np.lexsort((-gain, key))
    first = order[np.flatnonzero(np.diff(key[order], prepend=-1))]
    return OpenAnswers(
        len(answers), request[first], item[first], None if gain is None else gain[first]
    )


def answer_ranks(rows: Rows, answers: OpenAnswers) -> Rows:
    """(A,) the place of each answer in its request's list, from 1; 0 where it is not in it.

    `rows` is (n, K), best first, -1 where a list ends. Compares A x K cells, a block at a time.
    """
    if rows.ndim != 2 or len(rows) != answers.n:
        raise AlignmentError(f"ranked rows of shape {rows.shape} for {answers.n} requests")
    ranks = np.zeros(len(answers), dtype=np.int32)
    step = max(1, _BLOCK_CELLS // max(rows.shape[1], 1))
    for start in range(0, len(answers) if rows.shape[1] else 0, step):
        part = slice(start, start + step)
        hit = rows[answers.request[part]] == answers.item[part, None]
        ranks[part] = np.where(hit.any(axis=1), hit.argmax(axis=1) + 1, 0)
    return ranks


@dataclass(frozen=True, eq=False)
class _Placed:
    """Answers with their places; an answer that is not in the list stands at infinity."""

    answers: OpenAnswers
    rank: Doubles
    counts: Doubles = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "counts", self.answers.counts.astype(np.float64))

    def total(self, weights: Doubles | Mask) -> Doubles:
        """(n,) the sum of (A,) weights over the answers of each request."""
        request, doubles = self.answers.request, weights.astype(np.float64)
        totals = np.bincount(request, weights=doubles, minlength=self.answers.n)
        return totals.astype(np.float64, copy=False)

    def hits(self, k: int) -> Doubles:
        return self.total(self.rank <= k)

    def places_by(self, key: Doubles) -> tuple[Integers, Doubles]:
        """The order of answers by (request, key), and the places from 1 in that order."""
        order = np.lexsort((key, self.answers.request))
        before = np.cumsum(self.counts) - self.counts
        return order, np.arange(1, len(order) + 1) - before[self.answers.request]


def _ratio(above: Doubles, below: Doubles) -> Doubles:
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)


def _precision(placed: _Placed, k: int) -> Doubles:
    return placed.hits(k) / k


def _recall(placed: _Placed, k: int) -> Doubles:
    return _ratio(placed.hits(k), placed.counts)


def _hit_rate(placed: _Placed, k: int) -> Doubles:
    return (placed.hits(k) > 0).astype(np.float64)


def _f1(placed: _Placed, k: int) -> Doubles:
    return 2 * placed.hits(k) / (k + placed.counts)


def _map(placed: _Placed, k: int) -> Doubles:
    order, found = placed.places_by(placed.rank)
    rank = placed.rank[order]
    return _ratio(placed.total(np.where(rank <= k, found / rank, 0.0)), placed.counts)


def _mrr(placed: _Placed, k: int) -> Doubles:
    best = np.zeros(placed.answers.n)
    np.maximum.at(best, placed.answers.request, np.where(placed.rank <= k, 1 / placed.rank, 0.0))
    return best


def _discounted(place: Doubles, k: int) -> Doubles:
    return np.where(place <= k, 1 / np.log2(place + 1), 0.0)


def _gained(placed: _Placed, k: int, gain: Doubles) -> Doubles:
    order, ideal_place = placed.places_by(-gain)
    ideal = placed.total(gain[order] * _discounted(ideal_place, k))
    return _ratio(placed.total(gain * _discounted(placed.rank, k)), ideal)


def _ndcg(placed: _Placed, k: int) -> Doubles:
    return _gained(placed, k, np.ones(len(placed.rank)))


def _graded_ndcg(placed: _Placed, k: int) -> Doubles:
    gain = placed.answers.gain
    if gain is None:
        raise DataError(
            "graded_ndcg needs answers with values (a rating, a dwell time): ask for ndcg instead"
        )
    if (missing := ~np.isfinite(gain)).any():
        offenders = np.unique(placed.answers.request[missing]).tolist()
        raise DataError(
            "graded_ndcg needs a finite value for each answer; without one are requests "
            f"{first_offenders(offenders, len(offenders))}: ask for ndcg instead"
        )
    return _gained(placed, k, np.maximum(gain, 0.0))


_METRICS: Final[dict[str, Callable[[_Placed, int], Doubles]]] = {
    "precision": _precision,
    "recall": _recall,
    "hit_rate": _hit_rate,
    "f1": _f1,
    "map": _map,
    "mrr": _mrr,
    "ndcg": _ndcg,
    "graded_ndcg": _graded_ndcg,
}
METRICS: Final = tuple(_METRICS)
_ALSO_CALLED: Final = {
    **dict.fromkeys(("hr", "hit", "hits", "hitrate", "hit_ratio"), "hit_rate"),
    **dict.fromkeys(("f1_score", "f1score", "f_1", "f_score"), "f1"),
    **dict.fromkeys(("prec", "p"), "precision"),
    "rec": "recall",
}


def metric_names(metrics: Sequence[str], ks: Sequence[int]) -> list[str]:
    """`["ndcg@10", …]`, metric by metric; raises `ConfigError` for what cannot be measured."""
    for metric in metrics:
        if metric not in _METRICS:
            raise _no_metric(metric)
    if not len(metrics) or not len(ks) or min(ks) < 1:
        raise ConfigError(f"metrics = {metrics!r} at ks = {ks!r}: need one metric and places >= 1")
    return [f"{metric}@{k}" for metric in metrics for k in ks]


def _no_metric(name: object) -> ConfigError:
    """Names are in small letters, and places are asked for by themselves: "NDCG@10" is no name."""
    said, _, places = str(name).partition("@")
    plain = re.sub(r"\W+", "_", said.strip().lower())
    meant = _ALSO_CALLED.get(plain, plain)
    if plain in ("rmse", "mae"):
        return ConfigError(
            f"{quoted(name)} needs no asking: it is measured wherever a recommender predicts values"
        )
    if meant not in _METRICS:
        return ConfigError(f"no metric is called {quoted(name)}.{did_you_mean(plain, METRICS)}")
    at = Message.of(" with ", Setting("ks", [int(places)])) if places.isdecimal() else ""
    known = ", ".join(METRICS)
    hint = f". Did you mean {meant!r}"
    return ConfigError(f"no metric is called {quoted(name)}{hint}", at, f"? Known: {known}.")


def placed_metrics(
    ranks: Rows, answers: OpenAnswers, ks: Sequence[int], metrics: Sequence[str]
) -> dict[str, Doubles]:
    """The same as `ranking_metrics`, from (A,) places that are known already."""
    placed = _Placed(answers, np.where(ranks > 0, ranks.astype(np.float64), np.inf))
    names = metric_names(metrics, ks)
    pairs = [(metric, k) for metric in metrics for k in ks]
    return {
        name: _METRICS[metric](placed, k) for name, (metric, k) in zip(names, pairs, strict=True)
    }


def ranking_metrics(
    rows: Rows,
    answers: Answers,
    ks: Sequence[int] = (10,),
    metrics: Sequence[str] = ("ndcg", "recall"),
) -> dict[str, Doubles]:
    """`"ndcg@10"` → (n,) one value a request, 0 for a request without answers.

    `rows` is (n, K), best first, -1 where a list ends. With R answers, of which h are in the first
    k places: precision h / k (k, however short the list); recall h / R; hit_rate h > 0; f1
    2 h / (k + R), the harmonic mean of the two; map the sum over hits of (hits so far / place), by
    R (not by min(R, k)); mrr 1 / place of the first hit; ndcg the sum over hits of
    1 / log2(place + 1), by that of the best list of min(R, k) hits. graded_ndcg multiplies each
    term by the answer's value (linear gain, negative as 0; Järvelin and Kekäläinen 2002,
    doi:10.1145/582415.582418) and needs `answers.values`. Definitions and values are those of ranx.
    """
    opened = open_answers(answers)
    return placed_metrics(answer_ranks(rows, opened), opened, ks, metrics)
