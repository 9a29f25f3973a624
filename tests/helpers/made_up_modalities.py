"""Encoders of an outside package: vectors by topic for photos, sounds, moods, facts and a graph."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from palate.core.arrays import Floats
from palate.core.component import check_fitted, learnt
from palate.core.dataset import Dataset
from palate.core.features import Features

TOPICS = ("tea", "bikes", "jazz", "chess")


def noise(name: str, width: int) -> Floats:
    return np.random.default_rng(list(name.encode())).normal(size=width).astype(np.float32)


def vectors(data: Dataset, width: int, start: int) -> Floats:
    """A direction for each topic, and some noise for each item."""
    centres = np.random.default_rng(start).normal(size=(len(TOPICS), width))
    rows = []
    for name, topic in data.items.select("item_id", "category").iter_rows():
        centre = centres[TOPICS.index(topic)] if topic in TOPICS else 0 * centres[0]
        rows.append(centre + 0.3 * noise(f"{start} {name}", width))
    return np.array(rows, dtype=np.float32).reshape(-1, width)


@dataclass(kw_only=True)
class Photos:
    """20 numbers far from unit length, and a mark: every fifth item has no photo."""

    width: int = 20
    typical_: Floats = learnt()

    def lacks(self, data: Dataset):
        return np.array([sum(name.encode()) % 5 == 0 for name in data.items["item_id"]])

    def fit(self, data: Dataset) -> Self:
        rows = data.warm_items
        rows = rows[~self.lacks(data)[rows]]
        self.typical_ = (7 + vectors(data, self.width, 1))[rows].mean(axis=0, dtype=np.float64)
        self.typical_ = self.typical_.astype(np.float32)
        return self

    def encode(self, data: Dataset) -> Features:
        check_fitted(self)
        found, lacks = 7 + vectors(data, self.width, 1), self.lacks(data)
        found[lacks] = self.typical_
        return Features(data.item_ids, {"photos": np.column_stack([found, lacks])})


@dataclass(kw_only=True)
class Numbers:
    """`width` numbers of very different units, two blocks of them if `twice`."""

    width: int = 3
    twice: bool = False
    behavioural: bool = False
    ready_: bool = learnt()

    def fit(self, data: Dataset) -> Self:
        self.ready_ = True
        return self

    def encode(self, data: Dataset) -> Features:
        check_fitted(self)
        values = 50 + vectors(data, self.width, 2) * 10.0 ** -np.arange(self.width)
        parts = {"numbers": values}
        if self.twice:
            parts["others"] = 3 * vectors(data, self.width + 1, 4)
        return Features(data.item_ids, parts, behavioural=parts if self.behavioural else ())
