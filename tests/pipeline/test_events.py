"""Events that came after the fit: lists know them at once, and the card says what does not."""

import logging

import numpy as np
import polars as pl
import pytest

import palate
from palate.core.errors import ConfigError, DataError
from palate.core.histories import history_of_items
from palate.data.samples import synthetic
from palate.features.encoders.behaviour import Behaviour
from palate.features.encoders.tfidf import Tfidf
from palate.pipeline.pipeline import Pipeline, load
from palate.pipeline.received import check_received
from palate.pipeline.saved import read_card
from palate.recommenders.blend import Blend
from palate.recommenders.content import Content
from palate.recommenders.covisit import Covisit
from palate.recommenders.ease import Ease
from palate.recommenders.item_knn import ItemKNN
from palate.recommenders.popular import Popular
from palate.recommenders.ranker import Ranker
from palate.recommenders.rerankers.diversity import Diversity
from palate.recommenders.user_knn import UserKNN

DAY = 86_400.0


def ranker(**settings):
    return Ranker(
        n_estimators=5, n_train_queries=200, candidates=20, min_rows_per_leaf=5, **settings
    )


@pytest.fixture(scope="module")
def log():
    """Who chose what when: each once, of equal weight; the last fifth comes after the fit."""
    events = synthetic(40, 30).interactions.select("user_id", "item_id", "timestamp")
    return events.unique(["user_id", "item_id"], keep="first", maintain_order=True)


@pytest.fixture(scope="module")
def goods():
    return synthetic(40, 30).items


@pytest.fixture(scope="module")
def parts(log, goods):
    """The events of the fit, and those that came later: of known people and of two new ones."""
    cut = len(log) * 4 // 5
    last = float(log["timestamp"].max())
    new = [("nora", "i03"), ("nora", "i07"), ("omar", "i03")]
    more = [(user, item, last + DAY * place) for place, (user, item) in enumerate(new, 1)]
    later = pl.concat([log[cut:], pl.DataFrame(more, schema=log.schema, orient="row")])
    return log[:cut], later


@pytest.fixture(scope="module")
def both(parts):
    """People who did something before and after the fit."""
    before, later = parts
    return sorted(set(before["user_id"]) & set(later["user_id"]))


def read(events, goods, **settings):
    return palate.read(events, items=goods, **settings)


def fitted(events, goods, recommender, encoders=None, **settings):
    encoders = {"text": Tfidf()} if encoders is None else encoders
    return Pipeline(encoders=encoders, recommender=recommender, **settings).fit(read(events, goods))


EVERY = {
    "popular": Popular(last_days=3),
    "covisit": Covisit(),
    "item_knn": ItemKNN(),
    "user_knn": UserKNN(),
    "ease": Ease(l2=5.0),
    "content": Content(),
    "blend": Blend(),
    "ranker": ranker(),
}
COUNTED = {
    "popular": Popular(),
    "popular of three days": Popular(last_days=3),
    "covisit": Covisit(),
    "item_knn": ItemKNN(),
    "user_knn": UserKNN(),
    "blend": Blend(parts=[{"type": "covisit"}, {"type": "user_knn"}]),
}


@pytest.mark.parametrize("name", EVERY)
def test_lists_are_those_of_the_whole_history(goods, parts, both, name):
    before, later = parts
    model = fitted(before, goods, EVERY[name])
    old = model.recommend(both, k=30).table
    assert model.add_events(later) is model
    whole = pl.concat([before, later])
    for user in (*both[:2], "nora"):
        did = whole.filter(user_id=user)["item_id"].to_list()
        known, told = model.recommend([user], k=30), model.recommend(history=did, k=30)
        assert known.table["item_id"].to_list() == told.table["item_id"].to_list()
        np.testing.assert_array_equal(known.table["score"], told.table["score"])
        assert not set(did) & set(known.table["item_id"])
    assert not old.equals(model.recommend(both, k=30).table)
    assert model.known_users.find(["nora"]).lengths.tolist() == [2]


@pytest.mark.parametrize("name", COUNTED)
def test_what_is_counted_is_as_after_a_fit_on_everything(goods, parts, name):
    before, later = parts
    model = fitted(before, goods, COUNTED[name], encoders={}).add_events(later)
    fresh = fitted(pl.concat([before, later]), goods, COUNTED[name], encoders={})
    for user in ("u00", "u13", "u39", "omar"):
        assert model.recommend([user], k=30).table.equals(fresh.recommend([user], k=30).table)
    stranger = history_of_items(model.item_ids, [[]])
    np.testing.assert_array_equal(model.score(stranger), fresh.score(stranger))


def dense(part):
    return part.toarray() if hasattr(part, "toarray") else part


def test_the_rankers_counts_are_those_of_all_events(goods, parts):
    before, later = parts
    model = fitted(before, goods, ranker(against=True))
    trees = model.recommender_.trees_
    model.add_events(later)
    features = model.features_
    fresh = ranker(against=True).fit(model.data_, palate.FitContext(items=features))
    now = model.recommender_
    assert now.statistics_.keys() == fresh.statistics_.keys()
    for key, value in now.statistics_.items():
        other = fresh.statistics_[key]
        one, other = (
            part.toarray() if hasattr(part, "toarray") else part for part in (value, other)
        )
        np.testing.assert_array_equal(one, other, err_msg=key)
    assert now.trees_ == trees
    now.check_learnt()


def test_arrivals_of_items_and_events_go_together(goods, parts):
    """A new item, then people who choose it: no longer new, and recommended to others."""
    before, later = parts
    for recommender in (ranker(), Covisit(), Popular(), Blend()):
        model = fitted(before, goods, recommender, rerankers=[Diversity(weight=0.1)])
        title = goods["title"][0]
        model.add_items(pl.DataFrame({"item_id": ["new"], "title": [title]}))
        last = float(later["timestamp"].max())
        rows = [(f"p{n}", item, last + n) for n in range(9) for item in ("i03", "new")]
        model.add_events(pl.DataFrame(rows, schema=later.schema, orient="row"))
        found = model.recommend(history=["i03"], k=3).table["item_id"]
        assert "new" in found.to_list()


def test_what_is_turned_down_sinks_for_everybody(goods, log):
    rated = log.with_columns(rating=pl.lit(5.0))
    data = read(rated[:-1], goods, positive="rating >= 3")
    model = Pipeline(encoders={}, recommender=Popular()).fit(data)
    first = model.recommend(history=[], k=1).table["item_id"][0]
    last = float(log["timestamp"].max())
    rows = [(f"p{n}", first, last + n, 1.0) for n in range(200)]
    model.add_events(pl.DataFrame(rows, schema=rated.schema, orient="row"))
    assert model.recommend(history=[], k=30).table["item_id"][-1] == first
    assert first not in model.recommend(["p7"], k=30).table["item_id"].to_list()
    assert len(model.data_.against) == 200


def test_the_other_model_stays(goods, parts, both):
    before, later = parts
    model = fitted(before, goods, Covisit())
    lists = model.recommend(both, k=30).table
    other = model.with_events(later)
    assert model.recommend(both, k=30).table.equals(lists)
    assert "nora" not in model.data_.user_ids.series.to_list()
    assert other.recommend(["nora"], k=3).table.height == 3
    with pytest.raises(ConfigError, match=r"no argument 'user'\. Did you mean 'users'"):
        model.with_events(later, user=later)


def test_it_is_saved_and_the_card_says_what_is_stale(goods, parts, tmp_path, caplog):
    before, later = parts
    encoders = {"text": Tfidf(), "clicks": Behaviour(dim=4)}
    model = fitted(before, goods, ranker(), encoders=encoders)
    model.save(tmp_path / "model")
    assert read_card(tmp_path / "model").since == []
    once = load(tmp_path / "model")
    with caplog.at_level(logging.INFO, logger="palate"):
        once.add_events(later[:3])
    assert not [line for line in caplog.records if line.levelno >= logging.WARNING]
    once.add_events(later[3:])
    once.save(tmp_path / "model")
    assert "that is much, fit again" in caplog.text
    now = load(tmp_path / "model")
    for user in ("u21", "nora"):
        assert now.recommend([user]).table.equals(once.recommend([user]).table)
    card = read_card(tmp_path / "model")
    assert card.version == 2
    fitted_on, kept = card.since
    assert fitted_on.startswith(f"{len(later):,} events since the fit of 20")
    assert f"of the {len(before):,} that it was fitted on: that is much, fit again" in fitted_on
    assert "trees of ranker, choices of ranker, encoders of items" in kept
    assert "(blocks learnt from events: clicks)" in kept
    assert fitted_on in "\n".join(card.lines())
    counted = fitted(before, goods, Covisit(), encoders={}).add_events(later[:3])
    counted.save(tmp_path / "counted")
    lines = read_card(tmp_path / "counted").since
    assert "nothing else was learnt" in lines[1]
    assert "fit again" not in lines[0]


class Own:
    """A recommender of somebody's own, with the three verbs."""

    def fit(self, data, context=None):
        self.counts = np.bincount(data.item_rows, minlength=len(data.items)).astype(np.float32)
        return self

    def score(self, histories):
        return np.tile(self.counts, (len(histories), 1))

    def add_items(self, items):
        return self


def test_a_recommender_without_refresh_keeps_its_fit(goods, parts):
    from palate.pipeline.events import since_lines

    before, later = parts
    model = Pipeline(encoders={}, recommender=Own()).fit(read(before, goods))
    counts = model.recommender_.counts
    model.add_events(later)
    np.testing.assert_array_equal(model.recommender_.counts, counts)
    assert model.recommend(["nora"], k=3).table.height == 3
    assert "Own" in since_lines(model)[-1]


def test_unknown_items_are_said_and_left_out(goods, parts, caplog):
    before, later = parts
    model = fitted(before, goods, Covisit())
    strange = later.with_columns(item_id=pl.lit("what"))
    model.add_events(pl.concat([strange, later]))
    assert f"left out {len(later)} events of 1 item that the catalogue lacks" in caplog.text
    assert len(model.data_.interactions) == len(before) + len(later)
    model.add_events(strange)
    assert len(model.data_.interactions) == len(before) + len(later)
    with pytest.raises(DataError, match="no column for timestamp"):
        model.add_events(later.drop("timestamp"))


def test_a_model_that_was_told_the_answers_is_not_marked_on_them(goods, log):
    split = palate.split_by_time(read(log, goods), test=0.2)
    model = Pipeline(encoders={}, recommender=Covisit()).fit(split.train)
    palate.evaluate(model, split)
    cut = split.train.times.max()
    model.add_events(log.filter(pl.col("timestamp") > cut))
    with pytest.raises(DataError, match="answers of this split"):
        palate.evaluate(model, split)


def test_the_order_of_rows_moves_no_list(goods, parts):
    before, later = parts
    one = fitted(before, goods, ranker()).add_events(later)
    shuffled = later.sample(fraction=1, shuffle=True, seed=1)
    other = fitted(before, goods, ranker()).add_events(shuffled)
    for user in ("u21", "nora"):
        assert one.recommend([user], k=30).table.equals(other.recommend([user], k=30).table)


def test_what_came_since_goes_with_whose_it_is(goods, parts):
    """Whoever is forgotten takes their events along, in the count of those since the fit, too."""
    before, later = parts
    model = fitted(before, goods, Popular(), encoders={}).add_events(later)
    assert model.since_fit_["added"] == len(later)
    gone = ["nora", later["user_id"][0]]
    model.remove_users(gone)
    left = len(later.filter(~pl.col("user_id").is_in(gone)))
    assert model.since_fit_["added"] == left
    model.add_events(later.filter(user_id="nora"))
    assert model.since_fit_["added"] == left + 2
    check_received(model)
    model.later_events_ = model.later_events_[:-1]
    with pytest.raises(ValueError, match="later events of other people"):
        check_received(model)
