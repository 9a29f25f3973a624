"""Wrong settings, each answered with what, where and the fix, and never in a library's words."""

import traceback
from dataclasses import MISSING

import pytest

import palate
from palate.core import registry
from palate.core.errors import ConfigError, PalateError
from palate.core.settings import types_of
from palate.core.takes import checked
from palate.pipeline.config import config_of
from palate.pipeline.dialect import speaking_toml

VALUES = [
    *("nonsense", "", "yes", "null", "3", b"x", None, True, 3, -1, 0, 2.5, 10**30),
    *(float("nan"), float("inf"), [], [1], ["a"], [None], [[]], {1, 2}, object()),
    *({}, {"a": 1}, {"a": "x"}, {"a": -1}, {"a": None}, {"a": {"b": 1}}, {1: 2}, {None: 1}),
]
FOREIGN = ("Input should", "pydantic", "validation error", "Value error")
STAGES = [(stage, name) for stage in registry.STAGES for name in registry.names(stage)]


def said_of(call):
    """What a refusal says, "" where there is none, once it is known to speak palate's words."""
    refusal = refusal_of(call)
    if refusal is None:
        return ""
    shown = "".join(traceback.format_exception(refusal))
    assert isinstance(refusal, ConfigError), shown
    assert not any(word in shown for word in FOREIGN), shown
    return str(refusal)


def refusal_of(call):
    try:
        call()
    except PalateError as error:
        return error
    return None


@pytest.mark.parametrize(("stage", "name"), STAGES)
def test_every_setting_refuses_every_wrong_value_in_our_words(stage, name):
    cls = registry.find(stage, name)
    needed = [key for key, default in registry.defaults_of(cls).items() if default is MISSING]
    for setting in types_of(cls):
        assert needed in ([], [setting]), "a setting that is needed is tried alone"
        refused = 0
        for value in VALUES:
            if said := said_of(lambda setting=setting, value=value: cls(**{setting: value})):
                refused += 1
                assert setting in said, said
            table = {"type": name, setting: value}
            file = said_of(lambda table=table: registry.build(stage, table, where="[here]"))
            assert bool(file) == bool(said), (setting, value, file, said)
            assert not file or file.startswith("[here]"), file
        assert refused > 2, setting


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (
            lambda: palate.Weighted(weights="learned"),
            "Weighted.weights = 'learned' cannot be used: give 'learn' or a table from names of "
            "blocks to numbers, 0 or more, or leave it out. Did you mean 'learn'?",
        ),
        (
            lambda: palate.Ranker(against="yes"),
            "Ranker.against = 'yes' cannot be used: write against=True or against=False",
        ),
        (
            lambda: palate.Ranker(n_estimators="30"),
            "Ranker.n_estimators = '30' cannot be used: give a whole number, 1 or more. Write 30, "
            "without quotes",
        ),
        (
            lambda: palate.Concat(weights={"text": 1, "clicks": "much"}),
            "Concat.weights.clicks = 'much' cannot be used: give a number, 0 or more",
        ),
        (
            lambda: palate.Tfidf(ngrams=[1, "two"]),
            "Tfidf.ngrams.1 = 'two' cannot be used: give a whole number",
        ),
        (
            lambda: palate.Importance(by="permutations"),
            "Importance.by = 'permutations' cannot be used: give 'permutation' or 'gain'. Did you "
            "mean 'permutation'?",
        ),
        (
            lambda: palate.Content(decay=float("nan")),
            "Content.decay = nan cannot be used: give a finite number, 0 < decay ≤ 1",
        ),
        (
            lambda: palate.Content(blocks="text"),
            "Content.blocks = 'text' cannot be used: give a list of names of blocks, or leave it "
            "out",
        ),
        (
            lambda: palate.Quantize(bits=4),
            "Quantize.bits = 4 cannot be used: give 1 or 8",
        ),
    ],
)
def test_what_is_said(made, said):
    with pytest.raises(ConfigError) as caught:
        made()
    assert str(caught.value) == said
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_a_pipeline_file_is_answered_as_it_is_written():
    with pytest.raises(ConfigError) as caught, speaking_toml():
        registry.build("recommenders", {"type": "ranker", "against": "yes"}, where="[recommender]")
    said = str(caught.value)
    assert said.endswith("cannot be used: write against = true or against = false")
    assert said.startswith("[recommender].against = 'yes'")


@pytest.mark.parametrize(
    ("section", "key", "value", "fix"),
    [
        ("data", "drop_unknown", "yes", "write drop_unknown = true"),
        ("data", "interactions", 3, "give a text"),
        ("split", "test", "a fifth", "give a number, or leave it out"),
        ("evaluation", "metrics", "ndcg", "give a list of texts"),
    ],
)
def test_the_other_sections_of_a_pipeline_file(section, key, value, fix, tmp_path):
    tables = {"data": {"interactions": "log.csv"}}
    tables[section] = tables.get(section, {}) | {key: value}
    said = said_of(lambda: config_of(tables, folder=tmp_path))
    assert f"[{section}].{key} = {value!r} cannot be used: {fix}" in said


def test_keys_that_are_no_texts():
    said = said_of(lambda: checked(dict[str, int], {3: 4}, where="here"))
    assert said == "here = {3: 4} cannot be used: give a table from names to whole numbers"
