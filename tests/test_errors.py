import pickle
import subprocess
import sys

from palate.errors import MissingExtraError, first_offenders


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


def test_a_python_without_docstrings_is_named_as_the_reason():
    tried = "try:\n    palate.Ranker\nexcept palate.PalateError as error:\n    print(error)"
    code = f"import palate\n{tried}"
    words = [sys.executable, "-OO", "-c", code]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "PYTHONOPTIMIZE" in done.stdout or not done.stdout  # a LightGBM that can do without
