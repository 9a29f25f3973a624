"""Who asks and for what: requests of people, histories and words, and which items may answer."""

from __future__ import annotations

import reprlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal, TypeAlias

import numpy as np
import polars as pl

from palate.core.arrays import Matrix, Rows
from palate.core.conditions import Condition, fits
from palate.core.dataset import Dataset
from palate.core.doors import warn_caller
from palate.core.errors import ConfigError, DataError, Setting, did_you_mean, first_offenders
from palate.core.histories import Histories, history_of_items
from palate.core.ids import Ids, id_list
from palate.core.visible import counted
from palate.pipeline.checks import Users, candidate_rows, check_words

OnUnknown: TypeAlias = Literal["raise", "skip"]

_CHOICES: Final = ("raise", "skip")


@dataclass
class Unknown:
    """What becomes of ids that nobody knows: an error, or they are left out and counted."""

    choice: str = "raise"
    skipped: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if not isinstance(self.choice, str) or self.choice not in _CHOICES:
            raise ConfigError(
                f"unknown = {reprlib.repr(self.choice)} cannot be used."
                f"{did_you_mean(str(self.choice), _CHOICES)}"
            )

    def rows(self, item_ids: Ids, names: object, what: str, setting: str) -> Rows:
        """The catalogue rows of ids; `UnknownIdError` for unknown ones that are not skipped."""
        listed = id_list(names, setting)
        if self.choice == "raise":
            return item_ids.rows(listed, what=what)
        rows = item_ids.find(listed)
        self.skipped += [name for name, row in zip(listed, rows.tolist(), strict=True) if row < 0]
        return rows[rows >= 0]

    def filters(self, item_ids: Ids, **filters: object) -> dict[str, Rows]:
        """The rows of each filter that is given as ids, by its name."""
        return {
            name: self.rows(item_ids, ids, f"item ids in {name}", name)
            for name, ids in filters.items()
            if ids is not None
        }

    def people(self, users: Users, names: object) -> tuple[Histories, Rows]:
        """What known people did, and at which places of `names` they stand."""
        listed = id_list(names, "user_ids")
        places = np.arange(len(listed), dtype=np.int32)
        if self.choice == "skip":
            known = users.known(listed)
            self.skipped += [name for name, here in zip(listed, known, strict=True) if not here]
            places = places[known]
        return users.find([listed[place] for place in places]), places

    def tell(self) -> None:
        """Warns of what was skipped."""
        if self.skipped:
            names = list(dict.fromkeys(self.skipped))
            said = f"unknown ids were skipped: {first_offenders(names, len(names))}"
            warn_caller(said, RuntimeWarning)


def requests_of(
    users: Users,
    item_ids: Ids,
    user_ids: object,
    history: object,
    texts: Sequence[str] | None,
    unknown: Unknown,
) -> tuple[Histories, Rows | None]:
    """Requests without their words, and for each the place of its text in `texts`.

    One request for each person, each history or each text; what is given once holds for all.
    Raises `DataError` for people with a history beside theirs, and for lists of different lengths.
    """
    wanted: Rows | None = None
    if user_ids is not None:
        asking, places = unknown.people(users, user_ids)
        total = len(places) + len(unknown.skipped)
    else:
        listed, many = _lists_of(history)
        if not many and texts is not None and len(texts) > 1:
            listed = listed * len(texts)
        known = [
            item_ids.series.gather(
                unknown.rows(item_ids, one, "item ids in the history", "history")
            ).to_list()
            for one in listed
        ]
        asking = history_of_items(item_ids, known)
        asking = replace(asking, add_repeats=users.histories.add_repeats)
        places, total = np.arange(len(asking), dtype=np.int32), len(asking)
    if texts is not None:
        if len(texts) not in (1, total):
            raise DataError(
                f"{len(texts)} texts for {total} requests: give one for each, or one for all"
            )
        wanted = places if len(texts) > 1 else np.zeros(len(asking), dtype=np.int32)
    return asking, wanted


def with_words(
    asking: Histories, queries: Mapping[str, Matrix], texts: Sequence[str], wanted: Rows
) -> Histories:
    """The same requests, each with the text at its place."""
    chosen: Any = {name: vectors[wanted] for name, vectors in queries.items()}
    return replace(asking, queries=chosen, texts=pl.Series(texts, dtype=pl.String)[wanted])


def texts_of(text: object) -> list[str] | None:
    """One text or several as a list; `DataError` for what is none, or says nothing."""
    if text is None:
        return None
    if isinstance(text, str):
        check_words(text)
        return [text]
    unsized = getattr(text, "ndim", 1) == 0  # an array of one number
    if unsized or not isinstance(text, Iterable) or isinstance(text, bytes | Mapping):
        check_words(text)
        return None
    texts: list[str] = list(text)
    for one in texts:
        check_words(one)
    return texts


def _lists_of(history: object) -> tuple[list[list[str]], bool]:
    """Histories as lists of ids, and whether several were given."""
    if history is None:
        return [[]], False
    if isinstance(history, Iterable) and not isinstance(history, str | bytes | Mapping):
        parts = list(history)
        if parts and all(_is_list(part) for part in parts):
            return [id_list(part, "history") for part in parts], True
        if any(_is_list(part) for part in parts):
            raise DataError("history holds both ids and lists: write [['a', 'b'], ['c']]")
        history = parts
    return [id_list(history, "history")], False


def _is_list(part: object) -> bool:
    several = isinstance(part, Iterable) and not isinstance(part, str | bytes | Mapping)
    return several and getattr(part, "ndim", 1) > 0


def allowed_rows(
    data: Dataset,
    *,
    candidates: object = None,
    exclude: object = None,
    where: Condition | None = None,
    withdrawn: Rows | None = None,
) -> Rows | None:
    """The catalogue rows that may be recommended, in rising order; None for all.

    `candidates`, `exclude` and `withdrawn` are catalogue rows, `where` is a condition on the table
    of items.
    Raises `DataError` for what are no rows or no condition, and where nothing is left.
    """
    gone = withdrawn is not None and len(withdrawn) > 0
    if candidates is None and exclude is None and where is None and not gone:
        return None
    left = np.ones(len(data.item_ids), dtype=np.bool_)
    said: list[Any] = []
    if candidates is not None:
        left[:] = False
        rows = candidate_rows(candidates, data.item_ids)
        left[rows] = True
        said.append(f"candidates ({counted(len(rows), 'item')})")
    if exclude is not None:
        rows = candidate_rows(exclude, data.item_ids, setting="exclude")
        left[rows] = False
        said.append(f"exclude ({counted(len(rows), 'item')})")
    if where is not None:
        fitting = fits(data.items, where, Setting("where"))
        left &= fitting
        said.append(f"where (fits {counted(int(fitting.sum()), 'item')})")
    if gone:
        left[withdrawn] = False
        said.append(f"remove_items ({counted(len(withdrawn), 'item')})")  # type: ignore[arg-type]
    if not left.any():
        raise DataError(
            f"no item of {len(left):,} is left to recommend after {', '.join(said)}: "
            "ask for less at once"
        )
    return np.flatnonzero(left).astype(np.int32)
