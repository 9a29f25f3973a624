"""A pretrained text encoder as the setting of another encoder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import is_dataclass
from typing import Any

from palate import registry
from palate.errors import ConfigError, NotFittedError
from palate.types import Floats, to_dense


def table_of(encoder: Any, *, who: str) -> dict[str, Any]:
    """The table of an encoder as a pipeline file holds it; of a component, its settings."""
    if isinstance(encoder, Mapping):
        return dict(encoder)
    if not is_dataclass(encoder) or isinstance(encoder, type):
        raise ConfigError(
            f"{who}.encoder = {encoder!r} cannot be used: give a text encoder, or the table of "
            'one, as {"use": "use"}'
        )
    return registry.table_of(encoder)


def reader_of(table: Mapping[str, Any], *, who: str) -> Any:
    """The encoder of a table; `ConfigError` for one that reads no texts."""
    reader = registry.build("encoders", table, where=f"{who}.encoder")
    if not hasattr(reader, "encode_texts"):
        raise ConfigError(f"{who}.encoder: {table['use']!r} reads no texts")
    return reader


def read_texts(reader: Any, texts: Sequence[str], *, who: str) -> Floats:
    """(n, d) dense vectors; `ConfigError` for an encoder that has to be fitted first."""
    try:
        return to_dense(reader.encode_texts(texts))
    except NotFittedError as error:
        raise ConfigError(
            f"{who}.encoder must be pretrained; {registry.name_of(reader)!r} learns its words from "
            'the catalogue: take {use = "use"} or {use = "transformer"}'
        ) from error
