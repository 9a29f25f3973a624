import numpy as np
import pytest

from palate.core.errors import ConfigError
from palate.core.evidence import Evidence
from palate.core.histories import history_of_items
from palate.recommenders.covisit import Covisit


def test_scores_by_hand(known):
    model = Covisit(window=1, backward=0.5, popularity=0.5, decay=0.7).fit(known)
    a, b, c, d, e = range(5)
    # forward at distance 1: a→b u v, b→c u v, c→a v, d→c w; half as much back
    sums = {a: 2 + 0.5, b: 2 + 0.5 * 2, c: 1 + 0.5 * 3, d: 1}
    events = {a: 2, b: 3, c: 3, d: 1}
    scores = model.score(history_of_items(known.item_ids, [["c"], ["d", "c"]]))
    wanted = {
        a: 1 / np.sqrt(sums[c]) / np.sqrt(events[a]),
        b: 0.5 * 2 / np.sqrt(sums[c]) / np.sqrt(events[b]),
        c: 0,
        d: 0.5 / np.sqrt(sums[c]) / np.sqrt(events[d]),
        e: 0,
    }
    np.testing.assert_allclose(scores[0], list(wanted.values()), rtol=1e-5)
    wanted[c] = 0.7 * 1 / np.sqrt(sums[d]) / np.sqrt(events[c])
    np.testing.assert_allclose(scores[1], list(wanted.values()), rtol=1e-5)


def test_direction_matters(build):
    data = build({"u": "ab", "v": "ab", "w": "ab", "x": "bc"})
    scores = Covisit(backward=0.0).fit(data).score(history_of_items(data.item_ids, [["b"]]))
    assert scores[0, 2] > 0
    assert scores[0, 0] == 0


def test_only_the_newest_items_of_the_history_speak(known):
    model = Covisit(length=1, window=1).fit(known)
    asking = history_of_items(known.item_ids, [["d", "b"], ["b"]])
    scores = model.score(asking)
    np.testing.assert_array_equal(scores[0], scores[1])


def test_nobody_and_the_untouched_get_what_is_popular(known, arrivals):
    model = Covisit().fit(known).add_items(arrivals)
    asking = history_of_items(known.item_ids, [[], ["e"]])
    np.testing.assert_allclose(model.score(asking), [[2 / 3, 1, 1, 1 / 3, 0, 0, 0]] * 2)


def test_new_items_in_a_history_are_no_obstacle(known, arrivals):
    model = Covisit().fit(known)
    before = model.score(history_of_items(known.item_ids, [["a"]]))
    model.add_items(arrivals)
    after = model.score(history_of_items(model.item_ids_, [["a"], ["f"]]))
    np.testing.assert_array_equal(after[:1, :5], before)
    assert (after[0, 5:] == after[0].min()).all()
    assert np.argmax(after[1]) in (1, 2)


@pytest.mark.parametrize(
    "setting", [{"window": 0}, {"length": 0}, {"backward": -1}, {"decay": 0}, {"decay": 1.5}]
)
def test_settings_that_cannot_work_raise(setting):
    with pytest.raises(ConfigError, match=next(iter(setting))):
        Covisit(**setting)


def test_what_was_chosen_before_and_after_speaks(known, arrivals):
    model = Covisit(length=2).fit(known).add_items(arrivals)
    names = [["d"], ["d"], ["d", "e", "f"], [], ["f"], ["d"]]
    asking = history_of_items(model.item_ids_, names)
    found = model.evidence(asking, np.int32([2, 0, 2, 2, 2, 5]))
    assert found == [Evidence("together", 3), *[Evidence("popular")] * 5]
