"""Components as scikit-learn's estimators: their settings by name, and copies that know nothing."""

import numpy as np
import pytest
from sklearn.base import clone

import palate
from palate.core import registry
from palate.core.errors import ConfigError
from palate.data.samples import synthetic

CLASSES = [
    pytest.param(registry.find(stage, name), id=f"{stage}.{name}")
    for stage in registry.STAGES
    for name in registry.names(stage)
]


@pytest.mark.parametrize("component", CLASSES)
def test_every_component_is_cloned_by_scikit_learn(component):
    one = component()
    other = clone(one)
    assert other is not one
    assert other == one
    assert other.get_params().keys() >= registry.settings_of(one).keys()
    assert one.set_params(**one.get_params(deep=False)) == other


def pipeline():
    return palate.Pipeline(
        encoders={"words": palate.Tfidf(min_df=3), "clicks": palate.Behaviour(dim=4)},
        representation=[palate.Whiten(shrinkage=0.5)],
        recommender=palate.Content(),
    )


def test_settings_of_parts_are_found_by_their_paths():
    params = pipeline().get_params()
    assert params["encoders__words__min_df"] == 3
    assert params["encoders__clicks__dim"] == 4
    assert params["representation__0__shrinkage"] == 0.5
    assert params["encoders__words"] == palate.Tfidf(min_df=3)
    assert not [name for name in pipeline().get_params(deep=False) if "__" in name]


def test_settings_of_parts_are_set_by_their_paths():
    model = pipeline()
    assert model.set_params(encoders__words__min_df=1, representation__0__shrinkage=0.1) is model
    assert model.encoders["words"] == palate.Tfidf(min_df=1)
    assert model.encoders["clicks"] == palate.Behaviour(dim=4)
    assert model.representation == [palate.Whiten(shrinkage=0.1)]
    model.set_params(encoders__words=palate.Tfidf(), encoders__words__sublinear=False)
    assert model.encoders["words"] == palate.Tfidf(sublinear=False)


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"min_dff": 3}, "Tfidf has no setting 'min_dff'. Did you mean 'min_df'"),
        ({"min_df": 0}, "min_df = 0 cannot be used: give 1 or more"),
    ],
)
def test_what_is_no_setting_changes_nothing(params, said):
    encoder = palate.Tfidf()
    with pytest.raises(ConfigError, match=said):
        encoder.set_params(sublinear=False, **params)
    assert encoder == palate.Tfidf()


def test_a_misspelt_path_is_told_apart():
    with pytest.raises(ConfigError, match="Did you mean 'encoders__words__min_df'"):
        pipeline().set_params(encoders__words__min_dff=1)


def test_a_clone_of_a_fitted_pipeline_is_fitted_by_itself():
    shop = synthetic(40, 30)
    model = pipeline().fit(shop)
    other = clone(model)
    assert not hasattr(other, "features_")
    assert other.encoders["words"] is not model.encoders["words"]
    other.set_params(encoders__clicks__dim=2).fit(shop)
    assert model.features.parts["clicks"].shape[1] == 4
    assert other.features.parts["clicks"].shape[1] == 2
    assert np.isfinite(model.features.values).all()
