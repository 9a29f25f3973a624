"""Categories by who touches them: Horror lies near Thriller because the same people choose both."""

from __future__ import annotations

from typing import Annotated, Any, Self

import numpy as np
import polars as pl
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt
from scipy import sparse

from palate.core.arrays import Floats
from palate.core.component import check_fitted, check_types, component, learnt
from palate.core.dataset import Dataset
from palate.core.errors import DataError, Setting
from palate.core.features import Features
from palate.core.learnt import agree
from palate.core.sparse import decomposed, unit_length
from palate.data.columns import called_now
from palate.features.encoders.columns.plans import (
    category_plan,
    check_categories,
    encode_column,
    is_attribute,
    make_plan,
)

__all__ = ["Categories"]

_DAMPING = 2.0
"""Events by which one person's liking for a category has to be told to count half."""


@component
class Categories:
    """The mean of an item's category vectors, which are learnt from who touches the categories.

    A category's vector is its row of a `dim`-number factorisation of people × categories, whose
    entries are the positive pointwise mutual information of damped counts; of length n / (n +
    `shrink`) where n people touched it, so one that nobody touched is zero. All columns share one
    space. A new item of known categories has a vector at once, and one of none has zeros. `columns`
    names columns of categories or of sets of them; by default all are read that look like it.
    `seed` starts the search. Entity embeddings after Guo and Berkhahn 2016, by factorisation as in
    Levy and Goldberg 2014.
    """

    columns: Annotated[list[str], Field(min_length=1)] | None = None
    dim: PositiveInt = 32
    shrink: NonNegativeFloat = 5.0
    seed: NonNegativeInt = 0

    plan_: list[dict[str, Any]] = learnt()
    vectors_: Floats = learnt("categories", "dim")

    def __post_init__(self) -> None:
        check_types(self)

    def fit(self, data: Dataset) -> Self:
        """Learns the vectors; raises `DataError` without events, and without categories."""
        if not len(data.interactions):
            raise DataError("there are no interactions for the encoder categories to learn from")
        _check_present(self.columns or [], data.items)
        trained = data.items[data.warm_items]
        names = self.columns or [name for name in data.items.columns if _holds(data.items[name])]
        plans = [category_plan(trained[name], len(data.items), None) for name in names]
        self.plan_ = [plan for plan in plans if plan]
        if not self.plan_:
            raise DataError(
                "no column of the items with events holds categories that vary (columns: "
                f"{', '.join(data.items.columns)}); name some with ",
                Setting("columns"),
            )
        interactions = _interactions(data, self._members(data.items))
        users = np.bincount(interactions.indices, minlength=interactions.shape[1])
        directions = unit_length(decomposed(_information(interactions), self.dim, self.seed))
        trust = users / np.maximum(users + self.shrink, 1e-12)
        self.vectors_ = directions * trust[:, None].astype(np.float32)
        return self

    def check_learnt(self) -> None:
        """Raises `ValueError` for plans of other categories than the vectors'."""
        for place, plan in enumerate(self.plan_):
            check_categories(plan, f"plan_[{place}]")
            agree(not plan["hashed"], "categories without a name")
        agree(bool(self.plan_), "no plan")
        agree(len(self.names) == len(self.vectors_), "plans of other categories than the vectors'")

    def encode(self, data: Dataset) -> Features:
        """One behavioural block: (n_items, min(dim, people, categories))."""
        check_fitted(self)
        _check_present([plan["column"] for plan in self.plan_], data.items)
        members = self._members(data.items)
        known = self.vectors_.any(axis=1).astype(np.float32)
        values = members @ self.vectors_ / np.maximum(members @ known, 1.0)[:, None]
        return Features(data.item_ids, {"categories": values}, behavioural=["categories"])

    @property
    def block_width(self) -> int:
        """Columns of its block, by what was learnt alone: nothing is encoded."""
        check_fitted(self)
        return int(self.vectors_.shape[1])

    @property
    def names(self) -> list[str]:
        """The categories, in the order of `vectors_`: "genres = Horror"."""
        check_fitted(self)
        return [
            f"{plan['column']} = {category}"
            for plan in self.plan_
            for category in plan["categories"]
        ]

    @property
    def columns_read(self) -> list[str]:
        """The columns that are read, each once."""
        check_fitted(self)
        return [plan["column"] for plan in self.plan_]

    def _members(self, items: pl.DataFrame) -> sparse.csr_array:
        """(items, categories) ones."""
        parts = [encode_column(items[plan["column"]], plan) for plan in self.plan_]
        members = sparse.csr_array(sparse.hstack(parts, format="csr"))
        members.data[:] = 1.0
        return members


def _holds(column: pl.Series) -> bool:
    """Whether a column would be read as categories by default."""
    plan = make_plan(column, 1, None) if is_attribute(column) else None
    return plan is not None and plan["kind"] == "categories"


def _check_present(names: list[str], items: pl.DataFrame) -> None:
    for name in names:
        if name not in items.columns:
            raise DataError(f"the items have no column {name!r}.{called_now(name, items.columns)}")


def _interactions(data: Dataset, members: sparse.csr_array) -> sparse.csr_array:
    """(people, categories) log2(1 + summed event weights)."""
    shape = (len(data.user_ids), len(data.item_ids))
    events = sparse.csr_array((data.weights, (data.user_rows, data.item_rows)), shape=shape)
    counts = sparse.csr_array(events @ members, dtype=np.float64)
    counts.data = np.log2(1 + np.maximum(counts.data, 0.0))
    counts.eliminate_zeros()
    return counts


def _information(touches: sparse.csr_array) -> sparse.csr_array:
    pairs = touches.tocoo()
    users = np.asarray(touches.sum(axis=1)).ravel()
    categories = np.asarray(touches.sum(axis=0)).ravel()
    expected = users[pairs.row] * categories[pairs.col] / users.sum()
    weights = np.maximum(np.log(pairs.data / expected), 0.0) * pairs.data / (pairs.data + _DAMPING)
    found = sparse.csr_array((weights, (pairs.row, pairs.col)), shape=touches.shape)
    found.eliminate_zeros()
    return found
