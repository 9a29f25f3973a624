"""The documents are true: their code runs, their files parse, their links lead somewhere."""

import re
import runpy
import shlex
import subprocess
import sys
import tomllib
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import polars as pl
import pytest
import typer

from palate.cli.main import app
from palate.core import registry
from palate.data.samples import synthetic
from palate.pipeline.config import SECTIONS, DataSection, config_of
from palate.pipeline.dialect import toml

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
CHEAP = {
    *("check", "compare", "evaluate", "export", "fit", "list", "recommend", "rollback", "show"),
    "similar",
}
COMMANDS = typer.main.get_command(app)

documents = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.stem)


def blocks(document):
    """(language, line of the file, content) of every fenced block."""
    text = document.read_text("utf-8")
    return [
        (found[1], text.count("\n", 0, found.start()) + 1, found[2])
        for found in BLOCK.finditer(text)
    ]


def commands(content):
    """The words of every `palate …` line, without comments."""
    for line in content.splitlines():
        if line.startswith("palate "):
            yield shlex.split(line, comments=True)[1:]


def write_tables(folder):
    """What a reader of the README has: ratings, films, and films that arrived later."""
    data = synthetic(seed=1)
    number = pl.col("item_id").str.slice(1).cast(pl.Int64)
    films = data.items.select(number.alias("movieId"), "title", "description", "category")
    ratings = data.interactions.select(
        pl.col("user_id").str.slice(1).cast(pl.Int64).alias("userId"),
        number.alias("movieId"),
        "timestamp",
        pl.col("value").alias("rating"),
    )
    people = data.users.select(
        pl.col("user_id").str.slice(1).cast(pl.Int64).alias("userId"), "age", "region"
    )
    people.write_csv(folder / "people.csv")
    films.write_csv(folder / "films.csv")
    ratings.write_csv(folder / "ratings.csv")
    arrived = films.head(3).with_columns(item_id="new " + pl.col("movieId").cast(pl.String))
    arrived.drop("movieId").write_parquet(folder / "new_films.parquet")


def run(words, *, cwd):
    program = "from palate.cli.main import main; main()"
    return subprocess.run(
        [sys.executable, "-c", program, *words],
        cwd=cwd,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


@documents
def test_what_is_written_works(document, tmp_path, monkeypatch):
    """Block by block from the top: Python runs, named TOML is saved, cheap commands run."""
    monkeypatch.chdir(tmp_path)
    write_tables(tmp_path)
    namespace = {"__name__": "document"}
    for language, line, content in blocks(document):
        if language == "python":
            exec(compile("\n" * line + content, str(document), "exec"), namespace)
        elif language == "toml" and (name := re.match(r"# (\w+\.toml)\n", content)):
            (tmp_path / name[1]).write_text(content, "utf-8")
        elif language == "sh":
            for words in commands(content):
                if words[0] in CHEAP and (words[0] == "list" or Path(words[1]).exists()):
                    done = run(words, cwd=tmp_path)
                    assert done.returncode == 0, f"{document.name}: {words}\n{done.stderr}"


SHOWN = re.compile(r"^```python\n(.*?)^```\n\n```text\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_the_readme_shows_what_its_code_prints():
    ((code, shown),) = SHOWN.findall((ROOT / "README.md").read_text("utf-8"))
    with redirect_stdout(StringIO()) as printed:
        exec(compile(code, "README.md", "exec"), {"__name__": "document"})
    assert printed.getvalue() == shown


@documents
def test_every_command_exists_with_these_options(document):
    """Also those that are too dear to run: `make` targets, `palate demo`, `palate bench`."""
    makefile = (ROOT / "Makefile").read_text()
    for language, _, content in blocks(document):
        assert language in {"python", "sh", "toml", "text", "json"}
        if language != "sh":
            continue
        for words in commands(content):
            context = COMMANDS.make_context("palate", list(words[:1]), resilient_parsing=True)
            _, command, _ = COMMANDS.resolve_command(context, list(words[:1]))
            command.make_context(words[0], list(words[1:]))
        for target in re.findall(r"\bmake (\w+)", content):
            assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"no target {target}"


@documents
def test_every_pipeline_file_can_be_read(document, tmp_path):
    """Fragments get the [data] that they leave out."""
    for language, line, content in blocks(document):
        if language == "toml":
            tables = tomllib.loads(content)
            assert set(tables) <= set(SECTIONS), f"{document.name}, line {line}"
            tables.setdefault("data", {"interactions": "events.csv"})
            try:
                config_of(tables, folder=tmp_path)
            except Exception as error:
                raise AssertionError(f"{document.name}, line {line}: {error}") from error


@documents
def test_links_lead_somewhere(document):
    for target in LINK.findall(document.read_text("utf-8")):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        found = (document.parent / path) if path else document
        assert found.exists(), f"{document.name} links to {target}"
        if anchor:
            headings = re.findall(r"^#+ (.+)$", found.read_text("utf-8"), re.MULTILINE)
            anchors = {re.sub(r"[^\w\- ]", "", name.lower()).replace(" ", "-") for name in headings}
            assert anchor in anchors, f"{document.name} links to {target}"


def test_what_is_written_from_the_code_is_up_to_date(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "docs")
    import tables

    assert set(tables.HOMES) == set(registry.STAGES)
    for path, text in tables.pages().items():
        assert path.read_text("utf-8") == text, f"make docs writes {path.name} anew"


def test_the_layout_has_all_rooms_in_their_order(monkeypatch):
    """It is written from the folders, and the order of rooms is the one that imports keep to."""
    monkeypatch.syspath_prepend(ROOT / "docs")
    import tables

    assert runpy.run_path(str(ROOT / "tests" / "test_layout.py"))["ROOMS"] == tables.ROOMS
    shown = re.findall(r"^  ([a-z]\w*)", "\n".join(tables.layout()), re.MULTILINE)
    assert shown == list(tables.ROOMS)


def test_every_key_of_data_has_a_row_with_its_default():
    text = (ROOT / "docs" / "pipeline-files.md").read_text("utf-8")
    table = text.partition("## `[data]`")[2].partition("```")[0]
    rows = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("| `")]
    said = {key: row[-1] for row in rows for key in re.findall(r"`(\w+)`", row[0])}
    fields = DataSection.model_fields
    assert set(said) == set(fields)
    assert {key for key, default in said.items() if default == "needed"} == {
        key for key, field in fields.items() if field.is_required()
    }
    stated = {key: default for key, default in said.items() if re.fullmatch("`\\S+`", default)}
    assert stated == {key: f"`{toml(fields[key].default)}`" for key in stated}


def test_the_readme_shows_the_figures_that_were_measured(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    import readme

    shown = (ROOT / "README.md").read_text("utf-8").partition(readme.MARKS[0])[2]
    assert shown.partition(readme.MARKS[1])[0] == f"\n{readme.figures()}\n"
