"""The public names: sorted, all there, described, and free until they are used."""

import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest
import typed_use

import palate
from palate.core.types import Encoder, Recommender, Reranker, Transform

HEAVY = ("numpy", "polars", "scipy", "sklearn", "lightgbm", "pydantic", "torch", "typer", "rich")


def test_all_is_sorted_and_without_repetition():
    names = [name for name in palate.__all__ if name != "__version__"]
    assert names == sorted(names)
    assert len(set(palate.__all__)) == len(palate.__all__)


def test_every_public_name_is_there_and_described():
    assert palate.__version__.count(".") == 2
    values = {name: getattr(palate, name) for name in palate.__all__ if name != "__version__"}
    assert not [name for name, value in values.items() if value.__name__ != name]
    said = {
        name: vars(value)["__doc__"] if inspect.isclass(value) else value.__doc__
        for name, value in values.items()
    }
    assert not [name for name, words in said.items() if not words]
    by_dataclass = [name for name, words in said.items() if words.startswith(f"{name}(")]
    assert not by_dataclass


VERBS = {name for verb in (Encoder, Transform, Recommender, Reranker) for name in vars(verb)}


@pytest.mark.parametrize("name", [name for name in palate.__all__ if name != "__version__"])
def test_the_reference_shows_types_and_docstrings(name):
    """What `make docs` prints: every parameter has a type, every method says what it does."""
    value = getattr(palate, name)
    if name != "PalateError":
        parameters = inspect.signature(value).parameters.values()
        assert all(one.annotation is not inspect.Parameter.empty for one in parameters)
    members = vars(value) if inspect.isclass(value) else {}
    silent = [
        member
        for member, found in members.items()
        if not member.startswith("_")
        and (callable(found) or hasattr(found, "__get__"))
        and not found.__doc__
        and member not in VERBS
    ]
    assert not silent, f"{name} has members without a docstring: {silent}"


def test_names_are_listed_and_unknown_ones_raise():
    assert dir(palate) == sorted(palate.__all__)
    with pytest.raises(AttributeError, match=r"no attribute 'Rankr'\. Did you mean 'Ranker'"):
        palate.Rankr  # noqa: B018
    with pytest.raises(AttributeError, match=r"no attribute 'zzzz'$"):
        palate.zzzz  # noqa: B018


def test_a_star_import_brings_them_all():
    names: dict[str, object] = {}
    exec("from palate import *", names)
    assert set(palate.__all__) <= names.keys()


def loaded_by(code):
    """Which heavy modules a fresh interpreter holds after some code."""
    shown = f"import sys\n{code}\nprint(*[name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", shown], capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_importing_palate_loads_nothing_heavy():
    assert loaded_by("import palate") == []
    assert "numpy" in loaded_by("import palate; palate.Features"), "the check sees what is loaded"


def test_errors_are_one_family():
    from palate.core import errors

    raised = [value for value in vars(errors).values() if inspect.isclass(value)]
    kinds = [
        kind for kind in raised if issubclass(kind, Exception) and not issubclass(kind, Warning)
    ]
    assert len(kinds) > 5
    assert all(issubclass(kind, palate.PalateError) for kind in kinds)


def test_editors_and_type_checkers_see_the_same_names():
    stub = Path(palate.__file__).with_suffix(".pyi").read_text()
    said = set(re.findall(r"^from (\S+) import (\w+) as \2$", stub, flags=re.MULTILINE))
    assert said == {(home, name) for name, home in palate._HOME.items()}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("people_features", "user_features"),
        ("people_views", "user_views"),
        ("people_aggregates", "user_aggregates"),
        ("Telling", "HistoryText"),
        ("split_new_items", "split_cold_items"),
    ],
)
def test_names_of_an_earlier_version(old, new):
    said = rf"no attribute '{old}'\. It is called '{new}' now\."
    with pytest.raises(AttributeError, match=said):
        getattr(palate, old)


def test_a_name_that_is_not_there_loads_nothing_heavy():
    code = (
        "import palate, sys\n"
        "try: palate.people_features\n"
        "except AttributeError: print({'numpy', 'polars', 'pydantic'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_the_program_that_mypy_checks_runs():
    assert len(typed_use.main()) == 3
