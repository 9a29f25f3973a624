"""Requests of people who did something and also say something: both are heard."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from palate.core.arrays import Floats, Mask, Rows
from palate.core.evidence import Evidence, scores_at, stronger
from palate.core.histories import Histories
from palate.core.topk import reciprocal_ranks


def fused_with_queries(score: Callable[[Histories], Floats], asking: Histories) -> Floats:
    """`score`, with reciprocal rank fusion where a request has both a history and words.

    Added up as vectors, a history drowns words: its items are far more alike to other items than
    any words are. So each is asked alone, and the two lists are fused. Source: Cormack, Clarke and
    Büttcher 2009.
    """
    both = has_query(asking) & (asking.lengths > 0)
    if not both.any():
        return score(asking)
    history, query = _parts(asking.take(both))
    fused = reciprocal_ranks(score(history)) + reciprocal_ranks(score(query))
    scores = np.empty((len(asking), fused.shape[1]), dtype=np.float32)
    scores[both] = fused
    if not both.all():
        scores[~both] = score(asking.take(~both))
    return scores


def evidence_of_parts(
    evidence: Callable[[Histories, Rows], list[Evidence]],
    score: Callable[[Histories], Floats],
    asking: Histories,
    items: Rows,
) -> list[Evidence]:
    """`evidence` from the list that places item i higher, where request i is fused of two.

    The other list speaks where that one has nothing to say; a text query goes before a history in a
    tie.
    """
    lines = np.flatnonzero(has_query(asking) & (asking.lengths > 0))
    if not len(lines):
        return evidence(asking, items)
    history, query = _parts(asking.take(lines))
    placed = items[lines]
    ranks = [
        scores_at(lambda part: reciprocal_ranks(score(part)), part, placed)
        for part in (history, query)
    ]
    of_history, of_query = evidence(history, placed), evidence(query, placed)
    preferred = stronger(of_history, of_query, ranks[1] >= ranks[0])
    others = np.setdiff1d(np.arange(len(items)), lines)
    alone = evidence(asking.take(others), items[others])
    order = np.argsort(np.concatenate([lines, others]))
    together = [*preferred, *alone]
    return [together[place] for place in order.tolist()]


def _parts(mixed: Histories) -> tuple[Histories, Histories]:
    """The same requests without their words, and with these alone."""
    strangers: dict[str, Any] = {name: part * 0 for name, part in mixed.users.items()}
    return replace(mixed, queries={}), replace(mixed, stops=mixed.starts, users=strangers)


def has_query(histories: Histories) -> Mask:
    """(n,) which requests say something that at least one block understands."""
    found = np.zeros(len(histories), dtype=np.bool_)
    for words in histories.queries.values():
        found |= np.asarray(abs(words).sum(axis=1)).ravel() > 0
    return found
