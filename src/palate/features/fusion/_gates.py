"""What gates share: per item, how much each block has a say, learnt from what came next."""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from scipy import optimize
from scipy.special import logsumexp

from palate.core.arrays import Floats, Mask, Matrix, Rows, row_norms, to_dense, unit_rows
from palate.core.component import check_fitted, check_types, learnt
from palate.core.dataset import Dataset
from palate.core.features import Features
from palate.core.learnt import agree
from palate.core.parallel import one_blas_thread
from palate.core.types import FitContext
from palate.features.blocks import Doubles, check_width
from palate.features.fusion._fused import OneBlock
from palate.features.held_out import DECAY, HeldOut, shares_in_words

_REQUESTS, _OTHERS, _BEFORE = 1_200, 150, 10  # whose cosines are kept at once, item by item
_PENALTIES = (0.003, 0.03, 0.3)
_TRAINED = 0.7  # of the requests; the newest choose the penalty
_NEVER = -1e9  # what a block that an item lacks would have to say


@dataclass(kw_only=True)
class GatedBlocks(OneBlock):
    """A fusion that gives every item shares of its own: they sum to 1 over the blocks it has.

    The cosine of two items is the sum of the blocks' cosines, times the roots of both shares. An
    item's shares are the softmax of a linear function of what `_inputs` says of its rows.
    """

    coefficients_: dict[str, Floats] = learnt("inputs")
    centres_: dict[str, Floats] = learnt("told")
    scales_: dict[str, Floats] = learnt("told")
    widths_: dict[str, int] = learnt()
    usual_: dict[str, float] = learnt()

    learns_from_events: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_types(self)

    def _prepare(self, units: Mapping[str, Floats], rows: Rows) -> None:
        """Learns what `_inputs` needs, from items with events."""
        raise NotImplementedError

    def _inputs(self, units: Mapping[str, Floats]) -> dict[str, Floats]:
        """(n, k) for each block: what is known of each of its rows."""
        raise NotImplementedError

    def fit(self, features: Features, data: Dataset, context: FitContext = FitContext()) -> Self:
        dense = self._dense_of(features)
        units = {block: unit_rows(part) for block, part in dense.items()}
        self.widths_ = {block: part.shape[1] for block, part in units.items()}
        self._prepare(units, data.warm_items)
        self._standardise(units, data.warm_items)
        held = HeldOut.of(features.select(dense), data, context)
        found = None if held is None else self._learn(held, units)
        if found is None:
            width = {block: len(centre) for block, centre in self.centres_.items()}
            found = {block: np.zeros(1 + width[block]) for block in units}
        self.coefficients_ = {block: part.astype(np.float32) for block, part in found.items()}
        shares = self._shares(units)[data.warm_items].mean(axis=0, dtype=np.float64)
        self.usual_ = {block: float(share) for block, share in zip(units, shares, strict=True)}
        return self

    def _standardise(self, units: Mapping[str, Floats], rows: Rows) -> None:
        self.centres_, self.scales_ = {}, {}
        for block, told in self._inputs(units).items():
            known = told[rows][row_norms(units[block][rows]) > 0].astype(np.float64)
            if not len(known):
                known = np.zeros((1, told.shape[1]))
            deviation = known.std(axis=0)
            self.centres_[block] = known.mean(axis=0).astype(np.float32)
            self.scales_[block] = np.where(deviation > 1e-6, deviation, 1.0).astype(np.float32)

    def design(self, units: Mapping[str, Floats]) -> tuple[list[Doubles], Mask]:
        """(n, 1 + k) for each block, an intercept first, and (n, blocks) who has which."""
        told = self._inputs(units)
        designs = []
        for block, part in told.items():
            inputs = ((part - self.centres_[block]) / self.scales_[block]).astype(np.float64)
            designs.append(np.hstack([np.ones((len(inputs), 1)), np.clip(inputs, -4, 4)]))
        has = np.stack([row_norms(part) > 0 for part in units.values()], axis=1)
        return designs, has

    def _shares(self, units: Mapping[str, Floats]) -> Floats:
        """(n, blocks) shares that sum to 1, or to 0 for items that have no block."""
        designs, has = self.design(units)
        coefficients = [self.coefficients_[block] for block in units]
        logits = _logits(designs, coefficients, has)
        shares: Floats = np.exp(logits - logsumexp(logits, axis=1, keepdims=True))
        return (shares * has).astype(np.float32)

    def _learn(self, held: HeldOut, whole: Mapping[str, Floats]) -> dict[str, Doubles]:
        """Coefficients of each block, for its rows in `whole`."""
        parts = held.features.parts
        units = {name: unit_rows(to_dense(parts[name])) for name in self.widths_ if name in parts}
        missing = self.widths_.keys() - units.keys()
        n = len(held.features)
        units |= {name: np.zeros((n, self.widths_[name]), np.float32) for name in missing}
        units = {name: units[name] for name in self.widths_}
        pairs = Pairs.of(held, units)
        designs, has = self._made_again(units, held).design(units)
        count = int(_TRAINED * len(pairs.weights))
        early, late = pairs.some(slice(0, count)), pairs.some(slice(count, None))
        tried = [
            (late.likelihood(pairs_fit, designs, has), penalty)
            for penalty in (*_PENALTIES, np.inf)
            for pairs_fit in [early.fit(designs, has, penalty)]
        ]
        _, penalty = max(tried, key=lambda pair: pair[0])
        logits = dict(zip(units, pairs.fit(designs, has, penalty)[1], strict=True))
        found = self._carried(logits, dict(zip(units, designs, strict=True)), whole, held.known)
        # of a block that could not be made again nothing is known: it gets the mean intercept
        known = [part[0] for name, part in found.items() if name not in missing]
        for name in missing:
            found[name] = np.zeros(1 + len(self.centres_[name]))
            found[name][0] = float(np.mean(known)) if known else 0.0
        return found

    def _carried(
        self,
        found: Mapping[str, Doubles],
        designs: Mapping[str, Doubles],
        whole: Mapping[str, Floats],
        known: Dataset,
    ) -> dict[str, Doubles]:
        """Coefficients for `whole`, where those were `found` for blocks that were made again.

        `designs` are what is known of these blocks' rows; as it means the same everywhere, by
        default they stay.
        """
        return dict(found)

    def _made_again(self, units: Mapping[str, Floats], held: HeldOut) -> Self:
        """What is known of rows of held-out features: a block that is made again has other axes."""
        own, rows = copy.copy(self), held.known.warm_items
        own._prepare(units, rows)
        own._standardise(units, rows)
        return own

    @property
    def chosen_(self) -> list[str]:
        """The mean share of each block, in words."""
        check_fitted(self)
        return shares_in_words(self.usual_, "mean weights of the blocks, learnt for each item")

    def check_learnt(self) -> None:
        """Raises `ValueError` for gates of other blocks, or of other inputs."""
        names = self.widths_.keys()
        agree(len(names) > 0 and min(self.widths_.values()) > 0, "widths_ of no block")
        for learnt_part in (self.coefficients_, self.centres_, self.scales_, self.usual_):
            agree(learnt_part.keys() == names, "gates of other blocks")
        for name in names:
            wide = len(self.centres_[name])
            agree(len(self.coefficients_[name]) == 1 + wide, f"coefficients_ of {name!r}")
            agree(len(self.scales_[name]) == wide, f"scales_ of {name!r}")
            agree(bool((self.scales_[name] > 0).all()), f"scales_ of {name!r} below 0")
            agree(0 <= self.usual_[name] <= 1, f"usual_ of {name!r}")

    def transform(self, features: Features) -> Features:
        check_fitted(self)
        self._check_there(features, self.widths_)
        units = {name: self._checked(name, features.parts[name]) for name in self.widths_}
        roots = np.sqrt(self._shares(units))
        parts = [unit * roots[:, [place]] for place, unit in enumerate(units.values())]
        return self._fused_beside(features, np.ascontiguousarray(np.hstack(parts), np.float32))

    def _checked(self, name: str, values: Matrix) -> Floats:
        check_width(values, self.widths_[name], name, type(self).__name__.lower())
        return unit_rows(to_dense(values))

    def transform_block(self, name: str, values: Matrix) -> Matrix:
        """What rows of one block, of people's words say, add to the fused one."""
        check_fitted(self)
        if name not in self.widths_:
            return values
        starts = np.cumsum([0, *self.widths_.values()])
        place = list(self.widths_).index(name)
        rows = np.zeros((values.shape[0], int(starts[-1])), dtype=np.float32)
        share = np.float32(self.usual_[name] ** 0.5)
        rows[:, starts[place] : starts[place + 1]] = self._checked(name, values) * share
        return rows

    def _fused_names(self) -> Collection[str]:
        return self.widths_


def _logits(
    designs: Sequence[Doubles], coefficients: Sequence[NDArray[np.floating]], has: Mask
) -> Doubles:
    columns = [each @ part for each, part in zip(designs, coefficients, strict=True)]
    return np.where(has, np.stack(columns, axis=1), _NEVER)


@dataclass(frozen=True)
class Pairs:
    """Cosines of each request's newest items to the candidates, block by block.

    `before` (q, h) and `after` (q, c) are rows of items, `weights` (q, h) sum to 1, `cosines` is
    (q, h, c, blocks), `barred` (q, c) is -inf where a candidate could not be meant.
    """

    before: NDArray[np.integer[Any]]
    weights: Floats
    after: NDArray[np.integer[Any]]
    barred: Doubles
    cosines: Floats

    @classmethod
    def of(cls, held: HeldOut, units: Mapping[str, Floats]) -> Pairs:
        step = max(1, len(held.answers) // _REQUESTS)
        rows = np.arange(0, len(held.answers), step)[:_REQUESTS]
        asking, answers = held.asking.take(rows), held.answers[rows]
        kept = np.linspace(0, len(held.others) - 1, min(_OTHERS, len(held.others))).astype(int)
        others = held.others[kept]
        before = np.stack([asking.newest(back) for back in range(1, _BEFORE + 1)], axis=1)
        weights = np.where(before >= 0, DECAY ** np.arange(_BEFORE), 0.0)
        weights /= weights.sum(axis=1, keepdims=True)
        before = np.maximum(before, 0)
        after = np.hstack([answers[:, None], np.tile(others, (len(rows), 1))])
        barred = np.where(held.open[rows][:, kept], 0.0, -np.inf)
        barred = np.hstack([np.zeros((len(rows), 1)), barred])
        cosines = np.empty((*before.shape, after.shape[1], len(units)), dtype=np.float32)
        for place, part in enumerate(units.values()):
            with one_blas_thread:
                to_others = part @ part[others].T
            cosines[:, :, 1:, place] = to_others[before]
            cosines[:, :, 0, place] = np.einsum("qhd,qd->qh", part[before], part[answers])
        return cls(before, weights.astype(np.float32), after, barred, cosines)

    def some(self, kept: slice) -> Pairs:
        """Some of the requests."""
        return Pairs(
            self.before[kept],
            self.weights[kept],
            self.after[kept],
            self.barred[kept],
            self.cosines[kept],
        )

    def likelihood(
        self, found: tuple[float, list[Doubles]], designs: Sequence[Doubles], has: Mask
    ) -> float:
        """The mean log-likelihood of the answers."""
        return -self._loss(*found, designs, has)[0]

    def fit(
        self, designs: Sequence[Doubles], has: Mask, penalty: float
    ) -> tuple[float, list[Doubles]]:
        """The log of the sharpness, and coefficients; an infinite penalty leaves intercepts."""
        sizes = [each.shape[1] for each in designs]
        stops = np.cumsum(sizes)
        free = np.concatenate([[True, *[np.isfinite(penalty)] * (size - 1)] for size in sizes])
        cost = np.where(free, penalty if np.isfinite(penalty) else 0.0, 0.0)
        cost[stops - sizes] = 1e-4  # keeps the intercepts of blocks that nobody needs in bounds

        def loss(values: Doubles) -> tuple[float, Doubles]:
            inner = np.where(free, values[1:], 0.0)
            parts = np.split(inner, stops[:-1])
            found, sharper, slopes = self._loss(values[0], parts, designs, has)
            slope = np.concatenate(slopes) + 2 * cost * inner
            return found + float(cost @ inner**2), np.append(sharper, np.where(free, slope, 0.0))

        start = np.append(np.log(10.0), np.zeros(int(stops[-1])))
        with one_blas_thread:
            best = optimize.minimize(
                loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 60}
            )
        values = np.round(np.asarray(best.x, dtype=np.float64), 4)
        return float(values[0]), np.split(np.where(free, values[1:], 0.0), stops[:-1])

    def _loss(
        self,
        sharpness: float,
        coefficients: Sequence[Doubles],
        designs: Sequence[Doubles],
        has: Mask,
    ) -> tuple[float, float, list[Doubles]]:
        """The loss, and its slopes along the log of the sharpness and along the coefficients."""
        logits = _logits(designs, coefficients, has)
        logits -= logsumexp(logits, axis=1, keepdims=True)
        shares = np.exp(logits)
        roots = np.exp(logits / 2).astype(np.float32)
        sharp = np.float32(np.exp(np.clip(sharpness, -5, 6)))
        first = self.weights[:, :, None] * roots[self.before]  # (q, h, blocks)
        known = np.einsum("qhb,qhcb->qcb", first, self.cosines)
        ends = roots[self.after]
        plain = np.einsum("qcb,qcb->qc", known, ends)
        exponents = sharp * plain + self.barred
        whole = logsumexp(exponents, axis=1)
        pull = np.exp(exponents - whole[:, None])
        pull[:, 0] -= 1.0
        pull = (pull / len(pull)).astype(np.float32)
        towards_after = sharp * pull[:, :, None] * known
        through = np.einsum("qcb,qhcb->qhb", pull[:, :, None] * ends, self.cosines)
        towards_before = sharp * self.weights[:, :, None] * through
        slopes = np.zeros_like(shares)
        for place in range(slopes.shape[1]):
            for rows, part in ((self.after, towards_after), (self.before, towards_before)):
                weights = part[:, :, place].ravel().astype(np.float64)
                slopes[:, place] += np.bincount(rows.ravel(), weights, minlength=len(slopes))
        along = 0.5 * slopes * roots  # d root / d logit = root × (1 - share) / 2 for its own block
        along = along - shares * along.sum(axis=1, keepdims=True)
        along[~has] = 0.0
        found = [each.T @ along[:, place] for place, each in enumerate(designs)]
        return float((whole - exponents[:, 0]).mean()), float((sharp * pull * plain).sum()), found
