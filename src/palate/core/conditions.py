"""Conditions on the columns of a table: in a small language of their own, or as polars has them."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from typing import Any, Final, TypeAlias

import polars as pl

from palate.core.arrays import Mask
from palate.core.errors import DataError, Setting, did_you_mean
from palate.core.visible import quoted, shorten

Literal: TypeAlias = str | int | float | bool
Condition: TypeAlias = str | pl.Expr

_LONGEST: Final = 10_000
_DEEPEST: Final = 50
_TOKEN = re.compile(
    r"""\s*(?:
      (?P<date>\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?)
    | (?P<number>[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?)(?![\w.])
    | (?P<text>'(?:[^']|'')*'|"(?:[^"]|"")*")
    | (?P<name>`[^`]+`)
    | (?P<word>[^\W\d]\w*(?:\.\w+)*)
    | (?P<sign><=|>=|==|!=|<>|[=<>≤≥≠()\[\],])
    )""",
    re.VERBOSE,
)
_COMPARE: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "=": operator.eq,
    "==": operator.eq,
    "!=": operator.ne,
    "<>": operator.ne,
    "≠": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    "≤": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "≥": operator.ge,
}
_EQUAL: Final = (operator.eq, operator.ne)
_TRUTH: Final = {"true": True, "false": False}
_MISSING: Final = ("missing", "null")
_CLOSING: Final = {"(": ")", "[": "]"}


def fits(table: pl.DataFrame, condition: Condition, setting: Setting) -> Mask:
    """(n,) which rows of `table` a condition fits; a condition that is unknown there fits not.

    `condition` is a text (see `expression`) or a polars expression. `setting` is what messages call
    it. Raises `DataError` for columns that the table lacks and for what gives no true or false.
    """
    if isinstance(condition, str):
        setting = replace(setting, value=condition)
        condition = expression(condition, table.schema, setting)
    if not isinstance(condition, pl.Expr):
        raise DataError(
            replace(setting, value=condition),
            ": give a polars expression, as pl.col('year') > 1990, or a text, as 'year > 1990'",
        )
    for name in condition.meta.root_names():
        _check_column(name, table.schema, setting)
    try:
        mask = table.select(condition.alias("fits")).to_series()
    except Exception as error:  # an expression may call a function of somebody's
        reason = shorten(str(error).partition("\n")[0])
        raise DataError(setting, f" cannot be asked of this table: {reason}") from error
    if mask.dtype != pl.Boolean:
        raise DataError(
            setting, f" gives {mask.dtype} for each row, not true or false: compare with something"
        )
    if len(mask) != len(table):
        if len(mask) != 1:
            raise DataError(setting, f" gives {len(mask)} values for {len(table)} rows")
        mask = pl.repeat(mask[0], len(table), dtype=pl.Boolean, eager=True)
    chosen: Mask = mask.fill_null(False).to_numpy()
    return chosen


def expression(
    text: str, schema: Mapping[str, pl.DataType], setting: Setting, *, subject: str | None = None
) -> pl.Expr:
    """The polars expression of a text such as `year > 1990 and not genre = "Horror"`.

    A comparison is COLUMN, sign, literal, with the signs = != < <= > >=; COLUMN `in [a, b]`; COLUMN
    `contains` a text (of lists: one of their parts); COLUMN `is missing`; or a column of true and
    false alone. `and`, `or`, `not` and brackets join them. Texts stand in quotes (doubled inside),
    dates as 2001-05-31, and names that are no plain word in backticks. What is missing fits no
    comparison, so it fits `!=` and `not`. `subject` is the column of a comparison that begins with
    its sign. Nothing in a text is run as code.
    Raises `DataError` that says where it cannot be read, for columns that `schema` lacks, and for
    literals of another type than the column's.
    """
    return _Reader(text, schema, setting, subject).whole()


@dataclass
class _Reader:
    """Reads one text from left to right; `place` is the token that comes next."""

    text: str
    schema: Mapping[str, pl.DataType]
    setting: Setting
    subject: str | None
    place: int = 0
    depth: int = 0
    tokens: list[tuple[str, str, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.setting = replace(self.setting, value=self.text)
        if len(self.text) > _LONGEST:
            raise self._refusal(f"it has {len(self.text):,} letters; {_LONGEST:,} are read")
        start = 0
        while start < len(self.text.rstrip()):
            found = _TOKEN.match(self.text, start)
            if found is None or found.lastgroup is None:
                raise self._refusal(_unreadable(self.text[start:].lstrip()), start)
            self.tokens.append((found.lastgroup, found[found.lastgroup], found.start()))
            start = found.end()

    def whole(self) -> pl.Expr:
        if not self.tokens:
            raise self._refusal("it is empty: leave it out, or write a comparison, as year > 1990")
        made = self._either()
        if self.place < len(self.tokens):
            raise self._refusal("expected 'and', 'or' or the end")
        return made

    def _either(self) -> pl.Expr:
        parts = [self._all()]
        while self._took("or"):
            parts.append(self._all())
        return pl.any_horizontal(parts) if len(parts) > 1 else parts[0]

    def _all(self) -> pl.Expr:
        parts = [self._one()]
        while self._took("and"):
            parts.append(self._one())
        return pl.all_horizontal(parts) if len(parts) > 1 else parts[0]

    def _one(self) -> pl.Expr:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise self._refusal(f"more than {_DEEPEST} brackets and 'not' inside each other")
        if self._took("not"):
            made = ~self._one()
        elif self._took("("):
            made = self._either()
            self._must(")")
        else:
            made = self._comparison()
        self.depth -= 1
        return made

    def _comparison(self) -> pl.Expr:
        name = self._column()
        kind = self.schema[name]
        column = _readable(name, kind)
        token, sign, _ = self._next()
        if token == "sign" and sign in _COMPARE:
            self.place += 1
            compare = _COMPARE[sign]
            if kind == pl.Boolean and compare not in _EQUAL:
                raise self._refusal(f"{quoted(name)} holds true or false: compare by = or !=")
            literal = self._literal(name, kind)
            return compare(column, literal).fill_null(compare is operator.ne)  # type: ignore[no-any-return]
        if self._took("is"):
            negated = self._took("not")
            if not any(self._took(word) for word in _MISSING):
                raise self._refusal("after 'is', write missing or not missing")
            return column.is_not_null() if negated else column.is_null()
        negated = self._took("not")
        if self._took("in"):
            found = self._among(name, column, kind)
        elif self._took("contains"):
            found = self._contains(name, column, kind)
        elif kind == pl.Boolean and not negated:
            return column.fill_null(False)
        else:
            raise self._refusal(
                f"expected a comparison of {quoted(name)}, such as >= 3 or in ['a', 'b']"
            )
        return ~found if negated else found

    def _column(self) -> str:
        kind, word, _ = self._next()
        if kind == "sign" and word in _COMPARE and self.subject is not None:
            return self.subject
        if kind not in ("word", "name"):
            raise self._refusal("expected the name of a column" + (", or ( or not" if word else ""))
        name = word.strip("`") if kind == "name" else word
        _check_column(name, self.schema, self.setting)
        self.place += 1
        return name

    def _among(self, name: str, column: pl.Expr, kind: pl.DataType) -> pl.Expr:
        opening = self._next()[1]
        if opening not in _CLOSING:
            raise self._refusal("after 'in', write a list: in ['a', 'b']")
        self.place += 1
        values = [self._literal(name, kind)]
        while self._took(","):
            values.append(self._literal(name, kind))
        self._must(_CLOSING[opening])
        return pl.any_horizontal([(column == value).fill_null(False) for value in values])

    def _contains(self, name: str, column: pl.Expr, kind: pl.DataType) -> pl.Expr:
        if isinstance(kind, pl.List):
            part = self._literal(name, _inner(kind))
            return column.list.contains(part).fill_null(False)
        if not _is_text(kind):
            raise self._refusal(
                f"{quoted(name)} holds {_said(kind)}: 'contains' is for texts and lists"
            )
        part = self._literal(name, kind)
        return column.str.contains(part, literal=True).fill_null(False)

    def _literal(self, name: str, kind: pl.DataType) -> pl.Expr:
        """The next token in the type of the column it is held against."""
        token, word, _ = self._next()
        if isinstance(kind, pl.List):
            raise self._refusal(f"{quoted(name)} holds lists: write {name} contains …")
        value = self._value(token, word)
        made = _typed(value, kind)
        if made is None:
            fix = f": write '{shorten(word)}', in quotes" if _is_text(kind) else ""
            raise self._refusal(f"{quoted(name)} holds {_said(kind)}{fix}")
        self.place += 1
        return made

    def _value(self, token: str, word: str) -> Literal:
        if token == "text":
            mark = word[0]
            return word[1:-1].replace(mark * 2, mark)
        if token == "date":
            return word
        if token == "number":
            number = float(word)
            if not math.isfinite(number):
                raise self._refusal("this number is too large")
            whole = word.lstrip("+-").isdigit() and abs(number) < 2**62
            return int(word) if whole else number
        if word.lower() in _TRUTH:
            return _TRUTH[word.lower()]
        if word.lower() in _MISSING:
            raise self._refusal("what is missing is found by 'is missing'")
        if token in ("word", "name"):
            raise self._refusal(f"write texts in quotes: '{shorten(word)}'")
        raise self._refusal("expected a number, a text in quotes, a date, true or false")

    def _next(self) -> tuple[str, str, int]:
        if self.place < len(self.tokens):
            return self.tokens[self.place]
        return "", "", len(self.text)

    def _took(self, word: str) -> bool:
        kind, found, _ = self._next()
        took = kind in ("word", "sign") and found.lower() == word
        self.place += took
        return took

    def _must(self, sign: str) -> None:
        if not self._took(sign):
            raise self._refusal(f"expected {sign!r}")

    def _refusal(self, why: str, start: int | None = None) -> DataError:
        rest = self.text[self._next()[2] if start is None else start :].strip()
        where = f" At {quoted(rest, 30)}:" if rest and rest != self.text.strip() else ""
        return DataError(self.setting, f" cannot be read.{where} {why}")


def _check_column(name: str, schema: Mapping[str, pl.DataType], setting: Setting) -> None:
    if name not in schema:
        known = did_you_mean(name, schema)
        raise DataError(setting, f": no column is called {quoted(name)}.{known}")


def _unreadable(rest: str) -> str:
    if rest[:1] in ("'", '"', "`"):
        return f"the {rest[0]} is not closed"
    joined = {"&": "and", "|": "or", "~": "not", "!": "not"}.get(rest[:1])
    return f"write {joined!r}" if joined else "this is no part of a condition"


def _typed(value: Literal, kind: pl.DataType) -> pl.Expr | None:
    """A literal in the type of a column; None where it is of another kind."""
    if _is_text(kind):
        return pl.lit(value, pl.String) if isinstance(value, str) else None
    if kind == pl.Boolean:
        return pl.lit(bool(value)) if value in (0, 1) and not isinstance(value, str) else None
    if kind.is_numeric():
        return None if isinstance(value, str | bool) else pl.lit(value)
    if kind.is_temporal() and isinstance(value, str):
        return _moment(value, kind)
    return None


def _moment(value: str, kind: pl.DataType) -> pl.Expr | None:
    """A date or a time; without a zone it is UTC where the column has one."""
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    if kind == pl.Date and len(value) == len("2001-05-31"):
        return pl.lit(date.fromisoformat(value))
    zoned = isinstance(kind, pl.Datetime) and kind.time_zone is not None
    if zoned:
        return pl.lit(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    if kind == pl.Date or isinstance(kind, pl.Datetime):
        return pl.lit(moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment)
    return None


def _readable(name: str, kind: pl.DataType) -> pl.Expr:
    """The column as it is compared: NaN is missing, a category is its text."""
    if kind.is_float():
        return pl.col(name).fill_nan(None)
    return pl.col(name).cast(pl.String) if _is_text(kind) else pl.col(name)


def _is_text(kind: pl.DataType) -> bool:
    return isinstance(kind, pl.String | pl.Categorical | pl.Enum)


def _inner(kind: pl.List) -> pl.DataType:
    inner = kind.inner
    return inner if isinstance(inner, pl.DataType) else inner()


def _said(kind: pl.DataType) -> str:
    if _is_text(kind):
        return "texts"
    if kind == pl.Boolean:
        return "true or false"
    if kind.is_temporal():
        return "dates or times: write 2001-05-31"
    return "numbers" if kind.is_numeric() else f"{kind}, which is not compared"
