"""What is told of values that may mean something else than they are taken for."""

import pandas as pd
import polars as pl
import pytest

from palate.core.errors import DataError
from palate.data.read import read

LOG = pl.DataFrame({"user": list("aabb"), "item": list("wxyz")})


def told(source, items=None, **options):
    lines = []
    return read(source, items, tell=lambda notes: lines.extend(notes.lines()), **options), lines


# ---- which events are choices


@pytest.mark.parametrize(
    ("name", "turned"),
    [
        *((name, ["x", "z"]) for name in ("label", "is_recommended", "isPositive")),
        *((name, []) for name in ("is_click", "isClick", "clicked", "是否点击")),
    ],
)
@pytest.mark.parametrize(
    "flags", [[1, 0, 1, 0], [True, False, True, False], ["1", "0", "1.0", "0.0"]]
)
def test_zero_is_no_choice(name, turned, flags):
    """What was shown and not clicked was not turned down; a "no" was."""
    data, lines = told(LOG.with_columns(pl.Series(name, flags)))
    assert data.interactions["item_id"].to_list() == ["w", "y"]
    assert ([] if data.against is None else data.against["item_id"].to_list()) == turned
    said = (
        f"2 events where {name!r} is 0 count against their item, not as choices"
        if turned
        else f"left out 2 rows where {name!r} is 0: no choices"
    )
    assert any(said in line for line in lines)
    assert not any("not read" in line for line in lines)


def test_zero_is_no_choice_in_files(write):
    data = read(write("log.csv", "user,item,label\na,x,1\na,y,0\nb,x,true\n"))
    assert data.interactions["item_id"].to_list() == ["x", "x"]


def test_one_of_several_is_enough():
    log = LOG.with_columns(click=pl.Series([1, 0, 0, 0]), label=pl.Series([0, 1, 0, 0]))
    data, lines = told(log)
    assert data.interactions["item_id"].to_list() == ["w", "x"]
    assert any("2 events where 'click' and 'label' is 0 count against" in line for line in lines)


@pytest.mark.parametrize("flags", [[1, 2, 0, 1], [1, -1, 1, 1], ["good", "bad", "1", "0"]])
def test_what_is_no_flag_changes_nothing_and_is_told(flags):
    data, lines = told(LOG.with_columns(label=pl.Series(flags)))
    assert len(data.interactions) == 4
    assert any("'label' holds" in line and 'positive="label >= 1"' in line for line in lines)


def test_a_flag_that_is_always_one_changes_nothing():
    assert len(read(LOG.with_columns(label=pl.Series([1, 1, 1, 1]))).interactions) == 4


@pytest.mark.parametrize(
    "flags",
    [
        ["yes", "no", "Yes", "no"],
        ["Y", "N", "y", "n"],
        ["t", "f", "true", "F"],
        ["是", "否", "是", "否"],
    ],
)
def test_words_for_one_and_zero_are_flags(flags):
    data, _ = told(LOG.with_columns(label=pl.Series(flags)))
    assert len(data.interactions) == 2
    assert len(data.against) == 2


@pytest.mark.parametrize("flags", [[1, None, 0, 1], [True, None, False, True], ["1", "", "0", "1"]])
@pytest.mark.parametrize(("name", "against"), [("label", 1), ("is_click", 0)])
def test_events_of_which_a_flag_says_nothing_are_left_out(name, against, flags):
    data, lines = told(LOG.with_columns(pl.Series(name, flags)))
    assert len(data.interactions) == 2
    assert len(data.events) == 2 + against
    assert any(f"left out 1 row where '{name}' says nothing" in line for line in lines)


@pytest.mark.parametrize(
    "options", [{"keep": ["label"]}, {"columns": {"label": "value"}}, {"positive": "all"}]
)
def test_a_flag_with_another_meaning(options):
    log = LOG.with_columns(label=pl.Series([1, 0, 1, 0]))
    assert len(read(log, **options).interactions) == 4


def test_no_choice_at_all():
    with pytest.raises(DataError, match=r"'label' is 0 in every row.*positive=\"all\""):
        read(LOG.with_columns(label=pl.lit(0)))


@pytest.mark.parametrize(
    ("name", "values", "remark"),
    [
        ("rating", [1, 5, 2, 4], "2 of 4 ratings are below 3, the middle of 1 to 5"),
        ("rating", [3, 5, 4, 4], ""),
        ("rating", [2, 4, 4, 3], "1 of 4 ratings are below 2.5, the middle of 1 to 4"),
        ("stars", ["0.5", "5", "2.5", "3"], "2 of 4 ratings are below 2.75, the middle of 0.5 to"),
        ("score", [-10, 10, -1, 0], "2 of 4 ratings are below 0, the middle of -10 to 10"),
        ("评分", [-1, 1, 1, 1], "1 of 4 ratings are below 0, the middle of -1 to 1"),
        ("Book-Rating", [0, 10, 9, 3], "1 of 3 ratings are below 5.5, the middle of 1 to 10"),
        ("rating", [-1, 10, 9, 3], "1 of 3 ratings are below 5.5, the middle of 1 to 10"),
        ("overall", [1, None, 5, 5], "1 of 3 ratings are below 3"),
    ],
)
def test_what_is_below_the_middle_of_its_scale_is_no_choice(name, values, remark):
    data, lines = told(LOG.with_columns(pl.Series(name, values)))
    said = [line for line in lines if "count against their item" in line]
    assert len(said) == bool(remark)
    low = int(remark.split()[0]) if remark else 0
    assert (0 if data.against is None else len(data.against)) == low
    assert len(data.events) == 4
    if remark:
        assert f"column {name!r}: {remark}" in said[0]
        assert 'positive="all" counts every event' in said[0]


def test_what_is_clearly_below_what_its_person_gave_so_far_is_no_choice():
    log = pl.DataFrame(
        {
            "user": ["a"] * 5 + ["b"] * 3,
            "item": [f"i{n}" for n in range(8)],
            "rating": [5, 5, 4, 3, 5, 3, 3, 5],
            "ts": range(8),
        }
    )
    data, lines = told(log)
    assert data.against["item_id"].to_list() == ["i3"], "b's 3 are no less than b gave before"
    assert data.positive == "value >= 3 and value >= mean - 1"
    assert read(log, positive=data.positive).against.equals(data.against)
    assert any(
        "1 of 8 ratings are below 3, the middle of 1 to 5, or more than 1 below what their person"
        " gave on average until then: they count against their item" in line
        for line in lines
    )
    assert told(log.drop("ts"))[0].against is None, "without times nobody knows what was so far"


@pytest.mark.parametrize(
    ("name", "values", "remark"),
    [
        ("Book-Rating", [0, 10, 9, 8], "1 value of 0 is taken as not rated"),
        ("rating", [5, 5, 5, 5], "every rating is 5, which says nothing for or against"),
        ("rating", [1, 1, 1, 1], "every rating is 1, which says nothing for or against"),
        ("amount", [5, -5, 5, 5], "1 of 4 values are negative: every event counts as a choice"),
    ],
)
def test_values_that_say_nothing_for_sure_leave_every_event_a_choice(name, values, remark):
    data, lines = told(LOG.with_columns(pl.Series(name, values)))
    assert data.against is None
    assert any(f"column {name!r}: {remark}" in line for line in lines), lines


def test_two_scales_in_one_column():
    both = pl.DataFrame({"user": ["u"] * 10, "item": [f"i{n}" for n in range(10)]})
    values = [1, 2, 3, 4, 5, 20, 40, 60, 80, 100]
    data, lines = told(both.with_columns(rating=pl.Series(values)))
    assert data.against is None
    assert any("from 1 to 100 are on more than one scale" in line for line in lines)


def test_a_slip_is_no_end_of_the_scale():
    many = pl.DataFrame({"user": ["u"] * 3000, "item": [f"i{n}" for n in range(3000)]})
    values = [1 + n % 5 for n in range(2999)] + [55]
    data, lines = told(many.with_columns(rating=pl.Series(values)))
    assert any("1,200 of 3,000 ratings are below 3, the middle of 1 to 5" in line for line in lines)
    assert len(data.against) == 1200


def test_clicks_say_nothing_of_the_kind():
    data, lines = told(LOG.with_columns(clicks=pl.Series([1, 9, 1, 1])))
    assert data.against is None
    assert not any("choice" in line for line in lines)


# ---- ids


@pytest.mark.parametrize(
    ("letter", "called"),
    [
        ("\u200b", "U+200B ZERO WIDTH SPACE"),
        ("\ufeff", "U+FEFF ZERO WIDTH NO-BREAK SPACE"),
        ("\u00a0", "U+00A0 NO-BREAK SPACE"),
        ("\u3000", "U+3000 IDEOGRAPHIC SPACE"),
        ("\u202e", "U+202E RIGHT-TO-LEFT OVERRIDE"),
        ("\t", "U+0009 control character"),
    ],
)
@pytest.mark.parametrize("place", ["{}a", "a{}", "a{}a"])
def test_letters_that_nobody_sees_are_told(letter, called, place):
    name = place.format(letter)
    data, lines = told(LOG.with_columns(user=pl.Series(["a", name, "b", "a b"])))
    assert data.user_ids.tolist() == ["a", name, "b", "a b"], "ids stay as they are"
    assert any(
        f"column 'user': ids hold letters that cannot be seen ({called}): {name!r}" in line
        for line in lines
    )


# ---- dates and statistics


def test_dates_of_other_things_are_told():
    days = ["1956-05-31", "2020-01-01", "1980-01-01", "2020-01-02"]
    _, lines = told(LOG.with_columns(date_added=pl.Series(days)))
    assert any("date_added → timestamp" in line for line in lines)
    assert any("2 events lie before 1990: '1956-05-31', '1980-01-01'" in line for line in lines)


@pytest.mark.parametrize("times", [[1, 2, 3, 4], [1_600_000_000] * 4])
def test_an_order_and_dates_of_today_are_not_told(times):
    assert not any("before 1990" in line for line in told(LOG.with_columns(ts=pl.Series(times)))[1])


@pytest.mark.parametrize(
    "name",
    [
        *("avg_rating", "average_rating", "review_count", "ratings_count", "num_reviews", "rating"),
        *("rating_number", "vote_average", "popularity", "salesRank", "stars", "评论数", "销量"),
        *("mean_score", "units_sold", "order_count", "num_favorites", "followers_count", "月销量"),
        *("like_count", "num_ratings", "users_rated", "豆瓣评分", "评分人数", "点赞数", "人气"),
    ],
)
def test_statistics_of_items_are_told(name):
    items = pl.DataFrame({"item": list("wxyz"), "title": list("WXYZ"), name: [1.5, 2, 3, 4]})
    _, lines = told(LOG, items)
    assert any(
        f"column {name!r} of the items: if it was counted over all events" in line
        and f"leave it out (drop=['{name}'])" in line
        for line in lines
    )
    data, lines = told(LOG, items, drop=[name])
    assert data.items.columns == ["item_id", "title"]
    assert not any("counted over" in line for line in lines)


@pytest.mark.parametrize(
    "name",
    [
        *(
            "order_count",
            "n_orders",
            "total_orders",
            "total_spent",
            "visits",
            "days_since_last_order",
        ),
        *("avg_order_value", "customer_lifetime_value", "num_reviews", "订单数", "消费金额"),
    ],
)
def test_statistics_of_people_are_told(name):
    people = pl.DataFrame({"user": list("ab"), "age": [20, 30], name: [1.5, 2]})
    _, lines = told(LOG, users=people)
    assert any(
        f"column {name!r} of the people: if it was counted over all events" in line
        and f"leave it out (drop=['{name}'])" in line
        for line in lines
    )
    data, lines = told(LOG, users=people, drop=[name])
    assert data.users.columns == ["user_id", "age"]
    assert not any("counted over" in line for line in lines)


def test_other_columns_of_people_are_not_told():
    plain = {
        name: [1, 2] for name in ("age", "income", "household size", "items", "年龄", "session")
    }
    _, lines = told(LOG, users=pl.DataFrame({"user": list("ab"), **plain}))
    assert not any("counted over" in line for line in lines)


def test_several_statistics_are_one_sentence():
    items = pl.DataFrame({"item": list("wxyz"), "stars": [1, 2, 3, 4], "sales_rank": [4, 3, 2, 1]})
    _, lines = told(LOG, items)
    assert any(
        "columns 'stars', 'sales_rank' of the items: if they were counted over all events" in line
        for line in lines
    )


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("price", [1, 2, 3, 4]),
        ("rating", ["PG", "R", "G", "X"]),
        *((name, [1, 2, 3, 4]) for name in ("page_count", "order", "share", "watch", "年份")),
    ],
)
def test_other_columns_of_items_are_not_told(name, values):
    items = pl.DataFrame({"item": list("wxyz"), "title": list("WXYZ"), name: values})
    assert not any("counted over" in line for line in told(LOG, items)[1])


def test_what_is_left_out_has_to_be_there():
    items = pl.DataFrame({"item": list("wxyz"), "avg_rating": [1, 2, 3, 4]})
    with pytest.raises(DataError, match=r"drop= names 'avg_rateing'.*Did you mean 'avg_rating'"):
        read(LOG, items, drop=["avg_rateing"])
    with pytest.raises(DataError, match="drop= names 'user'"):
        read(LOG, items, drop=["user"])


def test_events_that_are_still_to_come_are_told():
    days = ["01/02/2020", "01/03/2020", "01/02/2199", "02/03/2098"]
    _, lines = told(LOG.with_columns(ts=pl.Series(days)), time_format="%m/%d/%Y")
    said = "2 events are still to come: '2199-01-02', '2098-02-03'"
    assert any(said in line and 'time_format="%d/%m/%Y"' in line for line in lines)


def test_a_rating_off_the_scale_is_told():
    """One slip among thousands; of a few ratings nobody knows the scale."""
    log = pl.DataFrame(
        {
            "user": [f"u{n % 50}" for n in range(2_000)],
            "item": ["wxyz"[n % 4] for n in range(2_000)],
            "ts": [1_000_000_000 + n for n in range(2_000)],
            "rating": [1 + n % 5 for n in range(1_999)] + [55],
        }
    )
    _, lines = told(log)
    assert any("1 rating lies beyond 1 to 5, the scale of the others: '55'" in it for it in lines)


# ---- times that are stated


@pytest.mark.parametrize(
    ("form", "times", "first"),
    [
        ("%d/%m/%Y", ["06/05/2024", "07/05/2024"], "2024-05-06"),
        ("%m/%d/%Y", ["06/05/2024", "07/05/2024"], "2024-06-05"),
        ("%d.%m.%Y %H:%M", ["06.05.2024 00:00", "07.05.2024 10:00"], "2024-05-06"),
        ("%d/%m/%Y %H:%M %z", ["06/05/2024 02:00 +0200", "07/05/2024 02:00 +0200"], "2024-05-06"),
        ("%d%m%Y", [10052024, 11052024], "2024-05-10"),
    ],
)
def test_a_format_of_times_can_be_stated(form, times, first):
    frame = pd.DataFrame({"user": ["a", "b"], "item": ["x", "y"], "ts": times})
    wanted = pl.Series([first]).str.to_date().cast(pl.Datetime("ms")).dt.epoch("s")[0]
    assert read(frame, time_format=form).times[0] == wanted


def test_times_that_are_not_as_stated():
    log = pl.DataFrame({"user": ["a", "b"], "item": ["x", "y"], "ts": ["06/05/2024", "13/31/2024"]})
    with pytest.raises(
        DataError,
        match=r"""'ts' is not written as time_format="%d/%m/%Y" says in row 2: '13/31/2024'""",
    ):
        read(log, time_format="%d/%m/%Y")
