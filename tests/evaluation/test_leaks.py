"""A model that was told the answers is not asked for them; who was not, is."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

import palate
from palate.core.dataset import Dataset
from palate.core.errors import DataError
from palate.data.samples import synthetic
from palate.data.split import (
    inner_split,
    split_by_time,
    split_cold_items,
    split_given,
    split_leave_last_out,
)
from palate.evaluation.compare import Ranked, compare, evaluate
from palate.evaluation.leaks import check_unseen
from palate.pipeline.pipeline import Pipeline, load
from palate.recommenders.covisit import Covisit
from palate.recommenders.popular import Popular


@pytest.fixture(scope="module")
def data():
    return synthetic(60, 40)


SPLITS = {
    "time": lambda data: split_by_time(data, test=0.2),
    "last": split_leave_last_out,
    "last two": lambda data: split_leave_last_out(data, validation=True),
    "cold": lambda data: split_cold_items(data, share=0.2),
    "given": lambda data: split_given(
        data.with_interactions(data.interactions.head(300)),
        data.with_interactions(data.interactions.slice(300)),
        rolling=False,
    ),
}


def fitted(data):
    return Pipeline(encoders={}, recommender=Popular()).fit(data)


def few(model, split):
    return evaluate(model, split, resamples=10, beyond=False)


@pytest.mark.parametrize("kind", SPLITS)
def test_fitted_on_the_training_part_is_measured_and_on_all_is_refused(kind, data):
    split = SPLITS[kind](data)
    assert few(fitted(split.train), split)["ndcg@10"] >= 0
    count = len(split.sealed.items)
    with pytest.raises(
        DataError, match=rf"fitted on {count} of the {count} answers.*model\.fit\(split\.train\)"
    ):
        few(fitted(data), split)


@pytest.mark.parametrize("kind", SPLITS)
def test_a_training_part_in_other_order_or_smaller_is_fine(kind, data):
    split = SPLITS[kind](data)
    events = split.train.interactions
    for part in (events.sample(fraction=1.0, shuffle=True, seed=1), events.head(100)):
        check_unseen(fitted(split.train.with_interactions(part)), split)


def test_one_answer_is_enough(data):
    split = split_by_time(data, test=0.2)
    after = data.interactions.slice(len(split.train.interactions) + 5, 1)
    told = split.train.with_interactions(pl.concat([split.train.interactions, after]))
    with pytest.raises(DataError, match=f"fitted on 1 of the .*'{after['user_id'][0]} → "):
        few(fitted(told), split)


def test_a_saved_model_remembers(data, tmp_path):
    split = split_by_time(data, test=0.2)
    whole = load(fitted(data).save(tmp_path / "whole"))
    with pytest.raises(DataError, match="answers of this split"):
        few(whole, split)
    few(load(fitted(split.train).save(tmp_path / "part")), split)


def test_in_a_table_the_others_are_measured_all_the_same(data):
    split = split_by_time(data, test=0.2)
    models = {"all": fitted(data), "part": fitted(split.train)}
    compared = compare(models, split, resamples=10, beyond=False)
    assert list(compared.rows) == ["part"]
    assert "'all'" not in compared.refused["all"].reason
    assert "answers of this split" in str(compared.refused["all"].error)
    with pytest.raises(DataError, match="answers"):
        Ranked.of(models["all"], split, 10)


def test_the_validation_part_may_be_learnt_from_where_the_test_is_asked(data):
    """Its events stand in the test's histories; they are the inner split's answers."""
    split = split_leave_last_out(data, validation=True)
    refit = split_leave_last_out(data).train
    few(fitted(refit), split)
    inner = inner_split(split)
    few(fitted(split.train), inner)
    with pytest.raises(DataError, match="answers of this split"):
        few(fitted(refit), inner)


def repeats():
    """ann listens to a again and again, bo once to b."""
    plays = [("ann", "a"), ("bo", "a"), ("ann", "a"), ("ann", "b"), ("bo", "b"), ("ann", "a")]
    plays += [("bo", "b"), ("ann", "a")]
    events = pl.DataFrame(plays, schema=["user_id", "item_id"], orient="row").with_columns(
        timestamp=pl.int_range(len(plays)).cast(pl.Float64)
    )
    return Dataset(events, pl.DataFrame({"item_id": ["a", "b", "c"]}))


def test_repeated_events_are_no_leak_and_more_of_them_are():
    data = repeats()
    split = split_by_time(data, at=5.0, exclude_seen=False)
    few(fitted(split.train), split)
    with pytest.raises(DataError, match="fitted on 3 of the 3 answers"):
        few(fitted(data), split)
    # without times: the same counts, one more play than the training part knows
    timeless = data.with_interactions(data.interactions.drop("timestamp"))
    split = split_leave_last_out(timeless, exclude_seen=False)
    few(fitted(split.train), split)
    with pytest.raises(DataError, match="fitted on 2 of the 2 answers"):
        few(fitted(timeless), split)


def test_an_older_log_may_know_more_than_the_training_part(data):
    """Events before the cut are no answers, whoever left them out of the split's data."""
    split = split_by_time(data, test=0.2)
    late = data.interactions.filter(pl.col("timestamp") > split.train.times.max())
    older = late.with_columns(timestamp=pl.lit(0.0))
    more = split.train.with_interactions(pl.concat([older, split.train.interactions]))
    few(fitted(more), split)


def test_recommenders_outside_a_pipeline_keep_nothing_to_be_checked(data):
    split = split_by_time(data, test=0.2)
    few(Covisit().fit(data), split)


def test_who_is_called_the_same_but_asks_elsewhere_is_no_leak(data):
    split = split_by_time(data, test=0.2)
    others = data.with_interactions(
        data.interactions.with_columns(pl.col("user_id").str.replace("u", "v"))
    )
    few(fitted(replace(others, users=None)), split)
    assert np.isfinite(palate.evaluate(fitted(split.train), split, resamples=10)["ndcg@10"])
