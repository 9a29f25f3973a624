import numpy as np
import polars as pl
import pytest

import palate
from palate import testing
from palate.core.dataset import Dataset
from palate.core.errors import ConfigError, DataError
from palate.data.samples import synthetic
from palate.features.encoders.aggregates import Aggregates

DAY = 86_400.0
ITEMS = ["busy", "calm", "rare", "old", "new"]


def shop(**columns):
    """ "busy" is touched by five people, twice by p0; "calm" like a clock; "old" long ago."""
    rows = [("p0", "old", 0), ("p1", "old", 1), ("p1", "old", 3)]
    rows += [(f"p{day % 3}", "calm", 40 + 10 * day) for day in range(6)]
    rows += [(f"p{number}", "busy", 60 + number**2) for number in range(5)]
    rows += [("p0", "busy", 99), ("p4", "rare", 70)]
    rows = sorted(rows, key=lambda row: row[2])
    table = pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp"], orient="row")
    table = table.with_columns(pl.col("timestamp").cast(pl.Float64) * DAY)
    table = table.with_columns([pl.Series(name, values) for name, values in columns.items()])
    return Dataset(table, pl.DataFrame({"item_id": ITEMS}))


def aggregated(data, **settings):
    """{column: {item: value}}"""
    encoder = Aggregates(**settings).fit(data)
    values = encoder.encode(data).values
    return {
        name: dict(zip(data.item_ids.tolist(), column.tolist(), strict=True))
        for name, column in zip(encoder.names, values.T, strict=True)
    }


@pytest.mark.parametrize("encoder", [Aggregates(), Aggregates(recent=0.5, max_events=1)])
def test_it_keeps_the_promises_of_an_encoder(encoder, tiny):
    testing.check_encoder(encoder, tiny)
    testing.check_encoder(encoder, synthetic(n_users=40, n_items=30))


def test_one_behavioural_block(tiny):
    features = Aggregates().fit(tiny).encode(tiny)
    assert features.behavioural == {"aggregates"}
    values = features.values
    warm = tiny.warm_items
    names = Aggregates().fit(tiny).names
    held = np.abs(values[warm]).max(axis=0) < 5
    np.testing.assert_allclose(values[warm].mean(axis=0)[held], 0, atol=1e-5)
    assert names[-1] == "no events"
    np.testing.assert_array_equal(values[:, -1], tiny.item_counts == 0)


def test_counts_and_people():
    found = aggregated(shop())
    for name, counts in (("events", [6, 6, 1, 3]), ("users", [5, 3, 1, 2])):
        raw = np.log1p(counts)
        expected = (raw - raw.mean()) / raw.std()
        np.testing.assert_allclose(list(found[name].values())[:4], expected, atol=1e-5)
        assert found[name]["new"] == pytest.approx(max(-raw.mean() / raw.std(), -5), abs=1e-5)
    repeats = found["share of repeats"]
    assert repeats["calm"] > repeats["rare"] > repeats["busy"], "one event says little"


def test_times():
    found = aggregated(shop())
    last, first = found["days since the last"], found["days since the first"]
    assert min(last, key=last.get) == "busy"
    assert last["old"] > last["rare"] > last["calm"] > last["busy"]
    assert first["old"] > first["calm"] > first["busy"] > first["rare"]
    pace = found["events a day"]
    assert pace["busy"] > pace["calm"] > pace["old"]
    assert min(found["burstiness"], key=found["burstiness"].get) == "calm"
    trend = found["trend"]
    assert trend["busy"] == trend["calm"] > trend["rare"] > trend["old"]


def test_items_without_events_stand_where_the_docstring_says():
    found = aggregated(shop())
    new = {name: column["new"] for name, column in found.items()}
    assert new["no events"] == 1
    assert new["events"] == min(found["events"].values())
    for name in ("days since the last", "days since the first"):
        assert new[name] == 0
    usual = found["share of repeats"]
    assert min(usual.values()) < new["share of repeats"] < max(usual.values())


def test_values_are_drawn_to_the_mean_of_all():
    data = shop(value=[3.0] * 4 + [2.0, 5.0] * 6)
    (plan,) = Aggregates().fit(data).recipe_["values"]
    mean, weight = plan["prior"]["mean"], plan["prior"]["weight"]
    assert mean == data.interactions["value"].mean()
    raw = []
    for name in ITEMS[:4]:
        own = data.interactions.filter(pl.col("item_id") == name)["value"]
        raw.append((own.sum() + weight * mean) / (len(own) + weight))
    expected = (np.array([*raw, mean]) - np.mean(raw)) / np.std(raw)
    found = aggregated(data)
    np.testing.assert_allclose(list(found["mean value"].values()), expected, atol=1e-5)
    total = np.log1p(data.interactions.group_by("item_id").agg(pl.col("value").sum())["value"])
    assert found["total value"]["new"] == pytest.approx(-total.mean() / total.std(ddof=0), abs=1e-5)


def test_a_spread_is_about_ones_own_mean():
    values = np.array([3.0] * 4 + [2.0, 5.0] * 6)
    found = aggregated(
        shop(value=values + 0.5 * (shop().interactions["item_id"] == "busy").to_numpy())
    )
    spread = found["spread of values"]
    assert spread["busy"] > spread["old"]
    assert spread["calm"] > spread["old"]


def test_missing_values_are_left_out():
    stars = [4.0, None, 5.0, float("nan")] * 4
    found = aggregated(shop(value=stars))
    assert np.isfinite([list(column.values()) for column in found.values()]).all()
    assert not any("value" in name for name in aggregated(shop(value=[None] * 16)))


def test_kinds_of_events_have_their_own_counts_and_shares():
    kinds = ["view", "buy"] * 5 + ["view"] * 6
    data = shop(event=kinds)
    found = aggregated(data)
    assert [name for name in found if ":" in name] == [
        *("view: events", "view: share", "buy: events", "buy: share")
    ]
    held = data.interactions.filter(pl.col("event") == "buy")["item_id"].value_counts()
    counts = dict(held.iter_rows())
    raw = np.log1p([counts.get(name, 0) for name in ITEMS[:4]])
    expected = (raw - raw.mean()) / raw.std()
    np.testing.assert_allclose(list(found["buy: events"].values())[:4], expected, atol=1e-5)
    few = aggregated(data, max_events=1)
    assert [name for name in few if ":" in name] == ["view: events", "view: share"]
    assert not any(":" in name for name in aggregated(shop(event=["view"] * 16)))


def test_kinds_with_values_of_their_own_are_kept_apart():
    kinds = ["dwell", "rating"] * 8
    values = [900.0, 4.0, 3.0, 5.0] * 4
    found = aggregated(shop(event=kinds, value=values))
    assert {"dwell: mean value", "rating: mean value", "rating: spread of values"} <= set(found)
    assert "mean value" not in found
    together = aggregated(shop(event=kinds, value=[None, 4.0] * 8))
    assert "mean value" in together


def test_very_skewed_values_are_log_scaled():
    amounts = [1.0, 2.0] * 7 + [2.0, 50_000.0]
    encoder = Aggregates().fit(shop(value=amounts))
    assert [plan["log"] for plan in encoder.recipe_["values"]] == [True]
    assert [
        plan["log"] for plan in Aggregates().fit(shop(value=[3.0, 5.0] * 8)).recipe_["values"]
    ] == [False]


def test_without_times_there_are_no_columns_of_times():
    data = shop()
    found = aggregated(data.with_interactions(data.interactions.drop("timestamp")))
    assert list(found) == ["events", "users", "share of repeats", "no events"]
    at_once = data.interactions.with_columns(timestamp=pl.lit(5.0))
    assert list(aggregated(data.with_interactions(at_once))) == list(found)


def test_later_items_are_unknown_and_known_ones_keep_their_row():
    data = shop()
    encoder = Aggregates().fit(data)
    later = Dataset(data.interactions.clear(), pl.DataFrame({"item_id": ["later", "rare", "new"]}))
    values = encoder.encode(later).values
    np.testing.assert_array_equal(values[0], encoder.encode(data).values[4])
    np.testing.assert_array_equal(values[1:], encoder.encode(data).values[[2, 4]])


def test_what_comes_later_is_not_known():
    data = shop()
    early = data.with_interactions(data.interactions.head(8))
    found = Aggregates().fit(early)
    np.testing.assert_array_equal(
        found.encode(data).values, found.encode(early).values, "encode reads no events"
    )
    assert found.recipe_["times"]["now"] == data.interactions["timestamp"][7]


def test_a_ranker_refits_it_and_the_disk_keeps_it(tmp_path):
    data = synthetic(n_users=60, n_items=40)
    model = palate.Pipeline(
        encoders={"words": palate.Tfidf(), "numbers": Aggregates()},
        recommender=palate.Ranker(n_estimators=5, n_train_queries=100),
    ).fit(data)
    model.save(tmp_path / "model")
    one, other = (
        made.recommend(["u01"], k=5).table for made in (model, palate.load(tmp_path / "model"))
    )
    assert one.equals(other)


def test_no_events_are_refused():
    data = shop()
    with pytest.raises(DataError, match="no interactions"):
        Aggregates().fit(data.with_interactions(data.interactions.clear()))


@pytest.mark.parametrize("setting", [{"recent": 0.0}, {"recent": 1.0}, {"max_events": 0}])
def test_settings_are_checked(setting):
    with pytest.raises(ConfigError, match=next(iter(setting))):
        Aggregates(**setting)
