"""What recommenders that are made of others share: each part is built, fitted and told alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from typing import Annotated, Any, Self

import numpy as np
from pydantic import Field

from palate.core import registry
from palate.core.arrays import Floats, Mask, Rows
from palate.core.component import check_fitted, check_types, learnt
from palate.core.dataset import Dataset
from palate.core.evidence import Evidence, from_popularity, scores_at
from palate.core.features import Features
from palate.core.histories import Histories
from palate.core.learnt import agree
from palate.core.optional import Requirement, requirements_of
from palate.core.settings import AnyRecommender
from palate.core.types import FitContext, Recommender
from palate.recommenders._base import zscores


@dataclass(kw_only=True)
class Committee:
    """A recommender of `parts`: tables as a pipeline file holds them, or recommenders, of which the
    settings are taken.
    """

    parts: Annotated[list[AnyRecommender], Field(min_length=1)] = field(default_factory=list)

    parts_: list[Recommender] = learnt()

    def __post_init__(self) -> None:
        check_types(self)
        called = registry.name_of(self)
        self.parts = [
            registry.table_of(part, where=f"{called}.parts[{place}]")
            for place, part in enumerate(self.parts)
        ]
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
        called = registry.name_of(self)
        return [
            registry.build("recommenders", table, where=f"{called}.parts[{place}]")
            for place, table in enumerate(self.parts)
        ]


def called(parts: list[Any]) -> list[str]:
    """What to call each part in a sentence: its type, with its place where others have it too."""
    uses = [str(table["type"]) for table in parts]
    return [
        f"{use} ({place + 1})" if uses.count(use) > 1 else use for place, use in enumerate(uses)
    ]


def hearing(parts: Sequence[Recommender], asking: Histories) -> Mask:
    """(parts, n) whose scores the words of each request change."""
    silent = replace(asking, queries={})
    changed = [(part.score(asking) != part.score(silent)).any(axis=1) for part in parts]
    return np.stack(changed)


def standard_scores(part: Recommender, histories: Histories) -> Floats:
    """(n, n_items) z-scores of what a part gives, each row over the catalogue."""
    return zscores(part.score(histories))


def standard_scores_at(part: Recommender, histories: Histories, items: Rows) -> Floats:
    """(n,) the z-score that a part gives item i at request i."""
    return scores_at(partial(standard_scores, part), histories, items)


def evidence_of(part: Any, histories: Histories, items: Rows) -> list[Evidence]:
    """What a part says for item i at request i; one that cannot say is taken for popular."""
    if hasattr(part, "evidence"):
        return list(part.evidence(histories, items))
    return from_popularity(items)
