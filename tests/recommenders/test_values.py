"""What somebody would give an item: baselines by hand, and neighbours on planted tastes."""

import numpy as np
import polars as pl
import pytest

import palate
from palate.core.dataset import Dataset
from palate.core.errors import AlignmentError, ConfigError, DataError
from palate.core.histories import histories_of, history_of_items
from palate.recommenders.bias import Bias
from palate.recommenders.item_knn import ItemKNN
from palate.recommenders.user_knn import UserKNN

SIZES = (14, 9, 5)  # items of three kinds
EXPLICIT = {"feedback": "explicit", "value_shrink": 5.0}


def planted(seed=0, *, people=90):
    """A third likes the first kind and not the second, the others the other way round.

    Nobody cares about the third kind; some are generous, some items are good. Low ratings speak
    against their item. Gives ratings to learn from and others of the same people.
    """
    rng = np.random.default_rng(seed)
    kinds = np.repeat([1.0, -1.0, 0.0], SIZES)
    quality = rng.normal(0, 0.3, len(kinds))
    rows = []
    for user in range(people):
        taste, generous = (1.0 if user % 3 else -1.0), rng.normal(0, 0.4)
        for item in rng.permutation(len(kinds))[: rng.integers(9, 16)]:
            exact = 3 + taste * kinds[item] + generous + quality[item] + rng.normal(0, 0.2)
            stars = float(np.clip(np.round(2 * exact) / 2, 0.5, 5))
            rows.append((f"u{user}", f"i{item}", float(rng.random()), stars))
    table = pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp", "value"], orient="row")
    held = rng.random(len(table)) < 0.25
    return table.filter(pl.Series(~held)), table.filter(pl.Series(held))


def read(table):
    items = pl.DataFrame({"item_id": [f"i{item}" for item in range(sum(SIZES))]})
    return palate.read(table, items, positive="value >= 3")


def rmse(model, train, held):
    asking = histories_of(train).take(train.user_ids.rows(held["user_id"]))
    said = model.fit(train).predict(asking, train.item_ids.rows(held["item_id"]))
    return float(np.sqrt(np.mean((said - held["value"].to_numpy()) ** 2)))


def by_hand():
    """Three people, two items: 5 and 3 for the first, 4 and 2 and 1 for the second."""
    given = [("u", "a", 1.0, 5.0), ("v", "a", 2.0, 3.0), ("u", "b", 3.0, 4.0)]
    given += [("v", "b", 4.0, 2.0), ("w", "b", 5.0, 1.0)]
    table = pl.DataFrame(given, schema=["user_id", "item_id", "timestamp", "value"], orient="row")
    return Dataset(interactions=table, items=pl.DataFrame({"item_id": ["a", "b", "c"]}))


def test_the_baseline_is_what_paper_and_pencil_say():
    data = by_hand()
    model = Bias(item_shrink=1, user_shrink=2, iterations=1).fit(data)
    mean = 15 / 5
    a, b = (2 + 0) / (2 + 1), (1 - 1 - 2) / (3 + 1)
    np.testing.assert_allclose(model.item_bias_, [a, b, 0], atol=1e-6)
    u = ((5 - mean - a) + (4 - mean - b)) / (2 + 2)
    w = (1 - mean - b) / (1 + 2)
    asking = histories_of(data).take(data.user_ids.rows(["u", "u", "w", "w"]))
    said = model.predict(asking, data.item_ids.rows(["b", "c", "a", "b"]))
    np.testing.assert_allclose(
        said, [mean + b + u, mean + u, mean + a + w, mean + b + w], atol=1e-5
    )


def test_a_stranger_is_like_all_and_nothing_leaves_the_scale():
    data = by_hand()
    model = Bias(item_shrink=0, user_shrink=0).fit(data)
    said = model.predict(history_of_items(data.item_ids, [[], []]), np.array([0, 2]))
    np.testing.assert_allclose(said, [3 + model.item_bias_[0], 3], atol=1e-6)
    loud = model.predict(histories_of(data), np.array([0, 1, 1]))
    assert loud.max() <= 5
    assert loud.min() >= 1


@pytest.mark.parametrize("kind", [ItemKNN, UserKNN])
@pytest.mark.parametrize("seed", [0, 1])
def test_neighbours_know_the_tastes_that_biases_do_not(kind, seed):
    train, held = planted(seed)
    data = read(train)
    assert len(data.against) > 100
    plain, near = rmse(Bias(), data, held), rmse(kind(**EXPLICIT), data, held)
    assert plain > 0.8
    assert near < 0.7 * plain, (near, plain)
    dealt = train.with_columns(pl.col("value").shuffle(seed=1))
    assert rmse(kind(**EXPLICIT), read(dealt), held) > 0.95 * plain


@pytest.mark.parametrize("kind", [ItemKNN, UserKNN])
def test_what_was_turned_down_speaks_too(kind):
    """Somebody whose history is low ratings alone has the other taste."""
    train, _ = planted()
    model = palate.Pipeline(encoders={}, users={}, recommender=kind(**EXPLICIT)).fit(read(train))
    low = {f"i{item}": 1 for item in range(5)}
    high = {f"i{item}": 5 for item in range(5)}
    asked = ["i5", "i20"]  # of the first kind, and of the second
    (first, second), (other_first, other_second) = (
        model.predict(history=given, items=asked) for given in (high, low)
    )
    assert first - second > 1
    assert other_second - other_first > 1


@pytest.mark.parametrize("kind", [ItemKNN, UserKNN])
def test_lists_are_the_same_with_feedback_and_without(kind):
    train, _ = planted()
    data = read(train)
    plain, explicit = kind().fit(data), kind(**EXPLICIT).fit(data)
    asking = histories_of(data)
    assert np.array_equal(plain.score(asking), explicit.score(asking))
    assert (plain.predicts, explicit.predicts) == (False, True)


@pytest.mark.parametrize("kind", [Bias, ItemKNN, UserKNN])
def test_rows_in_another_order_predict_the_same(kind):
    train, held = planted()
    train = train.with_columns(timestamp=pl.int_range(pl.len()).cast(pl.Float64))
    settings = {} if kind is Bias else EXPLICIT
    said = []
    for table in (train, train.sample(fraction=1, shuffle=True, seed=2)):
        data = read(table)
        asking = histories_of(data).take(data.user_ids.rows(held["user_id"]))
        model = kind(**settings).fit(data)
        said.append(model.predict(asking, data.item_ids.rows(held["item_id"])))
    assert np.array_equal(*said)


@pytest.mark.parametrize("kind", [Bias, ItemKNN, UserKNN])
def test_an_item_that_arrives_is_given_what_the_person_gives(kind):
    train, _ = planted()
    data = read(train)
    settings = {} if kind is Bias else EXPLICIT
    model = palate.Pipeline(encoders={}, users={}, recommender=kind(**settings)).fit(data)
    model.add_items(pl.DataFrame({"item_id": ["new"]}))
    usual = model.recommender_.value_mean_
    kind_one, strict = (
        model.predict(history={f"i{item}": value for item in range(28)}, items="new")[0]
        for value in (5, 2)
    )
    assert strict < usual < kind_one
    assert model.predict(history={}, items="new")[0] == pytest.approx(usual, abs=1e-5)


def test_the_newest_value_of_a_pair_counts():
    table = pl.DataFrame(
        [("u", "a", 1.0, 1.0), ("u", "a", 2.0, 5.0), ("v", "a", 3.0, 4.0), ("v", "b", 4.0, None)],
        schema=["user_id", "item_id", "timestamp", "value"],
        orient="row",
    )
    data = Dataset(interactions=table, items=pl.DataFrame({"item_id": ["a", "b"]}))
    model = Bias().fit(data)
    assert model.value_mean_ == 4.5
    assert model.value_counts_.tolist() == [2, 0]


@pytest.mark.parametrize("kind", [Bias, ItemKNN, UserKNN])
def test_without_values_nothing_is_predicted_and_lists_stay(kind):
    train, _ = planted()
    data = palate.read(train.drop("value"))
    settings = {} if kind is Bias else EXPLICIT
    model = kind(**settings).fit(data)
    assert not model.predicts
    assert model.score(histories_of(data)).std() > 0
    with pytest.raises(DataError, match="have none: say which column"):
        model.predict(histories_of(data).take(slice(0, 1)), np.array([0]))


def test_pairs_that_are_none_are_refused():
    train, _ = planted()
    data = read(train)
    model, asking = Bias().fit(data), histories_of(data).take(slice(0, 2))
    with pytest.raises(AlignmentError, match="2 requests"):
        model.predict(asking, np.array([0]))
    with pytest.raises(DataError, match="that a catalogue of 28 items lacks: 28"):
        model.predict(asking, np.array([0, 28]))
    with pytest.raises(DataError, match="whole numbers"):
        model.predict(asking, np.array([0.5, 1.0]))
    with pytest.raises(ConfigError, match="feedback"):
        ItemKNN().fit(data).predict(asking, np.array([0, 1]))
