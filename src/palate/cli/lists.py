"""Lists at the command line: what may stand in them, everybody's in a file, items like an item."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from palate.cli import options
from palate.cli.options import Allow, JsonFile, ModelFolder, listed_ids
from palate.core.errors import DataError

if TYPE_CHECKING:
    from palate.core.types import Recommendations
    from palate.pipeline.pipeline import Pipeline

Where = Annotated[
    str | None,
    typer.Option(metavar="CONDITION", help="Only items that fit, as year > 1990."),
]
Candidates = Annotated[
    list[str] | None,
    typer.Option("--candidate", metavar='"a,b"', help="Only these items (repeatable)."),
]
Exclude = Annotated[
    list[str] | None, typer.Option(metavar='"a,b"', help="Never these items (repeatable).")
]
SkipUnknown = Annotated[
    bool, typer.Option("--skip-unknown", help="Leave unknown ids out, with a warning.")
]
Everybody = Annotated[bool, typer.Option("--all", help="To everybody; needs --out.")]
ListsFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Write the lists: .parquet, .csv or .jsonl.",
        callback=lambda path: None if path is None else options.from_home(path),
    ),
]


def filters_of(
    where: str | None, candidates: list[str] | None, exclude: list[str] | None
) -> dict[str, Any]:
    """The filters that were given, as `Pipeline.recommend` takes them."""
    found: dict[str, Any] = {
        "where": where,
        "candidates": listed_ids(candidates, "--candidate"),
        "exclude": listed_ids(exclude, "--exclude"),
    }
    return {name: value for name, value in found.items() if value is not None}


def check_writes(everybody: bool, out: Path | None, asked: dict[str, Any]) -> None:
    """Raises `DataError` for --all without a file, and for a file of what is no known people's."""
    if everybody and any(asked.values()):
        raise DataError("--all asks for everybody: leave --user, --history and --text out")
    if everybody and out is None:
        raise DataError("--all needs a file for its lists: give --out lists.parquet")
    if out is not None and (asked["--history"] or asked["--text"] is not None):
        raise DataError("--out is for known people, --all or --user: use --json for other lists")


def write_lists(
    fitted: Pipeline, out: Path, users: list[str] | None, *, k: int, skip: bool, **filters: Any
) -> None:
    """Everybody's lists, or those of some, with progress."""
    from palate.cli.console import console, shown_progress

    unknown: Literal["raise", "skip"] = "skip" if skip else "raise"
    with shown_progress():
        written = fitted.write_recommendations(out, users, k=k, unknown=unknown, **filters)
    console.print(str(written), markup=False, soft_wrap=True)


def known_as(fitted: Pipeline, users: list[str] | None, key_file: Path | None) -> list[str] | None:
    """What a model knows people by: their ids, or pseudonyms by the key in a file.

    Raises `ConfigError` for another key than the model's.
    """
    if key_file is None:
        return users
    from palate.data.pseudonyms import check_same_key, pseudonym, read_key

    key = read_key(key_file)
    check_same_key(fitted.data_, key)
    return None if users is None else [pseudonym(name, key) for name in users]


def show_lists(
    fitted: Pipeline, found: Recommendations, users: list[str] | None, asked: list[str] | None
) -> None:
    """One table, or one for each of several `users`, who were `asked` for by these ids."""
    from palate.cli.console import console, recommendations_table
    from palate.core.columns import USER
    from palate.core.types import Recommendations as Lists

    titles = titles_in(fitted)
    several = users if users is not None and len(users) > 1 else None
    if several is None:
        console.print(recommendations_table(found, titles))
    for name, called in dict(zip(several or (), asked or (), strict=False)).items():
        if name in found.skipped:
            continue
        part = found.table.filter(found.table[USER] == name)
        console.print(recommendations_table(Lists(part), titles, caption=f"for {called}"))


def titles_in(fitted: Pipeline) -> dict[str, str]:
    """What items are called, by their ids."""
    from palate.core.columns import ITEM
    from palate.pipeline.explain.sentences import titles_of

    catalogue = fitted.data_.items
    return dict(zip(catalogue[ITEM], titles_of(catalogue), strict=True))


def similar(
    model: ModelFolder,
    items: Annotated[list[str], typer.Argument(metavar="ITEM…", help="Ids of items.")],
    by: Annotated[
        Literal["both", "content", "behaviour"],
        typer.Option(help="What they say, who chose them, or both."),
    ] = "both",
    k: Annotated[int, typer.Option("-k", min=1, help="How many.")] = 10,
    where: Where = None,
    candidates: Candidates = None,
    exclude: Exclude = None,
    skip_unknown: SkipUnknown = False,
    allow: Allow = None,
    json_file: JsonFile = None,
) -> None:
    """Show the items most like an item, and why.

    Example: `palate similar model 50 -k 5`
    """
    from palate.cli.console import console, recommendations_table, write_json
    from palate.core.columns import ITEM, SIMILAR
    from palate.core.types import Recommendations as Lists
    from palate.pipeline.dialect import speaking_options
    from palate.pipeline.pipeline import load

    fitted = load(model, allow=allow or ())
    with speaking_options(options.names_of(similar)):
        filters = filters_of(where, candidates, exclude)
        unknown: Literal["raise", "skip"] = "skip" if skip_unknown else "raise"
        listed = fitted.similar(items, k, by=by, reasons=True, unknown=unknown, **filters)
    found, titles = listed.table, titles_in(fitted)
    for name in dict.fromkeys(name for name in items if name not in listed.skipped):
        part = found.filter(found[ITEM] == name).drop(ITEM).rename({SIMILAR: ITEM})
        caption = f"like {titles.get(name, name)}"
        console.print(recommendations_table(Lists(part), titles, caption=caption))
    write_json(json_file, [{**line, "title": titles[line[SIMILAR]]} for line in found.to_dicts()])


def register(app: typer.Typer) -> None:
    """Adds these commands."""
    app.command()(similar)
