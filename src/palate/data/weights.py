"""What an event weighs: a rule over its numbers, as "log(dwell) per person", never run as code."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, NoReturn, TypeAlias

import polars as pl

from palate.core.columns import ITEM, TIME, USER, WEIGHT
from palate.core.errors import ConfigError, DataError, Message, Setting
from palate.core.visible import counted, shorten
from palate.data.positive import column_of
from palate.data.values import as_numbers

MOST: Final = 10.0
"""No event weighs more than this many usual ones: amounts have heavy tails."""

FEW: Final = 5.0
"""Usual events that a person or an item is taken to have had, before it has a mean of its own."""

_EXAMPLE: Final = "log(dwell) per person"
_DEEPEST: Final = 50
_TOKEN = re.compile(
    r"\s*(?:(?P<mark>[()+*])|(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?![\w]))"
    r"|`(?P<quoted>[^`]+)`|(?P<name>[^\W\d][\w.:-]*))"
)
_CALLS: Mapping[str, Callable[[pl.Series], pl.Series]] = {
    "log": lambda numbers: numbers.log1p(),
    "sqrt": lambda numbers: numbers.sqrt(),
}
_SCOPES: Mapping[str, str] = {"person": USER, "item": ITEM}


@dataclass(frozen=True)
class Number:
    """The same number for every event."""

    number: float


@dataclass(frozen=True)
class Column:
    """The numbers of a column."""

    name: str


@dataclass(frozen=True)
class Call:
    """`log` (of 1 + x) or `sqrt` of what stands in the brackets."""

    function: str
    inside: Term


@dataclass(frozen=True)
class Joined:
    """Parts that are added ("+") or multiplied ("*")."""

    how: str
    parts: tuple[Term, ...]


Term: TypeAlias = "Number | Column | Call | Joined"


@dataclass(frozen=True)
class Rule:
    """A term, and whose mean is 1: that of each person, of each item, or of all (None)."""

    term: Term
    per: str | None = None


def parse_weight(text: str) -> Rule:
    """A rule such as "log(amount) * clicks per item"; `ConfigError` for what is none."""
    if not isinstance(text, str):
        raise _fault(text, "it must be a text")
    reader = _Reader(text)
    term = reader.total()
    per = reader.scope()
    if reader.now is not None:
        reader.fail(f"{reader.now[1]!r} is not expected there")
    if not list(columns_in(term)):
        reader.fail("it names no column")
    return Rule(term, per)


def _fault(text: object, why: str) -> ConfigError:
    return ConfigError(
        Setting("weight", text, "data"),
        f": {why}. Write columns of numbers, log(…) and sqrt(…) of them, joined by + and *, and"
        ' "per person" or "per item" at the end, as ',
        Setting("weight", _EXAMPLE, "data"),
    )


class _Reader:
    """The words of a rule from left to right."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.words = list(self._split(text))
        self.place = 0
        self.depth = 0
        if not self.words:
            self.fail("it says nothing")

    def _split(self, text: str) -> Iterator[tuple[str, str]]:
        place = 0
        while rest := text[place:].strip():
            found = _TOKEN.match(text, place)
            if found is None:
                self.fail(f"{shorten(rest)!r} cannot be read")
            kind = str(found.lastgroup)
            yield kind, found[kind]
            place = found.end()

    @property
    def now(self) -> tuple[str, str] | None:
        return self.words[self.place] if self.place < len(self.words) else None

    def fail(self, why: str) -> NoReturn:
        raise _fault(self.text, why)

    def _take(self, kind: str, *words: str) -> str | None:
        now = self.now
        if now is None or now[0] != kind or (words and now[1].lower() not in words):
            return None
        self.place += 1
        return now[1]

    def total(self) -> Term:
        return self._joined("+", self._product)

    def _product(self) -> Term:
        return self._joined("*", self._factor)

    def _joined(self, how: str, part: Callable[[], Term]) -> Term:
        parts = [part()]
        while self._take("mark", how):
            parts.append(part())
        return parts[0] if len(parts) == 1 else Joined(how, tuple(parts))

    def _factor(self) -> Term:
        if self._take("mark", "("):
            return self._inside()
        number = self._take("number")
        if number is not None:
            return Number(float(number))
        column = self._take("quoted")
        if column is not None:
            return Column(column)
        name = self._take("name")
        if name is None or name.lower() == "per":
            self.fail("a column is missing" if self.now is None else "a column is expected")
        if self._take("mark", "("):
            if name.lower() not in _CALLS:
                self.fail(f"{shorten(name)!r} is no function: there are {' and '.join(_CALLS)}")
            return Call(name.lower(), self._inside())
        return Column(name)

    def _inside(self) -> Term:
        self.depth += 1
        if self.depth > _DEEPEST:
            self.fail("brackets lie too deep in each other")
        inner = self.total()
        if not self._take("mark", ")"):
            self.fail("a bracket is not closed")
        self.depth -= 1
        return inner

    def scope(self) -> str | None:
        """What stands after "per"."""
        if not self._take("name", "per"):
            return None
        said = self._take("name")
        if said is None or said.lower() not in _SCOPES:
            self.fail('after "per" comes "person" or "item"')
        return said.lower()


def columns_in(term: Term) -> Iterator[str]:
    """The columns that a rule names, from left to right."""
    if isinstance(term, Column):
        yield term.name
    elif isinstance(term, Call):
        yield from columns_in(term.inside)
    elif isinstance(term, Joined):
        for part in term.parts:
            yield from columns_in(part)


def weighted_columns(weight: str | None) -> list[str]:
    """The columns that a rule names, each once; `ConfigError` for what is no rule."""
    return [] if weight is None else list(dict.fromkeys(columns_in(parse_weight(weight).term)))


@dataclass(frozen=True)
class Weighed:
    """(n,) what each event weighs, 1 the usual, and what is told of it."""

    weights: pl.Series
    messages: tuple[str | Message, ...]


def weigh(events: pl.DataFrame, weight: str, theirs: Mapping[str, str], *, source: str) -> Weighed:
    """What the events (in order of time) weigh by a rule.

    A number below 0 counts as 0, a missing one makes the event a usual one. What the rule gives is
    divided by its mean *so far*, events of the same time included, over all events, or those of
    the person or the item, which start at the mean of all: nothing later decides what an event
    weighs. No event weighs more than `MOST`. Where events have a weight already, as by `events`,
    it is multiplied by that, unless the rule names that column.
    Raises `DataError` where no event weighs anything.
    """
    rule = parse_weight(weight)
    said = Setting("weight", weight, "data")
    names = list(dict.fromkeys(columns_in(rule.term)))
    columns = {
        name: column_of(name, events.columns, theirs, source=source, setting="weight")
        for name in names
    }
    numbers = {
        name: as_numbers(events[column], where=f"{source}: column {name!r}")
        for name, column in columns.items()
    }
    below = sum(int((column < 0).sum()) for column in numbers.values())
    amounts = _evaluated(rule.term, {name: column.clip(0.0) for name, column in numbers.items()})
    if isinstance(amounts, float):
        amounts = pl.repeat(amounts, len(events), dtype=pl.Float64, eager=True)
    if not (amounts.fill_null(0.0) > 0).any():
        raise DataError(
            f"{source}: ",
            said,
            f" is above 0 in none of {len(events):,} events: name a column that holds amounts",
        )
    shares = (amounts / _means_so_far(events, amounts, rule.per)).fill_nan(0.0)
    far = int((shares > MOST).sum())
    weights = shares.clip(0.0, MOST).fill_null(1.0)
    told = [_told(said, weights)]
    far_off = f"beyond {MOST:g} times the usual one"
    for count, one, many in (
        (
            amounts.null_count(),
            f"{_GAP} weighs as the usual one",
            f"{_GAPS} weigh as the usual one",
        ),
        (below, "number below 0 counts as 0", "numbers below 0 count as 0"),
        (far, f"event {far_off} weighs that", f"events {far_off} weigh that"),
    ):
        if count:
            told.append(Message.of(said, f": {counted(count, one, many)}"))
    if WEIGHT in events.columns and WEIGHT not in columns.values():
        weights = weights * events[WEIGHT].cast(pl.Float64)
        told.append(Message.of(said, ": times the weights that the events have already"))
    return Weighed(weights.cast(pl.Float32).alias(WEIGHT), tuple(told))


_GAP, _GAPS = "event in which that is missing", "events in which that is missing"


def _told(said: Setting, weights: pl.Series) -> Message:
    low, high = (float(weights.quantile(share) or 0.0) for share in (0.05, 0.95))
    return Message.of(
        said, f": nine in ten events weigh from {low:.2g} to {high:.2g} times the usual one"
    )


def _evaluated(term: Term, numbers: Mapping[str, pl.Series]) -> pl.Series | float:
    if isinstance(term, Number):
        return term.number
    if isinstance(term, Column):
        return numbers[term.name]
    if isinstance(term, Call):
        inside = _evaluated(term.inside, numbers)
        if isinstance(inside, float):
            inside = pl.Series([inside])
            return float(_CALLS[term.function](inside)[0])
        return _CALLS[term.function](inside)
    first, *others = (_evaluated(part, numbers) for part in term.parts)
    for other in others:
        first = first + other if term.how == "+" else first * other
    return first


def _means_so_far(events: pl.DataFrame, amounts: pl.Series, per: str | None) -> pl.Series:
    """(n,) the mean of all events until each, or of its person's or item's, pulled to that."""
    timed = [TIME] if TIME in events.columns else []
    table = events.select(USER, ITEM, *timed, amount=amounts)
    whole = _sums_so_far(table, [])
    mean = whole["total"] / whole["count"]
    if per is None:
        return mean
    own = _sums_so_far(table, [_SCOPES[per]])
    return (own["total"] + FEW * mean) / (own["count"] + FEW)


def _sums_so_far(table: pl.DataFrame, groups: list[str]) -> pl.DataFrame:
    """`total` and `count` of the known amounts of the group until each event, ties included."""
    sums = [
        pl.col("amount").fill_null(0.0).cum_sum().alias("total"),
        pl.col("amount").is_not_null().cast(pl.Float64).cum_sum().alias("count"),
    ]
    found = table.with_columns([one.over(groups) if groups else one for one in sums])
    tied = [*groups, *([TIME] if TIME in table.columns else [])]
    if TIME in tied:
        found = found.with_columns(pl.col("total", "count").last().over(tied))
    return found.select("total", "count")
