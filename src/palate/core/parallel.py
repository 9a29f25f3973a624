"""Independent chunks on all cores: one thread a core, one BLAS thread each."""

from __future__ import annotations

import ctypes
import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache, cached_property
from threading import Lock
from typing import Any, TypeVar

from threadpoolctl import OpenBLASController, ThreadpoolController

Result = TypeVar("Result")


class _OneBlasThread:
    """One BLAS thread in the process from when the first of its users comes until the last goes.

    Each of them alone would give back what it found, and with two that may be the other's limit.
    With more threads a product may be summed up in another order, which changes its last bits.
    """

    def __init__(self) -> None:
        self._lock, self._users = Lock(), 0

    @cached_property
    def _libraries(self) -> Any:
        return ThreadpoolController()  # found once: that takes longer than scoring a request

    def __enter__(self) -> None:
        with self._lock:
            if not self._users:
                self._limit = self._libraries.limit(limits=1, user_api="blas")
            self._users += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._users -= 1
            if not self._users:
                _let_any_thread_set_limits()
                self._limit.restore_original_limits()
                _let_any_thread_set_limits()


def _let_any_thread_set_limits() -> None:
    """Newer threadpoolctl heeds only the thread that set a limit; here another may go last."""
    clear = getattr(OpenBLASController, "clear_controlling_thread", None)
    if clear is not None:
        clear(force=True)


one_blas_thread = _OneBlasThread()


def in_chunks(
    work: Callable[[slice], Result], length: int, step: int
) -> Iterator[tuple[slice, Result]]:
    """(chunk, what `work` made of it) for `range(length)` by `step`, in order.

    Small products lose more to waiting for a second BLAS thread than they win: chunks run side by
    side instead. At most two a core wait, so memory does not grow with `length`.
    """
    chunks = [slice(start, min(start + step, length)) for start in range(0, length, step)]
    if len(chunks) == 1:  # of one request, say: a pool of threads would take longer than the work
        with one_blas_thread:
            yield chunks[0], work(chunks[0])
        return
    with one_blas_thread, ThreadPoolExecutor(cores()) as pool:
        waiting: deque[tuple[slice, Future[Result]]] = deque()
        for chunk in chunks:
            waiting.append((chunk, pool.submit(work, chunk)))
            if len(waiting) >= 2 * cores():
                done, future = waiting.popleft()
                yield done, future.result()
        for done, future in waiting:
            yield done, future.result()


def give_back_memory() -> None:
    """What was freed goes back to the system, where the C library can be told so (glibc).

    By itself it keeps pages that lie between others in use, up to half of a long fit's memory.
    """
    trim = _malloc_trim()
    if trim is not None:
        trim(0)


@cache
def _malloc_trim() -> Callable[[int], int] | None:
    try:
        found: Callable[[int], int] = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError, TypeError):  # of other systems: none, or no such function
        return None
    return found


def cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
