"""The documents are true: their code runs, their files parse, their links lead somewhere."""

import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import polars as pl
import pytest
import typer

from palate.cli.main import app
from palate.core import registry
from palate.data.samples import synthetic
from palate.pipeline.config import SECTIONS, config_of

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
CHEAP = {"check", "compare", "evaluate", "fit", "list", "recommend"}
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


HOMES = {
    "encoders": "features.md",
    "representation": "features.md",
    "fusion": "features.md",
    "selection": "features.md",
    "recommenders": "recommenders.md",
    "rerankers": "recommenders.md",
}


def written_of(stage, name):
    """The class and the settings that the manual's row has for a component."""
    text = (ROOT / "docs" / HOMES[stage]).read_text("utf-8")
    rows = re.findall(rf"^\| `{name}` \|.*$", text, re.MULTILINE)
    classes = [re.findall(r"`palate\.(\w+)`", row)[:1] for row in rows]
    settings = [set(re.findall(r"`(\w+)`", row.rpartition(" | ")[2])) for row in rows]
    return list(zip(classes, settings, strict=True))


def test_every_component_has_a_row_with_all_its_settings():
    wrong = {}
    for stage in registry.STAGES:
        for name in registry.names(stage):
            component = registry.find(stage, name)
            right = [([component.__name__], set(registry.settings_of(component())))]
            if (written := written_of(stage, name)) != right:
                wrong[name] = written
    assert not wrong


def test_the_layout_is_that_of_the_code():
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    (layout,) = re.findall(r"^```text\nsrc/palate/\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    home, said = "", set()
    for line in layout.splitlines():
        if entry := re.match(r"  (?=\S)(\w+/)?", line):
            home = entry[1] or ""
        said |= {home + name for name in re.findall(r"\b[a-z]\w*\.py\b", line)}
    package = ROOT / "src" / "palate"
    public = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if not path.name.startswith("_")
    }
    assert said == public


def test_the_readme_shows_the_figures_that_were_measured(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    import readme

    shown = (ROOT / "README.md").read_text("utf-8").partition(readme.MARKS[0])[2]
    assert shown.partition(readme.MARKS[1])[0] == f"\n{readme.figures()}\n"
