"""Items that arrived after the fit: appended, proposed by what they say, saved."""

import math

import numpy as np
import polars as pl
import pytest

from palate.core.columns import ITEM
from palate.core.errors import AlignmentError, ConfigError
from palate.core.features import Features
from palate.core.histories import histories_of, history_of_items
from palate.core.ids import Ids
from palate.core.topk import rank_rows
from palate.core.types import FitContext
from palate.features.encoders.tfidf import Tfidf
from palate.pipeline.pipeline import Pipeline, load
from palate.recommenders.two_stage.arrivals import FIRST

LIKED = 12


def twins(said, rows, names):
    return Features(Ids(names), {name: part[rows] for name, part in said.parts.items()})


@pytest.fixture
def grown(small, rings, said, truth):
    """With a new twin of an item of the largest topic, and one of an item of the smallest."""
    largest, smallest = np.bincount(truth.topic).argmax(), np.bincount(truth.topic).argmin()
    rows = [np.flatnonzero(truth.topic == topic)[0] for topic in (largest, smallest)]
    model = (
        small()
        .fit(rings, FitContext(items=said))
        .add_items(twins(said, rows, ["new large", "new small"]))
    )
    return model, (largest, smallest)


def test_new_items_are_new_columns_and_go_to_who_likes_such(grown, rings, truth):
    model, topics = grown
    assert model.item_ids_.tolist() == [*rings.item_ids.tolist(), "new large", "new small"]
    warm = np.setdiff1d(np.arange(60), truth.cold_items)
    for topic, own, other in ((topics[0], 60, 61), (topics[1], 61, 60)):
        liked = warm[truth.topic[warm] == topic]
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
    rows, _ = rank_rows(model, asking, math.ceil(FIRST / share))
    cold = [60, 61, *truth.cold_items]
    assert np.isin(rows, cold).any(axis=1).mean() > 0.9  # equal scores may go either way
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
    at_once = small().fit(rings, FitContext(items=said)).add_items(both)
    one_by_one = small().fit(rings, FitContext(items=said))
    one_by_one.add_items(both.take(np.array([0]))).add_items(both.take(np.array([1])))
    asking = histories_of(rings)
    np.testing.assert_array_equal(one_by_one.score(asking), at_once.score(asking))


def test_a_known_item_cannot_arrive(small, rings, said):
    model = small().fit(rings, FitContext(items=said))
    before = model.score(histories_of(rings))
    with pytest.raises(AlignmentError, match="unique"):
        model.add_items(said.take(np.array([LIKED])))
    np.testing.assert_array_equal(model.score(histories_of(rings)), before)


def test_features_that_do_not_fit_leave_the_model_as_it_was(small, rings, said):
    model = small().fit(rings, FitContext(items=said))
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


def test_what_chance_left_untouched_is_no_arrival_but_what_was_added_is(small, rings, said):
    once = rings.interactions.unique(ITEM, keep="first", maintain_order=True)
    model = small().fit(rings.with_interactions(once), FitContext(items=said))
    assert model._share_of_new == 0
    model.add_items(twins(said, [LIKED, 3, 5], ["x", "y", "z"]))
    assert model._share_of_new == pytest.approx(3 / 60)  # three are left untouched by chance


class TestSaved:
    @pytest.fixture
    def pipeline(self, small, rings):
        return Pipeline(encoders={"words": Tfidf()}, recommender=small()).fit(rings)

    def assert_same(self, pipeline, folder, rings):
        pipeline.save(folder)
        loaded = load(folder)
        asking = histories_of(rings)
        np.testing.assert_array_equal(loaded.score(asking), pipeline.score(asking))
        assert loaded.recommender_.importances_.equals(pipeline.recommender_.importances_)
        items = np.arange(len(asking), dtype=np.int32) % 60
        ours, theirs = (model.recommender_.evidence(asking, items) for model in (pipeline, loaded))
        assert ours == theirs
        return loaded

    def test_a_saved_ranker_gives_the_same_bits(self, pipeline, rings, tmp_path):
        assert pipeline.recommender_.trees_
        self.assert_same(pipeline, tmp_path, rings)

    def test_and_does_so_after_items_arrived(self, pipeline, rings, tmp_path):
        arrived = rings.items[[3, LIKED]].with_columns(pl.Series(ITEM, ["new 0", "new 1"]))
        pipeline.add_items(arrived)
        loaded = self.assert_same(pipeline, tmp_path, rings)
        assert loaded.recommender_.item_ids_.tolist()[-2:] == ["new 0", "new 1"]
        later = arrived.with_columns(pl.Series(ITEM, ["newer 0", "newer 1"]))
        for model in (pipeline, loaded):
            model.add_items(later)
        np.testing.assert_array_equal(
            loaded.score(histories_of(rings)), pipeline.score(histories_of(rings))
        )


def test_a_stated_share_goes_to_new_items(small, rings, said, truth):
    asking = histories_of(rings)
    none, many = (small(new_share=share).fit(rings, FitContext(items=said)) for share in (0.0, 0.4))
    by_themselves, stated = (rank_rows(model, asking, 10)[0] for model in (none, many))
    assert np.isin(stated[:, :6], truth.cold_items).sum(axis=1).tolist() == [3] * len(asking)
    assert np.isin(by_themselves[:, :6], truth.cold_items).mean() < 0.4
    with pytest.raises(ConfigError, match="new_share"):
        small(new_share=1.5)
