"""`palate predict`: what somebody would give an item, by a saved model."""

from __future__ import annotations

import json
from numbers import Real
from typing import Annotated, Any

import typer

from palate.cli import lists
from palate.cli.options import Allow, JsonFile, KeyFile, ModelFolder, names_of, profile_of
from palate.core.errors import DataError
from palate.core.visible import shorten

_EXAMPLE = '\'{"50": 5, "183": 2}\''


def predict(
    model: ModelFolder,
    items: Annotated[list[str], typer.Argument(metavar="ITEM…", help="Ids of items.")],
    user: Annotated[
        list[str] | None, typer.Option(help="The id of a known person (repeatable).")
    ] = None,
    history: Annotated[
        str | None,
        typer.Option(metavar="JSON", help="What somebody gave to what, oldest first."),
    ] = None,
    profile: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN=VALUE", help="What is known of who asks (repeatable; or JSON)."
        ),
    ] = None,
    allow: Allow = None,
    json_file: JsonFile = None,
    pseudonyms: KeyFile = None,
) -> None:
    """Predict what people would give items: a rating, minutes, an amount, as the data have it.

    Example: `palate predict model 50 183 --user 42`
    """
    from palate.cli.console import write_json
    from palate.core.columns import ITEM, VALUE
    from palate.pipeline.dialect import speaking_options
    from palate.pipeline.pipeline import load

    given, said = _given(history), profile_of(profile)
    if not user and given is None and said is None:
        raise DataError(f"nobody asks: give --user ID, --history {_EXAMPLE}, or --profile")
    fitted = load(model, allow=allow or ())
    with speaking_options(names_of(predict) | {"user_ids": "--user"}):
        people: list[str | None] = list(lists.known_as(fitted, user or None, pseudonyms) or ())
        found = [
            fitted.predict(None if name is None else [name], items, history=given, profile=said)
            for name in people or [None]
        ]
    titles, lines = lists.titles_in(fitted), []
    asked: list[str | None] = list(user or ())
    for name, values in zip(asked or [None], found, strict=True):
        for item, value in zip(items, values.tolist(), strict=True):
            who = {} if name is None else {"user_id": name}
            lines.append({**who, ITEM: item, VALUE: value, "title": titles[item]})
    _show(lines)
    write_json(json_file, lines)


def _show(lines: list[dict[str, Any]]) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from palate.cli.console import console

    table = Table(box=box.SIMPLE_HEAD)
    asked = "user_id" in lines[0]
    for heading in (*(("person",) if asked else ()), "item", "title"):
        table.add_column(heading, overflow="fold")
    table.add_column("value", justify="right")
    for line in lines:
        texts = [line["user_id"]] if asked else []
        texts += [line["item_id"], line["title"] or ""]
        table.add_row(*(Text(shorten(text)) for text in texts), f"{line['value']:.2f}")
    console.print(table)


def _given(history: str | None) -> dict[str, float] | None:
    """Item → value, of a JSON object; `DataError` for what is none."""
    if history is None:
        return None
    try:
        found = json.loads(history)
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"--history {shorten(history)} is no JSON: write --history {_EXAMPLE}"
        ) from error
    numbers = isinstance(found, dict) and all(
        isinstance(value, Real) and not isinstance(value, bool) for value in found.values()
    )
    if not numbers:
        raise DataError(
            f"--history {shorten(history)} does not say what was given to what: write "
            f"--history {_EXAMPLE}"
        )
    return {str(item): float(value) for item, value in found.items()}


def register(app: typer.Typer) -> None:
    """Adds this command."""
    app.command()(predict)
