import json
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

from palate.core import registry
from palate.core.errors import ConfigError
from palate.core.evidence import Evidence
from palate.core.histories import histories_of, history_of_items
from palate.core.types import FitContext
from palate.recommenders._base import zscores
from palate.recommenders.blend import Blend
from palate.recommenders.covisit import Covisit
from palate.recommenders.popular import Popular
from palate.testing import check_committee


def test_zscores_by_hand():
    scores = np.float32([[1, 2, 3, 6], [0.1, 0.1, 0.1, 0.1], [0, 0, 0, 0]])
    wanted = (scores[0] - 3) / np.sqrt(3.5)
    np.testing.assert_allclose(zscores(scores)[0], wanted, rtol=1e-6)
    assert not zscores(scores)[1:].any()


def test_a_blend_is_the_weighted_sum_of_zscores(known):
    model = Blend(parts=[{"type": "popular"}, {"type": "covisit", "window": 1}], weights=[2.0, 0.5])
    asking = history_of_items(known.item_ids, [["a"], ["d", "c"]])
    scores = model.fit(known).score(asking)
    popular = zscores(Popular().fit(known).score(asking))
    covisit = zscores(Covisit(window=1).fit(known).score(asking))
    np.testing.assert_allclose(scores, 2 * popular + 0.5 * covisit, rtol=1e-6)


def test_components_are_taken_by_their_settings(known, tiny):
    part = Covisit(window=3)
    model = Blend(parts=[part, {"type": "popular"}])
    assert model.parts[0] == {"type": "covisit", **registry.settings_of(part)}
    json.dumps(registry.settings_of(model))
    model.fit(known)
    assert not hasattr(part, "covisits_")
    again = Blend(**registry.settings_of(model)).fit(tiny)
    asking = histories_of(tiny)
    np.testing.assert_array_equal(again.score(asking), model.fit(tiny).score(asking))


def test_new_items_reach_every_part(known, arrivals):
    model = Blend(parts=[{"type": "popular"}, {"type": "item_knn"}]).fit(known).add_items(arrivals)
    scores = model.score(history_of_items(known.item_ids, [["a"]]))
    assert scores.shape == (1, 7)
    assert (scores[0, 5:] == scores.min()).all()


class TestContext:
    """Every part gets what the blend gets, with the way to make features again."""

    @pytest.mark.parametrize(
        "wrap",
        [lambda part: Blend(parts=[part]), lambda part: Blend(parts=[Blend(parts=[part])])],
        ids=["blend", "blend in a blend"],
    )
    def test_an_inner_ranker_scores_as_it_does_alone(self, small, rings, said, clicks, wrap):
        items = said.beside(clicks)
        context = FitContext(items=items, remake=lambda _part: FitContext(items=items))
        alone = small(behaviour=False).fit(rings, context)
        gains = alone.importances_.filter(pl.col("family") == "clicks")["gain"]
        assert gains.sum() > 0.2
        asking = histories_of(rings)
        found = wrap(small(behaviour=False)).fit(rings, context).score(asking)
        np.testing.assert_allclose(found, zscores(alone.score(asking)), rtol=1e-5, atol=1e-6)

    def test_the_parts_get_the_context_itself(self, tiny, tiny_features):
        check_committee(lambda part: Blend(parts=[part, Popular()]), tiny, tiny_features)


def test_a_part_that_does_not_exist_or_lacks_a_setting_raises():
    with pytest.raises(ConfigError, match="Did you mean 'popular'"):
        Blend(parts=[{"type": "covisit"}, {"type": "populr"}])
    with pytest.raises(ConfigError, match=r"blend.parts\[0\].window = 0 cannot be used: give 1"):
        Blend(parts=[{"type": "covisit", "window": 0}])


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"parts": []}, "parts"), ({"weights": [1.0]}, "1 numbers for 2 parts")],
)
def test_settings_that_cannot_work_raise(settings, message):
    with pytest.raises(ConfigError, match=message):
        Blend(**settings)


def test_the_part_that_adds_most_speaks(known):
    """After d, covisits speak for c; everybody's a and b are only popular."""
    asking = history_of_items(known.item_ids, [["d"], ["d"], []])
    items = np.int32([2, 1, 2])
    for weights, kinds in (
        ([1.0, 5.0], ["together", "popular", "popular"]),
        ([5.0, 1.0], ["popular", "popular", "popular"]),
    ):
        model = Blend(parts=[Popular(), Covisit()], weights=weights).fit(known)
        assert [one.kind for one in model.evidence(asking, items)] == kinds


def test_a_part_that_cannot_say_why_is_taken_for_popular(known):
    model = Blend(parts=[Covisit()]).fit(known)
    model.parts_ = [SimpleNamespace(score=model.parts_[0].score)]
    asking = history_of_items(known.item_ids, [["d"]])
    assert model.evidence(asking, np.int32([2])) == [Evidence("popular")]
