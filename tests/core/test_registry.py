import subprocess
import sys
from dataclasses import MISSING, dataclass
from pathlib import Path

import pytest

from palate.core import registry
from palate.core.errors import ConfigError
from palate.recommenders.blend import Blend
from palate.recommenders.covisit import Covisit
from palate.recommenders.ranker import Ranker

OUTSIDE = '''
from dataclasses import dataclass

NUMBER = 3

@dataclass(kw_only=True)
class Mine:
    """Scores of somebody else.

    More about it.
    """

    depth: int
    tone: str | None = None

class Plain:
    pass
'''


@pytest.fixture
def outside(tmp_path, monkeypatch):
    """A module of somebody else: its name, importable for this test."""
    name = "somebodys_module"
    (tmp_path / f"{name}.py").write_text(OUTSIDE)
    monkeypatch.syspath_prepend(tmp_path)
    yield name
    sys.modules.pop(name, None)


def fails(table, *parts, stage="recommenders", where="[recommender]"):
    with pytest.raises(ConfigError) as caught:
        registry.build(stage, table, where=where)
    for part in parts:
        assert part in str(caught.value), str(caught.value)


def test_an_encoder_that_reads_texts_may_be_called_text():
    encoder = registry.build("encoders", {"type": "text", "template": "{about}"}, where="[users.a]")
    assert type(encoder) is registry.find("encoders", "muse")
    assert encoder.template == "{about}"
    assert registry.name_of(encoder) == "muse"
    fails({"type": "text"}, "no recommender is called 'text'")
    for outer in ("topics", "reviews", "sentiment"):
        inside = {"type": outer, "encoder": {"type": "text", "template": "{title}"}}
        kept = registry.build("encoders", inside, where="[encoders.a]").encoder
        assert kept == {"type": "muse", "template": "{title}"}, "which a saved model is held to"


def test_the_folder_of_a_stage_is_its_registry():
    assert registry.names("fusion") == [
        *("attention", "concat", "correlation", "gated", "linear", "weighted")
    ]
    assert "people" not in registry.names("representation")
    assert not [name for name in registry.names("encoders") if name.startswith("_")]
    assert registry.find("recommenders", "covisit") is Covisit
    with pytest.raises(ConfigError, match=r"no stage is called 'recomenders'.*'recommenders'"):
        registry.names("recomenders")


def test_the_ground_floor_knows_no_model():
    """What a model is said to be in place of an encoder is said by the encoders' own settings."""
    source = Path(registry.__file__).read_text("utf-8")
    assert "encoders." not in source.partition("\nSTAGES")[2]
    shown = "import sys; from palate.core import registry; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", shown], capture_output=True, text=True, check=True)
    assert "palate.core.registry" in done.stdout
    assert "palate.features.encoders" not in done.stdout
    fails({"type": "minilm"}, 'type = "transformer", model = "minilm"', stage="encoders")
    fails({"type": "owner/name"}, 'model = "owner/name"', stage="encoders")
    fails({"type": "gemma"}, 'type = "causal", model = "gemma"', stage="encoders")
    fails({"type": "musicnn-mtt"}, 'type = "audio", model = "musicnn-mtt"', stage="encoders")
    fails({"type": "minilm"}, "no recommender is called 'minilm'", "Known: ")


def test_a_name_and_settings_become_a_component():
    built = registry.build("recommenders", {"type": "covisit", "window": 5}, where="here")
    assert built == Covisit(window=5)
    assert registry.name_of(built) == "covisit"
    assert registry.settings_of(built)["window"] == 5
    assert registry.build("recommenders", {"type": "covisit", "decay": 1}, where="x").decay == 1


def test_misspelt_names_are_guessed():
    fails({"type": "rankr"}, "[recommender]", "'rankr'", "Did you mean 'ranker'?", "covisit, ease")
    fails(
        {"type": "ranker", "n_estimator": 3},
        "[recommender]",
        "'n_estimator'",
        "Did you mean 'n_estimators'?",
    )
    fails({"type": "concatt"}, "no fusion is called", "'concat'", stage="fusion", where="[fusion]")


def test_a_table_without_use():
    fails({"n_estimators": 3}, '[recommender] needs type = "NAME"', "ranker")
    fails({"type": 7}, 'needs type = "NAME"')
    fails("ranker", '[recommender] must be a table with type = "NAME"', "'ranker'")


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("n_estimators", "5", "whole number"),
        ("n_estimators", True, "whole number"),
        ("n_estimators", 5.5, "whole number"),
        ("learning_rate", "fast", "number"),
        ("learning_rate", float("nan"), "finite"),
        ("learning_rate", float("inf"), "finite"),
        ("behaviour", 1, "behaviour=True"),
    ],
)
def test_values_of_a_wrong_type(key, value, reason):
    fails({"type": "ranker", key: value}, f"[recommender].{key} = {value!r}", reason)


def test_values_that_make_no_sense():
    fails({"type": "ranker", "n_estimators": 0}, "[recommender].n_estimators = 0", "1 or more")
    part = {"type": "popular", "last_day": 3}
    fails({"type": "blend", "parts": [part]}, "blend.parts[0]", "'last_day'", "'last_days'")
    fails(
        {"type": "blend", "parts": ["popular"]},
        "blend.parts[0] must be a component",
        "not 'popular'",
    )


def test_components_of_somebody_else(outside):
    mine = registry.build("recommenders", {"type": f"{outside}:Mine", "depth": 3}, where="here")
    assert mine.depth == 3
    assert registry.name_of(mine) == f"{outside}:Mine"
    fails({"type": f"{outside}:Mine", "depht": 3}, "'depht'", "'depth'")
    fails({"type": f"{outside}:Mine"}, "depth")
    fails({"type": f"{outside}:Yours"}, "cannot be imported", "Yours")
    fails({"type": f"{outside}:NUMBER"}, "names no component", "dataclass")
    fails({"type": f"{outside}:Plain"}, "names no component", "dataclass")


@pytest.mark.parametrize("name", ["no_such_module:Mine", ":Mine", "./path:Mine", "a b:c"])
def test_modules_that_are_not_there(name):
    fails({"type": name}, "[recommender]", name, "cannot be imported")


def test_a_module_that_breaks_when_imported(tmp_path, monkeypatch):
    (tmp_path / "broken_module.py").write_text("1 / 0")
    monkeypatch.syspath_prepend(tmp_path)
    fails({"type": "broken_module:Mine"}, "cannot be imported", "ZeroDivisionError")


def test_what_people_read_about_a_component(outside):
    mine = registry.find("recommenders", f"{outside}:Mine")
    assert registry.summary_of(mine) == "Scores of somebody else."
    assert registry.defaults_of(mine) == {"depth": MISSING, "tone": None}
    assert registry.defaults_of(Ranker)["n_estimators"] == Ranker().n_estimators
    assert registry.defaults_of(Blend)["parts"] == Blend().parts
    assert "trees_" not in registry.defaults_of(Ranker)


def test_every_component_says_in_a_sentence_what_it_is():
    said = {
        f"{stage}.{name}": registry.summary_of(registry.find(stage, name))
        for stage in registry.STAGES
        for name in registry.names(stage)
    }
    assert not {
        name: summary
        for name, summary in said.items()
        if not (summary.endswith(".") and 20 < len(summary) < 160 and "`" not in summary)
    }


def test_names_of_components_that_are_in_no_stage():
    @dataclass(kw_only=True)
    class Local:
        pass

    assert registry.name_of(Local()).endswith(":" + Local.__qualname__)
    assert ":" in registry.name_of(Local())


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("minilm", 'It is a model: write type = "transformer", model = "minilm"'),
        ("wordllama", 'It is a model: write type = "static", model = "wordllama"'),
        ("google/siglip-base-patch16-224", 'write type = "image", model = "google/siglip'),
        ("somebody/bert", 'write type = "transformer", model = "somebody/bert"'),
        ("transfomer", "Did you mean 'transformer'?"),
    ],
)
def test_a_model_where_an_encoder_is_meant(name, said):
    with pytest.raises(ConfigError) as caught:
        registry.build("encoders", {"type": name}, where="[encoders.text]")
    assert said in str(caught.value)
    with pytest.raises(ConfigError, match="no recommender is called"):
        registry.find("recommenders", name)
