"""What of a profile says nothing is told, and what is only spelt otherwise is understood."""

import re
import warnings
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

import palate
from palate.core.errors import NotUnderstoodWarning

CITIES = {"student": "Berlin", "nurse": "São Paulo", "pilot": "上海"}
ZIPS = {"student": "01015", "nurse": "20095", "pilot": "04109"}
HOBBIES = {"student": "Chess|Rockets", "nurse": "Roses|Chess", "pilot": "Jazz|Roses"}


@pytest.fixture(scope="module")
def data(clubs):
    users = clubs.users.with_columns(
        nickname=pl.col("user_id") + " the great",
        city=pl.col("occupation").replace(CITIES),
        zip=pl.col("occupation").replace(ZIPS),
        hobbies=pl.col("occupation").replace(HOBBIES),
    )
    return replace(clubs, users=users)


def fitted(data, **users):
    encoders = {"words": palate.Tfidf()}
    return palate.Pipeline(encoders=encoders, recommender=palate.UserKNN(), users=users).fit(data)


@pytest.fixture(scope="module")
def model(data):
    columns = ["age", "occupation", "city", "zip", "hobbies"]
    return fitted(
        data, facts=palate.Attributes(columns=columns), told=palate.Tfidf(template="{about}")
    )


def asked(model, **profile):
    return model.recommend(profile=profile, k=8).table


def told(model, history=None, **profile):
    """What is said of a profile, in one warning."""
    with pytest.warns(NotUnderstoodWarning) as caught:
        model.recommend(profile=profile, history=history, k=3)
    (warning,) = caught
    assert warning.filename == __file__
    return str(warning.message)


def test_a_value_that_nobody_has_is_said_with_a_near_one(model):
    said = told(model, city="Berlim", age=21)
    assert said.startswith("profile: Nobody known has city = 'Berlim'")
    assert "Did you mean 'Berlin'?" in said
    assert "of whom nothing is known" not in said
    far = told(model, city="Atlantis")
    assert "Did you mean" not in far
    assert "Known: Berlin, São Paulo, 上海" in far
    assert "this is the list of somebody of whom nothing is known" in far
    assert "Did you mean '上海'?" in told(model, city="上海市")


def test_nothing_is_said_of_what_is_understood(model):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        asked(model, city="Berlin", age=34, occupation="student", about="rockets", zip="01015")
        asked(model, age=80, hobbies="Chess|Jazz")
        asked(model, age=12, city=None)


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ({"city": "BERLIN"}, {"city": "Berlin"}),
        ({"city": " são  PAULO "}, {"city": "São Paulo"}),
        ({"occupation": "Student"}, {"occupation": "student"}),
        ({"hobbies": "chess|JAZZ"}, {"hobbies": "Chess|Jazz"}),
        ({"city": "\uff22erlin"}, {"city": "Berlin"}),
        ({"zip": 1015}, {"zip": "01015"}),
        ({"zip": "4109"}, {"zip": "04109"}),
    ],
)
def test_what_is_spelt_otherwise_is_understood(model, said, meant):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = asked(model, **said)
    assert found.equals(asked(model, **meant))
    assert not found.equals(model.recommend(history=[], k=8).table)


def test_two_spellings_of_one_value_are_not_guessed_at(data):
    both = data.users.with_columns(
        city=pl.when(pl.col("age") > 30).then(pl.col("city").str.to_uppercase()).otherwise("city")
    )
    model = fitted(replace(data, users=both), facts=palate.Attributes(columns=["city"]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        asked(model, city="Berlin")
        asked(model, city="BERLIN")
    assert "Nobody known has city = 'berlin'" in told(model, city="berlin")


def test_columns_that_no_encoder_reads_are_said(model, data):
    said = told(model, nickname="the great", age=21)
    assert "No encoder of users reads 'nickname'" in said
    assert "age, occupation, city, zip, hobbies, about" in said
    behaviour = fitted(data, did=palate.Aggregates(), facts=palate.Attributes(columns=["age"]))
    assert "No encoder of users reads 'city'" in told(behaviour, city="Berlin")


@pytest.mark.parametrize("age", [999, -5, 1e300])
def test_numbers_far_outside_what_the_table_holds_are_said(model, age):
    low, high = model.data_.users["age"].min(), model.data_.users["age"].max()
    said = told(model, age=age)
    assert f"age = {age:g} lies far outside {low} to {high}" in said
    assert "nothing" not in said


def test_words_that_no_encoder_understands_are_said(model):
    assert "about = 'qwxzv'" in told(model, about="qwxzv", age=21)


def test_several_are_said_at_once_and_beside_a_history(model):
    said = told(model, history=["news-1"], city="Atlantis", nickname="x", age=999)
    for part in ("city = 'Atlantis'", "'nickname'", "age = 999"):
        assert part in said
    assert "of whom nothing is known" not in said


def test_a_list_says_which_of_its_values_nobody_has(model):
    said = told(model, hobbies="Chess|Yodelling")
    assert "Nobody known has hobbies = 'Yodelling'" in said
    assert "'Chess'" not in said


def test_values_of_people_without_events_count_for_nothing_and_that_is_said(data):
    new = pl.DataFrame({"user_id": ["late"], "city": ["Oslo"]})
    users = pl.concat([data.users, new], how="diagonal")
    model = fitted(replace(data, users=users), facts=palate.Attributes(columns=["city"]))
    said = told(model, city="oslo")
    assert re.search("city = 'Oslo' says nothing.*nobody who has it has events, or too few", said)


def test_control_characters_of_a_profile_never_reach_a_terminal(model):
    assert "\x1b" not in told(model, city="\x1b[2JAtlantis")


class Own:
    """Somebody's encoder of people, which does not say what it reads."""

    def fit(self, data):
        return self

    def encode(self, data):
        return palate.Features(data.item_ids, {"own": np.ones((len(data.items), 1), np.float32)})


def test_nothing_is_said_for_an_encoder_that_does_not_say_what_it_reads(data):
    model = fitted(data, facts=palate.Attributes(columns=["age"]), own=Own())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        asked(model, nickname="the great")
    assert "age = 999" in told(model, age=999)


def test_known_people_and_loaded_models_hear_it_too(model, tmp_path):
    again = palate.load(model.save(tmp_path / "model"))
    with pytest.warns(NotUnderstoodWarning, match="city = 'Atlantis'"):
        again.recommend(["person-1"], profile={"city": "Atlantis"}, k=3)
    assert asked(again, zip=1015).equals(asked(model, zip="01015"))


def test_a_profile_that_says_nothing_gets_what_a_stranger_gets(data):
    columns = ["age", "occupation", "city"]
    people = data.users.with_columns(age=pl.when(pl.int_range(pl.len()) % 9 > 0).then("age"))
    model = fitted(replace(data, users=people), facts=palate.Attributes(columns=columns))
    stranger = model.recommend(history=[], k=5).table["item_id"].to_list()
    with pytest.warns(NotUnderstoodWarning, match="nothing is known"):
        found = model.recommend(profile={"city": "Atlantis"}, k=5, reasons=True).table
    assert found["item_id"].to_list() == stranger
    assert not found["reasons"].str.contains("profile").any()


def test_topics_of_people_read_their_column(data):
    reader = {"type": "tfidf", "template": "{about}"}
    model = fitted(data, topics=palate.Topics(encoder=reader, n_topics=3))
    with warnings.catch_warnings():
        warnings.simplefilter("error", NotUnderstoodWarning)
        model.recommend(profile={"about": "robots and rockets"}, k=3)
