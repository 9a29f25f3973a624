"""What people dwell on weighs more, and repeats count as is said: all the way to the lists."""

import numpy as np
import polars as pl
import pytest

import palate
from palate.core import registry
from palate.core.histories import histories_of, history_of_items

QUICK = {"ranker": {"n_estimators": 20, "n_train_queries": 600, "min_rows_per_leaf": 20}}
TASTE = 12
LONG, SHORT = 200.0, 2.0


def world(seed=0, *, people=160):
    """Two tastes. Everybody looks at four items of each, in any order, and dwells on those of one.

    Three of four then chose four more, of the taste that they had dwelt on.
    """
    rng = np.random.default_rng(seed)
    rows = []
    for person in range(people):
        own = (person // 4) % 2
        items = [rng.permutation(TASTE) + TASTE * taste for taste in (0, 1)]
        looked = rng.permutation([*items[own][:4], *items[1 - own][:4]])
        later = items[own][4:8] if person % 4 else []
        for place, item in enumerate([*looked, *later]):
            dwell = LONG if item in items[own] else SHORT
            dwell *= float(rng.uniform(0.7, 1.3))
            rows.append((f"u{person}", f"i{item}", dwell, 1e9 + 100.0 * place + person))
    return pl.DataFrame(rows, schema=["user", "item", "dwell", "ts"], orient="row")


def catalogue():
    words = ("racing bike", "tea leaf")
    ids = [f"i{item}" for item in range(2 * TASTE)]
    titles = [f"{words[item // TASTE]} number {item}" for item in range(2 * TASTE)]
    return pl.DataFrame({"item": ids, "title": titles})


def fitted(name, data):
    recommender = registry.build(
        "recommenders", {"type": name, **QUICK.get(name, {})}, where=name
    )
    return palate.Pipeline(
        encoders={"words": palate.Tfidf(min_df=1)}, recommender=recommender
    ).fit(data)


def own_taste(name, log, **options):
    """The share of the first four places that hold what the person dwelt on."""
    data = palate.read(log, catalogue(), **options)
    people = [f"u{person}" for person in range(0, 160, 4)]
    table = fitted(name, data).recommend(people, k=4).table
    taste = table["item_id"].str.strip_prefix("i").cast(pl.Int64) // TASTE
    own = (table["user_id"].str.strip_prefix("u").cast(pl.Int64) // 4) % 2
    return float((taste == own).mean())


PERSONAL = [name for name in registry.names("recommenders") if name != "popular"]


@pytest.mark.parametrize("name", PERSONAL)
def test_what_people_dwell_on_is_what_they_are_shown(name):
    log = world()
    dealt = log.with_columns(pl.col("dwell").shuffle(seed=5))
    weighed = own_taste(name, log, weight="log(dwell)")
    plain, by_chance = own_taste(name, log), own_taste(name, dealt, weight="log(dwell)")
    assert weighed > 0.8, (weighed, plain, by_chance)
    assert weighed > max(plain, by_chance) + 0.2, (weighed, plain, by_chance)


def test_what_is_dwelt_on_is_popular():
    log = pl.DataFrame({"user": list("abcde"), "item": list("xxxyy"), "dwell": [1, 2, 1, 60, 80]})
    asked = {"history": []}
    plain = palate.Pipeline(encoders={}, recommender=palate.Popular())
    assert plain.fit(palate.read(log)).recommend(**asked).table["item_id"][0] == "x"
    weighed = plain.fit(palate.read(log, weight="dwell"))
    assert weighed.recommend(**asked).table["item_id"][0] == "y"
