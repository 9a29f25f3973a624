"""Requests of people who did something and also say something: both are heard."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from scipy.stats import rankdata

from palate.histories import Histories
from palate.types import Floats, Mask

SMOOTHING = 10  # the source's 60 prefers what is middling in both lists to the best of either


def fused_with_words(score: Callable[[Histories], Floats], asking: Histories) -> Floats:
    """`score`, with reciprocal rank fusion where a request has both a history and words.

    Added up as vectors, a history drowns words: its items are far more alike to other items than
    any words are. So each is asked alone, and the two lists are fused. Source: Cormack, Clarke and
    Büttcher 2009.
    """
    both = spoke(asking) & (asking.lengths > 0)
    if not both.any():
        return score(asking)
    mixed = asking.take(both)
    did, said = replace(mixed, queries={}), replace(mixed, stops=mixed.starts)
    fused = _reciprocal_ranks(score(did)) + _reciprocal_ranks(score(said))
    scores = np.empty((len(asking), fused.shape[1]), dtype=np.float32)
    scores[both] = fused
    if not both.all():
        scores[~both] = score(asking.take(~both))
    return scores


def spoke(histories: Histories) -> Mask:
    """(n,) which requests say something that at least one block understands."""
    found = np.zeros(len(histories), dtype=np.bool_)
    for words in histories.queries.values():
        found |= np.asarray(abs(words).sum(axis=1)).ravel() > 0
    return found


def _reciprocal_ranks(scores: Floats) -> Floats:
    ranks = rankdata(-scores, method="min", axis=1)
    return np.asarray(1.0 / (SMOOTHING + ranks), dtype=np.float32)
