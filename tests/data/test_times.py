import datetime as dt

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from palate.core.errors import DataError
from palate.data.times import to_seconds

MOMENT = 1_600_000_000.0  # 2020-09-13T12:26:40Z


def seconds(values, **options):
    return to_seconds(pl.Series("t", values, **options), where="f.csv: column 't'")


@pytest.mark.parametrize(
    "spelling",
    [
        "2020-09-13T12:26:40Z",
        "2020-09-13T12:26:40+00:00",
        "2020-09-13 12:26:40",
        "2020-09-13 12:26:40 UTC",
        "2020-09-13T14:26:40+02:00",
        "2020-09-13T08:56:40-0330",
        "2020/9/13 12:26:40",
        "20200913T122640Z",
        " 1600000000 ",
        "1600000000000",
        "1.6e9",
    ],
)
def test_one_moment_in_every_spelling(spelling):
    assert seconds([spelling])[0].to_list() == [MOMENT]


@pytest.mark.parametrize("factor", [1, 10**3, 10**6, 10**9])
def test_one_moment_in_every_unit(factor):
    assert seconds([1_600_000_000 * factor])[0].to_list() == [MOMENT]


def test_parts_of_a_day_and_of_a_second():
    read, notes = seconds(
        ["2020-09-13", "2020-09-13 12:26", "2020-09-13T12:26:40.25Z", "09 13, 2020"]
    )
    assert read.to_list() == [1599955200.0, 1599999960.0, MOMENT + 0.25, 1599955200.0]
    assert notes == []


def test_a_logical_order_stays():
    read, notes = seconds([2, 0, 1, 70_000])
    assert read.to_list() == [2, 0, 1, 70_000]
    assert read.dtype == pl.Float64
    assert notes == []


def test_mixed_units_are_resolved_value_by_value_and_counted():
    read, notes = seconds([1_600_000_000, 1_600_000_001_000, 1_600_000_002])
    assert read.to_list() == [MOMENT, MOMENT + 1, MOMENT + 2]
    assert "2 in seconds, 1 in milliseconds" in notes[0]


def test_iso_mixed_with_numbers_keeps_the_rows():
    read, notes = seconds(
        ["1600000003", "2020-09-13T12:26:40Z", "1600000001000", "2020-09-13 12:26:42"]
    )
    assert read.to_list() == [MOMENT + 3, MOMENT, MOMENT + 1, MOMENT + 2]
    assert "2 ISO dates are mixed with 2 numbers" in notes[0]


def test_dates_written_as_numbers():
    read, notes = seconds([20200913, 20200914])
    assert read.to_list() == [1599955200.0, 1600041600.0]
    assert "dates" in notes[0]
    assert seconds([20200913122640])[0].to_list() == [MOMENT]


@pytest.mark.parametrize(
    ("values", "offenders"),
    [
        ([20200913, 20201399], "20201399"),
        ([*range(20240401, 20240431), 20240431], "20240431"),
        ([20240501, 0, 20240502], "0"),
        ([20240501, 20240502, -1, 99999999], "-1, 99999999"),
        ([202405011230, 202405012460], "202405012460"),
        (["20240501", "0", "20240502"], "0"),
    ],
)
def test_a_few_numbers_that_are_no_dates_are_named(values, offenders):
    """They would turn all the others into an order, or into seconds of 1970."""
    with pytest.raises(DataError, match=rf"'t'.* read as dates.* but {offenders} do not"):
        seconds(values)


def test_an_order_of_large_numbers_is_no_dates():
    numbers = list(range(18_000_000, 24_000_000, 1_000))
    assert seconds(numbers)[0].to_list() == numbers


def test_stamps_of_minutes_and_of_seconds():
    assert seconds([202009131226])[0].to_list() == [MOMENT - 40]
    assert seconds([20200913, 202009131226, 20200913122640])[0].to_list() == [
        1599955200.0,
        MOMENT - 40,
        MOMENT,
    ]
    assert seconds(["202009131226"])[0].to_list() == [MOMENT - 40]
    milliseconds = 300_000_000_000  # 1979, and no stamp
    assert seconds([milliseconds])[0].to_list() == [milliseconds / 1000]


@pytest.mark.parametrize(
    "spelling",
    [
        "2020-09-13 20:26:40+08",
        "2020-09-13T12:26:40 -00",
        "2020-09-13 12:26:40 PM",
        "2020-09-13T14:26:40+02:00[Europe/Berlin]",
        "20200913T202640+0800",
        "Sun Sep 13 05:26:40 -0700 2020",
        "Sun Sep 13 12:26:40 2020",
        "Sun, 13 Sep 2020 12:26:40 GMT",
        "13 September 2020 05:26:40 -0700 (PDT)",
        "13-Sep-2020 12:26:40",
        "sept 13, 2020 12:26:40 pm",
        "2020年9月13日 12:26:40",
        "2020年09月13日12时26分40秒",
        "2020年9月13日 下午 12:26:40",
    ],
)
def test_one_moment_in_words_and_zones(spelling):
    assert seconds([spelling])[0].to_list() == [MOMENT]


@pytest.mark.parametrize(
    "spelling",
    [
        "2020-W37-7",
        "2020W377",
        "2020-257",
        "2020-09-12 24:00",
        "2020-09-12T24:00:00Z",
        "20200913T0000Z",
        "20200913T00",
        "2020-09-13 12:00 AM",
        "13-Sep-2020",
        "September 13th, 2020",
        "2020-Sep-13",
        "2020年9月13号",
    ],
)
def test_one_day_in_every_spelling(spelling):
    assert seconds([spelling])[0].to_list() == [1599955200.0]


@pytest.mark.parametrize(
    "spelling",
    [
        *("2020-09-13 25:00", "2020-09-13 24:01", "2020-09-13 12:60", "2020-09-13 12:00:61"),
        *("2020-09-13 13:00 PM", "2020-W54-1", "2020-W10-8", "31-Feb-2020", "13-Sep-20"),
        *("2020-367", "Mai 5, 2020"),
    ],
)
def test_what_looks_like_a_time_and_is_none(spelling):
    with pytest.raises(DataError, match="cannot be read"):
        seconds([spelling])


@pytest.mark.parametrize(
    ("days", "options"),
    [
        (["2024-02-30"], {}),
        (["2023-02-29T12:30:00Z"], {}),
        (["2024/04/31 10:30", "20240230T101010"], {}),
        (["30-Feb-2024", "February 30, 2024", "2024年2月30日"], {}),
        (["31/04/2024"], {"form": "%d/%m/%Y"}),
        (["02/30/24 10:30"], {"form": "%m/%d/%y %H:%M"}),
    ],
)
def test_a_day_that_does_not_exist_is_called_so(days, options):
    right = "05/05/2024" if "%d/" in options.get("form", "") else "2024-05-05"
    if "%y" in options.get("form", ""):
        right = "05/05/24 10:00"
    with pytest.raises(DataError) as raised:
        to_seconds(pl.Series("t", [right, *days]), where="f.csv: column 't'", **options)
    said = str(raised.value)
    assert "cannot be read" in said
    assert f"{', '.join(map(repr, days))}: th" in said
    assert "not exist" in said
    assert "time_format" not in said
    assert "ISO" not in said


@pytest.mark.parametrize(
    ("values", "formats"),
    [
        (["06/05/2024", "07/05/2024"], ["%d/%m/%Y", "%m/%d/%Y"]),
        (["06/05/2024", "31/05/2024"], ["%d/%m/%Y"]),
        (["06/05/2024 10:00", "12/31/2024 10:00"], ["%m/%d/%Y %H:%M"]),
        (["31.12.2024"], ["%d.%m.%Y"]),
    ],
)
def test_what_could_be_two_days_is_asked_about(values, formats):
    with pytest.raises(DataError) as caught:
        seconds(values)
    stated = " or ".join(f'time_format="{form}"' for form in formats)
    assert str(caught.value).endswith(f"say how they are written: {stated}.")
    for form in formats:
        assert len(to_seconds(pl.Series(values), where="t", form=form)[0]) == len(values)


def test_typed_dates():
    zone = dt.timezone(dt.timedelta(hours=2))
    assert seconds([dt.date(2020, 9, 13)])[0].to_list() == [1599955200.0]
    assert seconds([dt.datetime(2020, 9, 13, 12, 26, 40)])[0].to_list() == [MOMENT]
    assert seconds([dt.datetime(2020, 9, 13, 14, 26, 40, tzinfo=zone)])[0].to_list() == [MOMENT]
    assert seconds([dt.datetime(2020, 9, 13)], dtype=pl.Datetime("ns"))[0].to_list() == [
        1599955200.0
    ]


def test_before_1970():
    assert seconds(["1969-12-31T23:59:59Z", "1956-05-31"])[0].to_list() == [-1.0, -428803200.0]
    assert seconds([-428_720_400_000])[0].to_list() == [-428_720_400.0]


def test_unreadable_times_are_named():
    with pytest.raises(DataError) as caught:
        seconds(["2020-01-01", "06/05/2024", "soon", "2020-02-30", "later", "later"])
    message = str(caught.value)
    assert "f.csv: column 't'" in message
    assert "'06/05/2024', 'soon', '2020-02-30' and 1 more (4 in all)" in message
    assert "ISO 8601" in message


@pytest.mark.parametrize("values", [[1.0, None], ["1", ""], [1.0, float("nan")], ["1", "inf"]])
def test_missing_and_infinite_times_name_the_row(values):
    with pytest.raises(DataError, match="row 2"):
        seconds(values)


@pytest.mark.parametrize("values", [[True], [[1]], [{"a": 1}]])
def test_what_is_no_time(values):
    with pytest.raises(DataError, match="no time"):
        seconds(values)


@given(
    st.lists(
        st.datetimes(dt.datetime(1977, 1, 1), dt.datetime(2100, 1, 1), timezones=st.just(dt.UTC)),
        min_size=1,
        max_size=8,
    ),
    st.data(),
)
def test_any_mixture_of_spellings_gives_the_same_moments(moments, data):
    """From 1977 on: earlier, milliseconds have 12 digits and may read as a date with minutes."""
    moments = [moment.replace(microsecond=0) for moment in moments]
    spelt = [
        data.draw(
            st.sampled_from(
                [
                    moment.isoformat(),
                    moment.isoformat(" "),
                    str(int(moment.timestamp())),
                    str(int(moment.timestamp()) * 1000),
                    moment.astimezone(dt.timezone(dt.timedelta(hours=-7))).isoformat(),
                ]
            )
        )
        for moment in moments
    ]
    assert seconds(spelt)[0].to_list() == [moment.timestamp() for moment in moments]


def test_a_month_is_its_first_day_and_no_day_of_the_year():
    assert seconds(["2024-05"])[0].to_list() == seconds(["2024-05-01"])[0].to_list()
    assert seconds(["2024-122"])[0].to_list() == seconds(["2024-05-01"])[0].to_list()


@pytest.mark.parametrize(
    ("spelt", "plain"),
    [
        ("Wed May 01 2024 07:11:46 GMT+0200 (CEST)", "2024-05-01T07:11:46+02:00"),
        ("Wed May 01 2024 07:11:46 GMT-0700", "2024-05-01T07:11:46-07:00"),
        ("2024년 5월 1일", "2024-05-01"),
    ],
)
def test_what_browsers_and_koreans_write(spelt, plain):
    assert seconds([spelt])[0].to_list() == seconds([plain])[0].to_list()


@pytest.mark.parametrize(
    "spelling",
    [
        "2020-09-13T12:26:40+99:00",
        "2020-09-13T12:26:40+02:75",
        "2020-09-13T12:26:40[Europe/Paris]",
        "2020-09-13 12:26:40 (CEST)",
    ],
)
def test_a_zone_that_says_no_offset_is_not_taken_for_utc(spelling):
    with pytest.raises(DataError, match="cannot be read"):
        seconds([spelling])


@pytest.mark.parametrize(
    "spelling",
    [
        "2020-09-13T14:26:40+02:00[Europe/Paris]",
        "2020-09-13T12:26:40Z[UTC]",
        "Sun Sep 13 2020 14:26:40 GMT+0200 (Central European Summer Time)",
        "2020-09-13T15:26:40+03:00[Etc/GMT-3]",
        "２０２０-０９-１３ １２:２６:４０",
        "１６０００００００0",
    ],
)
def test_an_offset_with_its_name_and_full_width_digits(spelling):
    assert seconds([spelling])[0].to_list() == [MOMENT]


@pytest.mark.parametrize(
    ("values", "form", "moment"),
    [
        (["13/09/20", "14/09/20"], "%d/%m/%y", 1599955200.0),
        (["9/13/20 12:26", "9/14/20 12:26"], "%m/%d/%y %H:%M", 1599999960.0),
        (["9/13/2020 12:26:40 PM"], "%m/%d/%Y %I:%M:%S %p", MOMENT),
        (["13-09-20", "14-09-20"], "%d-%m-%y", 1599955200.0),
    ],
)
def test_the_format_that_is_advised_reads_the_times(values, form, moment):
    with pytest.raises(DataError) as raised:
        seconds(values)
    assert f'time_format="{form}"' in str(raised.value)
    read, _ = to_seconds(pl.Series("t", values), where="f.csv: column 't'", form=form)
    assert read[0] == moment


def test_two_digits_are_no_year_of_four():
    with pytest.raises(DataError, match='is not written as time_format="%d/%m/%Y" says in row 2'):
        to_seconds(pl.Series(["13/09/2020", "13/09/20"]), where="f.csv", form="%d/%m/%Y")


@pytest.mark.parametrize("word", ["NaT", "None", "NULL", "N/A", "\\N", "-", "未知"])
def test_words_for_nothing_are_missing_times(word):
    with pytest.raises(DataError, match=r"missing or not finite in row 2.*drop_missing=True"):
        seconds(["2020-09-13", word])


@pytest.mark.parametrize("values", [["1956-05-01", "1980-01-01"], [dt.date(1956, 5, 1)] * 2])
def test_dates_that_are_all_from_before_computers_are_told(values):
    _, notes = seconds(values)
    assert any("all of these dates lie before 1990" in note for note in notes)
    assert not seconds(["1956-05-01", "2020-01-01"])[1]


@pytest.mark.parametrize("values", [[45413.5, 45414.25], ["45413", "45414.5"], [45413, 45500]])
def test_days_of_a_spreadsheet_are_told(values):
    read, notes = seconds(values)
    assert read[0] == float(values[0])
    assert any("days of a spreadsheet" in note and "2024-0" in note for note in notes)
    assert not seconds([0, 45413])[1]


def test_short_numbers_that_cannot_hold_times_are_told():
    _, notes = seconds([1.6e9, 1.7e9], dtype=pl.Float32)
    assert any("less than 128 s" in note for note in notes)
    assert not seconds([0.0, 5000.0], dtype=pl.Float32)[1]
