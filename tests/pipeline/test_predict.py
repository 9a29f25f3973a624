"""`Pipeline.predict`: the rating that somebody would give, whoever asks."""

import numpy as np
import polars as pl
import pytest

import palate
from palate.core.errors import AlignmentError, ConfigError, DataError, UnknownIdError
from palate.core.histories import histories_of
from palate.data.samples import synthetic


@pytest.fixture(scope="module")
def data():
    return synthetic(60, 40)


@pytest.fixture(scope="module", params=["bias", "item_knn", "user_knn"])
def model(data, request):
    return fitted(data, request.param)


def fitted(data, name):
    kinds = {"bias": palate.Bias, "item_knn": palate.ItemKNN, "user_knn": palate.UserKNN}
    settings = {} if name == "bias" else {"feedback": "explicit", "value_shrink": 3.0}
    return palate.Pipeline(encoders={}, recommender=kinds[name](**settings)).fit(data)


def test_a_person_and_an_item_give_a_rating(model, data, tmp_path):
    assert model.predicts
    people, items = data.user_ids.tolist()[:5], data.item_ids.tolist()[:5]
    said = model.predict(people, items)
    assert said.shape == (5,)
    assert said.dtype == np.float32
    values = data.events["value"]
    assert values.min() <= said.min() <= said.max() <= values.max()
    each = [model.predict([one], [item])[0] for one, item in zip(people, items, strict=True)]
    np.testing.assert_allclose(said, each, atol=1e-5)
    of_one = model.predict(people[:1], items)
    np.testing.assert_allclose(of_one[0], said[0], atol=1e-5)
    of_all = model.predict(people, items[0])
    np.testing.assert_allclose(of_all[0], said[0], atol=1e-5)
    again = palate.load(model.save(tmp_path / "model"))
    assert np.array_equal(again.predict(people, items), said)
    rows = model.item_ids.rows(items)
    assert np.array_equal(model.predict_histories(model.histories(people), rows), said)


@pytest.mark.parametrize("name", ["bias", "item_knn", "user_knn"])
def test_the_ratings_matter(data, name):
    shuffled = data.with_interactions(
        data.interactions.with_columns(pl.col("value").shuffle(seed=1))
    )
    people, items = data.user_ids.tolist()[:20], data.item_ids.tolist()[:20]
    one, other = (fitted(each, name).predict(people, items) for each in (data, shuffled))
    assert not np.allclose(one, other, atol=0.01)


def test_a_stranger_says_what_they_gave(model, data):
    known = data.item_ids.tolist()
    kind = model.predict(history=dict.fromkeys(known[:8], 5), items=known[8:12])
    strict = model.predict(history=dict.fromkeys(known[:8], 1), items=known[8:12])
    nobody = model.predict(history={}, items=known[8:12])
    names_alone = model.predict(history=known[:8], items=known[8:12])
    assert (strict < kind).all()
    assert np.array_equal(nobody, names_alone)
    both = model.predict(
        history=[dict.fromkeys(known[:8], 5), dict.fromkeys(known[:8], 1)], items=known[8:10]
    )
    np.testing.assert_allclose(both, [kind[0], strict[1]], atol=1e-5)


def test_a_rating_that_comes_later_counts_at_once(model, data):
    person, items = data.user_ids[0], data.item_ids.tolist()
    met = data.events.filter(user_id=person)["item_id"].to_list()
    others = [name for name in items[12:] if name not in met]
    before = model.predict([person], others)
    later = pl.DataFrame(
        {
            "user_id": [person] * 12,
            "item_id": items[:12],
            "timestamp": [2e9] * 12,
            "event": ["view"] * 12,
            "value": [1.0] * 12,
            "weight": [1.0] * 12,
        }
    )
    after = model.with_events(later).predict([person], others)
    assert after.mean() < before.mean() - 0.1


def test_who_cannot_predict_says_who_can(data):
    model = palate.Pipeline(encoders={}, recommender=palate.Popular()).fit(data)
    assert not model.predicts
    named = (
        'Popular predicts no values; these do: bias, bilinear with loss="squared", item_knn with '
        'feedback="explicit", mf with method="svd", user_knn with feedback="explicit"'
    )
    with pytest.raises(ConfigError, match=named):
        model.predict([data.user_ids[0]], [data.item_ids[0]])
    quiet = palate.Pipeline(encoders={}, recommender=palate.UserKNN()).fit(data)
    assert not quiet.predicts
    with pytest.raises(ConfigError, match=r'with feedback="explicit" alone'):
        quiet.predict([data.user_ids[0]], [data.item_ids[0]])


BAD = {
    "nobody": ({"items": ["i01"]}, DataError, "nobody asks"),
    "no item": ({"user_ids": ["u01"]}, DataError, "needs the ids of items"),
    "unknown person": ({"user_ids": ["xx"], "items": ["i01"]}, UnknownIdError, "unknown people"),
    "unknown item": ({"user_ids": ["u01"], "items": ["xx"]}, UnknownIdError, "unknown item ids"),
    "pairs": ({"user_ids": ["u01"] * 2, "items": ["i01"] * 3}, DataError, "3 items for 2"),
    "both": ({"user_ids": ["u01"], "history": {}, "items": ["i01"]}, DataError, "not for both"),
    "words": ({"history": {"i01": "good"}, "items": ["i02"]}, DataError, "no numbers: 'good'"),
    "nan": ({"history": {"i01": float("nan")}, "items": ["i02"]}, DataError, "no numbers"),
    "mixed": ({"history": [{"i01": 5}, "i02"], "items": ["i02"]}, DataError, "both ids and values"),
    "unknown rated": ({"history": {"xx": 5}, "items": ["i02"]}, UnknownIdError, "in the history"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_asked_is_refused(data, case):
    given, error, words = BAD[case]
    with pytest.raises(error, match=words):
        fitted(data, "bias").predict(**given)


def test_histories_of_others_are_refused(data):
    model = fitted(data, "bias")
    with pytest.raises(DataError, match="must be Histories"):
        model.predict_histories("u01", np.array([0]))
    with pytest.raises(AlignmentError, match="one catalogue row"):
        model.predict_histories(histories_of(data), np.array([0]))
