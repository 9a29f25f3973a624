"""Numbers between quantiles: near ones are alike, and one alone says more than high or low."""

import numpy as np
import polars as pl
import pytest
from sklearn.preprocessing import SplineTransformer

import palate
from palate.core.dataset import Dataset
from palate.core.errors import ConfigError
from palate.features.encoders.attributes import Attributes
from palate.features.encoders.columns.bins import bins_plan, encode_bins, names_of_bins
from palate.features.encoders.columns.kinds import check_plan

AGES = np.array([18.0, 21, 22, 25, 25, 31, 34, 35, 36, 44, 52, 60, 77])


def rows_of(numbers, plan):
    return encode_bins(np.array(numbers, dtype=np.float64), plan).toarray()


def test_near_numbers_are_alike():
    plan = bins_plan("age", AGES)
    rows = rows_of([31, 35, 60], plan)
    near, far = rows[0] @ rows[1], rows[0] @ rows[2]
    assert near > 0.6 > 0.2 > far
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1.0, rtol=1e-6)


def test_it_is_the_basis_of_scikit_learn():
    plan = bins_plan("age", AGES)
    basis = SplineTransformer(
        degree=1, knots=np.array(plan["knots"])[:, None], extrapolation="constant"
    ).fit(AGES[:, None])
    asked = np.array([2.0, 18, 19.5, 31, 43.2, 77, 99])
    wanted = basis.transform(asked[:, None])
    wanted /= np.linalg.norm(wanted, axis=1, keepdims=True)
    np.testing.assert_allclose(rows_of(asked, plan), wanted, atol=1e-6)


def test_what_is_missing_says_so_alone():
    plan = bins_plan("age", np.append(AGES, np.nan))
    assert names_of_bins(plan)[-1] == "age is missing"
    assert rows_of([np.nan], plan).tolist() == [[0.0] * len(plan["knots"]) + [1.0]]
    without = bins_plan("age", AGES)
    assert not rows_of([np.nan], without).any()
    assert names_of_bins(without)[0] == "age near 18"


def test_numbers_that_never_vary_say_nothing():
    assert bins_plan("age", np.full(9, 4.0)) is None
    assert bins_plan("age", np.full(9, np.nan)) is None
    assert bins_plan("age", np.array([0.0, 1.0] * 9))["knots"] == [0.0, 1.0]


def test_the_order_of_rows_does_not_show():
    shuffled = np.random.default_rng(3).permutation(AGES)
    assert bins_plan("age", shuffled) == bins_plan("age", AGES)


def items(count=30):
    return Dataset(
        interactions=pl.DataFrame(schema={"user_id": pl.String, "item_id": pl.String}),
        items=pl.DataFrame(
            {
                "item_id": [f"i{n}" for n in range(count)],
                "price": [float(n * n) for n in range(count)],
                "year": [f"{1990 + n % 20}" for n in range(count)],
            }
        ),
    )


def test_it_is_a_way_to_read_a_column_and_a_setting():
    ways = {"price": {"as": "bins", "bins": 3}, "year": ["standard", "bins"]}
    found = Attributes(columns=ways).fit(items())
    assert found.names[:3] == ["price near 0", "price near 196", "price near 841"]
    assert found.names[3:5] == ["year", "year near 1990"]
    every = Attributes(numbers="bins").fit(items())
    assert len(every.names) == 10
    assert Attributes().fit(items()).names == ["price", "year"]
    both = Attributes(numbers="both").fit(items())
    assert both.names[:2] == ["price", "price near 0"]
    assert len(both.names) == 12


@pytest.mark.parametrize("wrong", [1, 0, 2.5, "five", True])
def test_wrong_numbers_of_bins(wrong):
    with pytest.raises(ConfigError, match="bins must be at least 2"):
        Attributes(columns={"price": {"as": "bins", "bins": wrong}})


def test_a_damaged_plan_is_refused():
    plan = bins_plan("age", AGES)
    check_plan(plan, "plan")
    for change in (
        {"knots": []},
        {"knots": [3.0, 1.0]},
        {"knots": [1.0, float("nan")]},
        {"knots": ["a"]},
        {"missing": 1},
    ):
        with pytest.raises(ValueError, match="plan"):
            check_plan(plan | change, "plan")


def test_it_survives_the_disk(tmp_path, tiny):
    model = palate.Pipeline(
        encoders={"facts": Attributes(columns={"price": "bins", "*": "auto"})},
        recommender=palate.Content(),
    ).fit(tiny)
    model.save(tmp_path / "model")
    loaded = palate.load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.features.values, model.features.values)
