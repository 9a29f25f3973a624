import numpy as np
import pytest
from scipy import sparse

from palate.core.arrays import to_dense
from palate.core.features import Features
from palate.core.histories import histories_of
from palate.core.ids import Ids
from palate.core.types import FitContext
from palate.recommenders.ranker import Ranker
from palate.recommenders.two_stage import catalogue as catalogue_module
from palate.recommenders.two_stage.catalogue import (
    NEIGHBOURS,
    Catalogue,
    nearest_rows,
    neighbour_pool,
)


def test_the_anchor_is_the_first_dense_block_else_the_first(known):
    dense, thin = np.eye(5, dtype=np.float32), sparse.csr_array(np.eye(5, dtype=np.float32))
    both = Features(known.item_ids, {"tags": thin, "text": dense, "image": 2 * dense})
    np.testing.assert_array_equal(Catalogue.of(both, 5).anchor, both.parts["text"])
    assert Catalogue.of(both.select(["tags"]), 5).anchor is both.parts["tags"]
    assert Catalogue.of(both.select([]), 5).anchor is None
    assert Catalogue.of(None, 5).anchor is None
    assert Catalogue.of(None, 5).neighbours.shape == (0, 0)


def test_blocks_learnt_from_behaviour_are_the_anchor_only_where_nothing_else_is(known):
    """Nobody touched what is new, so nothing stands near it there."""
    dense = np.eye(5, dtype=np.float32)
    clicks = Features(known.item_ids, {"clicks": dense, "text": 2 * dense}, behavioural=["clicks"])
    np.testing.assert_array_equal(Catalogue.of(clicks, 5).anchor, 2 * dense)
    np.testing.assert_array_equal(Catalogue.of(clicks.select(["clicks"]), 5).anchor, dense)


def test_a_block_is_turned_once(known, monkeypatch):
    block = sparse.csr_array(np.float32([[1, 0], [2, 3], [0, 0], [0, 4], [0, 0]]))
    catalogue = Catalogue.of(Features(known.item_ids, {"tags": block}), 5)
    catalogue.ready(behaviour=False)
    monkeypatch.setattr(sparse, "csr_array", None)
    np.testing.assert_array_equal(catalogue.transposed["tags"].toarray(), block.toarray().T)


def test_neighbours_are_looked_for_where_they_lend_something(known):
    """They take the longest of all, so content alone does without."""
    features = Features(known.item_ids, {"text": np.eye(5, dtype=np.float32)})
    alone, lending = Catalogue.of(features, 5), Catalogue.of(features, 5)
    alone.ready(behaviour=False)
    lending.ready(behaviour=True)
    assert "neighbours" not in vars(alone)
    assert {"neighbours", "neighbours_transposed"} <= vars(lending).keys()
    Catalogue.of(None, 5).ready(behaviour=True)


VECTORS = np.float32([[1, 0, 0], [0.8, 0.6, 0], [0, 1, 0], [-1, 0, 0], [0, 0, 1]])


@pytest.mark.parametrize("make", [np.asarray, sparse.csr_array])
def test_neighbours_by_hand(make):
    found = nearest_rows(make(VECTORS)).toarray()
    wanted = np.zeros((5, 5))
    wanted[0, 1] = 1
    wanted[1, [0, 2]] = np.array([0.64, 0.36]) / (0.64 + 0.36)
    wanted[2, 1] = 1
    np.testing.assert_allclose(found, wanted, atol=1e-6)


@pytest.mark.parametrize("block", ["text", "words"])
def test_neighbours_sum_to_one_and_leave_the_item_itself_out(said, block, monkeypatch):
    found = nearest_rows(said.parts[block])
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(found.diagonal(), 0)
    assert (found.data >= 0).all()
    assert np.diff(found.indptr).max() == NEIGHBOURS
    monkeypatch.setattr(catalogue_module, "CHUNK_CELLS", 7 * 60)
    np.testing.assert_allclose(
        nearest_rows(said.parts[block]).toarray(), found.toarray(), atol=1e-6
    )


def test_the_nearest_are_the_nearest(said, monkeypatch):
    monkeypatch.setattr(catalogue_module, "NEIGHBOURS", 3)
    text = to_dense(said.parts["text"])
    cosines = text @ text.T
    np.fill_diagonal(cosines, -np.inf)
    nearest = np.argsort(-cosines, axis=1)[:, :3]
    found = nearest_rows(text).toarray()
    for row, columns in enumerate(nearest):
        assert set(np.flatnonzero(found[row])) == set(columns)


@pytest.mark.parametrize("make", [np.asarray, sparse.csr_array])
def test_a_catalogue_of_one_has_no_neighbours(make):
    assert nearest_rows(make(VECTORS[:1])).toarray().tolist() == [[0]]


@pytest.mark.parametrize("make", [np.asarray, sparse.csr_array])
def test_only_the_neighbour_pool_is_near_every_item(make):
    found = nearest_rows(make(VECTORS), np.array([1, 3], dtype=np.int32)).toarray()
    wanted = np.zeros((5, 5))
    wanted[0, 1] = wanted[2, 1] = 1
    np.testing.assert_allclose(found, wanted, atol=1e-6)


@pytest.mark.parametrize("block", ["text", "words"])
def test_all_items_as_neighbour_pool_change_nothing(said, block):
    everything = np.arange(60, dtype=np.int32)
    free, named = (nearest_rows(said.parts[block], among) for among in (None, everything))
    np.testing.assert_array_equal(named.toarray(), free.toarray())


def test_the_most_touched_lend_and_what_may_become_a_label_does_not_count(build, monkeypatch):
    """With everything counted a, d and e would be the three; without the newest, a, b and c."""
    histories = histories_of(build({"u": "abde", "v": "acde", "w": "abde"}))
    two, none = np.full(3, 2), np.zeros(3, np.int64)
    assert neighbour_pool(histories, held=two) is None
    monkeypatch.setattr(catalogue_module, "NEIGHBOUR_POOL", 3)
    assert neighbour_pool(histories, held=two).tolist() == [0, 1, 2]
    monkeypatch.setattr(catalogue_module, "NEIGHBOUR_POOL", 2)
    assert neighbour_pool(histories, held=two).tolist() == [0, 1]
    assert set(neighbour_pool(histories, held=none)) < {0, 3, 4}


def test_a_ranker_keeps_its_neighbour_pool_when_the_catalogue_grows(rings, said, monkeypatch):
    monkeypatch.setattr(catalogue_module, "NEIGHBOUR_POOL", 20)
    fitted = Ranker(n_estimators=5).fit(rings, FitContext(items=said))
    grown = Features(Ids(["late"]), {name: part[:1] for name, part in said.parts.items()})
    before = set(fitted._catalogue.neighbours.indices)
    fitted.add_items(grown)
    assert set(fitted._catalogue.neighbours.indices) == before <= set(fitted.neighbour_pool_)
    assert fitted._catalogue.neighbours.shape == (61, 61)
    assert fitted._catalogue.neighbours[[60]].nnz > 0
