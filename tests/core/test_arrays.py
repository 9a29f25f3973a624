import numpy as np
from scipy import sparse

from palate.core.arrays import row_norms, scale_rows, unit_rows

ROWS = np.float32([[3, 4], [0, 0], [0, -2]])


def test_unit_rows_dense_and_sparse_alike():
    wanted = [[0.6, 0.8], [0, 0], [0, -1]]
    np.testing.assert_allclose(unit_rows(ROWS), wanted, rtol=1e-6)
    found = unit_rows(sparse.csr_array(ROWS))
    np.testing.assert_allclose(found.toarray(), wanted, rtol=1e-6)
    assert found.dtype == np.float32


def test_unit_rows_are_the_same_bits_in_whatever_company():
    rows = np.random.default_rng(0).standard_normal((50, 37)).astype(np.float32)
    alone = np.vstack([unit_rows(rows[line : line + 1]) for line in range(len(rows))])
    np.testing.assert_array_equal(unit_rows(rows), alone)


def test_what_is_not_finite_or_tiny_is_no_zero():
    found = unit_rows(np.float32([[np.nan, 1], [3e-15, 4e-15]]))
    assert np.isnan(found[0]).all()
    np.testing.assert_allclose(found[1], [0.6, 0.8], rtol=1e-6)


def test_norms_and_factors():
    for rows in (ROWS, sparse.csr_array(ROWS)):
        assert row_norms(rows).tolist() == [5, 0, 2]
        scaled = scale_rows(rows, np.float32([2, 1, -1]))
        dense = scaled if isinstance(scaled, np.ndarray) else scaled.toarray()
        assert dense.tolist() == [[6, 8], [0, 0], [0, 2]]


def test_inputs_stay_as_they_are():
    matrix = sparse.csr_array(ROWS)
    unit_rows(matrix)
    assert matrix.toarray().tolist() == ROWS.tolist()
