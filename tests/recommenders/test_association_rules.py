import numpy as np
import polars as pl
import pytest

from palate.core.dataset import Dataset
from palate.core.errors import ConfigError
from palate.core.evidence import Evidence
from palate.core.histories import history_of_items
from palate.core.topk import recommend
from palate.pipeline.pipeline import Pipeline, load
from palate.recommenders.association_rules import AssociationRules
from palate.recommenders.covisit import Covisit
from palate.recommenders.item_knn import ItemKNN

PLAIN = {"min_support": 1, "shrink": 0.0}

PLANTED = {  # who chose milk and flour goes on to eggs; either alone leads elsewhere
    ("milk", "flour", "eggs"): 40,
    ("flour", "milk", "eggs"): 15,
    ("milk", "cocoa"): 300,
    ("flour", "yeast"): 250,
    ("cocoa", "tea"): 30,
    ("yeast", "salt"): 25,
}


def planted(*, turned=False):
    rows = [
        (f"{'-'.join(basket)} {number}", item)
        for basket, people in PLANTED.items()
        for number in range(people)
        for item in basket
    ]
    names = ["tea", "eggs", "yeast", "milk", "salt", "cocoa", "flour", "rice"]
    if turned:  # the people in another order, each with what they did, and the items too
        order = sorted({user for user, _ in rows}, key=lambda name: name[::-1])
        rows = sorted(rows, key=lambda row: order.index(row[0]))
        names = names[3:] + names[:3]
    events = pl.DataFrame(rows, schema=["user_id", "item_id"], orient="row")
    titles = [f"The {name}" for name in names]
    return Dataset(events, pl.DataFrame({"item_id": names, "title": titles}))


def first_of(model, data, histories):
    asking = history_of_items(data.item_ids, histories)
    return recommend(model.fit(data), asking, 1).table["item_id"].to_list()


BOTH = [["milk", "flour"], ["flour", "milk"]]


def test_only_a_pair_of_items_implies_the_third():
    """Neither neighbours nor what follows sees it: each item for itself leads elsewhere."""
    data = planted()
    assert first_of(AssociationRules(), data, BOTH) == ["eggs", "eggs"]
    assert first_of(AssociationRules(), data, [["milk"], ["flour"]]) == ["cocoa", "yeast"]
    for blind in (AssociationRules(antecedent=1), ItemKNN(), Covisit()):
        assert "eggs" not in first_of(blind, data, BOTH)


@pytest.mark.parametrize("measure", ["confidence", "lift", "conviction"])
def test_each_measure_finds_the_pair(measure):
    assert first_of(AssociationRules(measure=measure), planted(), BOTH) == ["eggs", "eggs"]


def test_leverage_prefers_what_many_people_bear_out():
    assert "eggs" not in first_of(AssociationRules(measure="leverage"), planted(), BOTH)


def test_measures_by_hand(build):
    """Of five people four chose a, three b, two c; a and b three, a and c two, all one."""
    data = build({"u": "ab", "v": "abc", "w": "ab", "x": "ac", "y": "d"})
    table = AssociationRules(**PLAIN).fit(data).rules_
    one = {
        ("".join(sides), item): rest for sides, item, *rest in table.drop("strength").iter_rows()
    }
    assert one["a", "b"] == pytest.approx([3, 3 / 4, 5 / 4, (2 / 5) / (1 / 4), 3 / 5 - 12 / 25])
    assert one["c", "a"] == pytest.approx([2, 1, 5 / 4, (1 / 5) / (1 / 4), 2 / 5 - 8 / 25])


def test_a_longer_rule_must_say_more_than_a_shorter_one(build):
    """b and c alone say a as surely as both; what a and b say of c, b says less surely."""
    data = build({"u": "ab", "v": "abc", "w": "ab", "x": "ac", "y": "bc"})
    sides = AssociationRules(**PLAIN).fit(data).rules_["antecedent"].list.join("").to_list()
    assert "bc" not in sides  # a: 1 of 2; b alone 3 of 4, c alone 2 of 3
    chosen = build({"u": "abc", "v": "abc", "w": "a", "x": "b", "y": "ad", "z": "bd"})
    rules = AssociationRules(**PLAIN).fit(chosen).rules_
    longer = rules.filter(pl.col("antecedent").list.len() == 2, pl.col("item_id") == "c")
    assert longer.select("antecedent", "support", "confidence").rows() == [(["a", "b"], 2, 1.0)]


def test_in_order_only_what_came_later_counts(build):
    data = build({"u": "ab", "v": "ab", "w": "ba", "x": "ab"}, times=[1, 2, 3, 4, 5, 6, 7, 7])
    asking = history_of_items(data.item_ids, [["a"], ["b"]])
    after_a, after_b = AssociationRules(**PLAIN, ordered=True).fit(data).score(asking)
    assert (after_a[1], after_b[0]) == (0.5, 0.25)
    any_order = AssociationRules(**PLAIN).fit(data).score(asking)
    assert (any_order[0, 1], any_order[1, 0]) == (1.0, 1.0)


def test_a_pair_in_order_has_both_before_the_third(build):
    data = build({"u": "abc", "v": "bac", "w": "cab", "x": "acd", "y": "bd", "z": "ad"})
    for ordered, rule in ((True, (2, 2 / 3)), (False, (3, 1.0))):
        rules = AssociationRules(**PLAIN, ordered=ordered).fit(data).rules_
        both = rules["antecedent"].list.join("") == "ab"
        found = rules.filter(both & (rules["item_id"] == "c"))
        assert found.select("support", "confidence").rows() == [pytest.approx(rule)]


def test_the_best_rule_or_the_sum_of_all(build):
    data = build({"u": "ac", "v": "ac", "w": "bc", "x": "b", "y": "a"})
    asking = history_of_items(data.item_ids, [["a", "b"]])
    best, total = (
        AssociationRules(**PLAIN, combine=how).fit(data).score(asking)[0, 2]
        for how in ("best", "sum")
    )
    assert (best, total) == pytest.approx((2 / 3, 2 / 3 + 1 / 2))


@pytest.mark.parametrize(
    ("setting", "rules"),
    [({"min_support": 2}, 2), ({"min_confidence": 0.6}, 3), ({"rules": 1}, 3), ({}, 4)],
)
def test_rules_that_few_bear_out_or_that_often_fail_are_left_out(build, setting, rules):
    """a → c and c → a are borne out by two, b → c (1 of 1) and c → b (1 of 3) by one."""
    data = build({"u": "ac", "v": "ac", "w": "bc", "x": "d"})
    assert len(AssociationRules(**{**PLAIN, **setting}).fit(data).rules_) == rules


def test_the_pairs_of_most_people_are_asked_about(build):
    data = build({"u": "abc", "v": "abc", "w": "abd", "x": "a", "y": "b", "z": "c"})
    sides = AssociationRules(**PLAIN, max_pairs=1).fit(data).sides_
    assert sides[len(data.item_ids) :].tolist() == [[0, 1]]


def test_below_the_rules_stands_what_is_popular_and_new_items_last(known, arrivals):
    model = AssociationRules(min_support=2).fit(known).add_items(arrivals)
    scores = model.score(history_of_items(model.item_ids_, [["a"], [], ["f"]]))
    assert scores[0, 1] == scores[0].max()
    assert scores[0, 2] > scores[0, 3] > scores[0, 4] == scores[0, 5]
    assert (scores[1:].argmax(axis=1) == 1).all()


def test_the_rule_that_speaks_names_its_items(arrivals):
    data = planted()
    model = AssociationRules().fit(data).add_items(arrivals)
    milk, flour, eggs, cocoa = data.item_ids.rows(["milk", "flour", "eggs", "cocoa"]).tolist()
    asking = history_of_items(model.item_ids_, [*[["flour", "milk"]] * 2, ["f"], []])
    found = model.evidence(asking, np.int32([eggs, cocoa, eggs, eggs]))
    one, other = sorted([milk, flour])
    assert found == [
        Evidence("together", one, other),
        Evidence("together", milk),
        *[Evidence("popular")] * 2,
    ]


def test_reasons_count_who_chose_both(tmp_path):
    model = Pipeline(encoders={}, recommender=AssociationRules()).fit(planted())
    found = model.recommend(history=["milk", "flour"], k=1, reasons=True).table
    sentence = "55 people who chose “The milk” and “The flour” went on to choose it"
    assert found["reasons"].to_list() == [sentence]
    model.save(tmp_path / "model")
    again = load(tmp_path / "model").recommend(history=["milk", "flour"], k=1, reasons=True)
    assert again.table.equals(found)


def test_rows_may_stand_in_any_order():
    rules = [AssociationRules().fit(planted(turned=turned)).rules_ for turned in (False, True)]
    sides = [
        table.with_columns(pl.col("antecedent").list.sort()).sort(
            pl.col("antecedent").list.join("+"), "item_id"
        )
        for table in rules
    ]
    assert sides[0].equals(sides[1])


def test_nobody_and_nothing(known):
    nothing = Dataset(known.interactions.clear(), known.items)
    model = AssociationRules().fit(nothing)
    assert not model.score(history_of_items(known.item_ids, [["a"]])).any()
    assert not len(model.rules_)


@pytest.mark.parametrize(
    "setting",
    [{"antecedent": 3}, {"min_support": 0}, {"min_confidence": 2}, {"measure": "cosine"}],
)
def test_settings_that_cannot_work_raise(setting):
    with pytest.raises(ConfigError, match=next(iter(setting))):
        AssociationRules(**setting)
