"""What `columns` of `Attributes` may say of a column, and the plans that follow from it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias, TypedDict

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from palate.core.errors import ConfigError, DataError, did_you_mean, first_offenders
from palate.core.learnt import agree, check_type
from palate.features.encoders.columns.bins import (
    KNOTS as BINS,
)
from palate.features.encoders.columns.bins import (
    bins_plan,
    check_bins,
    encode_bins,
    names_of_bins,
)
from palate.features.encoders.columns.codes import (
    check_codes,
    code_plan,
    encode_codes,
    names_of_codes,
)
from palate.features.encoders.columns.dates import (
    CYCLES,
    YEAR,
    CyclePlan,
    encode_cycle,
    seconds_of,
    turns,
)
from palate.features.encoders.columns.plans import (
    SCALES,
    Plan,
    categories_of,
    category_plan,
    check_categories,
    check_number,
    encode_column,
    make_plan,
    names_of,
    number_plan,
    numbers_of,
    separator_of,
    standardised,
    with_missing,
)
from palate.text.profile import as_text

Spec: TypeAlias = Mapping[str, Any]
Numbers: TypeAlias = NDArray[np.float64]

AUTO: Final[Spec] = {"as": "auto"}
OTHERS: Final = "*"
"""In place of a column's name: all columns that would be read by default and are not named."""

HASHED_FEATURES = 64
_OPTIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "auto": ("max_categories", "hashed"),
    "categories": ("max_categories", "hashed"),
    "hashed": ("features",),
    "code": ("max_categories", "prefix"),
    "frequency": (),
    "ordinal": ("order",),
    **dict.fromkeys(SCALES, ()),
    "bins": ("bins",),
    "date": ("cycles", "age"),
    "lengths": (),
}
_MOSTLY = 0.8


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
    for option in ("max_categories", "hashed", "features", "prefix"):
        value = spec.get(option, 1)
        if type(value) is not int or value < 1:
            raise ConfigError(f"{where}.{option} must be at least 1, not {value!r}")
    if spec["as"] == "bins" and (type(spec.get("bins", 2)) is not int or spec.get("bins", 2) < 2):
        raise ConfigError(f"{where}.bins must be at least 2, not {spec['bins']!r}")
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
    if kind in ("auto", "categories", "hashed", "code", "frequency", "lengths"):
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
    column: pl.Series,
    spec: Spec,
    *,
    max_categories: int,
    hashed: int | None,
    numbers: str | None = None,
) -> list[Plan]:
    """What is learnt about a column read in one way; nothing where it never varies.

    `numbers` says how those are read of which nothing else is said: "bins", "both" or standardised.
    """
    kind = spec["as"]
    most, buckets = spec.get("max_categories", max_categories), spec.get("hashed", hashed)
    plans: list[Plan | None]
    if kind == "auto":
        plans = _plans_by_itself(column, most, buckets, numbers)
    elif kind == "categories":
        plans = [category_plan(column, most, buckets)]
    elif kind == "hashed":
        plans = [_hashed_plan(column, spec)]
    elif kind == "code":
        plans = [code_plan(column, most, spec.get("prefix"))]
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
        plans = [_scaled_plan(column, kind, spec.get("bins", BINS))]
    return [plan for plan in plans if plan is not None]


def encode(column: pl.Series, plan: Mapping[str, Any]) -> sparse.csr_array:
    """(n, width) float32 by a plan of any kind."""
    if plan["kind"] == "derived":
        return standardised(read(column, plan["reading"]), plan)
    if plan["kind"] == "cycle":
        return encode_cycle(column, plan)
    if plan["kind"] == "code":
        return encode_codes(column, plan)
    if plan["kind"] == "bins":
        return encode_bins(read(column, {"how": "number"}), plan)
    return encode_column(column, plan)


def check_plan(plan: Mapping[str, Any], where: str) -> None:
    """Raises `ValueError` for what is no plan of any kind out of a folder."""
    kind = plan.get("kind")
    if kind == "cycle":
        check_type(plan, CyclePlan, where)
    elif kind == "code":
        check_codes(plan, where)
    elif kind == "bins":
        check_bins(plan, where)
    elif kind == "categories":
        check_categories(plan, where)
    else:
        check_number(plan, where)
    if kind == "derived":
        check_reading(plan.get("reading"), f"{where}['reading']")
        agree("label" in plan, f"{where} has no label")


def column_names_of(plan: Mapping[str, Any]) -> list[str]:
    """What each encoded column means."""
    if plan["kind"] == "derived":
        return with_missing([plan["label"]], plan)
    if plan["kind"] == "cycle":
        names = [f"{plan['column']} ({plan['cycle']}, {part})" for part in ("sine", "cosine")]
        return with_missing(names, plan)
    if plan["kind"] == "bins":
        return names_of_bins(plan)
    return names_of_codes(plan) if plan["kind"] == "code" else names_of(plan)


def _order(spec: Spec) -> dict[str, Any]:
    return {"how": "order", "levels": levels_of(spec["order"])}


def _hashed_plan(column: pl.Series, spec: Spec) -> Plan | None:
    plan = category_plan(column, 1, None)
    if plan is None:
        return None
    return {**plan, "categories": [], "hashed": spec.get("features", HASHED_FEATURES)}


def _plans_by_itself(
    column: pl.Series, most: int, buckets: int | None, numbers: str | None
) -> list[Plan | None]:
    plan = make_plan(column, most, buckets)
    if plan is None or plan["kind"] != "number" or numbers in (None, "standard", "alone"):
        return [plan]
    beside = numbers == "both"
    bins = bins_plan(column.name, read(column, {"how": "number"}), beside=beside)
    return [plan, bins] if beside else [bins]


def _scaled_plan(column: pl.Series, scale: str, bins: int) -> Plan | None:
    if scale == "bins":
        return bins_plan(column.name, read(column, {"how": "number"}), bins)
    plan = number_plan(column.name, read(column, {"how": "number"}), scale)
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
        marked = number > 0 or any(plans)
        missing = not marked and len(known) < len(column)
        plans.append({"column": column.name, "kind": "cycle", "cycle": cycle, "missing": missing})
    return plans


class Reading(TypedDict):
    """What a folder holds of a reading; the next ones, of two that learn something."""

    how: Literal["order", "frequency", "age", "characters", "words", "number"]


class OrderReading(Reading):
    levels: list[str]


class FrequencyReading(Reading):
    separator: str | None
    categories: list[str]
    counts: list[int]


def derived_plan(column: pl.Series, reading: Mapping[str, Any], label: str) -> Plan | None:
    """A standardised number that is read out of a column; None where it never varies."""
    plan = number_plan(label, read(column, reading))
    if plan is None:
        return None
    return {**plan, "column": column.name, "kind": "derived", "label": label, "reading": reading}


def check_reading(reading: Any, where: str) -> None:
    """Raises `ValueError` for what is no reading out of a folder."""
    check_type(reading, Reading, where)
    if reading["how"] == "order":
        check_type(reading, OrderReading, where)
    if reading["how"] == "frequency":
        check_type(reading, FrequencyReading, where)
        counts = reading["counts"]
        agree(len(counts) == len(reading["categories"]), f"{where}: counts of other categories")
        agree(all(0 < count < 2**63 for count in counts), f"{where}: counts below 1")


def read(column: pl.Series, reading: Mapping[str, Any]) -> Numbers:
    """(n,) one number a row, NaN where the column says none."""
    how = reading["how"]
    if how == "order":
        return _places(column, reading["levels"])
    if how == "frequency":
        return _frequencies(column, reading)
    if how == "age":
        return np.asarray(-seconds_of(column) / YEAR)
    if how == "characters":
        return _as_numbers(as_text(column).str.len_chars().fill_null(0).log1p())
    if how == "words":
        return _as_numbers(_words(column).log1p())
    numbers = numbers_of(column)
    return np.full(len(column), np.nan) if numbers is None else numbers


def levels_of(order: Sequence[Any]) -> list[str]:
    """The levels of an order as a column of them would say them."""
    return [text or "" for text in as_text(pl.Series(list(order), strict=False))]


def counted(column: pl.Series) -> dict[str, Any]:
    """The reading "frequency": how many rows hold each category that more than one holds."""
    separator = None if column.dtype == pl.List else separator_of(column)
    _, values = categories_of(column, separator)
    counts = values.value_counts().sort(["count", values.name], descending=[True, False])
    counts = counts.filter(pl.col("count") > 1)
    return {
        "how": "frequency",
        "separator": separator,
        "categories": counts[values.name].to_list(),
        "counts": counts["count"].to_list(),
    }


def _places(column: pl.Series, levels: Sequence[str]) -> Numbers:
    place = {level: float(number) for number, level in enumerate(levels)}
    texts = as_text(column).cast(pl.String)
    return _as_numbers(texts.replace_strict(place, default=None, return_dtype=pl.Float64))


def _frequencies(column: pl.Series, reading: Mapping[str, Any]) -> Numbers:
    """The mean over a row's categories of log(rows that hold it); one never met counts as once."""
    rows, values = categories_of(column, reading["separator"])
    known = dict(zip(reading["categories"], np.log(reading["counts"]).tolist(), strict=True))
    logs = _as_numbers(values.replace_strict(known, default=0.0, return_dtype=pl.Float64))
    totals = np.bincount(rows, logs, len(column))
    counts = np.bincount(rows, minlength=len(column))
    found = np.full(len(column), np.nan)
    np.divide(totals, counts, out=found, where=counts > 0)
    return found


def _words(column: pl.Series) -> pl.Series:
    """Runs without spaces, and half a word for each Chinese character."""
    texts = as_text(column).fill_null("").cast(pl.String)
    return texts.str.count_matches(r"\S+") + texts.str.count_matches(r"\p{Han}") / 2


def _as_numbers(series: pl.Series) -> Numbers:
    return series.cast(pl.Float64).fill_null(float("nan")).to_numpy().copy()


# ---- which values a column's plans know: of another one nothing is read


def judges(plans: Iterable[Plan]) -> list[Plan]:
    """The plans of one column that know some values and no others.

    None where another one reads whatever it is given, as an amount, a date or by its hash.
    """
    found = [plan for plan in plans if not _is_frequency(plan)]
    return found if all(map(_is_closed, found)) else []


def knows(plans: Iterable[Plan], value: str) -> bool:
    """Whether one of such plans reads something out of a value."""
    return any(_knows(plan, value) for plan in plans)


def values_in(column: pl.Series, plans: Sequence[Plan]) -> pl.Series:
    """Every value that a column names, as texts: of sets of them each by itself."""
    return categories_of(column, separator_in(plans))[1]


def separator_in(plans: Sequence[Plan]) -> str | None:
    """What stands between several values of one text; None where it holds but one."""
    return next((plan["separator"] for plan in plans if plan.get("separator")), None)


def _is_frequency(plan: Mapping[str, Any]) -> bool:
    return bool(plan["kind"] == "derived" and plan["reading"]["how"] == "frequency")


def _is_closed(plan: Mapping[str, Any]) -> bool:
    if plan["kind"] == "categories":
        return not plan["hashed"]
    ordered = plan["kind"] == "derived" and plan["reading"]["how"] == "order"
    return bool(plan["kind"] == "code" or ordered)


def _knows(plan: Plan, value: str) -> bool:
    if plan["kind"] == "code":
        return bool(encode_codes(pl.Series(plan["column"], [value]), plan).nnz)
    known: list[str] = (
        plan["categories"] if plan["kind"] == "categories" else plan["reading"]["levels"]
    )
    return value in known
