"""The command line: `palate demo`, `check`, `fit`, `evaluate`, `recommend`, `compare`, …"""

from __future__ import annotations

import os
import sys
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from palate import __version__
from palate.cli import items as catalogue
from palate.cli import lists, models, saved, values
from palate.cli.options import (
    Allow,
    ConfigFile,
    DropUnknown,
    JsonFile,
    KeyFile,
    Metrics,
    ModelFolder,
    Places,
    Stopped,
    app,
    forgive_streams,
    from_home,
    history_items,
    names_of,
    profile_of,
    said_of_room,
    wanted_metrics,
)
from palate.core.component import is_fitted
from palate.core.errors import ArtefactError, ConfigError, DataError, PalateError
from palate.core.paths import beside, whole_path
from palate.core.visible import counted

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
def check(
    config: ConfigFile, drop_unknown: DropUnknown = False, pseudonyms: KeyFile = None
) -> None:
    """Read a pipeline file and its data, say what was taken for what, fit nothing.

    Example: `palate check films.toml`
    """
    from palate.cli.console import console
    from palate.pipeline.config import read_config
    from palate.pipeline.preview import preview

    settings = read_config(config).with_key(pseudonyms)
    wanted_metrics(settings, None, None)
    for line in preview(settings, drop_unknown=drop_unknown):
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
    measure: Annotated[
        bool, typer.Option("--evaluate", help="Measure it too, and keep the figures in its card.")
    ] = False,
    keep: Annotated[
        int, typer.Option(min=0, metavar="N", help="Older versions that stay in the folder.")
    ] = saved.KEPT,
    kept_in: Annotated[
        Path | None,
        typer.Option(
            "--checkpoints",
            metavar="DIR",
            help="Networks keep here where they stand: a killed fit, started again, goes on.",
            callback=lambda path: path and from_home(path),
        ),
    ] = None,
    drop_unknown: DropUnknown = False,
    pseudonyms: KeyFile = None,
) -> None:
    """Fit a pipeline on the training part of its data and save it as one folder.

    What the folder held stays there as an older version: see `palate show`, `palate rollback`.

    Example: `palate fit films.toml --out model`
    """
    from palate.cli.console import console, shown_progress
    from palate.evaluation.compare import compare
    from palate.nn.checkpoints import checkpoints
    from palate.pipeline.artefact import check_older, check_place, save_pipeline
    from palate.pipeline.config import read_config

    if everything and measure:
        raise ConfigError("--all learns from all events: nothing is left to --evaluate on")
    settings = read_config(config).with_key(pseudonyms)
    check_place(out)
    data = _read(settings, drop_unknown)
    check_older(out, data, keep)
    split = None if everything else settings.cut(data)
    train = data if split is None else split.train
    with shown_progress():
        with nullcontext() if kept_in is None else checkpoints(kept_in):
            model = _fitted(settings, train)
        measured = compare({settings.name: model}, split) if measure and split else None
    whole = whole_path(str(config), Path.cwd())
    origin = {
        "config": str(whole),
        "beside": beside(whole, out),
        "all": everything,
        "drop_unknown": drop_unknown,
    }
    save_pipeline(model, out, origin=origin, figures=measured, keep=keep)
    if measured is not None:
        console.print(measured.render())
    said = f"fitted on {counted(len(train.events), 'event')}; saved in {out}"
    console.print(said, markup=False, soft_wrap=True)
    for whose, transforms in (("", model.transforms_), ("users: ", model.user_transforms_)):
        for transform in filter(is_fitted, transforms):
            for line in getattr(transform, "chosen_", []):
                console.print(f"{whose}{line}", markup=False, soft_wrap=True)
    for line in getattr(model.recommender_, "chosen_", []):
        console.print(f"chosen for {line}", markup=False, soft_wrap=True)


@app.command()
def evaluate(
    model: ModelFolder,
    metrics: Metrics = None,
    ks: Places = None,
    allow: Allow = None,
    json_file: JsonFile = None,
    pseudonyms: KeyFile = None,
) -> None:
    """Evaluate a fitted model on the part of its data that it has not seen.

    The figures go into the model's card, which `palate show` prints.

    Example: `palate evaluate model --metrics precision,recall,f1`
    """
    from palate.cli.console import console, errors, shown_progress, write_json
    from palate.evaluation.compare import compare
    from palate.pipeline.saved import attach_figures

    settings, fitted, split = saved.unseen_part(model, allow, pseudonyms)
    wanted = wanted_metrics(settings, metrics, ks)
    with shown_progress(), settings.spoken():
        comparison = compare({settings.name: fitted}, split, **wanted)
    console.print(comparison.render())
    write_json(json_file, comparison.to_json())
    try:
        attach_figures(model, comparison)
    except ArtefactError as error:  # a folder to read alone
        errors.print(f"its card stays as it was: {error}", markup=False, soft_wrap=True)


@app.command()
def recommend(
    model: ModelFolder,
    user: Annotated[
        list[str] | None, typer.Option(help="The id of a known person (repeatable).")
    ] = None,
    history: Annotated[
        list[str] | None,
        typer.Option(metavar='"a,b"', help="Item ids, oldest first (repeatable; or a JSON list)."),
    ] = None,
    text: Annotated[str | None, typer.Option(help="A wish in words.")] = None,
    profile: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN=VALUE", help="What is known of who asks (repeatable; or JSON)."
        ),
    ] = None,
    everybody: lists.Everybody = False,
    out: lists.ListsFile = None,
    k: Annotated[int, typer.Option("-k", min=1, help="How many.")] = 10,
    where: lists.Where = None,
    candidates: lists.Candidates = None,
    exclude: lists.Exclude = None,
    skip_unknown: lists.SkipUnknown = False,
    allow: Allow = None,
    json_file: JsonFile = None,
    pseudonyms: KeyFile = None,
) -> None:
    """Recommend to known people, for a history of items, a wish in words or a profile.

    Ids with commas or outer blanks: `--history` once for each, or `--history '["a,b", " c"]'`.

    Example: `palate recommend model --history "50,183" -k 5`
    """
    from palate.cli.console import records, write_json
    from palate.pipeline.dialect import speaking_options
    from palate.pipeline.pipeline import load

    asked = {"--user": user, "--history": history, "--text": text, "--profile": profile}
    lists.check_writes(everybody, out, asked)
    if not everybody and not user and not history and text is None and not profile:
        raise DataError(
            'nobody asks: give --user ID, --history "a,b", --text "a wish", or --profile with what '
            "is known of somebody"
        )
    items, users, said = history_items(history), user or None, profile_of(profile)
    fitted = load(model, allow=allow or ())
    with speaking_options(names_of(recommend) | {"user_ids": "--user"}):
        users = lists.known_as(fitted, users, pseudonyms)
        filters = lists.filters_of(where, candidates, exclude)
        if out is not None:
            lists.write_lists(fitted, out, users, k=k, skip=skip_unknown, **filters)
            return
        unknown: Literal["raise", "skip"] = "skip" if skip_unknown else "raise"
        found = fitted.recommend(
            users,
            history=items,
            text=text,
            profile=said,
            k=k,
            reasons=True,
            unknown=unknown,
            **filters,
        )
    lists.show_lists(fitted, found, users, user)
    write_json(json_file, records(found, lists.titles_in(fitted)))


@app.command()
def compare(
    configs: Annotated[list[Path], typer.Argument(metavar="CONFIG", help="Pipeline files.")],
    ablate: Annotated[
        bool, typer.Option("--ablate", help="What each block of one pipeline is worth.")
    ] = False,
    metrics: Metrics = None,
    ks: Places = None,
    json_file: JsonFile = None,
    drop_unknown: DropUnknown = False,
    pseudonyms: KeyFile = None,
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
    settings = [read_config(path).with_key(pseudonyms) for path in configs]
    check_comparable(settings)
    names = [setting.name for setting in settings]
    wanted = wanted_metrics(settings[0], metrics, ks)
    split = settings[0].cut(_read(settings[0], drop_unknown))
    for setting in settings:
        check_fit(setting, split.train)
    with shown_progress():
        if ablate:
            with settings[0].spoken():
                worth = take_apart(settings[0], split, **wanted)
            table, figures = worth.render(), worth.to_json()
        else:
            models = {
                setting.name: unless_refused(partial(_fitted, setting, split.train))
                for setting in settings
            }
            first = names[0] if len(names) > 1 else None
            comparison = compare_models(models, split, reference=first, **wanted)
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


lists.register(app)
models.register(app)
saved.register(app)
catalogue.register(app)
values.register(app)


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
    except SystemExit as left:
        if left.code == 130:  # typer says nothing of a ctrl-C before and after a command
            errors.print("stopped; what was saved before is as it was")
        raise
    except PalateError as error:
        errors.print("[bold red]error:[/bold red]", end=" ")
        errors.print(str(error), markup=False, soft_wrap=True)
        sys.exit(1)
    except Exception as error:
        if os.environ.get("PALATE_DEBUG"):
            raise
        if (no_room := said_of_room(error)) is not None:
            errors.print(no_room, markup=False, soft_wrap=True)
            sys.exit(1)
        errors.print(
            f"error: {type(error).__name__}: {error}\nThis is a fault of palate, not yours: please "
            f"report it with the output of the same command after PALATE_DEBUG=1.",
            markup=False,
        )
        sys.exit(70)
