import numpy as np
import pytest

from palate.core.errors import ConfigError
from palate.core.evidence import Evidence
from palate.core.histories import history_of_items
from palate.recommenders.item_knn import ItemKNN


def test_scores_by_hand(known):
    model = ItemKNN(shrink=1.0).fit(known)
    a, b, c, d = (np.sqrt(users) + 1 for users in (2, 2, 3, 1))
    scores = model.score(history_of_items(known.item_ids, [["c"], ["a", "d"]]))
    np.testing.assert_allclose(scores[0], [2 / a / c, 2 / b / c, 0, 1 / c / d, 0], rtol=1e-5)
    together = 2 / a / c + 1 / c / d
    np.testing.assert_allclose(scores[1], [0, 2 / a / b, together, 0, 0], rtol=1e-5)


def test_older_items_fade(known):
    model = ItemKNN(decay=0.5).fit(known)
    new, old, both = model.score(history_of_items(known.item_ids, [["a"], ["d"], ["d", "a"]]))
    np.testing.assert_allclose(both, new + 0.5 * old, rtol=1e-6)


def test_only_the_nearest_neighbours_speak(known):
    model = ItemKNN(neighbours=1).fit(known)
    scores = model.score(history_of_items(known.item_ids, [["a"]]))
    assert np.flatnonzero(scores[0]).tolist() == [1]


def test_new_items_score_the_lowest(known, arrivals):
    model = ItemKNN().fit(known).add_items(arrivals)
    scores = model.score(history_of_items(known.item_ids, [["c"], []]))
    assert (scores[:, 5:] == scores.min(axis=1, keepdims=True)).all()


@pytest.mark.parametrize("setting", [{"neighbours": 0}, {"shrink": -1}, {"decay": 2}])
def test_settings_that_cannot_work_raise(setting):
    with pytest.raises(ConfigError, match=next(iter(setting))):
        ItemKNN(**setting)


def test_the_most_similar_item_speaks(known, arrivals):
    model = ItemKNN().fit(known).add_items(arrivals)
    queries = {"text": np.ones((4, 3), dtype=np.float32)}
    names = [["d", "b"], ["a"], [], ["c"]]
    asking = history_of_items(model.item_ids_, names, queries=queries)
    found = model.evidence(asking, np.int32([2, 3, 2, 5]))
    assert found == [Evidence("together", 1), *[Evidence("popular")] * 3]
