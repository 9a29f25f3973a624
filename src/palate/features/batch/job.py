"""A catalogue of any length → vectors in Parquet, here or on a cluster, a partition at a time."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self, TypeAlias

import numpy as np

from palate.core import progress
from palate.core.doors import door
from palate.core.errors import ConfigError, DataError, first_offenders
from palate.core.paths import check_readable, check_writable, path_of
from palate.core.visible import visible
from palate.features.batch import ray
from palate.features.batch.encoder import encoder_of
from palate.features.batch.folder import WriteError, begin, finish, own_folder
from palate.features.batch.ids import rows_without_own_id
from palate.features.batch.plan import Options, check_workers, plan
from palate.features.batch.table import STAGED, files_of, open_source
from palate.features.batch.work import Failure, Job, OnError, Part, Precision, Todo
from palate.features.batch.worker import Worker
from palate.features.vectors import MANIFEST

__all__ = ["EncodeReport", "encode_table"]

Engine: TypeAlias = Literal["local", "ray"]

SHOWN_FAULTS = 3


@door("columns")
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
    options, `MissingExtraError` where the encoder or the engine is not installed.
    """
    options = Options(
        id, template, columns, lists, folder, precision, partition_rows, on_error, encoding
    )
    options.check()
    check_workers(engine, workers)
    source, target = path_of(table, "a table"), path_of(out, "a folder of vectors")
    report = _encoded(source, encoder_of(encoder), target, options, engine, workers)
    if report.damaged:
        warnings.warn(report.mended, RuntimeWarning, stacklevel=2)
    if report.skipped:
        warnings.warn(visible(report.left_out), RuntimeWarning, stacklevel=2)
    return report


def _encoded(
    table: Path, encoder: Any, out: Path, options: Options, engine: Engine, workers: int | None
) -> EncodeReport:
    _check_apart(table, out)
    files_of(table)
    started = time.monotonic()
    with own_folder(out):
        source = open_source(
            table, staged=out / STAGED, on_error=options.on_error, encoding=options.encoding
        )
        job = plan(source, encoder, out, options)
        begin(job)
        parts = _run(job, engine, workers)
        _check_any(job, parts)
        size = finish(job, parts)
    seconds = time.monotonic() - started
    return EncodeReport.of(job, parts, engine=engine, size=size, seconds=seconds)


def _check_apart(table: Path, out: Path) -> None:
    check_readable(table, DataError)
    if table.is_dir() and table.absolute() in (out.absolute(), *out.absolute().parents):
        raise ConfigError(f"{out} is inside of {table}, where the table's own files are read")
    if out.exists() and not out.is_dir():
        raise DataError(f"{out} is a file: name a folder")
    check_writable(out / MANIFEST, DataError)


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
        return run
    return lambda job, todo, advance: ray.run(job, todo, advance, workers=workers)


def run(job: Job, todo: Iterable[Todo], advance: Callable[[int], None]) -> Iterator[Part | Failure]:
    """Parts as they are done; `advance` hears of rows sooner, as batches are encoded.

    Where rows may be skipped, a partition that cannot be done costs none of the others.
    """
    worker = Worker(job)
    for number, left_out in todo:
        inside = _Inside(advance)
        try:
            with progress.watch(inside):
                part = worker.work(number, left_out)
        except DataError as error:
            if job.on_error == "raise" or isinstance(error, WriteError):
                raise
            yield Failure(number, str(error))
            continue
        advance(part.rows - inside.said)
        yield part


class _Inside:
    """What a partition's own tasks report, passed on as rows; it shows no bars of its own."""

    def __init__(self, advance: Callable[[int], None]) -> None:
        self.advance = advance
        self.said = 0

    def start(self, label: str, total: int, unit: str) -> Callable[[int], None]:
        return self._step

    def stop(self, label: str, *, finished: bool) -> None:
        pass

    def _step(self, steps: int) -> None:
        self.said += steps
        self.advance(steps)


@dataclass(frozen=True)
class EncodeReport:
    """What `encode_table` did.

    `rows` are those of the table; of these `written` are in the files, `missing` of them without a
    text, photo or sound (`holds` says which) and so without a vector; `skipped` are not there, of
    which `bad` cannot be read or encoded and the others have no id of their own. `kept` files were
    there already; `encoded` rows got their vector now. `bytes` are those of all files, `seconds`
    those of this run. `faults` are some reasons why rows are bad. Files that were `damaged` before
    this run were encoded again.
    """

    table: str
    out: str
    engine: str
    rows: int
    written: int
    missing: int
    skipped: int
    bad: int
    holds: str
    dim: int
    files: int
    kept: int
    encoded: int
    bytes: int
    seconds: float
    faults: tuple[str, ...] = ()
    damaged: tuple[str, ...] = ()

    @classmethod
    def of(cls, job: Job, parts: Sequence[Part], *, engine: str, size: int, seconds: float) -> Self:
        """From what became of all partitions."""
        faults = [fault for part in parts for fault in part.faults]
        return cls(
            table=job.source.name,
            out=job.out,
            engine=engine,
            rows=len(job.source),
            written=sum(part.written for part in parts),
            missing=sum(part.missing for part in parts),
            skipped=sum(part.skipped for part in parts),
            bad=sum(part.bad for part in parts),
            holds=job.holds,
            dim=parts[0].dim,
            files=len(parts),
            kept=sum(part.kept for part in parts),
            encoded=sum(part.encoded for part in parts if not part.kept),
            bytes=size,
            seconds=seconds,
            faults=tuple(faults[:SHOWN_FAULTS]),
            damaged=tuple(sorted(name for part in parts for name in part.damaged)),
        )

    @property
    def left_out(self) -> str:
        """How many rows are in no file, and why; "" for none."""
        if not self.skipped:
            return ""
        without, bad = self.skipped - self.bad, f"{self.bad:,} that cannot be read or encoded"
        why = [f"{without:,} without an id of their own"] * bool(without) + [bad] * bool(self.bad)
        said = f"{counted(self.skipped, 'row')} left out of {self.table}: {' and '.join(why)}"
        return "\n  ".join([said, *self.faults])

    @property
    def mended(self) -> str:
        """Which files were damaged, and so encoded again; "" for none."""
        if not self.damaged:
            return ""
        shown = first_offenders(self.damaged, len(self.damaged))
        return f"{counted(len(self.damaged), 'file')} damaged, and encoded again: {shown}"

    @property
    def rows_a_second(self) -> float:
        """Rows that were encoded in this run, a second of it."""
        return self.encoded / self.seconds if self.seconds else 0.0

    def render(self) -> str:
        """Some lines for a person."""
        lines = [
            f"{self.written:,} of {self.rows:,} rows are in {self.out}: vectors of {self.dim}"
            f" numbers in {self.files:,} {'file' if self.files == 1 else 'files'},"
            f" {self.bytes / 1e6:,.1f} MB"
        ]
        if self.missing:
            have = "of them has" if self.missing == 1 else "of them have"
            lines.append(f"{self.missing:,} {have} no {self.holds}, and no vector (null)")
        if self.skipped:
            lines.append(self.left_out)
        if self.damaged:
            lines.append(self.mended)
        if self.kept:
            lines.append(f"{counted(self.kept, 'file')} there already, and still true")
        if self.encoded:
            lines.append(
                f"{counted(self.encoded, 'row')} encoded in {self.seconds:,.1f} s ({self.engine}):"
                f" {self.rows_a_second:,.0f} a second"
            )
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON types."""
        lists = {"faults": list(self.faults), "damaged": list(self.damaged)}
        return {**vars(self), **lists, "rows_a_second": self.rows_a_second}


def counted(count: int, what: str) -> str:
    """1 file was, 2 files were."""
    return f"{count:,} {what} was" if count == 1 else f"{count:,} {what}s were"
