"""Whoever asks, with whomever, over whatever small data: the ranker's scores belong to ids."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from scipy import sparse

from palate.core.dataset import Dataset
from palate.core.errors import AlignmentError
from palate.core.features import Features
from palate.core.histories import histories_of, history_of_items
from palate.core.ids import Ids
from palate.core.topk import rank_rows, tie_order, top_rows
from palate.core.types import FitContext
from palate.recommenders import ranker as ranker_module
from palate.recommenders.ranker import Ranker

CLOSE = 1e-4


def test_a_batch_scores_like_its_rows(ranker, rings):
    histories = histories_of(rings).take(slice(0, 40))
    together = ranker.score(histories)
    for row in range(len(histories)):
        alone = ranker.score(histories.take(np.array([row])))
        np.testing.assert_array_equal(alone[0], together[row])


def test_people_change_places_and_their_scores_with_them(ranker, rings):
    histories = histories_of(rings)
    order = np.random.default_rng(0).permutation(len(histories))
    moved = ranker.score(histories.take(order))
    np.testing.assert_array_equal(moved, ranker.score(histories)[order])


def test_chunks_make_no_difference(ranker, rings, monkeypatch):
    histories = histories_of(rings)
    whole = ranker.score(histories)
    monkeypatch.setattr(ranker_module, "CHUNK_CELLS", 7 * 60)
    np.testing.assert_array_equal(ranker.score(histories), whole)


def test_threads_that_ask_at_once_get_the_same_bits(small, ranker, rings, said):
    model, histories = small().fit(rings, FitContext(items=said)), histories_of(rings)
    model._forget()  # as after loading: whoever asks first makes what all of them share
    with ThreadPoolExecutor(4) as pool:
        for scores in pool.map(model.score, [histories] * 8):
            np.testing.assert_array_equal(scores, ranker.score(histories))


def test_scores_do_not_know_what_comes_later(ranker, rings, past_only):
    asking = histories_of(rings).without_last(3)
    scores = ranker.score(asking)
    np.testing.assert_array_equal(ranker.score(past_only(asking, instead=4)), scores)


def test_what_no_retriever_proposed_stands_below(ranker, rings):
    histories = histories_of(rings)
    scores = ranker.score(histories)
    found = ranker._candidates(histories)
    proposed = np.zeros(scores.shape, dtype=bool)
    row, column = np.nonzero(found.items >= 0)
    proposed[row, found.items[row, column]] = True
    assert 0.4 < proposed.mean() < 0.7
    assert scores[proposed].min() == 0
    assert scores[~proposed].max() <= -1
    best_other = np.where(proposed, -np.inf, scores).max(axis=1)
    assert (np.where(proposed, scores, np.inf).min(axis=1) > best_other).all()
    for scored, mix, inside in zip(scores, found.mix, proposed, strict=True):
        by_sum = np.argsort(-mix[~inside], kind="stable")
        assert (np.diff(scored[~inside][by_sum]) <= 0).all()


def turned(data, items, order):
    turned_items = None if items is None else items.take(order)
    return Dataset(data.interactions, data.items[order], data.users), turned_items


def assert_same_scores(first, second, histories, others):
    """The same bits for every person and item, by their ids."""
    items = others.item_ids.rows(histories.item_ids.series)
    people = Ids(others.user_ids).rows(histories.user_ids)
    found = second.score(others.take(people))[:, items]
    np.testing.assert_array_equal(found, first.score(histories))


@pytest.mark.parametrize("blocks", [[], ["text"], ["words"]])
def test_the_order_of_the_catalogue_decides_nothing(rings, said, small, blocks):
    items = said.select(blocks) if blocks else None
    order = np.random.default_rng(0).permutation(60)
    other_rings, other_items = turned(rings, items, order)
    assert_same_scores(
        small().fit(rings, FitContext(items=items)),
        small().fit(other_rings, FitContext(items=other_items)),
        histories_of(rings),
        histories_of(other_rings),
    )


def test_without_behaviour_and_hidden_items_the_order_of_the_catalogue_decides_nothing(
    rings, said, small, monkeypatch
):
    monkeypatch.setattr("palate.recommenders.two_stage.labels.NEW_ITEMS_CASES", 0.0)
    order = np.random.default_rng(0).permutation(60)
    other_rings, other_items = turned(rings, said, order)
    assert_same_scores(
        small(behaviour=False).fit(rings, FitContext(items=said)),
        small(behaviour=False).fit(other_rings, FitContext(items=other_items)),
        histories_of(rings),
        histories_of(other_rings),
    )


@pytest.mark.parametrize("seed", [0, 1])
def test_the_order_of_the_people_decides_nothing(rings, said, small, ranker, seed):
    draw = np.random.default_rng(seed)
    place = draw.permutation(len(rings.user_ids))[rings.user_rows]
    events = rings.interactions[np.lexsort((place, rings.times))]
    other = Dataset(events, rings.items, rings.users[draw.permutation(len(rings.users))])
    assert other.user_ids != rings.user_ids
    assert_same_scores(
        ranker, small().fit(other, FitContext(items=said)), histories_of(rings), histories_of(other)
    )


def test_the_order_of_the_people_decides_nothing_without_times_and_a_table(build, small):
    people = {f"u{row}": [*"abcde"[row % 3 :], *"fghij"[: 2 + row % 4]] for row in range(60)}
    turned_people = dict(reversed(people.items()))
    data, other = build(people, items="abcdefghij"), build(turned_people, items="abcdefghij")
    models = small(min_rows_per_leaf=5).fit(data), small(min_rows_per_leaf=5).fit(other)
    assert models[0].trees_
    assert models[0].trees_ == models[1].trees_
    assert_same_scores(*models, histories_of(data), histories_of(other))


def test_the_same_input_gives_the_same_bits(ranker, small, rings, said):
    again = small().fit(rings, FitContext(items=said))
    assert again.trees_ == ranker.trees_
    histories = histories_of(rings)
    np.testing.assert_array_equal(again.score(histories), ranker.score(histories))
    assert again.importances_.equals(ranker.importances_)


def test_another_seed_grows_other_trees(ranker, small, rings, said):
    other = small(seed=1).fit(rings, FitContext(items=said))
    assert ranker.trees_
    assert other.trees_ != ranker.trees_


def test_a_ranker_that_is_fitted_again_forgets(small, rings, said):
    model = small().fit(rings, FitContext(items=said))
    few = rings.with_interactions(rings.interactions.head(500))
    histories = histories_of(few)
    model.score(histories)
    found = model.fit(few, FitContext(items=said.select(["words"]))).score(histories)
    fresh = small().fit(few, FitContext(items=said.select(["words"])))
    np.testing.assert_array_equal(found, fresh.score(histories))


class TestWhoSaysLittle:
    def test_everybody_gets_finite_scores(self, ranker, rings, said, truth):
        names = rings.item_ids.tolist()
        untouched = [names[row] for row in truth.cold_items]
        asking = history_of_items(rings.item_ids, [[], untouched, names, names[:1] * 40])
        scores = ranker.score(asking)
        assert scores.shape == (4, 60)
        assert scores.dtype == np.float32
        assert np.isfinite(scores).all()

    def test_nobody_gets_no_scores(self, ranker, rings):
        assert ranker.score(history_of_items(rings.item_ids, [])).shape == (0, 60)

    def test_a_stranger_hears_what_many_people_did(self, ranker, rings):
        rows, _ = rank_rows(ranker, history_of_items(rings.item_ids, [[]]), 10)
        popularity = rings.item_counts
        assert popularity[rows[0]].mean() > 1.2 * popularity.mean()

    def test_a_text_query_finds_its_topic(self, rings, said, truth):
        asked = np.arange(0, 60, 3)
        model = Ranker().fit(rings, FitContext(items=said))
        queries = {"text": said.parts["text"][asked], "words": said.parts["words"][asked]}
        asking = history_of_items(rings.item_ids, [[] for _ in asked], queries=queries)
        touched = np.flatnonzero(rings.item_counts).astype(np.int32)
        rows, _ = rank_rows(model, asking, 5, candidates=touched)
        mix = np.where(rings.item_counts > 0, model._candidates(asking).mix, -np.inf)
        by_sum, _ = top_rows(mix, 5, tie_order(rings.item_ids))
        right, sum_right = (
            (truth.topic[found] == truth.topic[asked][:, None]).mean() for found in (rows, by_sum)
        )
        assert sum_right > 0.9
        assert right > sum_right - 0.1

    def test_a_silent_query_changes_nothing(self, ranker, rings, said):
        histories = histories_of(rings).take(slice(0, 5))
        names = [[rings.item_ids[item] for item in histories.row(row)] for row in range(5)]
        silent = {"text": np.zeros((5, said.parts["text"].shape[1]), dtype=np.float32)}
        with_words, without = (
            history_of_items(rings.item_ids, names, queries=queries) for queries in (silent, {})
        )
        np.testing.assert_allclose(ranker.score(with_words), ranker.score(without), atol=CLOSE)

    def test_a_catalogue_that_is_larger_than_the_models_raises(self, ranker, rings):
        larger = Ids([*rings.item_ids.tolist(), "one more"])
        with pytest.raises(AlignmentError, match="smaller"):
            ranker.score(history_of_items(larger, [["one more"]]))


SMALL_DATA = {
    "nothing happened": ({}, "abc"),
    "one event each": ({"u": "a", "v": "b", "w": "a"}, "abcd"),
    "one person": ({"u": "abcab"}, "abcde"),
    "one person, two items": ({"u": "ab"}, "ab"),
    "one event": ({"u": "a"}, "ab"),
    "one item": ({"u": "a", "v": "a"}, "a"),
    "nothing is new": ({"u": "abc", "v": "bca"}, "abc"),
}


@pytest.mark.parametrize("behaviour", [True, False])
@pytest.mark.parametrize("blocks", ["", "dense", "sparse", "dense sparse"])
@pytest.mark.parametrize("name", SMALL_DATA)
def test_the_smallest_data_give_finite_scores(build, name, blocks, behaviour):
    sequences, items = SMALL_DATA[name]
    data = build(sequences, items=items)
    marks = np.eye(len(items), 4, dtype=np.float32) + np.float32([0.1, 0, 0.3, 0])
    every = {"dense": marks, "sparse": sparse.csr_array(marks)}
    chosen = {block: every[block] for block in blocks.split()}
    model = Ranker(
        n_estimators=3, n_train_queries=50, candidates=10, min_rows_per_leaf=1, behaviour=behaviour
    )
    model.fit(data, FitContext(items=Features(data.item_ids, chosen) if chosen else None))
    asking = history_of_items(data.item_ids, [[], [items[0]], list(items), list(items) * 12])
    scores = model.score(asking)
    assert scores.shape == (4, len(items))
    assert np.isfinite(scores).all()
    assert len(model.evidence(asking, np.zeros(4, dtype=np.int32))) == 4


@pytest.mark.parametrize("blocks", [[], ["text"], ["words"], ["text", "words"]])
def test_with_or_without_features_the_chain_is_found(rings, said, truth, small, blocks):
    model = small().fit(rings, FitContext(items=said.select(blocks) if blocks else None))
    chained = np.flatnonzero(truth.successor >= 0)
    asking = history_of_items(rings.item_ids, [[rings.item_ids[row]] for row in chained])
    rows, _ = rank_rows(model, asking, 3)
    assert (rows == truth.successor[chained][:, None]).any(axis=1).mean() > 0.85


def test_without_content_what_nobody_touched_is_not_recommended(rings, small, truth):
    model = small().fit(rings)
    rows, _ = rank_rows(model, histories_of(rings), 10)
    assert np.isin(rows, truth.cold_items).mean() < 0.01
