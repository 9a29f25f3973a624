import numpy as np
import pytest

from palate.core.arrays import to_dense, unit_rows
from palate.core.errors import AlignmentError, ConfigError
from palate.features.fusion.concat import Concat


def cosines(part):
    units = to_dense(unit_rows(part))
    return units @ units.T


def test_equal_weights_average_the_cosines(tiny, tiny_features):
    fused = Concat().fit(tiny_features, tiny).transform(tiny_features)
    assert list(fused.parts) == ["text", "image", "tags"]
    wanted = sum(cosines(part) for part in tiny_features.parts.values()) / 3
    np.testing.assert_allclose(fused.values @ fused.values.T, wanted, atol=1e-5)


def test_weights_are_shares_of_the_dot_product(tiny, tiny_features):
    model = Concat(weights={"text": 3.0, "tags": 0.0}).fit(tiny_features, tiny)
    fused = model.transform(tiny_features).values
    parts = tiny_features.parts
    wanted = 0.75 * cosines(parts["text"]) + 0.25 * cosines(parts["image"])
    np.testing.assert_allclose(fused @ fused.T, wanted, atol=1e-5)


def test_without_scaling_rows_keep_their_lengths(tiny, tiny_features):
    fused = Concat(scale=False).fit(tiny_features, tiny).transform(tiny_features)
    np.testing.assert_allclose(fused.values, tiny_features.values, rtol=1e-6)
    weighted = Concat(scale=False, weights={"image": 2.0}).fit(tiny_features, tiny)
    part = weighted.transform_block("image", tiny_features.parts["image"])
    np.testing.assert_allclose(part, tiny_features.parts["image"] * np.sqrt(1.5), rtol=1e-6)


def test_words_go_the_way_of_the_items(tiny, tiny_features):
    model = Concat(weights={"text": 2.0}).fit(tiny_features, tiny)
    found = model.transform_block("text", tiny_features.parts["text"][4:6])
    np.testing.assert_allclose(found, model.transform(tiny_features).parts["text"][4:6])


def test_blocks_that_do_not_exist_raise(tiny, tiny_features):
    with pytest.raises(ConfigError, match="Did you mean 'image'"):
        Concat(weights={"imge": 1.0}).fit(tiny_features, tiny)
    model = Concat().fit(tiny_features.select(["text"]), tiny)
    with pytest.raises(AlignmentError, match="'image'"):
        model.transform(tiny_features)


def test_weights_that_cannot_work_raise(tiny, tiny_features):
    with pytest.raises(ConfigError, match=r"weights\.text = -1"):
        Concat(weights={"text": -1.0})
    nothing = dict.fromkeys(tiny_features.parts, 0.0)
    with pytest.raises(ConfigError, match="all blocks weigh 0"):
        Concat(weights=nothing).fit(tiny_features, tiny)
