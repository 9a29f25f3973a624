"""The command line: `palate demo`, `check`, `fit`, `evaluate`, `recommend`, `compare`, …"""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from palate import __version__
from palate.cli.models import register
from palate.cli.options import (
    Allow,
    ConfigFile,
    DropUnknown,
    JsonFile,
    ModelFolder,
    Stopped,
    app,
    forgive_streams,
    from_home,
    history_items,
)
from palate.core.errors import ConfigError, DataError, PalateError
from palate.core.paths import beside, whole_path

if TYPE_CHECKING:
    from palate.core.dataset import Dataset
    from palate.pipeline.config import Config
    from palate.pipeline.pipeline import Pipeline


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"palate {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Say which.")
    ] = False,
) -> None:
    """Options of every command; what it says is the help of `app`."""


@app.command()
def demo(
    out: Annotated[
        Path, typer.Option(help="Where model and report go.", callback=from_home)
    ] = Path("palate-demo"),
) -> None:
    """MovieLens-100K from tables to recommendations, with a report.

    Example: `palate demo`
    """
    from palate.cli.console import console
    from palate.cli.demo import run_demo

    run_demo(out, console)


@app.command()
def check(config: ConfigFile, drop_unknown: DropUnknown = False) -> None:
    """Read a pipeline file and its data, say what was taken for what, fit nothing.

    Example: `palate check films.toml`
    """
    from palate.cli.console import console
    from palate.pipeline.config import read_config
    from palate.pipeline.preview import preview

    for line in preview(read_config(config), drop_unknown=drop_unknown):
        console.print(line, markup=False, soft_wrap=True)
    console.print(f"\n{config} is fine", markup=False, soft_wrap=True)


@app.command()
def fit(
    config: ConfigFile,
    out: Annotated[
        Path,
        typer.Option(metavar="DIR", help="The model folder to write.", callback=from_home),
    ],
    everything: Annotated[
        bool, typer.Option("--all", help="Learn from all events: to go live, not to evaluate.")
    ] = False,
    drop_unknown: DropUnknown = False,
) -> None:
    """Fit a pipeline on the training part of its data and save it as one folder.

    Example: `palate fit films.toml --out model`
    """
    from palate.cli.console import console, shown_progress
    from palate.pipeline.artefact import check_place, save_pipeline
    from palate.pipeline.config import read_config

    settings = read_config(config)
    check_place(out)
    data = _read(settings, drop_unknown)
    train = data if everything else settings.cut(data).train
    with shown_progress():
        model = _fitted(settings, train)
    whole = whole_path(str(config), Path.cwd())
    origin = {
        "config": str(whole),
        "beside": beside(whole, out),
        "all": everything,
        "drop_unknown": drop_unknown,
    }
    save_pipeline(model, out, origin=origin)
    said = f"fitted on {len(train.interactions):,} events; saved in {out}"
    console.print(said, markup=False, soft_wrap=True)
    for line in getattr(model.recommender_, "chosen_", []):
        console.print(f"chosen for {line}", markup=False, soft_wrap=True)


@app.command()
def evaluate(model: ModelFolder, allow: Allow = None, json_file: JsonFile = None) -> None:
    """Evaluate a fitted model on the part of its data that it has not seen.

    Example: `palate evaluate model`
    """
    from palate.cli.console import console, shown_progress, write_json
    from palate.evaluation.compare import compare
    from palate.pipeline.artefact import read_fit
    from palate.pipeline.config import read_config
    from palate.pipeline.pipeline import load

    origin = read_fit(model)
    if origin is None:
        raise ConfigError(f"{model} was not made by `palate fit`: use palate.evaluate in Python")
    if origin.everything:
        raise ConfigError(f"{model} learnt from all events (--all): nothing is left to evaluate on")
    settings = read_config(origin.config, components=False)  # the model brings its own
    fitted = load(model, allow=allow or ())
    split = settings.cut(settings.read(drop_unknown=origin.drop_unknown)[0])
    same_items = fitted.data_.items.equals(split.train.items)
    if not (same_items and fitted.data_.interactions.equals(split.train.interactions)):
        cut = f"the data or the [split] of {origin.config}"
        raise DataError(f"{cut} changed since {model} was fitted: fit again")
    with shown_progress(), settings.spoken():
        comparison = compare({settings.name: fitted}, split)
    console.print(comparison.render())
    write_json(json_file, comparison.to_json())


@app.command()
def recommend(
    model: ModelFolder,
    user: Annotated[str | None, typer.Option(help="The id of a known person.")] = None,
    history: Annotated[
        list[str] | None,
        typer.Option(metavar='"a,b"', help="Item ids, oldest first (repeatable; or a JSON list)."),
    ] = None,
    text: Annotated[str | None, typer.Option(help="A wish in words.")] = None,
    k: Annotated[int, typer.Option("-k", min=1, help="How many.")] = 10,
    allow: Allow = None,
    json_file: JsonFile = None,
) -> None:
    """Recommend to a known person, for a history of items, or for a wish in words.

    Ids with commas or outer blanks: `--history` once for each, or `--history '["a,b", " c"]'`.

    Example: `palate recommend model --history "50,183" -k 5`
    """
    from palate.cli.console import console, recommendations_table, records, write_json
    from palate.pipeline.explain.sentences import titles_of
    from palate.pipeline.pipeline import load

    if user is None and not history and text is None:
        raise DataError('nobody asks: give --user ID, --history "a,b" or --text "a wish"')
    items, users = history_items(history), None if user is None else [user]
    fitted = load(model, allow=allow or ())
    found = fitted.recommend(users, history=items, text=text, k=k, reasons=True)
    catalogue = fitted.data_.items
    titles = dict(zip(catalogue["item_id"], titles_of(catalogue), strict=True))
    console.print(recommendations_table(found, titles))
    write_json(json_file, records(found, titles))


@app.command()
def compare(
    configs: Annotated[list[Path], typer.Argument(metavar="CONFIG", help="Pipeline files.")],
    ablate: Annotated[
        bool, typer.Option("--ablate", help="What each block of one pipeline is worth.")
    ] = False,
    json_file: JsonFile = None,
    drop_unknown: DropUnknown = False,
) -> None:
    """Fit several pipelines on the split of the first, or one without each of its blocks.

    All are checked before the first is fitted; one that cannot be fitted is told below the table.

    Example: `palate compare ranker.toml ease.toml --json figures.json`
    """
    from palate.cli.console import console, shown_progress, write_json
    from palate.evaluation.ablation import ablate as take_apart
    from palate.evaluation.compare import compare as compare_models
    from palate.evaluation.compare import unless_refused
    from palate.pipeline.config import check_comparable, read_config
    from palate.pipeline.preview import check_fit

    if ablate and len(configs) > 1:
        raise ConfigError("--ablate takes one pipeline file: it is fitted without each block")
    settings = [read_config(path) for path in configs]
    check_comparable(settings)
    names = [setting.name for setting in settings]
    split = settings[0].cut(_read(settings[0], drop_unknown))
    for setting in settings:
        check_fit(setting, split.train)
    with shown_progress():
        if ablate:
            with settings[0].spoken():
                worth = take_apart(settings[0], split)
            table, figures = worth.render(), worth.to_json()
        else:
            models = {
                setting.name: unless_refused(partial(_fitted, setting, split.train))
                for setting in settings
            }
            first = names[0] if len(names) > 1 else None
            comparison = compare_models(models, split, reference=first)
            table, figures = comparison.render(), comparison.to_json()
    console.print(table)
    write_json(json_file, figures)


def _fitted(settings: Config, train: Dataset) -> Pipeline:
    with settings.spoken():
        return settings.pipeline().fit(train)


def _read(settings: Config, drop_unknown: bool) -> Dataset:
    """The data, with what was taken for what, and what was dropped, on standard error."""
    from palate.cli.console import errors
    from palate.pipeline.dialect import in_toml

    data, notes = settings.read(drop_unknown=drop_unknown)
    for line in notes.lines(in_toml):
        errors.print(line, markup=False, soft_wrap=True, style="dim")
    return data


register(app)


def main() -> None:
    """Runs the command line: palate's own errors are one message and exit code 1."""
    # OpenMP threads that spin while they wait slow everything down: said before a library loads it
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    forgive_streams()
    from palate.cli.console import errors, shown_warnings

    try:
        with shown_warnings():
            app()
    except (Stopped, KeyboardInterrupt):
        errors.print("stopped; what was saved before is as it was")
        sys.exit(130)
    except PalateError as error:
        errors.print("[bold red]error:[/bold red]", end=" ")
        errors.print(str(error), markup=False, soft_wrap=True)
        sys.exit(1)
    except Exception as error:
        if os.environ.get("PALATE_DEBUG"):
            raise
        errors.print(
            f"error: {type(error).__name__}: {error}\nThis is a fault of palate, not yours: please "
            f"report it with the output of the same command after PALATE_DEBUG=1.",
            markup=False,
        )
        sys.exit(70)
