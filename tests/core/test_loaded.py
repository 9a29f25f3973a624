import copy
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pytest

from palate.core.component import LoadsItself, learnt
from palate.features.cache.store import without_cache
from palate.features.encoders.transformer import Transformer


@dataclass(kw_only=True)
class Scale(LoadsItself):
    """Loads twice its factor."""

    factor: int = 2
    learnt_: int = learnt()

    @cached_property
    def loaded(self):
        return 2 * self.factor


def test_another_setting_takes_what_was_loaded_along():
    scale = Scale(factor=3)
    assert scale.loaded == 6
    scale.learnt_ = 7
    assert "loaded" in vars(scale), "what it learns is no setting"
    scale.factor = 5
    assert scale.loaded == 10
    assert scale.learnt_ == 7


def test_a_copy_has_settings_and_what_was_learnt():
    scale = Scale(factor=3)
    scale.learnt_ = 7
    assert scale.loaded == 6
    assert vars(copy.copy(scale)) == {"factor": 3, "learnt_": 7}
    assert vars(copy.deepcopy(scale)) == {"factor": 3, "learnt_": 7}


@pytest.mark.parametrize(
    ("setting", "value"), [("pooling", "cls"), ("dim", 4), ("layer", 0), ("prefix", "tea ")]
)
def test_a_changed_transformer_puts_no_wrong_vectors_in_the_cache(setting, value, folders):
    pytest.importorskip("torch")
    plain = {"model": str(folders("bert")[0]), "pooling": "mean", "dtype": "float32"}
    plain["backend"] = "torch"
    changed, other = Transformer(**plain), Transformer(**plain | {setting: value})
    with without_cache():
        changed.encode_texts(["old tea"])
        wanted = other.encode_texts(["green jazz"])
    setattr(changed, setting, value)
    np.testing.assert_array_equal(changed.encode_texts(["green jazz"]), wanted)
    np.testing.assert_array_equal(other.encode_texts(["green jazz"]), wanted)
