import numpy as np
import polars as pl
import pytest

from palate import testing
from palate.core.dataset import Dataset
from palate.core.errors import AlignmentError, ConfigError
from palate.core.features import Features
from palate.features.quantized_index import BitCode, Int8Code
from palate.features.representation.quantize import Quantize
from palate.pipeline.pipeline import Pipeline
from palate.recommenders.content import Content

ROWS = np.arange(5, dtype=np.int32)
VALUES = np.array(
    [[0.0, 5, 2], [1, 5, -2], [4, 5, 0], [2, 5, 1], [0, 0, 0], [9, 5, -9]], dtype=np.float32
)


def test_int8_is_whole_steps_between_the_least_and_the_largest():
    code = Int8Code.of(VALUES, ROWS)
    np.testing.assert_allclose(code.centre, [2, 5, 0])
    np.testing.assert_allclose(code.scale, [2 / 127, 0, 2 / 127], rtol=1e-6)
    codes = code.encode(VALUES)
    assert codes.dtype == np.int8
    np.testing.assert_array_equal(
        codes[:4], [[-127, 0, 127], [-64, 0, -127], [127, 0, 0], [0, 0, 64]]
    )
    np.testing.assert_array_equal(codes[5], [127, 0, -127])
    inside = code.decode(codes[:4])
    assert np.abs(inside - VALUES[:4]).max() <= (2 / 127) / 2 + 1e-6


def test_bits_are_signs_around_the_mean():
    code = BitCode.of(VALUES, ROWS)
    np.testing.assert_allclose(code.centre, [1.75, 5, 0.25])
    np.testing.assert_allclose(code.spread, [1.25, 0, 1.25])
    codes = code.encode(VALUES)
    assert codes.shape == (6, 1)
    np.testing.assert_array_equal(codes[:4, 0] >> 5, [0b001, 0b000, 0b100, 0b101])
    np.testing.assert_allclose(code.decode(codes)[0], [0.5, 5, 1.5])


@pytest.mark.parametrize("bits", [8, 1])
def test_it_keeps_the_promises_of_a_transform(tiny, tiny_features, bits):
    testing.check_transform(Quantize(bits=bits), tiny_features, tiny)


@pytest.fixture
def shop():
    items = pl.DataFrame({"item_id": [f"i{row}" for row in range(len(VALUES))]})
    events = pl.DataFrame({"user_id": ["u"] * 5, "item_id": items["item_id"][:5]})
    data = Dataset(interactions=events, items=items)
    return Features(data.item_ids, {"text": VALUES}), data


@pytest.mark.parametrize("bits", [8, 1])
def test_features_come_back_as_the_codes_tell(shop, bits):
    features, data = shop
    found = Quantize(bits=bits).fit(features, data).transform(features).parts["text"]
    code = (Int8Code if bits == 8 else BitCode).of(VALUES, ROWS)
    wanted = code.decode(code.encode(VALUES))
    wanted[4] = 0
    np.testing.assert_array_equal(found, wanted)


def test_sparse_blocks_are_left_alone(tiny, tiny_features):
    found = Quantize().fit(tiny_features, tiny).transform(tiny_features)
    assert found.parts["tags"] is tiny_features.parts["tags"]


def test_another_width_raises(shop):
    features, data = shop
    fitted = Quantize().fit(features, data)
    with pytest.raises(AlignmentError, match="3 columns of block 'text', but got 2"):
        fitted.transform_block("text", VALUES[:, :2])


def test_only_eight_bits_or_one():
    with pytest.raises(ConfigError, match="bits"):
        Quantize(bits=4)


def test_a_pipeline_measures_the_loss(tiny, letters):
    exact, coded = (
        Pipeline(encoders={"text": letters()}, representation=steps, recommender=Content()).fit(
            tiny
        )
        for steps in ([], [Quantize()])
    )
    one, other = exact.features.values, coded.features.values
    assert not np.array_equal(one, other)
    np.testing.assert_allclose(one, other, atol=np.ptp(one) / 250)
