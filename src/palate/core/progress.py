"""Progress of long work: whoever works reports steps, whoever watches shows them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol


class Watcher(Protocol):
    """Shows tasks; `start` answers with the function that takes finished steps.

    `stop` hears in `finished` whether the work came to its end: false after an exception.
    """

    def start(self, label: str, total: int, unit: str) -> Callable[[int], None]: ...
    def stop(self, label: str, *, finished: bool) -> None: ...


_watcher: ContextVar[Watcher | None] = ContextVar("palate_progress", default=None)


@contextmanager
def watch(watcher: Watcher) -> Iterator[None]:
    """Everything that reports inside this block is shown by `watcher`."""
    token = _watcher.set(watcher)
    try:
        yield
    finally:
        _watcher.reset(token)


@contextmanager
def task(label: str, total: int, unit: str = "") -> Iterator[Callable[[int], None]]:
    """A piece of long work of `total` steps: call what it yields with the steps just done."""
    watcher = _watcher.get()
    if watcher is None:
        yield lambda _steps: None
        return
    advance = watcher.start(label, total, unit)
    finished = False
    try:
        yield advance
        finished = True
    finally:
        watcher.stop(label, finished=finished)
