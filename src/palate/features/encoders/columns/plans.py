"""How one column of the items' table becomes numbers: learnt from trained items, kept as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any, Final, Literal, TypeAlias, TypedDict

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from palate.core.learnt import WIDEST, agree, check_type
from palate.features.encoders.columns.codes import code_plan
from palate.text.profile import (
    as_text,
    flat_list_type,
    flat_lists,
    is_title_name,
    mean_words,
    present,
    profile,
)

Plan: TypeAlias = dict[str, Any]
Numbers: TypeAlias = NDArray[np.float64]

SCALES: Final = ("standard", "log", "quantile")
KNOTS: Final = 100
"""Steps of the distribution that `quantile` keeps."""

_SEPARATORS = ("|", ";", "、", ",")
_MOST = 5.0
"""Standardised numbers are held within this many standard deviations."""

_LONGEST_CATEGORY = 6.0
"""Mean words of a category; a Chinese character counts as half a word."""


class CategoryPlan(TypedDict):
    """What a folder holds of a plan of categories; the next ones, of other kinds."""

    column: str
    kind: Literal["categories"]
    separator: str | None
    categories: list[str]
    hashed: int


class _NumberPlan(TypedDict):
    column: str
    kind: Literal["number", "derived"]
    mean: float
    deviation: float
    missing: bool


class NumberPlan(_NumberPlan, total=False):
    label: str
    scale: Literal["log", "quantile"]
    knots: list[float]


def check_categories(plan: Mapping[str, Any], where: str) -> None:
    """Raises `ValueError` for what is no plan of categories out of a folder."""
    check_type(plan, CategoryPlan, where)
    agree(0 <= plan["hashed"] <= WIDEST, f"{where}: {plan['hashed']} buckets")


def check_number(plan: Mapping[str, Any], where: str) -> None:
    """Raises `ValueError` for what is no plan of a number out of a folder."""
    check_type(plan, NumberPlan, where)
    agree(plan["deviation"] > 0, f"{where}: a deviation of {plan['deviation']}")
    agree(plan.get("scale") != "quantile" or bool(plan.get("knots")), f"{where} has no knots")


def is_attribute(column: pl.Series) -> bool:
    """Whether a column, by its values, is a category, a set of them, a number or a code.

    Titles are none, nor are descriptions, however often the same ones come again.
    """
    judged = profile(column)
    if judged.kind == "text":
        if is_title_name(column.name):
            return False
        repeated = judged.repetition >= 2 and judged.words <= _LONGEST_CATEGORY
        return repeated or separator_of(column) is not None
    lists_of_codes = (
        isinstance(column.dtype, (pl.List, pl.Array))
        and flat_list_type(column.dtype).is_integer()
        and judged.kind == "other"
    )
    return judged.kind in ("categories", "number", "code") or lists_of_codes


def is_date(column: pl.Series) -> bool:
    """Whether a column holds days or moments."""
    kind = column.dtype
    return isinstance(kind, pl.Date | pl.Datetime) or profile(column).kind == "date"


def make_plan(column: pl.Series, max_categories: int, hashed: int | None) -> Plan | None:
    """What is learnt from the trained items; None for a column that never varies."""
    if profile(column).kind == "code":
        return code_plan(column, max_categories)
    numbers = numbers_of(column)
    if numbers is not None and _mostly_known(numbers, column):
        return number_plan(column.name, numbers)
    return category_plan(column, max_categories, hashed)


def category_plan(column: pl.Series, max_categories: int, hashed: int | None) -> Plan | None:
    """The categories of any column, numbers too; None for one that says the same everywhere."""
    separator = None if column.dtype == pl.List else separator_of(column)
    _, values = categories_of(column, separator)
    counts = values.value_counts().sort(["count", values.name], descending=[True, False])
    names = counts[values.name].to_list()
    if not names or (len(names) < 2 and len(values) == len(column)):
        return None
    return {
        "column": column.name,
        "kind": "categories",
        "separator": separator,
        "categories": names[:max_categories],
        "hashed": hashed if hashed and len(names) > max_categories else 0,
    }


def encode_column(column: pl.Series, plan: Mapping[str, Any]) -> sparse.csr_array:
    """(n, width) float32. A row of categories has length 1, or 0 where none is known."""
    if plan["kind"] == "number":
        return _encode_numbers(column, plan)
    rows, values = categories_of(column, plan["separator"])
    columns = _columns_of(values, plan["categories"], plan["hashed"])
    rows, columns = rows[columns >= 0], columns[columns >= 0]
    width = len(plan["categories"]) + plan["hashed"]
    ones = np.ones(len(rows), dtype=np.float32)
    counted = sparse.csr_array((ones, (rows, columns)), shape=(len(column), width))
    counted.sum_duplicates()
    counted.data[:] = 1.0
    lengths = np.sqrt(np.diff(counted.indptr)).astype(np.float32)
    counted.data /= np.repeat(lengths, np.diff(counted.indptr))
    return counted


def names_of(plan: Mapping[str, Any]) -> list[str]:
    """What each encoded column means."""
    name = plan["column"]
    if plan["kind"] == "number":
        return with_missing([plan.get("label", name)], plan)
    known = [f"{name} = {category}" for category in plan["categories"]]
    return known + [f"{name} # {bucket}" for bucket in range(plan["hashed"])]


def with_missing(names: list[str], plan: Mapping[str, Any]) -> list[str]:
    """The names, and that of the column which says where they are unknown, if there is one."""
    return [*names, f"{names[0]} is missing"] if plan["missing"] else names


def separator_of(column: pl.Series) -> str | None:
    """The sign between several categories in one string ("Action|Comedy"), if there is one."""
    if column.dtype != pl.String:
        return None
    values = present(column).drop_nulls()
    for sign in _SEPARATORS:
        if not len(values) or (values.str.contains(sign, literal=True).mean() or 0) < 0.1:  # type: ignore[operator]
            continue
        parts = values.str.split(sign).list.explode().str.strip_chars()
        if len(parts) >= 3 * parts.n_unique() and mean_words(parts) <= 4:
            return sign
    return None


def numbers_of(column: pl.Series) -> NDArray[np.float64] | None:
    """A column of numbers, or of strings that may be numbers, with NaN for what is none."""
    if column.dtype == pl.String:
        stripped = column.str.strip_chars().str.replace_all(r"[$€£¥,%\s]", "")
        values = stripped.cast(pl.Float64, strict=False)
    elif column.dtype.is_numeric() or column.dtype in (pl.Boolean, pl.Null):
        values = column.cast(pl.Float64)
    else:
        return None
    numbers = values.fill_null(float("nan")).to_numpy().copy()
    numbers[~np.isfinite(numbers)] = np.nan
    return numbers


def _mostly_known(numbers: NDArray[np.float64], column: pl.Series) -> bool:
    if column.dtype != pl.String:
        return True
    said = len(present(column).drop_nulls())
    return bool(np.isfinite(numbers).sum() > 0.8 * said)


def number_plan(name: str, numbers: NDArray[np.float64], scale: str = "standard") -> Plan | None:
    """How numbers (NaN where unknown) are scaled and standardised; None where they never vary."""
    learnt = scale_plan(numbers, scale)
    numbers = scaled(numbers, learnt)
    known = numbers[~np.isnan(numbers)]
    # of equal numbers the deviation may be a rounding error
    spread = float(known.std()) if len(known) and np.ptp(known) > 0 else 0.0
    if spread == 0.0 and len(known) in (0, len(numbers)):
        return None
    return {
        "column": name,
        "kind": "number",
        "mean": float(known.mean()),
        "deviation": spread or 1.0,
        "missing": len(known) < len(numbers),
        **learnt,
    }


def _encode_numbers(column: pl.Series, plan: Mapping[str, Any]) -> sparse.csr_array:
    numbers = numbers_of(column)
    if numbers is None:
        numbers = np.full(len(column), np.nan)
    return standardised(scaled(numbers, plan), plan)


def standardised(numbers: NDArray[np.float64], plan: Mapping[str, Any]) -> sparse.csr_array:
    """(n, 1 or 2): the numbers by the plan's mean and deviation, then whether one is missing."""
    unknown = np.isnan(numbers)
    standard = np.clip((numbers - plan["mean"]) / plan["deviation"], -_MOST, _MOST)
    parts = [np.where(unknown, 0.0, standard)]
    if plan["missing"]:
        parts.append(unknown.astype(np.float64))
    return sparse.csr_array(np.column_stack(parts).astype(np.float32))


def categories_of(column: pl.Series, separator: str | None) -> tuple[NDArray[np.int64], pl.Series]:
    """(row, category) of every category that the column names."""
    if separator is not None and column.dtype == pl.String:
        column = column.str.split(separator)
    if isinstance(column.dtype, (pl.List, pl.Array)):
        lists = flat_lists(column)
        counts = lists.list.len().fill_null(0).to_numpy()
        values = lists.filter(pl.Series(counts > 0)).list.explode()
        return np.repeat(np.arange(len(column)), counts), values.rename("category")
    texts = as_text(column).rename("category")
    rows = np.flatnonzero(texts.is_not_null().to_numpy())
    return rows, texts.drop_nulls()


def _columns_of(values: pl.Series, known: Sequence[str], hashed: int) -> NDArray[np.int64]:
    place = {category: column for column, category in enumerate(known)}
    for category in values.unique() if hashed else []:
        if category not in place:
            digest = blake2b(category.encode(), digest_size=8).digest()
            place[category] = len(known) + int.from_bytes(digest, "little") % hashed
    columns = values.replace_strict(place, default=-1, return_dtype=pl.Int64)
    return columns.to_numpy()


def scale_plan(numbers: Numbers, scale: str) -> dict[str, Any]:
    """What the scale has to learn from known numbers, as JSON; nothing for "standard"."""
    if scale == "standard":
        return {}
    if scale == "log":
        return {"scale": "log"}
    known = numbers[~np.isnan(numbers)]
    steps = np.linspace(0, 1, KNOTS + 1)
    return {"scale": "quantile", "knots": np.quantile(known, steps).tolist() if len(known) else []}


def scaled(numbers: Numbers, plan: Mapping[str, Any]) -> Numbers:
    """The numbers on the plan's scale; NaN stays NaN.

    "log" is sign(x) · log(1 + |x|); "quantile" the share of the numbers below, 0 to 1, ties in
    their middle, as in scikit-learn's `QuantileTransformer`.
    """
    scale = plan.get("scale")
    if scale == "log":
        return np.sign(numbers) * np.log1p(np.abs(numbers))
    if scale == "quantile":
        return _shares_below(numbers, np.asarray(plan["knots"], dtype=np.float64))
    return numbers


def _shares_below(numbers: Numbers, knots: Numbers) -> Numbers:
    steps = np.linspace(0, 1, len(knots))
    from_below = np.interp(numbers, knots, steps)
    from_above = np.interp(-numbers, -knots[::-1], -steps[::-1])
    return np.asarray((from_below - from_above) / 2)
