import numpy as np
import pytest

from palate.core.errors import ConfigError
from palate.core.evidence import Evidence
from palate.core.histories import histories_of, history_of_items
from palate.recommenders import user_knn
from palate.recommenders.user_knn import UserKNN


def test_scores_of_a_stranger_by_hand(known):
    model = UserKNN(shrink=1.0).fit(known)
    scores = model.score(history_of_items(known.item_ids, [["d", "b"], ["d"]]))
    of = {count: np.sqrt(count) + 1 for count in (1, 2, 3)}
    like_u = like_v = 1 / of[2] / of[3]
    like_w = 1 / of[2] / of[2]
    both = like_u + like_v
    np.testing.assert_allclose(scores[0], [both, both, both + like_w, like_w, 0], rtol=1e-5)
    alone = 1 / of[1] / of[2]
    np.testing.assert_allclose(scores[1], [0, 0, alone, alone, 0], rtol=1e-5)


def test_only_the_most_similar_people_speak(known):
    model = UserKNN(neighbours=1).fit(known)
    scores = model.score(history_of_items(known.item_ids, [["d", "b"]]))
    assert np.flatnonzero(scores[0]).tolist() == [2, 3]


def test_blocks_of_people_give_the_same_scores(tiny, monkeypatch):
    model, asking = UserKNN().fit(tiny), histories_of(tiny)
    whole = model.score(asking)
    monkeypatch.setattr(user_knn, "_BLOCK_CELLS", 100)
    np.testing.assert_allclose(model.score(asking), whole, rtol=1e-6)


def test_fitting_again_forgets_the_people_before(known, build):
    other = build({"x": "de"})
    model = UserKNN().fit(known)
    asking = history_of_items(known.item_ids, [["d"]])
    model.score(asking)
    np.testing.assert_array_equal(
        model.fit(other).score(asking), UserKNN().fit(other).score(asking)
    )


def test_new_items_score_the_lowest(known, arrivals):
    model = UserKNN().fit(known).add_items(arrivals)
    scores = model.score(history_of_items(model.item_ids_, [["c", "f"], ["f"]]))
    assert (scores[:, 5:] == 0).all()
    assert scores[1].tolist() == pytest.approx([2 / 3, 1, 1, 1 / 3, 0, 0, 0])


@pytest.mark.parametrize("setting", [{"neighbours": 0}, {"shrink": -0.5}])
def test_settings_that_cannot_work_raise(setting):
    with pytest.raises(ConfigError, match=next(iter(setting))):
        UserKNN(**setting)


def test_people_like_this_one_speak(known, arrivals):
    model = UserKNN().fit(known).add_items(arrivals)
    names = [["d", "b"], ["d"], [], ["d", "f"], ["f"]]
    asking = history_of_items(model.item_ids_, names)
    items = np.int32([0, 0, 1, 5, 2])
    found = model.evidence(asking, items)
    assert found == [Evidence("peers"), *[Evidence("popular")] * 4]
