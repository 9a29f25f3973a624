"""Processes that save into one model folder at once or die there, and who reads meanwhile."""

import json
import subprocess
import sys
import threading

import pytest

from palate.core import files
from palate.core.errors import ArtefactError
from palate.pipeline import artefact
from palate.pipeline.artefact import CARD, MANIFEST, read_origin, save_pipeline
from palate.pipeline.pipeline import load

CHILD = """
import os, sys
import numpy as np
import polars as pl
from palate.pipeline.artefact import save_pipeline
from palate.features.encoders.behaviour import Behaviour
from palate.pipeline.pipeline import Pipeline
from palate.recommenders.popular import Popular
from palate.core.dataset import Dataset
from palate.core.features import Features

def component(seed):
    "A pipeline of one block, which is full of the seed: arrays, two tables, a manifest."
    items = pl.DataFrame({"item_id": [f"item {seed} {number}" for number in range(50)]})
    events = items.head(1).with_columns(user_id=pl.lit("somebody"))
    clicks, data = Behaviour(seed=seed), Dataset(events, items)
    clicks.ids_ = data.item_ids
    clicks.vectors_ = np.full((50, 40), seed, dtype=np.float32)
    made = Pipeline(encoders={"clicks": clicks}, representation=[], recommender=Popular())
    made.data_, made.encoders_, made.transforms_, made.rerankers_ = data, {"clicks": clicks}, [], []
    made.features_ = Features(data.item_ids, {"clicks": clicks.vectors_})
    made.user_encoders_, made.user_transforms_, made.user_features_ = {}, [], None
    made.withdrawn_, made.column_vectors_ = [], {}
    made.since_fit_ = {"fitted": "2026-11-30", "events": 1, "added": 0, "users_removed": 0}
    made.later_events_ = np.empty(0, dtype=np.int64)
    made.recommender_ = Popular().fit(data)
    return made

def stop_at(call):
    "Stops before a call that changes the disk, until it may go on."
    calls = []
    for name in ("fsync", "replace", "unlink"):
        def stopping(*arguments, _real=getattr(os, name), **options):
            calls.append(1)
            if len(calls) == call:
                print("stopped", flush=True)
                sys.stdin.read()
            return _real(*arguments, **options)
        setattr(os, name, stopping)
"""
MANY = """
from itertools import cycle, islice
for seed in islice(cycle(({first}, {second})), {rounds}):
    save_pipeline(component(seed), {folder!r}, origin={{"seed": seed}})
"""
LIMITED = """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
try:
    save_pipeline(component(2), {folder!r})
except OSError as error:
    print(error)
"""
BEFORE_THE_MANIFEST, BEFORE_THE_SWEEP = 11, 17


@pytest.fixture
def component():
    """`component(seed)`, as the child process makes it."""
    names = {}
    exec(CHILD, names)
    return names["component"]


@pytest.fixture
def child():
    """`child(code)` runs code in another process, which dies with the test."""
    begun = []

    def begin(code):
        pipe = subprocess.PIPE
        command = [sys.executable, "-c", CHILD + code]
        begun.append(subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True))
        return begun[-1]

    yield begin
    for process in begun:
        process.kill()
        process.communicate()


def stopped_in_save(child, folder, call, seed=2):
    process = child(f"stop_at({call})\nsave_pipeline(component({seed}), {str(folder)!r})")
    assert process.stdout.readline() == "stopped\n"
    return process


def seed_of(folder):
    found = load(folder).encoders_["clicks"]
    assert (found.vectors_ == found.seed).all()
    assert found.ids_[0] == f"item {found.seed} 0"
    return found.seed


def saving(model, folder):
    thread = threading.Thread(target=save_pipeline, args=(model, folder))
    thread.start()
    return thread


def names_in_manifest(folder):
    manifest = json.loads((folder / MANIFEST).read_text())
    return {MANIFEST, CARD, manifest["arrays"], *manifest["tables"].values()}


def test_processes_that_save_again_and_again(component, child, tmp_path):
    folder = save_pipeline(component(1), tmp_path / "model")
    given = {"folder": str(folder), "rounds": 24}
    savers = [
        child(MANY.format(first=1, second=2, **given)),
        child(MANY.format(first=2, second=3, **given)),
    ]
    seen = set()
    while any(saver.poll() is None for saver in savers):
        seen.add(seed_of(folder))
    said = [saver.communicate()[1] for saver in savers]
    assert [saver.returncode for saver in savers] == [0, 0], said
    assert seen <= {1, 2, 3}
    assert seed_of(folder) == read_origin(folder)["seed"]
    assert {path.name for path in folder.iterdir()} == names_in_manifest(folder)


@pytest.mark.parametrize(
    ("call", "old"),
    [
        pytest.param(BEFORE_THE_MANIFEST, 1, id="before the manifest"),
        pytest.param(BEFORE_THE_SWEEP, 2, id="before the sweep"),
    ],
)
def test_a_second_save_waits_for_the_first(component, child, tmp_path, call, old):
    folder = save_pipeline(component(1), tmp_path / "model")
    first = stopped_in_save(child, folder, call)
    second = saving(component(1), folder)
    assert seed_of(folder) == old, "who reads does not wait"
    assert second.is_alive()
    _, said = first.communicate("")
    assert first.returncode == 0, said
    second.join()
    assert seed_of(folder) == 1
    assert {path.name for path in folder.iterdir()} == names_in_manifest(folder)


@pytest.mark.parametrize(
    ("call", "seed"),
    [
        pytest.param(1, 1, id="in the first file"),
        pytest.param(4, 1, id="between files"),
        pytest.param(BEFORE_THE_MANIFEST, 1, id="before the manifest"),
        pytest.param(BEFORE_THE_SWEEP, 2, id="before the sweep"),
    ],
)
def test_a_process_that_is_killed_leaves_a_whole_model_and_no_lock(
    component, child, tmp_path, call, seed
):
    folder = save_pipeline(component(1), tmp_path / "model")
    first = stopped_in_save(child, folder, call)
    second = saving(component(3), folder)
    assert seed_of(folder) == seed
    first.kill()
    second.join()
    assert seed_of(folder) == 3
    assert {path.name for path in folder.iterdir()} == names_in_manifest(folder)


@pytest.mark.skipif(sys.platform == "win32", reason="no limits")
def test_a_file_that_may_not_grow(component, child, tmp_path):
    folder = save_pipeline(component(1), tmp_path / "model")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    said, _ = child(LIMITED.format(folder=str(folder))).communicate()
    assert f"{folder} could not be written (File too large; " in said
    assert "make room" in said
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert seed_of(folder) == 1


def test_two_first_saves(component, child, tmp_path):
    first = stopped_in_save(child, tmp_path / "model", BEFORE_THE_MANIFEST)
    second = saving(component(1), tmp_path / "model")
    first.communicate("")
    second.join()
    assert seed_of(tmp_path / "model") == 1


def test_patience_has_an_end(component, child, tmp_path, monkeypatch):
    folder = save_pipeline(component(1), tmp_path / "model")
    stopped_in_save(child, folder, BEFORE_THE_MANIFEST)
    monkeypatch.setattr(files, "PATIENCE_SECONDS", 0.05)
    with pytest.raises(ArtefactError, match=r"model.*another process.*untouched"):
        save_pipeline(component(3), folder)
    assert seed_of(folder) == 1


def test_a_save_between_the_manifest_and_its_files_is_read_instead(
    component, tmp_path, monkeypatch
):
    folder = save_pipeline(component(1), tmp_path / "model")
    later, real = [component(2), component(3), component(2)], artefact._checked

    def checked(root, name):
        if later:
            save_pipeline(later.pop(), root)
        return real(root, name)

    monkeypatch.setattr(artefact, "_checked", checked)
    assert seed_of(folder) == 2
    assert not later


def test_a_model_that_goes_while_it_is_read(component, tmp_path, monkeypatch):
    folder = save_pipeline(component(1), tmp_path / "model")

    def checked(root, name):
        for path in root.iterdir():
            path.unlink()
        return real(root, name)

    real = artefact._checked
    monkeypatch.setattr(artefact, "_checked", checked)
    with pytest.raises(ArtefactError, match="holds no palate model"):
        load(folder)


def test_without_locks_a_save_deletes_nothing(component, tmp_path, monkeypatch):
    folder = save_pipeline(component(1), tmp_path / "model")
    before = {path.name for path in folder.iterdir()}
    monkeypatch.setattr(files, "_open_locked", lambda *_: None)
    save_pipeline(component(2), folder)
    assert seed_of(folder) == 2
    assert before < {path.name for path in folder.iterdir()}
    monkeypatch.undo()
    save_pipeline(component(2), folder)
    assert {path.name for path in folder.iterdir()} == names_in_manifest(folder)
