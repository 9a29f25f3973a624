"""Which events are choices, and which speak against their item: what is said, else the scale."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn, TypeAlias

import numpy as np
import polars as pl

from palate.core.columns import TIME, USER, VALUE
from palate.core.errors import ConfigError, DataError, Message, Setting, did_you_mean
from palate.core.visible import counted, quoted, shorten
from palate.data.columns import is_rating, plain_name
from palate.data.values import as_numbers

ALL = "all"
"""What `positive` says where every event is a choice."""

Positive: TypeAlias = "str | pl.Expr"

_MEAN = "mean"
_COMPARISONS: Mapping[str, Callable[[Any, Any], Any]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
}
_TOKEN = re.compile(
    r"\s*(?:(?P<compare><=|>=|==|!=|<|>)|(?P<bracket>[()])|(?P<sign>[+-])(?=\s|$)"
    r"|(?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?![\w]))"
    r"|(?P<text>\"[^\"]*\"|'[^']*')|`(?P<quoted>[^`]+)`|(?P<name>[^\W\d][\w.:-]*))"
)
_EXAMPLE = "rating >= 4"
_DEEPEST = 50
_RARE = 0.001
"""Values of a smaller share of the ratings are slips rather than an end of the scale."""
_CLEARLY = 0.25
"""What is clearly below a person's mean, as a share of the scale."""
_GAP = 3.0
_THUMBS = 1.0
_OF_SCALE = re.compile(rf"{VALUE} >= \S+( and {VALUE} >= {_MEAN} - \S+)?")
_NOT_RATED = {"bookrating": 0.0}
"""Where a number stands for "no rating" by the convention of a public data set."""


@dataclass(frozen=True)
class Comparison:
    """`column` (None: the events' value) compared with a number, a text or a person's mean.

    With `of_mean` the number is added to the mean of what that person gave so far, this time
    included: nothing later is looked at.
    """

    column: str | None
    compare: str
    operand: float | str
    of_mean: bool = False


@dataclass(frozen=True)
class Joined:
    """Parts that must all hold ("and"), or of which one is enough ("or")."""

    how: str
    parts: tuple[Rule, ...]


Rule: TypeAlias = "Comparison | Joined"


def parse(text: str) -> Rule:
    """A rule such as "rating >= 4 and clicks > 0"; `ConfigError` for what is none."""
    reader = _Reader(text)
    rule = reader.either()
    if reader.now is not None:
        reader.fail(f"{reader.now[1]!r} is not expected there")
    return rule


class _Reader:
    """The words of a rule from left to right; nothing of it is ever run as code."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.words = list(self._split(text))
        self.place = 0
        self.depth = 0
        if not self.words:
            self.fail("it says nothing")

    def _split(self, text: str) -> Iterator[tuple[str, str]]:
        place = 0
        while text[place:].strip():
            found = _TOKEN.match(text, place)
            if found is None:
                rest = text[place:].strip()
                hints = {"=": " (equal is ==)", "&": ' (write "and")', "|": ' (write "or")'}
                self.fail(f"{shorten(rest)!r} cannot be read{hints.get(rest[0], '')}")
            kind = str(found.lastgroup)
            yield kind, found[kind]
            place = found.end()

    @property
    def now(self) -> tuple[str, str] | None:
        return self.words[self.place] if self.place < len(self.words) else None

    def fail(self, why: str) -> NoReturn:
        raise ConfigError(
            Setting("positive", self.text, "data"),
            f": {why}. Write comparisons of a column with a number, a text in quotes or the"
            ' person\'s mean so far, joined by "and" and "or", as ',
            Setting("positive", _EXAMPLE, "data"),
            " or ",
            Setting("positive", 'rating >= mean and event != "return"', "data"),
        )

    def _take(self, kind: str, *words: str) -> str | None:
        now = self.now
        if now is None or now[0] != kind or (words and now[1].lower() not in words):
            return None
        self.place += 1
        return now[1]

    def either(self) -> Rule:
        return self._joined("or", self.both)

    def both(self) -> Rule:
        return self._joined("and", self.single)

    def _joined(self, how: str, part: Callable[[], Rule]) -> Rule:
        parts = [part()]
        while self._take("name", how):
            parts.append(part())
        return parts[0] if len(parts) == 1 else Joined(how, tuple(parts))

    def single(self) -> Rule:
        if self._take("bracket", "("):
            self.depth += 1
            if self.depth > _DEEPEST:
                self.fail("brackets lie too deep in each other")
            inner = self.either()
            if not self._take("bracket", ")"):
                self.fail("a bracket is not closed")
            self.depth -= 1
            return inner
        column = self._take("name") or self._take("quoted")
        compare = self._take("compare")
        if compare is None:
            self.fail("a comparison is missing" if column else "a column is missing")
        return self._compared(column, compare)

    def _compared(self, column: str | None, compare: str) -> Comparison:
        number = self._take("number")
        if number is not None:
            return Comparison(column, compare, float(number))
        text = self._take("text")
        if text is not None:
            if compare not in ("==", "!="):
                self.fail("texts are equal (==) or not (!=)")
            return Comparison(column, compare, text[1:-1])
        if not self._take("name", _MEAN):
            self.fail(f"what is it compared with, after {compare!r}?")
        return self._to_mean(column, compare)

    def _to_mean(self, column: str | None, compare: str) -> Comparison:
        sign = self._take("sign")
        number = self._take("number")
        if sign and number is None:
            self.fail(f"a number is missing after {sign!r}")
        if number is not None and not sign and number[0] not in "+-":
            self.fail(f"{number!r} is not expected there")
        shift = float(number) if number is not None else 0.0
        return Comparison(column, compare, -shift if sign == "-" else shift, of_mean=True)


def columns_of(positive: Positive | None) -> list[str]:
    """The columns that a rule names; `ConfigError` for what is no rule."""
    if positive is None or (isinstance(positive, str) and positive == ALL):
        return []
    if isinstance(positive, pl.Expr):
        return list(dict.fromkeys(positive.meta.root_names()))
    if not isinstance(positive, str):
        raise ConfigError(
            Setting("positive", positive, "data"),
            ": it must be a text such as ",
            Setting("positive", _EXAMPLE, "data"),
            " or a polars expression",
        )
    names: list[str] = []
    todo = [parse(positive)]
    while todo:
        rule = todo.pop(0)
        if isinstance(rule, Joined):
            todo = [*rule.parts, *todo]
        elif rule.column is not None:
            names.append(rule.column)
    return list(dict.fromkeys(names))


@dataclass(frozen=True)
class Decision:
    """(n,) which events are choices, the rule that says so, and what is told of it."""

    chosen: pl.Series
    rule: str | None
    messages: tuple[str | Message, ...] = ()


def decide(
    events: pl.DataFrame, positive: Positive | None, theirs: Mapping[str, str], *, source: str
) -> Decision:
    """Which of the events (in order of time) are choices.

    `theirs` maps our columns to theirs; a rule may use either name. Events in which what it asks
    about is missing stay choices. Raises `DataError` where no choice is left.
    """
    if positive is None:
        return _by_scale(events, theirs.get(VALUE, ""))
    everything = pl.repeat(True, len(events), dtype=pl.Boolean, eager=True)
    if isinstance(positive, str) and positive == ALL:
        return Decision(everything, ALL)
    rule = str(positive)
    if isinstance(positive, pl.Expr):
        found = _evaluated(events, positive, theirs, source=source)
    else:
        found = _holds(parse(positive), events, theirs, source=source)
    chosen = found.fill_null(True)
    said = Setting("positive", positive if isinstance(positive, str) else rule, "data")
    if not chosen.any():
        raise DataError(
            f"{source}: ",
            said,
            f" leaves no event: none of {len(events):,} is a choice. {_range_of(events)}Choose"
            " another rule",
        )
    turned = len(chosen) - int(chosen.sum())
    messages: list[str | Message] = [
        Message.of(
            f"{turned:,} of {len(chosen):,} events are no choices by ",
            said,
            ": they count against their item" if turned else "",
        )
    ]
    if gaps := found.null_count():
        messages.append(f"{counted(gaps, 'event')} in which that is missing stay choices")
    return Decision(chosen, rule, tuple(messages))


def is_of_scale(rule: str | None) -> bool:
    """Whether a rule is one that `decide` found by the scale of the ratings, as nobody said any."""
    return rule is not None and _OF_SCALE.fullmatch(rule) is not None


def decide_again(
    events: pl.DataFrame, rule: str | None, theirs: Mapping[str, str], *, source: str
) -> pl.Series:
    """(n,) which of the events (in order of time) are choices by the rule of an earlier `Decision`.

    Events in which what it asks about is missing are choices. Raises `ConfigError` for a rule that
    was a polars expression: its text is kept, and cannot be computed.
    """
    if rule is None or rule == ALL or (is_of_scale(rule) and VALUE not in events.columns):
        return pl.repeat(True, len(events), dtype=pl.Boolean, eager=True)
    if is_of_scale(rule):
        rated, _ = _rated(events[VALUE], theirs.get(VALUE, ""))
        events = events.with_columns(rated.alias(VALUE))
    return _holds(parse(rule), events, theirs, source=source).fill_null(True)


def _range_of(events: pl.DataFrame) -> str:
    if VALUE not in events.columns or not len(known := events[VALUE].drop_nulls()):
        return ""
    least, most = float(known.min()), float(known.max())  # type: ignore[arg-type]
    return f"Values go from {least:g} to {most:g}. "


def _evaluated(
    events: pl.DataFrame, positive: pl.Expr, theirs: Mapping[str, str], *, source: str
) -> pl.Series:
    named = events.with_columns(
        [pl.col(ours).alias(name) for ours, name in theirs.items() if name not in events.columns]
    )
    fault = f"{source}: positive={shorten(str(positive))}"
    try:
        found = named.select(palate=positive).to_series()
    except Exception as error:  # an expression may call a function of somebody's
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"{fault} cannot be computed ({shorten(first)})") from error
    if found.dtype != pl.Boolean:
        raise DataError(f"{fault} gives {found.dtype}; it must say true or false of each event")
    if len(found) != len(events):
        raise DataError(
            f"{fault} gives {counted(len(found), 'value')} for {counted(len(events), 'event')}"
        )
    return found


def _holds(
    rule: Rule, events: pl.DataFrame, theirs: Mapping[str, str], *, source: str
) -> pl.Series:
    if isinstance(rule, Joined):
        parts = [_holds(part, events, theirs, source=source) for part in rule.parts]
        table = pl.DataFrame([part.alias(str(place)) for place, part in enumerate(parts)])
        join = pl.all_horizontal if rule.how == "and" else pl.any_horizontal
        return table.select(join(pl.all())).to_series()
    name = rule.column or VALUE
    column = events[column_of(name, events.columns, theirs, source=source)]
    compare = _COMPARISONS[rule.compare]
    if isinstance(rule.operand, str):
        return _series(compare(column.cast(pl.String), rule.operand))
    numbers = as_numbers(column, where=f"{source}: column {name!r}")
    if rule.of_mean:
        return _series(compare(numbers, means_so_far(events, numbers) + rule.operand))
    return _series(compare(numbers, rule.operand))


def _series(found: Any) -> pl.Series:
    assert isinstance(found, pl.Series)
    return found


def column_of(
    name: str,
    columns: list[str],
    theirs: Mapping[str, str],
    *,
    source: str,
    setting: str = "positive",
) -> str:
    """Which of `columns` a rule means: by its name, by theirs, or by theirs loosely spelt.

    Raises `DataError` for a column that is not there.
    """
    ours = {other: mine for mine, other in theirs.items()}
    for known in (ours.get(name), name):
        if known is not None and known in columns:
            return known
    alike = {ours.get(other, other) for other in (*columns, *ours) if _same_name(other, name)}
    if len(alike) == 1:
        return alike.pop()
    raise DataError(
        f"{source}: no column {quoted(name)}, which ",
        Setting(setting, section="data"),
        f" names.{did_you_mean(name, sorted({*ours, *columns}))}",
    )


def _same_name(one: str, other: str) -> bool:
    return plain_name(one) == plain_name(other)


def means_so_far(events: pl.DataFrame, numbers: pl.Series) -> pl.Series:
    """(n,) mean of what each person gave until each event, those of the same time included."""
    table = events.select(USER, *([TIME] if TIME in events.columns else []), number=numbers)
    table = table.with_columns(
        total=pl.col("number").fill_null(0.0).cum_sum().over(USER),
        count=pl.col("number").is_not_null().cum_sum().over(USER),
    )
    if TIME in events.columns:
        table = table.with_columns(pl.col("total", "count").last().over(USER, TIME))
    mean = pl.when(pl.col("count") > 0).then(pl.col("total") / pl.col("count"))
    return table.select(mean).to_series()


def _by_scale(events: pl.DataFrame, theirs: str) -> Decision:
    """Where the value is a rating: what is below the middle of the scale is no choice.

    Nor is what is more than a quarter of the scale below what its person gave on average so far,
    where times say what "so far" is. The middle is that of the least and the greatest rating,
    without slips. Nothing later decides about an event, so it is the same in every split.
    """
    everything = pl.repeat(True, len(events), dtype=pl.Boolean, eager=True)
    if VALUE not in events.columns:
        return Decision(everything, None)
    values = events[VALUE]
    if not is_rating(theirs):
        return Decision(everything, None, _doubts_about_signs(values, theirs))
    rated, messages = _rated(values, theirs)
    known = rated.drop_nulls()
    if not len(known):
        return Decision(everything, None, tuple(messages))
    ends = scale_of(known)
    where = f"column {theirs!r}"
    least, most = float(known.min()), float(known.max())  # type: ignore[arg-type]
    if ends is None or least == most:
        what = (
            f"ratings from {least:g} to {most:g} are on more than one scale"
            if ends is None
            else f"every rating is {least:g}, which says nothing for or against"
        )
        said = Message.of(
            f"{where}: {what}: every event counts as a choice. Say which are: ",
            Setting("positive", f"{theirs} >= 4", "data"),
        )
        return Decision(everything, None, (*messages, said))
    middle = (ends[0] + ends[1]) / 2
    rule, words = f"{VALUE} >= {middle:g}", f"the middle of {ends[0]:g} to {ends[1]:g}"
    chosen = (rated >= middle).fill_null(True)
    if TIME in events.columns:
        clearly = (ends[1] - ends[0]) * _CLEARLY
        rule += f" and {VALUE} >= {_MEAN} - {clearly:g}"
        words += f", or more than {clearly:g} below what their person gave on average until then"
        chosen &= (rated >= means_so_far(events, rated) - clearly).fill_null(True)
    low = len(chosen) - int(chosen.sum())
    said = Message.of(
        f"{where}: {low:,} of {len(known):,} ratings are below {middle:g}, {words}: they count"
        " against their item, not as choices; ",
        Setting("positive", ALL, "data"),
        " counts every event",
    )
    if low:
        messages.append(said)
    return Decision(chosen, rule, tuple(messages))


def _rated(values: pl.Series, theirs: str) -> tuple[pl.Series, list[str | Message]]:
    """The ratings without numbers that stand for none: -1 beside a scale without other signs."""
    sentinel = _NOT_RATED.get(plain_name(theirs))
    negative = values.drop_nulls().unique().filter(values.drop_nulls().unique() < 0)
    most = values.max()
    if negative.to_list() == [-1.0] and isinstance(most, float) and most > 2 * _THUMBS:
        sentinel = -1.0
    if sentinel is None or not (none := int((values == sentinel).sum())):
        return values, []
    rated = values.set(values == sentinel, None)
    one, many = f"value of {sentinel:g} is", f"values of {sentinel:g} are"
    said = f"column {theirs!r}: {counted(none, one, many)} taken as not rated"
    return rated, [f"{said}: a choice all the same"]


def scale_of(known: pl.Series) -> tuple[float, float] | None:
    """The least and the greatest rating without slips; None for several scales in one column."""
    counts = known.rename("rating").value_counts().sort("rating")
    usual = counts.filter(pl.col("count") >= _RARE * len(known))
    values = (usual if len(usual) else counts)["rating"].to_numpy()
    least, most = float(values[0]), float(values[-1])
    if len(values) < 4 or least < 0:
        return min(least, _bottom(most)), most
    ratios = values[1:] / np.maximum(values[:-1], 1.0)
    apart = int(np.argmax(ratios))
    if ratios[apart] >= _GAP and apart >= 2 and values[-1] > 10:
        return None
    return min(least, _bottom(most)), most


def _bottom(most: float) -> float:
    """Where a scale begins that ends so, should nobody have given the least: at 1, above 10 at 0.

    Of less than three steps nobody knows.
    """
    if most < 3:
        return most
    return 1.0 if most <= 10 else 0.0


def _doubts_about_signs(values: pl.Series, theirs: str) -> tuple[str | Message, ...]:
    known = values.drop_nulls()
    negative = int((known < 0).sum())
    if not negative:
        return ()
    said = Message.of(
        f"column {theirs!r}: {negative:,} of {len(known):,} values are negative: every event"
        " counts as a choice, whatever its value; say which are: ",
        Setting("positive", f"{theirs} > 0", "data"),
    )
    return (said,)
