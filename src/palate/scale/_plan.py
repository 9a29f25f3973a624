"""From what a person asks for to a job: columns found, texts put together, names checked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from palate import registry
from palate.columns import ITEM
from palate.data._columns import find_columns
from palate.errors import ConfigError, DataError, did_you_mean
from palate.scale._encoder import TEMPLATE, fingerprint_of, ready, sample_of, settings_of
from palate.scale._source import Source
from palate.scale._work import Job, OnError, Precision
from palate.text._parse import parse
from palate.text.template import default_template


def plan(
    source: Source,
    encoder: Any,
    out: Path,
    *,
    id: str | None,
    template: str | None,
    columns: Sequence[str] | None,
    precision: Precision,
    partition_rows: int,
    on_error: OnError,
) -> Job:
    """The job; `DataError` for columns that are not there, `ConfigError` for other wishes."""
    own_id = _id_column(source, id)
    if columns is not None:
        if template is not None:
            raise ConfigError("give template or columns, not both")
        template = _template_of(columns)
    template = template or getattr(encoder, TEMPLATE, None) or _default_template(source, own_id)
    used = sorted(parse(template).names())
    source.check([own_id, *used], what=f"for ids and the template {template!r}")
    use, settings = registry.name_of(encoder), settings_of(encoder)
    return Job(
        source=source,
        id=own_id,
        template=template,
        columns=used,
        use=use,
        settings=settings,
        fingerprint=fingerprint_of(ready(use, settings, template, source, used)),
        precision=precision,
        partition_rows=partition_rows,
        on_error=on_error,
        out=str(out.absolute()),
    )


def _id_column(source: Source, given: str | None) -> str:
    names = list(source.schema)
    if given is None:
        try:
            return find_columns("items", source.name, names, {}, ())[ITEM]
        except DataError as error:
            reason = str(error).partition(" Say which it is")[0]
            raise DataError(f'{reason} Say which it is: id="COLUMN"') from error
    source.check([given], what="for ids")
    return given


def _template_of(columns: Sequence[str]) -> str:
    if isinstance(columns, str) or not columns:
        raise ConfigError(f'columns must be a list of names, such as ["title"], not {columns!r}')
    if odd := [name for name in columns if set(name) & set("{}")]:
        raise ConfigError(f"the column {odd[0]!r} has a brace in its name: rename it")
    return ". ".join(f"{{{name}}}" for name in columns)


def _default_template(source: Source, own_id: str) -> str:
    """Of the columns that hold words in the first rows."""
    kinds = (pl.String, pl.Categorical, pl.Enum, pl.List)
    names = [name for name, kind in source.schema.items() if kind in kinds and name != own_id]
    if not names:
        raise DataError(
            f"{source.name} has no column of text beside {own_id!r} (columns:"
            f' {", ".join(source.schema)}). Name what to read: template="{{COLUMN}}"'
        )
    return default_template(sample_of(source, names))


def check_wishes(
    *, engine: str, precision: str, partition_rows: int, on_error: str, workers: int | None
) -> None:
    """Raises `ConfigError` for a setting that cannot be."""
    for name, value, known in (
        ("engine", engine, ("local", "ray")),
        ("precision", precision, ("float32", "float16", "int8")),
        ("on_error", on_error, ("raise", "skip")),
    ):
        if value not in known:
            raise ConfigError(f"{name} = {value!r} is not known.{did_you_mean(str(value), known)}")
    if precision == "float16" and not hasattr(pl, "Float16"):
        raise ConfigError(f'precision="float16" needs a newer polars than {pl.__version__}')
    for name, number in (("partition_rows", partition_rows), ("workers", workers)):
        if number is not None and (not isinstance(number, int) or number < 1):
            raise ConfigError(f"{name} must be at least 1, not {number!r}")
    if workers is not None and engine == "local":
        raise ConfigError('workers are those of engine="ray"; the local engine is one process')
