"""The commands on a model folder that somebody else made: nothing that it says is run."""

import json
import shutil
import sys

import pytest

from palate.data.samples import synthetic
from palate.pipeline import artefact
from palate.pipeline.artefact import MANIFEST
from palate.pipeline.config import read_config

HEAD = """
[data]
interactions = "ratings.parquet"
items = "movies.parquet"
[split]
type = "time"
test = 0.2
[encoders]
"""
SPY = """
from dataclasses import dataclass
from pathlib import Path
from palate.recommenders.popular import Popular

Path({mark!r}).write_text("ran")

@dataclass(kw_only=True)
class Mine(Popular):
    pass
"""


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """A folder with tables, a pipeline file, and the model that `palate fit` makes of it."""
    folder = tmp_path_factory.mktemp("shop")
    data = synthetic(40, 30)
    data.interactions.drop("weight").write_parquet(folder / "ratings.parquet")
    data.items.write_parquet(folder / "movies.parquet")
    path = folder / "popular.toml"
    path.write_text(f'{HEAD}[recommender]\ntype = "popular"\n')
    settings = read_config(path)
    model = settings.pipeline().fit(settings.cut(settings.read()[0]).train)
    origin = {"config": str(path), "beside": "../popular.toml", "all": False, "drop_unknown": False}
    artefact.save_pipeline(model, folder / "model", origin=origin)
    return folder


def resealed(folder, change):
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest.pop("seal")
    change(manifest)
    (folder / MANIFEST).write_bytes(artefact._sealed(manifest))


@pytest.mark.parametrize("where", ["inside", "outside"])
@pytest.mark.parametrize("section", ["recommender", "encoders.words", "fusion", "part"])
def test_evaluate_runs_no_code_that_a_pipeline_file_names(
    command, shop, tmp_path, monkeypatch, where, section
):
    (tmp_path / "spying.py").write_text(SPY.format(mark=str(tmp_path / "mark")))
    monkeypatch.syspath_prepend(tmp_path)
    folder, base = tmp_path / "model", HEAD.replace('"ratings', f'"{shop}/ratings')
    base = base.replace('"movies', f'"{shop}/movies').replace("[encoders]", "")
    shutil.copytree(shop / "model", folder)
    evil = f'{base}\n[{section}]\ntype = "spying:Mine"\n'
    if section == "part":
        evil = f'{base}\n[recommender]\ntype = "blend"\nparts = [{{type = "spying:Mine"}}]\n'
    place = folder / "evil.toml" if where == "inside" else tmp_path / "evil.toml"
    place.write_text(evil)
    near = "evil.toml" if where == "inside" else "../evil.toml"
    origin = {"config": "/nowhere/c.toml", "beside": near, "all": False, "drop_unknown": False}
    resealed(folder, lambda manifest: manifest.update(origin=origin))
    done = command("evaluate", folder)
    assert not (tmp_path / "mark").exists()
    assert "spying" not in sys.modules
    assert done.code == (1 if where == "inside" else 0), done.err
    assert where == "outside" or "the folder's own" in done.err


@pytest.mark.parametrize(
    "change",
    [
        {"config": 3},
        {"config": None},
        {"config": "\0", "beside": None},
        {"config": "/nowhere", "beside": "\0"},
        {"config": "/nowhere", "beside": "/etc/passwd"},
        {"config": "/dev/zero"},
        {"config": "/nowhere", "beside": "../../../../../../../../dev/zero"},
        {"config": "/nowhere", "beside": "manifest.json"},
        {"config": "/nowhere", "beside": "."},
        {"config": "/nowhere", "beside": ["x"]},
        {"config": "/nowhere", "beside": None},
        {"all": "no"},
        {"drop_unknown": 1},
        {"drop_unknown": None},
    ],
)
def test_an_origin_that_fit_does_not_write(command, shop, tmp_path, change):
    folder = tmp_path / "copy"
    shutil.copytree(shop / "model", folder)
    resealed(folder, lambda manifest: manifest["origin"].update(change))
    done = command("evaluate", folder)
    assert done.code == 1, done.err
    assert "fault of palate" not in done.err
