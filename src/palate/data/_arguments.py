"""Arguments of a wrong kind, answered with what belongs there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from typing import Any

from palate.errors import ConfigError, DataError
from palate.types import Dataset


def check_data(data: object, *, what: str) -> None:
    """Raises `DataError` for a table where a data set is wanted."""
    if not isinstance(data, Dataset):
        raise DataError(
            f"{what} takes a data set, not a {type(data).__name__}: palate.read(...) makes one"
        )


def check_mapping(value: Any, name: str, *, example: str) -> None:
    """Raises `ConfigError` for what is no mapping from names."""
    if value is not None and not isinstance(value, Mapping):
        raise ConfigError(f"{name}={value!r}: it must be a mapping, as {name}={example}")


def check_names(value: Any, name: str) -> None:
    """Raises `ConfigError` for what is no list of names; one name alone is none."""
    if isinstance(value, str):
        raise ConfigError(f"{name}={value!r}: it must be a list, as {name}=[{value!r}]")
    if not (isinstance(value, Sequence) and all(isinstance(entry, str) for entry in value)):
        raise ConfigError(f"{name}={value!r}: it must be a list of names")


def check_count(value: Any, name: str, *, least: int = 0) -> None:
    """Raises `ConfigError` for what is no whole number, or too small a one."""
    if not isinstance(value, Integral) or value < least:
        raise ConfigError(f"{name}={value!r}: it must be a whole number, {least} or more")


def check_share(value: Any, name: str) -> None:
    """Raises `ConfigError` for what is no share of a whole."""
    if not (isinstance(value, Real) and 0 < float(value) < 1):
        raise ConfigError(f"{name}={value!r}: it must be a share, above 0 and below 1")
