import pickle

import pytest

from palate.cli import models, options
from palate.core.errors import ConfigError, DataError, Message, MissingExtraError, Setting
from palate.pipeline.dialect import in_toml, speaking_options, speaking_toml
from palate.pipeline.features import errors_name


@pytest.mark.parametrize(
    ("setting", "in_a_file"),
    [
        (Setting("on_error", "skip"), 'on_error = "skip"'),
        (Setting("column"), "column"),
        (Setting("segment", True), "segment = true"),
        (Setting("encoder", {"type": "muse"}), 'encoder = {type = "muse"}'),
        (Setting("encoder", python="Reviews.encoder"), "encoder"),
        (
            Setting("columns", {"a b": "text"}, "data", python="read(..., {})"),
            '[data] columns = {"a b" = "text"}',
        ),
        (
            Setting("columns", {"'": "x", "c": "y"}, "data"),
            """[data] columns = {"'" = "x", c = "y"}""",
        ),
        (Setting("encoding", "latin-1", "data"), '[data] encoding = "latin-1"'),
        (Setting("events", section="data"), "[data] events"),
        (Setting("drop_unknown", True, "data"), "[data] drop_unknown = true (or --drop-unknown)"),
        (Setting("keep", ["a"], "data"), '[data] keep = ["a"]'),
        (Setting("test", -0.2, "split"), "[split] test = -0.2"),
        (Setting("type", "time", "split", python="split_by_time"), '[split] type = "time"'),
    ],
)
def test_settings_as_a_file_holds_them(setting, in_a_file):
    assert in_toml(setting) == in_a_file


def test_an_error_names_the_table_of_its_encoder():
    with pytest.raises(DataError) as caught, speaking_toml(["photo"]), errors_name("photo"):
        raise DataError("bad photos: ", Setting("on_error", "skip"))
    assert str(caught.value) == '[encoders.photo]: bad photos: on_error = "skip"'
    assert caught.value.__notes__ == ["raised by the encoder 'photo'"]
    with pytest.raises(DataError) as caught, speaking_toml([]), errors_name("text"):
        raise DataError("no words: ", Setting("template", "{title}"))
    assert str(caught.value) == 'no words: template = "{title}"'


def test_the_table_of_an_encoder_is_named_once():
    with (
        pytest.raises(DataError) as caught,
        speaking_toml(["x"]),
        speaking_toml(["x"]),
        errors_name("x"),
    ):
        raise DataError("no words")
    assert str(caught.value) == "[encoders.x]: no words"


def test_an_error_of_no_encoder_names_a_section():
    with pytest.raises(DataError) as caught, speaking_toml(["photo"]):
        raise DataError("say ", Setting("encoding", "latin-1", "data"))
    assert str(caught.value) == 'say [data] encoding = "latin-1"'


def test_an_error_about_a_package_stays_one():
    with pytest.raises(MissingExtraError) as caught, speaking_toml(["x"]), errors_name("x"):
        raise MissingExtraError(Setting("backend", "openvino"), "speed")
    assert str(caught.value).startswith('[encoders.x]: backend = "openvino" needs an extra: pip')
    again = pickle.loads(pickle.dumps(caught.value))
    assert str(again) == str(caught.value)


def test_options_of_a_command():
    names = options.names_of(models.encode)
    assert names["id"] == "--id"
    assert names["columns"] == "--column"
    assert names["on_error"] == "--on-error"
    assert "table" not in names
    assert "column" not in names


@pytest.mark.parametrize(
    ("said", "typed"),
    [
        (["Say which it is: ", Setting("id", "COLUMN")], "Say which it is: --id COLUMN"),
        (["Name another with ", Setting("id")], "Name another with --id"),
        (["read: ", Setting("template", "{COLUMN}")], 'read: --template "{COLUMN}"'),
        (["leave them out: ", Setting("on_error", "skip")], "leave them out: --on-error skip"),
        ([Setting("workers", 3), " is one"], "--workers 3 is one"),
        (["say ", Setting("encoding", "utf-16", "data")], "say --encoding utf-16"),
        (["take ", Setting("dim", 3)], "take dim=3"),
        (
            ["as in ", Setting("columns", {"a": "text"}, "data", python="read(..., {})")],
            "as in read(..., columns={'a': 'text'})",
        ),
        (["the column 'workers=3'"], "the column 'workers=3'"),
    ],
)
def test_settings_as_options(said, typed):
    with (
        pytest.raises(ConfigError) as caught,
        speaking_options(options.names_of(models.encode)),
    ):
        raise ConfigError(*said)
    assert str(caught.value) == typed
    assert str(pickle.loads(pickle.dumps(caught.value))) == typed


@pytest.mark.parametrize("theirs", ["a test=5 keep=True", 'use = "x"', "split_by_time", 'id="x"'])
def test_what_is_no_setting_is_never_rewritten(theirs):
    said = Message.of(f"no item {theirs}: ", Setting("keep", [theirs], "data"))
    assert said.said(in_toml).startswith(f"no item {theirs}: [data] keep = ")
    for border in (speaking_toml(["a"]), speaking_options({"id": "--id", "keep": "--keep"})):
        with pytest.raises(DataError) as caught, border:
            raise DataError(f"no item {theirs}")
        assert str(caught.value) == f"no item {theirs}"
