import numpy as np
import pytest

from palate.core.errors import ConfigError
from palate.core.evidence import Evidence
from palate.core.histories import histories_of, history_of_items
from palate.recommenders.blend import Blend
from palate.recommenders.covisit import Covisit
from palate.recommenders.ease import Ease


def test_two_items_by_hand(build):
    # people of a: 3, of b: 2, of both: 1, l2 = 1, so B[a, b] = 1 / (3 + 1), B[b, a] = 1 / (2 + 1)
    data = build({"u": "ab", "v": "a", "w": "a", "x": "b"}, items="ab")
    model = Ease(l2=1.0).fit(data)
    np.testing.assert_allclose(model.weights_, [[0, 1 / 4], [1 / 3, 0]], rtol=1e-5)
    scores = model.score(history_of_items(data.item_ids, [["a"], ["b"]]))
    np.testing.assert_allclose(scores, [[0, 1 / 4], [1 / 3, 0]], rtol=1e-5)


def test_weights_solve_the_ridge_regression_without_the_item_itself(tiny):
    model = Ease(l2=3.0).fit(tiny)
    seen = histories_of(tiny).seen().toarray()[:, model.rows_].astype(np.float64)
    for item in (0, 7, 20):
        others = np.delete(np.arange(seen.shape[1]), item)
        gram = seen[:, others].T @ seen[:, others] + 3.0 * np.eye(len(others))
        wanted = np.linalg.solve(gram, seen[:, others].T @ seen[:, item])
        np.testing.assert_allclose(model.weights_[others, item], wanted, atol=1e-5)
    assert model.weights_.dtype == np.float32
    assert not model.weights_.diagonal().any()


def test_items_without_events_score_the_lowest(tiny):
    model = Ease(l2=0.5).fit(tiny)
    scores = model.score(histories_of(tiny))
    cold = np.flatnonzero(tiny.item_counts == 0)
    assert len(cold) == 2
    assert scores.min() < 0
    np.testing.assert_array_equal(
        scores[:, cold], np.repeat(scores.min(axis=1, keepdims=True), 2, axis=1)
    )


def test_more_items_than_allowed_raise_and_say_how_much_memory(tiny):
    with pytest.raises(ConfigError, match=r"28 items have events, more than max_items = 27.*GB"):
        Ease(max_items=27).fit(tiny)
    with pytest.raises(ConfigError, match=r"28 items have events, more than max_items = 27.*GB"):
        list(Blend(parts=[Covisit(), Ease(max_items=27)]).describe(tiny))
    assert list(Ease(max_items=28).describe(tiny)) == ["weights of 28 × 28 items with events"]


def test_nobody_gets_what_is_popular(known, arrivals):
    model = Ease().fit(known).add_items(arrivals)
    scores = model.score(history_of_items(known.item_ids, [[]]))
    np.testing.assert_allclose(scores, [[2 / 3, 1, 1, 1 / 3, 0, 0, 0]])


def test_no_events_at_all(build):
    data = build({})
    assert not Ease().fit(data).score(history_of_items(data.item_ids, [["a"]])).any()


@pytest.mark.parametrize("setting", [{"l2": 0}, {"max_items": 0}])
def test_settings_that_cannot_work_raise(setting):
    with pytest.raises(ConfigError, match=next(iter(setting))):
        Ease(**setting)


def test_only_weights_above_zero_speak(known, arrivals):
    model = Ease(l2=0.5).fit(known).add_items(arrivals)
    assert model.weights_[3, 2] > 0 > model.weights_[3, 0]
    names = [["d"], ["d"], ["d"], ["f", "d"], []]
    found = model.evidence(history_of_items(model.item_ids_, names), np.int32([2, 0, 4, 5, 2]))
    assert found == [Evidence("together", 3), *[Evidence("popular")] * 4]


def test_weights_belong_to_the_items_with_events(build):
    """Nobody touched x and y, which stand before the items that people chose together."""
    data = build({"u": "ab", "v": "ab", "w": "c"}, items="xaycb")
    asking = history_of_items(data.item_ids, [["c", "a"], ["x", "c"]])
    found = Ease(l2=1.0).fit(data).evidence(asking, np.int32([4, 1]))
    assert found == [Evidence("together", 1), Evidence("popular")]
