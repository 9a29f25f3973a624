from dataclasses import replace

import numpy as np
import pytest

from palate.core.histories import histories_of, history_of_items
from palate.core.topk import tie_order
from palate.recommenders.two_stage import candidates as candidates_module
from palate.recommenders.two_stage.candidates import candidates, padded
from palate.recommenders.two_stage.catalogue import Catalogue
from palate.recommenders.two_stage.retrievers import Profiles, retrieve
from palate.recommenders.two_stage.statistics import fit_statistics

COLD = 3


@pytest.fixture(scope="module")
def catalogue(said):
    return Catalogue.of(said, len(said))


@pytest.fixture(scope="module")
def statistics(rings, catalogue):
    return fit_statistics(histories_of(rings), catalogue, behaviour=True, seed=0)


@pytest.fixture(scope="module")
def asking(rings):
    return histories_of(rings).take(slice(0, 12))


@pytest.fixture
def found(asking, statistics, catalogue):
    return candidates(asking, statistics, catalogue, count=20, repeats=False)


def seen(histories, row):
    return set(histories.row(row).tolist())


def test_the_best_unseen_items_of_the_plain_sum_come_first(found, asking):
    tie = tie_order(asking.item_ids)
    for row, mix in enumerate(found.mix):
        unseen = [item for item in range(60) if item not in seen(asking, row)]
        wanted = sorted(unseen, key=lambda item: (-mix[item], tie[item]))
        assert found.items[row, :20].tolist() == wanted[:20]


def test_the_plain_sum_adds_z_scores_by_weight(found, asking, statistics, catalogue):
    mix = 1e-3 * np.log1p(statistics["popularity"])
    for signal in retrieve(asking, Profiles.of(asking), statistics, catalogue):
        scores = signal.dense.astype(np.float64)
        deviation = np.maximum(scores.std(axis=1, keepdims=True), 1e-9)
        mix = mix + signal.weight * (scores - scores.mean(axis=1, keepdims=True)) / deviation
    np.testing.assert_allclose(found.mix, mix, atol=1e-2)


def test_new_items_are_proposed_whatever_their_place(found, statistics):
    new = set(np.flatnonzero(statistics["counts"] == 0).tolist())
    assert len(new) == COLD
    for items in found.items.tolist():
        assert new <= set(items)
        proposed = [item for item in items if item >= 0]
        assert len(set(proposed)) == len(proposed)
        assert 20 <= len(proposed) <= 20 + COLD


def test_so_many_new_items_and_no_more(asking, statistics, catalogue, monkeypatch):
    monkeypatch.setattr(candidates_module, "NEW_ITEMS", 1)
    found = candidates(asking, statistics, catalogue, count=1, repeats=False)
    new = statistics["counts"] == 0
    assert found.items.shape == (len(asking), 2)
    best = np.where(new, found.mix, -np.inf).argmax(axis=1)
    assert [best[row] in items for row, items in enumerate(found.items)] == [True] * len(asking)


def test_what_was_seen_is_proposed_again_only_where_people_repeat(
    found, asking, statistics, catalogue
):
    again = candidates(asking, statistics, catalogue, count=20, repeats=True)
    for row in range(len(asking)):
        assert not seen(asking, row) & set(found.items[row].tolist())
        newest = list(dict.fromkeys(asking.row(row)[::-1].tolist()))[: candidates_module.REPEATS]
        assert set(again.items[row].tolist()) - {-1} == {
            *found.items[row][found.items[row] >= 0].tolist(),
            *newest,
        }


def test_each_of_the_newest_items_is_proposed_once(rings, statistics, catalogue):
    names = rings.item_ids.tolist()
    asking = history_of_items(rings.item_ids, [[names[5], names[9], names[5], names[5]]])
    (items,) = candidates(asking, statistics, catalogue, count=9, repeats=True).items.tolist()
    assert [items.count(row) for row in (5, 9)] == [1, 1]


def test_a_catalogue_smaller_than_the_number_of_candidates(asking, statistics, catalogue):
    found = candidates(asking, statistics, catalogue, count=500, repeats=False)
    assert found.items.shape[1] == 60 + COLD
    for row, items in enumerate(found.items.tolist()):
        assert sorted(set(items) - {-1}) == sorted(set(range(60)) - seen(asking, row))
    assert np.isfinite(found.features).all()


def test_who_has_seen_everything_gets_no_candidate(rings, statistics, catalogue):
    asking = history_of_items(rings.item_ids, [rings.item_ids.tolist(), []])
    found = candidates(asking, statistics, catalogue, count=20, repeats=False)
    assert (found.items[0] == -1).all()
    assert (found.items[1, :20] >= 0).all()
    assert np.isfinite(found.features).all()


def test_features_are_named_once_and_finite(found):
    assert len(set(found.names)) == len(found.names)
    assert found.features.shape == (*found.items.shape, len(found.names))
    assert found.features.dtype == np.float32
    assert np.isfinite(found.features).all()


def test_no_feature_knows_what_comes_later(rings, statistics, catalogue, past_only):
    histories = histories_of(rings).without_last(2)
    for row in (0, 5, 9):
        single = histories.take(np.array([row]))
        blind = past_only(single, instead=int(single.row(0)[0]))
        found, again = (
            candidates(asking, statistics, catalogue, count=20, repeats=True)
            for asking in (single, blind)
        )
        np.testing.assert_array_equal(found.items, again.items)
        np.testing.assert_array_equal(found.features, again.features)


def test_nobody_asks_and_the_columns_are_the_same(found, asking, statistics, catalogue):
    none = candidates(asking.take(slice(0, 0)), statistics, catalogue, count=20, repeats=False)
    assert none.items.shape[0] == none.features.shape[0] == 0
    assert none.names == found.names


def test_without_content_and_without_behaviour_popularity_proposes(rings):
    histories = histories_of(rings)
    bare = Catalogue.of(None, 60)
    statistics = fit_statistics(histories, bare, behaviour=False, seed=0)
    nobody = history_of_items(rings.item_ids, [[]])
    found = candidates(nobody, statistics, bare, count=5, repeats=False)
    weighted = statistics["popularity"]
    assert weighted[found.items[0, :5]].tolist() == sorted(weighted, reverse=True)[:5]


def test_padding_repeats_the_best():
    items = np.array([[7, 3, -1], [5, -1, -1], [-1, -1, -1]], dtype=np.int32)
    assert padded(items).tolist() == [[7, 3, 7], [5, 5, 5], [0, 0, 0]]


def placed(found, row):
    """The place features of one request's candidates, by name."""
    kept = found.items[row] >= 0
    return {
        name: found.features[row, kept, column]
        for column, name in enumerate(found.names)
        if "(place)" in name
    }


def test_padding_changes_no_place(asking, statistics, catalogue):
    names = asking.item_ids.tolist()
    few = history_of_items(asking.item_ids, [names[:55]])
    found = candidates(few, statistics, catalogue, count=30, repeats=False)
    assert (found.items >= 0).sum() == 5
    for name, places in placed(found, 0).items():
        assert places.max() < 5, name


def test_weights_of_events_count(rings, statistics, catalogue, asking):
    doubled = replace(asking, weights=np.where(asking.items % 2, 9, asking.weights).astype("f4"))
    found = candidates(asking, statistics, catalogue, count=20, repeats=False)
    other = candidates(doubled, statistics, catalogue, count=20, repeats=False)
    assert np.abs(found.mix - other.mix).max() > 0.1


def test_with_answers_only_requests_that_could_be_right_are_described(
    found, asking, statistics, catalogue
):
    answers = found.items[:, 0].copy()
    answers[[2, 5]] = [asking.row(2)[0], -7]  # seen, so never proposed; no item at all
    some = candidates(asking, statistics, catalogue, count=20, repeats=False, answers=answers)
    rows = [row for row in range(len(asking)) if row not in (2, 5)]
    assert some.requests.tolist() == rows
    np.testing.assert_array_equal(some.items, found.items[rows])
    np.testing.assert_array_equal(some.features, found.features[rows])
    np.testing.assert_array_equal(some.mix, found.mix[rows])
