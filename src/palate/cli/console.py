"""What a person at a terminal sees: progress with rate and time left, tables, errors."""

from __future__ import annotations

import json
import os
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import MISSING
from pathlib import Path
from typing import Any, TextIO

import polars as pl
from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.segment import Segment
from rich.table import Column, Table
from rich.text import Text

from palate.core import progress, registry
from palate.core.columns import ITEM, RANK, REASONS, SCORE
from palate.core.doors import called_rightly
from palate.core.errors import DataError
from palate.core.files import write_whole
from palate.core.optional import is_installed
from palate.core.types import Recommendations
from palate.core.visible import bounded, json_visible, shorten, visible
from palate.nn.hub.cards import NAME_WIDTH, models
from palate.nn.packaged.gemma import TERMS
from palate.pipeline.dialect import toml

PIPE_WIDTH = 120
LEAST_TABLE = 48
LONGEST_REASON = 400
LONGEST_LABEL = 48


def _width(stream: TextIO | None) -> int | None:
    """That of the terminal, or of COLUMNS; a pipe has none, nor has a stream that is closed."""
    if stream is None:
        return PIPE_WIDTH
    return None if stream.isatty() or "COLUMNS" in os.environ else PIPE_WIDTH


class SafeConsole(Console):
    """A console on which no text acts: only rich itself moves the cursor and colours."""

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        for part in super().render(renderable, options):
            yield part if part.control else Segment(visible(part.text), part.style)


console = SafeConsole(width=_width(sys.stdout), highlight=False, emoji=False)
errors = SafeConsole(stderr=True, width=_width(sys.stderr), highlight=False, emoji=False)


class _Rate(ProgressColumn):
    """Steps a second, with their unit."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        unit = task.fields.get("unit", "")
        return Text("" if speed is None else f"{speed:,.0f} {unit}/s", style="cyan")


class ConsoleProgress:
    """Shows what reports to `palate.progress` as bars; one finished line a task in a pipe.

    A task inside another one leaves no line behind: the other one says how far it all is.
    """

    def __init__(self) -> None:
        # in a notebook bars are widgets: without these each finished task is a line
        self._in_lines = errors.is_jupyter and not is_installed("ipywidgets")
        self._bars = Progress(
            SpinnerColumn(finished_text="✓"),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            MofNCompleteColumn(table_column=Column(no_wrap=True)),
            _Rate(table_column=Column(no_wrap=True)),
            TimeElapsedColumn(table_column=Column(no_wrap=True)),
            TextColumn("left"),
            TimeRemainingColumn(table_column=Column(no_wrap=True)),
            console=errors,
            disable=self._in_lines,
        )
        self._open: dict[str, TaskID] = {}

    def __enter__(self) -> ConsoleProgress:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def start(self, label: str, total: int, unit: str) -> Callable[[int], None]:
        task = self._bars.add_task(shorten(label, LONGEST_LABEL), total=total, unit=unit)
        self._open[label] = task
        return lambda steps: self._bars.advance(task, steps)

    def stop(self, label: str, *, finished: bool) -> None:
        task = self._open.pop(label, None)
        if task is None:
            return
        if finished:
            done = next(bar.completed for bar in self._bars.tasks if bar.id == task)
            inside = any(other < task for other in self._open.values())
            self._bars.update(task, total=done, visible=not inside)
            if self._in_lines and not inside:
                errors.print(f"✓ {shorten(label, LONGEST_LABEL)} {done:,.0f}", markup=False)
        self._bars.stop_task(task)


@called_rightly
@contextmanager
def shown_progress() -> Iterator[None]:
    """Long work inside this block shows bars with rate and time left, on standard error."""
    with ConsoleProgress() as bars, progress.watch(bars):
        yield


@contextmanager
def shown_warnings() -> Iterator[None]:
    """Warnings inside this block are one line each on standard error, between the bars."""

    def show(message: Warning | str, *_: Any, **__: Any) -> None:
        said = f"warning: {bounded(str(message))}"
        errors.print(said, markup=False, soft_wrap=True, style="yellow")

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield


def recommendations_table(
    found: Recommendations, titles: dict[str, str], *, caption: str = ""
) -> RenderableType:
    """Rank, title, id, score and, where there are any, the reasons.

    Long words fold, so that a narrow terminal shows the whole; ranks and scores never do. A title
    or an id that goes on and on is shortened. Where no table fits, each item is a line of its own.
    """
    if console.width < LEAST_TABLE:
        return _recommendations_in_lines(found, titles, caption)
    title = Text(visible(caption)) if caption else None
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("#", justify="right", no_wrap=True)
    table.add_column("item", overflow="fold")
    table.add_column("id", style="dim", overflow="fold")
    table.add_column("score", justify="right", no_wrap=True)
    if REASONS in found.table.columns:
        table.add_column("why", overflow="fold")
    for line in found.table.iter_rows(named=True):
        name, why = line[ITEM], line.get(REASONS)
        cells = [
            shorten(titles.get(name, name)),
            shorten(name),
            f"{line[SCORE]:.3f}",
            *([] if why is None else [shorten(why, LONGEST_REASON)]),
        ]
        table.add_row(str(line[RANK]), *map(Text, cells))
    return table


def _recommendations_in_lines(
    found: Recommendations, titles: dict[str, str], caption: str
) -> RenderableType:
    lines = [Text(visible(caption), "bold")] if caption else []
    for line in found.table.iter_rows(named=True):
        name, why = line[ITEM], line.get(REASONS)
        title = shorten(titles.get(name, name))
        said = f"{line[RANK]}. {title} ({shorten(name)}) {line[SCORE]:.3f}"
        lines.append(Text(said if why is None else f"{said}: {shorten(why, LONGEST_REASON)}"))
    return Group(*lines)


def records(found: Recommendations, titles: dict[str, str]) -> list[dict[str, object]]:
    """The same lines for `--json`."""
    named = found.table.with_columns(
        pl.Series("title", [titles.get(name, name) for name in found.table[ITEM]], dtype=pl.String)
    )
    return named.to_dicts()


def components_table(stage: str) -> Table:
    """What can stand behind `type` in a stage, and its settings as a pipeline file holds them."""
    columns = ("type", "what it is", "settings and their defaults")
    table = Table(*columns, title=stage, title_justify="left", show_lines=True)
    for name in registry.names(stage):
        component = registry.find(stage, name)
        defaults = registry.defaults_of(component).items()
        settings = "\n".join(_setting(key, default) for key, default in defaults)
        table.add_row(name, Text(registry.summary_of(component)), Text(settings))
    return table


def _setting(name: str, default: Any) -> str:
    """One hyperparameter with its default, as a line of a pipeline file."""
    if default is MISSING:
        return f"{name} (needed)"
    return f"{name} (not set)" if default is None else f"{name} = {toml(default)}"


def write_json(path: Path | None, content: Any) -> None:
    """The figures as a file of JSON, where one is wanted; `DataError` if it cannot be written.

    "-" is standard output.
    """
    if path is None:
        return
    text = json_visible(json.dumps(content, ensure_ascii=False, indent=1, allow_nan=False))
    if path == Path("-"):
        print(text)
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, f"{text}\n".encode())
    except OSError as error:
        raise DataError(f"{path} could not be written: {error.strerror}") from error


def models_table() -> Table:
    """What `palate list models` shows: at 80 columns names break after their owner alone."""
    table = Table(title="models", title_justify="left", box=box.SIMPLE_HEAD, padding=0)
    table.show_edge = False
    for name in ("model, encoder, reads", "dim", "size", "licence"):
        table.add_column(name, justify="right" if name == "dim" else "left", no_wrap=True)
    table.add_column("here?", overflow="fold")
    for card in models():
        owner, slash, rest = card.name.rpartition("/")
        name = card.name if len(card.name) <= NAME_WIDTH else f"{owner}{slash}\n{rest}"
        what = Text(name, "bold").append(f"\n{card.encoder} · {card.reads}", "not bold dim")
        table.add_row(what, *map(Text, (str(card.dim), card.size, card.licence, card.state)))
    table.caption = (
        "size: files of packaged models, else parameters. Any other name works as well.\n"
        f"Gemma terms are no open-source licence: {TERMS}"
    )
    return table
