"""What is held in memory, in bytes for each item that a request scores; tracemalloc sees numpy."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse

from palate.core import parallel
from palate.core.features import Features
from palate.core.histories import histories_of
from palate.core.topk import rank_rows
from palate.core.types import FitContext
from palate.data.samples import catalogue
from palate.recommenders import _cooccurrence
from palate.recommenders._cooccurrence import keep_largest
from palate.recommenders.ranker import Ranker
from palate.recommenders.two_stage.candidates import candidates
from palate.recommenders.two_stage.catalogue import Catalogue, nearest_rows
from palate.recommenders.two_stage.labels import CHUNK_CELLS, LabelledRows, joined
from palate.recommenders.two_stage.statistics import fit_statistics

ITEMS, EVENTS, PEOPLE, DIM = 4_500, 30_000, 2_500, 32
ASKING = 400


@pytest.fixture(scope="module")
def data():
    return catalogue(ITEMS, EVENTS, n_users=PEOPLE)


@pytest.fixture(scope="module")
def features(data):
    rng = np.random.default_rng(0)
    blocks = {
        name: rng.standard_normal((len(data.item_ids), DIM)).astype(np.float32)
        for name in ("title", "plot")
    }
    return Features(data.item_ids, blocks)


def peak_of(work):
    """The most bytes that `work` held beside what was there before it, and what it gave."""
    tracemalloc.start()
    try:
        found = work()
        return tracemalloc.get_traced_memory()[1], found
    finally:
        tracemalloc.stop()


def test_candidates_hold_few_numbers_for_each_item(data, features):
    """118 bytes where every retriever's scores were kept dense."""
    histories = histories_of(data)
    known = Catalogue.of(features, ITEMS)
    statistics = fit_statistics(histories, known, behaviour=True, seed=0)
    known.ready(behaviour=True)
    asking = histories.take(slice(0, ASKING))
    peak, found = peak_of(lambda: candidates(asking, statistics, known, count=100, repeats=False))
    assert found.mix.shape == (ASKING, ITEMS)
    assert peak < 60 * found.mix.size


def test_a_fit_needs_little_beside_one_chunk_of_requests(data, features, monkeypatch):
    monkeypatch.setattr(parallel, "cores", lambda: 1)
    small = Ranker(n_train_queries=3_000, n_estimators=5)
    peak, model = peak_of(lambda: small.fit(data, FitContext(items=features)))
    assert model.trees_
    assert peak < 75 * CHUNK_CELLS


def test_lists_need_the_scores_and_little_beside(data):
    """2.7 times the scores where they were copied before the seen was masked."""
    histories = histories_of(data)
    scores = np.random.default_rng(0).random((len(histories), ITEMS), dtype=np.float32)

    class Known:
        def score(self, asking):
            return scores[: len(asking)]

    peak, _ = peak_of(lambda: rank_rows(Known(), histories, 10))
    assert peak < 0.5 * scores.nbytes


def test_neighbours_need_one_table_of_cosines(features):
    """15 bytes a pair where the nearest of all items were looked for at once."""
    peak, _ = peak_of(lambda: nearest_rows(features.parts["title"]))
    assert peak < 6 * ITEMS**2


def test_scores_of_a_model_stay_its_own(data):
    histories = histories_of(data).take(slice(0, 20))
    scores = np.random.default_rng(0).random((20, ITEMS), dtype=np.float32)

    class Known:
        def score(self, asking):
            return scores

    before = scores.copy()
    for candidates_of in (None, np.arange(0, ITEMS, 2)):
        rank_rows(Known(), histories, 10, candidates=candidates_of)
        np.testing.assert_array_equal(scores, before)


def parts_of(sizes):
    rng = np.random.default_rng(1)
    tables = [rng.random((size, 3), dtype=np.float32) for size in sizes]
    return [
        LabelledRows((table,), np.ones(len(table), "i1"), np.array([len(table)]), list("abc"))
        for table in tables
    ]


def test_joined_rows_are_those_that_were_there():
    parts = parts_of([5, 0, 7, 1])
    whole = joined(parts)
    assert all(one is part.parts[0] for one, part in zip(whole.parts, parts, strict=True))
    assert len(whole.features) == len(whole.labels) == 13


@pytest.mark.parametrize("step", [1, 2, 3, 4, 20])
def test_every_so_many_rows_are_those_of_one_table(step):
    whole = joined(parts_of([5, 0, 7, 1, 6]))
    np.testing.assert_array_equal(whole.every(step), whole.features[::step])


def test_trees_of_parts_are_those_of_one_table():
    rng = np.random.default_rng(2)
    sizes = [3_000, 2_000, 4_000]
    tables = [rng.random((size, 3), dtype=np.float32) for size in sizes]
    labels = rng.integers(0, 2, sum(sizes)).astype("i1")
    parts = LabelledRows(tuple(tables), labels, np.full(900, 10), list("abc"))
    whole = replace(parts, parts=(parts.features,))
    model = Ranker(n_estimators=5)
    assert model._train(parts) == model._train(whole) != ""


@pytest.mark.parametrize("tie", [None, np.arange(40)[::-1]])
def test_the_largest_of_each_row_are_the_same_in_chunks(tie, monkeypatch):
    rng = np.random.default_rng(3)
    matrix = sparse.csr_array(rng.integers(0, 4, (50, 40)).astype(np.float32))
    once = keep_largest(matrix, 5, tie)
    monkeypatch.setattr(_cooccurrence, "_CHUNK_PAIRS", 100)
    again = keep_largest(matrix, 5, tie)
    for name in ("data", "indices", "indptr"):
        np.testing.assert_array_equal(getattr(once, name), getattr(again, name))
