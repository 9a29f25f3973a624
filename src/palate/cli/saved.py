"""Commands about model folders: `show`, `add-events`, `remove-users`, `rollback`, `robustness`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from palate.cli.options import Allow, JsonFile, KeyFile, ModelFolder, from_home, names_of
from palate.core.errors import ConfigError, DataError
from palate.core.visible import quoted

if TYPE_CHECKING:
    from rich.table import Table

    from palate.core.split import Split
    from palate.data.notes import ReadNotes
    from palate.pipeline.card import Card
    from palate.pipeline.config import Config
    from palate.pipeline.pipeline import Pipeline

KEPT: Final = 3
"""Older versions that a folder keeps; that of `Pipeline.save`, which is not loaded for a help."""

Columns = Annotated[
    list[str] | None,
    typer.Option("--column", metavar="THEIRS=OURS", help="What a column is (repeatable)."),
]
Encoding = Annotated[str, typer.Option(help="Of text files.")]
Keep = Annotated[
    int, typer.Option(min=0, metavar="N", help="Older versions that stay in the folder.")
]


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


def add_events(
    model: ModelFolder,
    events: Annotated[
        Path, typer.Argument(metavar="FILE", help="A table of events, as the fit read.")
    ],
    users: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Rows of people who are new or changed.")
    ] = None,
    columns: Columns = None,
    encoding: Encoding = "utf-8",
    time_format: Annotated[
        str | None, typer.Option(metavar="FORM", help="How times are written, as %d/%m/%Y.")
    ] = None,
    positive: Annotated[
        str | None, typer.Option(metavar="RULE", help="Which events are choices, if not as before.")
    ] = None,
    keep: Keep = KEPT,
    allow: Allow = None,
    pseudonyms: KeyFile = None,
) -> None:
    """Let a saved model know what people did since its fit.

    What was learnt stays until the next `palate fit`: `palate show` says how much came since.

    Example: `palate add-events model monday.csv`
    """
    from palate.cli.console import console, errors
    from palate.data.pseudonyms import read_key
    from palate.pipeline.dialect import AsOptions, speaking_options
    from palate.pipeline.events import since_lines
    from palate.pipeline.pipeline import Pipeline
    from palate.pipeline.saved import change_saved

    tables = {"events": from_home(events), "users": None if users is None else from_home(users)}
    named = named_columns(columns)
    key = None if pseudonyms is None else read_key(pseudonyms)

    def change(fitted: Pipeline) -> None:
        told.clear()
        fitted.add_events(
            **tables,
            columns=named,
            encoding=encoding,
            time_format=time_format,
            positive=positive,
            pseudonyms=key,
            tell=told.append,
        )

    told: list[ReadNotes] = []
    options = names_of(add_events)
    with speaking_options(options):
        changed = change_saved(model, Pipeline, change, allow=allow or (), keep=keep)
    for line in [line for notes in told for line in notes.lines(AsOptions(options))]:
        errors.print(line, markup=False, soft_wrap=True, style="dim")
    for line in [*since_lines(changed), f"saved in {model}"]:
        console.print(line, markup=False, soft_wrap=True)


def named_columns(given: list[str] | None) -> dict[str, str]:
    """Their name → ours, of "THEIRS=OURS" given for each."""
    found = {}
    for value in given or ():
        theirs, mark, ours = value.rpartition("=")
        if not (mark and theirs and ours):
            raise DataError(
                f"--column {quoted(value)} names no two columns: write THEIRS=OURS, as in"
                " --column who=user_id"
            )
        found[theirs] = ours
    return found


def remove_users(
    model: ModelFolder,
    users: Annotated[list[str], typer.Argument(metavar="ID…", help="Ids of people.")],
    allow: Allow = None,
    pseudonyms: KeyFile = None,
) -> None:
    """Forget people: their rows and events leave a saved model and its folder.

    Older versions of the model know them, too, and are deleted.

    Example: `palate remove-users model "user 42"`
    """
    from palate.cli.console import console
    from palate.cli.lists import known_as
    from palate.pipeline.dialect import speaking_options
    from palate.pipeline.events import since_lines
    from palate.pipeline.pipeline import Pipeline
    from palate.pipeline.saved import change_saved

    def change(fitted: Pipeline) -> None:
        fitted.remove_users(known_as(fitted, users, pseudonyms) or [])

    with speaking_options(names_of(remove_users)):
        changed = change_saved(model, Pipeline, change, allow=allow or (), keep=0)
    for line in [*since_lines(changed), f"saved in {model}, without older versions"]:
        console.print(line, markup=False, soft_wrap=True)


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
    pseudonyms: KeyFile = None,
) -> None:
    """Measure what typing errors, missing words and empty columns of the items cost a model.

    It is fitted again on each damaged catalogue, and asked what it has not seen.

    Example: `palate robustness model`
    """
    from palate.cli.console import console, shown_progress, write_json
    from palate.evaluation.robustness import robustness as measure

    settings, fitted, split = unseen_part(model, allow, pseudonyms)
    with shown_progress(), settings.spoken():
        found = measure(fitted, split, letters=letters, words=words, seed=seed)
    console.print(found.render())
    write_json(json_file, found.to_json())


def unseen_part(
    model: Path, allow: list[str] | None, key_file: Path | None
) -> tuple[Config, Pipeline, Split]:
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
    settings = read_config(origin.config, components=False).with_key(key_file)
    fitted = load(model, allow=allow or ())  # it brings its own components
    if fitted.data_.pseudonyms is not None and settings.data.pseudonyms is None:
        raise ConfigError(f"{model} knows people by pseudonyms: give --pseudonyms KEYFILE, too")
    split = settings.cut(settings.read(drop_unknown=origin.drop_unknown)[0])
    same_items = fitted.data_.items.equals(split.train.items)
    now, learnt = split.train, fitted.data_
    same_choices = learnt.interactions.equals(scoring_events(now.interactions))
    if fitted.since_fit_["added"] or fitted.since_fit_["users_removed"]:
        raise DataError(
            f"{model} knows other events than those of its fit: evaluate what was fitted, by"
            " `palate rollback`, or fit again"
        )
    if not same_items or fitted.withdrawn_:
        raise DataError(
            f"{model} knows other items than {origin.config} reads now. If items came, changed or"
            " went since the fit, evaluate what was fitted, by `palate rollback`; if the data or"
            f" the [split] of {origin.config} changed since, fit again"
        )
    if not (same_choices and learnt.events.equals(scoring_events(now.events))):
        cut = f"the data or the [split] of {origin.config}"
        raise DataError(f"{cut} changed since {model} was fitted: fit again")
    return settings, fitted, split


def register(app: typer.Typer) -> None:
    """Adds these commands."""
    for command in (show, add_events, remove_users, rollback, robustness):
        app.command()(command)
