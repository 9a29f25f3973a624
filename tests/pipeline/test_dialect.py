import pytest

from palate.cli import models, options
from palate.core.errors import ConfigError, DataError, MissingExtraError
from palate.pipeline.dialect import of_encoder, speaking_options, speaking_toml
from palate.pipeline.features import errors_name


@pytest.mark.parametrize(
    ("said", "in_a_file"),
    [
        ('count them: on_error="skip"', 'count them: on_error = "skip"'),
        ("name it with column=. The columns", "name it with column. The columns"),
        ('vectors: id="COLUMN", vector="V".', 'vectors: id = "COLUMN", vector = "V".'),
        ("leave out segment=True", "leave out segment = true"),
        ('take model = "transe"', 'take model = "transe"'),
        ('give {"type": "muse"}', 'give {type = "muse"}'),
        ("Reviews.encoder: 'ease' reads", "encoder: 'ease' reads"),
        ("the files 'dim=3.jpg', a/dim=4", "the files 'dim=3.jpg', a/dim=4"),
        (
            'as in read(..., columns={"review": "text"}), or',
            'as in [data] columns = {"review" = "text"}, or',
        ),
    ],
)
def test_an_encoders_settings_as_its_table_holds_them(said, in_a_file):
    assert of_encoder(said) == in_a_file
    assert of_encoder(in_a_file) == in_a_file


def test_an_error_names_the_table_of_its_encoder():
    with pytest.raises(DataError) as caught, speaking_toml(["photo"]), errors_name("photo"):
        raise DataError('bad photos: on_error="skip"')
    assert str(caught.value) == '[encoders.photo]: bad photos: on_error = "skip"'
    assert caught.value.__notes__ == ["raised by the encoder 'photo'"]
    with pytest.raises(DataError) as caught, speaking_toml([]), errors_name("text"):
        raise DataError('no words: template="{title}"')
    assert str(caught.value) == 'no words: template = "{title}"'


def test_an_error_of_no_encoder_names_a_section():
    with pytest.raises(DataError) as caught, speaking_toml(["photo"]):
        raise DataError('say encoding="latin-1"')
    assert str(caught.value) == 'say [data] encoding = "latin-1"'


def test_an_error_about_a_package_stays_one():
    with pytest.raises(MissingExtraError) as caught, speaking_toml(["x"]), errors_name("x"):
        raise MissingExtraError('backend="openvino"', "speed")
    assert str(caught.value).startswith('[encoders.x]: backend = "openvino" needs an extra: pip')


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
        ('Say which it is: id="COLUMN"', "Say which it is: --id COLUMN"),
        ("Name another with id=", "Name another with --id"),
        ('what to read: template="{COLUMN}"', 'what to read: --template "{COLUMN}"'),
        ('leave them out: on_error="skip"', "leave them out: --on-error skip"),
        ("workers=3 is one", "--workers 3 is one"),
        ("the column 'paid=3'", "the column 'paid=3'"),
    ],
)
def test_settings_as_options(said, typed):
    with (
        pytest.raises(ConfigError) as caught,
        speaking_options(options.names_of(models.encode)),
    ):
        raise ConfigError(said)
    assert str(caught.value) == typed
