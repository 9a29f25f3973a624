"""Independent chunks on all cores: one thread a core, one BLAS thread each."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from threadpoolctl import threadpool_limits

Result = TypeVar("Result")


def cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def in_chunks(
    work: Callable[[slice], Result], length: int, step: int
) -> Iterator[tuple[slice, Result]]:
    """(chunk, what `work` made of it) for `range(length)` by `step`, in order.

    Small products lose more to waiting for a second BLAS thread than they win: chunks run side by
    side instead. At most two a core wait, so memory does not grow with `length`.
    """
    chunks = [slice(start, min(start + step, length)) for start in range(0, length, step)]
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(cores()) as pool:
        waiting: deque[tuple[slice, Future[Result]]] = deque()
        for chunk in chunks:
            waiting.append((chunk, pool.submit(work, chunk)))
            if len(waiting) >= 2 * cores():
                done, future = waiting.popleft()
                yield done, future.result()
        for done, future in waiting:
            yield done, future.result()
