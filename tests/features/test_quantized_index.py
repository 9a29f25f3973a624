import numpy as np
import pytest

from palate.core.errors import AlignmentError, ConfigError, DataError
from palate.features import quantized_index
from palate.features.quantized_index import QuantizedIndex

RNG = np.random.default_rng(8)
SIZES = RNG.gamma(1.0, size=70) + 0.2
VECTORS = (RNG.normal(size=(400, 70)) * SIZES + 0.3).astype(np.float32)
QUERIES = (RNG.normal(size=(31, 70)) * SIZES + 0.1).astype(np.float32)


def units(values):
    return values / np.linalg.norm(values, axis=1, keepdims=True)


COSINES = units(QUERIES) @ units(VECTORS).T
NEAREST = np.argsort(-COSINES, axis=1, kind="stable")


def recall(rows, k=10):
    pairs = zip(rows, NEAREST[:, :k], strict=True)
    return np.mean([len(np.intersect1d(found, wanted)) / k for found, wanted in pairs])


def test_hamming_distances_are_those_that_one_counts():
    index = QuantizedIndex.of(VECTORS, bits=1)
    centre = units(VECTORS).mean(axis=0)
    above, asked = units(VECTORS) > centre, units(QUERIES) > centre
    distances = (asked[:, None] != above[None]).sum(axis=2)
    wanted = np.argsort(distances, axis=1, kind="stable")[:, :7]
    rows, near = index.search(QUERIES, 7)
    np.testing.assert_array_equal(rows, wanted)
    share = np.take_along_axis(distances, wanted, axis=1) / 70
    np.testing.assert_allclose(near, 1 - 2 * share, rtol=1e-6)


def test_eight_bits_are_nearly_exact():
    rows, near = QuantizedIndex.of(VECTORS).search(QUERIES, 10)
    assert recall(rows) > 0.95
    np.testing.assert_allclose(near, np.take_along_axis(COSINES, rows, axis=1), atol=0.01)


@pytest.mark.parametrize("bits", [1, 8])
def test_rescoring_all_is_exact(bits):
    index = QuantizedIndex.of(VECTORS, bits=bits, rescore="float32")
    rows, near = index.search(QUERIES, 10, oversample=40)
    np.testing.assert_array_equal(rows, NEAREST[:, :10])
    np.testing.assert_allclose(near, np.take_along_axis(COSINES, rows, axis=1), rtol=1e-5)


@pytest.mark.parametrize("kept", ["int8", "float16"])
def test_rescoring_some_is_better_than_bits_alone(kept):
    alone = recall(QuantizedIndex.of(VECTORS, bits=1).search(QUERIES)[0])
    found = recall(QuantizedIndex.of(VECTORS, bits=1, rescore=kept).search(QUERIES)[0])
    assert found > alone + 0.2


def test_bytes_are_counted():
    ends = 2 * 70 * 4
    assert QuantizedIndex.of(VECTORS).nbytes == 400 * 70 + ends
    assert QuantizedIndex.of(VECTORS, rescore="int8").nbytes == 400 * 70 + ends
    assert QuantizedIndex.of(VECTORS, bits=1).nbytes == 400 * 16 + ends
    assert QuantizedIndex.of(VECTORS, bits=1, rescore="int8").nbytes == 400 * 86 + ends
    assert QuantizedIndex.of(VECTORS, bits=1, rescore="float32").nbytes == 400 * 296 + ends


@pytest.mark.parametrize("bits", [1, 8])
@pytest.mark.parametrize("rescore", ["nothing", "float32"])
def test_chunks_change_nothing(monkeypatch, bits, rescore):
    index = QuantizedIndex.of(VECTORS, bits=bits, rescore=rescore)
    whole = index.search(QUERIES, 9)
    for name, size in (("_QUERIES", 4), ("_ROWS", 13), ("_GATHERED", 1000)):
        monkeypatch.setattr(quantized_index, name, size)
    for found, wanted in zip(index.search(QUERIES, 9), whole, strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_long_vectors_stay_exact():
    """More dimensions than float32 could add up with queries of as many levels as int8."""
    values = RNG.normal(size=(60, 1500)).astype(np.float32)
    rows, near = QuantizedIndex.of(values).search(values, 1)
    np.testing.assert_array_equal(rows[:, 0], np.arange(60))
    np.testing.assert_allclose(near, 1, atol=0.01)


@pytest.mark.parametrize("bits", [1, 8])
def test_among_equals_the_earlier_row_wins(bits):
    twins = np.vstack([VECTORS[:50], VECTORS[:50], VECTORS[:50]])
    rows, _ = QuantizedIndex.of(twins, bits=bits).search(VECTORS[:5], 3)
    np.testing.assert_array_equal(rows, np.arange(5)[:, None] + [0, 50, 100])


def test_more_than_there_are_and_none():
    index = QuantizedIndex.of(VECTORS[:3], bits=1, rescore="float16")
    assert len(index) == 3
    rows, near = index.search(QUERIES, 10)
    assert rows.shape == near.shape == (31, 3)
    assert sorted(rows[0]) == [0, 1, 2]
    assert index.search(QUERIES[:0])[0].shape == (0, 3)
    assert QuantizedIndex.of(VECTORS[:0]).search(QUERIES)[0].shape == (31, 0)


def test_the_code_is_fitted_on_the_rows_named():
    rows = np.arange(100, dtype=np.int32)
    index = QuantizedIndex.of(VECTORS, bits=1, rows=rows)
    np.testing.assert_allclose(index.code.centre, units(VECTORS)[:100].mean(axis=0), rtol=1e-5)


def test_what_cannot_be_used():
    with pytest.raises(ConfigError, match="Did you mean 'float16'"):
        QuantizedIndex.of(VECTORS, rescore="float61")
    with pytest.raises(ConfigError, match="bits = 4"):
        QuantizedIndex.of(VECTORS, bits=4)
    index = QuantizedIndex.of(VECTORS)
    with pytest.raises(ConfigError, match="k = 0"):
        index.search(QUERIES, 0)
    with pytest.raises(AlignmentError, match=r"\(31, 69\)"):
        index.search(QUERIES[:, 1:])
    with pytest.raises(DataError, match="NaN or infinity in the vectors 2"):
        index.search(np.where(np.arange(31)[:, None] == 2, np.nan, QUERIES))
