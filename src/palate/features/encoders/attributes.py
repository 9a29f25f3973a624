"""Item columns as features: categories, sets of categories, numbers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Literal, Self

import polars as pl
from pydantic import Field, PositiveInt
from scipy import sparse

from palate.core.columns import ITEM
from palate.core.component import check_fitted, check_types, component, learnt
from palate.core.dataset import Dataset
from palate.core.errors import DataError, Setting
from palate.core.features import Features
from palate.core.learnt import agree
from palate.data.columns import called_now
from palate.features.encoders.columns.codes import about_codes
from palate.features.encoders.columns.kinds import (
    AUTO,
    OTHERS,
    Spec,
    check_plan,
    check_readable,
    column_names_of,
    encode,
    parsed,
    plans_for,
)
from palate.features.encoders.columns.plans import is_attribute, is_date

__all__ = ["Attributes"]


def attribute_columns(items: pl.DataFrame) -> list[str]:
    """The columns that hold categories, sets of categories or numbers."""
    return [name for name in items.columns if name != ITEM and is_attribute(items[name])]


@component
class Attributes:
    """Sparse features of the items' columns, learnt from trained items alone (where these say
    nothing, from all).

    Categories are one-hot; lists, and strings such as "Action|Comedy", are multi-hot and of length
    1; numbers are standardised, and a number that some items lack gets a column that says so.
    `numbers` "bins" shares each number between the two nearest of five quantiles instead, so that
    one alone says more than high or low; "both" does so beside it, "alone" where there are numbers
    and nothing else. None is "standard", and "alone" where people are read.
    `columns` says which to read; by default all but ids, addresses, dates, free text and columns
    that never vary. Of each column the `max_categories` most frequent categories get a feature of
    their own. Others, and those that appear later, are zeros, or share `hashed` features in
    columns that have more than `max_categories`.

    A table of `columns` says how to read each: `{"size": {"as": "ordinal", "order": ["S", "M"]},
    "price": "log", "brand": ["categories", "frequency"], "*": "auto"}`. The ways are "auto",
    "categories", "hashed" (`features`, 64), "frequency" (log of how many trained items share the
    category, target-free), "code" (the first `prefix` signs, or as many as five rows share: what
    "auto" makes of postcodes), "ordinal" (`order`, lowest first), "standard", "log", "quantile",
    "bins" (`bins`, 5), "date" (`cycles` of "hour", "weekday", "month", "yearday" as sine and
    cosine, and `age` in years) and "lengths" (log of characters and words). `"*"` stands for the
    default columns not named.
    """

    columns: Annotated[list[str] | dict[str, Any], Field(min_length=1)] | None = None
    max_categories: PositiveInt = 500
    hashed: PositiveInt | None = None
    numbers: Literal["standard", "bins", "both", "alone"] | None = None

    plan_: list[dict[str, Any]] = learnt()

    makes_sparse: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_types(self)
        if isinstance(self.columns, dict):
            parsed(self.columns)

    def fit(self, data: Dataset) -> Self:
        """Learns categories and scales; raises `DataError` where there is nothing to learn."""
        wanted = self._wanted(data.items)
        for name, spec in wanted:
            check_readable(data.items[name], spec)
        for items in (data.items[data.warm_items], data.items):
            self.plan_ = self._plans(items, wanted, self.numbers)
            if self.numbers == "alone" and {one["kind"] for one in self.plan_} == {"number"}:
                self.plan_ = self._plans(items, wanted, "bins")
            if self.plan_:
                return self
        raise DataError(
            f"none of the items' columns ({', '.join(data.items.columns)}) holds categories or "
            "numbers that vary; name some with ",
            Setting("columns"),
            ", or leave this encoder out",
        )

    def _plans(
        self, items: pl.DataFrame, wanted: list[tuple[str, Spec]], numbers: str | None
    ) -> list[dict[str, Any]]:
        most, hashed = self.max_categories, self.hashed
        return [
            plan
            for name, spec in wanted
            for plan in plans_for(
                items[name], spec, max_categories=most, hashed=hashed, numbers=numbers
            )
        ]

    def for_users(self) -> Self:
        """The same for people, who are compared by unit rows: an age alone is a sign in these."""
        return replace(self, numbers="alone") if self.numbers is None else self

    def describe(self, data: Dataset) -> Iterator[str]:
        """Which columns are read and how many features they make; raises as `fit` does."""
        fitted = replace(self).fit(data)
        columns = ", ".join(dict.fromkeys(plan["column"] for plan in fitted.plan_))
        yield f"reads {columns}: {len(fitted.names):,} features"
        by_itself = {name for name, spec in self._wanted(data.items) if spec["as"] == "auto"}
        for plan in fitted.plan_:
            if plan["kind"] == "code" and plan["column"] in by_itself:
                yield about_codes(plan)
        read = {plan["column"] for plan in fitted.plan_}
        if self.columns is None or OTHERS in self.columns:
            for name in data.items.columns:
                if name not in read and is_date(data.items[name]):
                    ways = f'{{"{name}": "date", "{OTHERS}": "auto"}}'
                    yield f"{name} holds dates and is left out; {ways} reads them"

    def check_learnt(self) -> None:
        """Raises `ValueError` for plans that cannot be followed."""
        agree(bool(self.plan_), "no plan")
        for place, plan in enumerate(self.plan_):
            check_plan(plan, f"plan_[{place}]")

    def encode(self, data: Dataset) -> Features:
        """One sparse block: (n_items, features)."""
        check_fitted(self)
        self._check_present([plan["column"] for plan in self.plan_], data.items)
        parts = [encode(data.items[plan["column"]], plan) for plan in self.plan_]
        block = sparse.csr_array(sparse.hstack(parts, format="csr"))
        return Features(data.item_ids, {"attributes": block}, names={"attributes": self.names})

    @property
    def block_width(self) -> int:
        """Columns of its block, by what was learnt alone: nothing is encoded."""
        check_fitted(self)
        return len(self.names)

    @property
    def names(self) -> list[str]:
        """What each feature means: "genres = Comedy", "year", "year is missing"."""
        check_fitted(self)
        return [name for plan in self.plan_ for name in column_names_of(plan)]

    @property
    def columns_read(self) -> list[str]:
        """The columns that are read, each once."""
        check_fitted(self)
        return list(dict.fromkeys(plan["column"] for plan in self.plan_))

    def _wanted(self, items: pl.DataFrame) -> list[tuple[str, Spec]]:
        """(column, way to read it), in order; raises `DataError` for one that is not there."""
        if self.columns is None:
            return [(name, AUTO) for name in attribute_columns(items)]
        self._check_present([name for name in self.columns if name != OTHERS], items)
        if isinstance(self.columns, list):
            return [(name, AUTO) for name in self.columns]
        specs = parsed(self.columns)
        if OTHERS in specs:
            by_default = [name for name in attribute_columns(items) if name not in specs]
            specs = {
                name: said
                for key, own in specs.items()
                for name, said in (
                    [(other, [AUTO]) for other in by_default] if key == OTHERS else [(key, own)]
                )
            }
        return [(name, spec) for name, said in specs.items() for spec in said]

    def _check_present(self, names: list[str], items: pl.DataFrame) -> None:
        for name in names:
            if name not in items.columns:
                raise DataError(
                    f"the items have no column {name!r}.{called_now(name, items.columns)}"
                )
