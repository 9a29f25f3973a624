"""The same data and settings give the same scores, in whatever circumstances they are computed."""

import os
import platform
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from palate.core.dataset import Dataset
from palate.core.features import Features
from palate.core.histories import histories_of
from palate.data.samples import synthetic
from palate.features.encoders.behaviour import Behaviour
from palate.features.encoders.tfidf import Tfidf
from palate.pipeline.pipeline import Pipeline
from palate.recommenders.ranker import Ranker

SMALL = {"n_estimators": 20, "n_train_queries": 600, "candidates": 30}
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class Spread:
    """Dense vectors of what items say, wide enough for products that threads would share."""

    def fit(self, data):
        self.words = Tfidf().fit(data)
        return self

    def encode(self, data):
        (words,) = self.words.encode(data).parts.values()
        directions = np.random.default_rng(0).normal(size=(words.shape[1], 384))
        return Features(data.item_ids, {"spread": words @ directions.astype(np.float32)})


def data_of(seed=2) -> Dataset:
    return synthetic(n_users=150, n_items=300, seed=seed)


def fitted(data=None, **encoders):
    chosen = encoders or {"text": Spread(), "clicks": Behaviour(dim=16), "words": Tfidf()}
    return Pipeline(encoders=chosen, recommender=Ranker(**SMALL)).fit(data or data_of())


def scores_of(model, data):
    """(people, items) by their ids, whatever the order of the data."""
    histories = histories_of(data)
    people = np.argsort(histories.user_ids.to_numpy())
    items = np.argsort(data.item_ids.series.to_numpy())
    return model.score(histories.take(people))[:, items]


def elsewhere(core="", **environment):
    """The scores that another process finds."""
    here = str(Path(__file__).parent)
    script = (
        "import os, sys\n"
        "if sys.argv[1]: os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
        f"sys.path.insert(0, {here!r})\n"
        "import test_same_lists as same\n"
        "sys.stdout.buffer.write(same.scores_of(same.fitted(), same.data_of()).tobytes())\n"
    )
    found = subprocess.run(
        [sys.executable, "-c", script, core],
        env=os.environ | environment,
        capture_output=True,
        check=True,
    )
    return np.frombuffer(found.stdout, dtype=np.float32)


@pytest.fixture(scope="module")
def model():
    return fitted()


@pytest.fixture(scope="module")
def scores(model):
    assert model.recommender_.trees_
    return scores_of(model, data_of())


def people_moved(data, draw):
    """Other people's events in another order; everybody's own stay in theirs."""
    place = draw.permutation(len(data.user_ids))[data.user_rows]
    events = data.interactions[np.lexsort((place, data.times))]
    return Dataset(events, data.items, data.users[draw.permutation(len(data.users))])


@pytest.mark.parametrize("moved", ["items", "people", "both"])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_order_of_the_rows_decides_nothing(scores, moved, seed):
    data, draw = data_of(), np.random.default_rng(seed)
    if moved != "people":
        data = replace(data, items=data.items[draw.permutation(len(data.items))])
    if moved != "items":
        data = people_moved(data, draw)
    np.testing.assert_array_equal(scores_of(fitted(data), data), scores)


def test_the_features_stand_in_the_order_of_the_items(model):
    data = data_of()
    assert model.item_ids == model.features.ids == data.item_ids
    (words,) = Tfidf().fit(data).encode(data).parts.values()
    blocks = len(model.features.parts)
    found = model.features.parts["words"].toarray() * blocks**0.5  # as fusion weighs them
    np.testing.assert_allclose(found, words.toarray(), atol=1e-6)


def test_who_else_asks_changes_no_bit(model, scores):
    data = data_of()
    items = np.argsort(data.item_ids.series.to_numpy())
    names = sorted(data.user_ids.tolist())
    alone = [model.score(model.histories([name]))[0, items] for name in names[:20]]
    np.testing.assert_array_equal(alone, scores[:20])


def test_items_that_arrive_do_not_depend_on_it_either(model):
    data = data_of()
    turned = replace(data, items=data.items.reverse())
    arrived = data.items.head(3).with_columns(item_id=pl.Series(["x", "y", "z"]))
    first, other = (fitted(each).add_items(arrived) for each in (data, turned))
    histories = [histories_of(each) for each in (first.data_, other.data_)]
    items = other.item_ids.rows(first.item_ids.series)
    assert histories[0].user_ids.equals(histories[1].user_ids)
    np.testing.assert_array_equal(other.score(histories[1])[:, items], first.score(histories[0]))


@pytest.mark.parametrize(
    "circumstances",
    [
        pytest.param(
            {"core": "one"},
            marks=pytest.mark.skipif(
                not hasattr(os, "sched_setaffinity"), reason="cores cannot be chosen here"
            ),
        ),
        dict.fromkeys(THREADS, "1"),
        dict.fromkeys(THREADS, "3"),
        {"PYTHONHASHSEED": "7"},
    ],
    ids=["one core", "1 thread", "3 threads", "hash seed"],
)
def test_another_process_finds_the_same(scores, circumstances):
    found = elsewhere(**circumstances)
    np.testing.assert_array_equal(found, scores.ravel())


@pytest.mark.skipif(platform.machine() != "x86_64", reason="a processor of another family")
def test_products_that_depend_on_the_place_of_a_row_do_not_show():
    """For AVX2, OpenBLAS sums the rows of a product up in orders that depend on their place."""
    processor = {"OPENBLAS_CORETYPE": "Haswell"}
    one = elsewhere(**processor, **dict.fromkeys(THREADS, "1"))
    three = elsewhere(**processor, **dict.fromkeys(THREADS, "3"))
    np.testing.assert_array_equal(one, three)
