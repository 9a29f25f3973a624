"""The nouns that travel between stages, and the verbs that stages are made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeAlias, runtime_checkable

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from palate._ids import Ids as Ids
from palate.columns import ITEM, TIME, USER, WEIGHT
from palate.errors import AlignmentError, ConfigError, NotFittedError

if TYPE_CHECKING:
    from palate.histories import Histories

Floats: TypeAlias = NDArray[np.float32]
Rows: TypeAlias = NDArray[np.int32]
Mask: TypeAlias = NDArray[np.bool_]
Matrix: TypeAlias = "Floats | sparse.csr_array"


@dataclass(frozen=True, eq=False)
class Dataset:
    """Who did what to which items, and what the items say; checked by `palate.read`.

    `interactions` holds `user_id`, `item_id` (strings) and where known `timestamp` (float seconds),
    `event`, `value`, `text`, `weight`; its rows are in order of time, ties in order of the file.
    `items` holds `item_id` and any columns: it is the whole catalogue, touched or not. What it was
    read with is remembered, for items that arrive later: `item_columns` (their name → ours) and
    `item_lists` (column → the mark between its parts).
    """

    interactions: pl.DataFrame
    items: pl.DataFrame
    users: pl.DataFrame | None = None
    item_columns: Mapping[str, str] = field(default_factory=dict)
    item_lists: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def item_ids(self) -> Ids:
        return Ids(self.items[ITEM])

    @cached_property
    def user_ids(self) -> Ids:
        names = self.interactions[USER].unique(maintain_order=True)
        if self.users is not None:
            names = pl.concat([self.users[USER], names]).unique(maintain_order=True)
        return Ids(names)

    @cached_property
    def item_rows(self) -> Rows:
        """The catalogue row of every interaction."""
        return self.item_ids.rows(self.interactions[ITEM], what="item ids in the interactions")

    @cached_property
    def user_rows(self) -> Rows:
        """The row in `user_ids` of every interaction."""
        return self.user_ids.rows(self.interactions[USER], what="user ids in the interactions")

    @cached_property
    def weights(self) -> Floats:
        """What each interaction counts: its event's weight, 1 where events have none."""
        if WEIGHT not in self.interactions.columns:
            return np.ones(len(self.interactions), dtype=np.float32)
        return self.interactions[WEIGHT].to_numpy().astype(np.float32, copy=False)

    @cached_property
    def times(self) -> NDArray[np.float64] | None:
        """Seconds of every interaction, or None where the data hold an order only."""
        if TIME not in self.interactions.columns:
            return None
        return self.interactions[TIME].to_numpy().astype(np.float64, copy=False)

    @cached_property
    def item_counts(self) -> NDArray[np.int64]:
        """Interactions per catalogue row."""
        return np.bincount(self.item_rows, minlength=len(self.item_ids))

    @cached_property
    def trained_rows(self) -> Rows:
        """Items that statistics may be fitted on: those with events; all where there are none."""
        touched = np.flatnonzero(self.item_counts).astype(np.int32)
        return touched if len(touched) else np.arange(len(self.item_ids), dtype=np.int32)

    def with_interactions(self, interactions: pl.DataFrame) -> Dataset:
        """The same catalogue and people with other interactions (a part of these, in order)."""
        return replace(self, interactions=interactions)


class Features:
    """Named blocks of features whose rows belong to ids.

    A block is (n, d) float32, dense or `csr_array`; `values` is the dense concatenation. Names in
    `behavioural` were learnt from interactions, so whoever holds interactions out must refit them.
    """

    def __init__(
        self, ids: Ids, parts: Mapping[str, Matrix], *, behavioural: Iterable[str] = ()
    ) -> None:
        self.ids = ids
        self.parts: dict[str, Matrix] = {
            name: part if sparse.issparse(part) else np.ascontiguousarray(part, dtype=np.float32)
            for name, part in parts.items()
        }
        self.behavioural = frozenset(behavioural) & frozenset(self.parts)
        for name, part in self.parts.items():
            if part.ndim != 2 or part.shape[0] != len(ids):
                raise AlignmentError(
                    f"block {name!r} has shape {part.shape}, but there are {len(ids)} ids"
                )

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        blocks = ", ".join(f"{name}: {part.shape[1]}" for name, part in self.parts.items())
        return f"Features({len(self)} rows; {blocks})"

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self.values, dtype=dtype)

    @property
    def dim(self) -> int:
        return sum(part.shape[1] for part in self.parts.values())

    @property
    def blocks(self) -> dict[str, slice]:
        """Block name → its columns in `values`."""
        stops = np.cumsum([part.shape[1] for part in self.parts.values()]).tolist()
        return dict(zip(self.parts, map(slice, [0, *stops], stops), strict=False))

    @cached_property
    def values(self) -> Floats:
        """(n, dim) dense float32."""
        if not self.parts:
            return np.zeros((len(self), 0), dtype=np.float32)
        return np.hstack([to_dense(part) for part in self.parts.values()])

    def with_parts(self, parts: Mapping[str, Matrix]) -> Features:
        """The same ids with other blocks; blocks that keep their name stay behavioural."""
        return Features(self.ids, parts, behavioural=self.behavioural)

    def select(self, names: Iterable[str]) -> Features:
        return self.with_parts({name: self.parts[name] for name in names})

    def take(self, rows: NDArray[np.integer[Any]]) -> Features:
        ids = Ids(self.ids.series[rows])
        parts = {name: part[rows] for name, part in self.parts.items()}
        return Features(ids, parts, behavioural=self.behavioural)

    def beside(self, other: Features) -> Features:
        """Both blocks of columns, for the same ids in the same order."""
        if self.ids != other.ids:
            raise AlignmentError("features of different ids cannot stand side by side")
        if shared := sorted(self.parts.keys() & other.parts.keys()):
            raise AlignmentError(f"both sides have the blocks {shared}; rename one")
        behavioural = self.behavioural | other.behavioural
        return Features(self.ids, {**self.parts, **other.parts}, behavioural=behavioural)

    def below(self, other: Features) -> Features:
        """The rows of `other` after these; both must have the same blocks."""
        if self.parts.keys() != other.parts.keys():
            raise AlignmentError(
                f"blocks differ: {sorted(self.parts)} above, {sorted(other.parts)} below"
            )
        ids = Ids(pl.concat([self.ids.series, other.ids.series]))
        parts = {name: stack_rows(part, other.parts[name]) for name, part in self.parts.items()}
        return Features(ids, parts, behavioural=self.behavioural | other.behavioural)


def to_dense(part: Matrix) -> Floats:
    return part.toarray() if sparse.issparse(part) else part  # type: ignore[union-attr]


def stack_rows(above: Matrix, below: Matrix) -> Matrix:
    if above.shape[1] != below.shape[1]:
        raise AlignmentError(f"{below.shape[1]} columns below {above.shape[1]}")
    if sparse.issparse(above):
        return sparse.csr_array(sparse.vstack([above, sparse.csr_array(below)]))
    return np.vstack([above, to_dense(below)])


def content_of(features: Features | None) -> Features | None:
    """The blocks that were not learnt from behaviour; None for none."""
    if features is None or not features.behavioural:
        return features if features is not None and features.parts else None
    content = features.select(name for name in features.parts if name not in features.behavioural)
    return content if content.parts else None


@dataclass(frozen=True, eq=False)
class FitContext:
    """What a fit may use beside the events: features of items and of users, or None for none.

    `remake` makes the same from a part of the data. Who holds events out as labels, and learns from
    the rest, takes `honest` for what it keeps and `on_part` for what it learns from: blocks that
    were learnt from all events know the labels. Who fits others hands them the same context.
    """

    items: Features | None = None
    users: Features | None = None
    remake: Callable[[Dataset], FitContext] | None = None

    @property
    def knows_events(self) -> bool:
        """Whether a block was learnt from events, so that it has to be made again on a part."""
        return any(part is not None and part.behavioural for part in (self.items, self.users))

    @property
    def honest(self) -> FitContext:
        """What may be used where events are held out: all, or content alone if nothing remakes."""
        if self.remake is not None or not self.knows_events:
            return self
        return FitContext(items=content_of(self.items), users=content_of(self.users))

    def on_part(self, part: Dataset) -> FitContext:
        """The blocks of `honest` as they are where `part` is all that is known."""
        if self.remake is None or not self.knows_events:
            return self.honest
        return self.remake(part)


def check_context(context: object) -> None:
    """Raises `ConfigError` for features where a `FitContext` is meant."""
    if not isinstance(context, FitContext):
        kind = type(context).__name__
        raise ConfigError(f"fit takes FitContext(items=features) beside the data, not {kind}")


@dataclass(frozen=True)
class Recommendations:
    """A table of `user_id`, `item_id`, `score`, `rank` (from 1) and, if asked for, `reasons`."""

    table: pl.DataFrame

    def __len__(self) -> int:
        return len(self.table)


def learnt(*shape: str | int) -> Any:
    """A dataclass field that `fit` fills; its name ends in `_` and it travels in the artefact.

    `shape` says how long an array is in each dimension: a number, another learnt field
    ("item_ids_"), or a word that stands for the same length wherever the component has it. What is
    loaded from a folder is held to that and to the field's type.
    """
    return field(init=False, repr=False, compare=False, metadata={"shape": shape})


def check_fitted(component: Any) -> None:
    """Raises `NotFittedError` while a learnt field of `component` is not there yet."""
    for entry in fields(component):
        if not entry.init and entry.name.endswith("_") and not hasattr(component, entry.name):
            raise NotFittedError(f"{type(component).__name__} is not fitted: call fit(...) first")


@runtime_checkable
class Encoder(Protocol):
    """Something → features of every item of `data`, in the order of `data.items`."""

    def fit(self, data: Dataset) -> Self: ...
    def encode(self, data: Dataset) -> Features: ...


@runtime_checkable
class Transform(Protocol):
    """Features → features: representation, fusion and selection are all of these."""

    def fit(self, features: Features, data: Dataset) -> Self: ...
    def transform(self, features: Features) -> Features: ...


@runtime_checkable
class Recommender(Protocol):
    """Histories → a score for every item of the catalogue: (len(histories), n_items) float32."""

    def fit(self, data: Dataset, context: FitContext = FitContext()) -> Self: ...
    def score(self, histories: Histories) -> Floats: ...
    def add_items(self, items: Features) -> Self: ...


@runtime_checkable
class Reranker(Protocol):
    """Recommendations → the same people's recommendations in another order."""

    def rerank(self, recommendations: Recommendations, histories: Histories) -> Recommendations: ...
