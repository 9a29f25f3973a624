"""How a command ends that is ended from outside, and what it shows where there is little room."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from palate.data.samples import synthetic
from palate.pipeline.pipeline import Pipeline
from palate.recommenders.item_knn import ItemKNN

ENTRY = "from palate.cli.entry import main; main()"
SLOW = """
import sys, time
import palate.cli.main as commands
from palate.core.files import whole_file
from pathlib import Path

def run():
    with whole_file(Path("figures.json")) as temporary:
        temporary.write_text("half")
        print("begun", flush=True)
        time.sleep(60)

commands.app = run
from palate.cli.entry import main
main()
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ends") / "model"
    return Pipeline(encoders={}, recommender=ItemKNN()).fit(synthetic(40, 30)).save(folder)


def begun(code, folder, **more):
    running = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **more,
    )
    assert running.stdout.readline() == "begun\n"
    return running


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGINT"])
def test_a_signal_that_ends_a_command_clears_away_what_was_begun(tmp_path, name):
    number = getattr(signal, name)  # heard even where these tests themselves run under nohup
    running = begun(SLOW, tmp_path, preexec_fn=lambda: signal.signal(number, signal.SIG_DFL))
    running.send_signal(number)
    _, err = running.communicate(timeout=120)
    assert running.returncode == 128 + getattr(signal, name)
    assert err == "stopped; what was saved before is as it was\n"
    assert not list(tmp_path.iterdir())


def test_nohup_is_heard(tmp_path):
    ignored = begun(SLOW, tmp_path, preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    ignored.send_signal(signal.SIGHUP)
    time.sleep(1)
    assert ignored.poll() is None
    ignored.terminate()
    ignored.communicate(timeout=120)
    assert ignored.returncode == 128 + signal.SIGTERM


@pytest.mark.parametrize("words", [("--user", "u10"), ("--user", "u10", "--json", "-")])
def test_a_full_disk_behind_what_is_printed(model, words):
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-c", ENTRY, "recommend", str(model), *words],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=300,
        )
    assert done.returncode == 1
    said = "error: what was to be printed could not be written (No space left on device): make room"
    assert done.stderr.splitlines()[-1] == said


def test_a_reader_that_leaves_is_no_fault(model):
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-c", ENTRY, "recommend", str(model), "--user", "u10"],
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        timeout=300,
    )
    os.close(writing)
    assert done.returncode == 1
    assert not done.stderr


def test_a_narrow_terminal_shows_items_in_lines(model, command, monkeypatch):
    from palate.cli.console import console

    monkeypatch.setattr(console, "_width", 20)
    done = command("recommend", model, "--user", "u10", "-k", "2")
    assert done.code == 0
    said = " ".join(done.out.split())
    assert said.startswith("1. ")
    assert " 2. " in said
    assert "(i" in said
    assert max(map(len, done.out.splitlines())) <= 20
