"""Several recommenders as one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field
from functools import partial
from itertools import chain
from typing import Annotated, Any, Self

import numpy as np
from pydantic import Field

from palate.core import registry
from palate.core.arrays import Floats, Rows
from palate.core.component import check_fitted, check_types, component, learnt
from palate.core.dataset import Dataset
from palate.core.evidence import Evidence, from_popularity, scores_at
from palate.core.features import Features
from palate.core.histories import Histories
from palate.core.learnt import agree
from palate.core.optional import Requirement, requirements_of
from palate.core.settings import AnyRecommender
from palate.core.types import FitContext, Recommender, check_context
from palate.recommenders._base import require, zscores
from palate.recommenders._text_queries import fused_with_queries

__all__ = ["Blend"]


def _default_parts() -> list[dict[str, Any]]:
    return [{"type": "covisit"}, {"type": "content"}]


@component
class Blend:
    """A hybrid: the weighted sum of other recommenders' z-scores, each over the catalogue.

    `parts` are tables as a pipeline file holds them (`{type = "covisit", window = 5}`) or
    recommenders, of which the settings are taken; `weights` are 1 each where left out.
    """

    parts: Annotated[list[AnyRecommender], Field(min_length=1)] = field(
        default_factory=_default_parts
    )
    weights: list[float] | None = None

    parts_: list[Recommender] = learnt()

    def __post_init__(self) -> None:
        check_types(self)
        self.parts = [
            registry.table_of(part, where=f"blend.parts[{place}]")
            for place, part in enumerate(self.parts)
        ]
        count = len(self.parts) if self.weights is None else len(self.weights)
        require(
            count == len(self.parts),
            f"weights has {count} numbers for {len(self.parts)} parts: give one each",
        )
        self._build()

    @property
    def requires(self) -> tuple[Requirement, ...]:
        """What its parts need."""
        return tuple(chain.from_iterable(map(requirements_of, self._build())))

    @property
    def reads_users(self) -> bool | str:
        """Whether a part does; "words" where none reads more."""
        said = [getattr(part, "reads_users", False) for part in self._build()]
        return True in said or ("words" if "words" in said else any(said))

    def describe(self, data: Dataset) -> Iterator[str]:
        """What its parts say; raises as their `fit` does."""
        for part in self._build():
            yield from part.describe(data) if hasattr(part, "describe") else ()

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
            weight * scores_at(partial(_standard_scores, part), histories, items)
            for weight, part in zip(weights, self.parts_, strict=True)
        ]
        said = [_evidence_of(part, histories, items) for part in self.parts_]
        strongest = np.argmax(added, axis=0).tolist()
        return [said[place][line] for line, place in enumerate(strongest)]

    def add_items(self, items: Features) -> Self:
        """Items that arrived later, for every part."""
        check_fitted(self)
        parts = [registry.apart(part) for part in self.parts_]
        for part in parts:
            part.add_items(items)
        self.parts_ = parts
        return self

    def update_items(self, items: Features) -> Self:
        """Known items that say something else now, for every part."""
        check_fitted(self)
        parts = [registry.apart(part) for part in self.parts_]
        for part in parts:
            part.update_items(items)
        self.parts_ = parts
        return self

    @property
    def keeps_fit(self) -> tuple[str, ...]:
        """What of its parts stays as it was fitted, when events come."""
        return tuple(chain.from_iterable(map(registry.kept_of_fit, self.parts_)))

    def refresh(self, data: Dataset, context: FitContext = FitContext()) -> Self:
        """Other events than those of the fit: what its parts count follows."""
        check_fitted(self)
        parts: list[Any] = [registry.apart(part) for part in self.parts_]
        for part in parts:
            if hasattr(part, "refresh"):
                part.refresh(data, context)
        self.parts_ = parts
        return self

    def check_learnt(self) -> None:
        """Raises `ValueError` for other recommenders than the settings ask for."""
        uses = [registry.name_of(part) for part in self.parts_]
        agree(uses == [table["type"] for table in self.parts], f"parts_ are {', '.join(uses)}")

    def _build(self) -> list[Recommender]:
        return [
            registry.build("recommenders", table, where=f"blend.parts[{place}]")
            for place, table in enumerate(self.parts)
        ]


def _standard_scores(part: Recommender, histories: Histories) -> Floats:
    return zscores(part.score(histories))


def _evidence_of(part: Any, histories: Histories, items: Rows) -> list[Evidence]:
    if hasattr(part, "evidence"):
        return list(part.evidence(histories, items))
    return from_popularity(items)
