import pickle

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
