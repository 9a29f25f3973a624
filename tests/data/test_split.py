import numpy as np
import polars as pl
import pytest

from palate.core.dataset import Dataset
from palate.core.errors import ConfigError, DataError
from palate.data.split import (
    SPLITS,
    inner_split,
    split_by_time,
    split_cold_items,
    split_given,
    split_leave_last_out,
)

EVENTS = [
    ("u", "a", 10.0, 5.0),
    ("v", "b", 20.0, 4.0),
    ("u", "b", 30.0, 3.0),
    ("w", "c", 40.0, 2.0),
    ("u", "c", 50.0, 1.0),
    ("v", "d", 60.0, 2.0),
    ("u", "d", 70.0, 3.0),
    ("x", "a", 80.0, 4.0),
    ("v", "a", 90.0, 5.0),
    ("x", "e", 90.0, 1.0),
]
CATALOGUE = ["new", "e", "d", "c", "b", "a"]


def dataset(events=EVENTS, columns=("user_id", "item_id", "timestamp", "value")):
    log = pl.DataFrame(events, schema=list(columns), orient="row")
    return Dataset(log, pl.DataFrame({"item_id": CATALOGUE}))


def asked(split):
    """[(person, history, answers)] of all requests, as ids."""
    names = split.histories.item_ids
    sealed = split.sealed
    return [
        (
            split.histories.user_ids[row],
            "".join(names[item] for item in split.histories.row(row)),
            "".join(names[item] for item in sealed.items[sealed.starts[row] : sealed.stops[row]]),
        )
        for row in range(len(split.histories))
    ]


def trained(split):
    return "".join(split.train.interactions["item_id"])


def cold_items(split):
    return [split.train.item_ids[row] for row in split.cold_items]


def test_time_with_rolling_histories():
    split = split_by_time(dataset(), test=0.4)
    assert asked(split) == [("u", "abc", "d"), ("x", "", "a"), ("v", "bd", "a"), ("x", "a", "e")]
    assert trained(split) == "abbccd"
    assert cold_items(split) == ["new", "e"]
    assert split.sealed.values.tolist() == [3, 4, 5, 1]
    assert split.histories.times[split.histories.starts[2] : split.histories.stops[2]].tolist() == [
        20,
        60,
    ]
    assert split.train.items.height == len(CATALOGUE)
    assert (split.name, split.exclude_seen) == ("time", True)
    assert split_by_time(dataset(), exclude_seen=False).exclude_seen is False


def test_events_at_the_cut_are_asked_together():
    for share in (0.05, 0.1, 0.15, 0.2):
        assert [who for who, _, _ in asked(split_by_time(dataset(), test=share))] == ["v", "x"]


def test_time_at_a_moment():
    assert trained(split_by_time(dataset(), at=20)) == "a"
    dated = [(user, item, 1.6e9 + time, value) for user, item, time, value in EVENTS]
    assert trained(split_by_time(dataset(dated), at="2020-09-13T12:27:00Z")) == "a"


def test_unordered_events_are_put_in_order():
    mixed = dataset([EVENTS[row] for row in (7, 2, 9, 0, 8, 4, 1, 6, 3, 5)])
    assert sorted(asked(split_by_time(mixed, test=0.4))) == sorted(
        asked(split_by_time(dataset(), test=0.4))
    )


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"test": 0.0}, ConfigError, "above 0"),
        ({"test": 1.0}, ConfigError, "below 1"),
        ({"test": 0.99}, DataError, "no event to learn from"),
        ({"at": 5}, DataError, "no event to learn from"),
        ({"at": 99}, DataError, r"cut at 99 \(.* from 10 to 90\) leaves no event to ask about"),
        ({"at": 5, "test": 0.2}, ConfigError, "give test= or at=, not both"),
        ({"test": 20}, ConfigError, "write 0.2 for 20 %"),
        ({"test": 200}, ConfigError, "below 1$"),
        ({"at": "tomorrow"}, DataError, 'at="tomorrow" is no moment'),
    ],
)
def test_times_that_split_nothing(settings, error, message):
    with pytest.raises(error, match=message):
        split_by_time(dataset(), **settings)


def test_a_cut_outside_of_the_events_is_told_in_dates():
    dated = [(user, item, 1.6e9 + time, value) for user, item, time, value in EVENTS]
    with pytest.raises(DataError) as error:
        split_by_time(dataset(dated), at=1735689600)
    assert str(error.value) == (
        "the cut at 2025-01-01 (the events are from 2020-09-13 12:26:50 to 2020-09-13 12:28:10) "
        "leaves no event to ask about; choose another test= or at="
    )


def test_time_holds_back_a_fifth_unless_told_otherwise():
    assert asked(split_by_time(dataset())) == asked(split_by_time(dataset(), test=0.2))
    assert len(asked(split_by_time(dataset()))) == 2


def test_time_needs_times():
    data = dataset([event[:2] for event in EVENTS], ("user_id", "item_id"))
    with pytest.raises(DataError, match="needs times"):
        split_by_time(data)
    same = dataset([(user, item, 1.0, value) for user, item, _, value in EVENTS])
    with pytest.raises(DataError, match="no event to learn from"):
        split_by_time(same)


def test_leave_last_out():
    split = split_leave_last_out(dataset())
    assert asked(split) == [("u", "abc", "d"), ("v", "bd", "a")]
    assert trained(split) == "abbccdae"
    assert cold_items(split) == ["new"]
    assert split.sealed.values.tolist() == [3, 5]
    assert asked(split_leave_last_out(dataset(), min_events=1)) == [
        ("w", "", "c"),
        ("u", "abc", "d"),
        ("v", "bd", "a"),
        ("x", "a", "e"),
    ]


def test_leave_last_out_with_validation():
    split = split_leave_last_out(dataset(), validation=True)
    assert asked(split) == [("u", "abc", "d"), ("v", "bd", "a")]
    assert trained(split) == "abbcae"
    inner = inner_split(split)
    assert asked(inner) == [("u", "ab", "c"), ("v", "b", "d")]
    assert inner.train is split.train
    assert cold_items(split) == ["new", "d"]


def test_leave_last_out_keeps_the_last_answer_out_of_reach():
    split = split_leave_last_out(dataset())
    assert len(split.histories.items) == 5
    assert len(split_by_time(dataset(), test=0.4).histories.items) == 6


@pytest.mark.parametrize(
    ("settings", "error"), [({"min_events": 0}, ConfigError), ({"min_events": 9}, DataError)]
)
def test_leave_last_out_settings_that_cannot_work(settings, error):
    with pytest.raises(error, match="min_events"):
        split_leave_last_out(dataset(), **settings)
    with pytest.raises(ConfigError, match="min_events=1"):
        split_leave_last_out(dataset(), validation=True, min_events=1)


def test_new_items_are_asked_with_training_histories():
    for seed in range(20):
        split = split_cold_items(dataset(), share=0.4, seed=seed)
        held = set(cold_items(split))
        if held == {"a", "d"}:
            break
    assert asked(split) == [
        ("u", "", "a"),
        ("v", "b", "d"),
        ("u", "bc", "d"),
        ("x", "", "a"),
        ("v", "b", "a"),
    ]
    assert trained(split) == "bbcce"


def test_new_items_depend_on_ids_and_seed_alone():
    data = dataset()
    other = Dataset(data.interactions.reverse(), data.items.reverse())
    drawn = [cold_items(split_cold_items(data, share=0.4, seed=seed)) for seed in range(8)]
    assert [
        sorted(cold_items(split_cold_items(other, share=0.4, seed=seed))) for seed in range(8)
    ] == [sorted(names) for names in drawn]
    assert len({tuple(names) for names in drawn}) > 1
    assert all("new" not in names and len(names) == 2 for names in drawn)
    with pytest.raises(ConfigError, match="share"):
        split_cold_items(data, share=1.5)
    with pytest.raises(DataError, match="no event to learn from"):
        split_cold_items(dataset([EVENTS[0]]))


def test_given_takes_the_parts_at_their_word():
    split = split_given(dataset(EVENTS[4:8]), dataset(EVENTS[:2] + EVENTS[8:]))
    assert asked(split) == [("u", "cd", "a"), ("v", "d", "b"), ("v", "db", "a"), ("x", "a", "e")]
    assert trained(split) == "cdda"
    assert cold_items(split) == ["new", "e", "b"]


def test_given_with_all_answers_of_a_person_at_once():
    split = split_given(dataset(EVENTS[4:8]), dataset(EVENTS[:2] + EVENTS[8:]), rolling=False)
    assert asked(split) == [("u", "cd", "a"), ("v", "d", "ba"), ("x", "a", "e")]
    assert split.sealed.values.tolist() == [5, 4, 5, 1]
    assert len(split.histories.items) == 4


def test_given_from_files(tmp_path):
    frame = pl.DataFrame(EVENTS, schema=["user", "thing", "ts", "rating"], orient="row")
    frame[:8].write_csv(tmp_path / "train.csv")
    frame[8:].write_parquet(tmp_path / "test.parquet")
    items = pl.DataFrame({"thing": CATALOGUE, "title": [name.upper() for name in CATALOGUE]})
    split = split_given(
        tmp_path / "train.csv", tmp_path / "test.parquet", items, columns={"thing": "item_id"}
    )
    assert asked(split) == [("v", "b", "a")], "e is no answer: it was given the least of the scale"
    assert [split.train.item_ids[row] for row in split.histories.against.row(0)] == ["d"]
    assert split.train.items["title"].to_list() == [name.upper() for name in CATALOGUE]


def test_given_parts_are_read_by_one_rule():
    """What is a choice in the training part is one in the test part, whatever range that has."""
    schema = ["user", "item", "ts", "rating"]
    train = [("u", "a", 1, 1), ("u", "b", 2, 10), ("v", "a", 3, 9), ("v", "c", 4, 3)]
    test = pl.DataFrame([("u", "c", 5, 5), ("v", "b", 6, 6)], schema=schema, orient="row")
    train = pl.DataFrame(train, schema=schema, orient="row")
    split = split_given(train, test)
    assert split.train.positive == "value >= 5.5 and value >= mean - 2.25"
    assert asked(split) == [("v", "a", "b")]
    assert [split.train.item_ids[row] for row in split.histories.against.row(0)] == ["c"]
    assert len(split_given(train, test, positive="all").histories) == 2


def test_given_without_a_catalogue_joins_both():
    columns = ["user_id", "item_id", "timestamp", "value"]
    frame = pl.DataFrame(EVENTS, schema=columns, orient="row")
    split = split_given(frame[:8], frame[8:])
    assert split.train.item_ids.tolist() == ["a", "b", "c", "d", "e"]
    assert cold_items(split) == ["e"]
    assert split.histories.item_ids == split.train.item_ids


def test_given_parts_must_hold_something():
    data = dataset()
    with pytest.raises(DataError, match="no event to ask about"):
        split_given(data, data.with_interactions(data.interactions.clear()))


def test_given_data_sets_leave_nothing_to_read():
    data, items = dataset(), pl.DataFrame({"thing": CATALOGUE})
    for given in ({"items": items}, {"users": items}, {"columns": {"thing": "item_id"}}):
        (name,) = given
        with pytest.raises(DataError, match=rf"nothing is read with '{name}'.*palate\.read"):
            split_given(data, data, **given)
    frame = pl.DataFrame(EVENTS[8:], schema=["user", "thing", "ts", "rating"], orient="row")
    given = {"columns": {"thing": "item_id"}, "positive": "all"}
    split = split_given(dataset(EVENTS[:8]), frame, items, **given)
    assert asked(split) == [("v", "bd", "a"), ("x", "a", "e")]


def test_given_uses_the_columns_of_both():
    test = dataset([event[:2] for event in EVENTS[8:]], ("user_id", "item_id"))
    split = split_given(dataset(EVENTS[:8]), test)
    assert asked(split) == [("v", "bd", "a"), ("x", "a", "e")]
    assert split.histories.times is None
    assert split.sealed.values is None


def test_inner_splits_stay_inside_training():
    data = dataset()
    by_time = split_by_time(data, at=70)
    inner = inner_split(by_time)
    assert asked(inner) == [("u", "ab", "c"), ("v", "b", "d")]
    assert trained(inner) == "abbc"
    last = inner_split(split_leave_last_out(data))
    assert asked(last) == [("u", "ab", "c"), ("v", "b", "d"), ("x", "a", "e")]
    outer = split_cold_items(data, share=0.4)
    inner = inner_split(outer)
    assert not set(cold_items(inner)) & set(cold_items(outer))
    assert set(trained(inner)) < set(trained(outer))
    assert inner_split(split_given(dataset(EVENTS[:6]), dataset(EVENTS[6:]))).name == "time"


def test_a_person_alone():
    alone = [event for event in EVENTS if event[0] == "u"]
    assert asked(split_by_time(dataset(alone), test=0.5)) == [("u", "ab", "c"), ("u", "abc", "d")]
    assert asked(split_leave_last_out(dataset(alone))) == [("u", "abc", "d")]


def test_repeats_stay_in_the_histories():
    again = dataset(
        [("u", "a", 1.0, 1.0), ("u", "b", 2.0, 1.0), ("u", "a", 3.0, 1.0), ("u", "a", 4.0, 1.0)]
    )
    assert asked(split_leave_last_out(again)) == [("u", "aba", "a")]


def test_weights_and_kinds_travel():
    data = dataset()
    weighted = data.with_interactions(
        data.interactions.with_columns(weight=pl.Series(np.arange(10), dtype=pl.Float32))
    )
    histories = split_by_time(weighted, test=0.4).histories
    assert histories.weights[histories.starts[0] : histories.stops[0]].tolist() == [0, 2, 4]
    assert histories.items.dtype == np.int32
    assert histories.weights.dtype == np.float32
    assert histories.starts.dtype == np.int64


def test_the_names_of_splits():
    assert sorted(SPLITS) == ["cold_items", "given", "leave_last_out", "time"]
    assert SPLITS["time"](dataset(), test=0.4).name == "time"
