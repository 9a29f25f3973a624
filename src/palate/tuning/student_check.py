"""How near a student comes to its teacher: who is whose neighbour, and what is recommended."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import nan

import numpy as np
from numpy.typing import NDArray

from palate.core.arrays import Floats, to_dense, unit_rows
from palate.core.dataset import Dataset
from palate.core.errors import DataError
from palate.core.features import Features
from palate.core.split import Answers, Split
from palate.core.types import FitContext
from palate.data.split import split_by_time, split_leave_last_out
from palate.evaluation.compare import compare
from palate.evaluation.significance import Interval
from palate.features.representation.whiten import Whiten
from palate.features.template_encoder import TemplateEncoder
from palate.recommenders.content import Content

NEIGHBOURS = 10
TEACHER, STUDENT = "teacher", "student"
_MOST_REQUESTS = 5_000
_MOST_ITEMS = 50_000  # beyond, only a sample of the catalogue goes through the teacher
_METRIC = "ndcg@10"


@dataclass(frozen=True)
class Loss:
    """NDCG@10 of the `content` recommender with each one's vectors, on events held back.

    `difference` is the student's minus the teacher's, with its interval over people.
    """

    teacher: Interval
    student: Interval
    difference: Interval
    requests: int


class Pair:
    """Teacher and student over one catalogue; items beyond some ten thousand are a sample."""

    def __init__(
        self,
        texts: Sequence[str],
        held: NDArray[np.int64],
        teacher: TemplateEncoder,
        student: TemplateEncoder,
    ) -> None:
        others = np.setdiff1d(np.arange(len(texts)), held)
        self.whole = len(texts) <= _MOST_ITEMS
        if not self.whole:
            count = min(_MOST_ITEMS, len(others))
            others = np.sort(np.random.default_rng(0).choice(others, count, replace=False))
        self.rows = np.sort(np.concatenate([held, others]))
        self.held = np.searchsorted(self.rows, held)
        asked = [texts[row] for row in self.rows]
        student.encode_texts(["a"])  # loads it
        started = time.perf_counter()
        self.student = to_dense(student.encode_texts(asked))
        self.rate = len(asked) / max(time.perf_counter() - started, 1e-9)
        self.teacher = to_dense(teacher.encode_texts(asked))

    def agreement(self) -> float:
        """The share of the ten nearest, centred, that both have for the held-out items."""
        one, other = (_neighbours(part, self.held) for part in (self.teacher, self.student))
        shared = [len(np.intersect1d(a, b)) for a, b in zip(one, other, strict=True)]
        return sum(shared) / one.size if one.size else nan

    def loss(self, data: Dataset, seed: int) -> Loss | None:
        """What `content` finds with either one's vectors; None where there is nothing to ask."""
        split = _validation(data, seed) if self.whole else None
        if split is None:
            return None
        models = {}
        for name, part in ((TEACHER, self.teacher), (STUDENT, self.student)):
            features = Features(data.item_ids, {"text": part})
            features = Whiten().fit(features, split.train).transform(features)
            models[name] = Content().fit(split.train, FitContext(items=features))
        found = compare(models, split, reference=TEACHER, metrics=("ndcg",), beyond=False)
        cells = {name: found.cell(name, _METRIC) for name in models}
        apart = cells[STUDENT].difference
        one, other = cells[TEACHER].interval, cells[STUDENT].interval
        return None if apart is None else Loss(one, other, apart, len(split.histories))


def _neighbours(vectors: Floats, asked: NDArray[np.int64]) -> NDArray[np.int64]:
    """(n, 10) nearest other rows of some, by cosine after centring."""
    units = to_dense(unit_rows(vectors - vectors.mean(axis=0)))
    cosines = units[asked] @ units.T
    cosines[np.arange(len(asked)), asked] = -np.inf
    k = min(NEIGHBOURS, len(units) - 1)
    return np.argsort(-cosines, axis=1, kind="stable")[:, :k]


def _validation(data: Dataset, seed: int) -> Split | None:
    """The last tenth of the events by time, or everybody's last; a sample of the requests."""
    try:
        timed = data.times is not None
        split = split_by_time(data, test=0.1) if timed else split_leave_last_out(data)
    except DataError:  # too few events to hold any out
        return None
    if not len(split.histories):
        return None
    rows = np.random.default_rng(seed).permutation(len(split.histories))
    rows = np.sort(rows[:_MOST_REQUESTS])
    sealed = split.sealed
    values = sealed.values
    answers = Answers(sealed.starts[rows], sealed.stops[rows], sealed.items, values)
    return replace(split, histories=split.histories.take(rows), sealed=answers)
