"""Recommenders beside the ranker that read who asks: neighbours by profile, words as a query."""

import re
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

import palate
from palate.core.errors import ConfigError, DataError
from palate.core.histories import history_of_items
from palate.recommenders.user_knn import UserKNN

FACTS = {"facts": palate.Attributes(columns=["age", "occupation"])}
WORDS = {"about": palate.Tfidf(template="{about}")}
PEOPLE = [("student", 21), ("nurse", 40), ("pilot", 57)]
ABOUT = [
    ("student", "likes robots and rockets"),
    ("nurse", "roses and herbs"),
    ("pilot", "jazz with trumpet"),
]


def listed(recommendations):
    return recommendations.table["item_id"].to_list()


def share_of(topic, items):
    return sum(item.startswith(topic) for item in items) / len(items)


def with_shuffled_columns(data):
    columns = data.users.drop("user_id").sample(fraction=1.0, shuffle=True, seed=2)
    return replace(data, users=pl.concat([data.users.select("user_id"), columns], how="horizontal"))


def fitted(data, recommender, **settings):
    given = {"encoders": {"words": palate.Tfidf()}, "recommender": recommender}
    return palate.Pipeline(**given | settings).fit(data)


@pytest.fixture(scope="module")
def knn(clubs):
    return fitted(clubs, palate.UserKNN(), users=FACTS)


@pytest.fixture(scope="module")
def content(clubs):
    return fitted(clubs, palate.Content())


@pytest.mark.parametrize(("occupation", "age"), PEOPLE)
def test_a_stranger_gets_what_people_alike_chose(knn, occupation, age):
    profile = {"age": age, "occupation": occupation}
    found = knn.recommend(profile=profile, k=8, reasons=True).table
    assert share_of(occupation, found["item_id"]) >= 0.5
    assert set(found["reasons"]) == {"people with a similar profile chose it"}
    anybody = listed(knn.recommend(history=[], k=8))
    assert share_of("news", anybody) > 0.7


def test_a_history_says_more_the_longer_it_is(knn):
    profile = {"age": 57, "occupation": "pilot"}
    own = [f"student-{number}" for number in range(5)]
    shares = []
    for count in (0, 1, 5):
        found = listed(knn.recommend(history=own[:count], profile=profile, k=20))
        topics = [item for item in found if not item.startswith("news")]
        shares.append(share_of("student", topics))
    assert shares[0] < shares[1] <= shares[2]
    assert shares[2] > 0.5


def test_whose_row_is_whose_matters_to_neighbours(clubs, knn):
    shuffled = fitted(with_shuffled_columns(clubs), palate.UserKNN(), users=FACTS)
    profile = {"age": 21, "occupation": "student"}
    one, other = (listed(model.recommend(profile=profile, k=8)) for model in (knn, shuffled))
    assert share_of("student", one) > share_of("student", other)
    none = fitted(clubs, palate.UserKNN(profile_weight=0), users=FACTS)
    bare = fitted(clubs, palate.UserKNN(), users={})
    known = clubs.user_ids.tolist()[:20]
    assert none.recommend(known).table.equals(bare.recommend(known).table)
    assert not knn.recommend(known).table.equals(bare.recommend(known).table)


def test_neighbours_by_profile_by_hand(build):
    """Cosines 1, 0.6 and 0 to three people count as items shared with one of usual activity."""
    data = build({"u": "abe", "v": "bc", "w": "d"})
    rows = np.array([[1, 0], [0.6, 0.8], [0, 1]], dtype=np.float32)
    users = palate.Features(data.user_ids, {"facts": rows})
    model = UserKNN().fit(data, palate.FitContext(users=users))
    asked = {"facts": np.array([[1, 0], [1, 0]], dtype=np.float32)}
    asking = replace(history_of_items(data.item_ids, [[], ["d", "c"]]), users=asked)
    found = model.score(asking)[:, data.item_ids.rows(["a", "b", "c", "d"])]
    usual = np.mean([1 / (np.sqrt(count) + 1) for count in (3, 2, 1)])
    np.testing.assert_allclose(found[0], usual * np.array([1, 1.6, 0.6, 0]), atol=1e-3)
    own = 1 / (np.sqrt(2) + 1)
    like_v, like_w = own / (np.sqrt(2) + 1), own / (1 + 1)
    wanted = usual * own * np.array([1, 1.6, 0.6, 0]) + [0, like_v, like_v, like_w]
    np.testing.assert_allclose(found[1], wanted, atol=1e-3)


@pytest.mark.parametrize(("topic", "about"), ABOUT)
def test_words_of_a_profile_find_items_that_say_the_like(content, topic, about):
    found = content.recommend(profile={"about": about}, k=6, reasons=True).table
    assert share_of(topic, found["item_id"]) == 1
    assert found["reasons"][0] == "comes close to what your profile says"


def test_words_beside_a_history_are_fused_and_fade(content):
    asked = {"about": "jazz with trumpet"}
    one = listed(content.recommend(history=["student-1"], profile=asked, k=10))
    assert 0 < share_of("pilot", one) < 1
    assert share_of("student", one) > 0
    many = [f"student-{number}" for number in range(6)]
    later = listed(content.recommend(history=many, profile=asked, k=10))
    assert share_of("pilot", later) < share_of("pilot", one)


def test_the_stored_words_of_known_people_count(clubs, content):
    bare = fitted(clubs, palate.Content(), users={})
    silent = clubs.users.filter(pl.col("about").is_null())["user_id"].to_list()[:10]
    said = clubs.users.filter(pl.col("about").is_not_null())["user_id"].to_list()[:10]
    assert content.recommend(silent).table.equals(bare.recommend(silent).table)
    assert not content.recommend(said).table.equals(bare.recommend(said).table)


def test_profiles_count_after_saving_and_loading(knn, content, tmp_path):
    for model, profile in (
        (knn, {"age": 21, "occupation": "student"}),
        (content, {"about": "roses and herbs"}),
    ):
        again = palate.load(model.save(tmp_path / "model"))
        for asked in ({}, {"history": ["nurse-1"]}):
            one = model.recommend(profile=profile, reasons=True, **asked).table
            assert again.recommend(profile=profile, reasons=True, **asked).table.equals(one)


def test_who_asks_beside_does_not_matter(knn, content, clubs):
    for model in (knn, content):
        asking = model.histories(clubs.user_ids.tolist()[:40])
        whole = model.score(asking)
        alone = np.vstack([model.score(asking.take(np.array([row]))) for row in (0, 7, 39)])
        assert (alone == whole[[0, 7, 39]]).all()


def test_what_content_cannot_read_is_said(clubs, content):
    with pytest.raises(DataError, match=re.escape("holds no words that an encoder")):
        content.recommend(profile={"age": 21})
    numbers = fitted(clubs, palate.Content(), users=FACTS)
    with pytest.raises(DataError, match=r"'ranker'.*'user_knn' read numbers"):
        numbers.recommend(profile={"age": 21})
    with pytest.raises(ConfigError, match="'item_knn' does not read profiles"):
        fitted(clubs, palate.ItemKNN()).recommend(profile={"age": 21})


def test_items_that_arrive_keep_the_neighbours(clubs):
    model = fitted(clubs, palate.UserKNN(), users=FACTS)
    profile = {"age": 21, "occupation": "student"}
    before = listed(model.recommend(profile=profile, k=5))
    new = pl.DataFrame({"item_id": ["late"], "title": ["Late"], "description": ["late papers"]})
    assert listed(model.add_items(new).recommend(profile=profile, k=5)) == before
