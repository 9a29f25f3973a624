"""Which new item stands first: planted worlds in which something else than taste says it."""

import numpy as np
import polars as pl
import pytest

from palate.core.dataset import Dataset
from palate.core.histories import histories_of
from palate.core.topk import rank_rows
from palate.features.encoders.tfidf import Tfidf
from palate.pipeline.pipeline import Pipeline, load
from palate.recommenders.ranker import Ranker
from palate.recommenders.two_stage.arrivals import LENT, among_themselves, lent_popularity
from palate.recommenders.two_stage.catalogue import Catalogue
from palate.recommenders.two_stage.choice import ORDER, check_chosen
from palate.recommenders.two_stage.statistics import fit_statistics

DAY = 86_400.0
START = 1_700_000_000.0
KINDS = ("serial", "leaflet")
WORDS = {"classic": "tome", "serial": "episode told weekly", "leaflet": "page found somewhere"}
OTHERS = ["amber", "birch", "cedar", "dune", "ember", "fjord", "grove", "heath"]


def small(**settings):
    return Ranker(
        n_estimators=30, n_train_queries=3000, candidates=40, min_rows_per_leaf=20, **settings
    )


def serials():
    """Every two days one more of a serial that everybody follows for a month, and one that nobody
    takes twice. Both say nothing of what their readers take otherwise, which is six of 60 classics.

    The last of each kind comes after the events.
    """
    rng = np.random.default_rng(4)
    items = [f"classic {number:02d}" for number in range(60)]
    items += [f"{kind} {week:02d}" for kind in ("serial", "leaflet") for week in range(61)]
    rows, seen = [], set()
    for day in range(120):
        for guest in rng.choice(150, 25, replace=False).tolist():
            week = day // 2
            item = f"classic {rng.integers(60):02d}"
            if rng.random() < 0.4:
                item = f"serial {max(week - int(rng.integers(8)), 0):02d}"
            if guest % 50 == week % 50 and rng.random() < 0.5:
                item = f"leaflet {week:02d}"
            if (guest, item) not in seen:
                seen.add((guest, item))
                rows.append((f"g{guest:03d}", item, START + day * DAY + guest * 60.0))
    table = pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp"], orient="row")
    titles = [f"{WORDS[name.split()[0]]} {rng.choice(OTHERS)}" for name in items]
    catalogue = pl.DataFrame({"item_id": items, "title": titles})
    return Dataset(table.sort("timestamp", maintain_order=True), catalogue)


@pytest.fixture(scope="module")
def followed():
    data = serials()
    pipeline = Pipeline(encoders={"words": Tfidf(min_df=1)}, recommender=small()).fit(data)
    return data, pipeline, pipeline.recommender_


def test_the_new_item_that_is_like_what_sells_stands_before_the_other(followed):
    data, _, model = followed
    names = data.item_ids.tolist()
    rows, _ = rank_rows(model, histories_of(data), len(names))
    serial, leaflet = ((rows == names.index(f"{kind} 60")).argmax(axis=1) for kind in KINDS)
    assert (serial < leaflet).mean() > 0.95


def test_what_was_chosen_for_new_items_is_said_and_saved(followed, tmp_path):
    data, pipeline, model = followed
    (said,) = (line for line in model.chosen_ if line.startswith(ORDER))
    assert "trial requests" in said
    way = model.choices_.filter(pl.col("who") == ORDER).row(0, named=True)
    assert way["ndcg"] >= way["ndcg_otherwise"]
    assert way["requests"] > 100
    again = load(pipeline.save(tmp_path / "model"))
    asking = histories_of(data)
    assert again.recommender_.chosen_ == model.chosen_
    np.testing.assert_array_equal(again.score(asking), pipeline.score(asking))


def test_a_way_that_nobody_tried_is_refused(followed):
    _, _, model = followed
    check_chosen(model.choices_, model.names_)
    order = pl.col("who") == ORDER
    for wrong in (
        pl.when(order).then(pl.lit("mix")).otherwise("ordered_by").alias("ordered_by"),
        pl.when(order).then(pl.lit(0.5)).otherwise("weight").alias("weight"),
        pl.when(order).then(pl.lit("the weather")).otherwise("who").alias("who"),
    ):
        with pytest.raises(ValueError, match="choices_"):
            check_chosen(model.choices_.with_columns(wrong), model.names_)


def test_popularity_is_lent_by_what_is_most_alike(followed):
    data, pipeline, _ = followed
    catalogue = Catalogue.of(pipeline.features, len(data.item_ids))
    statistics = fit_statistics(histories_of(data), catalogue, behaviour=False, seed=0)
    lent = lent_popularity(statistics, catalogue)
    names = data.item_ids.tolist()
    assert lent[names.index("serial 60")] > 2 * lent[names.index("leaflet 60")] > 0
    assert (lent[statistics["counts"] > 0] == 0).all()
    lately = np.log1p(statistics["windows"][:, 3])
    assert lent.max() < lately.max()
    timeless = {name: value for name, value in statistics.items() if name != "windows"}
    assert not lent_popularity(timeless, catalogue).any()
    assert not lent_popularity(statistics, Catalogue.of(None, len(names))).any()


def test_new_items_change_places_among_themselves_only():
    values = np.array([[9.0, 8.0, 7.0, 6.0, 5.0], [1.0, 2.0, 3.0, 4.0, 5.0]], dtype=np.float32)
    new = np.array([[False, True, False, True, True], [True, False, False, False, True]])
    order = np.array([[5.0, 1.0, 4.0, 2.0, 3.0], [7.0, 9.0, 9.0, 9.0, 6.0]], dtype=np.float32)
    found = among_themselves(values, order, new)
    assert found.tolist() == [[9.0, 5.0, 7.0, 6.0, 8.0], [5.0, 2.0, 3.0, 4.0, 1.0]]
    nothing = np.zeros_like(new)
    np.testing.assert_array_equal(among_themselves(values, order, nothing), values)


def test_lent_is_no_name_of_a_feature(followed):
    _, _, model = followed
    assert LENT not in model.names_
