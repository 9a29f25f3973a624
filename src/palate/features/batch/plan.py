"""From what a person asks for to a job: columns found, texts put together, names checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from palate.core import registry
from palate.core.columns import ITEM
from palate.core.errors import ConfigError, DataError, Setting, did_you_mean
from palate.data.catalogue import LISTS
from palate.data.columns import find_columns
from palate.features.batch.encoder import TEMPLATE, fingerprint_of, ready, settings_of
from palate.features.batch.media_rows import folder_of
from palate.features.batch.table import Source
from palate.features.batch.text_rows import RowReader
from palate.features.batch.work import Job, OnError, Precision
from palate.features.encoders._media import MediaEncoder
from palate.text.template import default_template, parse

TEXT_ROWS = 2**15
MEDIA_ROWS = 2**12


@dataclass(frozen=True)
class Options:
    """How `encode_table` was asked; texts are read by a template or columns, files from one."""

    id: str | None
    template: str | None
    columns: Sequence[str] | None
    lists: Mapping[str, str] | None
    folder: str | Path | None
    precision: Precision
    partition_rows: int | None
    on_error: OnError
    encoding: str = "utf-8"

    def check(self) -> None:
        """Raises `ConfigError` for a setting that cannot be."""
        check_known("precision", self.precision, ("float32", "float16", "int8"))
        check_known("on_error", self.on_error, ("raise", "skip"))
        if self.precision == "float16" and not hasattr(pl, "Float16"):
            newer = f" needs a newer polars than {pl.__version__}"
            raise ConfigError(Setting("precision", self.precision), newer)
        check_count("partition_rows", self.partition_rows)


def plan(source: Source, encoder: Any, out: Path, options: Options) -> Job:
    """The job; `DataError` for columns that are not there, `ConfigError` for other options."""
    own_id = _id_column(source, options.id)
    is_media = isinstance(encoder, MediaEncoder)
    how = (_media if is_media else _texts)(source, encoder, own_id, options)
    job = Job(
        source=source,
        id=own_id,
        encoder=registry.name_of(encoder),
        settings=settings_of(encoder),
        fingerprint="",
        precision=options.precision,
        partition_rows=options.partition_rows or (MEDIA_ROWS if is_media else TEXT_ROWS),
        on_error=options.on_error,
        out=str(out.absolute()),
        **how,
    )
    return replace(job, fingerprint=fingerprint_of(ready(job)))


def _texts(source: Source, encoder: Any, own_id: str, options: Options) -> dict[str, Any]:
    """The parts of a job that say how rows become texts."""
    if options.folder is not None:
        raise ConfigError(
            f"folder is of photos and sounds: {registry.name_of(encoder)!r} reads texts"
        )
    template = options.template
    if options.columns is not None:
        if template is not None:
            raise ConfigError("give template or columns, not both")
        template = _template_of(options.columns)
    lists = _lists(source, options.lists or {}, own_id)
    template = (
        template or getattr(encoder, TEMPLATE, None) or _default_template(source, own_id, lists)
    )
    used = sorted(parse(template).names())
    source.check([own_id, *used], what=f"for ids and the template {template!r}")
    if unread := sorted((options.lists or {}).keys() - set(used)):
        raise ConfigError(f"lists names {unread[0]!r}, which is not in the template {template!r}")
    lists = {name: mark for name, mark in lists.items() if name in used}
    return {"template": template, "columns": used, "lists": lists}


def _media(source: Source, encoder: MediaEncoder, own_id: str, options: Options) -> dict[str, Any]:
    """The parts of a job that say where photos or sounds are."""
    if options.template is not None or options.lists:
        setting = "lists" if options.template is None else "template"
        of_texts = f"{setting} is of texts: name the column of {encoder.kind}s with "
        raise ConfigError(of_texts, Setting("columns"))
    columns = options.columns
    if columns is not None and (isinstance(columns, str) or len(columns) != 1):
        raise ConfigError(f"columns must name the one column of {encoder.kind}s, not {columns!r}")
    named = encoder if columns is None else replace(encoder, column=columns[0])
    try:
        column = named.column_of(pl.DataFrame(schema=source.schema))
    except DataError as error:
        raise DataError(error.message.renamed({"column": "columns"})) from error
    source.check([own_id, column], what=f"for ids and {encoder.kind}s")
    folder = encoder.folder if options.folder is None else options.folder
    return {"template": "", "columns": [column], "folder": folder_of(folder), "holds": encoder.kind}


def _lists(source: Source, given: Mapping[str, str], own_id: str) -> dict[str, str]:
    """What separates the parts of columns of text: as a pipeline takes them, and as told."""
    for name, mark in given.items():
        source.check([name], what="for lists")
        if not isinstance(mark, str) or not mark:
            raise ConfigError(f"lists: the mark between the parts of {name!r} cannot be {mark!r}")
    texts = [name for name, kind in source.schema.items() if kind == pl.String and name != own_id]
    return {name: "|" for name in texts if name.lower() in LISTS} | dict(given)


def _id_column(source: Source, given: str | None) -> str:
    names = list(source.schema)
    if given is None:
        fix = Setting("id", "COLUMN")
        return find_columns("items", source.name, names, {}, (), fix=fix)[ITEM]
    source.check([given], what="for ids")
    return given


def _template_of(columns: Sequence[str]) -> str:
    if isinstance(columns, str) or not columns:
        raise ConfigError(f'columns must be a list of names, such as ["title"], not {columns!r}')
    if odd := [name for name in columns if set(name) & set("{}")]:
        raise ConfigError(f"the column {odd[0]!r} has a brace in its name: rename it")
    return ". ".join(f"{{{name}}}" for name in columns)


def _default_template(source: Source, own_id: str, lists: Mapping[str, str]) -> str:
    """Of the columns that hold words in the first rows."""
    kinds = (pl.String, pl.Categorical, pl.Enum, pl.List)
    names = [name for name, kind in source.schema.items() if kind in kinds and name != own_id]
    if not names:
        raise DataError(
            f"{source.name} has no column of text beside {own_id!r} (columns:"
            f" {', '.join(source.schema)}). Name what to read: ",
            Setting("template", "{COLUMN}"),
        )
    return default_template(RowReader(source, own_id, names, lists).sample)


def check_workers(engine: str, workers: int | None) -> None:
    """Raises `ConfigError` for an engine that is not known, and for workers that it has not."""
    check_known("engine", engine, ("local", "ray"))
    check_count("workers", workers)
    if workers is not None and engine == "local":
        ray = Setting("engine", "ray")
        raise ConfigError("workers are those of ", ray, "; the local engine is one process")


def check_known(name: str, value: str, known: Sequence[str]) -> None:
    """Raises `ConfigError` for a value of a setting that is none of these."""
    if value not in known:
        raise ConfigError(f"{name} = {value!r} is not known.{did_you_mean(str(value), known)}")


def check_count(name: str, number: int | None) -> None:
    """Raises `ConfigError` for less than 1, and for what is no whole number."""
    if number is not None and (not isinstance(number, int) or number < 1):
        raise ConfigError(f"{name} must be at least 1, not {number!r}")
