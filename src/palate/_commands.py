"""Commands about models and whole catalogues: `list`, `encode`, `distill`, `bench`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from palate._app import JsonFile
from palate.errors import ConfigError, did_you_mean

MODELS = "models"

Template = Annotated[str | None, typer.Option(help='What an item says: "{title}. {genres}".')]
Table = Annotated[
    Path, typer.Argument(metavar="TABLE", help="Parquet, CSV or JSON lines: a file, or a folder.")
]
EncoderName = Annotated[
    str, typer.Option(metavar="NAME[:key=value,…]", help="A text encoder, with its settings.")
]
Precision = Annotated[
    Literal["float32", "float16", "int8"], typer.Option(help="Of the numbers in the files.")
]
Workers = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="Of the cluster; by default all it has.")
]


def list_components(
    stage: Annotated[
        str | None,
        typer.Argument(help="encoders, recommenders, …, or models; all stages if not given."),
    ] = None,
) -> None:
    """What can stand behind `use`, and what it does; or which pretrained models there are.

    Example: `palate list recommenders`
    """
    from palate import registry
    from palate.console import components_table, console

    if stage == MODELS:
        from palate.encoders._catalogue_of_models import models_table

        console.print(models_table())
        return
    known = (*registry.STAGES, MODELS)
    if stage is not None and stage not in known:
        raise ConfigError(f"no stage is called {stage!r}.{did_you_mean(stage, known)}")
    for shown in registry.STAGES if stage is None else (stage,):
        console.print(components_table(shown))


def bench(
    published_format: Annotated[
        Literal["sequence", "minionerec", "unisrec"], typer.Argument(metavar="FORMAT")
    ],
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder in that format.")],
    refit: Annotated[
        bool, typer.Option("--refit", help="Learn from validation events too.")
    ] = False,
    encoder: Annotated[
        str | None, typer.Option(help="Text encoder; the best installed if not given.")
    ] = None,
    mask: Annotated[
        bool | None, typer.Option("--mask/--no-mask", help="Hide what the history holds.")
    ] = None,
    recommender: Annotated[
        list[str] | None, typer.Option("--recommender", help="Only this row (repeatable).")
    ] = None,
    json_file: JsonFile = None,
) -> None:
    """Run published benchmarks: their split, their protocol, their figures beside ours.

    Example: `palate bench sequence data/beauty --json beauty.json`
    """
    from palate.bench.run import run_bench
    from palate.console import console, shown_progress, write_json

    with shown_progress():
        result = run_bench(
            published_format,
            folder,
            refit=refit,
            encoder=encoder,
            mask=mask,
            recommenders=recommender,
        )
    console.print(result.render())
    write_json(json_file, result.to_json())


def encode(
    table: Table,
    encoder: EncoderName,
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="The folder of vectors to write, or to go on with.")
    ],
    engine: Annotated[
        Literal["local", "ray"], typer.Option(help="This process, or a Ray cluster.")
    ] = "local",
    template: Template = None,
    column: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="In its place: columns (repeatable)."),
    ] = None,
    id_column: Annotated[
        str | None, typer.Option("--id", metavar="NAME", help="The column of ids.")
    ] = None,
    precision: Precision = "float32",
    partition_rows: Annotated[
        int, typer.Option(min=1, metavar="N", help="Rows of a file, and of memory.")
    ] = 65_536,
    on_error: Annotated[
        Literal["raise", "skip"], typer.Option(help="Stop at a bad row, or leave it out.")
    ] = "raise",
    workers: Workers = None,
    json_file: JsonFile = None,
) -> None:
    """Encode a table that need not fit in memory into Parquet files of vectors.

    Example: `palate encode films.parquet --encoder use --out vectors`
    """
    from palate.console import console, shown_progress, write_json
    from palate.scale.job import encode_table

    with shown_progress():
        report = encode_table(
            table,
            encoder,
            out,
            engine=engine,
            id=id_column,
            template=template,
            columns=column,
            precision=precision,
            partition_rows=partition_rows,
            on_error=on_error,
            workers=workers,
        )
    console.print(report.render(), markup=False, soft_wrap=True)
    write_json(json_file, report.to_json())


def distill(
    source: Annotated[
        Path, typer.Argument(metavar="SOURCE", help="A pipeline file, or a table of items.")
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="The folder of the encoder to write.")],
    model: Annotated[
        str, typer.Option(metavar="NAME", help="The teacher: a transformer, packaged or not.")
    ] = "minilm",
    dim: Annotated[int, typer.Option(min=1, metavar="N", help="Numbers of a vector.")] = 256,
    template: Template = None,
    json_file: JsonFile = None,
) -> None:
    """Make a small, fast encoder of your own catalogue's words from a transformer.

    Example: `palate distill films.toml --model minilm --out encoder`
    """
    from palate.console import console, shown_progress, write_json
    from palate.distillation import catalogue_of
    from palate.distillation import distill as make_student

    with shown_progress():
        report = make_student(
            catalogue_of(source), model=model, out=out, dim=dim, template=template
        )
    console.print(report.render())
    write_json(json_file, report.to_json())


def register(app: typer.Typer) -> None:
    """Adds these commands."""
    app.command("list")(list_components)
    for command in (encode, distill, bench):
        app.command()(command)
