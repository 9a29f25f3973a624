import numpy as np
import polars as pl
import pytest

import palate
from palate.core.errors import ConfigError
from palate.core.evidence import Evidence
from palate.core.histories import histories_of, history_of_items
from palate.recommenders import _cooccurrence, user_knn
from palate.recommenders.two_stage import profiles
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
    monkeypatch.setattr(user_knn, "NEAR_PAIRS", 10)
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


@pytest.mark.parametrize("n_users", [3_000, 9_000])
def test_what_everybody_shares_costs_people_and_not_people_times_people(
    n_users, build, monkeypatch
):
    everybody = {f"u{row:05}": "ab" if row % 3 else "b" for row in range(n_users)}
    model = UserKNN().fit(build(everybody | {"x": "cb", "y": "cd"}, items="abcd"))
    compared = []

    def keep_largest(pairs, *rest):
        compared.append(pairs.nnz)
        return _cooccurrence.keep_largest(pairs, *rest)

    monkeypatch.setattr(user_knn, "keep_largest", keep_largest)
    asking = history_of_items(model.item_ids_, [["b", "a"]] * 5_000 + [["c"]])
    scores = model.score(asking)
    assert sum(compared) <= 2 * user_knn.MOST_USERS * len(asking)
    assert max(compared) <= 5 * user_knn.NEAR_PAIRS
    assert scores[0, 0] > scores[0, 2]
    assert scores[-1, 3] > 0  # who chose the rare thing too is found among all


def _towns(n_people):
    """People of two towns; each town chooses its own item, one in ten people says nothing."""
    town = ["north" if row % 2 else "south" for row in range(n_people)]
    names = [f"u{row:04}" for row in range(n_people)]
    events = pl.DataFrame({"user_id": names, "item_id": [f"hall {name}" for name in town]})
    items = pl.DataFrame({"item_id": ["hall north", "hall south", "inn"]})
    said = [None if row % 20 < 2 else name for row, name in enumerate(town)]
    users = pl.DataFrame({"user_id": names, "town": said})
    return palate.read(events, items=items, users=users)


def test_profiles_are_compared_with_a_bounded_number_of_people(monkeypatch):
    monkeypatch.setattr(user_knn, "POOL", 40)
    model = palate.Pipeline(
        encoders={}, users={"profile": palate.Attributes()}, recommender=UserKNN()
    ).fit(_towns(300))
    shapes = []

    def people_alike(users, people, shape):
        shapes.append(shape)
        return profiles.people_alike(users, people, shape)

    monkeypatch.setattr(user_knn, "people_alike", people_alike)
    for town in ("north", "south"):
        found = model.recommend(profile={"town": town}, k=1)
        assert found.table["item_id"].to_list() == [f"hall {town}"]
    assert {width for _, width in shapes} == {40}


def test_a_pool_of_everybody_changes_nothing(monkeypatch):
    encoders = {"encoders": {}, "users": {"profile": palate.Attributes()}}
    model = palate.Pipeline(**encoders, recommender=UserKNN()).fit(_towns(60))
    people = model.known_users.histories
    whole = model.score(people)
    told = int((model.recommender_.profiles_["profile"].count_nonzero(axis=1) > 0).sum())
    assert told < 60
    model.recommender_.__dict__.pop("_pool")
    model.recommender_.__dict__.pop("_profiles_of_pool")
    monkeypatch.setattr(user_knn, "POOL", told)  # those of whom nothing is known are nobody's peers
    np.testing.assert_allclose(model.score(people), whole, rtol=1e-6)
