import datetime

import numpy as np
import polars as pl
import pytest

from palate.core.errors import DataError
from palate.features.encoders.columns.dates import CYCLES, seconds_of, turns

MAY_5_1995 = 799_632_000.0  # a Friday
DAY = 86_400.0


def seconds(*values):
    return seconds_of(pl.Series("day", list(values)))


@pytest.mark.parametrize(
    "value",
    [
        "1995-05-05",
        "1995-05-05T00:00:00Z",
        "1995-05-05 02:00:00+02:00",
        "05-May-1995",
        "5 May 1995",
        "May 5, 1995",
        "1995年5月5日",
        datetime.date(1995, 5, 5),
        datetime.datetime(1995, 5, 5),
        MAY_5_1995,
        int(MAY_5_1995 * 1000),
        19950505,
        "19950505",
    ],
)
def test_one_day_in_many_spellings(value):
    assert seconds(value).tolist() == [MAY_5_1995]


def test_years_are_their_first_day():
    expected = [
        (datetime.date(year, 1, 1) - datetime.date(1970, 1, 1)).days * DAY for year in (1969, 2004)
    ]
    assert seconds(1969, 2004).tolist() == expected
    assert seconds("1969", "2004").tolist() == expected


def test_what_is_no_date_is_unknown():
    found = seconds("1995-05-05", None, "soon", "06/05/1995", "", "1995-13-40")
    assert found[0] == MAY_5_1995
    assert np.isnan(found[1:]).all()


def test_a_zone_moves_the_moment():
    column = pl.Series("day", [datetime.datetime(1995, 5, 5)]).dt.replace_time_zone("Asia/Tokyo")
    assert seconds_of(column).tolist() == [MAY_5_1995 - 9 * 3600]


def test_numbers_that_are_no_time_are_refused():
    with pytest.raises(DataError, match="column 'day' cannot be read: 1e\\+25"):
        seconds(1e25, 5.0)


def test_cycles():
    moment = np.array([MAY_5_1995 + 6 * 3600, np.nan, MAY_5_1995 + 3 * DAY])
    expected = {
        "hour": (0.25, 0.0),
        "weekday": (4 / 7, 0.0),
        "month": (4 / 12, 4 / 12),
        "yearday": (124 / 366, 127 / 366),
    }
    assert expected.keys() == set(CYCLES)
    for cycle, (first, last) in expected.items():
        found = turns(moment, cycle)
        assert found[[0, 2]].tolist() == pytest.approx([first, last]), cycle
        assert np.isnan(found[1])


def test_cycles_go_on_before_1970():
    assert turns(np.array([-DAY, -0.5 * DAY]), "weekday").tolist() == pytest.approx([2 / 7, 2 / 7])
    assert turns(np.array([-0.5 * DAY]), "hour").tolist() == [0.5]
