"""Where people are what is recommended, nobody is recommended to themselves."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from palate.core.dataset import Dataset
from palate.features.encoders.tfidf import Tfidf
from palate.pipeline.pipeline import Pipeline, load
from palate.pipeline.social import people_as_items, social_lines
from palate.recommenders.popular import Popular
from palate.recommenders.rerankers.diversity import Diversity


def friends(name="ann{}".format, *, both_ways=True, people=30, seed=1):
    """Everybody has some friends; the first ones are everybody's."""
    rng = np.random.default_rng(seed)
    pairs = set()
    for one in range(people):
        chosen = rng.choice(people, size=6, replace=False, p=falling(people))
        for other in map(int, chosen):
            if one != other:
                pairs.add((one, other) if both_ways else (min(one, other), max(one, other)))
    if both_ways:
        pairs |= {(other, one) for one, other in pairs}
    ordered = sorted(pairs)
    events = pl.DataFrame(
        {
            "user_id": [name(one) for one, _ in ordered],
            "item_id": [name(other) for _, other in ordered],
        }
    )
    return Dataset(events, pl.DataFrame({"item_id": [name(row) for row in range(people)]}))


def falling(people):
    weights = 1 / np.arange(2, people + 2)
    return weights / weights.sum()


def shop(people=30, seed=2):
    """Customers and goods that are numbered from 0, each by themselves."""
    rng = np.random.default_rng(seed)
    rows = [
        (str(one), str(item))
        for one in range(people)
        for item in rng.choice(people, size=8, replace=False, p=falling(people))
    ]
    events = pl.DataFrame(rows, schema=["user_id", "item_id"], orient="row")
    return Dataset(events, pl.DataFrame({"item_id": [str(row) for row in range(people)]}))


@pytest.mark.parametrize(
    ("name", "both_ways"), [("ann{}".format, True), ("ann{}".format, False), (str, True)]
)
def test_friends_are_found(name, both_ways):
    assert people_as_items(friends(name, both_ways=both_ways))


def test_numbers_that_may_be_people_are_told():
    data = friends(str, both_ways=False)
    assert not people_as_items(data), "who has the lower number chose: nothing shows it"
    assert "write ids with a letter" in next(social_lines(data))


@pytest.mark.parametrize("seed", range(5))
def test_numbers_of_two_lists_are_not_taken_for_people(seed):
    assert not people_as_items(shop(seed=seed))
    assert not list(social_lines(shop(seed=seed)))


def test_other_data_have_no_such_people(tiny):
    assert not people_as_items(tiny)


def everything(model, **options):
    people = model.users.histories.user_ids.to_list()
    return model.recommend(people, k=30, **options).table


def with_oneself(table):
    return table.filter(pl.col("user_id") == pl.col("item_id"))


@pytest.mark.parametrize("rerankers", [[], [Diversity()]])
@pytest.mark.parametrize("exclude_seen", [True, False])
def test_nobody_is_recommended_to_themselves(rerankers, exclude_seen, tmp_path):
    data = friends()
    items = data.items.with_columns(title=pl.concat_str([pl.lit("About "), pl.col("item_id")]))
    words = {"words": Tfidf(min_df=1)} if rerankers else {}
    fitted = Pipeline(recommender=Popular(), rerankers=rerankers, encoders=words)
    fitted.fit(replace(data, items=items))
    for model in (fitted, load(fitted.save(tmp_path / "model"))):
        table = everything(model, exclude_seen=exclude_seen)
        assert not len(with_oneself(table))
        if not exclude_seen:
            assert len(table) == 30 * 29, "all others are there"
        assert "ann0" not in model.top_users("ann0", k=30, exclude_seen=False).table["user_id"]
        asked = model.recommend(history=["ann1"], k=30).table
        assert len(asked) == 29, "who is nobody in particular gets everybody else"


def test_where_numbers_are_two_lists_nothing_is_left_out():
    model = Pipeline(encoders={}, recommender=Popular()).fit(shop())
    assert len(with_oneself(everything(model, exclude_seen=False))) == 30


def test_who_arrives_as_an_item_is_not_offered_themselves():
    model = Pipeline(encoders={}, recommender=Popular()).fit(friends())
    model.add_items(pl.DataFrame({"item_id": ["ann99"]}))
    assert not len(with_oneself(everything(model, exclude_seen=False)))


def test_check_says_it(tmp_path, command):
    friends().interactions.write_csv(tmp_path / "friends.csv")
    (tmp_path / "friends.toml").write_text(
        '[data]\ninteractions = "friends.csv"\n[split]\ntype = "leave_last_out"\n'
    )
    said = command("check", tmp_path / "friends.toml")
    assert said.code == 0, said.err
    assert "people are items, too, 30 of 30: nobody is offered themselves" in said.out
