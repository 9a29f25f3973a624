"""Places that are not ours to read or to write in: a sentence each, and lists all the same.

Everything is root's to read, so what is asked here is asked as nobody.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from palate.data.read import read
from palate.data.samples import synthetic
from palate.features.encoders.tfidf import Tfidf
from palate.pipeline.pipeline import Pipeline
from palate.recommenders.item_knn import ItemKNN

SHOP = '[data]\ninteractions = "log.csv"\nitems = "items.csv"\n[recommender]\ntype = "item_knn"\n'
AS_NOBODY = """
import contextlib, io, json, os, sys
import palate
from palate.cli.main import main
for name in palate.__all__:
    getattr(palate, name)

def run(words):
    out, err = io.StringIO(), io.StringIO()
    sys.argv = ["palate", *words]
    import palate.cli.console as shown
    shown.console.file, shown.errors.file = out, err
    try:
        main()
    except SystemExit as ended:
        return [int(ended.code or 0), out.getvalue(), err.getvalue()]

home, asked = sys.argv[1], json.loads(sys.argv[2])
os.chdir(home)
for words in ("check shop.toml", "recommend model --user u10", "similar model i03"):
    run(words.split())  # nobody may not even load Python's own files, where these are root's alone
if os.geteuid() == 0:
    os.setgroups([])
    os.setresgid(65534, 65534, 65534)
    os.setresuid(65534, 65534, 65534)
print(json.dumps([run(words) for words in asked]))
"""
USER = "u10"
ENCODE = ("--encoder", "tfidf", "--template", "{title}")


@pytest.fixture(scope="module")
def place():
    """A folder that everybody may look into, with a model, data and doors that are shut."""
    root = Path(tempfile.mkdtemp(prefix="palate-not-ours-"))
    data = synthetic(40, 30)
    data.interactions.select("user_id", "item_id", "timestamp").write_csv(root / "log.csv")
    data.items.drop("tags").write_csv(root / "items.csv")
    (root / "shop.toml").write_text(SHOP)
    known = read(root / "log.csv", root / "items.csv")
    Pipeline(encoders={"words": Tfidf()}, recommender=ItemKNN()).fit(known).save(root / "model")
    for name in ("unreadable", "half", "shut/model"):
        shutil.copytree(root / "model", root / name)
    shutil.copy(root / "log.csv", root / "secret.csv")
    (root / "secret.toml").write_text(SHOP.replace("log.csv", "secret.csv"))
    shutil.copy(root / "shop.toml", root / "shut" / "shop.toml")
    for path in (root, *root.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    (root / "unreadable" / "manifest.json").chmod(0)
    next((root / "half").glob("*.parquet")).chmod(0)
    (root / "secret.csv").chmod(0)
    (root / "shut").chmod(0)
    yield root
    for folder in (root, root / "shut", *(path for path in root.rglob("*") if path.is_dir())):
        folder.chmod(0o700)
    shutil.rmtree(root)


def ask(place, commands):
    environment = {**os.environ, "PALATE_CACHE": str(place / "cache"), "COLUMNS": "100"}
    given = [sys.executable, "-c", AS_NOBODY, str(place), json.dumps(commands)]
    done = subprocess.run(
        given, env=environment, capture_output=True, text=True, check=False, timeout=600
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_every_door_says_what_is_not_ours_and_what_to_do(place):
    reading, writing = "is not yours to read", "is not yours to write in"
    expected = {
        ("check", "secret.toml"): f"{place / 'secret.csv'} {reading}: ask its owner",
        ("fit", "shut/shop.toml", "--out", "x"): f"shut/shop.toml {reading}: ask its owner",
        ("encode", "shut/i.csv", *ENCODE, "--out", "v"): f"shut/i.csv {reading}",
        ("encode", "items.csv", *ENCODE, "--out", "v"): f"{place} {writing}: name another",
        ("show", "unreadable"): f"unreadable/manifest.json {reading}: ask its owner",
        ("recommend", "half", "--user", USER): f".parquet {reading}: ask its owner",
        ("recommend", "shut/model", "--user", USER): f"shut/model/manifest.json {reading}",
        ("fit", "shop.toml", "--out", "other"): f"{place} {writing}: name a folder of your own",
        ("fit", "shop.toml", "--out", "shut/x"): "shut/x cannot be used (Permission denied): name",
        ("add-events", "model", "log.csv"): f"{place / 'model'} {writing}",
        ("remove-users", "model", USER): f"{place / 'model'} {writing}",
        ("rollback", "model"): f"{place / 'model'} {writing}",
        ("recommend", "model", "--all", "--out", "l.csv"): f"{place} {writing}: name another",
        ("recommend", "model", "--user", USER, "--json", "l.json"): f"{place} {writing}",
        (
            "export",
            "model",
            "--block",
            "words",
            "--out",
            "new/v.npz",
        ): f"{place} {writing}: name another",
    }
    found = ask(place, list(expected))
    for (words, said), (code, out, err) in zip(expected.items(), found, strict=True):
        told = " ".join((out + err).split())
        assert code == 1, (words, told)
        assert said in told, (words, told)
        assert "Traceback" not in told
        assert "fault of palate" not in told


def test_a_model_and_a_cache_that_can_only_be_read_are_enough(place):
    asked = [
        ("recommend", "model", "--user", USER, "-k", "3"),
        ("recommend", "model", "--history", "i03,i07", "-k", "3"),
        ("similar", "model", "i03"),
        ("show", "model"),
        ("show", "model", "--versions"),
        ("check", "shop.toml"),
    ]
    for words, (code, _, err) in zip(asked, ask(place, asked), strict=True):
        assert code == 0, (words, err)
