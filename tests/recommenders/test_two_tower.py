from dataclasses import replace

import numpy as np
import polars as pl
import pytest

import palate
from palate.core.dataset import Dataset
from palate.core.errors import ConfigError
from palate.core.features import Features
from palate.core.histories import history_of_items
from palate.core.ids import Ids
from palate.core.types import FitContext
from palate.recommenders.content import Content
from palate.recommenders.covisit import Covisit
from palate.recommenders.two_tower import TwoTower

QUICK = {"dim": 16, "hidden": 32, "epochs": 20, "batch_size": 256, "learning_rate": 1e-2}
QUICK |= {"threads": 1, "patience": 20, "dropout": 0.1}
LIKED = [2, 0, 1]  # the topic that people of each kind like


@pytest.fixture(scope="module")
def kinds():
    """Three kinds of people, three topics of items; a kind has one topic, at four of five times."""
    rng = np.random.default_rng(0)
    topics = rng.choice(3, 45, p=[0.5, 0.3, 0.2])
    items = [f"i{number:02}" for number in range(45)]
    people = rng.choice(3, 260, p=[0.45, 0.35, 0.2])
    rows = []
    for number, kind in enumerate(people):
        for _ in range(rng.integers(1, 5)):
            topic = LIKED[kind] if rng.random() < 0.8 else rng.integers(3)
            rows.append((f"u{number:03}", items[rng.choice(np.flatnonzero(topics == topic))]))
    table = pl.DataFrame(rows, schema=["user_id", "item_id"], orient="row").unique(
        maintain_order=True
    )
    data = Dataset(interactions=table, items=pl.DataFrame({"item_id": items}))
    marks = np.eye(3, dtype=np.float32)
    noise = 0.1 * rng.standard_normal((45, 3)).astype(np.float32)
    features = Features(data.item_ids, {"text": marks[topics] + noise})
    of_people = people[[int(name[1:]) for name in data.user_ids]]
    return data, FitContext(
        items=features, users=Features(data.user_ids, {"kind": marks[of_people]})
    )


def new_items_of_strangers(model, data, context):
    """Which of three new items, one of each topic, stands first for a stranger of each kind."""
    new = Features(Ids(["new 0", "new 1", "new 2"]), {"text": np.eye(3, dtype=np.float32)})
    model.fit(data, context).add_items(new)
    catalogue = Ids(pl.concat([data.item_ids.series, new.ids.series]))
    nobody = history_of_items(catalogue, [[], [], []])
    told = replace(nobody, users={"kind": np.eye(3, dtype=np.float32)})
    return model.score(told)[:, -3:].argmax(axis=1).tolist()


def test_a_stranger_gets_the_new_items_of_their_kind(kinds):
    data, context = kinds
    assert new_items_of_strangers(TwoTower(**QUICK), data, context) == LIKED
    assert new_items_of_strangers(TwoTower(ids=False, **QUICK), data, context) == LIKED
    for simpler in (Content(), Covisit()):
        assert new_items_of_strangers(simpler, data, context) != LIKED


def test_other_profiles_make_other_lists(kinds):
    data, context = kinds
    turned = context.users.parts["kind"][:, [1, 2, 0]]
    other = replace(context, users=Features(data.user_ids, {"kind": turned}))
    assert new_items_of_strangers(TwoTower(**QUICK), data, other) == [LIKED[k] for k in (1, 2, 0)]


def test_hard_negatives_tell_apart_what_is_chosen_alike():
    """What each first choice leads to, of two things that lie near each other."""
    rng = np.random.default_rng(1)
    items = [f"{kind}{n}" for n in range(12) for kind in ("first", "one", "two")]
    rows, counts = [], np.zeros((12, 2))
    for number in range(600):
        n, side = int(rng.integers(12)), int(rng.random() < 0.25)
        counts[n, side] += 1
        rows += [(f"u{number}", f"first{n}"), (f"u{number}", f"{('one', 'two')[side]}{n}")]
    table = pl.DataFrame(rows, schema=["user_id", "item_id"], orient="row")
    data = Dataset(interactions=table, items=pl.DataFrame({"item_id": items}))
    asked = history_of_items(data.item_ids, [[f"first{n}"] for n in range(12)])
    usual = [f"{('one', 'two')[side]}{n}" for n, side in enumerate(counts.argmax(axis=1))]
    plain = TwoTower(**QUICK).fit(data)
    hard = TwoTower(hard_negatives=1.0, negatives=4, **QUICK).fit(data)
    few = TwoTower(negatives=4, **QUICK).fit(data)
    assert not np.array_equal(few.id_vectors_, hard.id_vectors_)
    for model in (plain, hard):
        best = model.score(asked).argmax(axis=1)
        assert [data.item_ids[row] for row in best] == usual


def test_newer_choices_count_more(kinds):
    data, context = kinds
    topic = context.items.parts["text"].argmax(axis=1)
    one, other = (data.item_ids[int(np.flatnonzero(topic == t)[0])] for t in (0, 1))
    model = TwoTower(decay=0.3, **QUICK).fit(data, FitContext(items=context.items))
    first, last = model.score(history_of_items(data.item_ids, [[one, other], [other, one]]))
    means = [[row[topic == t].mean() for t in (0, 1)] for row in (first, last)]
    assert means[0][1] > means[0][0]
    assert means[1][0] > means[1][1]


def test_a_saved_pipeline_gives_the_same_lists(tmp_path):
    data = palate.data.samples.synthetic(60, 40)
    model = palate.Pipeline(recommender=TwoTower(**QUICK | {"epochs": 2})).fit(data)
    people = data.user_ids.series.head(3).to_list()
    found = model.recommend(people, k=5, reasons=True).table
    assert (
        palate.load(model.save(tmp_path / "model"))
        .recommend(people, k=5, reasons=True)
        .table.equals(found)
    )


@pytest.mark.parametrize("settings", [{"decay": 0.0}, {"hard_negatives": 2.0}, {"hidden": 0}])
def test_settings_that_cannot_work_raise(settings):
    with pytest.raises(ConfigError, match=next(iter(settings))):
        TwoTower(**settings)
