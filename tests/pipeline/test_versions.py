"""Older versions of a model in its folder: kept, gone back to, whole whoever dies."""

import os
import subprocess
import sys
from functools import partial

import pytest
from model_folders import reseal

from palate.core import files
from palate.core.errors import ArtefactError, ConfigError
from palate.pipeline.artefact import CARD
from palate.pipeline.pipeline import Pipeline, load
from palate.pipeline.saved import attach_figures, read_card, rollback, saved_versions
from palate.recommenders.covisit import Covisit
from palate.recommenders.popular import Popular

KILLED = """
import os
real = os.replace
def replace(*arguments, **options):
    if str(arguments[1]).endswith("manifest.json"):
        os.kill(os.getpid(), 9)
    return real(*arguments, **options)
os.replace = replace
from palate.pipeline.saved import rollback
rollback({folder!r})
"""


@pytest.fixture(scope="module")
def models(tiny):
    """`models[days]` looks at so many days: each is told from the others by that."""
    return {
        days: Pipeline(encoders={}, recommender=Popular(last_days=days)).fit(tiny)
        for days in (1, 2, 3, 4, 5, 6)
    }


def days_of(folder):
    return load(folder).recommender.last_days


def numbers(folder):
    """The current version, then the others."""
    return [card.version for card in saved_versions(folder)]


def content(folder):
    return {path.name for path in folder.iterdir() if path.suffix in (".parquet", ".safetensors")}


def test_the_last_ones_stay(models, tmp_path):
    folder = tmp_path / "model"
    for days in (1, 2, 3, 4, 5):
        models[days].save(folder)
        assert days_of(folder) == days
    assert numbers(folder) == [5, 4, 3, 2]
    models[6].save(folder, keep=1)
    assert numbers(folder) == [6, 5]
    models[1].save(folder, keep=0)
    assert numbers(folder) == [7]
    assert content(folder) == content(models[1].save(tmp_path / "alone")), "nothing else is left"


def test_what_two_versions_share_is_there_once(models, tmp_path):
    folder = tmp_path / "model"
    for days in (1, 2, 3):
        models[days].save(folder)
    tables = [name for name in content(folder) if name.endswith(".parquet")]
    alone = content(models[1].save(tmp_path / "alone"))
    assert len(tables) == len([name for name in alone if name.endswith(".parquet")])


def test_the_same_model_once_more_is_the_same_version(models, tmp_path):
    folder = models[1].save(tmp_path / "model")
    models[1].save(folder)
    assert numbers(folder) == [1]


def test_the_way_back_and_forward(models, tmp_path):
    folder = tmp_path / "model"
    for days in (1, 2, 3):
        models[days].save(folder)
    assert rollback(folder).version == 2
    assert (days_of(folder), numbers(folder)) == (2, [2, 3, 1])
    assert "version 2" in (folder / CARD).read_text()
    assert rollback(str(folder)).version == 1
    assert days_of(folder) == 1
    with pytest.raises(ArtefactError, match="nothing older than version 1; other versions: 2, 3"):
        rollback(folder)
    assert rollback(folder, to=3).version == 3
    assert days_of(folder) == 3


def test_back_is_to_what_was_loaded_before(models, tmp_path):
    folder = tmp_path / "model"
    for days in (1, 2):
        models[days].save(folder)
    rollback(folder)  # 2 was no good
    models[3].save(folder)
    assert numbers(folder) == [3, 2, 1]
    assert rollback(folder).version == 1


@pytest.mark.parametrize("to", [2, 9, -1, 0])
def test_a_version_that_is_not_there(models, tmp_path, to):
    folder = tmp_path / "model"
    for days in (1, 2):
        models[days].save(folder)
    with pytest.raises(ConfigError, match="others"):
        rollback(folder, to=to)
    assert days_of(folder) == 2


def test_a_damaged_version_is_not_gone_back_to(models, tiny, tmp_path):
    covisit = Pipeline(encoders={}, recommender=Covisit()).fit(tiny)
    folder = covisit.save(tmp_path / "model")
    only_old = content(folder)
    models[2].save(folder)
    only_old -= content(models[2].save(tmp_path / "alone"))
    path = folder / only_old.pop()
    path.write_bytes(path.read_bytes()[:-1] + b"~")
    with pytest.raises(ArtefactError, match="has changed"):
        rollback(folder)
    path.unlink()
    with pytest.raises(ArtefactError, match="is missing"):
        rollback(folder)
    assert days_of(folder) == 2
    (folder / "manifest.1.json").write_text('{"format": 3, "palate": "0.1.0"}')
    assert numbers(folder) == [2]
    with pytest.raises(ArtefactError, match="nothing older"):
        rollback(folder)
    models[3].save(folder)
    assert days_of(folder) == 3


def test_figures_stay_with_their_version(models, tmp_path, tiny):
    from palate.data.split import split_by_time
    from palate.evaluation.compare import evaluate

    split = split_by_time(tiny, test=0.2)
    fitted = Pipeline(encoders={}, recommender=Popular(last_days=9)).fit(split.train)
    folder = fitted.save(tmp_path / "model")
    attach_figures(folder, evaluate(fitted, split, name="mine", resamples=20))
    models[2].save(folder)
    assert read_card(folder).figures == []
    assert [each.name for each in rollback(folder).figures] == ["mine"]
    assert [each.name for each in read_card(folder).figures] == ["mine"]


def test_a_model_of_an_earlier_palate_is_kept_too(models, tmp_path):
    folder = models[1].save(tmp_path / "model")
    reseal(folder, lambda manifest: manifest.pop("card"))
    (folder / CARD).unlink()
    models[2].save(folder)
    assert numbers(folder) == [1, 0]
    assert rollback(folder).version == 0
    assert days_of(folder) == 1


def test_what_people_lay_beside_it_stays(models, tmp_path):
    folder = models[1].save(tmp_path / "model")
    theirs = {"manifest.7.json": '{"name": "a web page"}', CARD: "# Our own card"}
    for name, words in theirs.items():
        (folder / name).write_text(words)
    models[2].save(folder, keep=0)
    attach_figures(folder, None)
    assert {name: (folder / name).read_text() for name in theirs} == theirs
    assert numbers(folder) == [2]


@pytest.mark.parametrize("name", ["manifest.1.json", CARD])
def test_nothing_is_written_through_a_link(models, tmp_path, name):
    folder = models[1].save(tmp_path / "model")
    models[2].save(folder)
    target = tmp_path / "theirs"
    (folder / name).rename(target)
    (folder / name).symlink_to(target)
    before = target.read_bytes()
    for change in (lambda: models[3].save(folder), lambda: rollback(folder)):
        with pytest.raises(ArtefactError, match="holds links in place of files"):
            change()
    assert target.read_bytes() == before


class Death(BaseException):
    """The end of a process, played in this one: from then on nothing changes on the disk."""


def dies(does, call, monkeypatch):
    """Whether whoever `does` it dies before that call which changes the disk."""
    calls, locks = [], []
    with monkeypatch.context() as patch:

        def change(real, *arguments, **options):
            calls.append(1)
            if len(calls) >= call:
                raise Death
            return real(*arguments, **options)

        for name in ("fsync", "replace", "unlink"):
            patch.setattr(os, name, partial(change, getattr(os, name)))

        def locked(*arguments, _real=files._open_locked):
            locks.append(_real(*arguments))
            return locks[-1]

        patch.setattr(files, "_open_locked", locked)
        try:
            does()
        except Death:
            for descriptor in locks:  # as the system does
                os.close(descriptor)
            return True
    return False


def saves(keep):
    return lambda new, place: new.save(place, keep=keep)


@pytest.mark.parametrize(
    ("does", "left"),
    [
        pytest.param(saves(keep=2), {2: [2, 1], 3: [3, 2, 1]}, id="save"),
        pytest.param(saves(keep=1), {2: [2, 1], 3: [3, 2]}, id="one goes"),
        pytest.param(lambda _, place: rollback(place), {2: [2, 1], 1: [1, 2]}, id="rollback"),
    ],
)
def test_whoever_dies_leaves_a_whole_model_and_its_versions(
    models, tmp_path, monkeypatch, does, left
):
    seen = set()
    for call in range(1, 100):
        folder = tmp_path / f"model-{call}"
        for days in (1, 2):
            models[days].save(folder)
        died = dies(partial(does, models[3], folder), call, monkeypatch)
        days = days_of(folder)
        assert days == read_card(folder).version
        assert numbers(folder)[: len(left[days])] == left[days]
        seen.add((days, died))
        if not died:
            break
        models[4].save(folder)
        assert days_of(folder) == 4
        assert rollback(folder).version == days_of(folder) == days, "what it was before"
        assert not [path.name for path in folder.iterdir() if path.suffix == ".tmp"]
    else:
        pytest.fail("it never came to its end")
    new = max(set(left) - {2})
    assert seen == {(2, True), (new, True), (new, False)}


def test_a_killed_process(models, tmp_path):
    folder = tmp_path / "model"
    for days in (1, 2):
        models[days].save(folder)
    code = KILLED.format(folder=str(folder))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == -9
    assert (days_of(folder), numbers(folder)) == (2, [2, 1])
    assert rollback(folder).version == days_of(folder) == 1
