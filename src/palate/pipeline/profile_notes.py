"""What of a profile the encoders of users do not understand, and what is only spelt otherwise."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from palate.core import registry
from palate.core.doors import warn_caller
from palate.core.errors import NotUnderstoodWarning
from palate.core.types import Encoder
from palate.core.visible import quoted, shorten, visible
from palate.features.encoders.columns.kinds import judges, knows, separator_in, values_in
from palate.features.encoders.columns.plans import Plan
from palate.features.encoders.tfidf import Tfidf

_LISTED: Final = 12
"""Values of a column that are listed whole; of more the nearest is named."""
_NEAR: Final = 0.6
_BEYOND: Final = 0.5  # of what numbers span: further outside, one is a slip
_SAME_WIDTH: Final = 0.9  # of codes of digits, whose lost zeros can be given back


def respelt(
    said: pl.DataFrame, users: pl.DataFrame, encoders: Mapping[str, Encoder]
) -> pl.DataFrame:
    """A profile's row with its values as the table of users spells them.

    Another case, width or space is the same value, where no second one is spelt so; a code of
    digits gets back the zeros that it lost at the front.
    """
    columns = []
    for name in _said_columns(said):
        plans = judges(_plans_of(encoders, name))
        if not plans or said[name].dtype.is_numeric():
            continue
        known = values_in(users[name], plans).unique()
        parts = values_in(said[name], plans).to_list()
        spelt = [_spelt(part, known) for part in parts]
        if spelt == parts:
            continue
        cell: Any = (
            spelt if said[name].dtype.is_nested() else (separator_in(plans) or "").join(spelt)
        )
        columns.append(pl.Series(name, [cell], dtype=said[name].dtype))
    return said.with_columns(columns)


def _spelt(value: str, known: pl.Series) -> str:
    if value in known:
        return value
    folded = _folded(value)
    same = [other for other in known.to_list() if _folded(other) == folded]
    if same:
        return same[0] if len(same) == 1 else value
    return _with_zeros(value, known)


def _folded(value: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", value).casefold().split())


def _with_zeros(value: str, known: pl.Series) -> str:
    """A code as long as (nearly) all others are, of which some begin with 0."""
    digits = known.filter(known.str.contains(r"^\d+$"))
    if not (value.isascii() and value.isdigit()) or not digits.str.starts_with("0").any():
        return value
    widths = digits.str.len_chars()
    width = int(widths.max() or 0)  # type: ignore[arg-type]
    return value.zfill(width) if (widths == width).mean() >= _SAME_WIDTH else value  # type: ignore[operator]


def tell(
    said: pl.DataFrame,
    users: pl.DataFrame,
    encoders: Mapping[str, Encoder],
    *,
    alone: bool,
) -> bool:
    """Warns, once, of all that `notes_of` finds; `alone` is a profile without a person.

    Whether nothing that was said counts.
    """
    notes = notes_of(said, users, encoders)
    if not notes:
        return False
    silent = {note.column for note in notes if note.silent} == {*_said_columns(said)}
    sentences = [note.sentence for note in notes]
    if alone and silent:
        sentences.append("So this is the list of somebody of whom nothing is known.")
    text = visible(f"profile: {' '.join(sentences)}")
    warn_caller(text, NotUnderstoodWarning)
    return silent


@dataclass(frozen=True)
class Note:
    """What is to be said of a column of a profile; it is `silent` where nothing of it counts."""

    column: str
    sentence: str
    silent: bool = True


def notes_of(
    said: pl.DataFrame, users: pl.DataFrame, encoders: Mapping[str, Encoder]
) -> list[Note]:
    """What a profile's row holds that says nothing, or is a slip, in sentences."""
    reads = _columns_read(encoders)
    found: list[Note] = []
    for name in _said_columns(said):
        if reads is not None and name not in reads:
            listed = ", ".join(shorten(column) for column in reads) or "no column"
            sentence = f"No encoder of users reads {quoted(name)}: they read {listed}."
            found.append(Note(name, sentence))
            continue
        plans = _plans_of(encoders, name)
        closed = judges(plans)
        if closed:
            found += _of_values(said[name], users[name], closed)
        elif said[name].dtype.is_numeric():
            found += _of_number(said[name], users[name])
        if not plans:
            found += _of_words(said, name, encoders)
    return found


def _said_columns(said: pl.DataFrame) -> list[str]:
    """The columns of a profile's row that are not empty, but for the id in front."""
    return [name for name in said.columns[1:] if not said[name].null_count()]


def _columns_read(encoders: Mapping[str, Encoder]) -> list[str] | None:
    """The columns of the table that encoders read; None where one of them does not say.

    Those of palate that do not say read none.
    """
    found: dict[str, None] = {}
    for encoder in encoders.values():
        read = getattr(encoder, "columns_read", None)
        if read is None and ":" in registry.name_of(encoder):
            return None
        found |= dict.fromkeys(read or ())
    return list(found)


def _read_by(encoder: Encoder) -> Sequence[str]:
    return getattr(encoder, "columns_read", None) or ()


def _plans_of(encoders: Mapping[str, Encoder], name: str) -> list[Plan]:
    """How encoders read a column as values; none where one reads it as text, too."""
    found: list[Plan] = []
    for encoder in encoders.values():
        if name not in _read_by(encoder):
            continue
        plans = getattr(encoder, "plan_", None)
        if plans is None:
            return []
        found += [plan for plan in plans if plan["column"] == name]
    return found


def _of_values(said: pl.Series, column: pl.Series, plans: list[Plan]) -> Iterator[Note]:
    parts = values_in(said, plans).to_list()
    unknown = [value for value in parts if not knows(plans, value)]
    for value in unknown:
        known = values_in(column, plans)
        what = f"{shorten(column.name)} = {quoted(value)}"
        if value in known:
            sentence = f"{what} says nothing: nobody who has it has events, or too few share it."
        else:
            sentence = f"Nobody known has {what}, so that says nothing.{_near(value, known)}"
        yield Note(column.name, sentence, silent=len(unknown) == len(parts))


def _near(value: str, known: pl.Series) -> str:
    """The value that was meant, perhaps; of few values all."""
    counts = known.rename("value").value_counts().sort(["count", "value"], descending=[True, False])
    spelt = {_folded(other): other for other in reversed(counts["value"].to_list())}
    close = difflib.get_close_matches(_folded(value), spelt, n=1, cutoff=_NEAR)
    meant = f" Did you mean {quoted(spelt[close[0]])}?" if close else ""
    if len(counts) > _LISTED:
        return meant
    return f"{meant} Known: {', '.join(shorten(other) for other in sorted(counts['value']))}."


def _of_number(said: pl.Series, column: pl.Series) -> Iterator[Note]:
    known = column.cast(pl.Float64).drop_nulls().drop_nans()
    if not len(known):
        return
    value = float(said[0])
    low, high = float(known.min()), float(known.max())  # type: ignore[arg-type]
    room = (high - low) * _BEYOND
    if low - room <= value <= high + room and not value < 0 <= low:
        return
    name = shorten(column.name)
    sentence = f"{name} = {value:g} lies far outside {low:g} to {high:g}, the range of all users."
    yield Note(column.name, sentence, silent=False)


def _of_words(said: pl.DataFrame, name: str, encoders: Mapping[str, Encoder]) -> Iterator[Note]:
    """Of a column that only TF-IDF reads, words of which it knows none."""
    readers = [
        one for one in encoders.values() if name in (getattr(one, "columns_read", None) or ())
    ]
    if not readers or not all(isinstance(reader, Tfidf) for reader in readers):
        return
    alone = said.with_columns(
        pl.lit(None, said[other].dtype).alias(other) for other in said.columns[1:] if other != name
    )
    for reader in readers:
        assert isinstance(reader, Tfidf)
        if abs(reader.encode_texts(reader.texts_of(alone))).sum():
            return
    what = f"{shorten(name)} = {quoted(str(said[name][0]))}"
    yield Note(name, f"{what} holds no word that is known of people, so that says nothing.")
