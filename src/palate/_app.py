"""The command line's app, and the arguments that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from palate import _options

app = typer.Typer(
    cls=_options.Commands,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help="A catalogue and what people did → language-model features → recommendations.",
)

ConfigFile = Annotated[Path, typer.Argument(metavar="CONFIG", help="A pipeline file (TOML).")]
ModelFolder = Annotated[Path, typer.Argument(metavar="DIR", help="A folder that `fit` wrote.")]
JsonFile = Annotated[
    Path | None,
    typer.Option("--json", metavar="F", help="Write the figures.", callback=_options.json_place),
]
Allow = Annotated[
    list[str] | None,
    typer.Option(metavar="MODULE:CLASS", help="Code that DIR may run.", callback=_options.allowed),
]
DropUnknown = Annotated[
    bool, typer.Option("--drop-unknown", help="Drop events whose item is not in the catalogue.")
]
