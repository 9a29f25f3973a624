"""A number of people, an age alone: who is 31 gets what people of about 31 choose."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

import palate
from palate.recommenders.ranker import Ranker

GROUPS = {"young": (16, 27), "grown": (28, 41), "settled": (42, 54), "old": (55, 75)}


@pytest.fixture(scope="module")
def ages():
    """200 people whose taste is that of their age's, of whom nothing but their age is known."""
    rng = np.random.default_rng(0)
    people, log = [], []
    for number in range(200):
        name = list(GROUPS)[number % 4]
        low, high = GROUPS[name]
        people.append((f"u{number}", int(rng.integers(low, high + 1))))
        for _ in range(8):
            topic = name if rng.random() < 0.85 else list(GROUPS)[int(rng.integers(4))]
            log.append((f"u{number}", f"{topic}-{rng.integers(10)}", float(len(log))))
    things = [f"{topic}-{number}" for topic in GROUPS for number in range(10)]
    return palate.read(
        pl.DataFrame(log, schema=["user_id", "item_id", "timestamp"], orient="row"),
        items=pl.DataFrame({"item_id": things, "title": [f"Thing {one}" for one in things]}),
        users=pl.DataFrame(people, schema=["user_id", "age"], orient="row"),
    )


@pytest.fixture(scope="module")
def more_than_ages(ages):
    """Beside the age of most of them there is the town, which says nothing of taste."""
    rng = np.random.default_rng(1)
    towns = pl.Series("town", rng.choice(["Ulm", "Rome", "Cork", "Oslo"], len(ages.users)))
    known = pl.Series(rng.random(len(ages.users)) < 0.9)
    age = pl.when(known).then("age").alias("age")
    return replace(ages, users=ages.users.with_columns(age, towns))


def topics(model, **asked):
    found = model.recommend(profile=asked, k=8).table["item_id"]
    return [item.split("-")[0] for item in found]


@pytest.mark.parametrize("users", [None, {"facts": palate.Attributes()}])
@pytest.mark.parametrize("recommender", [palate.UserKNN(), Ranker(n_estimators=10)])
def test_an_age_alone_says_how_old_somebody_is(tmp_path, ages, recommender, users):
    model = palate.Pipeline(encoders={}, users=users, recommender=recommender).fit(ages)
    for topic, age in (("young", 20), ("grown", 35), ("settled", 48), ("old", 68)):
        assert topics(model, age=age).count(topic) >= 7, age
    model.save(tmp_path / "model")
    loaded = palate.load(tmp_path / "model")
    assert topics(loaded, age=33) == topics(model, age=33)


@pytest.mark.parametrize("recommender", [palate.UserKNN(), Ranker(n_estimators=10)])
def test_an_age_alone_says_it_where_more_is_known_of_others(more_than_ages, recommender):
    users = {"attributes": palate.Attributes(numbers="both")}
    model = palate.Pipeline(encoders={}, users=users, recommender=recommender).fit(more_than_ages)
    for topic, age in (("young", 20), ("grown", 35), ("settled", 48), ("old", 68)):
        assert topics(model, age=age).count(topic) >= 5, age
    names = model.user_encoders_["attributes"].names
    assert names[:3] == ["age", "age is missing", "age near 16"]
    assert names.count("age is missing") == 1


def test_numbers_beside_categories_are_standardised_and_numbers_alone_are_not(more_than_ages):
    """Beside other columns bins cost lists of known people: they are for who asks for them."""
    model = palate.Pipeline(encoders={}, recommender=palate.UserKNN()).fit(more_than_ages)
    assert model.user_encoders_["attributes"].names[:2] == ["age", "age is missing"]
    heights = more_than_ages.users.drop("town").with_columns(height=pl.col("age") * 2)
    data = replace(more_than_ages, users=heights)
    model = palate.Pipeline(encoders={}, recommender=palate.UserKNN()).fit(data)
    names = model.user_encoders_["attributes"].names
    assert names[0] == "age near 16"
    assert {"age is missing", "height is missing"} <= set(names)


def test_standardised_numbers_are_there_for_who_asks(ages):
    users = {"facts": palate.Attributes(numbers="standard")}
    model = palate.Pipeline(encoders={}, users=users, recommender=palate.UserKNN()).fit(ages)
    assert model.user_encoders_["facts"].names == ["age"]
