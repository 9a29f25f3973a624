"""Who asks for what, as a person writes it: known people, a history, words; checked."""

from __future__ import annotations

import reprlib
from collections.abc import Iterable, Sequence
from functools import cached_property
from numbers import Integral
from weakref import WeakKeyDictionary

import numpy as np

from palate._ids import Ids, id_list
from palate.errors import AlignmentError, DataError, UnknownIdError, did_you_mean, first_offenders
from palate.histories import Histories, Split, histories_of
from palate.types import Dataset, Features, Rows


def check_data(data: object) -> None:
    """Raises `DataError` for what is no `Dataset`, or has no items; says what a split's is."""
    if isinstance(data, Split):
        raise DataError("a pipeline learns from the training part of a split: fit(split.train)")
    if not isinstance(data, Dataset):
        raise DataError(
            f"a pipeline learns from a Dataset, not {reprlib.repr(data)}: palate.read makes one"
        )
    if not len(data.items):
        raise DataError("the catalogue is empty: there is no item to recommend")


class People:
    """Known people and what they did."""

    def __init__(self, histories: Histories) -> None:
        self.histories = histories

    @cached_property
    def _row_of(self) -> dict[str, int]:
        return {name: row for row, name in enumerate(self.histories.user_ids)}

    def find(self, user_ids: Sequence[str]) -> Histories:
        """Their histories, in this order; `UnknownIdError` for people who are not known."""
        names = id_list(user_ids, "user_ids")
        rows = np.array([self._row_of.get(name, -1) for name in names], dtype=np.int32)
        if (rows < 0).any():
            unknown = [name for name, row in zip(names, rows, strict=True) if row < 0]
            raise UnknownIdError(
                f"unknown people: {first_offenders(unknown, len(unknown))}; for somebody new give "
                "a history of item ids, or a text, in place of the id"
            )
        return self.histories.take(rows)


_people: WeakKeyDictionary[Dataset, People] = WeakKeyDictionary()


def people_of(data: Dataset) -> People:
    """The people of a data set, found once."""
    found = _people.get(data)
    if found is None:
        found = _people[data] = People(histories_of(data))
    return found


def check_request(user_ids: object, history: object, text: object) -> None:
    """Raises `DataError` unless known people ask, or somebody by a history, words or both."""
    if user_ids is not None:
        if history is not None or text is not None:
            raise DataError(
                "ask for known people, or for somebody by history and text, not for both"
            )
    elif history is None and text is None:
        raise DataError("nobody asks: give user_ids, a history or a text")
    if text is not None:
        check_words(text)


def check_words(text: object) -> None:
    """Raises `DataError` for what is no text, or an empty one."""
    if not isinstance(text, str):
        raise DataError(f"a text is what somebody says, not {reprlib.repr(text)}")
    if not text.strip():
        raise DataError("the text says nothing: leave it out, or say what is wished for")


def sentences(texts: object) -> list[str]:
    """Texts as a list; `DataError` for a single one and for what is none."""
    if isinstance(texts, str) or not isinstance(texts, Iterable):
        raise DataError(f"texts must be a list of texts, not {reprlib.repr(texts)}")
    said = list(texts)
    for text in said:
        if not isinstance(text, str):
            raise DataError(f"a text is what somebody says, not {reprlib.repr(text)}")
    return said


def wanted_places(k: object) -> int:
    """`k` as a whole number of 1 or more; else `DataError`."""
    if not isinstance(k, Integral) or isinstance(k, bool):
        raise DataError(f"k = {reprlib.repr(k)}: ask for a whole number of recommendations")
    if k < 1:
        raise DataError(f"k = {k}: ask for at least one recommendation")
    return int(k)


def rows_among(among: object, item_ids: Ids) -> Rows:
    """Catalogue rows, checked; `DataError` for what are none."""
    rows = np.asarray(among)
    if rows.ndim != 1 or (rows.size and rows.dtype.kind not in "iu"):
        raise DataError(
            f"among = {reprlib.repr(among)}: give catalogue rows here, as those that "
            "model.item_ids.rows([...]) finds for ids"
        )
    wrong = rows[(rows < 0) | (rows >= len(item_ids))]
    if wrong.size:
        raise DataError(
            f"among holds rows that a catalogue of {len(item_ids)} items lacks: "
            f"{first_offenders(wrong.tolist(), wrong.size)}"
        )
    return rows.astype(np.int32)


def check_histories(histories: object) -> None:
    """Raises `DataError` for what are no `Histories`."""
    if not isinstance(histories, Histories):
        raise DataError(
            f"requests must be Histories, not {reprlib.repr(histories)}: model.histories(...) "
            "makes them of people, of item ids and of words"
        )


def check_queries(histories: Histories, features: Features | None) -> None:
    """Raises `AlignmentError` for words in the space of no block, or of other dimensions."""
    parts = {} if features is None else features.parts
    for name, vectors in histories.queries.items():
        if name not in parts:
            raise AlignmentError(
                f"queries: no block is called {name!r}.{did_you_mean(name, parts)}"
            )
        wanted = (len(histories), parts[name].shape[1])
        if np.shape(vectors) != wanted:
            raise AlignmentError(
                f"queries[{name!r}] has shape {np.shape(vectors)}, but these histories and block "
                f"{name!r} need {wanted}: model.queries(texts) makes such vectors"
            )
