"""Promises that all components make, and how `palate.testing` holds them to it."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, ClassVar, Self, TypeVar

import numpy as np
import polars as pl
from scipy import sparse

from palate.errors import ConfigError, NotFittedError
from palate.optional import requirements_of
from palate.recommenders.popular import Popular
from palate.registry import settings_of
from palate.types import Dataset, Features, FitContext, Ids, Matrix, to_dense

_SAVED = (np.ndarray, sparse.csr_array, pl.DataFrame, Ids, Features, str, int, float, type(None))
T = TypeVar("T")


@dataclass(kw_only=True)
class Listener(Popular):
    """A recommender for the parts of a committee: it notes what each fit was handed."""

    heard: ClassVar[list[FitContext]] = []

    def fit(self, data: Dataset, context: FitContext = FitContext()) -> Self:
        self.heard.append(context)
        return super().fit(data, context)


def promise(kept: bool, what: str, component: object) -> None:
    """Raises `AssertionError` with the promise and who broke it."""
    if not kept:
        raise AssertionError(f"{type(component).__name__} breaks a promise: {what}")


def fresh(component: T) -> T:
    """An unfitted component with the same settings."""
    return type(component)(**copy.deepcopy(settings_of(component)))


def check_settings(component: Any) -> None:
    """A keyword-only dataclass, whose settings survive JSON and whose learnt names end in `_`."""
    promise(is_dataclass(component), "a component is a dataclass", component)
    settings = settings_of(component)
    for entry in fields(component):
        if entry.init:
            promise(entry.kw_only is True, f"the setting {entry.name!r} is keyword-only", component)
            promise(not entry.name.endswith("_"), f"{entry.name!r} is no learnt name", component)
        else:
            promise(entry.name.endswith("_"), f"learnt {entry.name!r} ends in _", component)
    promise(json.loads(json.dumps(settings)) == settings, "settings survive JSON", component)
    promise(settings_of(fresh(component)) == settings, "settings build the same again", component)
    try:
        requirements_of(component)
    except ConfigError as error:
        promise(False, str(error), component)


def check_described(component: Any, data: Dataset) -> None:
    """What a component says that it would do is said in lines."""
    blank = fresh(component)
    if not hasattr(blank, "describe"):
        return
    said = all(isinstance(line, str) for line in blank.describe(data))
    promise(said, "describe gives lines of text", component)


def check_unfitted(component: Any, use: Callable[[Any], object]) -> None:
    check_settings(component)
    if all(entry.init for entry in fields(component)):
        return
    try:
        use(fresh(component))
    except NotFittedError:
        return
    promise(False, "using it before fit raises NotFittedError", component)


def check_fit(component: Any, *inputs: Any) -> Any:
    model = fresh(component)
    settings = copy.deepcopy(settings_of(model))
    with _unchanged(component, inputs):
        promise(model.fit(*inputs) is model, "fit returns the component itself", component)
    promise(settings_of(model) == settings, "fit leaves the settings alone", component)
    for entry in fields(model):
        if not entry.init:
            promise(hasattr(model, entry.name), f"fit fills {entry.name}", component)
            kept = _can_be_saved(getattr(model, entry.name))
            promise(kept, f"{entry.name} is of a type that an artefact can hold", component)
    return model


def _can_be_saved(value: Any) -> bool:
    if isinstance(value, dict):
        return all(isinstance(key, str) and _can_be_saved(part) for key, part in value.items())
    if isinstance(value, list):
        return all(map(_can_be_saved, value))
    if isinstance(value, np.ndarray):
        return bool(value.dtype != object)
    return isinstance(value, _SAVED) or (is_dataclass(value) and not isinstance(value, type))


@contextmanager
def _unchanged(component: object, inputs: tuple[Any, ...]) -> Iterator[None]:
    before = copy.deepcopy([_contents(value) for value in inputs])
    yield
    after = [_contents(value) for value in inputs]
    kept = all(
        old.equals(new) if isinstance(old, pl.DataFrame) else np.array_equal(old, new)
        for olds, news in zip(before, after, strict=True)
        for old, new in zip(olds, news, strict=True)
    )
    promise(kept, "fit leaves its inputs as they were", component)


def _contents(value: Dataset | Features | FitContext) -> list[Any]:
    if isinstance(value, FitContext):
        return [part for side in (value.items, value.users) if side for part in _contents(side)]
    if isinstance(value, Features):
        return [to_dense(part) for part in value.parts.values()]
    return [value.interactions, value.items, value.item_rows, value.user_rows, value.weights]


def same(one: Features, other: Features) -> bool:
    return one.parts.keys() == other.parts.keys() and all(
        np.array_equal(to_dense(part), to_dense(other.parts[name]))
        for name, part in one.parts.items()
    )


def close(one: Features, other: Features) -> bool:
    def near(left: Matrix, right: Matrix) -> bool:
        return left.shape == right.shape and bool(
            np.allclose(to_dense(left), to_dense(right), rtol=1e-4, atol=1e-5)
        )

    return one.parts.keys() == other.parts.keys() and all(
        near(part, other.parts[name]) for name, part in one.parts.items()
    )
