"""`positive`: which events are choices, as somebody says it."""

import numpy as np
import polars as pl
import pytest

from palate.core.errors import ConfigError, DataError
from palate.data.positive import parse
from palate.data.read import read
from palate.data.split import split_by_time

LOG = pl.DataFrame(
    {
        "user": list("aaabbb"),
        "item": list("xyzxyz"),
        "rating": [5, 1, 3, 2, 4, 3],
        "Dwell Time": ["10", "0", "3.5", "80", "", "7"],
        "kind": ["buy", "view", "buy", "return", "view", "buy"],
        "ts": [1, 2, 3, 4, 5, 6],
    }
)


def chosen(positive, log=LOG, **options):
    data = read(log, positive=positive, **options)
    return "".join(data.events.with_row_index().filter(pl.Series(data.chosen))["index"].cast(str))


@pytest.mark.parametrize(
    ("positive", "wanted"),
    [
        ("all", "012345"),
        ("rating >= 4", "04"),
        ("value>=4", "04"),
        (">= 4", "04"),
        ("Rating > 2.5", "0245"),
        ("rating != 3", "0134"),
        ("rating == 3", "25"),
        ("rating < 2 or rating > 4", "01"),
        ("(rating < 2 or rating > 3) and kind != 'view'", "0"),
        ("rating < 2 or rating > 3 and kind == 'buy'", "01"),
        ('kind == "buy"', "025"),
        ("`Dwell Time` > 3", "02345"),
        ("dwell_time > 3", "02345"),
        ("rating >= mean", "02345"),
        ("rating >= mean - 1", "02345"),
        ("rating > mean + 0.5", "4"),
        (pl.col("rating") > 3, "04"),
        (pl.col("value") > 3, "04"),
        (pl.col("kind").is_in(["buy"]) & (pl.col("rating") > 3), "0"),
    ],
)
def test_what_is_said_holds(positive, wanted):
    assert chosen(positive) == wanted


def test_the_others_count_against_and_keep_their_columns():
    data = read(LOG, positive="rating >= 4", keep=["kind"])
    assert data.against is not None
    assert data.against.columns == data.interactions.columns
    assert "kind" in data.against.columns
    assert data.events["value"].to_list() == [5, 1, 3, 2, 4, 3]
    assert data.positive == "rating >= 4"
    assert "kind" not in read(LOG, positive="kind == 'buy'").events.columns


def test_the_mean_so_far_is_that_of_nothing_later():
    """Whatever is cut away behind, an earlier event stays what it was."""
    rng = np.random.default_rng(2)
    count = 300
    log = pl.DataFrame(
        {
            "user": rng.integers(0, 9, count).astype(str),
            "item": rng.integers(0, 40, count).astype(str),
            "rating": rng.integers(1, 6, count),
            "ts": np.sort(rng.integers(0, 90, count)),
        }
    )
    whole = read(log, positive="rating >= mean").chosen
    for moment in (10, 45, 80):
        part = read(log.filter(pl.col("ts") <= moment), positive="rating >= mean").chosen
        early = read(log, positive="all").events["timestamp"].to_numpy() <= moment
        assert (whole[early] == part).all()


def test_rows_in_another_order_are_the_same_choices():
    log = LOG.with_columns(ts=pl.Series([1, 1, 1, 2, 2, 2]))
    turned = log.reverse()
    for positive in (None, "rating >= mean", "rating > 2"):
        one, other = (read(table, positive=positive).interactions for table in (log, turned))
        assert sorted(one.rows()) == sorted(other.rows())


def test_what_is_missing_stays_a_choice_and_is_told():
    log = LOG.with_columns(rating=pl.Series([5, None, None, 1, 4, 4]))
    lines = []
    data = read(log, positive="rating >= 4", tell=lambda notes: lines.extend(notes.lines()))
    assert len(data.interactions) == 5
    assert any("1 of 6 events are no choices by positive=" in line for line in lines)
    assert any("2 events in which that is missing stay choices" in line for line in lines)


@pytest.mark.parametrize(
    ("positive", "why"),
    [
        ("", "says nothing"),
        ("rating", "a comparison is missing"),
        ("rating = 4", "equal is =="),
        ("rating >= 4 & kind == 'buy'", 'write "and"'),
        ("rating >= four", "compared with"),
        ("rating >=", "compared with"),
        ("rating > 4 and", "is missing"),
        ("(rating > 4", "bracket is not closed"),
        ("rating > 4)", "not expected"),
        ("rating > 4 rating", "not expected"),
        ("kind > 'buy'", "texts are equal"),
        ("rating > mean -", "number is missing"),
        ("rating > mean 3", "not expected"),
        ("__import__('os').system('true')", ""),
        ("(" * 200 + "rating > 1" + ")" * 200, "too deep"),
        ("rating > 1; rating", "cannot be read"),
        (3, "must be a text"),
        (["rating > 3"], "must be a text"),
        (True, "must be a text"),
    ],
)
def test_what_cannot_be_read_says_how_it_is_written(positive, why):
    with pytest.raises(ConfigError, match="positive=") as caught:
        read(LOG, positive=positive)
    assert why in str(caught.value)
    assert 'positive="rating >= 4"' in str(caught.value)


@pytest.mark.parametrize(
    ("positive", "words"),
    [
        ("ratng >= 4", ["no column 'ratng'", "Did you mean 'rating'"]),
        ("kind >= 4", ["'kind'", "must hold numbers", "buy"]),
        ("rating > 5", ["leaves no event", "Values go from 1 to 5"]),
        (pl.col("ratng") > 3, ["no column 'ratng'"]),
        (pl.col("rating") + 3, ["true or false"]),
        (pl.col("kind") > 3, ["cannot be computed"]),
    ],
)
def test_what_does_not_fit_the_table_is_refused(positive, words):
    with pytest.raises(DataError) as caught:
        read(LOG, positive=positive)
    for word in words:
        assert word in str(caught.value), caught.value


def test_a_rule_is_read_and_never_run():
    assert parse("a.b-c >= -1.5e1 and (x == 'and' or `or` < +3)")
    with pytest.raises(ConfigError):
        parse("rating.__class__ >= 4()")


def test_the_cut_is_the_same_whatever_counts_as_a_choice():
    log = LOG.with_columns(ts=pl.Series([10, 20, 30, 40, 50, 60]))
    cuts = [
        split_by_time(read(log, positive=rule), test=0.5).train.events for rule in ("all", "> 2")
    ]
    assert cuts[0].equals(cuts[1])
