"""Several recommenders as one."""

from __future__ import annotations

from dataclasses import field
from typing import Annotated, Any, Self

import numpy as np
from pydantic import Field

from palate.core.arrays import Floats, Rows
from palate.core.component import check_fitted, component
from palate.core.dataset import Dataset
from palate.core.evidence import Evidence
from palate.core.histories import Histories
from palate.core.settings import AnyRecommender
from palate.core.types import FitContext, check_context
from palate.recommenders._base import require, zscores
from palate.recommenders._committee import Committee, evidence_of, standard_scores_at
from palate.recommenders._text_queries import fused_with_queries

__all__ = ["Blend"]


def _default_parts() -> list[dict[str, Any]]:
    return [{"type": "covisit"}, {"type": "content"}]


@component
class Blend(Committee):
    """A hybrid: the weighted sum of other recommenders' z-scores, each over the catalogue.

    `parts` are tables as a pipeline file holds them (`{type = "covisit", window = 5}`) or
    recommenders, of which the settings are taken; `weights` are 1 each where left out.
    """

    parts: Annotated[list[AnyRecommender], Field(min_length=1)] = field(
        default_factory=_default_parts
    )
    weights: list[float] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        count = len(self.parts) if self.weights is None else len(self.weights)
        require(
            count == len(self.parts),
            f"weights has {count} numbers for {len(self.parts)} parts: give one each",
        )

    def fit(self, data: Dataset, context: FitContext = FitContext()) -> Self:
        check_context(context)
        self.parts_ = [part.fit(data, context) for part in self._build()]
        return self

    def score(self, histories: Histories) -> Floats:
        """(n, n_items) weighted sums of z-scores; reciprocal ranks for a history with words."""
        check_fitted(self)
        return fused_with_queries(self._score_all, histories)

    def _score_all(self, histories: Histories) -> Floats:
        weights = self.weights or [1.0] * len(self.parts)
        total = np.float32(weights[0]) * zscores(self.parts_[0].score(histories))
        for weight, part in zip(weights[1:], self.parts_[1:], strict=True):
            total += np.float32(weight) * zscores(part.score(histories))
        return total

    def evidence(self, histories: Histories, items: Rows) -> list[Evidence]:
        """For request i and item i: what the part says that adds most to the score."""
        check_fitted(self)
        weights = self.weights or [1.0] * len(self.parts)
        added = [
            weight * standard_scores_at(part, histories, items)
            for weight, part in zip(weights, self.parts_, strict=True)
        ]
        said = [evidence_of(part, histories, items) for part in self.parts_]
        strongest = np.argmax(added, axis=0).tolist()
        return [said[place][line] for line, place in enumerate(strongest)]
