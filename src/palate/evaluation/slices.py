"""Which requests, and which of their answers, make up "new items", "long tail" and the others."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from palate.core.arrays import Mask
from palate.core.columns import USER
from palate.core.dataset import Dataset
from palate.core.split import Split
from palate.evaluation.metrics.ranking import OpenAnswers

HEAD_SHARE: Final = 0.8
SHORT_HISTORY: Final = 5
_LENGTHS: Final = (
    ("history_0", "no events", 0, 0),
    ("history_1_5", "1 to 5 events", 1, 5),
    ("history_6_20", "6 to 20 events", 6, 20),
    ("history_21_100", "21 to 100 events", 21, 100),
    ("history_101_up", "over 100 events", 101, math.inf),
)


@dataclass(frozen=True, eq=False)
class Slice:
    """A part of what is asked: some requests (n,) and some of the answers (A,).

    A slice of items keeps the answers that are such items and the requests that still have one;
    the ranked list stays that of the whole catalogue, and a right answer outside the slice takes
    up its place in it. A slice of people keeps requests with all their answers. Where each request
    has one answer both are plain subsets of the requests. A request without answers is in none.
    """

    name: str
    label: str
    requests: Mask
    answers: Mask

    def __len__(self) -> int:
        return int(self.requests.sum())


def head_items(train: Dataset) -> Mask:
    """(n_items,) the most popular items, which together hold `HEAD_SHARE` of the training events.

    The fewest such items, but items as popular as the last of them belong too, so that the order
    of the catalogue decides nothing. All others are the long tail, new items among them.
    """
    counts = train.item_counts
    falling = np.sort(counts)[::-1]
    needed = HEAD_SHARE * counts.sum()
    last = min(int(np.searchsorted(np.cumsum(falling), needed)), len(falling) - 1)
    threshold = falling[last] if len(falling) else 0
    mask: Mask = counts >= max(int(threshold), 1)
    return mask


def cold_users(split: Split) -> Mask:
    """(n,) requests of people without any training event."""
    known = split.train.interactions[USER].unique()
    return ~split.histories.user_ids.is_in(known.implode()).to_numpy()


def slices_of(split: Split, answers: OpenAnswers) -> list[Slice]:
    """All slices, "all" first; one may be empty."""
    head = head_items(split.train)[answers.item]
    new = (split.train.event_counts == 0)[answers.item]
    lengths = split.histories.lengths
    everybody = np.ones(answers.n, dtype=bool)
    return [
        _of_users("all", "all", everybody, answers),
        _of_items("cold_items", "new items", new, answers),
        _of_items("long_tail", "long tail", ~head, answers),
        _of_items("head", "head", head, answers),
        _of_users("short_history", f"≤ {SHORT_HISTORY} events", lengths <= SHORT_HISTORY, answers),
        _of_users("cold_users", "new people", cold_users(split), answers),
        *(
            _of_users(name, label, (lengths >= low) & (lengths <= high), answers)
            for name, label, low, high in _LENGTHS
        ),
    ]


def _of_items(name: str, label: str, mask: Mask, answers: OpenAnswers) -> Slice:
    left = np.bincount(answers.request[mask], minlength=answers.n)
    return Slice(name, label, left > 0, mask)


def _of_users(name: str, label: str, mask: Mask, answers: OpenAnswers) -> Slice:
    return Slice(name, label, mask & (answers.counts > 0), mask[answers.request])
