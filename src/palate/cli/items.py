"""Commands for a catalogue that lives: items that arrive, change, go and come back."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from palate.cli.options import Allow, ModelFolder, from_home, names_of
from palate.cli.saved import KEPT, Columns, Encoding, Keep, named_columns
from palate.core.visible import counted

if TYPE_CHECKING:
    from palate.pipeline.pipeline import Pipeline

Table = Annotated[Path, typer.Argument(metavar="FILE", help="A table of items, as the fit read.")]
ItemIds = Annotated[list[str], typer.Argument(metavar="ID…", help="Ids of items.")]


def add_items(
    model: ModelFolder,
    items: Table,
    columns: Columns = None,
    encoding: Encoding = "utf-8",
    keep: Keep = KEPT,
    allow: Allow = None,
) -> None:
    """Let a saved model know items that arrived since its fit: it recommends them at once.

    Example: `palate add-items model new.csv`
    """
    table, named = from_home(items), named_columns(columns)
    sizes: list[int] = []

    def change(fitted: Pipeline) -> None:
        sizes.append(len(fitted.item_ids))
        fitted.add_items(table, columns=named, encoding=encoding)

    changed = _changed(model, change, names_of(add_items), allow=allow, keep=keep)
    now = len(changed.item_ids)
    _say(f"added {counted(now - sizes[-1], 'item')}, {now:,} in all", f"saved in {model}")


def update_items(
    model: ModelFolder,
    items: Table,
    columns: Columns = None,
    encoding: Encoding = "utf-8",
    keep: Keep = KEPT,
    allow: Allow = None,
) -> None:
    """Let a saved model know what its items say now; columns that the table lacks stay.

    Example: `palate update-items model prices.csv`
    """
    table, named = from_home(items), named_columns(columns)

    def change(fitted: Pipeline) -> None:
        fitted.update_items(table, columns=named, encoding=encoding)

    _changed(model, change, names_of(update_items), allow=allow, keep=keep)
    _say(f"its items say what {table.name} says", f"saved in {model}")


def remove_items(
    model: ModelFolder, items: ItemIds, keep: Keep = KEPT, allow: Allow = None
) -> None:
    """Withdraw items: from now on no list of a saved model holds them.

    What people did with them still speaks for others. `palate restore-items` takes it back.

    Example: `palate remove-items model 50 183`
    """

    def change(fitted: Pipeline) -> None:
        fitted.remove_items(items)

    changed = _changed(model, change, names_of(remove_items), allow=allow, keep=keep)
    _say(_withdrawn(changed), f"saved in {model}")


def restore_items(
    model: ModelFolder, items: ItemIds, keep: Keep = KEPT, allow: Allow = None
) -> None:
    """Let items that were withdrawn stand in lists again.

    Example: `palate restore-items model 50`
    """

    def change(fitted: Pipeline) -> None:
        fitted.restore_items(items)

    changed = _changed(model, change, names_of(restore_items), allow=allow, keep=keep)
    _say(_withdrawn(changed), f"saved in {model}")


def _withdrawn(changed: Pipeline) -> str:
    gone, all_items = len(changed.withdrawn_), len(changed.item_ids)
    return f"{gone:,} of {counted(all_items, 'item')} withdrawn"


def _say(*lines: str) -> None:
    from palate.cli.console import console

    for line in lines:
        console.print(line, markup=False, soft_wrap=True)


def _changed(
    model: Path,
    change: Callable[[Pipeline], object],
    options: dict[str, str],
    *,
    allow: list[str] | None,
    keep: int,
) -> Pipeline:
    """The model as it is saved now; what was read of a table goes to standard error."""
    from palate.pipeline.dialect import speaking_options
    from palate.pipeline.pipeline import Pipeline as Whole
    from palate.pipeline.saved import change_saved

    with speaking_options(options), _notes_shown():
        return change_saved(model, Whole, change, allow=allow or (), keep=keep)


@contextmanager
def _notes_shown() -> Iterator[None]:
    """What the logger is told inside this block is a line each on standard error, said once."""
    from palate.cli.console import errors
    from palate.data.notes import LOGGER

    said: dict[str, None] = {}

    class Lines(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            line = record.getMessage()
            if line not in said:
                said[line] = None
                errors.print(line, markup=False, soft_wrap=True, style="dim")

    shown: Any = Lines(logging.INFO)
    before, spreads = LOGGER.level, LOGGER.propagate
    LOGGER.addHandler(shown)
    LOGGER.setLevel(logging.INFO)
    LOGGER.propagate = False
    try:
        yield
    finally:
        LOGGER.removeHandler(shown)
        LOGGER.setLevel(before)
        LOGGER.propagate = spreads


def register(app: typer.Typer) -> None:
    """Adds these commands."""
    for command in (add_items, update_items, remove_items, restore_items):
        app.command()(command)
