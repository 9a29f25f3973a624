"""Codes such as postcodes: digits that are no amount; their beginnings are categories."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, TypedDict

import numpy as np
import polars as pl
from scipy import sparse

from palate.core.learnt import WIDEST, agree, check_type
from palate.text.profile import as_text

SHARED: Final = 5
"""Rows that a beginning is held by, on the mean, at least: rarer ones say nothing about others."""

_LEAST = 2


class CodePlan(TypedDict):
    """What a folder holds of a plan of codes."""

    column: str
    kind: Literal["code"]
    width: int
    prefix: int
    whole: bool
    categories: list[str]


def code_plan(
    column: pl.Series, max_categories: int, prefix: int | None = None
) -> dict[str, Any] | None:
    """The most frequent beginnings of a column's codes; None where nothing is shared, or all is.

    Of codes that are held once or twice, as many signs are read as five rows share, on the mean.
    Numbers get back the zeros that they lost at the front.
    """
    width = _width_of(column)
    codes = _codes(column, width).drop_nulls()
    longest = int(codes.str.len_chars().max() or 0)  # type: ignore[arg-type]
    length = prefix or _shared_length(codes, longest)
    if not length:
        return None
    counts = codes.str.slice(0, length).rename("code").value_counts()
    names = counts.sort(["count", "code"], descending=[True, False])["code"].to_list()
    if len(names) < 2 and len(codes) == len(column):
        return None
    return {
        "column": column.name,
        "kind": "code",
        "width": width,
        "prefix": length,
        "whole": length >= longest,
        "categories": names[:max_categories],
    }


def encode_codes(column: pl.Series, plan: Mapping[str, Any]) -> sparse.csr_array:
    """(n, categories) a one for the beginning of each row's code, nothing for an unknown one."""
    begun = _codes(column, plan["width"]).str.slice(0, plan["prefix"])
    place = {code: number for number, code in enumerate(plan["categories"])}
    columns = begun.replace_strict(place, default=-1, return_dtype=pl.Int64).fill_null(-1)
    found = columns.to_numpy()
    rows = np.flatnonzero(found >= 0)
    ones = np.ones(len(rows), dtype=np.float32)
    return sparse.csr_array((ones, (rows, found[rows])), shape=(len(column), len(place)))


def names_of_codes(plan: Mapping[str, Any]) -> list[str]:
    """What each column means: "zip = 02139", or "zip = 02…" of beginnings."""
    more = "" if plan["whole"] else "…"
    return [f"{plan['column']} = {code}{more}" for code in plan["categories"]]


def about_codes(plan: Mapping[str, Any]) -> str:
    """What is done with such a column, and how it would be read as a number."""
    first = "sign" if plan["prefix"] == 1 else f"{plan['prefix']} signs"
    said = "as they are" if plan["whole"] else f"by their first {first}"
    name = plan["column"]
    return f'{name} holds codes, read as categories {said}; {{"{name}": "standard"}} reads numbers'


def check_codes(plan: Mapping[str, Any], where: str) -> None:
    """Raises `ValueError` for what is no plan of codes out of a folder."""
    check_type(plan, CodePlan, where)
    agree(0 <= plan["width"] <= WIDEST, f"{where}: codes of {plan['width']} signs")
    agree(0 < plan["prefix"] <= WIDEST, f"{where}: beginnings of {plan['prefix']} signs")
    agree(len(set(plan["categories"])) == len(plan["categories"]), f"{where} repeats a category")


def _shared_length(codes: pl.Series, longest: int) -> int:
    for length in range(longest, 0, -1):
        shared = len(codes) / max(codes.str.slice(0, length).n_unique(), 1)
        if shared >= SHARED or (length == 1 and shared >= _LEAST):
            return length
    return 0


def _width_of(column: pl.Series) -> int:
    """The signs of the longest code of a column of numbers, 0 of texts, which lost nothing."""
    if not column.dtype.is_numeric():
        return 0
    return int(as_text(column).str.len_chars().max() or 0)  # type: ignore[arg-type]


def _codes(column: pl.Series, width: int) -> pl.Series:
    codes = as_text(column).cast(pl.String)
    return codes.str.zfill(width) if width else codes
