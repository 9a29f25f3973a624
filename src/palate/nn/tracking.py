"""Runs that are noted: what each epoch of a training was like, for whoever looks at such things."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol, TypeAlias

Figures: TypeAlias = Mapping[str, float]
"""What is noted of an epoch: "loss", "validation", "learning_rate", "seconds"."""


class Tracker(Protocol):
    """Notes trainings; `start` answers with what takes (epoch from 1, figures), `stop` ends it."""

    def start(self, label: str, settings: Mapping[str, Any]) -> Callable[[int, Figures], None]: ...
    def stop(self, label: str) -> None: ...


_trackers: ContextVar[tuple[Tracker, ...]] = ContextVar("palate_trackers", default=())


@contextmanager
def track(*trackers: Tracker) -> Iterator[None]:
    """Trainings inside this block are noted by `trackers`."""
    token = _trackers.set((*_trackers.get(), *trackers))
    try:
        yield
    finally:
        _trackers.reset(token)


@contextmanager
def tracked(label: str, settings: Any) -> Iterator[Callable[[int, Figures], None]]:
    """A training that is noted: call what it yields after each epoch."""
    trackers = _trackers.get()
    notes = [tracker.start(label, dict(vars(settings))) for tracker in trackers]

    def note(epoch: int, figures: Figures) -> None:
        for one in notes:
            one(epoch, figures)

    try:
        yield note
    finally:
        for tracker in trackers:
            tracker.stop(label)
