"""Blocks side by side, with one more: where in behaviour's space an item's content points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final, Self

import numpy as np
from pydantic import PositiveInt
from scipy import linalg

from palate.core.arrays import Floats, Matrix, row_norms, scale_rows, to_dense, unit_rows
from palate.core.component import check_fitted, check_types, component, learnt
from palate.core.dataset import Dataset
from palate.core.errors import AlignmentError, ConfigError, DataError
from palate.core.features import Features
from palate.core.learnt import agree, check_shares
from palate.core.parallel import one_blas_thread
from palate.core.types import FitContext, content_of
from palate.features.blocks import Doubles, check_finite, check_width, learnt_of, most_touched
from palate.features.encoders.behaviour import Behaviour
from palate.features.held_out import HeldOut, learnt_shares, shares_in_words, with_unheld

__all__ = ["Linear"]

LINEAR: Final = "linear"
_ITEMS = 4_000  # that a map is learnt from: those with most events
_FEWEST = 20
_PENALTIES = (0.1, 1.0, 10.0)  # times the mean of the kernel's diagonal
_SURE = 5.0  # events that make an item's behaviour half sure


@component
class Linear:
    """As `concat` with learnt weights, and a block "linear": a learnt map of all content blocks.

    The map takes the blocks, concatenated, to the `dim` numbers that `behaviour` has of the items
    with most events: a ridge regression, less sure of items with few events, so an item that nobody
    has touched stands where those stand that are described like it (Gantner et al., "Learning
    attribute-to-feature mappings", ICDM 2010). The penalty, and how much each block counts, is what
    foretells held-out training events best. `keep=False` leaves that block alone. It is
    behavioural: whoever holds events out learns it again.
    """

    dim: PositiveInt = 64
    keep: bool = True

    shares_: dict[str, float] = learnt()
    maps_: dict[str, Floats] = learnt("width", "dim_")
    means_: dict[str, Floats] = learnt("dim_")
    dim_: int = learnt()

    makes: ClassVar[Sequence[str]] = (LINEAR,)
    learns_from_events: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_types(self)

    def fit(self, features: Features, data: Dataset, context: FitContext = FitContext()) -> Self:
        if LINEAR in features.parts:
            raise AlignmentError(f"a block is called {LINEAR!r} already; rename it")
        content = content_of(features)
        if content is None:
            raise ConfigError("linear needs a block of content, one that no events were learnt for")
        check_finite(features)
        if not len(data.interactions):
            raise DataError("linear learns from events, and there are none: use concat")
        held = HeldOut.of(features, data, context)
        tried: list[tuple[float, float, dict[str, float]]] = []
        for penalty in _PENALTIES if held is not None else ():
            assert held is not None
            self._learn_map(content, held.known, penalty)
            parts = {n: part for n, part in held.features.parts.items() if n in features.parts}
            if not self.keep:
                parts = {}
            shares, likelihood = learnt_shares(held, {**parts, LINEAR: self._mapped(content.parts)})
            tried.append((likelihood, penalty, shares))
        best = max(tried, key=lambda each: each[0], default=(0.0, _PENALTIES[-1], {}))
        self._learn_map(content, data, best[1])
        names = [*features.parts, LINEAR] if self.keep else [LINEAR]
        self.shares_ = with_unheld(best[2], names)
        return self

    def _learn_map(self, content: Features, data: Dataset, penalty: float) -> None:
        rows = most_touched(data, _ITEMS)
        widths = {name: part.shape[1] for name, part in content.parts.items()}
        wanted = Behaviour(dim=self.dim).fit(data).encode(data).parts["behaviour"][rows]
        self.dim_ = wanted.shape[1]
        units = {name: unit_rows(part[rows]) for name, part in content.parts.items()}
        mean = wanted.mean(axis=0, dtype=np.float64) if len(rows) else np.zeros(self.dim_)
        dual = _ridge(units, wanted - mean, data.item_counts[rows], penalty)
        self.maps_, self.means_ = {}, {}
        for name, part in units.items():
            transposed: Any = part.T
            mapped = np.asarray(transposed @ dual, dtype=np.float32)
            self.maps_[name] = mapped.reshape(widths[name], self.dim_)
            # what the mean of all rows says, which is no reason to call two items alike
            self.means_[name] = np.asarray(
                (part @ self.maps_[name]).mean(axis=0, dtype=np.float64)
                if len(rows)
                else np.zeros(self.dim_),
                dtype=np.float32,
            )

    def check_learnt(self) -> None:
        """Raises `ValueError` for a map of other blocks."""
        agree(self.dim_ > 0 and self.maps_.keys() == self.means_.keys(), "maps_ without means_")
        agree(len(self.maps_) > 0 and LINEAR in self.shares_, "maps_ of no block")
        blocks = self.maps_.keys() <= self.shares_.keys() if self.keep else len(self.shares_) == 1
        agree(blocks, "shares_ of other blocks")
        check_shares(self.shares_, "shares_")

    @property
    def chosen_(self) -> list[str]:
        """The weights that were learnt, in words."""
        check_fitted(self)
        return shares_in_words(self.shares_)

    def transform(self, features: Features) -> Features:
        check_fitted(self)
        check_finite(features)
        if missing := sorted(self.maps_.keys() - features.parts.keys()):
            raise AlignmentError(f"linear was fitted on the blocks {missing}, which are missing")
        parts = self._parts(features.parts)
        names = {name: own for name, own in features.names.items() if name in parts}
        behavioural = {*features.behavioural, LINEAR}
        return Features(features.ids, parts, behavioural=behavioural, names=names)

    def transform_queries(self, words: Mapping[str, Matrix]) -> dict[str, Matrix]:
        """People's words in the space of each block that they are in, and of the learnt one."""
        check_fitted(self)
        return self._parts(words)

    def _parts(self, given: Mapping[str, Matrix]) -> dict[str, Matrix]:
        found: dict[str, Matrix] = {}
        for name, part in given.items() if self.keep else ():
            found[name] = _scaled(part, learnt_of(self.shares_, name, LINEAR))
        mapped = {name: part for name, part in given.items() if name in self.maps_}
        if mapped:
            found[LINEAR] = _scaled(self._mapped(mapped), self.shares_[LINEAR])
        return found

    def _mapped(self, parts: Mapping[str, Matrix]) -> Floats:
        """(n, dim) the sum of what each block says; blocks that an item lacks say nothing."""
        n = next(iter(parts.values())).shape[0]
        found = np.zeros((n, self.dim_), dtype=np.float32)
        for name, part in parts.items():
            check_width(part, len(self.maps_[name]), name, LINEAR)
            units = unit_rows(part)
            says = np.asarray(to_dense(units @ self.maps_[name])) - self.means_[name]
            says[row_norms(units) == 0] = 0.0
            found += says
        return found


def _scaled(part: Matrix, share: float) -> Matrix:
    factor = np.float32(share**0.5)
    return scale_rows(unit_rows(part), np.full(part.shape[0], factor, dtype=np.float32))


def _ridge(units: Mapping[str, Matrix], wanted: Doubles, counts: Any, penalty: float) -> Doubles:
    """(rows, dim) weights of the items, by which the maps are sums of their rows."""
    rows = len(wanted)
    if rows < _FEWEST:
        return np.zeros(wanted.shape)
    kernel = np.zeros((rows, rows))
    with one_blas_thread:
        for part in units.values():
            products: Any = part @ part.T
            kernel += to_dense(products)
        unsure = 1.0 + _SURE / np.maximum(counts, 1)
        kernel[np.diag_indices(rows)] += penalty * len(units) * unsure
        found: Doubles = linalg.cho_solve(linalg.cho_factor(kernel, lower=True), wanted)
    return found
