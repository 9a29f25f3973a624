"""Commands about models and whole catalogues: `list`, `encode`, `distill`, `bench`, `export`."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Annotated, Literal

import typer

from palate.cli import options
from palate.cli.options import JsonFile
from palate.core.errors import ConfigError, did_you_mean
from palate.core.visible import quoted

MODELS = "models"

Template = Annotated[str | None, typer.Option(help='What an item says: "{title}. {genres}".')]
Table = Annotated[
    Path, typer.Argument(metavar="TABLE", help="Parquet, CSV or JSON lines: a file, or a folder.")
]
EncoderName = Annotated[
    str,
    typer.Option(
        metavar="NAME[:key=value,…]", help="Of texts, photos or sounds, with its settings."
    ),
]
VectorsFolder = Annotated[
    Path,
    typer.Option(
        metavar="DIR",
        help="The folder of vectors to write, or to go on with.",
        callback=options.from_home,
    ),
]
Engine = Annotated[Literal["local", "ray"], typer.Option(help="This process, or a Ray cluster.")]
IdColumn = Annotated[str | None, typer.Option("--id", metavar="NAME", help="The column of ids.")]
Columns = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME", help="In its place: columns (repeatable); or that of photos."),
]
FilesFolder = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Where paths of photos or sounds start; by default here."),
]
Marks = Annotated[
    list[str] | None,
    typer.Option(
        "--list", metavar="NAME=MARK", help="What separates a column's parts (repeatable)."
    ),
]
PartitionRows = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help="Of a file: 32,768 of texts, 4,096 of photos."),
]
OnError = Annotated[
    Literal["raise", "skip"], typer.Option(help="Stop at a bad row, or leave it out.")
]
Precision = Annotated[
    Literal["float32", "float16", "int8"], typer.Option(help="Of the numbers in the files.")
]
Encoding = Annotated[
    str | None, typer.Option(metavar="NAME", help="Of a table of text; utf-8 if not given.")
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
    """What can stand behind `type`, and what it does; or which pretrained models there are.

    Example: `palate list recommenders`
    """
    from palate.cli.console import components_table, console
    from palate.core import registry

    if stage == MODELS:
        from palate.cli.console import models_table

        console.print(models_table())
        return
    known = (*registry.STAGES, MODELS)
    if stage is not None and stage not in known:
        raise ConfigError(f"no stage is called {quoted(stage)}.{did_you_mean(stage, known)}")
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
    seeds: Annotated[
        int, typer.Option(min=1, help="Fits of the default, each with a seed; their mean is shown.")
    ] = 1,
    json_file: JsonFile = None,
) -> None:
    """Run published benchmarks: their split, their protocol, their figures beside ours.

    Example: `palate bench sequence data/beauty --json beauty.json`
    """
    from palate.cli.console import console, shown_progress, write_json
    from palate.evaluation.published.run import run_bench

    with shown_progress():
        result = run_bench(
            published_format,
            folder,
            refit=refit,
            encoder=encoder,
            mask=mask,
            recommenders=recommender,
            seeds=seeds,
        )
    console.print(result.render())
    write_json(json_file, result.to_json())


def encode(
    table: Table,
    encoder: EncoderName,
    out: VectorsFolder,
    engine: Engine = "local",
    template: Template = None,
    column: Columns = None,
    folder: FilesFolder = None,
    marks: Marks = None,
    id_column: IdColumn = None,
    precision: Precision = "float32",
    partition_rows: PartitionRows = None,
    on_error: OnError = "raise",
    encoding: Encoding = None,
    workers: Workers = None,
    json_file: JsonFile = None,
) -> None:
    """Encode the texts, photos or sounds of a table of any length into Parquet files of vectors.

    Example: `palate encode films.parquet --encoder muse --out vectors`
    """
    from palate.cli.console import console, shown_progress, write_json
    from palate.features.batch.job import encode_table
    from palate.pipeline.dialect import speaking_options

    with (
        warnings.catch_warnings(),
        shown_progress(),
        speaking_options(options.names_of(encode)),
    ):
        for pattern in (r"[\d,]+ rows? (was|were) left out", r"[\d,]+ files? (was|were) damaged"):
            warnings.filterwarnings("ignore", pattern)  # the report says so
        report = encode_table(
            table,
            encoder,
            out,
            engine=engine,
            id=id_column,
            template=template,
            columns=column,
            lists=_marks_of(marks),
            folder=folder,
            precision=precision,
            partition_rows=partition_rows,
            on_error=on_error,
            encoding=encoding or "utf-8",
            workers=workers,
        )
    console.print(report.render(), markup=False, soft_wrap=True)
    write_json(json_file, report.to_json())


def _marks_of(given: list[str] | None) -> dict[str, str] | None:
    """Column → the mark between its parts, of "NAME=MARK"."""
    pairs = [part.partition("=") for part in given or ()]
    if odd := [name for name, _, mark in pairs if not (name and mark)]:
        raise ConfigError(f"--list {quoted(odd[0])} names no mark: write NAME=MARK, as in genres=|")
    return {name: mark for name, _, mark in pairs} or None


def distill(
    source: Annotated[
        Path, typer.Argument(metavar="SOURCE", help="A pipeline file, or a table of items.")
    ],
    out: Annotated[
        Path,
        typer.Option(
            metavar="DIR",
            help="The folder of the encoder to write.",
            callback=options.from_home,
        ),
    ],
    model: Annotated[
        str, typer.Option(metavar="NAME", help="The teacher: a transformer, packaged or not.")
    ] = "minilm",
    dim: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Numbers of a vector: 256, or fewer as the teacher."),
    ] = None,
    template: Template = None,
    encoding: Encoding = None,
    json_file: JsonFile = None,
) -> None:
    """Make a small, fast encoder of your own catalogue's words from a transformer.

    Example: `palate distill films.toml --model minilm --out encoder`
    """
    from palate.cli.console import console, shown_progress, write_json
    from palate.pipeline.dialect import speaking_options
    from palate.tuning.distill import catalogue_of
    from palate.tuning.distill import distill as make_student

    with shown_progress(), speaking_options(options.names_of(distill)):
        report = make_student(
            catalogue_of(source, encoding=encoding),
            model=model,
            out=out,
            dim=dim,
            template=template,
        )
    console.print(report.render())
    write_json(json_file, report.to_json())


def export(
    model: options.ModelFolder,
    out: Annotated[
        Path,
        typer.Option(
            metavar="FILE", help="By its end: .parquet .npz .faiss .sql", callback=options.from_home
        ),
    ],
    to: Annotated[
        Literal["parquet", "npz", "faiss", "pgvector"] | None,
        typer.Option(help="What to write, if FILE does not say."),
    ] = None,
    block: Annotated[
        list[str] | None,
        typer.Option("--block", metavar="NAME", help="Only this block (repeatable)."),
    ] = None,
    users: Annotated[
        bool, typer.Option("--users", help="Of people: the features of what they did, pooled.")
    ] = False,
    form: Annotated[
        Literal["lists", "wide", "long"], typer.Option(help="Of Parquet: how columns are laid out.")
    ] = "lists",
    table: Annotated[str, typer.Option(help="What the table of pgvector is called.")] = "",
    allow: options.Allow = None,
    json_file: JsonFile = None,
) -> None:
    """Write a model's vectors for others: Parquet, numpy, faiss, PostgreSQL with pgvector.

    Without --block the dense blocks are written.

    Example: `palate export model --out vectors.parquet`
    """
    from palate.cli.console import console, write_json
    from palate.features.export import write_features
    from palate.features.users import user_features
    from palate.pipeline.dialect import speaking_options
    from palate.pipeline.pipeline import load

    fitted = load(model, allow=allow or ())
    features = fitted.features
    if users:
        did = user_features(fitted.known_users.histories, features)
        features = did.beside(fitted.user_features)
    with speaking_options(options.names_of(export)):
        written = write_features(features, out, to=to, blocks=block, form=form, table=table)
    console.print(written.render(), markup=False, soft_wrap=True)
    write_json(json_file, written.to_json())


def register(app: typer.Typer) -> None:
    """Adds these commands."""
    app.command("list")(list_components)
    for command in (encode, distill, bench, export):
        app.command()(command)
