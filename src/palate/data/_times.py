"""Times in any common unit or spelling → float seconds since 1970."""

from __future__ import annotations

import polars as pl

from palate.data._values import RowNames, rows_where
from palate.errors import DataError, first_offenders

LAST = 1e20
"""Numbers from here on are no times in any unit: later than the year 5138 in nanoseconds."""

SECONDS_BELOW = 1e11
"""A number beyond (the year 5138 in seconds, 1973 in milliseconds) is not in seconds."""

_UNITS = (
    ("milliseconds", SECONDS_BELOW, 1e14, 1e3),
    ("microseconds", 1e14, 1e17, 1e6),
    ("nanoseconds", 1e17, float("inf"), 1e9),
)
_ISO = (
    r"^(?<y>\d{4})[-/.](?<m>\d{1,2})[-/.](?<d>\d{1,2})"
    r"(?:[Tt\s]\s*(?<H>\d{1,2})(?::(?<M>\d{2})(?::(?<S>\d{2})(?<f>[.,]\d+)?)?)?"
    r"\s*(?<zone>Z|z|UTC|GMT|[+-]\d{2}:?\d{2})?)?$"
)
_RESPELLED = (
    (r"^(\d{1,2}) (\d{1,2}), (\d{4})$", "$3-$1-$2"),
    (r"^(\d{4})(\d{2})(\d{2})T(\d{2})(\d{2})(\d{2})", "$1-$2-$3 $4:$5:$6"),
)
_FIX = (
    "Give seconds since 1970 or ISO 8601 such as '2024-05-06T12:30:00Z'; a spelling such as"
    " '06/05/2024' could mean two days, so change it first"
)


def to_seconds(
    times: pl.Series, *, where: str, place: RowNames = rows_where
) -> tuple[pl.Series, list[str]]:
    """Seconds since 1970 as Float64, and what was taken for what.

    Numbers are taken by magnitude, value by value: below 1e11 they are kept as they are (seconds,
    or a logical order 0, 1, 2, …), then come milli-, micro- and nanoseconds. A column in which
    every number reads as YYYYMMDD or YYYYMMDDhhmmss holds dates. Strings are numbers or ISO 8601;
    without an offset they are UTC. The result resolves about a quarter of a microsecond.
    Raises `DataError` for missing, infinite or unreadable times.
    """
    _check_present(times, where=where, place=place)
    kind = times.dtype
    if isinstance(kind, pl.Datetime | pl.Date):
        return times.cast(pl.Datetime("us")).dt.epoch("us").cast(pl.Float64) / 1e6, []
    if isinstance(kind, pl.Duration):
        return times.dt.total_microseconds().cast(pl.Float64) / 1e6, []
    if kind.is_numeric():
        return _from_numbers(times, where=where)
    if kind == pl.String or isinstance(kind, pl.Categorical | pl.Enum):
        return _from_strings(times.cast(pl.String), where=where, place=place)
    raise DataError(f"{where} holds {kind}, which is no time. {_FIX}.")


def _check_present(times: pl.Series, *, where: str, place: RowNames) -> None:
    missing = times.is_null()
    if times.dtype == pl.String:
        missing = missing | (times.str.strip_chars() == "")
    elif times.dtype.is_float():
        missing = missing | ~times.is_finite()
    if missing.any():
        raise DataError(
            f"{where} is missing or not finite in {place(missing)}. Fill these times, or leave"
            " these rows out, as palate.read does with drop_missing=True."
        )


def _from_numbers(numbers: pl.Series, *, where: str) -> tuple[pl.Series, list[str]]:
    least, most = numbers.min(), numbers.max()
    if least is None or most is None:
        return numbers.cast(pl.Float64), []
    if (dates := _compact_dates(numbers, float(least), float(most))) is not None:  # type: ignore[arg-type]
        return dates, [f"{where}: every number reads as YYYYMMDD…, so they are taken as dates"]
    seconds = numbers.cast(pl.Float64)
    if (no_time := seconds.abs() >= LAST).any():
        shown = seconds.filter(no_time)
        raise DataError(
            f"{where} cannot be read: {first_offenders(shown, len(shown))} is no time. {_FIX}."
        )
    if max(abs(float(least)), abs(float(most))) < SECONDS_BELOW:  # type: ignore[arg-type]
        return seconds, []
    return _by_magnitude(seconds, where=where)


def _by_magnitude(numbers: pl.Series, *, where: str) -> tuple[pl.Series, list[str]]:
    counts = {"seconds": len(numbers)}
    seconds = numbers
    for unit, low, high, factor in _UNITS:
        inside = (numbers.abs() >= low) & (numbers.abs() < high)
        count = int(inside.sum())
        if count:
            counts[unit] = count
            counts["seconds"] -= count
            seconds = (numbers / factor).zip_with(inside, seconds)
    found = {unit: count for unit, count in counts.items() if count}
    if len(found) == 1:
        return seconds, [f"{where}: taken as {next(iter(found))}"]
    mixed = ", ".join(f"{count:,} in {unit}" for unit, count in found.items())
    return seconds, [f"{where}: units are mixed: {mixed}; all are seconds now"]


def _compact_dates(numbers: pl.Series, least: float, most: float) -> pl.Series | None:
    """Seconds where every number reads as YYYYMMDD or YYYYMMDDhhmmss, else None."""
    if least >= 19000101 and most <= 21001231:
        form, digits = "%Y%m%d", 8
    elif least >= 19000101e6 and most <= 21001231e6 + 235959:
        form, digits = "%Y%m%d%H%M%S", 14
    else:
        return None
    text = numbers.cast(pl.Int64).cast(pl.String)
    if not bool((text.str.len_bytes() == digits).all()):
        return None
    parsed = text.str.to_datetime(form, strict=False, time_unit="us")
    if digits == 8:
        parsed = text.str.to_date(form, strict=False).cast(pl.Datetime("us"))
    return None if parsed.null_count() else parsed.dt.epoch("us").cast(pl.Float64) / 1e6


def _from_strings(texts: pl.Series, *, where: str, place: RowNames) -> tuple[pl.Series, list[str]]:
    texts = texts.str.strip_chars()
    numbers = texts.cast(pl.Float64, strict=False)
    _check_present(numbers.fill_null(0.0), where=where, place=place)
    spelt = numbers.is_null()
    if not spelt.any():
        return _from_numbers(numbers, where=where)
    dates = _parse(texts.filter(spelt), where=where)
    if spelt.all():
        return dates, []
    seconds, notes = _from_numbers(numbers.filter(~spelt), where=where)
    order = pl.concat([spelt.arg_true(), (~spelt).arg_true()])
    merged = pl.concat([dates, seconds]).gather(order.arg_sort())
    mixed = f"{where}: {len(dates):,} ISO dates are mixed with {len(seconds):,} numbers"
    return merged, [f"{mixed}; all are seconds now", *notes]


def _parse(texts: pl.Series, *, where: str) -> pl.Series:
    spelt = pl.DataFrame({"text": texts.unique()})
    known = spelt.select("text", _spelt_seconds(pl.col("text")).alias("seconds"))
    unread = known.filter(pl.col("seconds").is_null())["text"]
    if len(unread):
        first = texts.filter(texts.is_in(unread.implode())).unique(maintain_order=True)
        raise DataError(f"{where} cannot be read: {first_offenders(first, len(first))}. {_FIX}.")
    seconds = pl.DataFrame({"text": texts}).join(
        known, on="text", how="left", maintain_order="left"
    )
    return seconds["seconds"].alias(texts.name)


def _spelt_seconds(text: pl.Expr) -> pl.Expr:
    for pattern, replacement in _RESPELLED:
        text = text.str.replace(pattern, replacement)
    part = text.str.extract_groups(_ISO).struct
    clock = [part.field(name).fill_null("0").str.zfill(2) for name in "HMS"]
    spelt = pl.format(
        "{}-{}-{} {}:{}:{}",
        part.field("y"),
        part.field("m").str.zfill(2),
        part.field("d").str.zfill(2),
        *clock,
    )
    whole = spelt.str.to_datetime("%Y-%m-%d %H:%M:%S", strict=False, time_unit="us")
    fraction = part.field("f").str.replace(",", ".").cast(pl.Float64).fill_null(0.0)
    return whole.dt.epoch("us").cast(pl.Float64) / 1e6 + fraction - _offset(part.field("zone"))


def _offset(zone: pl.Expr) -> pl.Expr:
    """Seconds that a zone such as +05:30 is ahead of UTC."""
    size = [zone.str.extract(r"(\d{2}):?(\d{2})$", group).cast(pl.Float64) for group in (1, 2)]
    ahead = pl.when(zone.str.starts_with("-")).then(-1.0).otherwise(1.0)
    return (ahead * (size[0] * 3600 + size[1] * 60)).fill_null(0.0)
