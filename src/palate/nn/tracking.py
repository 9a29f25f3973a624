"""Runs that are noted: what each epoch of a training was like, in files and in TensorBoard."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from palate.core.doors import called_rightly
from palate.core.errors import ArtefactError
from palate.core.optional import Requirement, is_installed
from palate.core.paths import path_of

TENSORBOARD = Requirement(("tensorboardX",), "runs for TensorBoard")
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


@called_rightly
@contextmanager
def runs(folder: str | Path, *, tensorboard: bool | None = None) -> Iterator[None]:
    """Trainings inside this block leave in `folder` what each epoch was like.

    Each has a file NAME-1.jsonl (NAME-2 for the next of that name), whose first line holds its
    settings and every other an epoch: "loss", "validation", "learning_rate", "seconds". Where the
    extra "tracking" is installed, or `tensorboard` is true, there is a folder NAME-1 for
    TensorBoard beside it. Nothing is sent anywhere. Raises `MissingExtraError` without the extra,
    `ArtefactError` where the folder cannot be written.
    """
    root = path_of(folder, "the folder of runs", ArtefactError)
    wanted = is_installed(*TENSORBOARD.modules) if tensorboard is None else tensorboard
    if wanted:
        TENSORBOARD.load()
    with track(_Files(root, tensorboard=wanted)):
        yield


@dataclass
class _Files:
    """Notes trainings in a folder."""

    root: Path
    tensorboard: bool
    open: list[list[Any]] = field(default_factory=list)

    def start(self, label: str, settings: Mapping[str, Any]) -> Callable[[int, Figures], None]:
        name = self._next(re.sub(r"[^\w-]+", "-", label))
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            lines = (self.root / f"{name}.jsonl").open("x", encoding="utf-8")
        except OSError as error:
            reason = error.strerror or error
            raise ArtefactError(f"runs cannot be noted in {self.root} ({reason})") from error
        writer = (
            TENSORBOARD.load().SummaryWriter(str(self.root / name)) if self.tensorboard else None
        )
        self.open.append([lines] if writer is None else [lines, writer])
        plain = {key: value for key, value in settings.items() if _is_plain(value)}
        self._line(lines, {"training": label, "settings": plain})

        def note(epoch: int, figures: Figures) -> None:
            self._line(lines, {"epoch": epoch, **figures})
            if writer is not None:
                for figure, value in figures.items():
                    writer.add_scalar(figure, value, epoch)

        return note

    def stop(self, label: str) -> None:
        for one in self.open.pop() if self.open else []:  # the innermost ends first
            one.close()

    def _next(self, name: str) -> str:
        number = 1
        while (self.root / f"{name}-{number}.jsonl").exists():
            number += 1
        return f"{name}-{number}"

    def _line(self, lines: Any, content: Mapping[str, Any]) -> None:
        lines.write(json.dumps(content) + "\n")
        lines.flush()


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, bool | int | float | str)
