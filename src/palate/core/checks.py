"""Arguments of a wrong kind, answered with what belongs there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from typing import Any

from palate.core.dataset import Dataset
from palate.core.errors import ConfigError, DataError, Setting, first_offenders


def check_data(data: object, *, what: str) -> None:
    """Raises `DataError` for a table where a data set is wanted."""
    if not isinstance(data, Dataset):
        raise DataError(
            f"{what} takes a data set, not a {type(data).__name__}: palate.read(...) makes one"
        )


def check_mapping(value: Any, name: str, *, example: Mapping[str, Any], section: str = "") -> None:
    """Raises `ConfigError` for what is no mapping from names."""
    if value is not None and not isinstance(value, Mapping):
        raise ConfigError(
            Setting(name, value, section),
            ": it must be a mapping, as ",
            Setting(name, example, section),
        )


def check_names(value: Any, name: str, *, section: str = "") -> None:
    """Raises `ConfigError` for what is no list of names; one name alone is none."""
    given = Setting(name, value, section)
    if isinstance(value, str):
        raise ConfigError(given, ": it must be a list, as ", Setting(name, [value], section))
    if not (isinstance(value, Sequence) and all(isinstance(entry, str) for entry in value)):
        raise ConfigError(given, ": it must be a list of names")


def check_count(value: Any, name: str, *, least: int = 0, section: str = "") -> None:
    """Raises `ConfigError` for what is no whole number, or too small a one."""
    if not isinstance(value, Integral) or value < least:
        given = Setting(name, value, section)
        raise ConfigError(given, f": it must be a whole number, {least} or more")


def check_share(value: Any, name: str, *, section: str = "") -> None:
    """Raises `ConfigError` for what is no share of a whole."""
    if not (isinstance(value, Real) and 0 < float(value) < 1):
        given = Setting(name, value, section)
        raise ConfigError(given, ": it must be a share, above 0 and below 1")


def not_unicode(error: UnicodeEncodeError) -> DataError:
    """What is wrong with a text that holds half a surrogate pair."""
    return DataError(
        f"the text {error.object[:60]!r} is not valid Unicode (character {error.start + 1}): "
        "read it with the encoding that it was written in"
    )


def as_texts(texts: Sequence[str]) -> list[str]:
    """The same as a list, with None as a text that says nothing.

    Raises `DataError` for one text alone, whose letters are no texts, and for what is no text.
    """
    if isinstance(texts, str):
        raise DataError(f"texts must be a list of texts, not one: [{texts[:40]!r}]")
    found = list(texts)
    if set(map(type, found)) <= {str}:
        return found
    found = ["" if text is None else text for text in found]
    strange = [repr(text)[:60] for text in found if not isinstance(text, str)]
    if strange:
        shown = first_offenders(strange, len(strange))
        raise DataError(f"texts must be str or None (nothing said), not {shown}")
    return found


def check_unicode(texts: Sequence[str]) -> None:
    """Raises `DataError` for a text that cannot be written down."""
    try:
        for text in texts:
            text.encode()
    except UnicodeEncodeError as error:
        raise not_unicode(error) from error
