"""What speaks for a recommendation: the kind of link, and the item it starts from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy import sparse

from palate.histories import Histories
from palate.types import Features, Floats, Rows, to_dense

Kind = Literal["together", "alike", "words", "popular", "new"]

_ANCHORS = 20


@dataclass(frozen=True)
class Evidence:
    """What speaks most for one recommended item, and the item of the history it comes from."""

    kind: Kind
    anchor: int = -1


def nearest_in_history(matrix: Any, histories: Histories, items: Rows) -> tuple[Rows, Floats]:
    """For request i and item i: the newest items' best link `matrix[anchor, item]`, and which.

    `matrix` is a sparse (n_items, n_items) array of links, or Features parts to take cosines of.
    """
    anchors = np.full(len(items), -1, dtype=np.int32)
    strengths = np.zeros(len(items), dtype=np.float32)
    recent = histories.last(_ANCHORS)
    for row, item in enumerate(items):
        history = recent.row(row)
        history = history[history != item]
        if not len(history):
            continue
        links = _links(matrix, history, int(item))
        best = len(links) - 1 - int(np.argmax(links[::-1]))
        if links[best] > 0:
            anchors[row], strengths[row] = history[best], links[best]
    return anchors, strengths


def _links(matrix: Any, history: Rows, item: int) -> Floats:
    if isinstance(matrix, Features):
        total = np.zeros(len(history), dtype=np.float32)
        for part in matrix.parts.values():
            rows, own = to_dense(part[history]), to_dense(part[[item]])[0]
            norms = np.linalg.norm(rows, axis=1) * np.linalg.norm(own)
            total += (rows @ own) / np.maximum(norms, 1e-9)
        return total
    if sparse.issparse(matrix):
        return np.asarray(matrix[history][:, [item]].todense(), dtype=np.float32).ravel()
    return np.asarray(matrix[history, item], dtype=np.float32)


def evidence_from_features(
    features: Features | None, histories: Histories, items: Rows
) -> list[Evidence]:
    """Evidence for a recommender that cannot say more: the history's item nearest in content."""
    if features is None or not features.parts:
        return [Evidence("popular")] * len(items)
    content = features.select(name for name in features.parts if name not in features.behavioural)
    anchors, _ = nearest_in_history(content, histories, items)
    silent: Evidence = Evidence("words") if histories.queries else Evidence("popular")
    return [Evidence("alike", int(anchor)) if anchor >= 0 else silent for anchor in anchors]
