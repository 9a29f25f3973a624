"""What speaks against items: beside the choices, in order, wherever data and histories are cut."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from palate.core.dataset import Dataset
from palate.core.errors import AlignmentError
from palate.core.histories import dataset_of, event_rows, histories_of
from palate.core.ids import Ids
from palate.core.order import settled
from palate.core.topk import with_last
from palate.data.clean import clean

EVENTS = [
    # person, item, time, value: what is below 3 is no choice
    ("u", "a", 1.0, 5.0),
    ("v", "b", 2.0, 1.0),
    ("u", "b", 3.0, 2.0),
    ("u", "c", 4.0, 4.0),
    ("v", "c", 5.0, 3.0),
    ("w", "b", 6.0, 1.0),
    ("u", "d", 7.0, 1.0),
    ("v", "a", 8.0, 5.0),
]
ITEMS = pl.DataFrame({"item_id": list("abcde")})


def dataset(events=EVENTS, *, times=True):
    table = pl.DataFrame(events, schema=["user_id", "item_id", "timestamp", "value"], orient="row")
    table = table if times else table.drop("timestamp")
    data = Dataset(table.clear(), ITEMS)
    return data.with_events(table, (table["value"] >= 3).to_numpy())


def items(histories):
    return [
        "".join(histories.item_ids[row] for row in histories.row(n)) for n in range(len(histories))
    ]


@pytest.mark.parametrize("times", [True, False])
def test_choices_and_what_speaks_against_items_are_together_in_order(times):
    data = dataset(times=times)
    assert "".join(data.interactions["item_id"]) == "acca"
    assert "".join(data.against["item_id"]) == "bbbd"
    assert "".join(data.events["item_id"]) == "abbccbda"
    assert data.chosen.tolist() == [value >= 3 for *_, value in EVENTS]
    assert data.user_ids.tolist() == ["u", "v", "w"], "whoever chose nothing comes last"
    assert data.item_counts.tolist() == [2, 0, 2, 0, 0]
    assert [data.item_ids[row] for row in data.event_items] == [event[1] for event in EVENTS]
    assert [data.user_ids[row] for row in data.event_users] == [event[0] for event in EVENTS]


@pytest.mark.parametrize("times", [True, False])
def test_every_part_of_the_events_stays_in_order(times):
    data = dataset(times=times)
    rng = np.random.default_rng(0)
    for _ in range(20):
        kept = rng.random(len(EVENTS)) < 0.6
        kept[0], kept[1] = True, True
        part = data.part(kept)
        again = rng.random(int(kept.sum())) < 0.7
        assert part.events["value"].to_list() == data.events["value"].filter(kept).to_list()
        twice = part.part(again)
        assert twice.events["value"].to_list() == part.events["value"].filter(again).to_list()


def test_other_events_bring_nothing_against_items():
    """What was said later is not known where some of the events are."""
    data = dataset()
    assert data.with_interactions(data.interactions.head(1)).against is None
    assert data.every().against is None
    assert data.every().events.equals(data.events)


def test_histories_hold_both_apart():
    asking = histories_of(dataset())
    assert items(asking) == ["ac", "ca", ""]
    assert items(asking.against) == ["bd", "b", "b"]
    assert asking.chosen().toarray().tolist()[0] == [1, 0, 1, 0, 0]
    assert asking.seen().toarray().tolist()[0] == [1, 1, 1, 1, 0]
    assert asking.matrix().toarray()[0, 1] == 0
    assert items(asking.every()) == ["abcd", "bca", "b"]


def test_whatever_is_done_to_histories_keeps_what_was_turned_down():
    asking = histories_of(dataset())
    turned = asking.take(np.array([2, 0]))
    assert items(turned.against) == ["b", "bd"]
    assert items(turned.compact().against) == ["b", "bd"]
    assert items(asking.last(1).against) == ["bd", "b", "b"]
    grown = Ids(list("abcdef"))
    assert asking.in_catalogue(grown).against.item_ids is grown
    other = Ids(list("edcba"))
    moved = turned.renumbered(other, np.array([4, 3, 2, 1, 0], dtype=np.int32))
    assert items(moved.against) == ["b", "bd"]
    with pytest.raises(AlignmentError, match="one row a request"):
        replace(asking, against=turned.against)


def test_shorter_histories_know_nothing_that_came_later():
    asking = histories_of(dataset())
    shorter = asking.without_last(1)
    assert items(shorter) == ["a", "c", ""]
    assert items(shorter.against) == ["b", "b", "b"], "u turned d down after c"
    assert items(asking.without_last(2).against) == ["", "b", "b"]
    assert items(asking.first(asking.lengths).against) == ["bd", "b", "b"]
    without = histories_of(dataset(times=False)).without_last(1)
    assert items(without.against) == ["", "", "b"], "without times nobody knows what came later"


def test_data_made_of_histories_hold_both():
    data = dataset()
    asking = histories_of(data)
    part = dataset_of(asking.without_last(1), data)
    assert sorted(part.interactions["item_id"]) == ["a", "c"]
    assert sorted(part.against["item_id"]) == ["b", "b", "b"]
    assert part.against.columns == part.interactions.columns
    assert sorted(part.events["value"]) == [1, 1, 2, 3, 5]


def test_events_are_found_again_among_all():
    data = dataset()
    every = histories_of(data).every()
    rows = event_rows(every, data.every())
    assert [data.events["item_id"][row] for row in rows.tolist()] == list("abcdbcab")


def test_the_order_of_rows_moves_nothing():
    data = dataset()
    turned = Dataset(
        data.interactions, ITEMS.reverse(), against=data.against, positive=data.positive
    )
    one, other = (settled(known)[0] for known in (data, turned))
    assert one.events.equals(other.events)


def met(pairs):
    """Each item chosen by some people and turned down by others."""
    rows = []
    for item, (likes, dislikes) in pairs.items():
        rows += [(f"u{n}", item, 0.0, 5.0) for n in range(likes)]
        rows += [(f"u{n + likes}", item, 0.0, 1.0) for n in range(dislikes)]
    return dataset(sorted(rows))


@pytest.mark.parametrize(
    ("pairs", "wanted"),
    [
        ({"a": (30, 0), "b": (0, 30)}, "b"),
        ({"a": (30, 2), "b": (0, 3)}, "b"),
        ({"a": (30, 2), "b": (0, 1)}, ""),
        ({"a": (30, 5), "b": (20, 12)}, ""),
        ({"a": (30, 5), "b": (4, 30)}, "b"),
        ({"a": (2, 60), "b": (0, 9)}, ""),
        ({"a": (5, 95), "b": (0, 60)}, "b"),
    ],
)
def test_which_items_are_turned_down(pairs, wanted):
    data = met(pairs)
    assert "".join(data.item_ids[row] for row in data.turned_down) == wanted


def test_one_person_who_says_it_ten_times_is_one_person():
    rows = [(f"u{n}", "a", 0.0, 5.0) for n in range(20)] + [("v", "b", 0.0, 1.0)] * 10
    assert not len(dataset(rows).turned_down)
    assert not len(dataset([("u", "a", 0.0, 5.0)]).turned_down)


def test_what_is_turned_down_stands_below_all_others_in_its_own_order():
    scores = np.array([[3.0, 9.0, 1.0, 7.0], [0, 0, 0, 0], [-2, -1, -3, -9]], dtype=np.float32)
    rows = np.array([1, 3], dtype=np.int32)
    below = with_last(scores, rows)
    assert (below[:, rows].max(axis=1) < below[:, [0, 2]].min(axis=1)).all()
    assert below[0, 1] > below[0, 3]
    assert (below[:, [0, 2]] == scores[:, [0, 2]]).all()
    assert with_last(scores, np.arange(4, dtype=np.int32)) is scores


def test_cleaning_keeps_each_event_what_it_was():
    data = dataset([*EVENTS, EVENTS[2], EVENTS[3]])
    tidy = clean(data)
    assert sorted(tidy.events.rows()) == sorted(EVENTS)
    assert len(tidy.against) == 4
    cored = clean(data, min_item_events=1, min_user_events=1)
    assert cored.item_ids.tolist() == ["a", "c"], "an item is left for its choices"
    assert not len(cored.against)
    scaled = clean(data, normalise={"value": "minmax"})
    assert scaled.against["value"].max() == 0.25
    assert scaled.interactions["value"].max() == 1.0
