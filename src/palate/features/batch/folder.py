"""The folder of a job: whose it is, what is done, and when it is finished."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from palate import __version__
from palate.core.arrays import Floats, Mask
from palate.core.columns import ITEM
from palate.core.errors import DataError, PalateError
from palate.core.files import alone_in, whole_file, write_whole
from palate.features.batch.table import STAGED, length_of, schema_of
from palate.features.batch.work import Job, Part, Precision
from palate.features.vectors import (
    FORMAT,
    MANIFEST,
    SCALE,
    VECTOR,
    checksum_of,
    is_whole,
    part_name,
    read_manifest,
)

PATIENCE_SECONDS = 2.0
_STAGED_FILE = re.compile(r"mended\..+|.+\.[0-9a-f]{16}\.(parquet|tmp)")

_LEVELS = 127.0
_COMPRESSION_LEVEL = 1
GROUP_ROWS = 2**13  # of a row group: what is packed, and read, at once


@contextlib.contextmanager
def own_folder(out: Path) -> Iterator[None]:
    """The folder, which nobody else writes in meanwhile; `DataError` where somebody does.

    Where an error ends the work before a partition is done nothing stays of it, and a folder that
    was made here is taken away again.
    """
    made = not out.exists()
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{out} cannot be made ({error.strerror}): name another folder") from error
    try:
        with _alone(out):
            try:
                yield
            except PalateError:
                _forget(out)
                raise
    finally:
        if made:
            with contextlib.suppress(OSError):  # it holds something
                out.rmdir()


def _forget(out: Path) -> None:
    """A job that has done nothing yet leaves nothing; whose the folder was is not known then."""
    with contextlib.suppress(OSError, DataError):
        manifest = read_manifest(out)
        if manifest is None or not _binds(manifest, out):
            _remove_staged(out / STAGED)
        if manifest is not None and not _binds(manifest, out):
            (out / MANIFEST).unlink()


def _binds(manifest: dict[str, Any], out: Path) -> bool:
    """Whether there is something that another job would spoil."""
    return bool(manifest["complete"]) or any(out.glob("part-*.parquet"))


@contextlib.contextmanager
def _alone(out: Path) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(alone_in(out, patience=PATIENCE_SECONDS))
        except TimeoutError as error:
            raise DataError(
                f"another job is writing in {out}: wait until it ends, or name another folder"
            ) from error
        except OSError as error:
            raise DataError(f"{out} cannot be written in: {error.strerror}") from error
        yield


def begin(job: Job) -> None:
    """Says in the folder whose it is; `DataError` for one that holds something else."""
    out = Path(job.out)
    manifest = read_manifest(out)
    if manifest is not None and _binds(manifest, out):
        _check_same(manifest["job"], job, out)
    elif strangers := [name for path in out.iterdir() if _is_strange(name := path.name, manifest)]:
        raise DataError(
            f"{out} is not empty (it holds {min(strangers)!r}), and not of `palate encode`:"
            " name another folder"
        )
    for stray in out.glob(".part-*"):
        stray.unlink(missing_ok=True)
    _write(out, {"complete": False, "job": job.identity, "settings": job.settings})


def _is_strange(name: str, manifest: dict[str, Any] | None) -> bool:
    return name[0] != "." and (name != MANIFEST or manifest is None)


def _check_same(before: dict[str, Any], job: Job, out: Path) -> None:
    now = json.loads(json.dumps(job.identity))
    changed = [key for key in now if before.get(key) != now[key]]
    if not changed:
        return
    key = next((key for key in changed if key != "fingerprint"), changed[0])
    what = f"{key} was {before.get(key)!r} and is {now[key]!r}"
    if key == "fingerprint":
        what = (
            "its settings would make other vectors now, because they, the model's files or the rows"
            " that it learns from have changed"
        )
    raise DataError(
        f"{out} holds the vectors of another job: {what}. Name another folder, or delete this one"
    )


def finish(job: Job, parts: Sequence[Part]) -> int:
    """The manifest of all files; what is left of earlier jobs goes. Gives the files' bytes."""
    out = Path(job.out)
    parts = sorted(parts, key=lambda part: part.number)
    files = {part.file for part in parts}
    for other in out.glob("part-*.parquet"):
        if other.name not in files:
            other.unlink(missing_ok=True)
    scale = {SCALE: "float32: times this the vector is itself"} if job.precision == "int8" else {}
    dims = sorted({part.dim for part in parts})
    if len(dims) > 1:
        raise DataError(f"{out}: the encoder gave vectors of {dims} numbers: delete the folder")
    content = {
        "complete": True,
        "palate": __version__,
        "job": job.identity,
        "settings": job.settings,
        "schema": {ITEM: "string", **scale, VECTOR: f"{job.precision} × {dims[0]}, or null"},
        "dim": dims[0],
        "rows": sum(part.rows for part in parts),
        "written": sum(part.written for part in parts),
        "missing": sum(part.missing for part in parts),
        "bad": sum(part.bad for part in parts),
        "skipped": sum(part.skipped for part in parts),
        "partitions": [_entry(part) for part in parts],
    }
    _write(out, content)
    _remove_staged(out / STAGED)
    return sum((out / name).stat().st_size for name in files)


def _entry(part: Part) -> dict[str, Any]:
    names = ("file", "rows", "written", "missing", "bad", "skipped")
    return {name: getattr(part, name) for name in names}


def _write(out: Path, content: dict[str, Any]) -> None:
    text = json.dumps({"format": FORMAT, **content}, ensure_ascii=False, indent=1)
    try:
        write_whole(out / MANIFEST, f"{text}\n".encode())
    except OSError as error:
        raise DataError(f"{out / MANIFEST} could not be written: {error.strerror}") from error


def _remove_staged(folder: Path) -> None:
    """Only what `as_parquet` makes: somebody may keep files of their own in such a folder."""
    with contextlib.suppress(OSError):
        for file in folder.iterdir():
            if _STAGED_FILE.fullmatch(file.name):
                file.unlink()
        folder.rmdir()


class WriteError(DataError):
    """No file can be written there: no other partition's either."""


@dataclass(frozen=True)
class Written:
    """A file with `rows` vectors of `dim` numbers."""

    path: Path
    rows: int
    dim: int


def frames_of(
    ids: pl.Series, vectors: Floats, present: Mask, precision: Precision
) -> list[pl.DataFrame]:
    """Rows as they are written, some in each frame; those not `present` have no vector (null).

    int8 vectors times their row's "scale" are the numbers, to within half a scale.
    """
    frames = []
    for start in range(0, max(len(vectors), 1), GROUP_ROWS):  # no rows are a frame too
        rows = slice(start, start + GROUP_ROWS)
        frames.append(_frame(ids[rows], vectors[rows], present[rows], precision))
    return frames


def write_frames(stem: Path, frames: Sequence[pl.DataFrame]) -> Written:
    """The whole file or nothing; its name is `stem` and a checksum. Raises `WriteError`."""
    draft = stem.with_name(f".{stem.name}")
    try:
        with whole_file(draft) as place:
            pl.concat(frames, rechunk=False).write_parquet(
                place,
                compression="zstd",
                compression_level=_COMPRESSION_LEVEL,
                row_group_size=GROUP_ROWS,
            )
        path = draft.replace(stem.with_name(part_name(stem.name, checksum_of(draft))))
    except (OSError, pl.exceptions.PolarsError) as error:
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise WriteError(f"{stem} could not be written: {reason}") from error
    kind = frames[0].schema[VECTOR]
    assert isinstance(kind, pl.Array)
    return Written(path, sum(map(len, frames)), kind.shape[0])


def _frame(ids: pl.Series, vectors: Floats, present: Mask, precision: Precision) -> pl.DataFrame:
    columns = [ids.alias(ITEM)]
    if precision == "int8":
        scales = np.abs(vectors).max(axis=1, initial=0.0) / np.float32(_LEVELS)
        columns.append(pl.Series(SCALE, scales.astype(np.float32)))
        divisors = np.where(scales > 0, scales, 1)[:, None]
        stored = np.rint(vectors / divisors).astype(np.int8)
    else:
        stored = vectors.astype(np.dtype(precision), copy=False)
    kind = {"float32": pl.Float32, "int8": pl.Int8}.get(precision) or pl.Float16
    values = pl.Series(VECTOR, stored, dtype=pl.Array(kind, vectors.shape[1]))
    frame = pl.DataFrame([*columns, values])
    kept = pl.when(pl.Series(present)).then(pl.col(VECTOR))
    return frame if present.all() else frame.with_columns(kept.alias(VECTOR))


def written_before(paths: Sequence[Path]) -> tuple[Written | None, list[Path]]:
    """The first of these files that is as it was written, and those before it that are not."""
    damaged: list[Path] = []
    for path in paths:
        try:
            if is_whole(path):
                kind = schema_of(path)[VECTOR]
                return Written(path, length_of(path), kind.shape[0]), damaged  # type: ignore[attr-defined]
        except (DataError, KeyError, AttributeError, OSError):
            pass
        damaged.append(path)
    return None, damaged
