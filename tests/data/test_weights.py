"""`weight`: what an event weighs, as somebody says it."""

import numpy as np
import polars as pl
import pytest

from palate.core.errors import ConfigError, DataError
from palate.data.read import read
from palate.data.split import split_given
from palate.data.weights import FEW, MOST, parse_weight, weighted_columns

LOG = pl.DataFrame(
    {
        "user": list("aabbab"),
        "item": list("xyxyzz"),
        "dwell": [1.0, 3.0, 2.0, 2.0, None, 4.0],
        "Number Sold": [1, 1, 1, 3, 1, 1],
        "ts": [1, 2, 3, 4, 5, 6],
    }
)


def weights(rule, log=LOG, **options):
    return read(log, weight=rule, **options).weights


def test_the_usual_event_so_far_weighs_one():
    so_far = np.array([1, 2, 2, 2, 2, 12 / 5])
    expected = np.array([1, 3, 2, 2, 2, 4]) / so_far
    np.testing.assert_allclose(weights("dwell"), expected, rtol=1e-6)


@pytest.mark.parametrize(("per", "own"), [("person", "aabbab"), ("item", "xyxyzz")])
def test_a_mean_of_ones_own_starts_at_that_of_all(per, own):
    amounts = [1.0, 3.0, 2.0, 2.0, None, 4.0]
    expected = []
    for place, amount in enumerate(amounts):
        known = [a for a in amounts[: place + 1] if a is not None]
        mine = [
            a
            for a, who in zip(amounts[: place + 1], own, strict=False)
            if a is not None and who == own[place]
        ]
        mean = (sum(mine) + FEW * np.mean(known)) / (len(mine) + FEW)
        expected.append(1.0 if amount is None else amount / mean)
    np.testing.assert_allclose(weights(f"dwell per {per}"), expected, rtol=1e-6)


def test_nothing_later_decides_what_an_event_weighs():
    for rule in ("dwell", "log(dwell) per person", "sqrt(dwell) * `Number Sold` per item"):
        whole = weights(rule)
        for count in range(1, len(LOG) + 1):
            np.testing.assert_array_equal(weights(rule, LOG.head(count)), whole[:count])


def test_equal_times_weigh_alike_whatever_their_order():
    tied = LOG.with_columns(ts=pl.Series([1, 1, 1, 2, 2, 2]))
    one, other = (read(log, weight="dwell").interactions for log in (tied, tied.reverse()))
    key = ["user_id", "item_id"]
    assert one.sort(key)["weight"].to_list() == pytest.approx(other.sort(key)["weight"].to_list())


def test_amounts_are_cleaned_and_it_is_said():
    lines = []
    log = LOG.with_columns(dwell=pl.Series([1.0, -5.0, 1.0, 1.0, None, 1e9]))
    found = weights("dwell", log, tell=lambda notes: lines.extend(notes.lines()))
    assert found[1] == 0
    assert found[4] == 1
    assert weights("log(dwell)", log).max() <= MOST
    said = "\n".join(map(str, lines))
    for part in ("1 number below 0 counts as 0", "1 event in which that is missing"):
        assert part in said
    many = pl.concat([LOG.with_columns(dwell=pl.lit(1.0))] * 20)
    many = many.with_columns(ts=pl.int_range(pl.len()), dwell=pl.Series([1.0] * 119 + [1e6]))
    assert weights("dwell", many)[-1] == MOST


@pytest.mark.parametrize("broken", [float("nan"), float("inf")])
def test_what_is_no_number_names_its_rows(broken):
    log = LOG.with_columns(dwell=pl.Series([1.0, broken, 1.0, 1.0, 1.0, 1.0]))
    with pytest.raises(DataError, match=r"'dwell' is not finite in row 2"):
        weights("dwell", log)


def test_weights_of_events_are_multiplied():
    log = LOG.with_columns(action=pl.Series(["view", "buy"] * 3))
    both = weights("dwell", log, events={"view": 1, "buy": 3})
    np.testing.assert_allclose(both, weights("dwell", log) * np.array([1, 3] * 3), rtol=1e-6)
    with_column = LOG.with_columns(weight=pl.Series([2.0] * 6))
    assert weights("log(weight)", with_column).tolist() == [1.0] * 6, "named: not counted twice"


def test_a_rule_reads_columns_that_nothing_else_reads():
    data = read(LOG, weight="`Number Sold`")
    assert data.weights[3] == pytest.approx(3 / 1.5)
    assert "Number Sold" not in data.interactions.columns
    assert data.weight == "`Number Sold`"
    assert weighted_columns("log(a) * b + 2 * a per item") == ["a", "b"]


def test_a_given_test_is_read_as_the_training_part_was():
    train = read(LOG, weight="dwell", repeats="once")
    later = pl.DataFrame({"user": list("aaa"), "item": list("xww"), "dwell": [1, 2, 3]})
    later = later.with_columns(ts=pl.Series([7, 8, 9]))
    split = split_given(train, later)
    assert split.histories.item_ids.series.gather(split.sealed.items).to_list() == ["w"]
    more = pl.DataFrame({"user": list("aaa"), "item": list("wxv"), "dwell": 1, "ts": [7, 8, 9]})
    asking = split_given(train, more).histories
    shown = [asking.items[low:high] for low, high in zip(asking.starts, asking.stops, strict=True)]
    assert all(len(np.unique(items)) == len(items) for items in shown), "once in histories, too"
    assert len(shown) == 2
    assert len(shown[1]) == len(shown[0]) + 1
    with pytest.raises(DataError, match="leaves no event to ask about"):
        split_given(train, later.head(1))


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ("", "says nothing"),
        ("log(", "a column is missing"),
        ("log(dwell", "a bracket is not closed"),
        ("exp(dwell)", "no function"),
        ("dwell per day", 'comes "person" or "item"'),
        ("3", "names no column"),
        ("dwell - 2", "cannot be read"),
        ("dwell dwell", "not expected"),
        ("(" * 60 + "dwell" + ")" * 60, "too deep"),
        ("__import__('os')", "cannot be read"),
        (5, "it must be a text"),
    ],
)
def test_what_is_no_rule_is_answered(rule, why):
    with pytest.raises(ConfigError, match=r"weight=") as caught:
        parse_weight(rule)
    assert why in str(caught.value)
    assert 'weight="log(dwell) per person"' in str(caught.value)


def test_other_faults():
    with pytest.raises(DataError, match=r"no column 'dwel', which weight= names\. Did you mean"):
        weights("dwel")
    with pytest.raises(DataError, match="above 0 in none of 6 events"):
        weights("dwell", LOG.with_columns(dwell=pl.lit(0.0)))
    with pytest.raises(ConfigError, match=r'repeats="onec" cannot be used. Did you mean \'once\''):
        read(LOG, repeats="onec")
