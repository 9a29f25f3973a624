"""What the command line checks in its options before any work, and how it is stopped."""

from __future__ import annotations

import inspect
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin

import typer
from typer.core import TyperGroup
from typer.models import OptionInfo

from palate.core.errors import ConfigError, DataError
from palate.core.files import NO_ROOM
from palate.core.paths import check_writable
from palate.core.visible import quoted, shorten

if TYPE_CHECKING:
    from palate.pipeline.config import Config

ConfigFile = Annotated[Path, typer.Argument(metavar="CONFIG", help="A pipeline file (TOML).")]
ModelFolder = Annotated[Path, typer.Argument(metavar="DIR", help="A folder that `fit` wrote.")]
STDOUT = Path("-")
DropUnknown = Annotated[
    bool, typer.Option("--drop-unknown", help="Drop events whose item is not in the catalogue.")
]


class Stopped(Exception):
    """Ctrl-C during a command."""


class Commands(TyperGroup):
    """The commands; Ctrl-C in one raises `Stopped`, whatever version of typer is installed."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as error:
            raise Stopped from error


def names_of(command: Callable[..., Any]) -> dict[str, str]:
    """The options of a command by what Python calls them; repeatable ones are plurals there."""
    found: dict[str, str] = {}
    for name, parameter in inspect.signature(command, eval_str=True).parameters.items():
        kind = get_args(parameter.annotation)
        for info in (part for part in kind if isinstance(part, OptionInfo)):
            declared = [
                info.default,
                *(info.param_decls or ()),
                f"--{name.replace('_', '-')}",
            ]
            option = next(one for one in map(str, declared) if one.startswith("--"))
            many = any(get_origin(part) is list for part in (kind[0], *get_args(kind[0])))
            python = option.removeprefix("--").replace("-", "_")
            found[f"{python}s" if many else python] = option
    return found


def forgive_streams() -> None:
    """A terminal without "→" gets a "?"."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def said_of_room(error: Exception) -> str | None:
    """What to say where the disk is full behind what is printed, as in `palate … > file`."""
    if not isinstance(error, OSError) or error.errno not in NO_ROOM or error.filename is not None:
        return None
    return f"error: what was to be printed could not be written ({error.strerror}): make room"


def from_home(path: Path) -> Path:
    """The path with the home folder for "~", which shells leave in `--out=~/model`."""
    try:
        return path.expanduser()
    except RuntimeError:  # somebody who has no home
        return path


def json_place(context: typer.Context, path: Path | None) -> Path | None:
    """The file, once it can be written there: hours of work must not end in an error.

    "-" is standard output, which is then left to the JSON: all else goes to standard error.
    """
    if path == STDOUT:
        from palate.cli.console import console

        console.stderr = True
        context.call_on_close(lambda: setattr(console, "stderr", False))
    elif path is not None:
        path = from_home(path)
        try:
            _check_place(path)
        except OSError as error:
            raise DataError(f"{path} could not be written: {error.strerror}") from error
    return path


def _check_place(path: Path) -> None:
    if path.is_dir():
        raise DataError(f"{path} is a folder: name a file, such as {path / 'figures.json'}")
    if path.exists() and not path.is_file():
        return  # a pipe or a terminal
    check_writable(path, DataError)


def allowed(names: list[str] | None) -> list[str]:
    """The classes that a model folder may import, each as MODULE:CLASS."""
    for name in names or ():
        module, _, class_name = name.partition(":")
        if not (module and class_name):
            raise ConfigError(
                f"--allow {quoted(name)} names no class: write MODULE:CLASS, such as my_module:Mine"
            )
    return names or []


def wanted_metrics(settings: Config, metrics: str | None, ks: str | None) -> dict[str, Any]:
    """What is measured: by the options, else as the file says; checked before any work."""
    from palate.evaluation.compare import SHOWN_METRICS
    from palate.evaluation.metrics.ranking import metric_names
    from palate.pipeline.dialect import speaking_toml

    found = {"metrics": list(SHOWN_METRICS), "ks": [10], **settings.evaluation.settings()}
    if metrics is not None:
        found["metrics"] = [name.strip() for name in metrics.split(",") if name.strip()]
    if ks is not None:
        try:
            found["ks"] = [int(k) for k in ks.split(",")]
        except ValueError as error:
            raise ConfigError(f"--ks {quoted(ks)} are no numbers: write --ks 5,10") from error
    with speaking_toml() if metrics or ks else settings.spoken():
        metric_names(found["metrics"], found["ks"])
    return found


def history_items(given: list[str] | None) -> list[str] | None:
    """The ids of "a,b", of a JSON list, or of an option that is given again for each id.

    Only the first of them splits at commas and strips blanks. `DataError` where there are no ids.
    """
    items = listed_ids(given, "--history")
    if items == []:
        raise DataError('--history holds no item: give ids, as --history "a,b", or leave it out')
    return items


def listed_ids(given: list[str] | None, option: str) -> list[str] | None:
    """The ids of an option, written as those of `history_items`; None where it is not given."""
    if not given:
        return None
    items: list[str] = []
    for value in given:
        listed = _json_list(value, option)
        if listed is not None:
            items += listed
        elif len(given) > 1:
            items.append(value)
        else:
            items += [name.strip() for name in value.split(",")]
    return [name for name in items if name]


def profile_of(given: list[str] | None) -> dict[str, Any] | None:
    """Column → value, of "COLUMN=VALUE" given for each, or of a JSON object.

    `DataError` for what is neither, and for a column that is said twice.
    """
    said: dict[str, Any] = {}
    for value in given or ():
        if value.lstrip().startswith("{"):
            pairs = _json_object(value)
        else:
            name, mark, rest = value.partition("=")
            if not (mark and name.strip()):
                raise DataError(
                    f"--profile {quoted(value)} says nothing of a column: write COLUMN=VALUE, as "
                    "in --profile age=31"
                )
            pairs = {name.strip(): rest}
        if twice := sorted(pairs.keys() & said.keys()):
            raise DataError(f"--profile says {quoted(twice[0])} twice: say it once")
        said |= pairs
    return said or None


def _json_object(value: str) -> dict[str, Any]:
    try:
        found = json.loads(value)
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"--profile {shorten(value)} is no JSON: write '{{\"age\": 31}}', or age=31"
        ) from error
    return dict(found)


def _json_list(value: str, option: str) -> list[str] | None:
    """The ids of a JSON list, numbers as they are written; None for what is none."""
    begun = value.strip()
    if begun.endswith(".json") and Path(begun).is_file():
        raise DataError(f'{option} {shorten(begun)} is a file: give what it holds, as ["a", "b"]')
    if not begun.startswith(("[", '{"')):
        return None
    try:
        found = json.loads(value, parse_int=str, parse_float=str)
    except (ValueError, RecursionError) as error:
        if begun.startswith(('["', "['", '{"')) or (begun.endswith("]") and "," in begun):
            reason = f" ({error})" if isinstance(error, ValueError) else ""
            raise DataError(
                f'{option} {shorten(begun)} is no JSON list{reason}: write \'["a", "b"]\', or "a,b"'
            ) from error
        return None
    if not isinstance(found, list) or not all(isinstance(name, str) for name in found):
        raise DataError(f'{option} {shorten(value)} holds more than ids: write ["a", "b"]')
    return found


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help="A catalogue and what people did → language-model features → recommendations.",
)

JsonFile = Annotated[
    Path | None,
    typer.Option(
        "--json", metavar="F", help='Write it as JSON; "-" prints it.', callback=json_place
    ),
]
Metrics = Annotated[
    str | None,
    typer.Option(metavar="A,B", help="What to measure, as precision,recall,f1,ndcg,hit_rate."),
]
Places = Annotated[
    str | None, typer.Option("--ks", metavar="K,K", help="To which places; 10 if not given.")
]
Allow = Annotated[
    list[str] | None,
    typer.Option(metavar="MODULE:CLASS", help="Code that DIR may run.", callback=allowed),
]
KeyFile = Annotated[
    Path | None,
    typer.Option(
        metavar="KEYFILE",
        help="A file with the key of people's pseudonyms.",
        callback=lambda path: None if path is None else from_home(path),
    ),
]
