"""Lists: in the order that rerankers leave, of people for an item, and everybody's in one file."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from palate.core.arrays import Floats, Rows
from palate.core.columns import ITEM, RANK, SCORE, USER
from palate.core.errors import ConfigError, DataError, did_you_mean
from palate.core.files import whole_file
from palate.core.histories import Histories
from palate.core.ids import Ids
from palate.core.paths import check_writable, path_of
from palate.core.progress import task
from palate.core.topk import Scorer, rank_rows, recommendations_of, tie_order
from palate.core.types import Recommendations, Reranker
from palate.core.visible import counted

RERANK_FACTOR: Final = 10  # times as many places as are asked for go to the rerankers,
RERANK_LEAST: Final = 100  # and no fewer: a shorter list is a longer one's beginning
_LINES: Final = 1_000_000  # of the tables that rerankers get, at most
_WRITTEN_LINES: Final = 500_000  # of a chunk of everybody's lists, at most: some 50 MB of table
_CELLS: Final = 64_000_000  # of scores behind a chunk, so that progress is seen


def reranked_rows(
    model: Scorer,
    rerankers: Sequence[Reranker],
    histories: Histories,
    k: int,
    *,
    exclude_seen: bool = True,
    candidates: Rows | None = None,
    progress: Callable[[int], object] | None = None,
) -> tuple[Rows, Floats]:
    """As `rank_rows`: (n, k) catalogue rows and scores, in the order that the rerankers leave.

    They get more places than are asked for, in tables that hold nobody twice: rolling histories of
    one person are mixed one by one, as if each had been alone.
    """
    if not rerankers:
        return rank_rows(
            model, histories, k, exclude_seen=exclude_seen, candidates=candidates, progress=progress
        )
    depth = min(max(k * RERANK_FACTOR, RERANK_LEAST), max(len(histories.item_ids), 1))
    rows = np.full((len(histories), k), -1, dtype=np.int32)
    scores = np.full((len(histories), k), -np.inf, dtype=np.float32)
    step = max(1, _LINES // depth)
    for start in range(0, len(histories), step):
        asking = histories.take(slice(start, start + step))
        ranked, values = rank_rows(
            model,
            asking,
            depth,
            exclude_seen=exclude_seen,
            candidates=candidates,
            progress=progress,
        )
        for alone in _nobody_twice(asking.user_ids):
            found = recommendations_of(asking.take(alone), ranked[alone], values[alone])
            for reranker in rerankers:
                found = reranker.rerank(found, asking.take(alone))
            lines = found.table.filter(pl.col(RANK) <= k)
            request = start + alone[Ids(asking.user_ids[alone]).rows(lines[USER])]
            place = lines[RANK].to_numpy() - 1
            rows[request, place] = histories.item_ids.rows(lines[ITEM])
            scores[request, place] = lines[SCORE].to_numpy()
    return rows, scores


def _nobody_twice(user_ids: pl.Series) -> Iterator[NDArray[np.int64]]:
    """The rows of everybody's first request, then of everybody's second, and so on."""
    turns = user_ids.to_frame("user").select(pl.int_range(pl.len()).over("user")).to_series()
    turn = turns.to_numpy()
    for number in range(int(turn.max(initial=-1)) + 1):
        yield np.flatnonzero(turn == number)


def top_users_of(
    model: Scorer,
    row: int,
    users: Histories,
    k: int,
    *,
    exclude_seen: bool = True,
    barred: Rows | None = None,
) -> Recommendations:
    """The `k` requests in whose list the item of a catalogue row stands highest; rank: its place.

    Items in `barred` stand in no list; with `exclude_seen` none in its own history.
    """
    tie = tie_order(users.item_ids)
    before = tie < tie[row]
    places, scores = [np.empty(0, dtype=np.int64)], [np.empty(0, dtype=np.float32)]
    chunk = max(1, 32_000_000 // max(len(users.item_ids), 1))
    with task("ranking for everybody", len(users), "people") as done:
        for start in range(0, len(users), chunk):
            part = users.take(slice(start, start + chunk))
            matrix = model.score(part)
            if barred is not None:
                matrix[:, barred] = -np.inf
            if exclude_seen:
                seen = part.seen().tocoo()
                matrix[seen.row, seen.col] = -np.inf
            own = matrix[:, row]
            above = (matrix > own[:, None]) | ((matrix == own[:, None]) & before)
            places.append(above.sum(axis=1) + 1)
            scores.append(own)
            done(len(part))
    place, score = np.concatenate(places), np.concatenate(scores)
    able = np.flatnonzero(np.isfinite(score))
    best = able[np.lexsort((-score[able], place[able]))][:k]
    table = {
        USER: users.user_ids[best],
        ITEM: pl.repeat(users.item_ids[row], len(best), dtype=pl.String, eager=True),
        SCORE: score[best],
        RANK: place[best].astype(np.int32),
    }
    return Recommendations(pl.DataFrame(table))


@dataclass(frozen=True)
class WrittenLists:
    """What was written: the file, for how many people, in how many lines."""

    path: Path
    users: int
    lines: int

    def __str__(self) -> str:
        lists = counted(self.lines, "recommendation")
        return f"{lists} for {counted(self.users, 'person')}, saved in {self.path}"


def check_out(path: object) -> Path:
    """The file to write, once its suffix and its place are known to do; else `ConfigError`.

    `DataError` for a place where nothing can be written.
    """
    out = path_of(path, "the file of recommendations", ConfigError)
    if out.suffix.lower() not in _WRITERS:
        known = did_you_mean(out.suffix.lower(), _WRITERS)
        raise ConfigError(f"{out} cannot be written: its suffix says no format.{known}")
    if out.is_dir():
        raise DataError(f"{out} is a folder: name a file, such as {out / 'lists.parquet'}")
    check_writable(out, DataError)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{out} could not be written: {error.strerror}") from error
    return out


def write_lists(
    out: Path, histories: Histories, k: int, recommend: Callable[[Histories], Recommendations]
) -> WrittenLists:
    """Recommends to everybody in `histories`, a chunk at a time, into one file.

    Until all is there a file of that name stays as it was. Raises `DataError` where it cannot be
    written.
    """
    columns = max(len(histories.item_ids), 1)
    step = max(1, min(_WRITTEN_LINES // min(k, columns), _CELLS // columns))
    lines = 0

    def tables() -> Iterator[pl.DataFrame]:
        nonlocal lines
        with task("recommending", len(histories), "people") as done:
            for start in range(0, max(len(histories), 1), step):
                part = histories.take(slice(start, start + step))
                table = recommend(part.compact()).table
                lines += len(table)
                yield table
                done(len(part))

    try:
        with whole_file(out) as temporary:
            _WRITERS[out.suffix.lower()](temporary, tables())
    except OSError as error:
        reason = f"{error.strerror or error}: make room, or write elsewhere"
        raise DataError(f"{out} could not be written: {reason}") from error
    return WrittenLists(out, int(np.count_nonzero(histories.user_ids.is_first_distinct())), lines)


def _write_parquet(path: Path, tables: Iterator[pl.DataFrame]) -> None:
    """Parts beside the file first; then polars streams them into one."""
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".palate-") as folder:
        parts = []
        for number, table in enumerate(tables):
            parts.append(Path(folder) / f"{number:06d}.parquet")
            table.write_parquet(parts[-1])
        pl.scan_parquet(parts).sink_parquet(path)


def _write_csv(path: Path, tables: Iterator[pl.DataFrame]) -> None:
    with path.open("wb") as file:
        for number, table in enumerate(tables):
            table.write_csv(file, include_header=number == 0)


def _write_jsonl(path: Path, tables: Iterator[pl.DataFrame]) -> None:
    with path.open("wb") as file:
        for table in tables:
            table.write_ndjson(file)


_WRITERS: Final[Mapping[str, Callable[[Path, Iterator[pl.DataFrame]], Any]]] = {
    ".parquet": _write_parquet,
    ".csv": _write_csv,
    ".jsonl": _write_jsonl,
    ".ndjson": _write_jsonl,
}
