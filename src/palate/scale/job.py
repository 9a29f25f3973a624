"""A catalogue of any length → vectors in Parquet, here or on a cluster, a partition at a time."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np

from palate import progress
from palate.errors import ConfigError, DataError
from palate.scale import _local, _ray
from palate.scale._encoder import encoder_of
from palate.scale._folder import begin, finish, own_folder
from palate.scale._ids import rows_without_own_id
from palate.scale._plan import check_wishes, plan
from palate.scale._report import EncodeReport, counted
from palate.scale._source import STAGED, open_source
from palate.scale._work import Failure, Job, OnError, Part, Precision, Todo

PARTITION_ROWS = 2**16
SHOWN_FAULTS = 3

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
    precision: Precision = "float32",
    partition_rows: int = PARTITION_ROWS,
    on_error: OnError = "raise",
    workers: int | None = None,
) -> EncodeReport:
    """Encodes the texts of a table that need not fit in memory, into Parquet files in `out`.

    `table` is a Parquet file or a folder of them (CSV, TSV and JSON lines become Parquet first);
    `encoder` a text encoder, or its name with settings, "transformer:model=minilm". Files have
    `item_id` and `vector`, of `partition_rows` rows each; a row without text has none (null).
    `precision` "int8" adds each row's `scale`. A job that was stopped goes on where it was, and
    what changed in the table since is encoded again. `on_error="skip"` leaves out rows without an
    id of their own and rows that cannot be encoded. `engine="ray"` takes the workers of the
    cluster that `RAY_ADDRESS` names, or of this machine. Nothing goes through the cache of vectors.

    Raises `DataError` for a table, a row or a folder that cannot be used, `ConfigError` for other
    wishes, `MissingExtraError` where the encoder or the engine is not installed.
    """
    how: dict[str, Any] = {
        "precision": precision,
        "partition_rows": partition_rows,
        "on_error": on_error,
    }
    check_wishes(engine=engine, workers=workers, **how)
    reader, place = encoder_of(encoder), Path(out)
    _check_apart(Path(table), place)
    started = time.monotonic()
    with own_folder(place):
        source = open_source(table, staged=place / STAGED, on_error=on_error)
        job = plan(source, reader, place, id=id, template=template, columns=columns, **how)
        begin(job)
        parts = _run(job, engine, workers)
        size = finish(job, parts)
    return _report(job, parts, engine, size, time.monotonic() - started)


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


def _report(
    job: Job, parts: Sequence[Part], engine: Engine, size: int, seconds: float
) -> EncodeReport:
    faults = [fault for part in parts for fault in part.faults][:SHOWN_FAULTS]
    report = EncodeReport(
        table=job.source.name,
        out=job.out,
        engine=engine,
        rows=len(job.source),
        written=sum(part.written for part in parts),
        blank=sum(part.blank for part in parts),
        skipped=sum(part.skipped for part in parts),
        dim=parts[0].dim,
        files=len(parts),
        kept=sum(part.kept for part in parts),
        encoded=sum(part.rows for part in parts if not part.kept),
        bytes=size,
        seconds=seconds,
        faults=tuple(faults),
    )
    if report.skipped:
        warnings.warn(
            f"{counted(report.skipped, 'row')} left out of {report.table}: without an id of their"
            f" own, or not to be encoded{'. ' if faults else ''}{'; '.join(faults)}",
            RuntimeWarning,
            stacklevel=3,
        )
    return report


__all__ = ["EncodeReport", "encode_table"]
