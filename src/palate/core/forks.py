"""Forked processes: a fork has none of polars' threads, and what waits for one waits for ever."""

from __future__ import annotations

import os
import re
from pathlib import Path

from palate.core.errors import PalateError

_TASKS = Path("/proc/self/task")
_WORKER = re.compile(r"polars-\d+")


class _Threads:
    """Whether polars has threads here, and whether it had some that a fork left behind."""

    used = False
    at_fork = False
    lost = False

    def look(self) -> None:
        self.at_fork = _has_workers(self.used)

    def leave(self) -> None:
        self.lost |= self.at_fork


def _has_workers(used: bool) -> bool:
    """By the names of this process's threads; where these are not told, whether palate was used."""
    try:
        names = [(task / "comm").read_text().strip() for task in _TASKS.iterdir()]
    except OSError:
        return used
    return any(_WORKER.fullmatch(name) for name in names)


_threads = _Threads()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_threads.look, after_in_child=_threads.leave)


def check_process() -> None:
    """Raises `PalateError` in a process in which tables cannot be read: it would hang."""
    _threads.used = True
    if _threads.lost:
        raise PalateError(
            "this process was forked from one that had used palate or polars already, whose "
            "threads a fork lacks, so that it would wait for them for ever: start processes with "
            'multiprocessing.get_context("spawn"), or read and load in each of them and not before '
            "(gunicorn: without --preload)"
        )
