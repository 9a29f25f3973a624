"""One partition after the other, in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from palate import progress
from palate.errors import DataError
from palate.scale._work import Failure, Job, Part, Todo
from palate.scale._worker import Worker
from palate.scale._write import WriteError


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
