import numpy as np
import polars as pl
import pytest

from palate.core.dataset import Dataset
from palate.core.errors import AlignmentError, ConfigError, UnknownIdError
from palate.core.features import Features
from palate.core.histories import history_of_items
from palate.core.ids import Ids
from palate.core.types import FitContext, Recommendations
from palate.recommenders.rerankers.diversity import Diversity

VECTORS = {"a": [1, 0], "b": [0.96, 0.28], "c": [0, 2], "d": [-1, 0], "e": [0.6, 0.8]}


@pytest.fixture
def data():
    items = pl.DataFrame({"item_id": list(VECTORS)})
    return Dataset(interactions=pl.DataFrame({"user_id": ["u"], "item_id": ["a"]}), items=items)


@pytest.fixture
def features(data):
    return Features(
        data.item_ids, {"text": np.array(list(VECTORS.values())), "one": np.ones((5, 1))}
    )


def ranked(*lists):
    rows = [
        (user, item, score, rank)
        for user, items in lists
        for rank, (item, score) in enumerate(items, start=1)
    ]
    schema = {"user_id": pl.String, "item_id": pl.String, "score": pl.Float32, "rank": pl.Int32}
    return Recommendations(pl.DataFrame(rows, schema=schema, orient="row"))


def picked(model, recommendations, data):
    table = model.rerank(recommendations, history_of_items(data.item_ids, [])).table
    return table.select("user_id", "item_id", "rank").rows()


BEST_FIRST = [("a", 10.0), ("b", 9.0), ("e", 6.0), ("c", 4.0), ("d", 0.0)]


def test_picks_by_hand(data, features):
    # relevance a 1, b .9, e .6, c .4, d 0; after a: b .45 - .48, e .3 - .3, c .2 - 0, d 0 + .5
    # after d: b -.03, e 0, c .2 - 0 (c is at right angles to both)
    model = Diversity(weight=0.5, k=3, block="text").fit(data, FitContext(items=features))
    found = picked(model, ranked(("u", BEST_FIRST)), data)
    assert found == [("u", "a", 1), ("u", "d", 2), ("u", "c", 3)]


def test_no_weight_keeps_the_order_and_cuts(data, features):
    model = Diversity(weight=0.0, k=2).fit(data, FitContext(items=features))
    found = picked(model, ranked(("u", BEST_FIRST)), data)
    assert found == [("u", "a", 1), ("u", "b", 2)]


def test_only_candidates_can_be_picked(data, features):
    model = Diversity(weight=1.0, k=2, candidates=3, block="text").fit(
        data, FitContext(items=features)
    )
    found = picked(model, ranked(("u", BEST_FIRST)), data)
    assert found == [("u", "a", 1), ("u", "e", 2)]


def test_blocks_are_averaged(data, features):
    model = Diversity(weight=0.5, k=2).fit(data, FitContext(items=features))
    # the second block calls all alike: c .2 - .25, d 0 + 0, b .45 - .49, e .3 - .4
    assert picked(model, ranked(("u", BEST_FIRST)), data)[1] == ("u", "d", 2)


def test_what_lacks_a_block_is_not_unlike_all(data, features):
    """b lacks the second block: its likeness to a is that of the first, not half of it."""
    ones = np.array([[1], [0], [1], [1], [1]])
    gappy = features.with_parts({"text": features.parts["text"], "one": ones})
    model = Diversity(weight=0.5, k=2).fit(data, FitContext(items=gappy))
    best = [("a", 10.0), ("b", 9.0), ("c", 8.7), ("d", 0.0)]
    # after a: b .45 - .48 (.45 - .24 with half of it), c .435 - .25
    assert picked(model, ranked(("u", best)), data)[1] == ("u", "c", 2)


def test_each_request_is_its_own_even_of_one_person(data, features):
    model = Diversity(weight=0.9, k=2, block="text").fit(data, FitContext(items=features))
    lists = ranked(
        ("u", BEST_FIRST), ("u", [("c", 1.0), ("e", 0.9), ("a", 0.8)]), ("v", [("b", 3.0)])
    )
    assert picked(model, lists, data) == [
        ("u", "a", 1),
        ("u", "d", 2),
        ("u", "c", 1),
        ("u", "a", 2),
        ("v", "b", 1),
    ]


def test_scores_and_other_columns_travel(data, features):
    model = Diversity(weight=0.5, k=3, block="text").fit(data, FitContext(items=features))
    lists = Recommendations(
        ranked(("u", BEST_FIRST)).table.with_columns(reasons=pl.col("item_id") + "!")
    )
    table = model.rerank(lists, history_of_items(data.item_ids, [["a"]])).table
    assert table["score"].to_list() == [10, 0, 4]
    assert table["reasons"].to_list() == ["a!", "d!", "c!"]
    assert table.schema == lists.table.schema


def test_new_items_take_part(data, features):
    model = Diversity(weight=0.5, k=2, block="text").fit(data, FitContext(items=features))
    lists = ranked(("u", [("a", 2.0), ("b", 1.9), ("f", 1.0)]))
    with pytest.raises(UnknownIdError, match="'f'"):
        model.rerank(lists, history_of_items(data.item_ids, []))
    arrived = Features(Ids(["f"]), {"text": np.array([[0, 1]]), "one": np.ones((1, 1))})
    assert picked(model.add_items(arrived), lists, data)[1] == ("u", "f", 2)


def test_without_k_everything_stays(data, features):
    model = Diversity(weight=0.5, candidates=4, block="text").fit(data, FitContext(items=features))
    found = picked(model, ranked(("u", BEST_FIRST), ("v", [("c", 1.0)])), data)
    # among four, relevance is a 1, b .83, e .33, c 0; after a: c 0, e -.13, b -.06; after c: b -.06
    assert [item for _, item, _ in found] == ["a", "c", "b", "e", "d", "c"]
    assert [rank for *_, rank in found] == [1, 2, 3, 4, 5, 1]


def test_nothing_stays_nothing(data, features):
    model = Diversity().fit(data, FitContext(items=features))
    assert picked(model, ranked(), data) == []


def test_features_are_needed(data, features):
    with pytest.raises(ConfigError, match="features"):
        Diversity().fit(data)
    with pytest.raises(AlignmentError, match="other items"):
        Diversity().fit(data, FitContext(items=features.take(np.array([4, 3, 2, 1, 0]))))
    with pytest.raises(ConfigError, match="Did you mean 'text'"):
        Diversity(block="texts").fit(data, FitContext(items=features))


@pytest.mark.parametrize("setting", [{"weight": 1.5}, {"k": 0}, {"k": 101}, {"candidates": 0}])
def test_settings_that_cannot_work_raise(setting):
    with pytest.raises(ConfigError, match=next(iter(setting))):
        Diversity(**setting)
