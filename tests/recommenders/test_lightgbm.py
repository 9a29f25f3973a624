"""Machines where LightGBM is installed and cannot be loaded."""

import os
import subprocess
import sys

import pytest

GOMP = "libgomp.so.1: cannot open shared object file: No such file or directory"
OMP = "dlopen(lib_lightgbm.dylib, 0x0006): Library not loaded: @rpath/libomp.dylib"
PYTHON = """
import palate
palate.Covisit
try:
    palate.Pipeline
except palate.PalateError as error:
    print(error)
"""
COMMAND = "import sys; sys.argv = ['palate', 'demo']; from palate.cli.main import main; main()"


@pytest.fixture
def run(tmp_path):
    """`run(code, reason)` where importing LightGBM fails for a reason."""

    def run(code, reason):
        (tmp_path / "lightgbm.py").write_text(f"raise OSError({reason!r})")
        return subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONPATH": str(tmp_path), "COLUMNS": "400"},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


@pytest.mark.parametrize(
    ("reason", "fix"),
    [
        (GOMP, "LightGBM needs the OpenMP runtime: apt-get install libgomp1 (Debian, Ubuntu)"),
        (OMP, "brew install libomp (macOS)"),
        ("lib_lightgbm.so: file too short", "pip install --force-reinstall lightgbm"),
    ],
)
def test_in_python_one_error_of_ours_says_what_to_install(run, reason, fix):
    done = run(PYTHON, reason)
    assert done.returncode == 0, done.stderr
    assert reason in done.stdout
    assert fix in done.stdout
    assert ("OpenMP" in done.stdout) == ("omp" in reason)


def test_on_the_command_line_one_line_does(run, tmp_path):
    done = run(COMMAND, GOMP)
    assert done.returncode == 1
    assert not done.stdout
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith(f"error: LightGBM cannot be loaded ({GOMP}). LightGBM needs")
    assert "apt-get install libgomp1" in done.stderr
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("palate")] == []


LISTS = """
import sys
import palate
from palate.data.samples import synthetic

assert sys.flags.optimize == int(sys.argv[1])
data = synthetic(n_users=60, n_items=30)
ranker = palate.Ranker(n_train_queries=200, n_estimators=5)
model = palate.Pipeline(encoders={"words": palate.Tfidf()}, recommender=ranker).fit(data)
print(model.recommend(data.user_ids.tolist()[:5], k=3).table.rows())
"""


def test_a_python_that_drops_docstrings_gives_the_same_lists():
    """LightGBM writes its docstrings from others, which are not there then."""
    plain, without = (
        subprocess.run(
            [sys.executable, *option, "-c", LISTS, level],
            capture_output=True,
            text=True,
            check=False,
        )
        for option, level in (([], "0"), (["-OO"], "2"))
    )
    assert without.returncode == 0, without.stderr
    assert without.stdout == plain.stdout != ""
