"""Known items that change: they say something else at once, and what people did stays."""

import numpy as np
import polars as pl
import pytest

from palate.core.errors import ConfigError, DataError, UnknownIdError
from palate.data.samples import synthetic, synthetic_truth
from palate.features.encoders.behaviour import Behaviour
from palate.features.encoders.tfidf import Tfidf
from palate.features.fusion.linear import Linear
from palate.pipeline.pipeline import Pipeline, load
from palate.recommenders.blend import Blend
from palate.recommenders.content import Content
from palate.recommenders.covisit import Covisit
from palate.recommenders.ranker import Ranker
from palate.recommenders.rerankers.diversity import Diversity


def ranker():
    return Ranker(n_estimators=5, n_train_queries=200, candidates=20, min_rows_per_leaf=5)


@pytest.fixture(scope="module")
def shop():
    return synthetic(40, 30)


def fitted(shop, recommender, **others):
    return Pipeline(encoders={"text": Tfidf()}, recommender=recommender, **others).fit(shop)


def twin(shop, item, of):
    """The item says what another one says."""
    return shop.items.filter(item_id=of).with_columns(item_id=pl.lit(item))


def far(shop):
    """Two items of different topics."""
    topic = synthetic_truth(40, 30).topic
    return "i00", f"i{int(np.flatnonzero(topic != topic[0])[0]):02d}"


@pytest.mark.parametrize("recommender", [Content(), ranker(), Blend()])
def test_a_changed_item_is_found_by_what_it_says_now(shop, recommender, tmp_path):
    one, other = far(shop)
    model = fitted(shop, recommender, rerankers=[Diversity(weight=0.1)])
    before = model.similar(other, by="content").table["similar_id"]
    model.update_items(twin(shop, one, of=other))
    for now in (model, load(model.save(tmp_path / "model"))):
        assert now.similar(other, by="content").table["similar_id"][0] == one
        text = shop.items.filter(item_id=other)["title"][0]
        words = now.recommend(text=text, k=3, exclude_seen=False).table["item_id"]
        assert {one, other} <= set(words)
        assert len(now.recommend(["u07"], k=5).table) == 5
    assert before[0] != one


def test_it_is_as_if_it_had_said_so_from_the_beginning(shop):
    one, other = far(shop)
    model = fitted(shop, Covisit())
    text = model.features_
    model.update_items(twin(shop, one, of=other))
    row, source = model.item_ids.rows([one, other])
    changed = model.features_.parts["text"].toarray()
    np.testing.assert_allclose(changed[row], changed[source], atol=1e-6)
    others = np.setdiff1d(np.arange(30), [row])
    np.testing.assert_array_equal(changed[others], text.parts["text"].toarray()[others])
    assert model.data_.items["item_id"].equals(shop.items["item_id"])


def test_what_a_learnt_map_makes_of_words_follows_them(shop):
    one, other = far(shop)
    model = Pipeline(encoders={"text": Tfidf()}, fusion=Linear(dim=4), recommender=Content())
    model.fit(shop)
    assert model.features.behavioural == {"linear"}
    model.update_items(twin(shop, one, of=other))
    row, source = model.item_ids.rows([one, other])
    for features in (model.features, model.recommender_.items_):
        mapped = features.parts["linear"]
        np.testing.assert_allclose(mapped[row], mapped[source], atol=1e-6)


def test_what_people_did_stays(shop):
    encoders = {"text": Tfidf(), "clicks": Behaviour(dim=4)}
    model = Pipeline(encoders=encoders, recommender=Covisit()).fit(shop)
    clicks, lists = model.features_.parts["clicks"], model.recommend(["u07"], k=30).table
    model.update_items(pl.DataFrame({"item_id": ["i03"], "title": ["something else"]}))
    np.testing.assert_array_equal(model.features_.parts["clicks"], clicks)
    assert model.recommend(["u07"], k=30).table.equals(lists)
    now, before = (items.filter(item_id="i03") for items in (model.data_.items, shop.items))
    assert now["title"][0] == "something else"
    assert now.drop("title").equals(before.drop("title"))


def test_conditions_ask_what_items_say_now(shop):
    model = fitted(shop, Covisit())
    model.update_items(pl.DataFrame({"item_id": ["i03"], "price": [1.5]}))
    found = model.recommend(["u07"], where="price = 1.5", exclude_seen=False).table
    assert found["item_id"].to_list() == ["i03"]


def test_what_cannot_be_changed(shop):
    model = fitted(shop, Covisit())
    with pytest.raises(UnknownIdError, match="'i99'"):
        model.update_items(pl.DataFrame({"item_id": ["i99"], "title": ["new"]}))
    with pytest.raises(DataError, match="changed items: column 'price' must be numbers"):
        model.update_items(pl.DataFrame({"item_id": ["i03"], "price": ["dear"]}))

    class Own:
        """One of somebody's own, with the three verbs."""

        def fit(self, data, context=None):
            self.n_items = len(data.items)
            return self

        def score(self, histories):
            return np.zeros((len(histories), self.n_items), dtype=np.float32)

        def add_items(self, items):
            return self

    own = Pipeline(encoders={}, recommender=Own()).fit(shop)
    with pytest.raises(ConfigError, match="Own has no update_items"):
        own.update_items(pl.DataFrame({"item_id": ["i03"], "title": ["else"]}))
