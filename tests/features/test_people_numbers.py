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
    with pytest.raises(AlignmentError, match="repeated: 'x'"):
        user_aggregates(twice)
