"""The exceptions that palate raises on purpose; each says what, where and the fix."""

from __future__ import annotations

import copyreg
import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from itertools import islice
from typing import Any, Final, TypeAlias

from palate.core.visible import bounded, quoted, shorten, visible

SHOWN_OFFENDERS = 3
_SHOWN_LETTERS = 80
_SHOWN_NAMES = 50


class _Unsaid(Enum):  # an enum, for its member stays itself when it is pickled
    UNSAID = "unsaid"


UNSAID: Final = _Unsaid.UNSAID


@dataclass(frozen=True)
class Setting:
    """A setting as a message names it; whoever shows the message writes it.

    `value` is what is given or advised; `section` is that of a pipeline file ("data", "split"), ""
    where it is a setting of the component that the message is about. `python` is how code says it
    where that is more, or other, than the keyword, which stands for its "{}".
    """

    name: str
    value: Any = UNSAID
    section: str = ""
    python: str = "{}"

    def to_json(self) -> dict[str, Any]:
        """The fields that say something."""
        return {name: part for name, part in vars(self).items() if part is not UNSAID}


Dialect: TypeAlias = Callable[[Setting], str]
"""How a setting is written: as code, as a pipeline file or as options of a command."""


def in_python(setting: Setting) -> str:
    """As a keyword: `test=0.2`, and `test=` where no value is said."""
    value = "" if setting.value is UNSAID else _literal(setting.value)
    return setting.python.format(f"{setting.name}={value}")


def _literal(value: Any) -> str:
    """As `quoted`, and a plain string between double quotes."""
    said = quoted(value)
    if isinstance(value, str) and said == f"'{said[1:-1]}'" and '"' not in said:
        return f'"{said[1:-1]}"'
    return said


@dataclass(frozen=True)
class Message:
    """Sentences and the settings that they name: what is not a `Setting` is never rewritten."""

    parts: tuple[str | Setting, ...]

    @classmethod
    def of(cls, *parts: object) -> Message:
        """Of texts, settings, other messages and errors; anything else as `str` has it."""
        found: list[str | Setting] = []
        for part in parts:
            if isinstance(part, PalateError):
                part = part.message
            if isinstance(part, Message):
                found += part.parts
            else:
                found.append(part if isinstance(part, Setting) else str(part))
        return cls(tuple(found))

    @classmethod
    def joined(cls, by: str, parts: Iterable[object]) -> Message:
        """The parts with a text between any two."""
        found = [piece for part in parts for piece in (by, part)]
        return cls.of(*found[1:])

    def said(self, dialect: Dialect = in_python) -> str:
        """The text, with settings as somebody writes them."""
        return "".join(dialect(part) if isinstance(part, Setting) else part for part in self.parts)

    def renamed(self, names: Mapping[str, str]) -> Message:
        """The same of settings that are called otherwise where the message goes."""
        return Message(
            tuple(
                replace(part, name=names.get(part.name, part.name))
                if isinstance(part, Setting)
                else part
                for part in self.parts
            )
        )

    def about(self, name: str, *, instead_of: str) -> Message:
        """The same of a file that goes by another name where the message goes."""
        return Message(
            tuple(
                part.replace(instead_of, name) if isinstance(part, str) else part
                for part in self.parts
            )
        )

    def to_json(self) -> list[Any]:
        """The parts as JSON types, for another process; values must be such types."""
        return [part if isinstance(part, str) else part.to_json() for part in self.parts]

    @classmethod
    def of_json(cls, parts: Iterable[Any]) -> Message:
        """What `to_json` gave."""
        return cls(tuple(part if isinstance(part, str) else Setting(**part) for part in parts))

    def __str__(self) -> str:
        return self.said()


class PalateError(Exception):
    """The root: catch this to catch everything that palate raises on purpose.

    It is made of the parts of its `message`; `dialect` writes the settings in it, and whoever read
    them from elsewhere than code sets it. `encoder` is what a pipeline calls the encoder that
    raised it; None for all else.
    """

    message: Message
    dialect: Dialect
    encoder: str | None = None

    def __init__(self, *parts: object) -> None:
        self.message, self.dialect = Message.of(*parts), in_python
        super().__init__(str(self.message))

    def __str__(self) -> str:
        """The message, safe to show: nothing quoted in it acts on a terminal or goes on and on."""
        return bounded(visible(self.message.said(self.dialect)))


class DataError(PalateError, ValueError):
    """A table, a column or a value that cannot be used."""


class UnknownIdError(DataError):
    """An id that the catalogue or the people's table does not hold."""


class AlignmentError(PalateError, ValueError):
    """Rows of two objects that do not belong to the same ids."""


class ConfigError(PalateError, ValueError):
    """A pipeline file, or a hyperparameter, that cannot be used."""


class DivergedError(PalateError, ArithmeticError):
    """A training whose loss is no number any more."""


class NotUnderstoodWarning(RuntimeWarning):
    """Words, or parts of a profile, that say nothing here, or only to a language model's guess."""


class NotFittedError(PalateError, RuntimeError):
    """A component that was asked before it was fitted."""


class ArtefactError(PalateError, OSError):
    """A model folder that is missing, damaged or from a newer version."""


class MissingExtraError(PalateError, ImportError):
    """An optional dependency that is not installed; `command` is for one that no extra brings."""

    def __init__(self, needed_for: object, extra: str = "", *, command: str = "") -> None:
        what = f"a package: {command}" if command else f"an extra: pip install 'palate[{extra}]'"
        super().__init__(needed_for, f" needs {what}")

    def __reduce__(self) -> tuple[Any, ...]:
        """As it reads: a worker's error reaches whoever asked."""
        return copyreg.__newobj__, (type(self), str(self)), self.__dict__ or None  # type: ignore[attr-defined]


RENAMED: Final[Mapping[str, tuple[str, ...]]] = {
    "among": ("candidates",),
    "audience": ("top_users",),
    "cases": ("n_train_queries",),
    "leaves": ("num_leaves",),
    "new_items": ("cold_items",),
    "people": ("users",),
    "people_aggregates": ("user_aggregates",),
    "people_features": ("user_features",),
    "people_views": ("user_views",),
    "planted": ("synthetic",),
    "rounds": ("n_estimators",),
    "split_new_items": ("split_cold_items",),
    "Telling": ("HistoryText",),
    "trained_rows": ("warm_items",),
    "use": ("type", "muse"),
}
"""What names of earlier versions have become."""


def new_name(name: str, choices: Iterable[str]) -> str | None:
    """What an old name is called now, where that is one of the choices."""
    known = frozenset(choices)
    return next((new for new in RENAMED.get(name, ()) if new in known), None)


SYNONYMS: Final[Mapping[str, str]] = {
    "among": "candidates",
    "batch": "batch_size",
    "by": "how",
    "catalogue": "items",
    "charset": "encoding",
    "condition": "where",
    "dataset": "data",
    "destination": "out folder path",
    "dimensions": "dim",
    "directory": "folder path",
    "embedding_dim": "dim",
    "eta": "learning_rate",
    "events": "source interactions data",
    "excluding": "exclude",
    "explain": "reasons",
    "explanations": "reasons",
    "factors": "dim",
    "file": "path",
    "filename": "path",
    "filter": "where",
    "filter_seen": "exclude_seen",
    "filter_viewed": "exclude_seen",
    "filters": "where",
    "how_many": "k",
    "ignore": "exclude",
    "interactions": "source data",
    "item": "item_id items",
    "items": "candidates item_id",
    "item_ids": "candidates items",
    "iterations": "n_estimators epochs",
    "limit": "k",
    "lr": "learning_rate",
    "metric": "metrics",
    "min_rating": "positive",
    "model": "recommender",
    "movies": "items",
    "n": "k",
    "n_components": "dim",
    "n_factors": "dim",
    "n_items": "k",
    "n_trees": "n_estimators",
    "num": "k",
    "number": "k",
    "only": "candidates",
    "people": "user_ids",
    "persona": "profile",
    "persons": "user_ids users",
    "products": "items",
    "query": "text where",
    "random_state": "seed",
    "ratings": "source interactions data",
    "save_path": "out folder path",
    "search": "text",
    "sequence": "history",
    "session": "history",
    "size": "k",
    "test_size": "test",
    "threshold": "positive",
    "top": "k",
    "top_k": "k",
    "top_n": "k",
    "topk": "k",
    "train": "data",
    "trust_remote_code": "allow",
    "user": "user_ids users",
    "user_id": "user_ids",
    "users": "user_ids",
    "versions": "keep",
    "where_": "where",
    "why": "reasons",
    "wish": "text",
    "without": "exclude",
    "words": "text",
}
"""What people call an argument elsewhere, and what it may be here, the likeliest first."""


def guess(name: str, choices: Iterable[str]) -> str:
    """What a name is called now, or the closest of some; "" where none is close."""
    known, name = sorted(choices), str(name)
    if now := new_name(name, known):
        return f" It is called {quoted(now)} now."
    meant = SYNONYMS.get(name.lower(), "").split()
    if here := next((one for one in meant if one in known), None):
        return f" Did you mean {quoted(here)}?"
    close = difflib.get_close_matches(name[:_SHOWN_LETTERS], known, n=1, cutoff=0.6)
    if not close:  # "AGE" shares no letter with "age"
        spelt = {one.casefold(): one for one in reversed(known)}
        folded = name[:_SHOWN_LETTERS].casefold()
        close = [spelt[one] for one in difflib.get_close_matches(folded, spelt, n=1, cutoff=0.6)]
    return f" Did you mean {quoted(close[0])}?" if close else ""


def did_you_mean(name: str, choices: Iterable[str]) -> str:
    """The tail of an error message: `guess`, and all names."""
    known = sorted(choices)
    if not known:
        return ""
    listed = ", ".join(shorten(choice, _SHOWN_LETTERS) for choice in known[:_SHOWN_NAMES])
    more = f" and {len(known) - _SHOWN_NAMES} more" if len(known) > _SHOWN_NAMES else ""
    return f"{guess(name, known)} Known: {listed}{more}."


def first_offenders(values: Sequence[object] | Iterable[object], count: int) -> str:
    """'a', 'b', 'c' and 17 more (20 in all)."""
    first = [quoted(value) for value in islice(values, SHOWN_OFFENDERS)]
    more = count - len(first)
    return ", ".join(first) + (f" and {more} more ({count} in all)" if more > 0 else "")
