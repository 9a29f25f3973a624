"""Columns of Python objects in pandas frames: read by a stated rule, or a named error."""

from datetime import date
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pytest

from palate.core.errors import DataError
from palate.data.read import read

LOG = pl.DataFrame({"user": ["1", "2"], "item": ["a", "b"]})
NOON = pd.Timestamp("2024-05-01 12:00")
SECONDS = 1714564800.0


def frame(first, second, name="ts"):
    values = pd.Series([None, None], dtype=object)
    values[0], values[1] = first, second
    return pd.DataFrame({"user": ["u1", "u2"], "item": ["a", "b"], name: values})


@pytest.mark.parametrize(
    ("other", "seconds"),
    [
        ("2024-05-01 12:00:09", SECONDS + 9),
        ("2024-05-02", SECONDS + 43200),
        (1714564809, SECONDS + 9),
        (1714564809.5, SECONDS + 9.5),
        (date(2024, 5, 2), SECONDS + 43200),
        (pd.Timestamp("2024-05-01 14:00:09+02:00"), SECONDS + 9),
        (np.datetime64("2024-05-01T12:00:09"), SECONDS + 9),
        (NOON.to_pydatetime(), SECONDS),
    ],
    ids=lambda value: type(value).__name__,
)
def test_times_of_several_types_are_read_value_by_value(other, seconds):
    for table in (frame(NOON, other), frame(other, NOON)):
        assert sorted(read(table).times.tolist()) == [SECONDS, seconds]


@pytest.mark.parametrize(
    ("first", "second", "wanted"),
    [
        (1, "a", ["1", "a"]),
        ("a", 1, ["a", "1"]),
        (1.0, "a", ["1", "a"]),
        (1.5, "a", ["1.5", "a"]),
        (float("inf"), "a", ["inf", "a"]),
        (True, "a", ["true", "a"]),
        (Decimal("2.00"), "a", ["2", "a"]),
        (1, 2.5, [1.0, 2.5]),
        (2.5, 1, [2.5, 1.0]),
        (1, Decimal("2.5"), [1.0, 2.5]),
        (True, 2, [1, 2]),
        (None, "a", [None, "a"]),
        (["a"], None, [["a"], None]),
        (np.array(["a", "b"]), ["c"], [["a", "b"], ["c"]]),
    ],
)
def test_values_of_several_types_are_read_by_one_rule(first, second, wanted):
    items = frame(first, second, "c").drop(columns="user")
    assert read(LOG, items).items["c"].to_list() == wanted


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        (["a"], "b", "holds lists (row 1) and text (row 2); write it in one way"),
        ("b", ["a"], "holds text (row 1) and lists (row 2)"),
        ({"k": 1}, "b", "holds records (row 1) and text (row 2)"),
        (b"a", "b", "holds bytes (row 1) and text (row 2)"),
        ({"a"}, {"b"}, "holds what no column of a table can: 'set'"),
        (object(), object(), "holds what no column of a table can: 'object'"),
        (1j, 2j, "holds what no column of a table can: 'complex'"),
        (object(), "b", "holds object (row 1) and text (row 2)"),
        ("ok", "\ud83d cut", "character 1 is half of one"),
    ],
)
def test_what_cannot_be_read_is_named(first, second, said):
    with pytest.raises(DataError) as caught:
        read(LOG, frame(first, second, "c").drop(columns="user"))
    assert f"the frame of items: column 'c' {said}" in str(caught.value) or said in str(
        caught.value
    )


def test_types_of_pandas_that_no_table_has():
    items = pd.DataFrame(
        {"item": ["a", "b"], "month": pd.period_range("2020", periods=2, freq="M")}
    )
    with pytest.raises(DataError, match="column 'month' holds what no column of a table can"):
        read(LOG, items)


def test_several_types_in_one_column_are_remarked():
    told = []
    ids = pd.DataFrame({"user": pd.Series([1, "1", 1.0], dtype=object), "item": ["a", "b", "c"]})
    assert read(ids, tell=told.append).user_ids.tolist() == ["1"]
    assert "column 'user': numbers and text, all taken as text" in str(told[0])
