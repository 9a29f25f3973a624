"""Planted catalogues in which something else than the trees is right, and whether it is found."""

import numpy as np
import polars as pl
import pytest

from palate.core.dataset import Dataset
from palate.core.features import Features
from palate.core.histories import histories_of, history_of_items
from palate.core.topk import rank_rows
from palate.core.types import FitContext
from palate.data.split import split_by_time
from palate.evaluation.compare import compare
from palate.pipeline.pipeline import Pipeline, load
from palate.recommenders import ranker
from palate.recommenders.covisit import Covisit
from palate.recommenders.ease import Ease
from palate.recommenders.popular import Popular
from palate.recommenders.ranker import Ranker

DAY = 86_400.0
START = 1_700_000_000.0


def small(**settings):
    return Ranker(
        **{
            "n_estimators": 30,
            "n_train_queries": 3000,
            "candidates": 30,
            "min_rows_per_leaf": 20,
            **settings,
        }
    )


def dataset(rows, items):
    table = pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp"], orient="row")
    return Dataset(table.sort("timestamp", maintain_order=True), pl.DataFrame({"item_id": items}))


def fashion():
    """For 100 days everybody begins with one of three old hits, for 90 more with one of three new
    ones; what follows are any of 40 other things.
    """
    rng = np.random.default_rng(3)
    hits = {False: ["old 0", "old 1", "old 2"], True: ["now 0", "now 1", "now 2"]}
    others = [f"thing {number:02d}" for number in range(40)]
    rows = []
    for day in range(190):
        for guest in range(3):
            first = hits[day >= 100][rng.choice(3, p=[0.5, 0.3, 0.2])]
            for step, item in enumerate([first, *rng.choice(others, 2, replace=False)]):
                moment = START + day * DAY + guest * 3600.0 + step * 60.0
                rows.append((f"{day}-{guest}", item, moment))
    return dataset(rows, [*hits[True], *others, *hits[False]])


def test_a_stranger_gets_what_is_popular_now():
    data = fashion()
    model = small().fit(data)
    stranger = history_of_items(data.item_ids, [[]])
    names = data.item_ids.tolist()
    all_time, _ = rank_rows(Popular().fit(data), stranger, 1)
    assert names[all_time[0, 0]] == "old 0"
    rows, _ = rank_rows(model, stranger, 3)
    assert {names[row] for row in rows[0]} == {"now 0", "now 1", "now 2"}
    way = model.choices_.row(0, named=True)
    assert way["who"] == "no history"
    assert way["ordered_by"].endswith("days)")
    assert way["ndcg"] > way["ndcg_otherwise"] + 0.1
    assert model.chosen_[0].startswith("no history: popularity of the last 7 days (NDCG@10 0.")


def test_without_times_a_stranger_gets_what_is_popular_of_all():
    data = fashion()
    timeless = data.with_interactions(data.interactions.drop("timestamp"))
    model = small().fit(timeless)
    assert all(line.startswith("long tail: ") for line in model.chosen_)
    assert not any("days" in name or name.startswith(("age", "ease")) for name in model.names_)
    stranger = history_of_items(data.item_ids, [[]])
    rows, _ = rank_rows(model, stranger, 1)
    assert data.item_ids.tolist()[rows[0, 0]] == "old 0"


def arrivals(*, wanted):
    """Two topics; each gets a new item every four days, for 160 days, and one that comes after.

    Regulars come all the time. If `wanted`, most take the newest of their topic; if not, its
    classics, and an arrival sells once.
    """
    rng = np.random.default_rng(5)
    items = [f"{topic} classic {number}" for topic in "ab" for number in range(15)]
    items += [f"{topic} week {week:02d}" for topic in "ab" for week in range(41)]
    rows, seen = [], {}
    for day in range(160):
        for guest in rng.choice(120, 12, replace=False).tolist():
            topic = "ab"[guest % 2]
            newest = f"{topic} week {day // 4:02d}"
            likely = 0.8 if wanted else (0.02 if day % 4 else 0.15)
            weights = 1 / np.arange(1, 16)
            classic = f"{topic} classic {rng.choice(15, p=weights / weights.sum())}"
            item = newest if rng.random() < likely else classic
            if (guest, item) not in seen:
                seen[guest, item] = True
                rows.append((f"g{guest}", item, START + day * DAY + guest * 60.0))
    data = dataset(rows, items)
    rng = np.random.default_rng(6)
    topics = np.array([name.startswith("a") for name in items])
    week = np.array(["week" in name for name in items])
    vectors = np.column_stack([topics, ~topics, 0.3 * week, 0.2 * rng.normal(size=(112, 4))])
    return data, Features(data.item_ids, {"text": vectors})


def places_of_what_comes(data, features, **settings):
    """(n,) places of the topic's item that nobody has seen yet, 1 the first, in regulars' lists."""
    model = small(**settings).fit(data, FitContext(items=features))
    asking = histories_of(data)
    rows, _ = rank_rows(model, asking, len(data.item_ids))
    mine = [
        data.item_ids.tolist().index(f"{'ab'[int(name[1:]) % 2]} week 40")
        for name in asking.user_ids
    ]
    return (rows == np.array(mine)[:, None]).argmax(axis=1) + 1, model


def test_where_arrivals_are_what_people_take_they_get_the_places():
    places, model = places_of_what_comes(*arrivals(wanted=True))
    assert np.median(places) <= 3
    lift = model.choices_.filter(pl.col("who") == "new items").row(0, named=True)
    assert lift["ndcg"] >= 0.99 * lift["ndcg_otherwise"]


def test_where_nobody_takes_arrivals_they_do_not():
    places, model = places_of_what_comes(*arrivals(wanted=False))
    assert (places <= 10).mean() < 0.3
    lift = model.choices_.filter(pl.col("who") == "new items").row(0, named=True)
    assert lift["ndcg"] >= 0.98 * lift["ndcg_otherwise"]


def test_a_fifth_of_the_catalogue_that_came_at_once_has_a_place_in_every_list():
    data, features = arrivals(wanted=False)
    asking = histories_of(data)
    settled, usual = small(new_share=0.0), small()
    held = np.random.default_rng(2).permutation(len(data.item_ids))[:34]
    without = data.part(~np.isin(data.item_rows, held))
    new = without.item_counts == 0
    for model in (settled, usual):
        model.fit(without, FitContext(items=features))
    shown = [new[rank_rows(model, asking, 10)[0]].sum(axis=1) for model in (settled, usual)]
    assert (shown[0] == 0).mean() > 0.5
    assert (shown[1] >= 1).all()
    assert shown[1].mean() < 2.5  # one place in ten, and what they reach by themselves


def test_how_far_arrivals_are_lifted_is_found_a_few_requests_at_a_time(monkeypatch):
    data, features = arrivals(wanted=False)
    at_once = small().fit(data, FitContext(items=features))
    asked, candidates = [], ranker.candidates

    def spy(asking, *rest, **settings):
        asked.append(len(asking))
        return candidates(asking, *rest, **settings)

    monkeypatch.setattr(ranker, "candidates", spy)
    monkeypatch.setattr(ranker, "CHUNK_CELLS", 20 * ranker.FEWEST_CELLS)
    again = small().fit(data, FitContext(items=features))
    assert sum(asked) > 20 >= max(asked)
    assert again.choices_.equals(at_once.choices_)


def test_a_stated_share_is_kept():
    data, features = arrivals(wanted=False)
    model = small(new_share=0.3).fit(data, FitContext(items=features))
    rows, _ = rank_rows(model, histories_of(data), 10)
    assert ((data.item_counts == 0)[rows].sum(axis=1) >= 2).all()


def sets_of_six():
    """People take four of a set of six in any order: who did what together is all there is."""
    rng = np.random.default_rng(8)
    rows = []
    for user in range(500):
        own = rng.integers(12)
        moment = START + rng.uniform(0, 200) * DAY
        for step, place in enumerate(rng.permutation(6)[:4]):
            rows.append((f"u{user:03d}", f"s{own:02d}-{place}", moment + step * 60.0))
    return dataset(rows, [f"s{own:02d}-{place}" for own in range(12) for place in range(6)])


def test_where_an_expert_alone_is_right_the_default_is_no_worse():
    split = split_by_time(sets_of_six())
    models = {
        "default": small().fit(split.train),
        "ease": Ease().fit(split.train),
        "covisit": Covisit().fit(split.train),
        "popular": Popular().fit(split.train),
    }
    found = compare(models, split, reference="default", metrics=("ndcg",), beyond=False)
    assert found.cell("ease", "ndcg@10").interval.mean > 0.3
    for name in ("ease", "covisit", "popular"):
        for part in ("all", "history_0", "history_1_5"):
            difference = found.cell(name, "ndcg@10", part).difference
            assert not difference.low > 0, (name, part, difference)


def test_the_order_of_rows_chooses_nothing():
    data, features = arrivals(wanted=True)
    model = small().fit(data, FitContext(items=features))
    back = np.random.default_rng(1).permutation(len(data.item_ids))
    other = Dataset(data.interactions, data.items[back])
    turned = small().fit(other, FitContext(items=features.take(back)))
    assert turned.choices_.equals(model.choices_)
    scores = model.score(histories_of(data))
    np.testing.assert_array_equal(turned.score(histories_of(other)), scores[:, back])


def test_choices_are_saved_and_checked(tmp_path):
    data = fashion()
    model = Pipeline(encoders={}, recommender=small()).fit(data)
    model.save(tmp_path / "model")
    loaded = load(tmp_path / "model")
    assert loaded.recommender_.choices_.equals(model.recommender_.choices_)
    asking = histories_of(data)
    np.testing.assert_array_equal(loaded.score(asking), model.score(asking))
    ranker = model.recommender_
    ranker.check_learnt()
    for wrong in (
        pl.col("ordered_by").str.replace("popularity", "weather"),
        pl.lit("somebody").alias("who"),
        pl.lit(float("nan")).alias("weight"),
        pl.lit(0.7).alias("trees"),
    ):
        ranker.choices_ = loaded.recommender_.choices_.with_columns(wrong)
        with pytest.raises(ValueError, match="choices_"):
            ranker.check_learnt()
