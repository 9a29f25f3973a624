"""What placed an item where it stands: behaviour, content, or what is known of who asks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palate.core.arrays import Floats, Mask, Rows
from palate.core.evidence import Evidence, by_request
from palate.core.features import Features
from palate.core.histories import Histories
from palate.core.types import content_of
from palate.recommenders.two_stage.candidates import Candidates
from palate.recommenders.two_stage.catalogue import Catalogue
from palate.recommenders.two_stage.profiles import (
    NEAR,
    ODDS,
    SAID,
    profile_signals,
)
from palate.recommenders.two_stage.retrievers import Signal

_PEOPLE, _WORDS = 0, 1


@dataclass(frozen=True)
class Shares:
    """(n,) what moved the trees' score of item i at request i: sums of SHAP values, by family.

    Zeros for what was no candidate, which no tree has judged.
    """

    behaviour: Floats
    content: Floats
    people: Floats
    words: Floats

    @classmethod
    def of(
        cls,
        candidates_of: Callable[[Histories], Candidates],
        shares_of: Callable[[Floats], Any],
        columns: Mapping[str, NDArray[np.bool_]],
        asking: Histories,
        items: Rows,
    ) -> Shares:
        """`shares_of` gives SHAP values of rows, the expectation last; `columns` are families."""
        sums = {name: np.zeros(len(items), dtype=np.float32) for name in columns}
        for lines, requests, place in by_request(asking):
            found = candidates_of(requests)
            at = found.items[place] == items[lines, None]
            proposed = at.any(axis=1)
            if not proposed.any():
                continue
            rows = found.features[place[proposed], at[proposed].argmax(axis=1)]
            shares = np.asarray(shares_of(rows))[:, :-1]
            for name, chosen in columns.items():
                sums[name][lines[proposed]] = shares[:, chosen].sum(axis=1)
        return cls(**sums)

    @classmethod
    def none(cls, count: int) -> Shares:
        """Where no tree has judged anything."""
        return cls(*np.zeros((4, count), dtype=np.float32))


def families_of(
    names: Sequence[str], families: Sequence[str], features: Features | None
) -> dict[str, Mask]:
    """Which columns of the trees belong to each field of `Shares`."""
    content = content_of(features)
    learnt = () if features is None else tuple(features.behavioural)
    said = np.array([SAID in name for name in names], dtype=np.bool_)
    people = np.array([name.partition(" (")[0] in (NEAR, ODDS) for name in names], dtype=np.bool_)
    return {
        "behaviour": np.isin(families, ["behaviour", *learnt]),
        "content": np.isin(families, [] if content is None else list(content.parts)) & ~said,
        "people": people,
        "words": said,
    }


def with_profiles(
    found: list[Evidence],
    shares: Shares,
    asking: Histories,
    items: Rows,
    statistics: Mapping[str, Any],
    catalogue: Catalogue,
) -> list[Evidence]:
    """Where who asks placed the item, that speaks; a text query goes before.

    Beside a history, the trees decide; without one, what adds more to the sum that orders then.
    `items` are rows of the statistics.
    """
    strength = np.zeros((len(items), 2), dtype=np.float32)
    known = asking.has_profile
    history = known & (asking.lengths > 0)
    others = np.maximum(np.maximum(shares.behaviour, shares.content), 0)
    for column, own in ((_PEOPLE, shares.people), (_WORDS, shares.words)):
        strength[:, column] = np.where(history & (own > others), own, 0)
    lines = np.flatnonzero(known & (asking.lengths == 0))
    strength[lines] = _parts_of_sum(asking.take(lines), items[lines], statistics, catalogue)
    kinds = ("profile", "about")
    return [
        Evidence(kinds[int(parts.argmax())])  # type: ignore[arg-type]
        if parts.max() > 0 and one.kind != "words"
        else one
        for one, parts in zip(found, strength, strict=True)
    ]


def _parts_of_sum(
    asking: Histories, items: Rows, statistics: Mapping[str, Any], catalogue: Catalogue
) -> Floats:
    """(n, 2) what people alike, and the words of a profile, add to the plain sum of item i."""
    found = np.zeros((len(items), 2), dtype=np.float32)
    for lines, requests, place in by_request(asking):
        for name, scores, weight in profile_signals(requests, statistics, catalogue):
            signal = Signal(name, scores, weight)
            mean, deviation = signal.moments()
            standard = weight * (signal.dense - mean) / deviation
            column = _WORDS if name.endswith(SAID) else _PEOPLE
            found[lines, column] += standard[place, items[lines]]
    return found
