import numpy as np
import pytest
from scipy import sparse

from palate.core import sparse as sparse_module
from palate.core.sparse import product, turned


@pytest.fixture
def pair():
    left = sparse.random_array((7, 1300), density=0.05, rng=1, dtype=np.float32)
    right = sparse.random_array((1300, 900), density=0.04, rng=2, dtype=np.float32)
    return sparse.csr_array(left), sparse.csr_array(right)


@pytest.mark.parametrize("cost", [0.0, 1e9])
def test_both_ways_give_the_product(pair, cost, monkeypatch):
    monkeypatch.setattr(sparse_module, "SPARSE_COST", cost)
    monkeypatch.setattr(sparse_module, "BATCH_CELLS", 3000)  # two requests at a time
    left, right = pair
    found = product(left, right)
    assert sparse.issparse(found) == (cost == 0)
    dense = found.toarray() if sparse.issparse(found) else found
    np.testing.assert_allclose(dense, left.toarray() @ right.toarray(), rtol=1e-5, atol=1e-6)
    assert dense.dtype == np.float32


def test_full_results_come_dense_and_thin_ones_sparse():
    common = sparse.csr_array(np.ones((300, 2), dtype=np.float32))
    assert not sparse.issparse(product(common[:50], sparse.csr_array(common.T)))
    alone = sparse.csr_array(sparse.eye_array(300, dtype=np.float32))
    assert sparse.issparse(product(alone[:50], alone))


def test_nobody_asks(pair):
    left, right = pair
    assert product(left[:0], right).shape == (0, 900)


def test_turned_rows_lie_together():
    columns = np.arange(1300 * 3, dtype=np.float32).reshape(1300, 3)
    found = turned(columns)
    np.testing.assert_array_equal(found, columns.T)
    assert found.flags.c_contiguous
