"""A split: what may be learnt from, who asks afterwards, and the sealed answers."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from palate.core.arrays import Floats, Rows
from palate.core.dataset import Dataset
from palate.core.doors import door_of
from palate.core.histories import Histories


@dataclass(frozen=True, eq=False)
class Answers:
    """What the people did next: ragged catalogue rows. Only `palate.evaluation` opens it."""

    starts: NDArray[np.int64]
    stops: NDArray[np.int64]
    items: Rows
    values: Floats | None = None

    def __len__(self) -> int:
        return len(self.starts)


@door_of
@dataclass(frozen=True, eq=False)
class Split:
    """What may be learnt from, who asks afterwards, and the sealed answers.

    `train` holds the whole catalogue, but only training interactions. `exclude_seen` says whether
    the protocol masks what a person already touched; `cold_items` are the rows that were held back.
    """

    name: str
    train: Dataset
    histories: Histories
    sealed: Answers
    exclude_seen: bool = True
    cold_items: Rows = field(default_factory=lambda: np.empty(0, dtype=np.int32))
