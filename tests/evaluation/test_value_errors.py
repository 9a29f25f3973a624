"""RMSE and MAE of what was held out, low values too, beside the ranking metrics."""

import json

import numpy as np
import polars as pl
import pytest

import palate
from palate.core.errors import ConfigError
from palate.core.histories import histories_of
from palate.data.split import inner_split
from palate.evaluation.compare import Ranked


def ratings(seed=0, *, people=30, items=12):
    """Ratings of 1 to 5; items of odd numbers are worse; times in one long row."""
    rng = np.random.default_rng(seed)
    rows = []
    for user in range(people):
        for item in rng.permutation(items)[:8]:
            value = int(np.clip(rng.integers(2, 6) - 2 * (item % 2), 1, 5))
            rows.append((f"u{user}", f"i{item}", value, float(rng.random() * 1e6)))
    return pl.DataFrame(rows, schema=["user", "item", "rating", "ts"], orient="row")


class Oracle:
    """Says the same to everybody, or what it is told."""

    predicts = True

    def __init__(self, value):
        self.value, self.asked = value, []

    def score(self, histories):
        return np.zeros((len(histories), len(histories.item_ids)), dtype=np.float32)

    def predict(self, histories, items):
        self.asked.append((histories, items))
        return np.full(len(items), self.value, dtype=np.float32)


CUTS = {
    "time": lambda data: palate.split_by_time(data, test=0.3),
    "last": lambda data: palate.split_leave_last_out(data),
    "last two": lambda data: palate.split_leave_last_out(data, validation=True),
    "cold": lambda data: palate.split_cold_items(data, share=0.3),
}


@pytest.mark.parametrize("cut", CUTS)
def test_every_held_out_value_is_asked_for_once(cut):
    data = palate.read(ratings())
    split = CUTS[cut](data)
    oracle = Oracle(3.0)
    found = palate.evaluate(oracle, split)
    trained = split.train.events.select("user_id", "item_id")
    held = data.events.join(trained, on=["user_id", "item_id"], how="anti")
    if cut == "last two":  # the last but one is known to who asks, and is no answer of the test
        held = None
    asked = [
        (name, asking.item_ids[row])
        for asking, rows in oracle.asked
        for name, row in zip(asking.user_ids, rows, strict=True)
    ]
    assert len(set(asked)) == len(asked) > 20
    if held is not None:
        assert set(asked) == set(held.select("user_id", "item_id").iter_rows())
    pairs = pl.DataFrame(asked, schema=["user_id", "item_id"], orient="row")
    values = pairs.join(data.events, on=["user_id", "item_id"])["value"].to_numpy()
    assert (values < 3).any(), "low ratings are answers, too"
    assert found["rmse"] == pytest.approx(np.sqrt(np.mean((values - 3) ** 2)))
    assert found["mae"] == pytest.approx(np.abs(values - 3).mean())


@pytest.mark.parametrize("cut", CUTS)
def test_who_is_asked_does_not_know_the_answer_or_what_came_after(cut):
    data = palate.read(ratings())
    split, oracle = CUTS[cut](data), Oracle(3.0)
    palate.evaluate(oracle, split)
    when = {(u, i): t for u, i, t in data.events.select("user_id", "item_id", "timestamp").rows()}
    for asking, rows in oracle.asked:
        every = asking.every()
        assert every.lengths.sum() == len(every.items), "nothing else is in the arrays"
        for place, (name, row) in enumerate(zip(asking.user_ids, rows, strict=True)):
            known = [asking.item_ids[one] for one in every.row(place)]
            assert asking.item_ids[row] not in known
            if cut != "cold":
                answer = when[name, asking.item_ids[row]]
                assert all(when[name, item] < answer for item in known)


def test_a_given_split_asks_for_low_ratings_too():
    table = ratings().sort("ts")
    first, second = table.head(160), table.tail(80)
    for rolling in (True, False):
        split, oracle = palate.split_given(first, second, rolling=rolling), Oracle(3.0)
        palate.evaluate(oracle, split)
        assert sum(len(rows) for _, rows in oracle.asked) == 80


def test_part_of_a_split_asks_the_same_people_for_values():
    split = palate.split_by_time(palate.read(ratings()), test=0.3)
    few = split.take(slice(0, 5))
    people = set(few.histories.user_ids)
    assert set(few.turned_down.histories.user_ids) <= people
    names = split.turned_down.histories.user_ids
    assert len(few.turned_down.histories) == names.is_in(list(people)).sum()


def test_validation_knows_the_values_of_its_answers():
    data = palate.read(ratings())
    split = palate.split_leave_last_out(data, validation=True)
    inner = inner_split(split)
    asked = zip(inner.histories.user_ids, inner.sealed.items, inner.sealed.values, strict=True)
    known = {(u, i): v for u, i, v in data.events.select("user_id", "item_id", "value").rows()}
    assert all(known[name, data.item_ids[row]] == value for name, row, value in asked)


def test_rows_that_predict_stand_beside_rows_that_do_not():
    data = palate.read(ratings())
    split = palate.split_by_time(data, test=0.3)
    models = {
        "bias": palate.Bias().fit(split.train),
        "popular": palate.Popular().fit(split.train),
        "five": Oracle(5.0),
        "lists": Ranked.of(palate.Popular().fit(split.train), split, 10),
    }
    found = palate.compare(models, split, reference="bias")
    assert set(found.errors) == {"bias", "five"}
    text = str(found)
    assert "RMSE" in text
    assert "MAE" in text
    row = found.table.filter(recommender="popular")
    assert row["rmse"].to_list() == [None]
    five, bias = (found.errors[name].cells["rmse"] for name in ("five", "bias"))
    assert five.interval.low < five.interval.mean < five.interval.high
    assert five.difference.mean == pytest.approx(five.interval.mean - bias.interval.mean)
    assert five.difference.significant
    assert f"{five.interval.mean:.4f}▼" in text
    assert f"{five.interval.mean:.4f}▼" in found._repr_html_()
    told = json.loads(json.dumps(found.to_json()))
    assert told["rows"][0]["errors"]["rmse"]["mean"] == bias.interval.mean
    assert "errors" not in told["rows"][1]
    details = found.details.filter(metric="mae")
    assert details["recommender"].to_list() == ["bias", "five"]
    assert details["requests"][0] == found.errors["bias"].values


def test_without_values_or_who_predicts_nothing_the_table_is_as_it_was():
    data = palate.read(ratings())
    split = palate.split_by_time(data, test=0.3)
    found = palate.evaluate(palate.Popular().fit(split.train), split)
    assert not found.errors
    assert "RMSE" not in str(found)
    assert "rmse" not in found.table.columns
    bare = palate.split_by_time(palate.read(ratings().drop("rating")), test=0.3)
    assert bare.turned_down is None
    assert "RMSE" not in str(palate.evaluate(Oracle(3.0), bare))


def test_asking_for_rmse_says_that_it_is_measured_anyway():
    split = palate.split_by_time(palate.read(ratings()), test=0.3)
    with pytest.raises(ConfigError, match="'RMSE' needs no asking"):
        palate.evaluate(Oracle(3.0), split, metrics=["RMSE"])


def test_a_pipeline_is_measured_by_what_it_predicts():
    data = palate.read(ratings())
    split = palate.split_by_time(data, test=0.3)
    settings = {"feedback": "explicit"}
    recommender = palate.ItemKNN(**settings).fit(split.train)
    model = palate.Pipeline(encoders={}, users={}, recommender=palate.ItemKNN(**settings))
    one, other = (palate.evaluate(each, split) for each in (model.fit(split.train), recommender))
    assert one["rmse"] == other["rmse"]
    assert one["rmse"] < palate.evaluate(Oracle(3.0), split)["rmse"]


def test_histories_carry_values_through_everything():
    data = palate.read(ratings())
    known = {(u, i): v for u, i, v in data.events.select("user_id", "item_id", "value").rows()}
    whole = histories_of(data)
    places = np.roll(np.arange(len(data.item_ids)), 1).astype(np.int32)
    order = np.argsort(places)
    renamed = palate.Ids(data.item_ids.series.gather(order))
    for histories in (
        whole,
        whole.every(),
        whole.compact(),
        whole.take(slice(3, 9)).compact(),
        whole.last(3).compact(),
        whole.without_last(),
        whole.renumbered(renamed, places),
        whole.against,
    ):
        for row in range(len(histories)):
            start, stop = histories.starts[row], histories.stops[row]
            items, values = histories.items[start:stop], histories.values[start:stop]
            name = histories.user_ids[row]
            wanted = [known[name, histories.item_ids[item]] for item in items]
            assert values.tolist() == wanted
