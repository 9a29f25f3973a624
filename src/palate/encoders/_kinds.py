"""What `columns` of `Attributes` may say of a column, and the plans that follow from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias, TypedDict

import numpy as np
import polars as pl
from scipy import sparse

from palate._learnt import agree, check_type
from palate.encoders import _plans
from palate.encoders._dates import CYCLES, seconds_of, turns
from palate.encoders._plans import Plan, standardised, with_missing
from palate.encoders._readings import check_reading, counted, derived_plan, levels_of, read
from palate.encoders._scales import SCALES
from palate.errors import ConfigError, DataError, did_you_mean, first_offenders
from palate.text.template import as_text

Spec: TypeAlias = Mapping[str, Any]

AUTO: Final[Spec] = {"as": "auto"}
OTHERS: Final = "*"
"""In place of a column's name: all columns that would be read by default and are not named."""
HASHED_FEATURES = 64

_OPTIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "auto": ("max_categories", "hashed"),
    "categories": ("max_categories", "hashed"),
    "hashed": ("features",),
    "frequency": (),
    "ordinal": ("order",),
    **dict.fromkeys(SCALES, ()),
    "date": ("cycles", "age"),
    "lengths": (),
}
_MOSTLY = 0.8


class CyclePlan(TypedDict):
    """What a folder holds of a plan of dates."""

    column: str
    kind: Literal["cycle"]
    cycle: Literal["hour", "weekday", "month", "yearday"]
    missing: bool


def parsed(columns: Mapping[str, Any]) -> dict[str, list[Spec]]:
    """Column → in which ways it is read; raises `ConfigError` for what cannot be meant."""
    found = {}
    for name, said in columns.items():
        several = said if isinstance(said, list) else [said]
        if not several:
            raise ConfigError(f"columns.{name} is empty: say how to read it, or leave it out")
        found[name] = [_spec(name, one) for one in several]
        if name == OTHERS and found[name] != [AUTO]:
            raise ConfigError(f'columns."{OTHERS}" can only be "auto", not {said!r}')
    return found


def _spec(name: str, said: Any) -> Spec:
    spec = {"as": said} if isinstance(said, str) else said
    if not isinstance(spec, Mapping) or not isinstance(spec.get("as"), str):
        raise ConfigError(
            f'columns.{name} = {said!r} cannot be used: write "log", or {{"as": "ordinal", '
            f'"order": ["S", "M", "L"]}}.{did_you_mean("", _OPTIONS)}'
        )
    if spec["as"] not in _OPTIONS:
        raise ConfigError(
            f"columns.{name}: no way to read a column is called {spec['as']!r}."
            f"{did_you_mean(spec['as'], _OPTIONS)}"
        )
    for option in spec:
        if option not in ("as", *_OPTIONS[spec["as"]]):
            raise ConfigError(
                f"columns.{name}: {spec['as']!r} has no option {option!r}."
                f"{did_you_mean(option, _OPTIONS[spec['as']])}"
            )
    _check_options(name, spec)
    return dict(spec)


def _check_options(name: str, spec: Spec) -> None:
    where = f"columns.{name}"
    for option in ("max_categories", "hashed", "features"):
        value = spec.get(option, 1)
        if type(value) is not int or value < 1:
            raise ConfigError(f"{where}.{option} must be at least 1, not {value!r}")
    if spec["as"] == "ordinal":
        _check_order(where, spec.get("order"))
    if spec["as"] == "date":
        _check_date(where, spec)


def _check_order(where: str, order: Any) -> None:
    plain = isinstance(order, list) and all(isinstance(level, str | int | float) for level in order)
    if not plain or len(order) < 2:
        raise ConfigError(
            f'{where}: "ordinal" needs its levels, lowest first: order = ["S", "M", "L"]'
        )
    if len(set(levels_of(order))) < len(order) or "" in levels_of(order):
        raise ConfigError(f"{where}.order = {order} must hold each level once, and no empty one")


def _check_date(where: str, spec: Spec) -> None:
    cycles = spec.get("cycles", [])
    if not isinstance(cycles, list):
        raise ConfigError(f"{where}.cycles must be a list of {', '.join(CYCLES)}")
    for cycle in cycles:
        if cycle not in CYCLES:
            known = did_you_mean(str(cycle), CYCLES)
            raise ConfigError(f"{where}.cycles: no cycle is called {cycle!r}.{known}")
    if not isinstance(spec.get("age", True), bool):
        raise ConfigError(f"{where}.age must be true or false, not {spec['age']!r}")
    if not spec.get("age", True) and spec.get("cycles") == []:
        raise ConfigError(f"{where} has neither cycles nor an age: leave the column out")


def check_readable(column: pl.Series, spec: Spec) -> None:
    """Raises `DataError` for a column whose values are not what its spec takes them for."""
    kind = spec["as"]
    texts = as_text(column) if kind != "auto" else column
    if kind in ("auto", "categories", "hashed", "frequency", "lengths"):
        return
    if kind == "ordinal":
        numbers, wanted, most = read(column, _order(spec)), "a level of its order", 1.0
    elif kind == "date":
        numbers, wanted, most = seconds_of(column), "a date", _MOSTLY
    else:
        numbers, wanted, most = read(column, {"how": "number"}), "a number", _MOSTLY
    said = texts.is_not_null().to_numpy()
    odd = texts.filter(pl.Series(said & np.isnan(numbers)))
    if len(odd) and len(odd) > (1 - most) * said.sum():
        shown = odd.unique(maintain_order=True)
        raise DataError(
            f"the column {column.name!r} cannot be read as {kind!r}: "
            f"{first_offenders(shown, len(shown))} is not {wanted}"
        )


def plans_for(
    column: pl.Series, spec: Spec, *, max_categories: int, hashed: int | None
) -> list[Plan]:
    """What is learnt about a column read in one way; nothing where it never varies."""
    kind = spec["as"]
    most, buckets = spec.get("max_categories", max_categories), spec.get("hashed", hashed)
    plans: list[Plan | None]
    if kind == "auto":
        plans = [_plans.make_plan(column, most, buckets)]
    elif kind == "categories":
        plans = [_plans.category_plan(column, most, buckets)]
    elif kind == "hashed":
        plans = [_hashed_plan(column, spec)]
    elif kind == "frequency":
        plans = [derived_plan(column, counted(column), f"{column.name} (frequency)")]
    elif kind == "ordinal":
        plans = [derived_plan(column, _order(spec), f"{column.name} (order)")]
    elif kind == "lengths":
        plans = [
            derived_plan(column, {"how": how}, f"{column.name} ({how})")
            for how in ("characters", "words")
        ]
    elif kind == "date":
        plans = _date_plans(column, spec)
    else:
        plans = [_scaled_plan(column, kind)]
    return [plan for plan in plans if plan is not None]


def encode(column: pl.Series, plan: Mapping[str, Any]) -> sparse.csr_array:
    """(n, width) float32 by a plan of any kind."""
    if plan["kind"] == "derived":
        return standardised(read(column, plan["reading"]), plan)
    if plan["kind"] == "cycle":
        return _encode_cycle(column, plan)
    return _plans.encode_column(column, plan)


def check_plan(plan: Mapping[str, Any], where: str) -> None:
    """Raises `ValueError` for what is no plan of any kind out of a folder."""
    kind = plan.get("kind")
    if kind == "cycle":
        check_type(plan, CyclePlan, where)
    elif kind == "categories":
        _plans.check_categories(plan, where)
    else:
        _plans.check_number(plan, where)
    if kind == "derived":
        check_reading(plan.get("reading"), f"{where}['reading']")
        agree("label" in plan, f"{where} has no label")


def names_of(plan: Mapping[str, Any]) -> list[str]:
    """What each encoded column means."""
    if plan["kind"] == "derived":
        return with_missing([plan["label"]], plan)
    if plan["kind"] == "cycle":
        names = [f"{plan['column']} ({plan['cycle']}, {part})" for part in ("sine", "cosine")]
        return with_missing(names, plan)
    return _plans.names_of(plan)


def _order(spec: Spec) -> dict[str, Any]:
    return {"how": "order", "levels": levels_of(spec["order"])}


def _hashed_plan(column: pl.Series, spec: Spec) -> Plan | None:
    plan = _plans.category_plan(column, 1, None)
    if plan is None:
        return None
    return {**plan, "categories": [], "hashed": spec.get("features", HASHED_FEATURES)}


def _scaled_plan(column: pl.Series, scale: str) -> Plan | None:
    plan = _plans.number_plan(column.name, read(column, {"how": "number"}), scale)
    if plan is None or scale == "standard":
        return plan
    return {**plan, "label": f"{column.name} ({scale})"}


def _date_plans(column: pl.Series, spec: Spec) -> list[Plan | None]:
    seconds = seconds_of(column)
    known = seconds[~np.isnan(seconds)]
    plans: list[Plan | None] = []
    if spec.get("age", True):
        plans.append(derived_plan(column, {"how": "age"}, f"{column.name} (age)"))
    chosen: Sequence[str] = spec.get("cycles", [cycle for cycle in CYCLES if cycle != "month"])
    varying = [cycle for cycle in chosen if len(np.unique(turns(known, cycle))) > 1]
    for number, cycle in enumerate(varying):
        told = number > 0 or any(plans)
        missing = not told and len(known) < len(column)
        plans.append({"column": column.name, "kind": "cycle", "cycle": cycle, "missing": missing})
    return plans


def _encode_cycle(column: pl.Series, plan: Mapping[str, Any]) -> sparse.csr_array:
    angle = 2 * np.pi * turns(seconds_of(column), plan["cycle"])
    parts = [np.nan_to_num(np.sin(angle)), np.nan_to_num(np.cos(angle))]
    if plan["missing"]:
        parts.append(np.isnan(angle).astype(np.float64))
    return sparse.csr_array(np.column_stack(parts).astype(np.float32))
