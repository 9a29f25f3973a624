from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from scipy import sparse

from palate.core.columns import ITEM
from palate.core.features import Features
from palate.core.histories import histories_of
from palate.core.ids import Ids
from palate.core.types import FitContext
from palate.recommenders.two_stage import importance
from palate.recommenders.two_stage.importance import (
    COMPARISONS,
    SIGNALS,
    family,
    importances,
    meaning,
)
from palate.recommenders.two_stage.labels import LabelledRows

BLOCKS = ("text", "words")


class Booster:
    """Splits on the first feature twice as much as on the third; the second speaks loudest."""

    def __init__(self):
        self.asked = []

    def feature_importance(self, kind):
        assert kind == "gain"
        return np.array([8.0, 0.0, 4.0])

    def predict(self, rows, pred_contrib):
        assert pred_contrib
        self.asked.append(len(rows))
        return np.tile([1.0, -6.0, 1.0, 100.0], (len(rows), 1)) * rows[:, :1]


def rows_of(count):
    features = np.where(np.arange(count)[:, None] % 2, 1, -1) * np.ones((1, 3))
    names = ["directed (z)", "text:newest", "mix (gap)"]
    parts = tuple(np.array_split(features.astype("f4"), 3))
    return LabelledRows(parts, np.zeros(count, "i1"), np.array([count]), names)


def test_shares_of_gain_and_of_what_moves_the_scores():
    found = importances(Booster(), rows_of(6), BLOCKS)
    assert found["feature"].to_list() == ["directed (z)", "text:newest", "mix (gap)"]
    assert found["family"].to_list() == ["behaviour", "text", "sum of retrievers"]
    assert found["meaning"].to_list() == [
        "followed the recent items, against others",
        "text: like the newest item",
        "all retrievers together, behind the best",
    ]
    np.testing.assert_allclose(found["gain"], [2 / 3, 0, 1 / 3])
    np.testing.assert_allclose(found["contribution"], [1 / 8, 6 / 8, 1 / 8])


def test_no_more_rows_are_measured_than_needed(monkeypatch):
    monkeypatch.setattr(importance, "MEASURED_ROWS", 10)
    booster = Booster()
    importances(booster, rows_of(95), BLOCKS)
    assert 10 <= booster.asked[0] < 20


def test_without_trees_nothing_is_worth_anything():
    found = importances(None, rows_of(4), BLOCKS)
    assert found["gain"].to_list() == found["contribution"].to_list() == [0, 0, 0]


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("text", "text"),
        ("words (z)", "words"),
        ("text:map", "text"),
        ("text (nearest's age)", "text"),
        ("two steps (place)", "behaviour"),
        ("space:newest", "behaviour"),
        ("smoothed", "behaviour lent by content"),
        ("interacted (age)", "the person's own past"),
        ("trend", "popularity"),
        ("something else", "context"),
    ],
)
def test_families(name, wanted):
    assert family(name, BLOCKS) == wanted


def test_every_feature_of_the_ranker_has_a_family(ranker, rings, said):
    names = ranker._candidates(histories_of(rings).take(slice(0, 2))).names
    assert "context" not in {family(name, tuple(said.parts)) for name in names}


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("text", "text: like the recent items"),
        ("words:newest (z)", "words: like the newest item, against others"),
        ("text (place)", "text: like the recent items, rank"),
        ("text (nearest's age)", "text: age of the nearest recent item"),
        ("space", "who chose what: like the long history"),
        ("space:newest", "who chose what: like the newest item"),
        (
            "two steps (place)",
            "followed what followed the recent items, rank",
        ),
        ("popularity (gap)", "popularity, against that of the newest item"),
        ("something else", "something else"),
        ("something else (z)", "something else (z)"),
        ("texts", "texts"),
        ("spaces (nearest)", "spaces (nearest)"),
    ],
)
def test_features_in_plain_words(name, wanted):
    assert meaning(name, BLOCKS) == wanted


@pytest.fixture(scope="module")
def every_name(small, rings, said):
    """Of a ranker with a dense, a sparse and a behavioural block, one called as another begins."""
    clicks = said.parts["text"][:, :5]
    parts = {**said.parts, "clicks": clicks, "text 2": clicks}
    items = Features(rings.item_ids, parts, behavioural=["clicks"])
    ages = sparse.csr_array(rings.users.select("age").to_numpy(), dtype=np.float32)
    users = Features(
        Ids(rings.users["user_id"]),
        {"facts": ages, "query.text": np.ones((len(ages.indptr) - 1, 24), dtype=np.float32)},
    )
    context = FitContext(items=items, users=users)
    timed = rings.interactions.with_columns(timestamp=pl.int_range(pl.len()).cast(pl.Float64))
    disliked = timed.with_columns(pl.col(ITEM).reverse()).gather_every(5)
    data = replace(rings, interactions=timed, against=disliked)
    model = small(against=True).fit(data, replace(context, remake=lambda _part: context))
    return model.importances_


def test_every_feature_of_the_ranker_has_plain_words_of_its_own(every_name):
    names, plain = every_name["feature"].to_list(), every_name["meaning"].to_list()
    assert len(set(plain)) == len(names)
    for name, words in zip(names, plain, strict=True):
        assert words != name or name == "popularity", name
        assert not set("(_)") & set(words), words


def test_every_plain_word_is_used(every_name):
    plain = every_name["meaning"].to_list()
    for words in (*SIGNALS.values(), *COMPARISONS.values()):
        assert any(words in one for one in plain), words


def test_features_of_a_block_bear_its_name(every_name):
    for block in ("text", "text 2", "words", "clicks"):
        own = every_name.filter(pl.col("family") == block)
        assert own["meaning"].str.starts_with(f"{block}: ").all()
