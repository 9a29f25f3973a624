"""Events that came later: as if they had been in the table from the beginning."""

import polars as pl
import pytest

import palate
from palate.core.errors import ConfigError, DataError
from palate.data.later import with_later_events


def log(count=40):
    """Ratings of 8 people, in order of time, with repeats; every 5th event is a low one."""
    rows = [
        (f"u{n % 8}", f"i{(n * n) % 11}", 1e9 + 3600.0 * n, 1.0 if n % 5 == 0 else 3.0 + n % 3)
        for n in range(count)
    ]
    names = ["who", "what", "when", "rating"]
    return pl.DataFrame(rows, schema=names, orient="row")


GOODS = pl.DataFrame({"item_id": [f"i{n}" for n in range(12)], "title": ["a thing"] * 12})
NAMES = {"who": "user_id", "what": "item_id", "when": "timestamp"}


def read(log_of, **settings):
    return palate.read(log_of, items=GOODS, columns=NAMES, **settings)


def same(one, other):
    assert one.interactions.equals(other.interactions)
    assert (one.against is None) == (other.against is None)
    assert one.against is None or one.against.equals(other.against)
    assert one.event_items.tolist() == other.event_items.tolist()


RULES = {
    "by the scale": {},
    "every event": {"positive": "all"},
    "their name": {"positive": "rating >= 4"},
    "the mean so far": {"positive": "rating >= mean - 0.5"},
    "once": {"repeats": "once"},
    "each": {"repeats": "each", "positive": "rating > 1"},
}


@pytest.mark.parametrize("rule", RULES)
def test_it_is_as_if_all_had_been_there(rule):
    whole = log()
    before = read(whole[:25], **RULES[rule])
    found = with_later_events(whole[25:], before)
    same(found.data, read(whole, **RULES[rule]))
    assert found.added + found.repeats == 15


@pytest.mark.parametrize("rule", RULES)
def test_events_that_are_late_take_their_place(rule):
    """What came in between is known later: it stands among the others by its time."""
    whole = log()
    late = pl.Series([n % 6 == 1 for n in range(40)])
    # the means until then of what is there are those of the fit: nothing is decided again
    settings = RULES[rule] if rule != "the mean so far" else {"positive": "rating >= 3"}
    settings = settings or {"positive": "value >= 3"}
    same(
        with_later_events(whole.filter(late), read(whole.filter(~late), **settings)).data,
        read(whole, **settings),
    )


def test_without_times_they_come_last():
    whole = log().drop("when")
    names = {"who": "user_id", "what": "item_id"}
    before = palate.read(whole[:25], items=GOODS, columns=names)
    found = with_later_events(whole[25:], before).data
    same(found, palate.read(whole, items=GOODS, columns=names))


def test_events_weigh_what_they_did():
    whole = log().with_columns(action=pl.Series(["view", "buy"] * 20)).drop("rating")
    weights = {"view": 1, "buy": 5}
    before = read(whole[:25], events=weights)
    same(with_later_events(whole[25:], before).data, read(whole, events=weights))
    with pytest.raises(DataError, match="no weight for 'gift'"):
        with_later_events(whole[25:].with_columns(action=pl.lit("gift")), before)


@pytest.mark.parametrize("weight", ["log(rating)", "rating per person", "log(rating) per item"])
def test_a_rule_of_weights_is_applied_again(weight):
    whole = log()
    settings = {"positive": "all", "weight": weight}
    before = read(whole[:25], **settings)
    same(with_later_events(whole[25:], before).data, read(whole, **settings))


def test_columns_of_one_and_zero_speak_again():
    whole = log().with_columns(label=pl.Series([n % 3 > 0 for n in range(40)]).cast(int))
    before = read(whole[:25])
    same(with_later_events(whole[25:], before).data, read(whole))


def test_unknown_items_are_counted_and_said():
    events = log(4).with_columns(what=pl.Series(["i1", "x", "y", "x"]))
    found = with_later_events(events, read(log()))
    assert found.added == 1
    assert "left out 3 events of 2 items that the catalogue lacks: 'x', 'y'" in found.unknown


def test_a_day_on_which_nobody_came(tmp_path):
    before = read(log())
    assert with_later_events(log()[:0], before).data is before
    file = tmp_path / "monday.csv"
    log()[:0].write_csv(file)
    assert with_later_events(file, before).added == 0
    strange = log(4).with_columns(what=pl.lit("x"))
    same(with_later_events(strange, before).data, before)


def test_names_may_be_others_now():
    before = read(log(25), positive="rating >= 4")
    now = log()[25:].rename({"who": "userId", "rating": "stars"})
    same(with_later_events(now, before).data, read(log(), positive="rating >= 4"))


def test_what_cannot_be_put_among_them():
    before = read(log(25))
    with pytest.raises(DataError, match="no column for timestamp, and the events"):
        with_later_events(log()[25:].drop("when"), before)
    with pytest.raises(DataError, match="no column for user_id"):
        with_later_events(log()[25:].drop("who"), before)
    with pytest.raises(DataError, match="no column 'rating', which positive= names"):
        with_later_events(log()[25:].drop("rating"), read(log(25), positive="rating >= 4"))
    rule = pl.col("rating") >= 4
    expressed = read(log(25), positive=rule)
    with pytest.raises(ConfigError, match="polars expression, which is not kept: say it again"):
        with_later_events(log()[25:], expressed)
    same(with_later_events(log()[25:], expressed, positive=rule).data, read(log(), positive=rule))
    heavy = log().with_columns(weight=pl.lit(2.0))
    with pytest.raises(DataError, match="no column for weight"):
        with_later_events(log()[25:], read(heavy[:25]))
    same(with_later_events(heavy[25:], read(heavy[:25])).data, read(heavy))


def said_of(rows, **settings):
    """What is told of events that came later, a line each."""
    before = read(log(), **settings)
    found = with_later_events(pl.DataFrame(rows, schema=log().schema, orient="row"), before)
    return found.notes.lines()


def test_ratings_beyond_the_scale_are_told():
    rows = [("u1", "i1", 1e9, 50.0), ("u2", "i1", 1e9, 4.0), ("u2", "i3", 1e9, 7.0)]
    (line,) = [line for line in said_of(rows) if "beyond" in line]
    said = "column 'rating': 2 ratings lie beyond 1 to 5, the scale of the others: '50', '7'"
    assert said in line
    assert not any("beyond" in line for line in said_of([("u1", "i1", 1e9, 5.0)]))
    assert not any("beyond" in line for line in said_of([("u1", "i1", 1e9, 1.0)]))


def test_events_still_to_come_are_told_as_at_the_fit():
    lines = said_of([("u1", "i1", 4.07e9, 5.0), ("u1", "i2", 1e8, 5.0)])
    read_lines = []
    late = pl.DataFrame([("u1", "i1", 4.07e9, 5.0)], log().schema, orient="row")
    whole = pl.concat([log(), late])
    read(whole, tell=lambda notes: read_lines.extend(notes.lines()))
    (later,) = [line for line in lines if "still to come" in line]
    assert "1 event is still to come: '2098-12-21'" in later
    (there,) = [line for line in read_lines if "still to come" in line]
    assert later.endswith(there)
    assert any("1 event lies before 1990: '1973-03-03'" in line for line in lines)


@pytest.mark.parametrize(("flag", "added"), [("label", 5), ("is_click", 0)])
def test_a_day_on_which_nobody_chose_anything(flag, added):
    before = read(log(35).with_columns(pl.Series(flag, [1] * 35)))
    day = log()[35:].with_columns(pl.lit(0).alias(flag))
    found = with_later_events(day, before)
    assert found.added == added
    assert len(found.data.interactions) == len(before.interactions)
    assert len(found.data.events) == len(before.events) + added
