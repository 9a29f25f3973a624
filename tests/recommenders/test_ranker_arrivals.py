"""Items that arrived later: appended, proposed by what they say, given their places, saved."""

import math

import numpy as np
import polars as pl
import pytest

from palate import artefact
from palate.columns import ITEM
from palate.encoders.tfidf import Tfidf
from palate.errors import AlignmentError
from palate.histories import histories_of, history_of_items
from palate.pipeline import Pipeline
from palate.recommenders._topk import rank_rows
from palate.recommenders.ranker import arrivals, with_places_for_new
from palate.types import Features, Ids

LIKED = 12


def twins(said, rows, names):
    return Features(Ids(names), {name: part[rows] for name, part in said.parts.items()})


@pytest.fixture
def grown(small, rings, said, truth):
    """With a new twin of an item of the largest topic, and one of an item of the smallest."""
    largest, smallest = np.bincount(truth.topic).argmax(), np.bincount(truth.topic).argmin()
    rows = [np.flatnonzero(truth.topic == topic)[0] for topic in (largest, smallest)]
    model = small().fit(rings, said).add_items(twins(said, rows, ["new large", "new small"]))
    return model, (largest, smallest)


def test_new_items_are_new_columns_and_go_to_who_likes_such(grown, rings, truth):
    model, topics = grown
    assert model.item_ids_.tolist() == [*rings.item_ids.tolist(), "new large", "new small"]
    touched = np.setdiff1d(np.arange(60), truth.new_items)
    for topic, own, other in ((topics[0], 60, 61), (topics[1], 61, 60)):
        liked = touched[truth.topic[touched] == topic]
        asking = history_of_items(rings.item_ids, [[rings.item_ids[row]] for row in liked])
        scores = model.score(asking)
        assert scores.shape == (len(liked), 62)
        assert np.isfinite(scores).all()
        assert (scores[:, own] > scores[:, other]).mean() > 0.8
        mix = model._candidates(asking.in_catalogue(model.item_ids_)).mix
        assert (mix[:, own] > mix[:, other]).all()


def test_an_item_that_nobody_touched_has_its_place_in_every_list(grown, rings, truth):
    model, _ = grown
    asking = histories_of(rings).in_catalogue(model.item_ids_)
    share = model._share_of_new
    assert 2 / 62 <= share <= 5 / 62
    rows, _ = rank_rows(model, asking, math.ceil(0.25 / share))
    untouched = [60, 61, *truth.new_items]
    assert np.isin(rows, untouched).any(axis=1).mean() > 0.95  # equal scores may go either way
    assert np.isin(rows, [60, 61]).any(axis=0).any()


def test_new_items_in_a_history_say_what_they_say(grown, rings, truth):
    model, (largest, _) = grown
    asking = history_of_items(model.item_ids_, [["new large"], ["new large", rings.item_ids[3]]])
    scores = model.score(asking)
    assert np.isfinite(scores).all()
    by_sum = np.argsort(-model._candidates(asking).mix[0, :60])[:3]
    assert (truth.topic[by_sum] == largest).all()


def test_one_by_one_or_all_at_once(small, rings, said):
    both = twins(said, [LIKED, 40], ["x", "y"])
    at_once = small().fit(rings, said).add_items(both)
    one_by_one = small().fit(rings, said)
    one_by_one.add_items(both.take(np.array([0]))).add_items(both.take(np.array([1])))
    asking = histories_of(rings)
    np.testing.assert_array_equal(one_by_one.score(asking), at_once.score(asking))


def test_a_known_item_cannot_arrive(small, rings, said):
    model = small().fit(rings, said)
    before = model.score(histories_of(rings))
    with pytest.raises(AlignmentError, match="unique"):
        model.add_items(said.take(np.array([LIKED])))
    np.testing.assert_array_equal(model.score(histories_of(rings)), before)


def test_features_that_do_not_fit_leave_the_model_as_it_was(small, rings, said):
    model = small().fit(rings, said)
    before = model.score(histories_of(rings))
    narrow = Features(Ids(["x"]), {"text": np.ones((1, 2)), "words": said.parts["words"][[0]]})
    with pytest.raises(ValueError, match="dimension"):
        model.add_items(narrow)
    np.testing.assert_array_equal(model.score(histories_of(rings)), before)


def test_without_content_new_items_are_columns_too(small, rings):
    model = small().fit(rings).add_items(Features(Ids(["x", "y"]), {}))
    scores = model.score(histories_of(rings))
    assert scores.shape == (150, 62)
    np.testing.assert_array_equal(scores[:, 60], scores[:, 61])


@pytest.mark.parametrize(
    ("never", "once", "twice", "surplus"),
    [(10, 4, 2, 10 - 4 * 3 / (2 * 3)), (10, 0, 5, 10), (10, 1, 0, 10), (3, 9, 1, 0), (0, 6, 1, 0)],
)
def test_arrivals_are_more_untouched_items_than_chance_leaves(never, once, twice, surplus):
    counts = np.repeat(np.float32([0, 1, 2, 3, 8]), [never, once, twice, 5, 5])
    assert arrivals(counts) == pytest.approx(surplus)


class TestSaved:
    @pytest.fixture
    def pipeline(self, small, rings):
        return Pipeline(encoders={"words": Tfidf()}, recommender=small()).fit(rings)

    def assert_same(self, pipeline, folder, rings):
        artefact.save_pipeline(pipeline, folder)
        loaded = artefact.load(folder)
        asking = histories_of(rings)
        np.testing.assert_array_equal(loaded.score(asking), pipeline.score(asking))
        assert loaded.recommender.importances_.equals(pipeline.recommender.importances_)
        items = np.arange(len(asking), dtype=np.int32) % 60
        ours, theirs = (model.recommender.evidence(asking, items) for model in (pipeline, loaded))
        assert ours == theirs
        return loaded

    def test_a_saved_ranker_gives_the_same_bits(self, pipeline, rings, tmp_path):
        assert pipeline.recommender.trees_
        self.assert_same(pipeline, tmp_path, rings)

    def test_and_does_so_after_items_arrived(self, pipeline, rings, tmp_path):
        arrived = rings.items[[3, LIKED]].with_columns(pl.Series(ITEM, ["new 0", "new 1"]))
        pipeline.add_items(arrived)
        loaded = self.assert_same(pipeline, tmp_path, rings)
        assert loaded.recommender.item_ids_.tolist()[-2:] == ["new 0", "new 1"]
        later = arrived.with_columns(pl.Series(ITEM, ["newer 0", "newer 1"]))
        for model in (pipeline, loaded):
            model.add_items(later)
        np.testing.assert_array_equal(
            loaded.score(histories_of(rings)), pipeline.score(histories_of(rings))
        )


class TestPlaces:
    """Twelve proven items, best first, then new ones that nothing speaks for."""

    def placed(self, n_new, share, n_proven=12):
        values = np.float32([[*range(n_proven + 2, 2, -1), *range(-1, -n_new - 1, -1)]])
        new = np.arange(values.shape[1])[None, :] >= n_proven
        found = with_places_for_new(values, new, share=share)
        return np.argsort(-found[0], kind="stable").tolist(), found, values, new

    def places_of_new(self, order, n_proven=12):
        return [place for place, column in enumerate(order, start=1) if column >= n_proven]

    @pytest.mark.parametrize(
        ("share", "places"),
        [(0.2, [2, 7, 12]), (0.1, [3, 13]), (0.3, [1, 5, 8, 11]), (0.5, [1, 3, 5, 7, 9, 11])],
    )
    def test_places_by_hand(self, share, places):
        assert places == [math.ceil((nth + 0.25) / share) for nth in range(len(places))]
        order, *_ = self.placed(len(places), share)
        assert self.places_of_new(order) == places

    @pytest.mark.parametrize("share", [0.05, 0.2, 0.45])
    def test_both_kinds_keep_their_own_order(self, share):
        order, found, values, new = self.placed(5, share)
        assert [column for column in order if column < 12] == list(range(12))
        assert [column for column in order if column >= 12] == list(range(12, 17))
        np.testing.assert_array_equal(found[~new], values[~new])

    @pytest.mark.xfail(strict=True, reason="new items that share a gap get the same score")
    @pytest.mark.parametrize("share", [0.6, 0.8])
    def test_new_items_keep_their_order_where_they_are_the_most(self, share):
        order, found, _, _ = self.placed(5, share)
        assert [column for column in order if column >= 12] == list(range(12, 17))
        assert len(np.unique(found)) == found.size

    def test_more_new_items_than_places_among_the_proven_come_after(self):
        order, *_ = self.placed(4, 0.2, n_proven=3)
        assert order == [0, 3, 1, 2, 4, 5, 6]

    @pytest.mark.parametrize("share", [0.0, 1.0])
    def test_no_share_to_give(self, share):
        _, found, values, _ = self.placed(3, share)
        np.testing.assert_array_equal(found, values)

    def test_nothing_new(self):
        values = np.float32([[3, 1, 2]])
        nothing = np.zeros((1, 3), dtype=bool)
        np.testing.assert_array_equal(with_places_for_new(values, nothing, share=0.2), values)

    def test_nothing_but_new(self):
        values = np.float32([[3, 1, 2]])
        found = with_places_for_new(values, np.ones((1, 3), dtype=bool), share=0.2)
        assert np.isfinite(found).all()
        assert np.argsort(-found[0]).tolist() == [0, 2, 1]

    def test_each_request_for_itself(self):
        rng = np.random.default_rng(0)
        values = rng.normal(size=(6, 20)).astype(np.float32)
        values[2:4, 15:] = -np.inf
        new = rng.random((6, 20)) < np.linspace(0, 0.6, 6)[:, None]
        new &= np.isfinite(values)
        given = values.copy()
        together = with_places_for_new(values, new, share=0.25)
        for row in range(6):
            part = slice(row, row + 1)
            alone = with_places_for_new(values[part], new[part], share=0.25)
            np.testing.assert_array_equal(alone, together[part])
        np.testing.assert_array_equal(values, given)
        np.testing.assert_array_equal(together[~new], values[~new])
        assert np.isfinite(together[np.isfinite(values)]).all()
