"""A catalogue of any length → vectors in Parquet, here or on a cluster, a partition at a time."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np

from palate import progress
from palate._paths import path_of
from palate._visible import visible
from palate.errors import ConfigError, DataError
from palate.scale import _local, _ray
from palate.scale._encoder import encoder_of
from palate.scale._folder import begin, finish, own_folder
from palate.scale._ids import rows_without_own_id
from palate.scale._plan import Wishes, check_workers, plan
from palate.scale._report import SHOWN_FAULTS, EncodeReport
from palate.scale._source import STAGED, files_of, open_source
from palate.scale._work import Failure, Job, OnError, Part, Precision, Todo

Engine: TypeAlias = Literal["local", "ray"]


def encode_table(
    table: str | Path,
    encoder: Any,
    out: str | Path,
    *,
    engine: Engine = "local",
    id: str | None = None,
    template: str | None = None,
    columns: Sequence[str] | None = None,
    lists: Mapping[str, str] | None = None,
    folder: str | Path | None = None,
    precision: Precision = "float32",
    partition_rows: int | None = None,
    on_error: OnError = "raise",
    encoding: str = "utf-8",
    workers: int | None = None,
) -> EncodeReport:
    """Encodes texts, photos or sounds of a table of any length into Parquet files in `out`.

    `table` is a Parquet file or a folder of them (CSV, TSV and JSON lines, in `encoding`, become
    Parquet first); `encoder` one of texts, photos or sounds, or its name with settings,
    "transformer:model=minilm". Texts come from a `template` or from `columns`; `lists` maps columns
    of them to the mark between their parts, which is "|" in `genres`, `tags` and the like. Photos
    and sounds come from one column of bytes, or of paths, which lead nowhere outside of `folder`.

    Files have `item_id` and `vector`, of `partition_rows` rows each (32,768 of texts, 4,096 of
    photos or sounds); a row that holds nothing has no vector (null). `precision` "int8" adds each
    row's `scale`. A job that was stopped goes on where it was, and what changed since in the table
    or in the files that it names is encoded again, as are files of vectors that were damaged since.
    `on_error="skip"` leaves out rows without an id of their own and rows that cannot be read or
    encoded. `engine="ray"` takes the workers of the cluster that `RAY_ADDRESS` names, or of this
    machine. Nothing goes through the cache of vectors.

    Raises `DataError` for a table, a row or a folder that cannot be used, `ConfigError` for other
    wishes, `MissingExtraError` where the encoder or the engine is not installed.
    """
    wishes = Wishes(
        id, template, columns, lists, folder, precision, partition_rows, on_error, encoding
    )
    wishes.check()
    check_workers(engine, workers)
    source, target = path_of(table, "a table"), path_of(out, "a folder of vectors")
    report = _encoded(source, encoder_of(encoder), target, wishes, engine, workers)
    if report.damaged:
        warnings.warn(report.mended, RuntimeWarning, stacklevel=2)
    if report.skipped:
        warnings.warn(visible(report.left_out), RuntimeWarning, stacklevel=2)
    return report


def _encoded(
    table: Path, encoder: Any, out: Path, wishes: Wishes, engine: Engine, workers: int | None
) -> EncodeReport:
    _check_apart(table, out)
    files_of(table)
    started = time.monotonic()
    with own_folder(out):
        source = open_source(
            table, staged=out / STAGED, on_error=wishes.on_error, encoding=wishes.encoding
        )
        job = plan(source, encoder, out, wishes)
        begin(job)
        parts = _run(job, engine, workers)
        _check_any(job, parts)
        size = finish(job, parts)
    seconds = time.monotonic() - started
    return EncodeReport.of(job, parts, engine=engine, size=size, seconds=seconds)


def _check_apart(table: Path, out: Path) -> None:
    if table.is_dir() and table.absolute() in (out.absolute(), *out.absolute().parents):
        raise ConfigError(f"{out} is inside of {table}, where the table's own files are read")
    if out.exists() and not out.is_dir():
        raise DataError(f"{out} is a file: name a folder")


def _run(job: Job, engine: Engine, workers: int | None) -> list[Part]:
    """All partitions, however many fail meanwhile; then `DataError` if any did."""
    parts: list[Part] = []
    failures: list[Failure] = []
    with progress.task("encode rows", len(job.source), "rows") as advance:
        without = rows_without_own_id(job.source, job.id, on_error=job.on_error)
        for done in _engine(engine, workers)(job, _todo(job, without), advance):
            if isinstance(done, Failure):
                failures.append(done)
            else:
                parts.append(done)
    if failures:
        failures.sort(key=lambda failure: failure.number)
        shown = "; ".join(failure.message for failure in failures[:SHOWN_FAULTS])
        raise DataError(
            f"{len(failures)} of {job.partitions} partitions failed, the others are in {job.out}."
            f" {shown}"
        )
    return parts


def _check_any(job: Job, parts: Sequence[Part]) -> None:
    """A table of which nothing can be used is no catalogue with some bad rows."""
    if any(part.bad for part in parts) and not any(part.encoded for part in parts):
        for part in parts:  # they hold nothing, and must not keep the folder from another job
            (Path(job.out) / part.file).unlink(missing_ok=True)
        faults = [fault for part in parts for fault in part.faults][:SHOWN_FAULTS]
        raise DataError(f"no row of {job.source.name} can be encoded: {'; '.join(faults)}")


def _todo(job: Job, without: np.ndarray[Any, np.dtype[np.int64]]) -> Iterator[Todo]:
    for number in range(job.partitions):
        first, last = np.searchsorted(without, job.range_of(number))
        yield number, without[first:last].tolist()


def _engine(
    engine: Engine, workers: int | None
) -> Callable[[Job, Iterator[Todo], Callable[[int], None]], Iterator[Part | Failure]]:
    if engine == "local":
        return _local.run
    return lambda job, todo, advance: _ray.run(job, todo, advance, workers=workers)


__all__ = ["EncodeReport", "encode_table"]
