"""What somebody would give an item: values that a pipeline's recommender predicts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from math import isfinite
from numbers import Real
from typing import Any, TypeAlias

import numpy as np

from palate.core import registry
from palate.core.arrays import Floats, Rows
from palate.core.doors import door
from palate.core.errors import ConfigError, DataError, Message, Setting, first_offenders
from palate.core.histories import Histories
from palate.core.ids import id_list
from palate.core.types import ValuePredictor
from palate.pipeline.checks import check_histories, check_request, users_of
from palate.pipeline.requests import Unknown, requests_of
from palate.pipeline.stages import Stages
from palate.pipeline.user_features import with_profile, with_users_of

Given: TypeAlias = Mapping[str, float]
"""Item id → what somebody gave it, oldest first."""


class ValueDoors(Stages):
    """The doors of a pipeline to predicted values."""

    @property
    def predicts(self) -> bool:
        """Whether the fitted recommender predicts values."""
        recommender: Any = self._now().recommender_
        return callable(getattr(recommender, "predict", None)) and bool(recommender.predicts)

    def predict(
        self,
        user_ids: Sequence[str] | None = None,
        items: str | Sequence[str] | None = None,
        *,
        history: Given | Sequence[Given] | Sequence[str] | Sequence[Sequence[str]] | None = None,
        profile: Mapping[str, object] | None = None,
    ) -> Floats:
        """(n,) float32: what each person would give the item beside them, in the values' unit.

        One item for each person or history, several for one, or one for several. A stranger's
        `history` says what was given to what (`{"item 1": 5, "item 2": 2}`, or a list of such),
        oldest first, or names items alone; `{}` for nobody known. `profile` is as for `recommend`.
        Raises `ConfigError` for a recommender that predicts no values, `DataError` where the events
        of the fit had none, and `UnknownIdError` for unknown ids.
        """
        now = self._now()
        predictor_in(now)
        check_request(user_ids, history, None, profile)
        if items is None:
            raise DataError("predict needs the ids of items: give items=['…']")
        rows = now.data_.item_ids.rows(_listed(items), what="item ids")
        valued = [] if history is None else _given(history)
        listed: object = [list(one) for one in valued] if valued else history
        asking, _ = requests_of(
            users_of(now.data_), now.data_.item_ids, user_ids, listed, None, Unknown()
        )
        asking = with_profile(now, asking, profile, known=user_ids is not None)
        if valued:
            flat = [float(value) for one in valued for value in one.values()]
            asking = replace(asking, values=np.array(flat, dtype=np.float32))
        return now.predict_histories(*_paired(asking, rows))

    @door("histories", "items")
    def predict_histories(self, histories: Histories, items: Rows) -> Floats:
        """As `predict`, for requests that are histories, and one catalogue row for each."""
        now = self._now()
        check_histories(histories)
        predictor = predictor_in(now)
        asking = with_users_of(histories.in_catalogue(now.data_.item_ids), now.user_features_)
        return predictor.predict(asking, items)


def predictor_in(stages: Stages) -> ValuePredictor:
    """The fitted recommender; raises `ConfigError` unless it predicts values."""
    recommender: Any = stages.recommender_
    if callable(getattr(recommender, "predict", None)):
        found: ValuePredictor = recommender
        return found
    raise ConfigError(
        f"{type(recommender).__name__} predicts no values; these do: ",
        Message.joined(", ", _those_that_predict()),
    )


_ASKS_FOR_VALUES = {"feedback": "explicit", "loss": "squared", "method": "svd"}


def _those_that_predict() -> Iterable[Message]:
    for name in registry.names("recommenders"):
        kind = registry.find("recommenders", name)
        if not hasattr(kind, "predict"):
            continue
        known = registry.defaults_of(kind)
        asks = [(one, value) for one, value in _ASKS_FOR_VALUES.items() if one in known]
        with_it = (" with ", Setting(*asks[0], "recommender")) if asks else ()
        yield Message.of(name, *with_it)


def _listed(items: object) -> list[str]:
    return id_list([items] if isinstance(items, str) else items, "items")


def _given(history: object) -> list[Given]:
    """One mapping for each request; empty where histories name items alone.

    Raises `DataError` for a mix of both, and for values that are no numbers.
    """
    listed: list[Any] = [history] if isinstance(history, Mapping) else []
    if not listed and isinstance(history, Sequence) and not isinstance(history, str):
        listed = list(history)
    with_values = [isinstance(one, Mapping) for one in listed]
    if not any(with_values):
        return []
    if not all(with_values):
        raise DataError(
            "history holds both ids and values: write [{'a': 5, 'b': 2}, {'c': 3}], one mapping "
            "for each request"
        )
    wrong = [value for one in listed for value in one.values() if not _is_value(value)]
    if wrong:
        raise DataError(
            f"history holds values that are no numbers: {first_offenders(wrong, len(wrong))}"
        )
    return listed


def _is_value(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and isfinite(value)


def _paired(asking: Histories, rows: Rows) -> tuple[Histories, Rows]:
    """One row a request: what there is one of goes with all of the others."""
    if len(asking) == 1 and len(rows) != 1:
        return asking.take(np.zeros(len(rows), dtype=np.int64)), rows
    if len(rows) == 1:
        return asking, np.repeat(rows, len(asking))
    if len(rows) != len(asking):
        raise DataError(
            f"{len(rows)} items for {len(asking)} requests: give one item for each, several for "
            "one, or one for all"
        )
    return asking, rows
