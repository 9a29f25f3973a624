"""What is optional: which extra brings it, and what is said without it."""

import re
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

import pytest

from palate.core import optional, registry
from palate.core.errors import ConfigError, MissingExtraError
from palate.core.optional import EXTRAS, Requirement, check_installed, is_installed, requirements_of
from palate.features.encoders.transformer import Transformer

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))
LISTED = PROJECT["project"]["optional-dependencies"]
MODULE_OF = PROJECT["tool"]["deptry"]["package_module_name_map"]
OTHER_SETTINGS = (  # with which components need other packages than by default
    ("transformer", {"model": "e5"}),
    ("transformer", {"model": "gemma"}),
    ("transformer", {"model": "owner/name", "backend": "openvino"}),
    ("transformer", {"backend": "onnx"}),
    ("static", {"model": "owner/name"}),
    ("image", {"model": "owner/name"}),
    ("audio", {"model": "owner/name"}),
    ("tfidf", {"segment": True}),
    ("sentiment", {"labels": "ratings"}),
    ("reviews", {"encoder": {"type": "static"}}),
)


def brought_by(extra):
    """The modules of an extra, and of the extras inside it."""
    found = set()
    for line in LISTED[extra]:
        name = re.match(r"[\w.-]+", line)[0]
        if name == "palate":
            for inner in re.search(r"\[(.+)\]", line)[1].split(","):
                found |= brought_by(inner)
        else:
            found.add(MODULE_OF.get(name, name))
    return found


def test_the_table_is_that_of_the_package():
    assert set(EXTRAS) == set(LISTED) - {"all"}
    for extra, modules in EXTRAS.items():
        own = [line for line in LISTED[extra] if not line.startswith("palate[")]
        names = {re.match(r"[\w.-]+", line)[0] for line in own}
        assert {MODULE_OF.get(name, name.partition("[")[0]) for name in names} == set(modules)


def own_components():
    for stage in registry.STAGES:
        for name in registry.names(stage):
            yield pytest.param(stage, {"type": name}, id=f"{stage}-{name}")
    for name, settings in OTHER_SETTINGS:
        yield pytest.param("encoders", {"type": name, **settings}, id=f"{name}-{settings}")


@pytest.mark.parametrize(("stage", "table"), list(own_components()))
def test_what_a_component_needs_is_what_its_extra_brings(stage, table):
    for needed in requirements_of(registry.build(stage, table, where="here")):
        if needed.command:
            assert needed.modules == ("musicnn",)
            continue
        modules = {re.sub(r"_part\d$", "", module) for module in needed.modules}
        assert modules <= brought_by(needed.extra), needed


@pytest.mark.parametrize(
    ("table", "extras"),
    [
        ({"type": "tfidf"}, []),
        ({"type": "tfidf", "segment": True}, ["zh"]),
        ({"type": "muse"}, ["demo"]),
        ({"type": "transformer", "model": "minilm"}, ["minilm"]),
        ({"type": "transformer", "model": "owner/name"}, ["torch"]),
        ({"type": "transformer", "model": "e5", "backend": "onnx"}, ["e5", "speed"]),
        ({"type": "causal", "model": "gemma"}, ["gemma"]),
        ({"type": "static"}, ["static"]),
        ({"type": "sentiment"}, ["sentiment"]),
        ({"type": "sentiment", "labels": "ratings"}, ["demo"]),
        ({"type": "reviews", "encoder": {"type": "transformer", "model": "e5"}}, ["e5"]),
        ({"type": "audio"}, ["audio", "audio", ""]),
    ],
)
def test_what_is_needed_depends_on_the_settings(table, extras):
    component = registry.build("encoders", table, where="here")
    assert [needed.extra for needed in requirements_of(component)] == extras


def test_a_module_that_is_there_is_given():
    assert optional.optional("json", needed_for="this", extra="torch").loads("3") == 3
    assert is_installed("json", "sys")
    assert not is_installed("json", "no_such_module")
    assert not is_installed("no_such_module.inside")
    check_installed([Requirement(("json",), "this", "torch")])


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("rjieba", r"this needs an extra: pip install 'palate\[zh\]'$"),
        ("soundfile", r"pip install 'palate\[audio\]'$"),
        ("vaderSentiment.vaderSentiment", r"palate\[sentiment\]"),
    ],
)
def test_a_missing_module_names_the_line(module, line, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=line):
        optional.optional(module, needed_for="this")


def test_a_library_of_c_that_is_not_there(monkeypatch):
    def broken(_name):
        raise OSError("libsndfile.so: cannot open shared object file")

    monkeypatch.setattr(optional, "import_module", broken)
    with pytest.raises(MissingExtraError, match=r"reading sounds needs .*palate\[audio\]"):
        optional.optional("soundfile", needed_for="reading sounds")


def test_a_command_stands_in_for_an_extra():
    colours = Requirement("no_such_module", "Colours", command="pip install colour-science")
    assert colours.modules == ("no_such_module",)
    for ask in (colours.load, colours.folder, lambda: check_installed([colours])):
        with pytest.raises(MissingExtraError, match=r"a package: pip install colour-science$"):
            ask()
    with pytest.raises(ConfigError, match=r"no extra of palate brings 'colour'.*command="):
        Requirement(("colour",), "Colours")


def test_nothing_is_imported_to_see_what_is_there(monkeypatch):
    monkeypatch.setattr(optional, "import_module", lambda name: pytest.fail(f"imports {name}"))
    for needed in requirements_of(Transformer()):
        is_installed(*needed.modules)


@pytest.mark.parametrize("wrong", ["torch", ["torch"], ("torch",), Requirement("torch", "this")])
def test_what_a_component_needs_is_a_tuple_of_requirements(wrong):
    class Mine:
        requires = wrong

    with pytest.raises(ConfigError, match=r"Mine\.requires must be a tuple of Requirement"):
        requirements_of(Mine())


def test_distributions_have_the_modules_that_the_table_says():
    seen = 0
    for name in {re.match(r"[\w.-]+", line)[0] for lines in LISTED.values() for line in lines}:
        try:
            metadata(name)
        except PackageNotFoundError:
            continue
        if name in MODULE_OF:
            assert is_installed(MODULE_OF[name]), name
            seen += 1
    assert seen
