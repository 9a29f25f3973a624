"""Worlds in which it is known what each block of features is worth."""

from dataclasses import dataclass

import numpy as np
import polars as pl

import palate
from palate.core.dataset import Dataset
from palate.core.features import Features
from palate.core.split import Split
from palate.core.types import FitContext

TOPICS, ITEMS, USERS, DIM = 10, 200, 300, 16


@dataclass(frozen=True)
class PlantedBlocks:
    """People who keep to two topics, and blocks that say more or less of the topics."""

    split: Split
    features: Features

    def ndcg(self, fusion=None, selection=(), blocks=None, features=None) -> float:
        """NDCG@10 of `content` on what people did later, with these blocks fused."""
        train = self.split.train
        features = self.features if features is None else features
        features = features if blocks is None else features.select(blocks)
        for transform in filter(None, (fusion, *selection)):
            features = transform.fit(features, train).transform(features)
        model = palate.Content().fit(train, FitContext(items=features))
        found = palate.evaluate(model, self.split, metrics=("ndcg",), beyond=False, resamples=10)
        return found["ndcg@10"]

    def best_block(self) -> float:
        return max(self.ndcg(blocks=[name]) for name in self.features.parts)


def planted_blocks(seed, noise, *, missing=None, poor=None, timed=True) -> PlantedBlocks:
    """`noise` is how loud it is in each block, by name, against a topic's direction of length 1.

    Items in `missing` (block → share) lack the block; those in `poor` have nothing but noise there.
    """
    rng = np.random.default_rng(seed)
    topic = rng.integers(0, TOPICS, ITEMS)
    items = pl.DataFrame({"item_id": [f"item {row}" for row in range(ITEMS)]})
    parts = {}
    for name, loud in noise.items():
        directions = rng.normal(size=(TOPICS, DIM))
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        own = directions[topic] if np.isfinite(loud) else np.zeros((ITEMS, DIM))
        level = loud if np.isfinite(loud) else 1.0
        part = own + level * rng.normal(size=(ITEMS, DIM)) / DIM**0.5
        hidden = rng.random(ITEMS) < (poor or {}).get(name, 0.0)
        part[hidden] = rng.normal(size=(int(hidden.sum()), DIM))
        part /= np.linalg.norm(part, axis=1, keepdims=True)
        part[rng.random(ITEMS) < (missing or {}).get(name, 0.0)] = 0.0
        parts[name] = part.astype(np.float32)
    data = Dataset(interactions=_events(rng, topic, timed=timed), items=items)
    split = palate.split_by_time(data, test=0.25) if timed else palate.split_leave_last_out(data)
    return PlantedBlocks(split, Features(data.item_ids, parts))


def _events(rng, topic, *, timed):
    rows = []
    for user in range(USERS):
        liked = rng.choice(TOPICS, 2, replace=False)
        odds = np.where(np.isin(topic, liked), 1.0, 0.02)
        chosen = rng.choice(ITEMS, int(rng.integers(8, 16)), replace=False, p=odds / odds.sum())
        start = rng.random() * 100
        rows += [(f"user {user}", f"item {row}", start + step) for step, row in enumerate(chosen)]
    table = pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp"], orient="row")
    table = table.sort("timestamp", maintain_order=True)
    return table if timed else table.drop("timestamp")
