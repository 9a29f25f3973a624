"""What a pipeline is made of: its stages as they are given, and as they were learnt."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self, TypedDict

import numpy as np
from numpy.typing import NDArray

from palate.core.component import check_fitted, learnt
from palate.core.dataset import Dataset
from palate.core.errors import new_name
from palate.core.features import Features
from palate.core.forks import check_process
from palate.core.html import page_table
from palate.core.parameters import Parameters
from palate.core.types import Encoder, Recommender, Reranker, Transform
from palate.features.fusion.concat import Concat
from palate.features.representation.whiten import Whiten
from palate.pipeline.dialect import component_line
from palate.recommenders.ranker import Ranker


class SinceFit(TypedDict):
    """When a fit was (a day, UTC), on how many events, and what has come and gone since then.

    `added` are those of the later events that are still there.
    """

    fitted: str
    events: int
    added: int
    users_removed: int


@dataclass(kw_only=True)
class Stages(Parameters):
    """From left to right; what `fit` learns has a name that ends in `_`.

    Whoever checks, saves, loads or explains a pipeline knows it by these alone.
    """

    encoders: Mapping[str, Encoder] | None = None
    users: Mapping[str, Encoder] | None = None
    representation: Sequence[Transform] = field(default_factory=lambda: [Whiten()])
    fusion: Transform = field(default_factory=Concat)
    selection: Sequence[Transform] = field(default_factory=list)
    user_representation: Sequence[Transform] | None = None
    user_fusion: Transform | None = None
    user_selection: Sequence[Transform] = field(default_factory=list)
    recommender: Recommender = field(default_factory=Ranker)
    rerankers: Sequence[Reranker] = field(default_factory=list)
    data_: Dataset = learnt()
    since_fit_: SinceFit = learnt()
    later_events_: NDArray[np.int64] = learnt()
    """How many of each person's events came since the fit, by `data_.user_ids`; empty for none."""
    withdrawn_: list[str] = learnt()
    features_: Features | None = learnt()
    column_vectors_: Mapping[str, Mapping[str, NDArray[np.float16]]] = learnt()
    encoders_: dict[str, Encoder] = learnt()
    transforms_: list[Transform] = learnt()
    user_encoders_: dict[str, Encoder] = learnt()
    user_transforms_: list[Transform] = learnt()
    user_features_: Features | None = learnt()
    recommender_: Recommender = learnt()
    rerankers_: list[Reranker] = learnt()

    def _now(self) -> Self:
        """The fitted model as it is: another, which no `add_items` or `fit` elsewhere changes."""
        check_process()
        check_fitted(self)
        view = object.__new__(type(self))
        vars(view).update(vars(self))
        return view

    def _repr_html_(self) -> str:
        known: Dataset | None = getattr(self, "data_", None)
        title = f"Pipeline of {known!r}" if known is not None else "Pipeline, not fitted yet"
        note = "" if known is None or self.features_ is None else repr(self.features_)
        return page_table(title, ("stage", "what stands there"), self._shown_stages(), note=note)

    def _shown_stages(self) -> Iterator[tuple[str, str]]:
        """(stage, component), with the encoders that a fit chose where none were named."""
        encoders = getattr(self, "encoders_", self.encoders)
        users = getattr(self, "user_encoders_", self.users)
        for stage, named in (("encoder", encoders), ("users", users)):
            if named is None:
                yield stage, "what suits the table"
            for name, encoder in (named or {}).items():
                yield f"{stage} {name}", component_line(encoder)
        stages: dict[str, Sequence[object]] = {
            "representation": self.representation,
            "fusion": [self.fusion],
            "selection": self.selection,
            "users: representation": self.user_representation or [],
            "users: fusion": [self.user_fusion] if self.user_fusion is not None else [],
            "users: selection": self.user_selection,
            "recommender": [self.recommender],
            "rerankers": self.rerankers,
        }
        for stage, components in stages.items():
            if components:
                yield stage, ", then ".join(map(component_line, components))

    if not TYPE_CHECKING:  # for which every name would be there

        def __getattr__(self, name: str) -> Any:
            now = new_name(name, dir(type(self)))
            hint = f". It is called {now!r} now" if now else ""
            message = f"{type(self).__name__!r} object has no attribute {name!r}{hint}"
            raise AttributeError(message, name=name, obj=None if now else self)
