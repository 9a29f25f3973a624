"""Requests of people who did something and also say something: both are heard."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from palate.core.arrays import Floats, Mask, Matrix, Rows, row_norms
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


def fused_with_profiles(
    score: Callable[[Histories], Floats], asking: Histories, words: Mapping[str, Matrix]
) -> Floats:
    """`score`, for people whose profile says something: `words`, vectors by block, one row each.

    Who did and asks nothing is scored by these words alone. Beside a history the two lists are
    fused by reciprocal ranks, the profile's counting 1 / (1 + events): it fades.
    """
    scores, said = score(asking), _says_something(words, len(asking))
    if not said.any():
        return scores
    profile = score(_profile_alone(asking, words).take(said))
    known = asking.lengths[said] + has_query(asking)[said]
    rows, alone = np.flatnonzero(said), known == 0
    scores[rows[alone]] = profile[alone]
    if not alone.all():
        weight = (1 / (1 + known[~alone, None])).astype(np.float32)
        history = reciprocal_ranks(scores[rows[~alone]])
        scores[rows[~alone]] = history + weight * reciprocal_ranks(profile[~alone])
    return scores


def evidence_with_profiles(
    evidence: Callable[[Histories, Rows], list[Evidence]],
    score: Callable[[Histories], Floats],
    asking: Histories,
    words: Mapping[str, Matrix],
    items: Rows,
) -> list[Evidence]:
    """`evidence`, and "about" where a profile's words place item i higher than all else does."""
    found = evidence(asking, items)
    lines = np.flatnonzero(_says_something(words, len(asking)))
    if not len(lines):
        return found
    placed, profile = items[lines], _profile_alone(asking, words).take(lines)
    known = asking.take(lines)
    events = known.lengths + has_query(known)
    ranks = [
        scores_at(lambda part: reciprocal_ranks(score(part)), part, placed)
        for part in (known, profile)
    ]
    higher = (events == 0) | (ranks[1] / (1 + events) > ranks[0])
    speaks = [one.kind == "words" for one in evidence(profile, placed)]
    for line, about in zip(lines.tolist(), (higher & speaks).tolist(), strict=True):
        if about:
            found[line] = Evidence("about")
    return found


def _profile_alone(asking: Histories, words: Mapping[str, Matrix]) -> Histories:
    queries: Any = dict(words)
    return replace(asking, stops=asking.starts, queries=queries, users={})


def _says_something(words: Mapping[str, Matrix], count: int) -> Mask:
    found = np.zeros(count, dtype=np.bool_)
    for part in words.values():
        found |= row_norms(part) > 0
    return found


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
