"""Features as anybody's frames: ids, columns with names, sparse where blocks are."""

import subprocess
import sys

import lightgbm
import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse
from sklearn.linear_model import LogisticRegression

import palate
from palate.core.errors import AlignmentError, DataError, MissingExtraError
from palate.core.histories import histories_of, history_of_items
from palate.data.samples import synthetic


@pytest.fixture(scope="module")
def shop():
    return synthetic(40, 30)


@pytest.fixture(scope="module")
def model(shop):
    return palate.Pipeline(
        encoders={
            "words": palate.Tfidf(template="{title}. {category}"),
            "facts": palate.Attributes(columns=["category", "price"]),
            "numbers": palate.Aggregates(),
            "clicks": palate.Behaviour(dim=4),
        },
        representation=[],
        recommender=palate.Content(),
    ).fit(shop)


def made_up():
    parts = {
        "dense": np.array([[1.0, 2.0], [0.0, 3.0], [0.5, 0.0]]),
        "sparse": sparse.csr_array(np.array([[0, 0, 7], [5, 0, 0], [0, 0, 0]], dtype="f4")),
    }
    ids = palate.Ids(["b", "a", "c"])
    return palate.Features(ids, parts, names={"sparse": ["red", "green, dark", "x = 1"]})


NAMES = ["dense.0", "dense.1", "sparse.red", "sparse.green_dark", "sparse.x=1"]


def test_columns_are_called_by_what_they_mean():
    assert made_up().get_feature_names_out().tolist() == NAMES


def test_a_polars_frame_begins_with_the_ids():
    frame = made_up().to_polars()
    assert frame.columns == ["item_id", *NAMES]
    assert frame.row(1) == ("a", 0.0, 3.0, 5.0, 0.0, 0.0)
    assert frame.dtypes[1:] == [pl.Float32] * 5
    assert pl.DataFrame(made_up()).equals(frame)


def test_a_long_frame_holds_what_is_not_zero():
    frame = made_up().to_polars(form="long")
    assert frame.columns == ["item_id", "feature", "value"]
    assert sorted(frame.rows()) == [
        ("a", "dense.1", 3.0),
        ("a", "sparse.red", 5.0),
        ("b", "dense.0", 1.0),
        ("b", "dense.1", 2.0),
        ("b", "sparse.x=1", 7.0),
        ("c", "dense.0", 0.5),
    ]


def test_a_frame_of_lists_has_a_column_a_block():
    frame = made_up().to_polars(form="lists")
    assert frame.columns == ["item_id", "dense", "sparse"]
    assert frame["sparse"].to_list()[1] == [5, 0, 0]


def test_another_form_is_refused():
    with pytest.raises(DataError, match="Did you mean 'long'"):
        made_up().to_polars(form="lang")


def test_a_pandas_frame_stays_sparse():
    frame = made_up().to_pandas()
    assert frame.index.tolist() == ["b", "a", "c"]
    assert frame.index.name == "item_id"
    assert frame.columns.tolist() == NAMES
    assert [isinstance(kind, pd.SparseDtype) for kind in frame.dtypes] == [False] * 2 + [True] * 3
    np.testing.assert_array_equal(frame.to_numpy(), made_up().values)


def test_a_matrix_of_all_blocks_is_sparse():
    found = made_up().to_scipy()
    assert isinstance(found, sparse.csr_array)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found.toarray(), made_up().values)


def test_pandas_and_numpy_take_features_as_they_are():
    np.testing.assert_array_equal(pd.DataFrame(made_up()).to_numpy(), made_up().values)
    np.testing.assert_array_equal(np.asarray(made_up()), made_up().values)


def test_without_blocks_there_are_ids_alone():
    empty = palate.Features(palate.Ids(["a", "b"]), {})
    assert empty.to_polars().columns == ["item_id"]
    assert empty.to_pandas().shape == (2, 0)
    assert empty.to_scipy().shape == (2, 0)
    assert empty.to_polars(form="long").shape == (0, 3)


def test_pandas_that_is_missing_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingExtraError, match="pip install pandas"):
        made_up().to_pandas()


def test_names_of_other_columns_are_refused():
    with pytest.raises(AlignmentError, match="2 columns, but 1 names"):
        palate.Features(palate.Ids(["a"]), {"x": np.ones((1, 2))}, names={"x": ["one"]})


def test_columns_that_would_be_called_alike_are_told_apart():
    names = {"x": ["a b", "a:b", "a_b", "a_b_2"]}
    features = palate.Features(palate.Ids(["a"]), {"x": np.ones((1, 4))}, names=names)
    found = features.get_feature_names_out().tolist()
    assert found == ["x.a_b", "x.a_b_3", "x.a_b_4", "x.a_b_2"]


def test_encoders_say_what_their_columns_mean(model, shop):
    names = model.features.get_feature_names_out().tolist()
    assert len(names) == len(set(names)) == model.features.dim
    words = model.encoders_["words"].vocabulary_
    assert names[: len(words)] == [f"words.{word.replace(' ', '_')}" for word in words]
    assert {"facts.price", f"facts.category={shop.items['category'][0]}"} <= set(names)
    assert {"numbers.events", "numbers.no_events", "clicks.0", "clicks.3"} <= set(names)


def test_names_go_with_their_columns_through_selection(shop):
    whole = {"encoders": {"words": palate.Tfidf()}, "recommender": palate.Content()}
    bare = palate.Pipeline(**whole, representation=[], fusion=palate.Concat(scale=False)).fit(shop)
    few = palate.Pipeline(
        **whole,
        representation=[],
        fusion=palate.Concat(scale=False),
        selection=[palate.Variance(floor=1.0)],
    ).fit(shop)
    assert 0 < few.features.dim < bare.features.dim
    every, some = bare.features.to_polars(), few.features.to_polars()
    assert some.equals(every.select(some.columns))


def test_a_rotated_block_has_numbers_in_place_of_names(shop):
    model = palate.Pipeline(
        encoders={"numbers": palate.Aggregates()},
        representation=[palate.Reduce(dim=3)],
        recommender=palate.Content(),
    ).fit(shop)
    assert list(model.features.get_feature_names_out()) == ["numbers.0", "numbers.1", "numbers.2"]


def test_a_saved_model_knows_the_names(model, tmp_path):
    loaded = palate.load(model.save(tmp_path / "model"))
    assert loaded.features.names == model.features.names
    assert loaded.features.to_polars().equals(model.features.to_polars())


def test_new_items_have_the_same_names(model, shop):
    new = shop.items.head(2).with_columns(item_id="new " + pl.col("item_id"))
    angles = [palate.Whiten(numbers=["numbers"])]
    grown = palate.Pipeline(
        encoders=model.encoders, representation=angles, recommender=palate.Content()
    ).fit(shop)
    before = grown.features
    grown.add_items(new)
    assert len(grown.features) == len(before) + 2
    assert grown.features.names == before.names
    named = set(grown.features.get_feature_names_out())
    assert {"facts.price", "numbers.events_(cosine)", "numbers.trend_(sine)"} <= named


def test_features_of_people_are_called_by_user_id(model, shop, tmp_path):
    histories = histories_of(shop)
    users = palate.user_features(histories, model.features)
    assert users.to_polars().columns[0] == "user_id"
    assert users.to_pandas().index.name == "user_id"
    assert "history.facts.price" in users.get_feature_names_out()
    assert palate.user_aggregates(shop).to_polars().columns[:2] == [
        "user_id",
        "history.numbers.events",
    ]
    asking = history_of_items(model.item_ids, [[model.item_ids[0]], []])
    assert palate.user_features(asking, model.features).to_polars().columns[0] == "user_id"
    assert users.take(np.array([3, 1])).to_polars().columns[0] == "user_id"
    words = palate.user_features(asking, model.features, model.queries(["green", "red"]))
    assert any(name.startswith("query.words.") for name in words.get_feature_names_out())


@pytest.mark.filterwarnings("error")
def test_lightgbm_and_scikit_learn_take_the_frames(model, shop):
    users = palate.user_features(histories_of(shop), model.features)
    older = (shop.users["age"] > 36).to_numpy()
    assert users.ids.tolist() == shop.users["user_id"].to_list()
    frame = users.to_pandas()
    trees = lightgbm.LGBMClassifier(n_estimators=3, min_child_samples=2, verbose=-1)
    trees.fit(frame, older)
    assert trees.feature_name_ == frame.columns.tolist()
    linear = LogisticRegression().fit(users.to_polars().drop("user_id"), older)
    assert list(linear.feature_names_in_) == frame.columns.tolist()
    same = LogisticRegression().fit(users.to_scipy(), older)
    np.testing.assert_allclose(linear.coef_, same.coef_, atol=1e-3)


def test_a_notebook_shows_blocks_and_no_markup():
    ids = palate.Ids(["a"])
    names = {"<b>\x1b": ["<script>alert(1)</script>"]}
    page = palate.Features(ids, {"<b>\x1b": np.ones((1, 1))}, names=names)._repr_html_()
    assert "&lt;b&gt;" in page
    assert "<script>" not in page
    assert "\x1b" not in page


def test_frames_cost_nothing_where_they_are_not_asked_for():
    code = "import sys, palate; palate.Features; print('pandas' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
