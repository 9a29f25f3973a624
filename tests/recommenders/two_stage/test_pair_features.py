import numpy as np
import pytest

from palate.core.features import Features
from palate.core.histories import histories_of, history_of_items
from palate.recommenders.two_stage.catalogue import Catalogue
from palate.recommenders.two_stage.pair_features import (
    ANCHORS,
    NO_AGE,
    comparisons,
    context,
    memory,
    newest_items,
    places,
)
from palate.recommenders.two_stage.retrievers import Profiles
from palate.recommenders.two_stage.statistics import DECAY, fit_statistics

GRID = 5e-4  # dense products are those of vectors on a grid, so that they are exact

TEXT = np.float32([[1, 0], [0.6, 0.8], [0, 1], [-1, 0], [0, 0]])


def asking(data, *histories, **queries):
    return history_of_items(data.item_ids, [list(names) for names in histories], queries=queries)


def test_the_newest_items_newest_first(known):
    histories = asking(known, "abca", "d", "")
    assert newest_items(histories, 3).tolist() == [[0, 2, 1], [3, -1, -1], [-1, -1, -1]]


def test_each_of_the_newest_items_once(known):
    histories = asking(known, "cabbaa", "dd")
    assert newest_items(histories, 6, distinct=True).tolist() == [
        [0, -1, 1, -1, -1, 2],
        [3, -1, -1, -1, -1, -1],
    ]


def test_places_count_what_is_strictly_above():
    values = np.float32([[5, 7, 5, 9, 5, 1], [2, 2, 2, 2, 2, 2], [-1, 0, 1, 2, 3, 4]])
    every = np.ones(values.shape, dtype=bool)
    assert places(values, every).tolist() == [[2, 1, 2, 0, 2, 5], [0] * 6, [5, 4, 3, 2, 1, 0]]


def test_what_is_not_kept_takes_no_place_from_others():
    values = np.float32([[5, 9, 7, 9], [1, 3, 2, 3]])
    kept = np.array([[True, False, True, False], [True, True, True, True]])
    assert places(values, kept).tolist() == [[1, 1, 0, 1], [3, 0, 2, 0]]


def test_rounding_noise_takes_no_place():
    values = np.float32([[0.7, 0.7 + 6e-8, 0.7 - 6e-8, 0.2, 0.1], [3e-9, 0, -3e-9, 2, 1]])
    every = np.ones(values.shape, dtype=bool)
    assert places(values, every).tolist() == [[0, 0, 0, 3, 4], [2, 2, 2, 0, 1]]


def test_context_by_hand(build):
    data = build({"u": "abc", "v": "bcab", "w": "dc"})
    histories = histories_of(data)
    statistics = fit_statistics(histories, Catalogue.of(None, 5), behaviour=False, seed=0)
    columns = np.array([[1, 4], [0, 3], [2, 2]])
    mix = np.float32([[3, 1], [2, 5], [4, 4]])
    kept = np.array([[True, True], [False, True], [True, True]])
    found = context(asking(data, "da", "", "e"), statistics, columns, mix, kept)
    log = np.log1p([2, 3, 3, 1, 0])
    np.testing.assert_allclose(found["popularity"], log[columns], rtol=1e-6)
    of_newest = found["popularity (of newest)"][:, 0]
    np.testing.assert_allclose(of_newest, [log[0], -1, 0], rtol=1e-6)
    np.testing.assert_allclose(
        found["popularity (gap)"], log[columns] - of_newest[:, None], rtol=1e-5
    )
    assert found["history length"].tolist() == [[2, 2], [0, 0], [1, 1]]
    assert found["mix (gap)"].tolist() == [[0, 2], [3, 0], [0, 0]]
    assert found["mix (place)"].tolist() == [[0, 1], [1, 0], [0, 0]]
    assert found["mix (best)"].tolist() == [[3, 3], [5, 5], [4, 4]]
    trend = found["trend"]
    assert trend[2, 0] == trend.max()  # c: the newest item of two people
    assert trend[1, 0] < trend[0, 0]  # a: nobody's newest, touched twice; b: one of three


def test_memory_by_hand(known):
    histories = asking(known, "abcab", "", "d" * 12)
    columns = np.array([[1, 0, 2, 3]] * 3)
    found = memory(histories, columns)
    assert found["touched (age)"].tolist() == [[0, 1, 2, NO_AGE], [NO_AGE] * 4, [NO_AGE] * 3 + [0]]
    assert found["touched (times)"].tolist() == [[2, 2, 1, 0], [0] * 4, [0, 0, 0, ANCHORS]]


@pytest.fixture
def compared(known):
    catalogue = Catalogue.of(Features(known.item_ids, {"text": TEXT}), 5)
    statistics = fit_statistics(histories_of(known), catalogue, behaviour=False, seed=0)

    def compare(histories, columns):
        profiles = Profiles.of(histories)
        return comparisons(
            histories, profiles, statistics, catalogue, np.array(columns)
        ), statistics

    return compare


def test_cosines_to_the_newest_items_one_by_one(known, compared):
    found, _ = compared(asking(known, "dca"), [[1, 2, 4]])
    np.testing.assert_allclose(found["text:newest"], [[0.6, 0, 0]], atol=GRID)
    np.testing.assert_allclose(found["text (nearest)"], [[0.8, 0, 0]], atol=GRID)
    np.testing.assert_allclose(found["text (second nearest)"], [[0.6, 0, 0]], atol=GRID)
    assert found["text (nearest's age)"][0, :2].tolist() == [1, 0]
    mean = [(0.6 + 0.8 - 0.6) / 3, (0 - 1 + 0) / 3, 0]
    np.testing.assert_allclose(found["text (newest three)"], [mean], atol=GRID)


def test_a_candidate_is_not_compared_with_itself(known, compared):
    found, _ = compared(asking(known, "ba"), [[0, 1]])
    np.testing.assert_allclose(found["text:newest"], [[-1, 0.6]], atol=GRID)
    np.testing.assert_allclose(found["text (nearest)"], [[0.6, 0.6]], atol=GRID)


def test_nobody_is_like_nothing(known, compared):
    found, _ = compared(asking(known, ""), [[0, 1]])
    for name in ("text:newest", "text (nearest)", "text (second nearest)", "text (newest three)"):
        assert found[name].tolist() == [[-1, -1]], name
    assert found["text:lasting"].tolist() == found["text:map"].tolist() == [[0, 0]]


def test_the_map_is_asked_with_what_the_history_says_lately(known, compared):
    found, statistics = compared(asking(known, "ca"), [[1, 3]])
    profile = np.array([1, DECAY]) / np.hypot(1, DECAY)
    wanted = TEXT[[1, 3]] @ (profile @ statistics["map.text"])
    np.testing.assert_allclose(found["text:map"], [wanted], atol=GRID)


def test_words_count_for_lasting_taste_too(known, compared):
    found, _ = compared(asking(known, "", text=np.float32([[0, 3]])), [[1, 2, 3]])
    np.testing.assert_allclose(found["text:lasting"], [[0.8, 1, 0]], atol=GRID)


def test_the_behaviour_space_is_compared_too(rings):
    catalogue = Catalogue.of(None, 60)
    histories = histories_of(rings)
    statistics = fit_statistics(histories, catalogue, behaviour=True, seed=0)
    few = histories.take(slice(0, 3))
    columns = np.tile(np.arange(60), (3, 1))
    found = comparisons(few, Profiles.of(few), statistics, catalogue, columns)
    space = statistics["space_unit"]
    for row, newest in enumerate(few.newest()):
        wanted = space @ space[newest]
        wanted[newest] = -1
        np.testing.assert_allclose(found["space:newest"][row], wanted, atol=1e-5)
