"""People's blocks are left out one by one, as items' are."""

import json

import pytest

import palate
from palate.core.errors import ConfigError


def pipeline(recommender, users):
    return palate.Pipeline(encoders={"words": palate.Tfidf()}, users=users, recommender=recommender)


@pytest.fixture(scope="module")
def split(clubs):
    return palate.split_by_time(clubs, test=0.25)


def test_each_block_of_people_is_worth_something_of_its_own(split):
    users = {"facts": palate.Attributes(), "about": palate.Tfidf(template="{about}")}
    found = palate.ablate(pipeline(palate.UserKNN(), users), split)
    assert [drop.name for drop in found.drops] == [
        *("words", "users.facts", "users.about", "all of people")
    ]
    assert found.worth("words", "ndcg@10").mean == 0
    worth = {drop.name: found.worth(drop.name, "ndcg@10").mean for drop in found.drops}
    assert worth["words"] == 0
    assert worth["all of people"] > max(0.005, worth["users.about"])
    assert len(set(worth.values())) == 4
    assert "all of people" in json.dumps(found.to_json())


def test_blocks_by_default_count_and_those_that_nobody_reads_do_not(split):
    found = palate.ablate(pipeline(palate.UserKNN(), None), split)
    assert "users.attributes" in [drop.name for drop in found.drops]
    facts = {"facts": palate.Attributes()}
    with pytest.raises(ConfigError, match="nothing can be left out"):
        palate.ablate(palate.Pipeline(encoders={}, users=facts, recommender=palate.Ease()), split)
