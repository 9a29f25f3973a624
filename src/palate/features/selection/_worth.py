"""What selections that learn share: columns as evidence for what came next, and how many stay."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from palate.core.arrays import Mask, Matrix, row_norms, scale_rows
from palate.core.component import check_fitted, check_types, learnt
from palate.core.dataset import Dataset
from palate.core.features import Features
from palate.core.types import FitContext
from palate.features.blocks import (
    Doubles,
    check_finite,
    kept_columns,
    kept_names,
    learnt_of,
    transform_parts,
)
from palate.features.held_out import HeldOut

REQUESTS: Final = 1_500  # that columns are judged by
OTHERS: Final = 4  # that each answer is told from
_TRAINED = 0.7  # of the requests; the newest choose how many columns stay


@dataclass(frozen=True)
class Products:
    """Products of a history's and an item's numbers, column by column: they sum to a cosine.

    `values` (n × (1 + others), columns) stand request by request, the answer first.
    """

    values: Matrix
    blocks: dict[str, slice]
    requests: int

    @property
    def labels(self) -> NDArray[np.int8]:
        """1 for answers."""
        labels = np.zeros((self.requests, 1 + OTHERS), dtype=np.int8)
        labels[:, 0] = 1
        return labels.ravel()

    @classmethod
    def of(cls, held: HeldOut, parts: Mapping[str, Matrix]) -> Products:
        """Those of all columns of these blocks."""
        count = len(held.answers)
        asked = np.repeat(np.arange(count), 1 + OTHERS)
        # each request is told from other items, the same on every machine
        drawn = np.random.default_rng(1).integers(0, len(held.others), (count, OTHERS))
        items = np.hstack([held.answers[:, None], held.others[drawn]]).ravel()
        columns, blocks, start = [], {}, 0
        for name, part in parts.items():
            profile: Any = held.profiles(part)[asked]
            given: Any = part[items]
            both = profile.multiply(given) if sparse.issparse(part) else profile * given
            columns.append(both)
            blocks[name] = slice(start, start + part.shape[1])
            start += part.shape[1]
        if any(sparse.issparse(each) for each in columns):
            stacked = sparse.csr_array(sparse.hstack(columns, format="csr"), dtype=np.float32)
            return cls(stacked, blocks, count)
        return cls(np.hstack(columns).astype(np.float32), blocks, count)

    def masks(self, kept: Mask) -> dict[str, Mask]:
        """The same, block by block."""
        return {name: kept[columns] for name, columns in self.blocks.items()}


@dataclass(kw_only=True)
class LearntSelection:
    """A selection that asks which columns foretell held-out training events.

    Rows keep their length, by which fusion says what a block is worth.
    """

    kept_: dict[str, Mask] = learnt("width")

    learns_from_events: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_types(self)

    def _tried(self, early: HeldOut, parts: Mapping[str, Matrix]) -> Iterator[dict[str, Mask]]:
        """Selections that may be better than all columns, learnt from some of the requests."""
        raise NotImplementedError

    def _chosen_from(self, parts: Mapping[str, Matrix]) -> list[str]:
        """The blocks whose columns may go."""
        return list(parts)

    def fit(self, features: Features, data: Dataset, context: FitContext = FitContext()) -> Self:
        check_finite(features)
        self.kept_ = {
            name: np.ones(part.shape[1], dtype=np.bool_) for name, part in features.parts.items()
        }
        held = HeldOut.of(features, data, context)
        if held is None:
            return self
        parts = {
            name: part
            for name, part in held.features.parts.items()
            if part.shape[1] == len(self.kept_.get(name, ())) > 1
        }
        parts = {name: parts[name] for name in self._chosen_from(parts)}
        if not parts:
            return self
        stop = min(int(_TRAINED * len(held.answers)), REQUESTS)
        early, late = held.some(slice(0, stop)), held.some(slice(stop, None))
        whole = {name: self.kept_[name] for name in parts}
        usual, best = _worth(late, parts, whole), 0.0
        for tried in map(_with_something, self._tried(early, parts)):
            gain = _worth(late, parts, tried) - usual
            sure = float(gain.mean() - gain.std() / max(len(gain), 1) ** 0.5)
            if sure > 0 and gain.mean() > best:
                best = float(gain.mean())
                self.kept_ |= tried
        return self

    @property
    def chosen_(self) -> list[str]:
        """How many columns of each block stay, in words."""
        check_fitted(self)
        told = [f"{name} {int(kept.sum()):,} of {len(kept):,}" for name, kept in self.kept_.items()]
        return [f"columns that stay, learnt from held-out events: {', '.join(told)}"]

    def transform(self, features: Features) -> Features:
        return transform_parts(self, features)

    def names_after(self, name: str, names: Sequence[str]) -> list[str]:
        """What the columns of a block that stay mean."""
        return kept_names(self.kept_, name, names)

    def transform_block(self, name: str, values: Matrix) -> Matrix:
        """Any rows in a block's space: of items, or of people's words."""
        check_fitted(self)
        who = type(self).__name__.lower()
        rows = kept_columns(values, learnt_of(self.kept_, name, who), name, who)
        before, after = row_norms(values), row_norms(rows)
        longer = np.divide(before, after, out=np.zeros_like(before), where=after > 0)
        return scale_rows(rows, longer.astype(np.float32))


def _with_something(masks: Mapping[str, Mask]) -> dict[str, Mask]:
    """A block of which nothing would stay stays whole: leaving blocks out is fusion's."""
    return {name: kept if kept.any() else ~kept for name, kept in masks.items()}


def _worth(held: HeldOut, parts: Mapping[str, Matrix], masks: Mapping[str, Mask]) -> Doubles:
    """(n,) log-likelihoods of the answers by the cosines over some columns."""
    scores: Any = 0.0
    for name, part in parts.items():
        squares = float(np.square(row_norms(part)).mean())
        scores = scores + squares * held.scores(kept_columns(part, masks[name], name, "selection"))
    return held.likelihoods(scores)


def largest(worth: Doubles, share: float) -> Mask:
    """The columns of most worth, so many of all; of equal ones the first."""
    count = max(1, round(share * len(worth)))
    kept = np.zeros(len(worth), dtype=np.bool_)
    kept[np.argsort(-worth, kind="stable")[:count]] = True
    return kept
