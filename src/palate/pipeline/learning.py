"""What a fit does: every stage learns from the same data, from left to right."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from palate.core.arrays import places_of
from palate.core.dataset import Dataset
from palate.core.order import settled
from palate.core.parallel import one_blas_thread
from palate.core.types import FitContext, Reranker
from palate.features.default_encoders import default_encoders
from palate.pipeline.checks import check_blocks
from palate.pipeline.search.meaning import ReadWhenAsked
from palate.pipeline.stages import SinceFit, Stages
from palate.pipeline.user_features import (
    UserStages,
    context_of_both,
    fit_both,
    take_users,
)


def learnt_stages(pipeline: Stages, data: Dataset) -> dict[str, Any]:
    """What the copies of the given stages learn from `data`, by the names of the learnt fields.

    The pipeline itself is left alone.
    """
    ordered, rows = settled(data)
    chosen = default_encoders(ordered) if pipeline.encoders is None else pipeline.encoders
    check_blocks(pipeline, chosen)
    blank = [*pipeline.representation, pipeline.fusion, *pipeline.selection]
    encoders, transforms = copy.deepcopy((chosen, blank))
    recommender, rerankers = copy.deepcopy((pipeline.recommender, list(pipeline.rerankers)))
    blank_people = UserStages.blank(pipeline, ordered)
    people = copy.deepcopy(blank_people)
    with one_blas_thread:
        features, users = fit_both(encoders, transforms, people, ordered)
    if features is not None:
        features = features.take(places_of(rows))
    users = take_users(users, data.user_ids)
    context = context_of_both(features, users, chosen, blank, blank_people)
    fit_rerankers(rerankers, data, context)
    recommender.fit(data, context)
    return {
        "data_": data,
        "since_fit_": _fitted_now(data),
        "later_events_": np.empty(0, dtype=np.int64),
        "withdrawn_": [],
        "features_": features,
        "column_vectors_": ReadWhenAsked(encoders, ordered.items, places_of(rows)),
        "encoders_": encoders,
        "transforms_": transforms,
        "user_encoders_": dict(people.encoders),
        "user_transforms_": list(people.transforms),
        "user_features_": users,
        "recommender_": recommender,
        "rerankers_": rerankers,
    }


def _fitted_now(data: Dataset) -> SinceFit:
    """The day alone: the same fit twice on one day is the same model."""
    day = datetime.now(UTC).strftime("%Y-%m-%d")
    return {"fitted": day, "events": len(data.events), "added": 0, "users_removed": 0}


def fit_rerankers(rerankers: Sequence[Reranker], data: Dataset, context: FitContext) -> None:
    """Fits those that learn."""
    for reranker in rerankers:
        if hasattr(reranker, "fit"):
            reranker.fit(data, context)
