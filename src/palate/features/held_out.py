"""An inner hold-out of the training part: what fusion and selection learn their worth from."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from scipy import optimize
from scipy.special import logsumexp

from palate.core.arrays import Floats, Mask, Matrix, Rows, to_dense, unit_rows
from palate.core.dataset import Dataset
from palate.core.errors import DataError
from palate.core.features import Features
from palate.core.histories import Histories
from palate.core.parallel import one_blas_thread
from palate.core.types import FitContext
from palate.data.split import split_by_time, split_leave_last_out
from palate.features.blocks import Doubles

HELD: Final = 0.2  # share of the events, the newest
FEWEST = 30  # requests: with fewer, chance would decide
MOST = 3_000  # requests, a sample of all
OTHERS = 1_000  # items that an answer is told from, a sample of those with events
DECAY, LENGTH = 0.9, 50  # of a history, as `content` reads it
_CHUNK = 500
_DIGITS = 4  # of a learnt weight: the last bits differ from one processor to the next
_SHARPEST = 200.0  # weight of a cosine in the exponent


@dataclass(frozen=True)
class HeldOut:
    """Requests from within the training part, each with the item that came next.

    `features` are what they would be if only `known` had happened; `others` are the rows that each
    of the `answers` is told from, `open` (n, others) which of them the request could have meant:
    neither the answer nor what that person had before.
    """

    features: Features
    known: Dataset
    asking: Histories
    answers: Rows
    others: Rows
    open: Mask

    @classmethod
    def of(
        cls, features: Features, data: Dataset, context: FitContext, *, seed: int = 0
    ) -> HeldOut | None:
        """The newest fifth by time, or each person's last event; None where that is too little.

        Blocks that were learnt from events are made again without what is held out, by the context;
        those that it cannot make again are left out.
        """
        split = _cut(data)
        if split is None:
            return None
        known, histories, answers = split
        before = FitContext(items=features, remake=context.remake, learnt=context.learnt)
        made = before.on_part(known).items
        if made is None:
            return None
        if made.ids != data.item_ids:
            made = made.take(made.ids.rows(data.item_ids.series))
        rng = np.random.default_rng(seed)
        asked = np.flatnonzero(histories.lengths > 0)
        if len(asked) < FEWEST:
            return None
        asked = np.sort(rng.permutation(asked)[:MOST])
        others = np.sort(rng.permutation(data.warm_items)[:OTHERS])
        asking, answers = histories.take(asked), answers[asked]
        seen = asking.seen()[:, others].toarray() > 0
        still_open = ~seen & (others[None, :] != answers[:, None])
        return cls(made, known, asking, answers, others, still_open)

    def some(self, kept: slice) -> HeldOut:
        """Some of the requests."""
        return HeldOut(
            self.features,
            self.known,
            self.asking.take(kept),
            self.answers[kept],
            self.others,
            self.open[kept],
        )

    def chunks(self) -> Iterator[tuple[slice, HeldOut]]:
        """A few requests at a time, so that memory does not grow with them."""
        for start in range(0, len(self.answers), _CHUNK):
            chunk = slice(start, min(start + _CHUNK, len(self.answers)))
            yield chunk, self.some(chunk)

    def profiles(self, part: Matrix) -> Matrix:
        """(n, d) unit rows: the decayed sum of the unit rows of each history."""
        weights = self.asking.matrix(decay=DECAY, length=LENGTH)
        return unit_rows(weights @ unit_rows(part))

    def scores(self, part: Matrix) -> Floats:
        """(n, 1 + others) cosines of the answer and of all others to the history."""
        units = unit_rows(part)
        found = np.zeros((len(self.answers), 1 + len(self.others)), dtype=np.float32)
        others = units[self.others].T
        for chunk, some in self.chunks():
            profile: Any = some.profiles(part)
            answered: Any = units[some.answers]
            products = (
                profile.multiply(answered) if hasattr(profile, "multiply") else profile * answered
            )
            found[chunk, 0] = np.asarray(products.sum(axis=1)).ravel()
            found[chunk, 1:] = to_dense(profile @ others)
        return found

    def likelihoods(self, scores: Floats) -> Doubles:
        """(n,) log-likelihood of each answer by such scores, as sharp as suits them best."""
        weights, _ = likeliest(scores[:, :, None], self.open)
        exponents = scores * weights[0]
        exponents[:, 1:][~self.open] = -np.inf
        found: Doubles = exponents[:, 0] - logsumexp(exponents, axis=1)
        return found


def learnt_shares(held: HeldOut, parts: Mapping[str, Matrix]) -> tuple[dict[str, float], float]:
    """Each block's share of 1, and the log-likelihood of an answer with it.

    A conditional logit (McFadden 1974): the odds of an item being next are the exponent of the
    weighted sum of its cosines to the history, and the weights, none below 0, are the likeliest.
    """
    stacked = np.stack([held.scores(part) for part in parts.values()], axis=2)
    weights, likelihood = likeliest(stacked, held.open)
    return shares_from(dict(zip(parts, weights.tolist(), strict=True))), likelihood


def likeliest(cosines: Floats, still_open: Mask) -> tuple[Doubles, float]:
    """(blocks,) weights that are 0 or more, and the mean log-likelihood of the answers.

    `cosines` is (n, 1 + others, blocks), the answer first.
    """
    barred = np.concatenate([np.zeros((len(still_open), 1), dtype=np.bool_), ~still_open], axis=1)
    penalty = np.where(barred, -np.inf, 0.0)
    n, _, blocks = cosines.shape

    def loss(weights: Doubles) -> tuple[float, Doubles]:
        with np.errstate(invalid="ignore"):
            exponents = cosines @ weights.astype(np.float32) + penalty
        whole = logsumexp(exponents, axis=1)
        odds = np.exp(exponents - whole[:, None]).astype(np.float32)
        slope = np.einsum("nc,ncb->b", odds, cosines) - cosines[:, 0].sum(axis=0)
        return float((whole - exponents[:, 0]).mean()), slope.astype(np.float64) / n

    with one_blas_thread:
        found = optimize.minimize(
            loss,
            np.zeros(blocks),  # where a block that says nothing stays
            jac=True,
            method="L-BFGS-B",
            bounds=[(0.0, _SHARPEST)] * blocks,
        )
    return np.asarray(found.x, dtype=np.float64), -float(found.fun)


def shares_from(weights: Mapping[str, float]) -> dict[str, float]:
    """Shares of 1, rounded; equal ones where all weigh nothing."""
    total = sum(weights.values())
    if total <= 0:
        return dict.fromkeys(weights, 1 / len(weights)) if weights else {}
    rounded = {name: round(weight / total, _DIGITS) for name, weight in weights.items()}
    whole = sum(rounded.values())
    return {name: share / whole for name, share in rounded.items()}


def shares_learnt_from(features: Features, data: Dataset, context: FitContext) -> dict[str, float]:
    """Each block's share of 1; equal ones where too few events can be held out.

    Blocks of which nothing could be learnt, for nobody can make them again, get an equal share.
    """
    held = HeldOut.of(features, data, context)
    if held is None:
        return shares_from(dict.fromkeys(features.parts, 0.0))
    parts = {name: part for name, part in held.features.parts.items() if name in features.parts}
    shares, _ = learnt_shares(held, parts)
    return with_unheld(shares, features.parts)


def with_unheld(shares: Mapping[str, float], names: Collection[str]) -> dict[str, float]:
    """Shares of all blocks: those of which nothing was learnt get an equal one."""
    known = {name: share for name, share in shares.items() if name in names}
    left = len(known) / max(len(names), 1)
    return {name: known[name] * left if name in known else 1 / len(names) for name in names}


def shares_in_words(
    shares: Mapping[str, float],
    what: str = "weights of the blocks, learnt from held-out events",
) -> list[str]:
    """Weights of blocks as a line, the largest first."""
    order = sorted(shares.items(), key=lambda pair: -pair[1])
    told = ", ".join(f"{name} {share:.2f}" for name, share in order)
    return [f"{what}: {told}"]


def _cut(data: Dataset) -> tuple[Dataset, Histories, Rows] | None:
    try:
        if data.times is not None:
            split = split_by_time(data, test=HELD)
        else:
            split = split_leave_last_out(data, min_events=2)
    except DataError:  # nothing is left on one side
        return None
    return split.train, split.histories, split.sealed.items
