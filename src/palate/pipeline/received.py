"""A pipeline that came out of a folder: whether its parts belong together."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import polars as pl
from scipy import sparse

from palate.core import registry
from palate.core.arrays import Matrix
from palate.core.columns import EVENT, ITEM, TEXT, TIME, USER, VALUE, WEIGHT
from palate.core.component import check_fitted
from palate.core.dataset import Dataset
from palate.core.features import Features
from palate.core.ids import Ids
from palate.core.learnt import agree
from palate.pipeline.rehearsal import check_way
from palate.pipeline.stages import Stages
from palate.recommenders.two_stage.profiles import QUERY, profiles_in
from palate.text.template import parse

_TEXTS = ((EVENT, pl.String), (TEXT, pl.String))


def check_received(pipeline: Stages) -> None:
    """Raises `ValueError` or `NotFittedError` unless all parts are fitted, on the same catalogue.

    Each part has been looked at by itself already.
    """
    check_fitted(pipeline)
    data, features = pipeline.data_, pipeline.features_
    _check_dataset(data)
    known = bool((data.item_ids.find(pipeline.withdrawn_) >= 0).all())
    agree(
        known and len({*pipeline.withdrawn_}) == len(pipeline.withdrawn_), "unknown withdrawn items"
    )
    since = pipeline.since_fit_
    counted = (since["events"], since["added"], since["users_removed"])
    agree(min(counted) >= 0, "fewer events since the fit than none")
    later = pipeline.later_events_
    fits = len(later) in (0, len(data.user_ids)) and bool((later >= 0).all())
    agree(fits and int(later.sum()) == since["added"], "later events of other people")
    agree(re.fullmatch(r"\d{4}-\d\d-\d\d", since["fitted"]) is not None, "a fit on no day")
    agree((features is None) == (not pipeline.encoders_), "features without encoders, or none")
    agree(features is None or _same(features.ids, data.item_ids), "features of other items")
    for name, columns in pipeline.column_vectors_.items():
        rows = [part.shape for part in columns.values()]
        right = all(len(shape) == 2 and shape[0] == len(data.item_ids) for shape in rows)
        agree(name in pipeline.encoders_ and right, f"vectors of other items, or of no {name!r}")
        for template in columns:
            lacking = set(parse(template).names()) - set(data.items.columns)
            agree(not lacking, f"vectors of columns that the items lack: {sorted(lacking)}")
    for encoder in pipeline.encoders_.values():
        check_fitted(encoder)
        lacking = _columns_of(encoder) - set(data.items.columns)
        agree(not lacking, f"an encoder of columns that the items lack: {sorted(lacking)}")
    for transform in pipeline.transforms_ if pipeline.encoders_ else ():
        check_fitted(transform)
    if features is not None:
        check_way(pipeline.encoders_, pipeline.transforms_, features)
    _check_people(pipeline)
    blocks = {} if features is None else features.parts
    people = {} if pipeline.user_features_ is None else pipeline.user_features_.parts
    for part in _with_parts([pipeline.recommender_, *pipeline.rerankers_]):
        check_fitted(part)
        _check_scorer(part, data.item_ids, blocks)
        lost = set(getattr(part, "user_blocks_", ())) - set(people)
        agree(not lost, f"a part knows blocks of users that are not made: {sorted(lost)}")
        for name, values in _profiles_of(part).items():
            fits = name in people and people[name].shape[1] == values.shape[1]
            agree(fits, f"a part knows a block of users {name!r} that is not made")


def _check_people(pipeline: Stages) -> None:
    data, features, encoders = pipeline.data_, pipeline.user_features_, pipeline.user_encoders_
    agree((features is None) == (not encoders), "features of users without encoders, or none")
    if features is None:
        return
    agree(_same(features.ids, data.user_ids), "features of other users")
    columns = {ITEM, *(() if data.users is None else data.users.columns)}
    for encoder in encoders.values():
        check_fitted(encoder)
        lacking = _columns_of(encoder) - columns
        agree(not lacking, f"an encoder of columns that the users lack: {sorted(lacking)}")
    for transform in pipeline.user_transforms_:
        check_fitted(transform)
    blocks = {} if pipeline.features_ is None else pipeline.features_.parts
    words = [name for name in features.parts if name.startswith(QUERY)]
    for name in words:
        like = blocks.get(name.removeprefix(QUERY))
        fits = like is not None and like.shape[1] == features.parts[name].shape[1]
        agree(fits, f"what people say is in the space of no block: {name!r}")
    check_way(encoders, pipeline.user_transforms_, features, besides=words)


def _check_dataset(data: Dataset) -> None:
    events, items, users = data.interactions, data.items, data.users
    agree(len(items) > 0, "a catalogue without items")
    for table, names in ((events, (USER, ITEM)), (items, (ITEM,)), (users, (USER,))):
        for name in names if table is not None else ():
            _check_column(table, name, pl.String)
    against = data.against
    if against is not None:
        agree(against.schema == events.schema, "what speaks against items has other columns")
        _check_before(data.choices_before, len(events), len(against))
        events = pl.concat([events, against])
    for name, kind in ((TIME, None), (WEIGHT, None), (VALUE, None), *_TEXTS):
        if name in events.columns:
            _check_column(events, name, kind, gaps=name not in (TIME, WEIGHT))
    _ = data.event_items  # which raises for items of nobody's catalogue


def _check_before(before: Any, choices: int, others: int) -> None:
    """Whether the places of what speaks against items are places among the choices, or None."""
    if before is not None:
        right = len(before) == others and bool(((before >= 0) & (before <= choices)).all())
        agree(right, "what speaks against items has no place among the choices")


def _check_column(table: pl.DataFrame | None, name: str, kind: Any, *, gaps: bool = False) -> None:
    """`kind` None stands for finite numbers; with `gaps` some of either may be missing."""
    agree(table is not None and name in table.columns, f"a table has no column {name}")
    column = table[name]  # type: ignore[index]
    right = column.dtype.is_numeric() if kind is None else column.dtype in (kind, pl.Null)
    agree(right, f"the column {name} holds {column.dtype}")
    agree(gaps or not column.null_count(), f"the column {name} has gaps")
    if kind is None and column.dtype.is_float() and not gaps:
        agree(bool(column.is_finite().all()), f"the column {name} holds NaN or infinity")


def read_columns(encoders: Iterable[Any]) -> set[str]:
    """The columns of their table that fitted encoders of palate's read."""
    return {column for encoder in encoders for column in _columns_of(encoder)}


def _columns_of(encoder: Any) -> set[str]:
    """The items' columns that a fitted encoder of palate's reads."""
    read = {plan["column"] for plan in getattr(encoder, "plan_", ()) if isinstance(plan, dict)}
    if isinstance(template := getattr(encoder, "template_", None), str):
        read |= set(parse(template).names())
    if isinstance(column := getattr(encoder, "column_", None), str):
        read.add(column)
    return read


def _with_parts(components: list[Any]) -> Iterator[Any]:
    for component in components:
        yield component
        yield from _with_parts(getattr(component, "parts_", []))


def _check_scorer(component: Any, item_ids: Ids, blocks: Mapping[str, Matrix]) -> None:
    """What a recommender or a reranker knows must be of the pipeline's items and blocks."""
    known = getattr(component, "item_ids_", None)
    agree(not isinstance(known, Ids) or _same(known, item_ids), "a part knows other items")
    for name in ("features_", "items_"):
        features = getattr(component, name, None)
        if not isinstance(features, Features):
            continue
        agree(_same(features.ids, item_ids), "a part knows features of other items")
        for block, values in features.parts.items():
            fits = block in blocks and _alike(blocks[block], values)
            agree(fits, f"a part knows a block {block!r} that the pipeline does not make")


def _profiles_of(part: Any) -> Mapping[str, Matrix]:
    """Block of people → rows that whoever asks is compared with, of palate's own components."""
    if ":" in registry.name_of(part):
        return {}
    return getattr(part, "profiles_", {}) | profiles_in(getattr(part, "statistics_", {}))


def _same(one: Ids, other: Ids) -> bool:
    return one is other or one.series.equals(other.series)


def _alike(one: Matrix, other: Matrix) -> bool:
    return one.shape == other.shape and sparse.issparse(one) == sparse.issparse(other)
