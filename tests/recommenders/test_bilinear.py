"""Features of people times a matrix times features of items: planted matches, twisted round."""

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
from palate.recommenders.bilinear import Bilinear
from palate.recommenders.popular import Popular

pytest.importorskip("torch")

PEOPLE, ITEMS = 220, 40
TWIST = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, -1.2], [0.8, 0.0, 0.0]])
"""A person of one kind wants items of another: likeness says nothing."""
SETTINGS = {"loss": "squared", "ids": False, "epochs": 30, "learning_rate": 0.03, "batch_size": 128}


def vectors(seed=0):
    rng = np.random.default_rng(seed)
    people, items = rng.normal(size=(PEOPLE, 3)), rng.normal(size=(ITEMS, 3))
    return tuple(one / np.linalg.norm(one, axis=1, keepdims=True) for one in (people, items))


def ratings(seed=0, *, twist=TWIST):
    rng = np.random.default_rng(seed + 50)
    people, items = vectors(seed)
    rows = []
    for user in range(PEOPLE):
        for item in rng.permutation(ITEMS)[: rng.integers(8, 16)]:
            value = 3 + 2 * people[user] @ twist @ items[item] + rng.normal(0, 0.2)
            rows.append((f"u{user}", f"i{item}", float(value)))
    return pl.DataFrame(rows, schema=["user_id", "item_id", "value"], orient="row")


def read(table, positive="value >= 3"):
    items = pl.DataFrame({"item_id": [f"i{item}" for item in range(ITEMS)]})
    return palate.read(table, items, positive=positive)


def context_of(seed=0, *, users=True):
    people, items = vectors(seed)
    known = [
        Features(palate.Ids([f"{kind}{n}" for n in range(len(rows))]), {"told": rows})
        for kind, rows in (("i", items.astype("f4")), ("u", people.astype("f4")))
    ]
    return FitContext(items=known[0], users=known[1] if users else None)


def rmse(model, asking, data, held):
    said = model.predict(asking, data.item_ids.rows(held["item_id"]))
    return float(np.sqrt(np.mean((said - held["value"].to_numpy()) ** 2)))


@pytest.mark.parametrize("rank", [None, 3])
def test_strangers_and_new_items_are_matched_by_their_features(rank):
    """Pairs of people without history and items that nobody rated, which biases know nothing of."""
    table = ratings()
    new_person = pl.col("user_id").str.slice(1).cast(pl.Int64) % 5 == 0
    new_item = pl.col("item_id").str.slice(1).cast(pl.Int64) % 4 == 0
    data, held = read(table.filter(~new_person & ~new_item)), table.filter(new_person & new_item)
    context = context_of()
    asking = history_of_items(data.item_ids, [[]] * len(held))
    asking = replace(asking, user_ids=held["user_id"]).with_users(context.users)
    plain = rmse(Bias().fit(data), asking, data, held)
    found = rmse(Bilinear(**SETTINGS, rank=rank).fit(data, context), asking, data, held)
    assert plain > 0.9
    assert found < 0.6 * plain, (found, plain)


def test_a_history_of_values_says_what_is_given_to_a_new_item():
    """Without features of people; the history holds both what they liked and what they did not."""
    table = ratings()
    new_item = pl.col("item_id").str.slice(1).cast(pl.Int64) % 4 == 0
    data, held = read(table.filter(~new_item)), table.filter(new_item)
    asking = histories_of(data).take(data.user_ids.rows(held["user_id"]))
    plain = rmse(Bias().fit(data), asking, data, held)
    model = Bilinear(**SETTINGS).fit(data, context_of(users=False))
    found = rmse(model, asking, data, held)
    assert found < 0.75 * plain, (found, plain)


def test_what_is_foreseen_is_not_in_the_history_that_foresees_it():
    """Values dealt out by chance teach nothing: a model that saw its answers would be far worse."""
    table = ratings().with_columns(pl.col("value").shuffle(seed=4))
    chance = np.random.default_rng(1).random(len(table)) < 0.3
    data, held = read(table.filter(pl.Series(~chance))), table.filter(pl.Series(chance))
    asking = histories_of(data).take(data.user_ids.rows(held["user_id"]))
    plain = rmse(Bias().fit(data), asking, data, held)
    model = Bilinear(**{**SETTINGS, "ids": True, "dim": 16}).fit(data, context_of())
    assert rmse(model, asking, data, held) < 1.06 * plain


def place_of_answers(model, data, context, answers):
    """The mean share of the catalogue above what strangers choose, who have a profile alone."""
    asking = history_of_items(data.item_ids, [[]] * len(answers))
    asking = replace(asking, user_ids=answers["user_id"]).with_users(context.users)
    scores = model.score(asking)
    own = scores[np.arange(len(scores)), data.item_ids.rows(answers["item_id"])]
    return float((scores > own[:, None]).mean())


def test_lists_of_strangers_follow_their_profiles():
    table = ratings().filter(pl.col("value") > 3.7).select("user_id", "item_id")
    stranger = pl.col("user_id").str.slice(1).cast(pl.Int64) % 5 == 0
    data, context = read(table.filter(~stranger), positive=None), context_of()
    answers = table.filter(stranger)
    model = Bilinear(epochs=15, batch_size=128).fit(data, context)
    found = place_of_answers(model, data, context, answers)
    plain = place_of_answers(Popular().fit(data), data, context, answers)
    assert found < 0.6 * plain, (found, plain)
    again = Bilinear(epochs=15, batch_size=128).fit(data, context)
    assert np.array_equal(model.matrix_, again.matrix_)


@pytest.mark.parametrize("loss", ["softmax", "squared"])
def test_saved_and_loaded_it_says_the_same(loss, tmp_path):
    items = pl.DataFrame(
        {
            "item_id": [f"i{item}" for item in range(ITEMS)],
            "title": [f"a {'red' if item % 3 else 'blue'} thing" for item in range(ITEMS)],
        }
    )
    data = palate.read(ratings(), items, positive="value >= 3")
    recommender = Bilinear(loss=loss, epochs=2, dim=4)
    model = palate.Pipeline(encoders={"words": palate.Tfidf()}, recommender=recommender).fit(data)
    model.save(tmp_path / "model")
    again = palate.load(tmp_path / "model")
    for one in (model, again):
        one.add_items(pl.DataFrame({"item_id": ["new"], "title": ["a blue thing"]}))
    lists = [one.recommend(["u3", "u4"], k=41).table for one in (model, again)]
    assert lists[0].equals(lists[1])
    if loss == "squared":
        said = [
            one.predict(history={"i3": 5, "i1": 1}, items=["i6", "new"]) for one in (model, again)
        ]
        assert np.array_equal(*said)


def test_what_it_cannot_do_it_says():
    data = read(ratings().select("user_id", "item_id"), positive=None)
    with pytest.raises(DataError, match="have none: say which column"):
        Bilinear(loss="squared").fit(data)
    with pytest.raises(ConfigError, match="needs item features"):
        Bilinear(ids=False).fit(data)
    model = Bilinear(dim=3, epochs=1).fit(data)
    with pytest.raises(ConfigError, match='"squared"'):
        model.predict(histories_of(data), np.zeros(len(data.user_ids), dtype=np.int32))


def test_items_that_say_something_else_are_matched_by_that():
    data, context = read(ratings()), context_of()
    model = Bilinear(**{**SETTINGS, "epochs": 3}).fit(data, context)
    _, told = vectors()
    model.update_items(Features(palate.Ids(["i0"]), {"told": told[[9]].astype("f4")}))
    first, other = data.item_ids.rows(["i0", "i9"])
    np.testing.assert_allclose(model.vectors_[first], model.vectors_[other], atol=1e-6)
