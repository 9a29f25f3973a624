"""Contract checks for components: what every encoder, transform, recommender and reranker promises.

Import them in the tests of your own components (`check_recommender(Mine(), data, items)`). A broken
promise raises an `AssertionError` that names it. The idea is that of `lenskit.testing`.
"""

from __future__ import annotations

import copy
import inspect
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, ClassVar, Self, TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from palate.core.arrays import Floats, Matrix, Rows, to_dense, unit_rows
from palate.core.columns import ITEM, RANK, USER
from palate.core.dataset import Dataset
from palate.core.errors import ConfigError, NotFittedError
from palate.core.features import Features
from palate.core.histories import Histories, histories_of, history_of_items
from palate.core.ids import Ids
from palate.core.optional import requirements_of
from palate.core.registry import kept_of_fit, settings_of
from palate.core.topk import recommend
from palate.core.types import Encoder, FitContext, Recommendations, Recommender, Reranker, Transform
from palate.recommenders.popular import Popular

__all__ = [
    "check_committee",
    "check_encoder",
    "check_recommender",
    "check_reranker",
    "check_settings",
    "check_transform",
    "fresh",
]

_SAVED = (np.ndarray, sparse.csr_array, pl.DataFrame, Ids, Features, str, int, float, type(None))
T = TypeVar("T")


def check_encoder(encoder: Encoder, data: Dataset, *, tolerance: float = 1e-3) -> None:
    """Rows belong to ids, learnt on items with events only, new and blank items included.

    `tolerance` bounds how far cosines may move where the order of the catalogue changes.
    """
    expect(isinstance(encoder, Encoder), "an encoder has fit and encode", encoder)
    check_unfitted(encoder, lambda blank: blank.encode(data))
    check_described(encoder, data)
    fitted = check_fit(encoder, data)
    features = fitted.encode(data)
    _check_features(features, data.item_ids, encoder)
    again = fresh(encoder).fit(data).encode(data)
    expect(same(features, again), "fitting again gives the same bits", encoder)
    turned = _with_items(data, np.random.default_rng(0).permutation(len(data.items)))
    _check_cosines(fresh(encoder).fit(turned).encode(turned), features, encoder, tolerance)
    warm = _with_items(data, np.sort(data.warm_items))
    _check_cosines(fresh(encoder).fit(warm).encode(warm), features, encoder, tolerance)
    arrivals = _arriving(data)
    later = fitted.encode(arrivals)
    _check_features(later, arrivals.item_ids, encoder)
    widths = {name: part.shape[1] for name, part in features.parts.items()}
    expect(
        {name: part.shape[1] for name, part in later.parts.items()} == widths,
        "new items have the same blocks",
        encoder,
    )
    if hasattr(encoder, "encode_texts"):
        words = to_dense(fitted.encode_texts(["something green", ""]))
        expect(words.shape == (2, *widths.values()), "words have a block's columns", encoder)
        expect(bool(np.isfinite(words).all()), "words give finite vectors", encoder)
    if hasattr(encoder, "tidied"):
        tidy: Any = fresh(encoder)
        tidy.normalise = {"lowercase": True}
        loud, quiet = to_dense(tidy.fit(data).encode_texts(["SALT", "salt"]))
        expect(np.array_equal(loud, quiet), "encode_texts reads self.tidied(texts)", encoder)


def check_transform(transform: Transform, features: Features, data: Dataset) -> None:
    """Rows stay with their ids, each for itself; learnt on items with events only."""
    expect(isinstance(transform, Transform), "a transform has fit and transform", transform)
    check_unfitted(transform, lambda blank: blank.transform(features))
    fitted = check_fit(transform, features, data)
    found = fitted.transform(features)
    _check_features(found, features.ids, transform)
    again = fresh(transform).fit(features, data).transform(features)
    expect(same(found, again), "fitting again gives the same bits", transform)
    order = np.random.default_rng(0).permutation(len(features))[: len(features) // 2]
    few = fitted.transform(features.take(order))
    expect(close(few, found.take(order)), "each row is transformed by itself", transform)
    trained = data.warm_items
    other = fresh(transform).fit(_disturbed(features, trained), data).transform(features)
    expect(close(found, other), "only items with events are learnt from", transform)
    blank = features.with_parts({name: part * 0 for name, part in features.parts.items()})
    _check_features(fitted.transform(blank), features.ids, transform)
    if hasattr(transform, "transform_block") and not hasattr(transform, "block_after"):
        parts = {name: fitted.transform_block(name, part) for name, part in features.parts.items()}
        alone = features.with_parts(parts)
        expect(close(found, alone), "transform_block is transform, block by block", transform)


def check_recommender(
    recommender: Recommender, data: Dataset, items: Features, *, tolerance: float = 1e-4
) -> None:
    """Scores of the whole catalogue for histories, whoever asks and however many.

    `tolerance` bounds how far scores may move where the order of the catalogue changes.
    """
    expect(isinstance(recommender, Recommender), "fit, score and add_items exist", recommender)
    names = list(inspect.signature(recommender.fit).parameters)
    expect(names[:2] == ["data", "context"], "fit takes data and context", recommender)
    histories = histories_of(data)
    check_unfitted(recommender, lambda blank: blank.score(histories))
    context = FitContext(items=items)
    fitted = check_fit(recommender, data, context)
    scores = fitted.score(histories)
    _check_scores(scores, (len(histories), len(data.items)), recommender)
    again = fresh(recommender).fit(data, context).score(histories)
    expect(np.array_equal(scores, again), "fitting again gives the same bits", recommender)
    _check_requests(fitted, histories, scores.copy())
    order = np.random.default_rng(0).permutation(len(data.items))
    turned = _with_items(data, order)
    turned_context = FitContext(items=items.take(order))
    moved = fresh(recommender).fit(turned, turned_context).score(histories_of(turned))
    far = float(np.abs(moved - scores[:, order]).max(initial=0.0) / max(np.ptp(scores), 1e-30))
    expect(
        bool(np.allclose(moved, scores[:, order], atol=tolerance * np.ptp(scores))),
        "scores belong to ids, not to rows: with the catalogue in another order they move by up to"
        f" {far:.2g} of their range, {tolerance:g} is allowed (tolerance=). What starts at random"
        " has to start by the id, not by the row",
        recommender,
    )
    if getattr(fitted, "predicts", False):
        _check_predictions(fitted, histories, data.item_rows[histories.starts])
    _check_refresh(recommender, data, context, scores)
    _check_arrivals(fitted, histories, items)


def check_committee(
    committee_of: Callable[[Recommender], Recommender], data: Dataset, items: Features
) -> None:
    """Whoever fits recommenders of its own hands each the context that it was handed itself.

    `committee_of` makes an unfitted committee with the recommender that it is given as a part. A
    part that is fitted on less than all of the data gets what the context makes of that.
    """
    contexts: list[FitContext] = []

    def context_of(_part: Dataset) -> FitContext:
        contexts.append(FitContext(items=items, users=items, remake=context_of))
        return contexts[-1]

    Listener.heard.clear()
    committee = committee_of(Listener())
    committee.fit(data, context_of(data))
    expect(bool(Listener.heard), "a committee fits its parts", committee)
    handed_on = all(context in contexts for context in Listener.heard)
    expect(handed_on, "every part gets the context", committee)


def _check_requests(fitted: Recommender, histories: Histories, scores: Floats) -> None:
    fitted.score(histories)[:] = -7.0
    expect(
        np.array_equal(fitted.score(histories), scores), "scores are not the model's own", fitted
    )
    for row in (0, len(histories) - 1):
        single = fitted.score(histories.take([row]))  # type: ignore[arg-type]
        expect(np.allclose(single, scores[row], atol=1e-4), "one request is a batch row", fitted)
    strangers = replace(histories, user_ids=histories.user_ids + " (somebody else)")
    expect(
        np.array_equal(fitted.score(strangers), scores), "only the history counts, no name", fitted
    )
    nobody = history_of_items(histories.item_ids, [[]])
    _check_scores(fitted.score(nobody), (1, scores.shape[1]), fitted)
    none = history_of_items(histories.item_ids, [])
    _check_scores(fitted.score(none), (0, scores.shape[1]), fitted)


def _check_predictions(fitted: Any, histories: Histories, items: Rows) -> None:
    """Values of pairs: one request as in a batch, whoever asks, for the items that are named."""
    found = fitted.predict(histories, items)
    right = found.shape == (len(histories),) and found.dtype == np.float32
    expect(bool(right and np.isfinite(found).all()), "predict gives (n,) finite float32", fitted)
    for row in (0, len(histories) - 1):
        single = fitted.predict(histories.take([row]), items[[row]])  # type: ignore[arg-type]
        expect(np.allclose(single, found[row], atol=1e-4), "one prediction is a batch row", fitted)
    strangers = replace(histories, user_ids=histories.user_ids + " (somebody else)")
    same_values = np.array_equal(fitted.predict(strangers, items), found)
    expect(same_values, "only the history counts for a value, no name", fitted)
    turned = fitted.predict(histories.take(np.arange(len(histories))[::-1]), items[::-1])
    expect(np.allclose(turned[::-1], found, atol=1e-4), "values belong to their pairs", fitted)


def _check_refresh(
    recommender: Recommender, data: Dataset, context: FitContext, scores: Floats
) -> None:
    """Who says that all of it is counted scores after half of the events and all, as after all."""
    half = np.arange(len(data.events)) < len(data.events) // 2
    fitted: Any = fresh(recommender)
    if not hasattr(fitted, "refresh") or not (half & data.chosen).any():
        return
    fitted.fit(data.part(half), context)
    if kept_of_fit(fitted):
        return
    expect(fitted.refresh(data, context) is fitted, "refresh returns the recommender", fitted)
    found = fitted.score(histories_of(data))
    expect(np.array_equal(found, scores), "what is counted again is as after a fit", fitted)


def _check_arrivals(fitted: Recommender, histories: Histories, items: Features) -> None:
    """A new twin of an item that was liked, and a new twin of what is least like it."""
    values = unit_rows(items.values)
    liked = int(histories.items[histories.starts[0]])
    unlike = int(np.argmin(to_dense(values) @ to_dense(values)[liked]))
    rows = np.array([liked, unlike])
    parts = {name: part[rows] for name, part in items.parts.items()}
    twins = Features(Ids(["new: liked", "new: unlike"]), parts, behavioural=items.behavioural)
    expect(fitted.add_items(twins) is fitted, "add_items returns the recommender", fitted)
    known = len(items)
    _check_scores(fitted.score(histories), (len(histories), known + 2), fitted)
    catalogue = Ids(pl.concat([items.ids.series, twins.ids.series]))
    asking = history_of_items(catalogue, [[items.ids[liked]], ["new: liked"]])
    scores = fitted.score(asking)
    _check_scores(scores, (2, known + 2), fitted)
    floor = scores[0, :known].min() + 1e-6
    # who foresees what comes next may put others first: then twins stand as these items do
    in_order = scores[0, known] > scores[0, known + 1]
    as_twins = in_order == (scores[0, liked] > scores[0, unlike])
    as_twins = as_twins and scores[0, known:].min() <= scores[0, :known].max()
    expect(
        bool((scores[0, known:] <= floor).all() or in_order or as_twins),
        "new items stand at the floor, or where their content puts them",
        fitted,
    )


def check_reranker(reranker: Reranker, data: Dataset, items: Features) -> None:
    """The same people's recommendations in another order, perhaps fewer, ranked from 1."""
    expect(isinstance(reranker, Reranker), "a reranker has rerank", reranker)
    histories = histories_of(data)
    given = recommend(_Shuffled(), histories, 20, exclude_seen=False)
    fitted = (
        check_fit(reranker, data, FitContext(items=items)) if hasattr(reranker, "fit") else reranker
    )
    found = fitted.rerank(given, histories).table
    expect(found.schema == given.table.schema, "columns and types stay", reranker)
    pairs = found.select(USER, ITEM)
    expect(pairs.is_unique().all(), "nobody gets an item twice", reranker)
    left = pairs.join(given.table, on=[USER, ITEM], how="anti")
    expect(not len(left), "nothing is recommended that was no candidate", reranker)
    users = given.table[USER].unique(maintain_order=True)
    expect(
        found[USER].unique(maintain_order=True).equals(users),
        "everybody stays, in order",
        reranker,
    )
    wanted = pl.int_range(1, pl.len() + 1).over(USER).cast(found.schema[RANK])
    expect(found.select((pl.col(RANK) == wanted).all()).item(), "ranks count from 1", reranker)
    again = fitted.rerank(given, histories).table
    expect(found.equals(again), "the same input gives the same output", reranker)
    nothing = Recommendations(given.table.clear())
    expect(not len(fitted.rerank(nothing, histories)), "nothing stays nothing", reranker)


class _Shuffled:
    """Scores without a meaning."""

    def score(self, histories: Histories) -> Floats:
        shape = (len(histories), len(histories.item_ids))
        return np.random.default_rng(3).random(shape, dtype=np.float32)


def _check_scores(scores: Floats, shape: tuple[int, int], component: object) -> None:
    expect(scores.shape == shape, f"scores have the shape {shape}, not {scores.shape}", component)
    expect(scores.dtype == np.float32, "scores are float32", component)
    expect(bool(np.isfinite(scores).all()), "scores are finite", component)


def _check_features(features: Features, ids: Ids, component: object) -> None:
    expect(features.ids == ids, "rows are those of the input, in its order", component)
    expect(bool(features.parts), "there is a block", component)
    for name, part in features.parts.items():
        expect(part.dtype == np.float32, f"block {name!r} is float32", component)
        expect(bool(np.isfinite(to_dense(part)).all()), f"block {name!r} is finite", component)


def _check_cosines(found: Features, wanted: Features, component: object, tolerance: float) -> None:
    """Cosines, not values: axes may turn, but who is like whom may not change."""
    rows = wanted.ids.rows(found.ids.series)
    for name, part in found.parts.items():
        one, other = to_dense(unit_rows(part)), to_dense(unit_rows(wanted.parts[name][rows]))
        kept = np.allclose(one @ one.T, other @ other.T, atol=tolerance)
        what = f"block {name!r} does not depend on the order of rows or on items without events"
        expect(kept, what, component)


def _with_items(data: Dataset, rows: NDArray[Any] | Rows) -> Dataset:
    return replace(data, items=data.items[rows])


def _arriving(data: Dataset) -> Dataset:
    """Three new items: two like old ones, one about which nothing is known."""
    table = data.items.head(3).with_columns(pl.Series(ITEM, ["new 0", "new 1", "new 2"]))
    blank = pl.int_range(pl.len()) == 2
    others = [pl.when(~blank).then(pl.col(name)) for name in table.columns if name != ITEM]
    return Dataset(interactions=data.interactions.clear(), items=table.with_columns(others))


def _disturbed(features: Features, trained: Rows) -> Features:
    """The same features of trained items, others of all the rest."""
    factors = np.full(len(features), -3.0, dtype=np.float32)
    factors[trained] = 1.0
    scale = sparse.csr_array(sparse.diags_array(factors))
    return features.with_parts({name: scale @ part for name, part in features.parts.items()})


@dataclass(kw_only=True)
class Listener(Popular):
    """A recommender for the parts of a committee: it notes what each fit was handed."""

    heard: ClassVar[list[FitContext]] = []

    def fit(self, data: Dataset, context: FitContext = FitContext()) -> Self:
        self.heard.append(context)
        return super().fit(data, context)


def expect(kept: bool, what: str, component: object) -> None:
    """Raises `AssertionError` with the promise and who broke it."""
    if not kept:
        raise AssertionError(f"{type(component).__name__} breaks a promise: {what}")


def fresh(component: T) -> T:
    """An unfitted component with the same settings."""
    return type(component)(**copy.deepcopy(settings_of(component)))


def check_settings(component: Any) -> None:
    """A keyword-only dataclass, whose settings survive JSON and whose learnt names end in `_`."""
    expect(is_dataclass(component), "a component is a dataclass", component)
    settings = settings_of(component)
    for entry in fields(component):
        if entry.init:
            expect(entry.kw_only is True, f"the setting {entry.name!r} is keyword-only", component)
            expect(not entry.name.endswith("_"), f"{entry.name!r} is no learnt name", component)
        else:
            expect(entry.name.endswith("_"), f"learnt {entry.name!r} ends in _", component)
    expect(json.loads(json.dumps(settings)) == settings, "settings survive JSON", component)
    expect(settings_of(fresh(component)) == settings, "settings build the same again", component)
    try:
        requirements_of(component)
    except ConfigError as error:
        expect(False, str(error), component)


def check_described(component: Any, data: Dataset) -> None:
    """What a component says that it would do is said in lines."""
    blank = fresh(component)
    if not hasattr(blank, "describe"):
        return
    said = all(isinstance(line, str) for line in blank.describe(data))
    expect(said, "describe gives lines of text", component)


def check_unfitted(component: Any, method: Callable[[Any], object]) -> None:
    check_settings(component)
    if all(entry.init for entry in fields(component)):
        return
    try:
        method(fresh(component))
    except NotFittedError:
        return
    expect(False, "using it before fit raises NotFittedError", component)


def check_fit(component: Any, *inputs: Any) -> Any:
    model = fresh(component)
    settings = copy.deepcopy(settings_of(model))
    with _unchanged(component, inputs):
        expect(model.fit(*inputs) is model, "fit returns the component itself", component)
    expect(settings_of(model) == settings, "fit leaves the settings alone", component)
    for entry in fields(model):
        if not entry.init:
            expect(hasattr(model, entry.name), f"fit fills {entry.name}", component)
            kept = _can_be_saved(getattr(model, entry.name))
            expect(kept, f"{entry.name} is of a type that an artefact can hold", component)
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
    expect(kept, "fit leaves its inputs as they were", component)


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
