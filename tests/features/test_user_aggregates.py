import numpy as np
import polars as pl
import pytest

import palate
from palate.core.dataset import Dataset
from palate.core.errors import AlignmentError, ConfigError, DataError
from palate.core.histories import histories_of, history_of_items
from palate.data.samples import synthetic
from palate.features.users import user_aggregates

DAY = 86_400.0


def diary():
    """ann: every week, always the same; bob: at once, and lately; nobody: in the table only."""
    rows = [("ann", "tea", 7.0 * week, 5.0) for week in range(9)]
    rows += [
        ("bob", item, 58 + 0.01 * place**2, 2.0) for place, item in enumerate(["tea", "cup", "pot"])
    ]
    rows += [("cyd", "cup", 20.0, 3.0), ("cyd", "pot", 45.0, 4.0)]
    table = pl.DataFrame(
        sorted(rows, key=lambda row: row[2]),
        schema=["user_id", "item_id", "timestamp", "value"],
        orient="row",
    ).with_columns(pl.col("timestamp") * DAY)
    users = pl.DataFrame({"user_id": ["nobody", "cyd", "bob", "ann"]})
    return Dataset(table, pl.DataFrame({"item_id": ["tea", "cup", "pot"]}), users)


NAMES = ["events", "items", "share of repeats", "mean value", "spread of values", "total value"]
TIMES = ["days since the last", "days since the first", "events a day", "burstiness", "trend"]


def by_user(features, names):
    values = features.parts["history.numbers"]
    assert values.shape == (len(features), len(names))
    return {
        name: dict(zip(features.ids.tolist(), column.tolist(), strict=True))
        for name, column in zip(names, values.T, strict=True)
    }


def test_everybody_has_a_row():
    features = user_aggregates(diary())
    assert features.ids.tolist() == ["nobody", "cyd", "bob", "ann"]
    assert features.behavioural == {"history.numbers"}
    found = by_user(features, [*NAMES, *TIMES, "no events"])
    assert found["no events"] == {"nobody": 1, "cyd": 0, "bob": 0, "ann": 0}
    assert found["events"]["ann"] > found["events"]["bob"] > found["events"]["cyd"]
    assert found["items"]["bob"] > found["items"]["cyd"] > found["items"]["ann"]
    assert max(found["share of repeats"], key=found["share of repeats"].get) == "ann"
    assert found["mean value"]["ann"] > found["mean value"]["cyd"] > found["mean value"]["bob"]
    assert min(found["burstiness"], key=found["burstiness"].get) == "ann"
    assert max(found["trend"], key=found["trend"].get) == "bob"
    assert min(found["days since the last"], key=found["days since the last"].get) == "bob"


def test_histories_have_no_kinds_and_no_values():
    data = synthetic(n_users=40)
    features = user_aggregates(histories_of(data))
    found = by_user(features, [*NAMES[:3], *TIMES, "no events"])
    whole = user_aggregates(data).parts["history.numbers"]
    assert whole.shape[1] > len(found)
    np.testing.assert_allclose(list(found["events"].values()), whole[:, 0], atol=1e-6)


def test_it_stands_beside_what_people_did_and_said(tiny, tiny_features):
    users = palate.user_features(histories_of(tiny), tiny_features)
    both = users.beside(user_aggregates(tiny))
    assert list(both.parts)[-1] == "history.numbers"
    assert np.isfinite(np.asarray(both)).all()


def test_somebody_new_is_measured_by_what_was_learnt_before():
    data = diary()
    asking = history_of_items(data.item_ids, [[], ["tea"], ["tea"] * 9], user_ids=["x", "y", "z"])
    found = user_aggregates(asking, fitted_on=data).parts["history.numbers"]
    trained = user_aggregates(data).parts["history.numbers"]
    assert found.shape[1] == trained.shape[1]
    np.testing.assert_array_equal(found[0], trained[0], "nobody and x did nothing")
    assert found[2, 0] == trained[3, 0], "nine events, like ann"
    assert found[1, 0] < found[2, 0]
    alone = user_aggregates(asking.take([1]), fitted_on=data).parts["history.numbers"]
    np.testing.assert_array_equal(alone[0], found[1])


def test_what_cannot_be_used():
    data = diary()
    none = data.with_interactions(data.interactions.clear())
    with pytest.raises(DataError, match="there are no events to learn from"):
        user_aggregates(none)
    user_aggregates(none, fitted_on=data)
    with pytest.raises(ConfigError, match="recent"):
        user_aggregates(data, recent=1.5)
    twice = history_of_items(data.item_ids, [["tea"], ["cup"]], user_ids=["x", "x"])
    with pytest.raises(AlignmentError, match="ask several times: 'x'"):
        user_aggregates(twice)


def test_several_columns_of_numbers_are_each_aggregated():
    """Dwell, clicks and an amount in one log: none is refused, each tells people apart."""
    rng = np.random.default_rng(4)
    people = [f"u{n}" for n in range(12) for _ in range(8)]
    large = np.repeat(np.arange(12) % 3, 8)
    log = pl.DataFrame(
        {
            "user": people,
            "item": [f"i{n}" for n in rng.integers(0, 6, len(people))],
            "dwell": (10.0 * (large == 0) + rng.random(len(people))).round(2),
            "clicks": (large == 1) * 5 + rng.integers(0, 2, len(people)),
            "amount": ["" if n % 5 == 0 else f"{n * (kind == 2)}" for n, kind in enumerate(large)],
        }
    )
    data = palate.read(log)
    assert data.events.schema["dwell"] == data.events.schema["amount"] == pl.Float64
    assert "value" not in data.events.columns, "none of them is more a value than the others"
    names = palate.Aggregates().fit(data).names
    for column in ("dwell", "clicks", "amount"):
        assert {f"mean {column}", f"spread of {column}", f"total {column}"} <= set(names)
    names = [name.replace("users", "items") for name in names]
    found = by_user(user_aggregates(data), names)
    assert min(found["mean dwell"]["u0"], found["mean clicks"]["u1"]) > 0.5
    assert max(found["mean dwell"]["u1"], found["mean clicks"]["u2"]) < 0


def test_a_rating_is_the_value_and_the_other_numbers_stay_beside_it():
    log = pl.DataFrame(
        {"user": ["u", "u", "v"], "item": list("aba"), "clicks": [1, 2, 9], "rating": [5, 1, 4]}
    )
    data = palate.read(log)
    assert data.events["value"].to_list() == [5, 1, 4]
    assert data.events["clicks"].to_list() == [1, 2, 9]
    broken = log.with_columns(clicks=pl.Series(["1", "many", "2"]))
    with pytest.raises(DataError, match=r"column 'clicks' must hold numbers.*'many'"):
        palate.read(broken)


def test_what_was_turned_down_counts_in_the_numbers():
    """Who rates low has a low mean, and an item rated low has one."""
    log = pl.DataFrame(
        {
            "user": [f"u{n % 6}" for n in range(36)],
            "item": [f"i{n // 6}" for n in range(36)],
            "rating": [1 if n % 6 == 0 or n // 6 == 3 else 5 for n in range(36)],
            "review": ["awful" if n % 6 == 0 or n // 6 == 3 else "fine" for n in range(36)],
        }
    )
    items = pl.DataFrame({"item": [f"i{n}" for n in range(6)], "title": list("abcdef")})
    data = palate.read(log, items)
    aggregates = palate.Aggregates().fit(data)
    means = aggregates.encode(data).parts["aggregates"][:, aggregates.names.index("mean value")]
    assert means.argmin() == 3
    names = [name.replace("users", "items") for name in aggregates.names]
    means = by_user(user_aggregates(data), names)["mean value"]
    assert min(means, key=means.get) == "u0"
    wrote = palate.user_views(data, reader=awful)
    bad = dict(zip(wrote.ids.tolist(), wrote.parts["reviews"][:, 0].tolist(), strict=True))
    assert bad["u0"] == 1.0
    assert 0 < bad["u1"] < 1


def awful(texts):
    said = [["awful" in text] for text in texts]
    return {"": np.array(said, dtype=np.float32).reshape(len(texts), 1)}
