"""Commands about model folders: `show`, `rollback`, `robustness`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from palate.cli.options import Allow, JsonFile, ModelFolder
from palate.core.errors import ConfigError, DataError

if TYPE_CHECKING:
    from rich.table import Table

    from palate.core.split import Split
    from palate.pipeline.card import Card
    from palate.pipeline.config import Config
    from palate.pipeline.pipeline import Pipeline

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


def robustness(
    model: ModelFolder,
    letters: Annotated[
        float, typer.Option(min=0, max=1, help="Share of letters that are mistyped.")
    ] = 1 / 15,
    words: Annotated[float, typer.Option(min=0, max=1, help="Share of words that are missing.")] = 1
    / 5,
    seed: Annotated[int, typer.Option(help="Of the damage that is drawn.")] = 0,
    allow: Allow = None,
    json_file: JsonFile = None,
) -> None:
    """Measure what typing errors, missing words and empty columns of the items cost a model.

    It is fitted again on each damaged catalogue, and asked what it has not seen.

    Example: `palate robustness model`
    """
    from palate.cli.console import console, shown_progress, write_json
    from palate.evaluation.robustness import robustness as measure

    settings, fitted, split = unseen_part(model, allow)
    with shown_progress(), settings.spoken():
        found = measure(fitted, split, letters=letters, words=words, seed=seed)
    console.print(found.render())
    write_json(json_file, found.to_json())


def unseen_part(model: Path, allow: list[str] | None) -> tuple[Config, Pipeline, Split]:
    """By what `palate fit` made a model, the model, and the split whose rest it has not seen.

    Raises `ConfigError` for one that was made otherwise, or learnt from everything, `DataError`
    where the data are others now.
    """
    from palate.pipeline.card import scoring_events
    from palate.pipeline.config import read_config
    from palate.pipeline.pipeline import load
    from palate.pipeline.saved import read_fit

    origin = read_fit(model)
    if origin is None:
        raise ConfigError(f"{model} was not made by `palate fit`: use palate.evaluate in Python")
    if origin.everything:
        raise ConfigError(f"{model} learnt from all events (--all): nothing is left to evaluate on")
    settings = read_config(origin.config, components=False)  # the model brings its own
    fitted = load(model, allow=allow or ())
    split = settings.cut(settings.read(drop_unknown=origin.drop_unknown)[0])
    same_items = fitted.data_.items.equals(split.train.items)
    now, learnt = split.train, fitted.data_
    same_choices = learnt.interactions.equals(scoring_events(now.interactions))
    if not (same_items and same_choices and learnt.events.equals(scoring_events(now.events))):
        cut = f"the data or the [split] of {origin.config}"
        raise DataError(f"{cut} changed since {model} was fitted: fit again")
    return settings, fitted, split


def register(app: typer.Typer) -> None:
    """Adds these commands."""
    for command in (show, rollback, robustness):
        app.command()(command)
