"""How a table of text is written: its separator, its names, its quotes."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import polars as pl

_UNIT_SEPARATOR = "\x1f"
"""Stands for a separator of several bytes, which fast readers do not take; no text has it."""

_MOST_TELLING = ("::", "\t", ";", "|", ",", "，")
_OTHER_THAN_COMMAS = (";", "\t", "|", "::", "，", "；", "\x01")
_STATED = re.compile(r"(\"?)(?i:sep)=(.+?)\1\r?")
_QUOTED = re.compile(r'"[^"]*"')
_ESCAPED = re.compile(r"\\([\\\"])")

_RATINGS = ("user_id", "item_id", "rating", "timestamp")
_GENRES_OF_1998 = (
    *("unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime"),
    *("Documentary", "Drama", "Fantasy", "Film-Noir", "Horror", "Musical", "Mystery", "Romance"),
    *("Sci-Fi", "Thriller", "War", "Western"),
)
_FILM = ("item_id", "title", "release_date", "video_release_date", "imdb_url")
_LAYOUTS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    (r"ratings\.dat", "::", _RATINGS),
    (r"tags\.dat", "::", ("user_id", "item_id", "tag", "timestamp")),
    (r"movies\.dat", "::", ("item_id", "title", "genres")),
    (r"users\.dat", "::", ("user_id", "gender", "age", "occupation", "zip_code")),
    (r"u\.data|u[1-5ab]\.(base|test)", "\t", _RATINGS),
    (r"u\.item", "|", (*_FILM, *_GENRES_OF_1998)),
    (r"u\.user", "|", ("user_id", "age", "gender", "occupation", "zip_code")),
)
"""MovieLens' own files, by name: what stands between the parts of a line, and what they are."""


@dataclass(frozen=True)
class Dialect:
    r"""`mark` stands between fields; quotes around them mean something where `quotes` says so.

    `names` are those of a table whose first line is a row; None: the first line names the columns.
    `skipped` lines come before it. `escaped`: a quote inside of quotes is written as \".
    """

    mark: str
    quotes: bool
    names: tuple[str, ...] | None = None
    skipped: int = 0
    escaped: bool = False

    @property
    def separator(self) -> str:
        """What stands between the fields of `standard` text: one byte."""
        return self.mark if len(self.mark.encode()) == 1 else _UNIT_SEPARATOR

    @property
    def is_standard(self) -> bool:
        """Whether a fast reader can take the file as it is."""
        return self.separator == self.mark and not self.skipped and not self.escaped

    @property
    def lines_before(self) -> int:
        """How many lines stand before the first row."""
        return self.skipped + (self.names is None)

    def standard(self, text: str) -> str:
        """The same table with a separator of one byte, and "" for a quote inside of quotes."""
        for _ in range(self.skipped):
            text = text.partition("\n")[2]
        if self.escaped:
            text = _ESCAPED.sub(lambda found: '""' if found[1] == '"' else "\\", text)
        return text.replace(self.mark, self.separator)

    def named(self, frame: pl.LazyFrame, columns: list[str]) -> pl.LazyFrame:
        """A frame of `standard` text, whose columns are these, as the file means it."""
        if self.mark != self.separator:
            frame = frame.with_columns(pl.all().str.replace_all(self.separator, self.mark))
            columns = [name.replace(self.separator, self.mark) for name in columns]
            frame = frame.rename(dict(zip(frame.collect_schema(), columns, strict=True)))
        if self.names is None:
            return frame
        names = self.names or tuple(f"column_{place}" for place in range(1, len(columns) + 1))
        frame = frame.rename(dict(zip(columns, names, strict=False)))
        return _with_one_list(frame) if names[-1] == _GENRES_OF_1998[-1] else frame


def _with_one_list(frame: pl.LazyFrame) -> pl.LazyFrame:
    """`genres` in place of a column of 0 and 1 for each."""
    names = [
        pl.when(pl.col(genre) == "1").then(pl.lit(genre).alias("genres"))
        for genre in _GENRES_OF_1998
    ]
    joined = pl.concat_str(names, separator="|", ignore_nulls=True).alias("genres")
    return frame.with_columns(joined).drop(_GENRES_OF_1998)


def layout_of(name: str, first: str) -> Dialect | None:
    """The dialect of a file of MovieLens, known by its name and its first line."""
    for pattern, mark, names in _LAYOUTS:
        if re.fullmatch(pattern, name) and first.count(mark) == len(names) - 1:
            return Dialect(mark, quotes=False, names=names)
    return None


def dialect_of_csv(first: str) -> Dialect:
    """Commas, unless the first line says otherwise, or has none."""
    if stated := _STATED.fullmatch(first):
        return Dialect(stated[2], quotes=True, skipped=1)
    first = _QUOTED.sub("", first)
    if "," in first:
        return Dialect(",", quotes=True)
    return Dialect(next((mark for mark in _OTHER_THAN_COMMAS if mark in first), ","), quotes=True)


def dialect_of_dat(first: str) -> Dialect:
    """The most telling mark in the first line; quotes are letters."""
    return Dialect(next((mark for mark in _MOST_TELLING if mark in first), "\t"), quotes=False)


def without_names(dialect: Dialect) -> Dialect:
    """The same, where the first line turns out to be a row: `column_1`, `column_2`, …"""
    return replace(dialect, names=())
