"""What is handed to `clean` and the splits: a sentence for what is no data set and no number."""

import polars as pl
import pytest

from palate.core.dataset import Dataset
from palate.core.errors import ConfigError, DataError
from palate.data.clean import clean
from palate.data.read import read
from palate.data.split import split_by_time, split_cold_items, split_given, split_leave_last_out

LOG = pl.DataFrame({"user": list("112233"), "item": list("abcabc"), "ts": range(10, 70, 10)})
ITEMS = pl.DataFrame({"item": list("abc"), "title": ["A", "B", "C"], "price": [1.0, 2.0, None]})
SPLITS = (split_by_time, split_leave_last_out, split_cold_items)


@pytest.fixture(scope="module")
def data():
    return read(LOG, ITEMS)


@pytest.mark.parametrize("function", [*SPLITS, clean])
def test_a_frame_is_no_data_set(function):
    with pytest.raises(DataError, match=r"takes a data set, not a DataFrame: palate\.read"):
        function(LOG)


def test_a_frame_is_nothing_to_fit_on(data):
    with pytest.raises(DataError, match="fitted_on takes a data set, not a DataFrame"):
        clean(data, normalise={"price": "log"}, fitted_on=LOG)


@pytest.mark.parametrize("function", SPLITS)
def test_no_events_at_all(function, data):
    blank = Dataset(interactions=data.interactions.clear(), items=data.items)
    with pytest.raises(DataError, match="no event"):
        function(blank)


@pytest.mark.parametrize("share", [0, 1, 1.5, -0.1, float("nan"), "0.2", True])
def test_shares(share, data):
    for function, name in ((split_by_time, "test"), (split_cold_items, "share")):
        with pytest.raises(ConfigError, match=rf"{name}=.*: it must be a share"):
            function(data, **{name: share})


@pytest.mark.parametrize("count", [-1, 2.5, "3", None])
def test_counts(count, data):
    for function, name in (
        (split_leave_last_out, "min_events"),
        (split_cold_items, "seed"),
        (clean, "min_user_events"),
        (clean, "min_item_events"),
    ):
        with pytest.raises(ConfigError, match=rf"{name}=.*: it must be a whole number"):
            function(data, **{name: count})


def test_events_held_back_need_events(data):
    with pytest.raises(ConfigError, match="min_events=1: it must be a whole number, 2 or more"):
        split_leave_last_out(data, validation=True, min_events=1)


@pytest.mark.parametrize("at", ["", "someday", float("nan"), float("inf"), True, [30]])
def test_moments(at, data):
    with pytest.raises(DataError, match="is no moment: give seconds since 1970, or ISO 8601"):
        split_by_time(data, at=at)


@pytest.mark.parametrize(
    ("settings", "fix"),
    [
        ({"missing": "mean"}, "missing={'price': 'median'}"),
        ({"normalise": "log"}, "normalise={'price': 'log'}"),
        ({"empty_text": "drop", "text_columns": "title"}, r"text_columns=\['title'\]"),
        ({"repeats_within": "3"}, "0 seconds or more"),
        ({"missing": {"price": None}}, "None is missing itself"),
        ({"missing": {"price": float("nan")}}, "nan is missing itself"),
        ({"missing": {"price": float("inf")}}, "inf is missing itself"),
    ],
)
def test_settings_of_clean(settings, fix, data):
    with pytest.raises(ConfigError, match=fix):
        clean(data, **settings)


def test_a_core_that_nobody_is_in(data):
    with pytest.raises(DataError, match="at least 9 events a person, 0 an item' leaves no event"):
        clean(data, min_user_events=9)


def test_nothing_is_no_table(data):
    with pytest.raises(DataError, match="a NoneType is no table"):
        split_given(data, None)
