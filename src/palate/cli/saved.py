"""Commands about model folders: `show`, `rollback`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Final

import typer

from palate.cli.options import JsonFile, ModelFolder

if TYPE_CHECKING:
    from rich.table import Table

    from palate.pipeline.card import Card

KEPT: Final = 3
"""Older versions that a folder keeps; that of `Pipeline.save`, which is not loaded for a help."""


def show(
    model: ModelFolder,
    versions: Annotated[
        bool, typer.Option("--versions", help="All versions in the folder, one a line.")
    ] = False,
    json_file: JsonFile = None,
) -> None:
    """Print the card of a model: when, of what data, with what settings, how good.

    Example: `palate show model`
    """
    from palate.cli.console import console, write_json
    from palate.pipeline.saved import read_card, saved_versions

    if versions:
        cards = saved_versions(model)
        console.print(_versions_table(cards))
        write_json(json_file, [card.model_dump(mode="json") for card in cards])
        return
    card = read_card(model)
    for line in card.lines():
        console.print(line, markup=False, soft_wrap=True)
    write_json(json_file, card.model_dump(mode="json"))


def _versions_table(cards: Sequence[Card]) -> Table:
    """One row a version, the current one first."""
    from rich.table import Table
    from rich.text import Text

    from palate.core.visible import shorten

    table = Table("version", "saved", "palate", "events", "figures")
    for place, card in enumerate(cards):
        figures = [
            f"{each.name} {name} {figure.mean:.4f}"
            for each in card.figures[:1]
            for name, figure in list(each.metrics.items())[:1]
            if figure.mean is not None
        ]
        number = f"{card.version}{'' if place else ' (current)'}"
        events = "" if card.data is None else f"{card.data.events:,}"
        cells = (number, card.saved or "unknown", card.palate, events, *(figures or [""]))
        table.add_row(*(Text(shorten(cell)) for cell in cells))
    return table


def rollback(
    model: ModelFolder,
    to: Annotated[
        int | None, typer.Option(metavar="N", help="The version to load from now on.")
    ] = None,
) -> None:
    """Go back to the version of a model that the current one took the place of.

    The current one stays in the folder, too: `palate rollback DIR --to N` goes to any.

    Example: `palate rollback model`
    """
    from palate.cli.console import console
    from palate.pipeline.saved import rollback as go_back

    card = go_back(model, to=to)
    said = f"{model} is version {card.version} again, saved {card.saved or 'by an earlier palate'}"
    console.print(said, markup=False, soft_wrap=True)


def register(app: typer.Typer) -> None:
    """Adds these commands."""
    for command in (show, rollback):
        app.command()(command)
