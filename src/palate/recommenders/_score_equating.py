"""Cosines added up over blocks where some items lack some: what they lack must not speak."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from palate.core.arrays import Floats, Mask, Matrix, Rows, row_norms, to_dense
from palate.core.features import Features

SAMPLE = 1024
"""Items by which it is learnt how blocks vary, for each request."""

_FEW = 50  # items that know every block: fewer say too little
_CHUNK_CELLS = 4_000_000
_ROUNDING = 1e-5  # by which unit rows are none

Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class Gaps:
    """Which items lack blocks: rows of zeros.

    `weights` (blocks,) are the lengths of a block's rows. `columns` (g,) are the items that know
    some blocks and lack others, each with its pattern of `patterns` (p, blocks); `sample` are items
    to learn from, and `known` (blocks, s) what these know.
    """

    weights: Floats
    columns: NDArray[np.int64]
    pattern: NDArray[np.int64]
    patterns: Mask
    sample: Rows
    known: Mask

    @classmethod
    def of(cls, features: Features) -> Self:
        known = np.zeros((len(features.parts), len(features)), dtype=np.bool_)
        weights = np.ones(len(known), dtype=np.float32)
        for block, part in enumerate(features.parts.values()):
            lengths = row_norms(part)
            known[block] = lengths > 0
            longest = lengths.max(initial=0.0)
            weights[block] = 1.0 if abs(longest - 1) < _ROUNDING else longest
        whole = known.all(axis=0)
        columns = np.flatnonzero(known.any(axis=0) & ~whole)
        patterns, pattern = np.unique(known[:, columns].T, axis=0, return_inverse=True)
        chosen = np.flatnonzero(whole if whole.sum() >= _FEW else known.any(axis=0))
        chosen = chosen[:: max(1, -(-len(chosen) // SAMPLE))]
        sample = chosen.astype(np.int32)
        return cls(weights, columns, pattern.ravel(), patterns, sample, known[:, sample])


def equate(scores: Floats, profiles: Sequence[Matrix], items: Features, gaps: Gaps) -> None:
    """Puts the sums of items that lack blocks on the scale of those that lack none, in place.

    `scores` (n, n_items) are sums over blocks of `profiles` (n, d) times items. Among items, a sum
    over the blocks that one item knows has a mean and a deviation, and so has the sum over all that
    the request knows: the former are brought to the latter. Linear equating of tests (Kolen and
    Brennan 2004). A mean of what is there would prefer, or bury, whoever lacks a block of small
    cosines. Other items keep their bits.
    """
    if not len(gaps.columns):
        return
    parts = [part[gaps.sample] for part in items.parts.values()]
    step = max(1, _CHUNK_CELLS // max(len(parts) * len(gaps.sample), len(gaps.columns)))
    for start in range(0, len(scores), step):
        chunk = slice(start, start + step)
        seen = [
            to_dense(profile[chunk] @ part.T) for profile, part in zip(profiles, parts, strict=True)
        ]
        means, covariances = _moments(np.stack(seen, axis=1), gaps.known)
        shift, slope = _scales(means, covariances, gaps.patterns)
        own = scores[chunk, gaps.columns]
        scores[chunk, gaps.columns] = shift[:, gaps.pattern] + slope[:, gaps.pattern] * own


def _moments(cosines: Floats, known: Mask) -> tuple[Doubles, Doubles]:
    """(n, blocks) means and (n, blocks, blocks) covariances over the items that know both."""
    counts = np.maximum(known.sum(axis=1), 1)
    means = cosines.sum(axis=2, dtype=np.float64) / counts
    centred = (cosines - means[:, :, None].astype(np.float32)) * known
    both = np.maximum(known.astype(np.int64) @ known.T, 1)
    products = (centred @ centred.transpose(0, 2, 1)).astype(np.float64)
    return means, products / both


def _scales(means: Doubles, covariances: Doubles, patterns: Mask) -> tuple[Floats, Floats]:
    """(n, patterns) what to add to a sum over some blocks, and what to multiply it by."""
    some = patterns.astype(np.float64)
    variance = np.einsum("pb,nbc,pc->np", some, covariances, some)
    whole = np.maximum(covariances.sum(axis=(1, 2)), 0.0)[:, None]
    varies = variance > 1e-9
    slope = np.sqrt(np.divide(whole, variance, out=np.zeros_like(variance), where=varies))
    shift = means.sum(axis=1, keepdims=True) - slope * (means @ some.T)
    shift[~varies], slope[~varies] = 0.0, 1.0
    return shift.astype(np.float32), slope.astype(np.float32)
