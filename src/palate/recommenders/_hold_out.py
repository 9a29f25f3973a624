"""Events of the training part that are held out, to see which of several recommenders does best."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palate.core.arrays import Floats, Mask, Rows
from palate.core.columns import TIME, USER
from palate.core.dataset import Dataset
from palate.core.histories import Histories, histories_of, ragged_positions, turned_down_before
from palate.core.ids import Ids
from palate.core.topk import tie_order
from palate.core.types import FitContext, Recommender

SHARE = 0.2  # of the events, the newest, where they have times
PEOPLE = 3  # of so many people one is held out, where they have none
FEWEST = 200  # requests: with fewer, chance would choose
REQUESTS = 4000  # at most: more say little more
_SPARE = 3  # times as many are looked at: some are no news to their person
TOP = 10  # of the list that is judged
_CHUNK_CELLS = 4_000_000


@dataclass(frozen=True)
class HeldOut:
    """What is known of the training part, with its features, and what is asked of it.

    One request is one choice that was new to its person: `asking` holds all that they did before,
    `answers` the choice.
    """

    known: Dataset
    context: FitContext
    asking: Histories
    answers: Rows

    def __len__(self) -> int:
        return len(self.answers)

    @property
    def enough(self) -> bool:
        """Whether anything can be learnt from it."""
        return len(self) >= FEWEST and len(self.known.interactions) > 0

    def take(self, rows: NDArray[np.int64]) -> HeldOut:
        """Some of the requests."""
        return replace(self, asking=self.asking.take(rows), answers=self.answers[rows])

    def fitted(self, parts: Sequence[Recommender]) -> list[Recommender]:
        """Recommenders that have learnt from what is known, and from nothing else."""
        return [part.fit(self.known, self.context) for part in parts]

    def chunks(self) -> Iterator[slice]:
        """Requests, so few at a time that their scores take little room."""
        step = max(1, _CHUNK_CELLS // max(len(self.known.item_ids), 1))
        for start in range(0, len(self), step):
            yield slice(start, min(start + step, len(self)))

    @property
    def people(self) -> NDArray[np.int64]:
        """(n,) whose each request is, as numbers: what one person does is no independent news."""
        return np.unique(self.asking.user_ids.to_numpy(), return_inverse=True)[1].astype(np.int64)


def hold_out(data: Dataset, context: FitContext, *, seed: int = 0) -> HeldOut:
    """The newest events, as somebody who fits today would have met them; else some of the people.

    Where events have times, a fifth of them, the newest, are asked about, each with all that its
    person did before it, strangers among them. Without times a third of the people are asked about,
    of whom nothing else is known, each event but the first with those before it. Choices that are
    no news to their person are left out: lists do not show them.
    """
    histories, times = histories_of(data), data.times
    if times is not None and len(times):
        start = np.sort(times)[-max(1, round(SHARE * len(times)))]
        kept = data.events[TIME].to_numpy() < start
        row, position = ragged_positions(histories.starts, histories.stops)
        asked = np.asarray(histories.times)[position] >= start
    else:
        drawn = shuffled(hashes_of(data.user_ids), seed) % np.uint64(PEOPLE) == 0
        kept = ~drawn[data.user_ids.rows(data.events[USER])]
        row, position = ragged_positions(
            np.minimum(histories.starts + 1, histories.stops), histories.stops
        )
        asked = drawn[row]
    row, position = row[asked], position[asked]
    # which of them, and in which order, is for ids alone to say; more than are asked, for repeats
    place = (position - histories.starts[row]).astype(np.uint64)
    number = shuffled(shuffled(hashes_of(data.user_ids), seed)[row] + place, seed)
    some = np.argsort(number, kind="stable")[: _SPARE * REQUESTS]
    row, position = row[some], position[some]
    known, answers = data.part(kept), histories.items[position]
    of_part = context.on_part(known)
    before = None
    if histories.times is not None:
        before = turned_down_before(histories, row, histories.times[position])
    asking = replace(histories.take(row), stops=position, against=before)
    few = np.flatnonzero(~_known_to_them(asking, answers))[:REQUESTS]
    asking = asking.take(few).with_users(of_part.users)
    return HeldOut(known, of_part, asking, answers[few])


def _known_to_them(asking: Histories, answers: Rows) -> Mask:
    """(n,) which answers are in the history already."""
    row, position = ragged_positions(asking.starts, asking.stops)
    again = asking.items[position] == answers[row]
    return np.bincount(row[again], minlength=len(asking)) > 0


def hashes_of(ids: Ids) -> NDArray[np.uint64]:
    """(n,) a number for each id, which looks random and is its own, whoever else is there."""
    digests = (hashlib.blake2b(name.encode(), digest_size=8).digest() for name in ids.series)
    return np.frombuffer(b"".join(digests), dtype="<u8").astype(np.uint64)


def shuffled(numbers: NDArray[np.uint64], seed: int) -> NDArray[np.uint64]:
    """Other such numbers for each seed (Steele et al. 2014, SplitMix64)."""
    step = np.uint64((seed + 1) * 0x9E3779B97F4A7C15 % 2**64)
    with np.errstate(over="ignore"):
        mixed = numbers + step
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
        return np.asarray(mixed ^ (mixed >> np.uint64(31)), dtype=np.uint64)


def ndcg_of(scores: Floats, asking: Histories, answers: Rows) -> NDArray[np.float64]:
    """(n,) NDCG@10 of the list without what each has seen; the answer is the one relevant item."""
    scores = np.array(scores, dtype=np.float32)
    line = np.arange(len(answers))
    own = scores[line, answers][:, None]
    seen = asking.seen()
    scores[np.repeat(line, np.diff(seen.indptr)), seen.indices] = -np.inf
    tie = tie_order(asking.item_ids)
    before = (scores > own) | ((scores == own) & (tie < tie[answers][:, None]))
    place = before.sum(axis=1)
    return np.where(place < TOP, 1.0 / np.log2(place + 2.0), 0.0)


def ndcg_of_parts(parts: Sequence[Any], held: HeldOut) -> NDArray[np.float64]:
    """(n, parts) NDCG@10 of each recommender at each request."""
    found = np.zeros((len(held), len(parts)))
    for chunk in held.chunks():
        asking, answers = held.asking.take(chunk), held.answers[chunk]
        for place, part in enumerate(parts):
            found[chunk, place] = ndcg_of(part.score(asking), asking, answers)
    return found


def sureness(differences: NDArray[np.float64], people: NDArray[np.int64]) -> float:
    """The mean difference in its standard errors, over people rather than over their requests."""
    if not len(differences):
        return 0.0
    _, person = np.unique(people, return_inverse=True)
    totals, counts = np.bincount(person, differences), np.bincount(person)
    mean = totals.sum() / counts.sum()
    n = len(counts)
    spread = float(np.sqrt(((totals - mean * counts) ** 2).sum() * n / max(n - 1, 1)))
    return float(mean * counts.sum() / max(spread, 1e-12)) if mean else 0.0
