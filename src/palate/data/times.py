"""Times in any common unit or spelling → float seconds since 1970."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import polars as pl

from palate.core.errors import ConfigError, DataError, Message, Setting, first_offenders
from palate.data.notes import date_of
from palate.data.texts import MISSING, MISSING_NUMBERS, stands_for, with_plain_digits
from palate.data.values import RowNames, rows_where

FIRST_DATES = 631_152_000.0
"""Seconds since 1970 at the start of 1990."""

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
    r"\s*(?<half>[AaPp]\.?[Mm]\.?)?"
    r"\s*(?<zone>Z|z|(?:UTC|GMT|UT)?[+-]\d{2}(?::?\d{2})?|UTC|GMT|UT)?)?$"
)
_RESPELLED = (
    (r"^(\d{4})-(\d{2})$", "$1-$2-1"),
    (r"^(\d{1,2}) (\d{1,2}), (\d{4})$", "$3-$1-$2"),
    (r"^(\d{4})(\d{2})(\d{2})[Tt](\d{2})(\d{2})(\d{2})", "$1-$2-$3 $4:$5:$6"),
    (r"^(\d{4})(\d{2})(\d{2})[Tt](\d{2})(\d{2})", "$1-$2-$3 $4:$5"),
    (r"^(\d{4})(\d{2})(\d{2})[Tt](\d{2})", "$1-$2-$3 $4"),
)
_MONTHS = (
    *("jan(?:uary)?", "feb(?:ruary)?", "mar(?:ch)?", "apr(?:il)?", "may", "june?", "july?"),
    *("aug(?:ust)?", "sept?(?:ember)?", "oct(?:ober)?", "nov(?:ember)?", "dec(?:ember)?"),
)
# a month's name becomes "~" and its number, so that it cannot be taken for a day
_IN_WORDS = (
    (r"(?i)^(?:mon|tues?|wed(?:nes)?|thu(?:rs?)?|fri|sat(?:ur)?|sun)(?:day)?\.?,?\s+", ""),
    (r"(?i)\s*\((?:mon|tue|wed|thu|fri|sat|sun)[a-z]*\.?\)$", ""),
    # what a zone is called says nothing that is known here: it can go where its offset stands, too
    (r"(Z|UTC|GMT|[+-]\d{2}(?::?\d{2})?)\s*(?:\([A-Za-z ]+\)|\[[\w/+-]+\])$", "$1"),
    *((rf"(?i)\b{name}\b\.?", f"~{number:02}") for number, name in enumerate(_MONTHS, start=1)),
    (r"^~(\d\d)\s+(\d{1,2})\s+([\d:.]+)\s*(\S*)\s+(\d{4})$", "$5-$1-$2 $3 $4"),
    (r"^(\d{1,2})(?:st|nd|rd|th)?[-\s/.]*~(\d\d)[-\s/.,]*(\d{4}),?", "$3-$2-$1"),
    (r"^~(\d\d)[-\s]*(\d{1,2})(?:st|nd|rd|th)?,?[-\s]+(\d{4}),?", "$3-$1-$2"),
    (r"^(\d{4})[-\s/.]*~(\d\d)[-\s/.]*(\d{1,2})", "$1-$2-$3"),
    (r"^(\d{4})\s*[年년]\s*(\d{1,2})\s*[月월]\s*(\d{1,2})\s*[日号號일]\s*", "$1-$2-$3 "),
    (r"上午\s*([\d:时時点點分秒]+)", "$1 am"),
    (r"下午\s*([\d:时時点點分秒]+)", "$1 pm"),
    (r"(\d{1,2})\s*[时時点點]\s*(\d{1,2})\s*分\s*(\d{1,2})\s*秒", "$1:$2:$3"),
    (r"(\d{1,2})\s*[时時点點]\s*(\d{1,2})\s*分", "$1:$2"),
    (r"(\d{1,2})\s*[时時点點]", "$1"),
)
_STATED = tuple(
    f"{day}{year}{clock}"
    for year in ("%Y", "%y")
    for day in ("%d/%m/", "%m/%d/", "%d.%m.", "%d-%m-", "%m-%d-")
    for clock in ("", " %H:%M:%S", " %H:%M", " %I:%M:%S %p", " %I:%M %p")
)
_FIRST_YEAR = 1000
"""A year of fewer digits than four is one that was cut short."""
_STAMPS = {8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}
"""Digits → how a date, a minute and a second are written without marks between."""

_SHORT_FLOATS: dict[pl.DataType, tuple[int, int]] = {
    pl.Float32(): (32, 24),
    pl.Float16(): (16, 11),
}
"""Bits of a number, and how many of them are its digits."""

_DAYS_TO_1970 = 25_569
_SPREADSHEET_DAYS = (36_526, 54_789)
"""The starts of 2000 and of 2050 where spreadsheets count days."""

_NO_DAY_FEBRUARY_HAS = r"(^|^\d{6}|\D)(?:29|30|31)(\D|$)"
_EVERY_MONTH_HAS = "${1}28${2}"

_FEW = 0.2
_FIX = "Give seconds since 1970 or ISO 8601 such as '2024-05-06T12:30:00Z'"


def to_seconds(
    times: pl.Series, *, where: str, place: RowNames = rows_where, form: str | None = None
) -> tuple[pl.Series, list[str]]:
    """Seconds since 1970 as Float64, and what was taken for what.

    Numbers are taken by magnitude, value by value: below 1e11 they are kept as they are (seconds,
    or a logical order 0, 1, 2, …), then come milli-, micro- and nanoseconds. A column in which
    every number reads as YYYYMMDD, YYYYMMDDhhmm or YYYYMMDDhhmmss holds dates; where a good part
    does and others don't, those raise. Strings are numbers, ISO 8601 or have the month in words;
    without an offset they are UTC. `form` says how numbers and strings are written ("%d/%m/%Y").
    The result resolves about a quarter of a microsecond.
    Raises `DataError` for missing, infinite or unreadable times.
    """
    _check_present(times, where=where, place=place)
    kind = times.dtype
    if isinstance(kind, pl.Datetime | pl.Date):
        dates = times.cast(pl.Datetime("us")).dt.epoch("us").cast(pl.Float64) / 1e6
        return dates, _all_early(dates, where)
    if isinstance(kind, pl.Duration):
        return times.dt.total_microseconds().cast(pl.Float64) / 1e6, []
    if form is not None and (kind.is_integer() or kind in (pl.String, pl.Categorical, pl.Enum)):
        dates = _as_stated(times.cast(pl.String), form, where=where, place=place)
        return dates, _all_early(dates, where)
    if kind.is_numeric():
        seconds, notes = _from_numbers(times, where=where)
        return seconds, [*_coarse(times, where), *_days_of_a_spreadsheet(times, where), *notes]
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
            " these rows out, as palate.read does with ",
            Setting("drop_missing", True, "data"),
            ".",
        )


def _all_early(dates: pl.Series, where: str) -> list[str]:
    """A remark on dates of which none can be the time of an event on a computer."""
    last = dates.max()
    if last is None or float(last) >= FIRST_DATES:  # type: ignore[arg-type]
        return []
    day = date_of(float(last))  # type: ignore[arg-type]
    return [
        f"{where}: all of these dates lie before 1990, the last on {day}; if they are those of"
        " something else, as of births or releases, name another column or leave this one out"
    ]


def _coarse(times: pl.Series, where: str) -> list[str]:
    """A remark on floating point numbers too short for times."""
    most = times.abs().max()
    if times.dtype not in _SHORT_FLOATS or most is None:
        return []
    bits, digits = _SHORT_FLOATS[times.dtype]
    step = 2.0 ** (math.floor(math.log2(max(float(most), 1.0))) + 1 - digits)  # type: ignore[arg-type]
    if step <= 1:
        return []
    return [
        f"{where}: numbers of {bits} bits cannot tell times apart that lie less than {step:,.0f} s"
        " from each other: write the column with 64 bits"
    ]


def _days_of_a_spreadsheet(times: pl.Series, where: str) -> list[str]:
    """A remark on what may be days since 1900, which are taken as numbers like others."""
    least, most = times.min(), times.max()
    if least is None or most is None:
        return []
    first, last = _SPREADSHEET_DAYS
    if not first <= float(least) <= float(most) < last:  # type: ignore[arg-type]
        return []
    day = date_of((float(most) - _DAYS_TO_1970) * 86_400)  # type: ignore[arg-type]
    return [
        f"{where}: taken as an order; if these are days of a spreadsheet, in which"
        f" {float(most):g} is {day}, let it write them as dates"  # type: ignore[arg-type]
    ]


def check_time_format(form: object) -> None:
    """Raises `ConfigError` for what is no way to write a time."""
    if form is None or (isinstance(form, str) and "%" in form):
        return
    raise ConfigError(
        Setting("time_format", form, "data"),
        ": it must say with % how times are written, as ",
        Setting("time_format", "%d/%m/%Y", "data"),
        " for 31/12/2024 or ",
        Setting("time_format", "%m/%d/%Y %H:%M", "data"),
        " for 12/31/2024 18:30",
    )


def _as_stated(texts: pl.Series, form: str, *, where: str, place: RowNames) -> pl.Series:
    texts = with_plain_digits(texts.str.strip_chars())
    seconds = _stated_seconds(texts, form)
    unread = seconds.is_null()
    if unread.any():
        wrong = texts.filter(unread)
        days = _no_days(wrong, lambda days: _stated_seconds(days, form))
        if len(days) == len(wrong):
            raise DataError(f"{where} cannot be read in {place(unread)}: {_there_is_no(days)}")
        raise DataError(
            f"{where} is not written as ",
            Setting("time_format", form, "data"),
            f" says in {place(unread)}: {first_offenders(wrong, len(wrong))}",
        )
    return seconds


def _stated_seconds(texts: pl.Series, form: str) -> pl.Series:
    """Seconds where `texts` are written in this way, null elsewhere."""
    try:
        moments = texts.str.to_datetime(form, strict=False, time_unit="us")
        if "%Y" in form:  # which takes "24" for a year of the Roman empire
            moments = moments.set((moments.dt.year() < _FIRST_YEAR).fill_null(False), None)
    except pl.exceptions.ComputeError as error:
        raise ConfigError(
            Setting("time_format", form, "data"),
            f" cannot be used: {str(error).splitlines()[0]}",
        ) from error
    return moments.dt.epoch("us").cast(pl.Float64) / 1e6


def _from_numbers(numbers: pl.Series, *, where: str) -> tuple[pl.Series, list[str]]:
    least, most = numbers.min(), numbers.max()
    if least is None or most is None:
        return numbers.cast(pl.Float64), []
    if (dates := _compact_dates(numbers, where=where)) is not None:
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


def _compact_dates(numbers: pl.Series, *, where: str) -> pl.Series | None:
    """Seconds where every number reads as a date without marks, None where hardly any does.

    In between a few wrong values would turn the whole column into something else: `DataError`.
    """
    plausible = pl.Series([False]).new_from_index(0, len(numbers))
    for digits in _STAMPS:
        unit = 10 ** (digits - 8)
        plausible |= (numbers >= 19000101 * unit) & (numbers < 21010101 * unit)
    if int(plausible.sum()) < len(numbers) * _FEW:
        return None
    texts = numbers.filter(plausible).cast(pl.Int64).cast(pl.String)
    found = pl.select(pl.repeat(None, len(texts), dtype=pl.Float64)).to_series()
    for digits, form in _STAMPS.items():
        of_length = texts.str.len_bytes() == digits
        found = _stated_seconds(texts.set(~of_length, None), form).zip_with(of_length, found)
    read = plausible.clone()
    read = read.scatter(plausible.arg_true(), found.is_not_null())
    if found.null_count() == 0 and plausible.all():
        return found.alias(numbers.name)
    if int(read.sum()) < len(numbers) * _FEW:
        return None
    wrong = numbers.filter(~read)
    plain = (int(number) if number == int(number) else number for number in wrong)
    raise DataError(
        f"{where}: {int(read.sum()):,} numbers read as dates (YYYYMMDD…), but"
        f" {first_offenders(plain, len(wrong))} do not. Correct these or leave their rows out."
    )


def _from_strings(texts: pl.Series, *, where: str, place: RowNames) -> tuple[pl.Series, list[str]]:
    texts = with_plain_digits(texts.str.strip_chars())
    words = stands_for(texts, MISSING | MISSING_NUMBERS)
    numbers = texts.set(words, None).cast(pl.Float64, strict=False).set(words, math.nan)
    _check_present(numbers.fill_null(0.0), where=where, place=place)
    spelt = numbers.is_null()
    if not spelt.any():
        seconds, notes = _from_numbers(numbers, where=where)
        return seconds, [*_days_of_a_spreadsheet(numbers, where), *notes]
    dates = _parse(texts.filter(spelt), where=where)
    if spelt.all():
        return dates, _all_early(dates, where)
    seconds, notes = _from_numbers(numbers.filter(~spelt), where=where)
    order = pl.concat([spelt.arg_true(), (~spelt).arg_true()])
    merged = pl.concat([dates, seconds]).gather(order.arg_sort())
    mixed = f"{where}: {len(dates):,} ISO dates are mixed with {len(seconds):,} numbers"
    return merged, [f"{mixed}; all are seconds now", *notes]


def _parse(texts: pl.Series, *, where: str) -> pl.Series:
    known = spelt_times(texts)
    unread = known.filter(pl.col("seconds").is_null())["text"]
    if len(unread):
        first = texts.filter(texts.is_in(unread.implode())).unique(maintain_order=True)
        days = _no_days(first, _spelt)
        if len(days) == len(first):
            raise DataError(f"{where} cannot be read: {_there_is_no(days)}")
        raise DataError(
            f"{where} cannot be read: {first_offenders(first, len(first))}. {_FIX}",
            _statement(first.filter(~first.is_in(days.implode()))),
            ".",
            f" {_there_is_no(days)}" if len(days) else "",
        )
    seconds = pl.DataFrame({"text": texts}).join(
        known, on="text", how="left", maintain_order="left"
    )
    return seconds["seconds"].alias(texts.name)


def _spelt(texts: pl.Series) -> pl.Series:
    """Seconds of each of `texts`, null where it is no time."""
    known = pl.DataFrame({"text": texts}).join(
        spelt_times(texts), on="text", how="left", maintain_order="left"
    )
    return known["seconds"]


def _no_days(unread: pl.Series, read: Callable[[pl.Series], pl.Series]) -> pl.Series:
    """Those of some texts that name a day no calendar has, such as 2024-02-30.

    They can be read as soon as the 28th stands there, which every month has.
    """
    possible = unread.str.replace_all(_NO_DAY_FEBRUARY_HAS, _EVERY_MONTH_HAS)
    return unread.filter(read(possible).is_not_null())


def _there_is_no(days: pl.Series) -> str:
    one = len(days) == 1
    return (
        f"{first_offenders(days, len(days))}: {'this day does' if one else 'these days do'} not"
        f" exist. Correct {'it' if one else 'them'}, or leave {'its' if one else 'their'} rows out."
    )


def _statement(unread: pl.Series) -> Message:
    """Which formats would read all of these texts: with two, "06/05/2024" could be two days."""
    forms = [form for form in _STATED if not _stated_seconds(unread, form).null_count()]
    stated = [Setting("time_format", form, "data") for form in forms]
    if not stated:
        form = Setting("time_format", "%d/%m/%Y", "data")
        return Message.of(", or say how they are written, as ", form, " does of 31/12/2024")
    return Message.of(", or say how they are written: ", Message.joined(" or ", stated))


def spelt_times(texts: pl.Series) -> pl.DataFrame:
    """Each different one of `texts` and its `seconds`, null where it is no time."""
    text = pl.col("text")
    known = pl.DataFrame({"text": texts.drop_nulls().unique()}).select(
        "text", spelt_seconds(text).alias("seconds")
    )
    unread = known.filter(pl.col("seconds").is_null()).select("text")
    if not len(unread):
        return known
    in_words = text
    for pattern, replacement in _IN_WORDS:
        in_words = in_words.str.replace(pattern, replacement)
    seconds = pl.coalesce(spelt_seconds(in_words.str.strip_chars()), _days_of_weeks(text))
    return pl.concat(
        [known.drop_nulls(), unread.select("text", seconds.alias("seconds"))], how="vertical"
    )


def _days_of_weeks(text: pl.Expr) -> pl.Expr:
    """ISO 8601's 2024-W18-3, its Monday 2024-W18, and 2024-122 by days of the year."""
    week = text.str.replace(r"^(\d{4})-?W(\d{2})-?(\d)$", "$1-W$2-$3")
    week = week.str.replace(r"^(\d{4})-?W(\d{2})$", "$1-W$2-1")
    day_of_year = text.str.extract(r"^(\d{4}-\d{3})$").str.to_date("%Y-%j", strict=False)
    days = pl.coalesce(week.str.to_date("%G-W%V-%u", strict=False), day_of_year)
    return days.cast(pl.Datetime("us")).dt.epoch("us").cast(pl.Float64) / 1e6


def spelt_seconds(text: pl.Expr) -> pl.Expr:
    for pattern, replacement in _RESPELLED:
        text = text.str.replace(pattern, replacement)
    part = text.str.extract_groups(_ISO).struct
    day = pl.format(
        "{}-{}-{}",
        part.field("y"),
        part.field("m").str.zfill(2),
        part.field("d").str.zfill(2),
    )
    midnight = day.str.to_date("%Y-%m-%d", strict=False).cast(pl.Datetime("us")).dt.epoch("us")
    clock = _clock(part)
    fraction = part.field("f").str.replace(",", ".").cast(pl.Float64).fill_null(0.0)
    return midnight.cast(pl.Float64) / 1e6 + clock + fraction - _offset(part.field("zone"))


def _clock(part: Any) -> pl.Expr:
    """Seconds since midnight, null where it is no time of the day; 24:00 is the next midnight."""
    hour, minute, second = (
        part.field(name).cast(pl.Float64).fill_null(0.0) for name in ("H", "M", "S")
    )
    half = part.field("half").str.to_lowercase().str.slice(0, 1)
    twelve = hour % 12 + pl.when(half == "p").then(12).otherwise(0)
    of_day = pl.when(half.is_null()).then(hour).otherwise(twelve)
    seconds = of_day * 3600 + minute * 60 + second
    in_range = half.is_null() | hour.is_between(1, 12)
    possible = in_range & (minute < 60) & (second <= 60) & (seconds <= 86_400)
    return pl.when(possible).then(seconds)


_FARTHEST = 14
"""Hours between UTC and the zone that is farthest from it."""


def _offset(zone: pl.Expr) -> pl.Expr:
    """Seconds that a zone such as +05:30 or +08 is ahead of UTC."""
    hours, minutes = (
        zone.str.extract(r"(\d{2}):?(\d{2})?$", group).cast(pl.Float64) for group in (1, 2)
    )
    ahead = pl.when(zone.str.contains("-", literal=True)).then(-1.0).otherwise(1.0)
    minutes = minutes.fill_null(0.0)
    seconds = (ahead * (hours * 3600 + minutes * 60)).fill_null(0.0)
    return pl.when(hours.is_null() | ((hours <= _FARTHEST) & (minutes < 60))).then(seconds)
