"""Every component of every stage keeps its promises; a new file is found by itself."""

import pytest

from palate import registry, testing
from palate.errors import ConfigError, MissingExtraError


def components(*stages):
    return [
        pytest.param(stage, name, id=f"{stage}.{name}")
        for stage in stages
        for name in registry.names(stage)
    ]


QUICK = {"ranker": {"rounds": 20}}
# sums that differ in their last bit may put a value on the other side of a tree's split
TOLERANCE = {"ranker": 0.05}


def built(stage, name):
    try:
        return registry.build(stage, {"use": name, **QUICK.get(name, {})}, where=name)
    except MissingExtraError as missing:
        pytest.skip(str(missing))


@pytest.mark.parametrize(("stage", "name"), components(*registry.STAGES))
def test_every_component_is_named_by_its_module(stage, name):
    component = built(stage, name)
    assert registry.name_of(component) == name
    testing.check_settings(component)


@pytest.mark.parametrize(("stage", "name"), components(*registry.STAGES))
def test_every_setting_refuses_a_value_of_another_type(stage, name):
    component = registry.find(stage, name)
    for setting in registry.defaults_of(component):
        with pytest.raises(ConfigError, match=rf"{component.__name__}\.{setting} = .*cannot be"):
            component(**{setting: object()})


@pytest.mark.parametrize(("stage", "name"), components("encoders"))
def test_encoders(stage, name, tiny):
    try:
        testing.check_encoder(built(stage, name), tiny)
    except MissingExtraError as missing:
        pytest.skip(str(missing))


@pytest.mark.parametrize(("stage", "name"), components("representation", "fusion", "selection"))
def test_transforms(stage, name, tiny, tiny_features):
    testing.check_transform(built(stage, name), tiny_features, tiny)


@pytest.mark.parametrize(("stage", "name"), components("recommenders"))
def test_recommenders(stage, name, tiny, tiny_features):
    tolerance = TOLERANCE.get(name, 1e-4)
    testing.check_recommender(built(stage, name), tiny, tiny_features, tolerance=tolerance)


@pytest.mark.parametrize(("stage", "name"), components("rerankers"))
def test_rerankers(stage, name, tiny, tiny_features):
    testing.check_reranker(built(stage, name), tiny, tiny_features)
