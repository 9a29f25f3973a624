"""Many rows are asked column by column: to the bits of LightGBM, which asks them row by row."""

import lightgbm as lgb
import numpy as np
import pytest

from palate.recommenders.two_stage import trees as module
from palate.recommenders.two_stage.labels import LabelledRows
from palate.recommenders.two_stage.trees import (
    FEWEST_ROWS,
    Boosting,
    Trees,
    binned,
    booster_of,
    together,
)

COLUMNS = 6


def rows_of(count, seed=0):
    """Whole and broken numbers, zeros, many ties."""
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((count, COLUMNS)).astype(np.float32)
    rows[:, 0] = rng.integers(-3, 4, count)
    rows[:, 1] = np.round(rows[:, 1], 1)
    rows[:, 2] *= rng.random(count) < 0.3
    return rows


def text_of(num_leaves, **settings):
    rows = rows_of(4_000)
    signal = rows[:, 0] * rows[:, 1] + np.where(rows[:, 2] > 0.5, rows[:, 3], rows[:, 4])
    parameters = {
        "objective": "lambdarank",
        "num_leaves": num_leaves,
        "min_data_in_leaf": 3,
        "verbose": -1,
        "num_threads": 1,
        **settings,
    }
    labels = (signal > np.quantile(signal, 0.8)).astype(int)
    table = lgb.Dataset(rows, labels, group=[20] * 200)
    return str(lgb.train(parameters, table, 12).model_to_string())


class NoRows:
    """A booster that must not be asked."""

    def predict(self, rows, **_):
        raise AssertionError("asked row by row")


@pytest.mark.parametrize("num_leaves", [2, 3, 15, 255])
@pytest.mark.parametrize("count", [FEWEST_ROWS, 16_384, 40_001])
def test_many_rows_get_the_bits_of_lightgbm(num_leaves, count):
    text = text_of(num_leaves)
    booster = booster_of(text, COLUMNS)
    rows = rows_of(count, seed=1)
    expected = lgb.Booster(model_str=text).predict(rows)
    assert len(np.unique(expected)) > 1
    assert Trees(NoRows(), booster.trees).predict(rows).tobytes() == expected.tobytes()
    assert booster.predict(rows, num_threads=1).tobytes() == expected.tobytes()


def test_values_at_a_threshold_go_where_lightgbm_sends_them():
    text = text_of(15)
    booster = booster_of(text, COLUMNS)
    limits = np.unique([limit for tree in booster.trees for _, _, limit, _, _ in tree.splits])
    near = np.concatenate([limits, *(np.nextafter(limits, np.float32(way)) for way in (-9e9, 9e9))])
    rows = np.random.default_rng(2).choice(near, (FEWEST_ROWS, COLUMNS)).astype(np.float32)
    rows[:9] = [[np.nan], [np.inf], [-np.inf], [0], [-0.0], [1e-35], [3e38], [-3e38], [1e-20]]
    expected = lgb.Booster(model_str=text).predict(rows)
    assert Trees(NoRows(), booster.trees).predict(rows).tobytes() == expected.tobytes()


@pytest.mark.parametrize("limit", [0.1, -0.1, 3e38, 1e300, -1e300])
def test_a_threshold_that_is_no_float_is_kept_to(limit):
    text = text_of(2)
    start = text.index("threshold=")
    text = text.replace(text[start : text.index("\n", start)], f"threshold={limit}", 1)
    booster = booster_of(text, COLUMNS)
    assert bool(booster.trees) == (abs(limit) < 1e300)
    rows = np.zeros((FEWEST_ROWS, COLUMNS), dtype=np.float32)
    near = np.float32(np.clip(limit, -3.4e38, 3.4e38))
    rows[:3] = [[near], [np.nextafter(near, np.float32(1))], [np.nextafter(near, np.float32(-1))]]
    rows[3:7] = [[np.inf], [-np.inf], [np.finfo(np.float32).max], [np.finfo(np.float32).min]]
    assert booster.predict(rows).tobytes() == booster.booster.predict(rows).tobytes()


@pytest.mark.parametrize(
    ("num_leaves", "settings"), [(300, {}), (15, {"zero_as_missing": True})], ids=str
)
def test_trees_of_other_kinds_are_asked_row_by_row(num_leaves, settings):
    text = text_of(num_leaves, **settings)
    booster = booster_of(text, COLUMNS)
    rows = rows_of(FEWEST_ROWS, seed=3)
    assert not booster.trees
    expected = lgb.Booster(model_str=text).predict(rows)
    assert booster.predict(rows).tobytes() == expected.tobytes()


def test_few_rows_and_shap_values_are_those_of_lightgbm(monkeypatch):
    text = text_of(15)
    booster, own = booster_of(text, COLUMNS), lgb.Booster(model_str=text)
    rows = rows_of(FEWEST_ROWS, seed=4)
    shares = booster.predict(rows, pred_contrib=True)
    assert shares.tobytes() == own.predict(rows, pred_contrib=True).tobytes()
    monkeypatch.setattr(module._Tree, "leaf", None)
    assert booster.predict(rows[1:]).tobytes() == own.predict(rows[1:]).tobytes()
    assert booster.feature_importance("gain").tolist() == own.feature_importance("gain").tolist()


def test_a_tree_without_a_split_adds_its_value():
    text = text_of(2, min_data_in_leaf=3_999)
    booster = booster_of(text, COLUMNS)
    assert not booster.trees[0].splits
    rows = rows_of(FEWEST_ROWS)
    assert booster.predict(rows).tobytes() == booster.booster.predict(rows).tobytes()


def test_rows_of_trees_that_stand_together_add_up():
    texts, rows = [text_of(7), text_of(15, seed=3)], rows_of(FEWEST_ROWS, seed=1)
    first, second = (booster_of(text, COLUMNS).predict(rows) for text in texts)
    both = together(texts)
    np.testing.assert_allclose(booster_of(both, COLUMNS).predict(rows), first + second)
    np.testing.assert_allclose(lgb.Booster(model_str=both).predict(rows), first + second)


@pytest.mark.parametrize("n_estimators", [1, 2, 5])
def test_as_many_trees_as_asked_for_of_two_seeds(n_estimators):
    rng = np.random.default_rng(0)
    groups = np.full(50, 20)
    table = rng.random((1_000, 3), dtype=np.float32)
    labels = (np.arange(1_000) % 20 == 0).astype(np.int8)
    rows = LabelledRows((table,), labels, groups, ["one", "two", "three"])
    boosting = Boosting(
        n_estimators=n_estimators,
        learning_rate=0.05,
        num_leaves=4,
        min_rows_per_leaf=5,
        l2=1.0,
        seed=0,
    )
    text = boosting.trees(rows, binned(rows))
    assert text.count("Tree=") == n_estimators
    for_choosing = boosting.trees(rows, binned(rows), halves=1)
    assert for_choosing.count("Tree=") == -(-n_estimators // 2)
