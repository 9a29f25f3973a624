"""Vectors of people and items: planted tastes, new items that features place, saved and loaded."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

import palate
from palate.core.errors import ConfigError, DataError
from palate.core.features import Features
from palate.core.histories import histories_of, history_of_items
from palate.core.types import FitContext
from palate.recommenders.bias import Bias
from palate.recommenders.mf import MF
from palate.recommenders.popular import Popular

SVD = {"method": "svd", "dim": 4, "l2": 1.0}
ITEMS, PEOPLE, DIM = 45, 160, 2


def tastes(seed=0):
    """Vectors of people and of items, uneven in both directions."""
    rng = np.random.default_rng(seed)
    people = rng.normal(0, 1, (PEOPLE, DIM)) * [1.0, 0.6]
    items = rng.normal(0, 1, (ITEMS, DIM)) * [0.9, 0.7]
    return people, items


def ratings(seed=0, *, new=()):
    """Values of a sum of a product and biases; gives those to learn from and those held out."""
    rng = np.random.default_rng(seed + 100)
    people, items = tastes(seed)
    quality, generous = rng.normal(0, 0.3, ITEMS), rng.normal(0, 0.4, PEOPLE)
    rows = []
    for user in range(PEOPLE):
        for item in rng.permutation(ITEMS)[: rng.integers(14, 30)]:
            exact = people[user] @ items[item] + quality[item] + generous[user]
            rows.append((f"u{user}", f"i{item}", 3 + exact + rng.normal(0, 0.2)))
    table = pl.DataFrame(rows, schema=["user_id", "item_id", "value"], orient="row")
    held = pl.Series(rng.random(len(table)) < 0.2) | table["item_id"].is_in([f"i{n}" for n in new])
    return table.filter(~held), table.filter(held)


def read(table, users=None):
    items = pl.DataFrame({"item_id": [f"i{item}" for item in range(ITEMS)]})
    return palate.read(table, items, users, positive="value >= 3")


def vectors(ids, values):
    return Features(ids, {"told": np.asarray(values, dtype=np.float32)})


def rmse(model, data, held):
    asking = histories_of(data).take(data.user_ids.rows(held["user_id"]))
    said = model.predict(asking, data.item_ids.rows(held["item_id"]))
    return float(np.sqrt(np.mean((said - held["value"].to_numpy()) ** 2)))


@pytest.mark.parametrize("seed", [0, 1])
def test_products_explain_values_that_biases_do_not(seed):
    train, held = ratings(seed)
    data = read(train)
    plain, found = rmse(Bias().fit(data), data, held), rmse(MF(**SVD).fit(data), data, held)
    assert plain > 0.8
    assert found < 0.5 * plain, (found, plain)
    dealt = read(train.with_columns(pl.col("value").shuffle(seed=1)))
    assert rmse(MF(**SVD).fit(dealt), dealt, held) > 0.9 * plain


def choices(seed=0):
    """Who chose what of three groups of uneven size; the first is what most people choose."""
    rng = np.random.default_rng(seed)
    groups = np.split(np.arange(ITEMS), [9, 25])
    rows, answers = [], []
    for user in range(PEOPLE):
        group = 0 if user % 5 < 3 else 1 if user % 5 == 3 else 2
        own = rng.permutation(groups[group])[:6]
        rows += [(f"u{user}", f"i{item}") for item in own[1:]]
        rows.append((f"u{user}", f"i{rng.integers(ITEMS)}"))
        answers.append((f"u{user}", f"i{own[0]}"))
    schema = ["user_id", "item_id"]
    return (
        pl.DataFrame(rows, schema=schema, orient="row").unique(maintain_order=True),
        pl.DataFrame(answers, schema=schema, orient="row"),
    )


def hits(model, data, answers, k=15):
    """How often the answer is among the best k that somebody has not chosen."""
    asking = histories_of(data).take(data.user_ids.rows(answers["user_id"]))
    scores = model.score(asking)
    scores[asking.chosen().toarray() > 0] = -np.inf
    best = np.argsort(-scores, axis=1)[:, :k]
    return float((best == data.item_ids.rows(answers["item_id"])[:, None]).any(axis=1).mean())


@pytest.mark.parametrize("seed", [0, 1])
def test_als_finds_the_groups_that_popularity_does_not(seed):
    train, answers = choices(seed)
    data = palate.read(train, pl.DataFrame({"item_id": [f"i{item}" for item in range(ITEMS)]}))
    plain = hits(Popular().fit(data), data, answers)
    found = hits(MF(dim=3, l2=3.0).fit(data), data, answers)
    assert plain < 0.75
    assert found > 0.9, (found, plain)


def test_als_is_what_least_squares_says():
    """The vector of who asks minimises the loss of the paper, found here row by row."""
    train, _ = choices()
    data = palate.read(train)
    model = MF(dim=5, l2=2.0, alpha=7.0, iterations=3).fit(data)
    asking = history_of_items(data.item_ids, [["i1", "i7"]])
    items = model.factors_.astype(np.float64)
    confidence, chosen = np.ones(len(items)), np.zeros(len(items))
    rows = data.item_ids.rows(["i1", "i7"])
    confidence[rows], chosen[rows] = 8.0, 1.0
    squares = (items.T * confidence) @ items + 2.0 * np.eye(5)
    person = np.linalg.solve(squares, items.T @ (confidence * chosen))
    np.testing.assert_allclose(model.score(asking)[0], items @ person, atol=2e-3)


@pytest.mark.parametrize("method", ["als", "svd"])
def test_a_new_item_stands_where_its_features_put_it(method):
    new = list(range(0, ITEMS, 5))
    train, held = ratings(new=new)
    data = read(train)
    _, told = tastes()
    items = vectors(data.item_ids, told[[int(name[1:]) for name in data.item_ids]])
    settings = {"method": method, "dim": 4, "l2": 1.0, "map_l2": 0.1}
    fresh = held.filter(pl.col("item_id").is_in([f"i{item}" for item in new]))
    told_of, ids_alone = (
        MF(**settings).fit(data, context) for context in (FitContext(items=items), FitContext())
    )
    if method == "svd":
        assert rmse(told_of, data, fresh) < 0.8 * rmse(ids_alone, data, fresh)
    liked = fresh["value"].to_numpy() > 3
    asking = histories_of(data).take(data.user_ids.rows(fresh["user_id"]))
    rows = data.item_ids.rows(fresh["item_id"])
    scores = told_of.score(asking)
    place = (scores < scores[np.arange(len(rows)), rows][:, None]).mean(axis=1)
    assert place[liked].mean() > place[~liked].mean() + 0.15
    unknown = ids_alone.score(asking)
    lowest = unknown[np.arange(len(rows)), rows] == unknown.min(axis=1)
    assert lowest.all()


@pytest.mark.parametrize("method", ["als", "svd"])
def test_a_profile_stands_for_a_history(method):
    train, held = ratings()
    people, _ = tastes()
    users = pl.DataFrame({"user_id": [f"u{user}" for user in range(PEOPLE)]})
    data = read(train.filter(pl.col("user_id").str.slice(1).cast(pl.Int64) % 4 > 0), users)
    known = vectors(palate.Ids(users["user_id"]), people)
    settings = {"method": method, "dim": 4, "l2": 1.0, "map_l2": 0.1}
    model = MF(**settings).fit(data, FitContext(users=known))
    strangers = held.filter(pl.col("user_id").str.slice(1).cast(pl.Int64) % 4 == 0)
    asking = history_of_items(data.item_ids, [[]] * len(strangers))
    rows = data.item_ids.rows(strangers["item_id"])
    nobody = model.score(asking)
    assert np.array_equal(nobody[0], nobody[-1])
    scores = model.score(replace(asking, user_ids=strangers["user_id"]).with_users(known))
    places = [
        (found < found[np.arange(len(rows)), rows][:, None]).mean(axis=1)
        for found in (scores, nobody)
    ]
    liked = strangers["value"].to_numpy() > 3
    told, silent = (place[liked].mean() - place[~liked].mean() for place in places)
    assert told > silent + 0.1, (told, silent)


@pytest.mark.parametrize("method", ["als", "svd"])
def test_saved_and_loaded_it_says_the_same(method, tmp_path):
    train, _ = ratings()
    users = pl.DataFrame({"user_id": [f"u{n}" for n in range(PEOPLE)]})
    items = pl.DataFrame(
        {
            "item_id": [f"i{item}" for item in range(ITEMS)],
            "title": [f"a {'red' if item % 3 else 'blue'} thing" for item in range(ITEMS)],
        }
    )
    data = palate.read(train, items, users, positive="value >= 3")
    recommender = MF(method=method, dim=4, l2=1.0)
    model = palate.Pipeline(encoders={"words": palate.Tfidf()}, recommender=recommender).fit(data)
    model.save(tmp_path / "model")
    again = palate.load(tmp_path / "model")
    for one in (model, again):
        one.add_items(pl.DataFrame({"item_id": ["new"], "title": ["a blue thing"]}))
    lists = [one.recommend(["u3", "u4"], k=46).table for one in (model, again)]
    assert lists[0].equals(lists[1])
    history = {"i3": 5, "i1": 1}
    if method == "svd":
        said = [one.predict(history=history, items=["i6", "new"]) for one in (model, again)]
        assert np.array_equal(*said)


def test_the_same_whatever_the_order_of_the_tables():
    train, held = ratings()
    first = read(train)
    rows = np.random.default_rng(0).permutation(ITEMS)
    other = palate.read(
        train.sample(fraction=1, shuffle=True, seed=3),
        pl.DataFrame({"item_id": [f"i{item}" for item in rows]}),
        positive="value >= 3",
    )
    models = [MF(**SVD).fit(data) for data in (first, other)]
    places = first.item_ids.rows(other.item_ids.series)
    assert np.array_equal(models[0].factors_[places], models[1].factors_)
    told = [rmse(model, data, held) for model, data in zip(models, (first, other), strict=True)]
    assert told[0] == pytest.approx(told[1], abs=1e-6)


def test_what_it_cannot_do_it_says():
    train, _ = choices()
    data = palate.read(train)
    with pytest.raises(DataError, match="have none: say which column"):
        MF(method="svd").fit(data)
    model = MF(dim=3).fit(data)
    assert not model.predicts
    with pytest.raises(ConfigError, match='"svd"'):
        model.predict(histories_of(data), np.zeros(len(data.user_ids), dtype=np.int32))


def test_reasons_name_an_item_of_the_history():
    train, _ = choices()
    data = palate.read(train)
    model = MF(dim=8, l2=3.0).fit(data)
    asking = history_of_items(data.item_ids, [["i2", "i4"], []])
    found = model.evidence(asking, data.item_ids.rows(["i6", "i6"]))
    assert [one.kind for one in found] == ["together", "popular"]
    assert data.item_ids.series[found[0].anchor] in ("i2", "i4")


def test_an_item_that_says_something_else_is_placed_anew_where_nobody_touched_it():
    train, _ = ratings(new=[0])
    data = read(train)
    _, told = tastes()
    rows = [int(name[1:]) for name in data.item_ids]
    model = MF(**SVD, map_l2=0.1).fit(data, FitContext(items=vectors(data.item_ids, told[rows])))
    before = model.factors_.copy()
    model.update_items(vectors(palate.Ids(["i0", "i1"]), told[[7, 7]]))
    cold, warm = data.item_ids.rows(["i0", "i1"])
    assert np.array_equal(before[warm], model.factors_[warm])
    assert not np.allclose(before[cold], model.factors_[cold], atol=0.05)
