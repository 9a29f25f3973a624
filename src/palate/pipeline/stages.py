"""What a pipeline is made of: its stages as they are given, and as they were learnt."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from palate.core.component import learnt
from palate.core.dataset import Dataset
from palate.core.features import Features
from palate.core.types import Encoder, Recommender, Reranker, Transform
from palate.features.fusion.concat import Concat
from palate.features.representation.whiten import Whiten
from palate.recommenders.ranker import Ranker


@dataclass(kw_only=True)
class Stages:
    """From left to right; what `fit` learns has a name that ends in `_`.

    Whoever checks, saves, loads or explains a pipeline knows it by these alone.
    """

    encoders: dict[str, Encoder] | None = None
    representation: list[Transform] = field(default_factory=lambda: [Whiten()])
    fusion: Transform = field(default_factory=Concat)
    selection: list[Transform] = field(default_factory=list)
    recommender: Recommender = field(default_factory=Ranker)
    rerankers: list[Reranker] = field(default_factory=list)
    data_: Dataset = learnt()
    features_: Features | None = learnt()
    column_vectors_: dict[str, dict[str, NDArray[np.float16]]] = learnt()
    encoders_: dict[str, Encoder] = learnt()
    transforms_: list[Transform] = learnt()
    recommender_: Recommender = learnt()
    rerankers_: list[Reranker] = learnt()
