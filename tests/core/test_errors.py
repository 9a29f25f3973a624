import copy
import json
import pickle
import subprocess
import sys

import pytest

from palate.core.errors import (
    RENAMED,
    UNSAID,
    ArtefactError,
    ConfigError,
    DataError,
    Message,
    MissingExtraError,
    Setting,
    did_you_mean,
    first_offenders,
    in_python,
)
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


def test_a_python_without_docstrings_is_served_too():
    tried = "try:\n    palate.Ranker\nexcept palate.PalateError as error:\n    print(error)"
    code = f"import palate\n{tried}"
    words = [sys.executable, "-OO", "-c", code]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not done.stdout


def test_an_error_carries_its_settings():
    error = DataError("say ", Setting("encoding", "latin-1", "data"), ", or ", Setting("at"))
    assert str(error) == 'say encoding="latin-1", or at='
    wrapped = ConfigError("f.toml: ", error)
    assert wrapped.message.parts[2] == Setting("encoding", "latin-1", "data")
    assert str(wrapped) == f"f.toml: {error}"
    assert str(ConfigError()) == ""


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        (Setting("test", 5), "test=5"),
        (Setting("test"), "test="),
        (Setting("drop_unknown", True), "drop_unknown=True"),
        (Setting("columns", {"review": "text"}), "columns={'review': 'text'}"),
        (
            Setting("columns", {"a": "text"}, python="read(..., {})"),
            "read(..., columns={'a': 'text'})",
        ),
        (Setting("type", "time", "split", python="split_by_time"), "split_by_time"),
        (Setting("lists", "{}"), 'lists="{}"'),
        (Setting("at", 'a "b"'), "at='a \"b\"'"),
        (Setting("at", "a 'b'"), "at=\"a 'b'\""),
        (Setting("at", "C:\\new"), 'at="C:\\\\new"'),
        (Setting("at", None), "at=None"),
    ],
)
def test_settings_as_code_holds_them(setting, said):
    assert in_python(setting) == said


@pytest.mark.parametrize(
    "error",
    [
        DataError(Setting("at"), " is ", Setting("test", {"a": [1]})),
        ArtefactError(Setting("at"), " is ", Setting("test", {"a": [1]})),
        MissingExtraError(Setting("at"), "audio"),
    ],
)
def test_the_parts_survive_the_way_from_a_worker(error):
    again = pickle.loads(pickle.dumps(error))
    assert again.message == error.message
    assert again.message.parts[0].value is UNSAID
    assert Message.of_json(json.loads(json.dumps(error.message.to_json()))) == error.message
    assert str(copy.deepcopy(error)) == str(error)


def test_a_setting_that_is_called_otherwise_elsewhere():
    said = Message.of("the column column=: ", Setting("column"), " of ", Setting("folder", "x"))
    renamed = said.renamed({"column": "columns"})
    assert str(renamed) == 'the column column=: columns= of folder="x"'
    assert str(Message.joined(" or ", [Setting("a"), "b", Setting("c")])) == "a= or b or c="


@pytest.mark.parametrize(("old", "news"), RENAMED.items())
def test_a_name_of_an_earlier_version_says_what_it_is_called_now(old, news):
    for new in news:
        said = did_you_mean(old, ["something", f"{old}_", new])
        assert said.startswith(f" It is called '{new}' now. Known: ")
    assert "is called" not in did_you_mean(old, ["something", f"{old}_"])
