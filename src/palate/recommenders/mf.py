"""Matrix factorisation: vectors of people and of items whose products are what people did."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, ClassVar, Final, Literal, Self

import numpy as np
from pydantic import Field, PositiveFloat, PositiveInt
from scipy import sparse

from palate.core.arrays import Floats, Mask, Rows, places_of, row_norms, unit_rows
from palate.core.component import check_types, component, learnt
from palate.core.dataset import Dataset
from palate.core.errors import ConfigError, Setting
from palate.core.evidence import Evidence, Links, from_links
from palate.core.features import Features
from palate.core.histories import Histories, histories_of
from palate.core.learnt import agree
from palate.core.order import settled, with_users_settled
from palate.core.parallel import in_chunks
from palate.core.sparse import inner_products, on_grid
from palate.core.types import FitContext, content_of
from palate.core.values import Doubles, Valued, valued_of
from palate.recommenders._base import aligned
from palate.recommenders._factors import Regression, ridge_map, with_constant
from palate.recommenders._values import ValueModel
from palate.recommenders.neural.inputs import axes_of, check_numbers, read_blocks, width_of
from palate.recommenders.neural.starting import by_chance

__all__ = ["MF"]

L2: Final = {"als": 10.0, "svd": 14.0}
"""What draws factors to what features say, where it is not set."""

_CHUNK_CELLS = 4_000_000


@dataclass(frozen=True, eq=False)
class _Events:
    """(n, m) weights of what happened, and these times what factors are to explain."""

    weights: sparse.csr_array
    targets: sparse.csr_array

    def turned(self) -> _Events:
        return _Events(sparse.csr_array(self.weights.T), sparse.csr_array(self.targets.T))


@component
class MF(ValueModel):
    """Matrix factorisation: what people did is the product of their vector and an item's.

    `method` "als" explains who chose what (implicit feedback; Hu, Koren, Volinsky 2008): 1 for a
    choice, with confidence 1 + `alpha` times its weight, 0 with confidence 1 for all others. "svd"
    explains values (Koren, Bell, Volinsky 2009): what people gave beyond the baseline of `bias`, by
    a product and more biases. Both by `iterations` turns of alternating least squares, with vectors
    of `dim` numbers.

    Whoever asks gets a vector from their history, by the same least squares: so no number of a user
    counts and strangers are served at once. Features: a linear map from those of items, and another
    from those of people, each a ridge regression with `map_l2`, says where vectors are drawn to
    with strength `l2` (None: 10 for "als", 14 for "svd"), to 0 where there are none (Agarwal, Chen
    2009). So a new item, and a profile without history, stand where their features put them.
    Blocks that were learnt from events are not read.

    Lists of "als" are in the order of the products; those of "svd" of predicted values, which is
    what is loved and mostly not what is chosen next. Of items without events and features nothing
    is known, and they score the lowest.
    """

    method: Literal["als", "svd"] = "als"
    dim: Annotated[int, Field(ge=1, le=4096)] = 64
    alpha: PositiveFloat = 1.0
    l2: PositiveFloat | None = None
    map_l2: PositiveFloat = 10.0
    iterations: PositiveInt = 15
    seed: Annotated[int, Field(ge=0)] = 0

    factors_: Floats = learnt("item_ids_", "width")
    item_map_: Floats = learnt("item_columns", "width")
    user_map_: Floats = learnt("user_columns", "width")
    axes_: dict[str, Floats] = learnt("columns", "width")
    user_axes_: dict[str, Floats] = learnt("user_columns", "user_width")

    reads_users: ClassVar[bool] = True
    keeps_fit: ClassVar[tuple[str, ...]] = ("factors",)

    def __post_init__(self) -> None:
        check_types(self)

    def fit(self, data: Dataset, context: FitContext = FitContext()) -> Self:
        """Raises `DataError` for "svd" where events have no values."""
        self._know(data, context)
        self._forget()
        items, users = content_of(context.honest.items), content_of(context.honest.users)
        check_numbers(items, users)
        if items is not None:
            aligned(items, data, who="mf")
        data, order = settled(data)
        asking = with_users_settled(histories_of(data)).with_users(users)
        events = self._events_to_learn(data, asking)
        acting = np.diff(events.weights.indptr) > 0
        warm = np.diff(events.turned().weights.indptr) > 0
        blocks = {} if items is None else items.take(order).parts
        self.axes_ = axes_of(blocks, np.flatnonzero(warm))
        self.user_axes_ = axes_of(asking.users, np.flatnonzero(acting))
        of_items = with_constant(read_blocks(blocks, self.axes_, len(order)))
        of_users = with_constant(read_blocks(asking.users, self.user_axes_, len(asking)))
        start = by_chance(data.item_ids, self.dim + (self.method == "svd"), self.seed)
        found = self._alternate(events, start * warm[:, None], of_items, of_users)
        places = places_of(order)
        self.factors_ = found[places]
        self.item_bias_, self.value_counts_ = self.item_bias_[places], self.value_counts_[places]
        return self

    def _events_to_learn(self, data: Dataset, asking: Histories) -> _Events:
        """Of people, in the order of `asking`, and items in that of `data`."""
        if self.method == "als":
            self._know_no_values()
            return self._choices(asking)
        said = self._know_values(data)
        self._check_predicts()
        return self._values(said)

    def _choices(self, asking: Histories) -> _Events:
        chosen = asking.matrix()
        chosen.data = np.maximum(chosen.data, 0)
        chosen.eliminate_zeros()
        extra = self.alpha * chosen.data.astype(np.float64)
        parts = chosen.indices, chosen.indptr
        return _Events(
            sparse.csr_array((extra, *parts), shape=chosen.shape),
            sparse.csr_array((1 + extra, *parts), shape=chosen.shape),
        )

    def _values(self, said: Valued) -> _Events:
        return _Events(said.matrix(np.ones(len(said))), self._deviations(said))

    def _alternate(
        self, events: _Events, start: Doubles, of_items: Floats, of_users: Floats
    ) -> Floats:
        """(n_items, width) factors; learns the maps of features, too."""
        turned, factors = events.turned(), start.astype(np.float64)
        acting, warm = np.diff(events.weights.indptr) > 0, np.diff(turned.weights.indptr) > 0
        width = factors.shape[1]
        item_map = np.zeros((of_items.shape[1], width))
        user_map = np.zeros((of_users.shape[1], width))
        for _ in range(self.iterations):
            people = self._solved(events, factors, factors[warm], of_users @ user_map)
            if of_users.shape[1]:
                user_map = ridge_map(of_users[acting], people[acting], self.map_l2)
            factors = self._solved(turned, people, people[acting], of_items @ item_map)
            if of_items.shape[1]:
                item_map = ridge_map(of_items[warm], factors[warm], self.map_l2)
        factors[~warm] = of_items[~warm] @ item_map
        self.item_map_, self.user_map_ = item_map.astype(np.float32), user_map.astype(np.float32)
        return factors.astype(np.float32)

    def _solved(
        self, events: _Events, others: Doubles, counted: Doubles, prior: Doubles
    ) -> Doubles:
        """(n, width) factors of the rows of `events` by those of the `others`.

        `counted` are those of them with events: to choose none of these says something.
        """
        targets = events.targets
        if self.method == "als":
            base = counted.T @ counted
        else:
            base = np.zeros((others.shape[1],) * 2)
            parts = events.targets.indices, events.targets.indptr
            left = events.targets.data - others[parts[0], -1]
            targets = sparse.csr_array((left, *parts), shape=targets.shape)
            others = np.hstack([others[:, :-1], np.ones((len(others), 1))])
        strength = L2[self.method] if self.l2 is None else self.l2
        return Regression(events.weights, targets, base, prior, strength).solved(others)

    def _forget(self) -> None:
        self.__dict__.pop("_exact", None)
        self.__dict__.pop("_facing", None)

    def check_learnt(self) -> None:
        """Raises `ValueError` for widths that do not fit together."""
        super().check_learnt()
        wanted = self.dim + (self.method == "svd")
        agree(self.factors_.shape[1] == wanted, "factors of another length than dim")
        maps = ((self.item_map_, self.axes_), (self.user_map_, self.user_axes_))
        for found, axes in maps:
            width = width_of(axes)
            agree(found.shape == (width + (width > 0), wanted), "a map of other columns")

    def add_items(self, items: Features) -> Self:
        """Items that arrived later: their features place them, or nothing does."""
        placed = self._placed(items)
        super().add_items(items)
        self.factors_ = np.vstack([self.factors_, placed])
        self._forget()
        return self

    def update_items(self, items: Features) -> Self:
        """Known items that say something else: those without events are placed anew."""
        placed = self._placed(items)
        super().update_items(items)
        rows, factors = self.item_ids_.rows(items.ids.series), self.factors_.copy()
        untouched = ~self._touched[rows]
        factors[rows[untouched]] = placed[untouched]
        self.factors_ = factors
        self._forget()
        return self

    def _placed(self, items: Features) -> Floats:
        columns = with_constant(read_blocks(items.parts, self.axes_, len(items)))
        return np.asarray(columns @ self.item_map_, dtype=np.float32)

    @property
    def _touched(self) -> Mask:
        """(n_items,) which of them have events that were learnt from."""
        counts = self.popularity_ if self.method == "als" else self.value_counts_
        return np.asarray(counts > 0)

    @cached_property
    def _exact(self) -> Doubles:
        return self.factors_.astype(np.float64)

    @cached_property
    def _facing(self) -> Floats:
        """(n_items, dim) rounded so that products are the same whoever else asks."""
        return on_grid(self.factors_[:, : self.dim])

    @property
    def predicts(self) -> bool:
        """Whether `method` is "svd": that has values to go by."""
        return self.method == "svd" and super().predicts

    def _check_predicts(self) -> None:
        if self.method != "svd":
            raise ConfigError(
                "MF predicts values with ",
                Setting("method", "svd", "recommender"),
                " alone: set that, and fit again",
            )
        super()._check_predicts()

    def _people(self, asking: Histories, events: _Events) -> Doubles:
        """(n, width) of each request, by what it holds and what its features say."""
        columns = with_constant(read_blocks(asking.users, self.user_axes_, len(asking)))
        prior = (columns @ self.user_map_).astype(np.float64)
        return self._solved(events, self._exact, self._exact[self._touched], prior)

    def score(self, histories: Histories) -> Floats:
        """(n, n_items) products, about 0 to 1; values with "svd"."""
        asking = self._asking(histories)
        usual = np.zeros(len(asking))
        if self.method == "als":
            people = self._people(asking, self._choices(asking))
        else:
            every = asking.every()
            said = valued_of(every)
            people = self._people(every, self._values(said))
            usual = self._user_bias(said) + people[:, -1]
        scores = self._products(people[:, : self.dim].astype(np.float32))
        if self.method == "svd":
            rows = np.arange(len(self.item_ids_), dtype=np.int32)
            scores += (self._without_person(rows) + self._exact[:, -1]).astype(np.float32)
            scores += usual.astype(np.float32)[:, None]
        unknown = ~self._touched & (row_norms(self.factors_) == 0)
        if unknown.any() and not unknown.all():
            scores[:, unknown] = scores[:, ~unknown].min(axis=1, keepdims=True)
        return self._completed(scores)

    def _products(self, people: Floats) -> Floats:
        scores = np.empty((len(people), len(self.item_ids_)), dtype=np.float32)
        step, facing = max(1, _CHUNK_CELLS // max(len(self.item_ids_), 1)), self._facing
        for chunk, part in in_chunks(
            lambda chunk: inner_products(people[chunk], facing), len(people), step
        ):
            scores[chunk] = part
        return scores

    def _predicted_of(self, asking: Histories, items: Rows) -> Doubles:
        said = valued_of(asking)
        people, theirs = self._people(asking, self._values(said)), self._exact[items]
        product = np.einsum("ij,ij->i", people[:, : self.dim], theirs[:, : self.dim])
        found: Doubles = self._predicted(said, items) + product + people[:, -1] + theirs[:, -1]
        return found

    def evidence(self, histories: Histories, items: Rows) -> list[Evidence]:
        """For request i and item i: the item of the history whose vector points most as its own."""
        asking = self._asking(histories)
        found = from_links(self._links, asking, items)
        new = ~self._touched[items]
        return [
            Evidence("alike", one.anchor) if one.anchor >= 0 and fresh else one
            for one, fresh in zip(found, new.tolist(), strict=True)
        ]

    @property
    def _links(self) -> Links:
        vectors = unit_rows(self.factors_[:, : self.dim])

        def links(sources: Rows, targets: Rows) -> Floats:
            found: Floats = np.einsum("ij,ij->i", vectors[sources], vectors[targets])
            return found

        return links
