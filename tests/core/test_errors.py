import pickle
import subprocess
import sys

import pytest

from palate.core.errors import MissingExtraError, did_you_mean, first_offenders
from palate.core.visible import quoted


def test_a_missing_extra_names_the_line_that_installs_it():
    assert str(MissingExtraError("Audio", "audio")).endswith("pip install 'palate[audio]'")
    alone = MissingExtraError("the tagger", command="pip install --no-deps tagger")
    assert str(alone) == "the tagger needs a package: pip install --no-deps tagger"


def test_a_worker_s_error_reaches_whoever_asked():
    error = MissingExtraError("Audio", "audio")
    error.encoder = "sound"
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), again.encoder) == (MissingExtraError, str(error), "sound")


def test_the_first_three_offenders_are_shown_and_all_are_counted():
    assert first_offenders("abcde", 5) == "'a', 'b', 'c' and 2 more (5 in all)"
    assert first_offenders("ab", 2) == "'a', 'b'"


@pytest.mark.parametrize(
    "value", ["x" * 700_000, b"x" * 700_000, ["x"] * 70_000, {"k": "x" * 9999}]
)
def test_long_values_are_shortened_wherever_they_are_quoted(value):
    assert len(quoted(value)) < 120
    assert len(first_offenders([value] * 9, 9)) < 450
    assert "letters)" in quoted(value)
    assert quoted("a\nb") == "'a\\nb'"


def test_many_and_long_names_are_shortened():
    said = did_you_mean("b" * 100_000, ["a" * 100_000, "b" * 100_001, *map(str, range(1000))])
    assert len(said) < 700
    assert "and 952 more" in said
    assert did_you_mean("titel", ["title", "id"]) == " Did you mean 'title'? Known: id, title."


def test_a_python_without_docstrings_is_named_as_the_reason():
    tried = "try:\n    palate.Ranker\nexcept palate.PalateError as error:\n    print(error)"
    code = f"import palate\n{tried}"
    words = [sys.executable, "-OO", "-c", code]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "PYTHONOPTIMIZE" in done.stdout or not done.stdout  # a LightGBM that can do without
