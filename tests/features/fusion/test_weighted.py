import numpy as np
import pytest
from scipy import sparse

from palate.core.arrays import unit_rows
from palate.core.errors import AlignmentError, ConfigError
from palate.core.features import Features
from palate.features.fusion.weighted import Weighted
from palate.features.representation.reduce import Reduce


@pytest.fixture
def square(tiny, tiny_features):
    """Two dense blocks of five columns and a sparse one; `image` was learnt from interactions."""
    parts = dict(tiny_features.parts)
    parts["text"] = parts["text"][:, :5]
    return Features(tiny.item_ids, parts, behavioural={"image"})


def test_blocks_of_one_size_are_summed_by_their_shares(tiny, square):
    fused = Weighted(weights={"text": 3.0}).fit(square, tiny).transform(square)
    assert list(fused.parts) == ["fused", "tags"]
    wanted = 0.75 * unit_rows(square.parts["text"]) + 0.25 * unit_rows(square.parts["image"])
    np.testing.assert_allclose(fused.parts["fused"], wanted, atol=1e-6)
    assert fused.parts["tags"] is square.parts["tags"]
    assert fused.behavioural == {"fused"}


def test_wider_blocks_enter_by_their_principal_components(tiny, tiny_features):
    fused = Weighted().fit(tiny_features, tiny).transform(tiny_features).parts["fused"]
    reduced = Reduce(dim=5).fit(tiny_features, tiny).transform(tiny_features).parts["text"]
    wanted = (unit_rows(reduced) + unit_rows(tiny_features.parts["image"])) / 2
    np.testing.assert_allclose(fused, wanted, atol=1e-5)


def test_narrower_blocks_get_zeros_behind(tiny, square):
    fused = Weighted(dim=6).fit(square, tiny).transform(square).parts["fused"]
    assert fused.shape == (30, 6)
    assert not fused[:, 5].any()


def test_words_add_their_share(tiny, square):
    model = Weighted().fit(square, tiny)
    text = model.transform_block("text", square.parts["text"])
    image = model.transform_block("image", square.parts["image"])
    np.testing.assert_allclose(text + image, model.transform(square).parts["fused"], atol=1e-6)
    assert [model.block_after(name) for name in ("text", "tags")] == ["fused", "tags"]


def test_blocks_that_cannot_be_fused_raise(tiny, tiny_features, square):
    with pytest.raises(ConfigError, match="needs a dense block"):
        Weighted().fit(tiny_features.select(["tags"]), tiny)
    with pytest.raises(AlignmentError, match=r"'image'.*missing"):
        Weighted().fit(square, tiny).transform(square.select(["text", "tags"]))
    taken = Features(tiny.item_ids, {"text": np.ones((30, 2)), "fused": sparse.csr_array((30, 2))})
    with pytest.raises(AlignmentError, match="'fused' already"):
        Weighted().fit(taken, tiny)


def test_settings_that_cannot_work_raise():
    with pytest.raises(ConfigError, match="dim = 0"):
        Weighted(dim=0)
