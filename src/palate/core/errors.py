"""The exceptions that palate raises on purpose; each says what, where and the fix."""

import copyreg
import difflib
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any

from palate.core.visible import bounded, visible

SHOWN_OFFENDERS = 3
_SHOWN_LETTERS = 80
_SHOWN_NAMES = 50


class PalateError(Exception):
    """The root: catch this to catch everything that palate raises on purpose.

    `encoder` is what a pipeline calls the encoder that raised it; None for all else.
    """

    encoder: str | None = None

    def __str__(self) -> str:
        """The message, safe to show: nothing quoted in it acts on a terminal or goes on and on."""
        return bounded(visible(super().__str__()))


class DataError(PalateError, ValueError):
    """A table, a column or a value that cannot be used."""


class UnknownIdError(DataError):
    """An id that the catalogue or the people's table does not hold."""


class AlignmentError(PalateError, ValueError):
    """Rows of two objects that do not belong to the same ids."""


class ConfigError(PalateError, ValueError):
    """A pipeline file, or a hyperparameter, that cannot be used."""


class NotFittedError(PalateError, RuntimeError):
    """A component that was asked before it was fitted."""


class ArtefactError(PalateError, OSError):
    """A model folder that is missing, damaged or from a newer version."""


class MissingExtraError(PalateError, ImportError):
    """An optional dependency that is not installed; `command` is for one that no extra brings."""

    def __init__(self, needed_for: str, extra: str = "", *, command: str = "") -> None:
        what = f"a package: {command}" if command else f"an extra: pip install 'palate[{extra}]'"
        super().__init__(f"{needed_for} needs {what}")

    def __reduce__(self) -> tuple[Any, ...]:
        """As it reads: a worker's error reaches whoever asked."""
        return copyreg.__newobj__, (type(self), str(self)), self.__dict__ or None  # type: ignore[attr-defined]


def shortened(text: str) -> str:
    """A text of any length as a message quotes it: its beginning, and how long it is."""
    if len(text) <= _SHOWN_LETTERS:
        return text
    return f"{text[:_SHOWN_LETTERS]}… ({len(text):,} letters)"


def shown(value: object) -> str:
    """A value as a message quotes it: as Python writes it, not longer than a line."""
    if isinstance(value, str) and len(value) > _SHOWN_LETTERS:
        return f"{value[:_SHOWN_LETTERS] + '…'!r} ({len(value):,} letters)"
    return shortened(repr(value))


def did_you_mean(name: str, choices: Iterable[str]) -> str:
    """The tail of an error message: the closest known name, and all of them."""
    known = sorted(choices)
    close = difflib.get_close_matches(name[:_SHOWN_LETTERS], known, n=1, cutoff=0.6)
    guess = f" Did you mean {shown(close[0])}?" if close else ""
    listed = ", ".join(shortened(choice) for choice in known[:_SHOWN_NAMES])
    more = f" and {len(known) - _SHOWN_NAMES} more" if len(known) > _SHOWN_NAMES else ""
    return f"{guess} Known: {listed}{more}." if known else guess


def first_offenders(values: Sequence[object] | Iterable[object], count: int) -> str:
    """'a', 'b', 'c' and 17 more (20 in all)."""
    first = [shown(value) for value in islice(values, SHOWN_OFFENDERS)]
    more = count - len(first)
    return ", ".join(first) + (f" and {more} more ({count} in all)" if more > 0 else "")
