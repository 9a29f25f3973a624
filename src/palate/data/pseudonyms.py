"""Pseudonyms: keyed hashes in the place of people's ids, so that a model says of nobody who."""

from __future__ import annotations

import hmac
import os
import stat
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from palate.core.columns import ITEM, TIME, USER
from palate.core.dataset import Dataset
from palate.core.doors import door
from palate.core.errors import ConfigError, DataError, Message, Setting, first_offenders
from palate.core.visible import quoted
from palate.data.social import people_as_items

LEAST_KEY: Final = 16
_DIGITS: Final = 32
_FORM: Final = rf"^p[0-9a-f]{{{_DIGITS}}}$"
_NUMBER: Final = r"^\d+$"
_MARK: Final = b"palate: which key"
_MARK_DIGITS: Final = 8  # tells a wrong key, and next to nothing about the right one
_MOSTLY: Final = 0.5
_LONGEST_KEY: Final = 2**16

Hide = Callable[[pl.Series], pl.Series]


@door("key")
def pseudonym(user_id: str, key: str | bytes) -> str:
    """What a model knows a person by whose data were read with `palate.read(..., pseudonyms=key)`.

    "p" and 32 hexadecimal digits: the first half of the HMAC-SHA-256 (RFC 2104) of the id in UTF-8.
    It depends on nothing else, so tables that are read apart agree. `key` is text or bytes of at
    least 16 characters; blanks and line ends around it do not count. Raises `ConfigError` for
    another one.
    """
    return _hashed(user_id, _secret(key))


def _hashed(name: str, secret: bytes) -> str:
    return f"p{hmac.digest(secret, name.encode(), 'sha256').hex()[:_DIGITS]}"


def check_key(key: object) -> None:
    """Raises `ConfigError`, which does not show it, for what is neither a key nor None."""
    if key is not None:
        _secret(key)


def _secret(key: object) -> bytes:
    """The key as bytes."""
    asked = Setting("pseudonyms", section="data")
    if isinstance(key, str):
        if "\0" not in key and len(key) < 4096 and _is_file(key):
            raise ConfigError(asked, " names a file: give what it holds, Path(...).read_bytes()")
        key = key.encode(errors="surrogatepass")
    secret = key.strip() if isinstance(key, bytes) else b""
    if len(secret) < LEAST_KEY:
        raise ConfigError(
            asked,
            f" needs a key: text or bytes of at least {LEAST_KEY} characters, best drawn at random",
        )
    return secret


def _is_file(name: str) -> bool:
    try:
        return Path(name).is_file()
    except (OSError, ValueError):  # a name that no file can have
        return False


def read_key(path: str | Path) -> bytes:
    """The key that a file holds; a warning where others may read it, too.

    Raises `ConfigError` where it cannot be read, and for what is no key.
    """
    try:
        with Path(path).open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            secret = _secret(file.read(_LONGEST_KEY))
    except OSError as error:
        raise ConfigError(
            f"the key file {path} cannot be read ({error.strerror}): name a file with a key of at"
            f" least {LEAST_KEY} characters"
        ) from error
    except ConfigError as error:
        raise ConfigError(
            f"the key file {path} holds no key: it needs at least {LEAST_KEY} characters, as"
            " `openssl rand -hex 32` writes"
        ) from error
    if os.name == "posix" and stat.S_ISREG(mode) and mode & (stat.S_IRGRP | stat.S_IROTH):
        warnings.warn(
            f"{path} can be read by others than you: chmod 600 {path}", RuntimeWarning, stacklevel=2
        )
    return secret


# ---- data with pseudonyms


def pseudonymised(data: Dataset, key: str | bytes) -> tuple[Dataset, list[str | Message]]:
    """The same data with pseudonyms for the ids of people, and what is to be said of that.

    So are columns of text that mostly hold such ids, and, where people are items, the ids of items.
    People, and events of one time, follow in the order of the pseudonyms; without times all of a
    person's events do: the order of a table can tell who is who. Raises `DataError` for a column of
    numbers that repeats the ids.
    """
    secret = _secret(key)
    social, named = people_as_items(data), _names(data)
    events, users, items = data.events, data.users, data.items
    repeated = [("events", events, USER), ("users", users, USER)]
    repeated += [("items", items, ITEM)] if social else []
    for what, table, own in repeated:
        if table is not None:
            _check_numbers(table, what, own)
    said: list[str | Message] = [f"people are known by pseudonyms: {len(data.user_ids):,} of them"]
    ids = [USER, ITEM] if social else [USER]
    hidden = {}
    for what, table in (("events", events), ("items", items), ("users", users)):
        if table is not None:
            columns = list(_of_people(table, named, ids))
            said += _left(table, what, named, {*columns, *ids, ITEM})
            hidden[what] = _with_hidden(table, [*ids, *columns], secret)
    events, chosen = hidden["events"], data.chosen
    order = _order(events)
    made = replace(
        data,
        users=None if users is None else hidden["users"].sort(USER, maintain_order=True),
        items=hidden["items"].sort(ITEM) if social else hidden["items"],
        pseudonyms=_mark(secret),
    )
    return made.with_events(events[order], chosen[order]), said


def _mark(secret: bytes) -> str:
    return hmac.digest(secret, _MARK, "sha256").hex()[:_MARK_DIGITS]


def _order(events: pl.DataFrame) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    """By time, then person by person; what is equal there stays in its order."""
    people = events[USER].rank("dense").to_numpy()
    if TIME not in events.columns:
        return np.argsort(people, kind="stable")
    return np.lexsort((people, events[TIME].to_numpy()))


def _names(data: Dataset) -> pl.Series:
    """The ids that nothing else is called by chance: those that are no whole numbers."""
    ids = data.user_ids.series
    return ids.filter(~ids.str.contains(_NUMBER))


def _words(series: pl.Series) -> pl.Series | None:
    """What a column of text, or of lists of it, says; None for other columns."""
    if series.dtype == pl.List(pl.String):
        series = series.explode()
    return series.drop_nulls() if series.dtype == pl.String else None


def _of_people(table: pl.DataFrame, named: pl.Series, ids: list[str]) -> Iterator[str]:
    """The further columns that mostly hold ids of people."""
    for series in table:
        words = None if series.name in {*ids, ITEM} else _words(series)
        if words is None or not len(words):
            continue
        known = words.is_in(named.implode())
        own = USER in table.columns and series.dtype == pl.String and _repeats(table, series)
        if own or known.mean() >= _MOSTLY:  # type: ignore[operator]
            yield series.name


def _left(
    table: pl.DataFrame, what: str, named: pl.Series, hidden: set[str]
) -> Iterator[str | Message]:
    """Columns with some ids of people among other words, which stay as they are."""
    for series in table:
        words = None if series.name in hidden else _words(series)
        count = 0 if words is None else int(words.is_in(named.implode()).sum())
        if not count:
            continue
        told = f"column {quoted(series.name)} of {what} holds {count:,} ids of people in the clear"
        if what == "events":
            yield f"{told}: texts of events are read, and not saved"
        else:
            fix = Setting("drop", [series.name], "data")
            yield Message.of(f"{told}: leave it out (", fix, ") where nobody shall read them")


def _repeats(table: pl.DataFrame, series: pl.Series, own: str = USER) -> bool:
    """Whether a column says mostly what the column of ids says."""
    same = series.cast(pl.String, strict=False) == table[own]
    return bool(len(same)) and int(same.sum()) >= _MOSTLY * len(same)


def _check_numbers(table: pl.DataFrame, what: str, own: str) -> None:
    """Raises `DataError` for a column of numbers that repeats the ids."""
    for series in table:
        if series.dtype.is_integer() and _repeats(table, series, own):
            fix = Setting("drop", [series.name], "data")
            fixes = ("do not keep it",) if what == "events" else ("leave it out: ", fix)
            raise DataError(
                f"column {quoted(series.name)} of {what} repeats the ids, and would stand there in"
                " the clear: ",
                *fixes,
            )


def _with_hidden(table: pl.DataFrame, columns: list[str], secret: bytes) -> pl.DataFrame:
    """The table with pseudonyms for all that columns of text, or of lists of it, hold."""
    there = [name for name in columns if name in table.columns]
    for name in there:
        kind = table[name].dtype
        lists = kind == pl.List(pl.String)
        values = (table[name].explode() if lists else table[name]).unique().drop_nulls()
        made = pl.Series([_hashed(value, secret) for value in values], dtype=pl.String)
        whole = pl.element() if lists else pl.col(name)
        hidden = whole.replace_strict(values, made, default=None, return_dtype=pl.String)
        table = table.with_columns(pl.col(name).list.eval(hidden) if lists else hidden)
    return table


# ---- what comes later


def later_pseudonyms(
    data: Dataset, key: str | bytes | None
) -> Callable[[pl.DataFrame, str], pl.DataFrame]:
    """How rows that come later get pseudonyms like those of `data`: (rows, their source) → rows.

    Raises `ConfigError` for another key than that of `data`; the rows `DataError` where they hold
    ids and no key is given.
    """
    check_key(key)
    if data.pseudonyms is None:
        if key is not None:
            raise ConfigError(
                Setting("pseudonyms"), " is given, and this model knows people by their own ids"
            )
        return lambda rows, _: rows
    ids = [USER, ITEM] if items_are_people(data) else [USER]
    if key is None:
        return lambda rows, source: _checked(rows, ids, source)
    secret = _secret(key)
    check_same_key(data, secret)
    stored = [data.interactions] + ([] if data.users is None else [data.users])
    columns = {one.name for table in stored for one in table if _is_hidden(one)}
    return lambda rows, _: _with_hidden(rows, sorted({*ids, *columns}), secret)


def check_same_key(data: Dataset, key: str | bytes | None) -> None:
    """Raises `ConfigError` where a key is given and the pseudonyms of `data` are by another."""
    if key is None:
        return
    if data.pseudonyms is None:
        raise ConfigError(
            Setting("pseudonyms"), " is given, and this model knows people by their own ids"
        )
    if data.pseudonyms != _mark(_secret(key)):
        raise ConfigError(
            "this model's pseudonyms were made with another key than that of ",
            Setting("pseudonyms"),
            ": give the one that its data were read with",
        )


def items_are_people(data: Dataset) -> bool:
    """Whether the ids of items are pseudonyms, too."""
    return data.pseudonyms is not None and bool(data.items[ITEM].str.contains(_FORM).all())


def _is_hidden(series: pl.Series) -> bool:
    words = _words(series)
    return words is not None and bool(len(words)) and bool(words.str.contains(_FORM).all())


def _checked(rows: pl.DataFrame, ids: list[str], source: str) -> pl.DataFrame:
    for name in ids:
        if name in rows.columns:
            check_pseudonyms(
                rows[name], source, Message.of("the key (", Setting("pseudonyms"), "), or")
            )
    return rows


def check_pseudonyms(ids: pl.Series, source: str, instead: str | Message = "") -> None:
    """Raises `DataError` for ids that are no pseudonyms, and says what to give `instead`."""
    clear = ids.filter(~ids.str.contains(_FORM)).unique(maintain_order=True)
    if len(clear):
        raise DataError(
            f"{source}: {first_offenders(clear, len(clear))}: this model knows people by"
            " pseudonyms, and would hold these ids in the clear: give ",
            instead,
            " what palate.pseudonym(id, key) says for each",
        )


def unknown_hint(data: Dataset) -> str:
    """What is to be said to whoever asks for people that are not known."""
    if data.pseudonyms is None:
        return ""
    return (
        "; this model knows people by pseudonyms: ask by palate.pseudonym(id, key), at the command"
        " line with --pseudonyms KEYFILE; another key gives others"
    )
