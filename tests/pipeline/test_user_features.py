"""What is known about a person changes their list."""

import re
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

import palate
from palate.core.dataset import Dataset
from palate.core.errors import AlignmentError, ConfigError, DataError
from palate.features.default_encoders import default_user_encoders
from palate.pipeline.user_features import users_as_items
from palate.recommenders.ranker import Ranker

PROFILE = {"age": 21, "occupation": "student"}


def pipeline(**settings):
    quick = Ranker(n_estimators=20, n_train_queries=800, candidates=30)
    users = {"profile": palate.Attributes(), "about": palate.Tfidf(template="{about}")}
    given = {"encoders": {"words": palate.Tfidf()}, "users": users, "recommender": quick}
    return palate.Pipeline(**given | settings)


def with_shuffled_columns(data: Dataset) -> Dataset:
    """Ids stay, and what is known of them goes to somebody else."""
    columns = data.users.drop("user_id").sample(fraction=1.0, shuffle=True, seed=2)
    return replace(data, users=pl.concat([data.users.select("user_id"), columns], how="horizontal"))


@pytest.fixture(scope="module")
def split(clubs):
    return palate.split_by_time(clubs, test=0.25)


@pytest.fixture(scope="module")
def model(split):
    return pipeline().fit(split.train)


def listed(recommendations):
    return recommendations.table["item_id"].to_list()


def share_of(topic, items):
    return sum(item.startswith(topic) for item in items) / len(items)


def ndcg(model, split, clubs):
    """NDCG@10 of the lists of people without an event so far, by all that they did then."""
    asking = split.histories.take(split.histories.lengths == 0)
    rows, _ = model.rank_histories(asking, 10)
    discounts = 1 / np.log2(np.arange(2, 12))
    found = []
    for name, row in zip(asking.user_ids, rows, strict=True):
        chosen = clubs.item_rows[(clubs.interactions["user_id"] == name).to_numpy()]
        found.append((np.isin(row, chosen) * discounts).sum() / discounts[: len(chosen)].sum())
    assert len(found) > 50
    return float(np.mean(found))


def test_whose_profile_is_whose_matters(clubs, split, model):
    shuffled = pipeline().fit(with_shuffled_columns(split.train))
    without = pipeline(users={}).fit(split.train)
    asking = split.histories
    assert (model.rank_histories(asking, 5)[0] != shuffled.rank_histories(asking, 5)[0]).any()
    own = ndcg(model, split, clubs)
    assert own > ndcg(without, split, clubs) + 0.1
    assert own > ndcg(shuffled, split, clubs) + 0.1


def test_who_has_a_history_loses_nothing(split, model):
    without = pipeline(users={}).fit(split.train)
    compared = palate.compare({"with": model, "without": without}, split, reference="without")
    assert compared.cell("with", "ndcg@10").difference.high > 0


@pytest.mark.parametrize(("occupation", "age"), [("student", 21), ("nurse", 40), ("pilot", 57)])
def test_a_stranger_with_a_profile_gets_what_people_like_that_one_chose(model, occupation, age):
    profile = {"age": age, "occupation": occupation}
    stranger = listed(model.recommend(profile=profile, k=8))
    anybody = listed(model.recommend(history=[], k=8))
    assert share_of("news", anybody) > 0.7
    assert share_of(occupation, stranger) > 0.7


def test_a_profile_of_words_lifts_items_whose_text_agrees(model):
    found = listed(model.recommend(profile={"about": "likes roses and herbs"}, k=8))
    assert share_of("nurse", found) > 0.7


def test_words_reach_items_that_nobody_has_chosen(model):
    new = pl.DataFrame(
        {
            "item_id": ["new-garden", "new-news"],
            "title": ["A first garden", "The late paper"],
            "description": ["roses herbs orchards", "papers of tomorrow"],
        }
    )
    grown = pipeline().fit(model.data_).add_items(new)
    found = grown.recommend(profile={"about": "roses, herbs and orchards"}, k=60)
    items = listed(found)
    assert items.index("new-garden") < 10
    assert items.index("new-garden") < items.index("new-news")


def test_a_known_person_without_an_event_is_served_by_their_row(split, model):
    silent = pl.DataFrame(
        {"user_id": ["p", "s"], "age": [58, 20], "occupation": ["pilot", "student"], "about": None},
        schema_overrides={"about": pl.String},
    )
    users = pl.concat([split.train.users, silent])
    fitted = pipeline().fit(replace(split.train, users=users))
    found = fitted.recommend(["p", "s"], k=8).table
    assert share_of("pilot", found.filter(pl.col("user_id") == "p")["item_id"]) > 0.7
    assert share_of("student", found.filter(pl.col("user_id") == "s")["item_id"]) > 0.7


def test_what_a_known_person_says_goes_before_what_is_stored(split, tmp_path):
    silent = pl.DataFrame(
        {"user_id": ["p", "q"], "age": [58, 56], "occupation": "pilot", "about": None},
        schema_overrides={"about": pl.String},
    )
    users = pl.concat([split.train.users, silent])
    fitted = pipeline().fit(replace(split.train, users=users))
    stored = fitted.recommend(["p", "q"], k=8).table
    assert share_of("pilot", stored["item_id"]) > 0.7
    now = {"age": 20, "occupation": "student", "about": ""}
    said = fitted.recommend(["p", "q"], profile=now, k=8).table
    assert share_of("student", said["item_id"]) > 0.7
    assert said["user_id"].unique(maintain_order=True).to_list() == ["p", "q"]
    again = palate.load(fitted.save(tmp_path / "model"))
    assert again.recommend(["p", "q"], profile=now, k=8).table.equals(said)


def test_columns_that_a_known_person_does_not_name_stay(model):
    users = model.data_.users
    (name,) = users.filter(pl.col("about").is_not_null())["user_id"].head(1)
    (row,) = users.filter(pl.col("user_id") == name).drop("user_id").to_dicts()
    asked = model.histories([name], profile={"age": 70}).users
    whole = model.histories(history=[], profile=row | {"age": 70}).users
    before = model.histories([name]).users
    same = model.histories([name], profile={"age": row["age"]}).users
    for block, part in asked.items():
        assert abs(part - whole[block]).max() < 1e-6
        assert abs(same[block] - before[block]).max() < 1e-6
    assert abs(asked["profile"] - before["profile"]).max() > 0.01


def test_known_people_with_a_profile_keep_what_they_did(split):
    users = {"facts": palate.Attributes(), "acts": palate.Behaviour(dim=4)}
    fitted = pipeline(users=users).fit(split.train)
    names = [fitted.data_.interactions["user_id"][row] for row in (0, -1, 0)]
    asked = fitted.histories(names, profile={"occupation": "pilot"})
    before = fitted.histories(names)
    assert (asked.users["acts"] == before.users["acts"]).all()
    assert (asked.lengths == before.lengths).all()
    assert abs(asked.users["facts"] - before.users["facts"]).max() > 0.01


def test_a_profile_counts_after_saving_and_loading(model, tmp_path):
    again = palate.load(model.save(tmp_path / "model"))
    for asked in (PROFILE, {"about": "robots and rockets"}, {**PROFILE, "about": "jazz"}):
        one = model.recommend(profile=asked, k=10).table
        assert again.recommend(profile=asked, k=10).table.equals(one)
    known = model.user_features.ids.tolist()[:5]
    assert again.recommend(known).table.equals(model.recommend(known).table)


def test_without_a_table_of_users_nothing_changes(split):
    bare = replace(split.train, users=None)
    default, none = pipeline(users=None).fit(bare), pipeline(users={}).fit(bare)
    asking = palate.split_by_time(bare, test=0.2).histories
    assert (default.score(asking) == none.score(asking)).all()
    assert not default.user_features.parts


def test_a_reason_names_the_profile(model):
    (first, *_) = model.recommend(profile=PROFILE, k=3, reasons=True).table["reasons"]
    assert first == "people with a similar profile chose it"
    said = {"about": "roses and herbs in orchards"}
    reasons = model.recommend(profile=said, k=3, reasons=True).table["reasons"].to_list()
    assert "comes close to what your profile says" in reasons


def test_a_profile_goes_with_a_history_and_with_words(model):
    history = ["pilot-1", "pilot-2"]
    alone = listed(model.recommend(history=history, k=10))
    both = listed(model.recommend(history=history, profile=PROFILE, k=10))
    assert both != alone
    words = model.recommend(text="jazz trumpet", profile=PROFILE, k=10).table
    assert share_of("pilot", words["item_id"]) > 0


def test_a_stranger_is_nobody_who_happens_to_have_the_name_of_a_request(split):
    named = pl.DataFrame(
        {"user_id": ["request 0"], "age": [58], "occupation": ["pilot"], "about": [None]},
        schema_overrides={"about": pl.String},
    )
    users = pl.concat([split.train.users, named])
    fitted = pipeline().fit(replace(split.train, users=users))
    one, other = fitted.histories(history=[]), fitted.histories(["request 0"])
    assert not any(abs(part).sum() for part in one.users.values())
    assert any(abs(part).sum() for part in other.users.values())


@pytest.mark.parametrize(
    ("profile", "message"),
    [
        ({"agee": 31}, "no column 'agee'. Did you mean 'age'"),
        ({"user_id": "u"}, "no column 'user_id'"),
        ({"age": "old"}, "age = 'old' is not a number"),
        ({"age": True}, "age = True is not a number"),
        ({"age": float("nan")}, "is not a number"),
        ({"age": [31]}, "is not a number"),
        ({"occupation": ["a", "b"]}, "is not a text"),
        ({}, "says nothing"),
        ({"about": " "}, "says nothing"),
        ("age 31", "as {'age': 31}"),
        ({1: 2}, "as {'age': 31}"),
    ],
)
def test_profiles_that_cannot_be_read(model, profile, message):
    with pytest.raises(DataError, match=re.escape(message)):
        model.recommend(profile=profile)


def test_what_is_written_as_text_is_read_as_its_column(model):
    one = model.recommend(profile={"age": "21", "occupation": " student "}).table
    assert one.equals(model.recommend(profile=PROFILE).table)


def test_models_that_cannot_read_a_profile_say_what_to_do(split):
    bare = pipeline(users=None).fit(replace(split.train, users=None))
    with pytest.raises(ConfigError, match=r"palate.read\(..., users=...\)"):
        bare.recommend(profile=PROFILE)
    with pytest.raises(ConfigError, match=r"users=\{'profile': Attributes"):
        pipeline(users={}).fit(split.train).recommend(profile=PROFILE)
    with pytest.raises(ConfigError, match="'popular' does not read profiles"):
        pipeline(recommender=palate.Popular()).fit(split.train).recommend(profile=PROFILE)


def test_errors_of_encoders_speak_of_users(split):
    lacking = pipeline(users={"profile": palate.Attributes(columns=["salary"])})
    with pytest.raises(DataError, match="the users have no column 'salary'"):
        lacking.fit(split.train)
    with pytest.raises(ConfigError, match="users must have names"):
        pipeline(users=[palate.Attributes()])
    with pytest.raises(ConfigError, match=r"users: a block cannot be called 'query\.x'"):
        pipeline(users={"query.x": palate.Attributes()})


def test_people_who_only_act_and_people_who_only_have_a_row(split):
    some = split.train.users.head(30)
    fitted = pipeline().fit(replace(split.train, users=some))
    rows = fitted.user_features
    assert rows.ids == fitted.data_.user_ids
    assert not abs(rows.parts["profile"][30:]).sum()
    assert len(fitted.recommend(["person-100"], k=5).table) == 5


def test_the_order_of_the_table_of_users_changes_nothing(split, model):
    turned = replace(split.train, users=split.train.users.reverse())
    again = pipeline().fit(turned)
    asking = split.histories
    assert (again.score(asking) == model.score(asking)).all()
    alone = [model.score(asking.take(np.array([row]))) for row in range(0, 100, 20)]
    assert (np.vstack(alone) == model.score(asking)[:100:20]).all()


def test_encoders_that_learn_from_events_learn_of_people_too(clubs, split):
    """Whose events they read is turned round; the ranker makes them again for what it holds out."""
    users = {"clicks": palate.Behaviour(dim=8), "acts": palate.Aggregates()}
    fitted = pipeline(users=users).fit(split.train)
    features = fitted.user_features
    assert features.behavioural == {"clicks", "acts"}
    assert features.ids == split.train.user_ids
    vectors = features.parts["clicks"] @ features.parts["clicks"].T
    occupation = clubs.users["occupation"].to_numpy()
    acting = np.flatnonzero(np.bincount(split.train.user_rows, minlength=len(occupation)) > 0)
    same = occupation[acting][:, None] == occupation[acting]
    near = vectors[np.ix_(acting, acting)]
    assert near[same].mean() > near[~same].mean() + 0.1
    assert len(fitted.recommend(["person-1"], k=3).table) == 3


def test_items_that_arrive_keep_what_is_known_of_people(split):
    fitted = pipeline().fit(split.train)
    before = fitted.recommend(profile=PROFILE, k=5).table
    new = pl.DataFrame({"item_id": ["late"], "title": ["Late"], "description": ["late papers"]})
    after = fitted.add_items(new).recommend(profile=PROFILE, k=6).table
    assert set(before["item_id"]) <= {*after["item_id"], "late"}


def test_histories_with_other_blocks_are_refused(model, split):
    asking = split.histories.take(slice(0, 2))
    with pytest.raises(AlignmentError, match="users: no block is called 'profil'"):
        model.score(replace(asking, users={"profil": np.zeros((2, 3), dtype=np.float32)}))
    with pytest.raises(AlignmentError, match="need"):
        model.score(replace(asking, users={"profile": np.zeros((2, 3), dtype=np.float32)}))


def test_what_suits_a_table_of_users(clubs):
    found = default_user_encoders(users_as_items(clubs))
    assert list(found) == ["attributes", "text", "words"]
    assert found["words"].template == "{about}"
    names = clubs.users.select("user_id", pl.col("user_id").alias("name"))
    assert default_user_encoders(users_as_items(replace(clubs, users=names))) == {}
