import json

import numpy as np
import polars as pl
import pytest

from palate.core.errors import ConfigError
from palate.evaluation.compare import Ranked, compare


@pytest.fixture
def found(rolling):
    """Lists by chance, and lists that begin with the answer for ten of the twelve people."""
    rng = np.random.default_rng(5)
    noise = np.argsort(rng.random((36, 40)), axis=1)[:, :10].astype(np.int32)
    knowing = noise.copy()
    knowing[6:, 0] = rolling.sealed.items[rolling.sealed.starts[6:]]
    models = {"noise": Ranked(noise), "knowing": Ranked(knowing)}
    return compare(models, rolling, reference="noise")


def test_the_table_has_one_row_a_recommender(found):
    table = found.table
    assert table["recommender"].to_list() == ["noise", "knowing"]
    assert table["ndcg@10.p"].to_list()[0] is None
    assert table["ndcg@10.p"][1] < 0.05
    assert table["ndcg@10.low"][1] < table["ndcg@10"][1] < table["ndcg@10.high"][1]
    beyond = {"coverage", "novelty", "gini", "long_tail_share"}
    assert beyond | {"cold_items.ndcg@10", "short_history.mrr@10"} <= set(table.columns)
    assert "diversity" not in table.columns


def test_what_nobody_asked_is_null(found):
    assert found.slices["history_101_up"].requests == 0
    assert found.table["history_101_up.ndcg@10"].to_list() == [None, None]
    empty = found.details.filter(pl.col("slice") == "history_101_up")
    assert empty["mean"].null_count() == len(empty)


def test_the_details_have_one_row_a_recommender_slice_and_metric(found):
    details = found.details
    assert len(details) == 2 * len(found.slices) * len(found.metrics)
    row = details.row(
        by_predicate=(pl.col("recommender") == "knowing")
        & (pl.col("slice") == "all")
        & (pl.col("metric") == "ndcg@10"),
        named=True,
    )
    gap = (
        found.cell("knowing", "ndcg@10").interval.mean
        - found.cell("noise", "ndcg@10").interval.mean
    )
    assert row["difference"] == pytest.approx(gap)
    assert 0 < row["difference_low"] < row["difference_high"]
    assert row["significant"] is True
    assert (row["requests"], row["users"]) == (36, 12)
    assert details.filter(pl.col("recommender") == "noise")["significant"].null_count() > 0


def test_json_holds_no_nan(found):
    read = json.loads(json.dumps(found.to_json(), allow_nan=False))
    noise, knowing = read["rows"]
    assert (noise["name"], knowing["name"]) == ("noise", "knowing")
    assert noise["metrics"]["ndcg@10"] == found.cell("noise", "ndcg@10").interval.mean
    assert noise["slices"]["history_101_up"]["ndcg@10"]["mean"] is None
    assert "difference" not in noise["slices"]["all"]["ndcg@10"]
    apart = knowing["slices"]["all"]["ndcg@10"]["difference"]
    assert apart["significant"] is True
    assert set(apart) == {"mean", "low", "high", "p", "significant"}
    assert read["slices"]["all"] == {"label": "all", "requests": 36, "users": 12}
    assert read["chance"]["history_101_up"]["ndcg@10"] is None


def test_a_cell_is_found_by_its_names(found):
    assert found.cell("knowing", "recall@10").interval.mean >= 30 / 36
    assert np.isnan(found.cell("knowing", "recall@10", "history_101_up").interval.mean)
    with pytest.raises(ConfigError, match=r"Did you mean 'ndcg@10'"):
        found.cell("noise", "ndcg@1O")
    with pytest.raises(ConfigError, match=r"Did you mean 'cold_items'"):
        found.cell("noise", "ndcg@10", "cold_item")
