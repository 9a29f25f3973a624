from dataclasses import replace

import numpy as np
import pytest

from palate.core.errors import ConfigError
from palate.evaluation.metrics.chance import chance, reach_of
from palate.evaluation.metrics.ranking import open_answers, ranking_metrics


def simulated(split, k, draws=20_000):
    """Random orders of what may be recommended, measured one by one."""
    rng = np.random.default_rng(0)
    n, n_items = len(split.histories), len(split.train.item_ids)
    seen = split.histories.seen().toarray() > 0 if split.exclude_seen else np.zeros((n, n_items))
    totals = {"ndcg": 0.0, "recall": 0.0}
    for _ in range(draws // n):
        scores = np.where(seen > 0, -1, rng.random((n, n_items)))
        rows = np.argsort(-scores, axis=1).astype(np.int32)
        rows[np.take_along_axis(scores, rows, axis=1) < 0] = -1
        found = ranking_metrics(rows[:, :k], split.sealed, (k,))
        for name in totals:
            totals[name] += found[f"{name}@{k}"].mean() / (draws // n)
    return totals


@pytest.mark.parametrize("exclude_seen", [True, False])
@pytest.mark.parametrize("k", [2, 5])
def test_chance_is_the_mean_of_random_orders(made_split, k, exclude_seen):
    split = replace(made_split, exclude_seen=exclude_seen)
    found, drawn = chance(split, k), simulated(split, k)
    for name, value in drawn.items():
        assert found[f"{name}@{k}"] == pytest.approx(value, abs=0.01)


def test_chance_of_one_answer_is_known(made_split, ragged):
    split = replace(made_split, sealed=ragged([[2], [4], [0], [5]]))
    # candidates left: 4, 4, 6 and 5 of 6 items
    assert chance(split, 1)["recall@1"] == pytest.approx((1 / 4 + 1 / 4 + 1 / 6 + 1 / 5) / 4)
    assert chance(split, 1, within="cold_items")["recall@1"] == pytest.approx((1 / 4 + 1 / 5) / 2)
    assert chance(split, 9)["recall@9"] == pytest.approx(1.0)
    assert np.isnan(chance(split, 1, within="history_101_up")["ndcg@1"])
    with pytest.raises(ConfigError, match="Did you mean 'cold_items'"):
        chance(split, 1, within="cold_item")


@pytest.mark.parametrize("block", [1, 2, 4096])
def test_an_answer_that_was_seen_is_out_of_reach(made_split, monkeypatch, block):
    monkeypatch.setattr("palate.evaluation.metrics.chance._BLOCK_REQUESTS", block)
    answers = open_answers(made_split.sealed)
    reach = reach_of(made_split, answers)
    assert reach.candidates.tolist() == [4, 4, 6, 5]
    assert answers.item[~reach.answers].tolist() == [0]
    assert answers.request[~reach.answers].tolist() == [3]
    open_protocol = reach_of(replace(made_split, exclude_seen=False), answers)
    assert open_protocol.candidates.tolist() == [6, 6, 6, 6]
    assert open_protocol.answers.all()


def test_nothing_asked_before_the_first_answer_is_masked(made_split, ragged):
    answers = open_answers(ragged([[], [], [3], []]))
    assert reach_of(made_split, answers).answers.tolist() == [True]
